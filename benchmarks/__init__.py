"""What is measured: the numbers of docs/benchmarks.md and docs/training.md.

Each module is a command that runs from the root of the checkout: `python -m benchmarks.submission`.
"""
