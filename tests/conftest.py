"""Shared by all tests: nothing touches the user's cache, nothing needs a network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

# Measured data that cannot be shipped; tests that read it are skipped where it is missing.
DATA = Path(os.environ.get("MIFID_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
    monkeypatch.delenv("MIFID_WEIGHTS", raising=False)
    monkeypatch.delenv("MIFID_CACHE_SIZE", raising=False)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of measured data, or a skip."""
    if not DATA.is_dir():
        pytest.skip(f"no measured data in {DATA} (MIFID_DATA names another place)")
    return DATA


@pytest.fixture
def random() -> np.random.RandomState:
    return np.random.RandomState(7)
