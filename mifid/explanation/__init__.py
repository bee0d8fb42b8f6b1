"""Why two scores differ."""
