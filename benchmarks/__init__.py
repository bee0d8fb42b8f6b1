"""Benchmarks: the numbers of docs/benchmarks.md and docs/training.md.

Run each module as a command from the root of the checkout: `python -m benchmarks.submission`.
"""
