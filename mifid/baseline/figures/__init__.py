"""The pictures of a run: curves, and sheets of samples."""
