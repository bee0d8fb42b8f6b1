"""Some hundred hostile files for every reader; ``make fuzz N=10000`` runs more of them."""

from __future__ import annotations

import pytest
from harness import Worker
from readers import KINDS

_CASES = 40


@pytest.fixture(scope="module")
def worker():
    with Worker() as started:
        yield started


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_are_accepted_or_refused_in_words(kind: str, worker: Worker):
    found = worker.fuzz(kind, seed=1, numbers=range(_CASES), hang_seconds=300)
    assert found.failures == []
    assert found.results["accepted"] + found.results["refused"] == _CASES
    assert found.results["refused"], "a harness that only makes good files tests nothing"
