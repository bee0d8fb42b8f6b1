"""Shared by the tests of benchmarks."""

import pytest
from benchmarks_here import run_here

from benchmarks import processes


@pytest.fixture
def here(monkeypatch):
    """Run the commands of benchmarks in this process."""
    monkeypatch.setattr(processes, "measured", run_here)
