"""A training run: its steps, snapshots, checkpoints and records."""
