"""The same features whatever state of torch surrounds the call, and that state as before after it.

Each row of the table in docs/numerics.md is a case of ``AROUND``.
"""

import random as python_random
import re
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from surroundings import AROUND, Counting, draws, state

import mifid
from mifid.errors import FeatureError
from mifid.extractors import open_extractor
from mifid.extractors.inception import RandomInception
from mifid.extractors.isolation import isolated

PICTURES = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 3), dtype=np.uint8)
KERNEL = torch.from_numpy(np.random.RandomState(1).randn(4, 3, 3, 3).astype(np.float32))


seen = []


def probe(batch):
    """Features that another precision, type or mode would change; notes where it is run."""
    seen.append(state())
    x = torch.nn.functional.conv2d(batch.float() / 255, KERNEL)
    return (x @ torch.tensor([0.1] * 6)).mean(2) + torch.arange(4) * 0.3


probe.fingerprint = "1"


def features(**more):
    return mifid.features(PICTURES, extractor=probe, **{"batch_size": 2, "cache": False, **more})


@pytest.mark.parametrize("around", AROUND)
def test_features_are_the_same_and_the_state_is_as_before(around):
    expected = features().values
    plain = seen[-1]
    with AROUND[around]():
        before, calls = state(), Counting.calls
        found = features(cache=True).values
        assert Counting.calls == calls
        assert state() == before
    assert seen[-1] == plain
    np.testing.assert_array_equal(found, expected)
    runs = len(seen)
    np.testing.assert_array_equal(features(cache=True).values, expected)
    assert len(seen) == runs, "it was kept, and is what a run outside of it computes"


@pytest.mark.parametrize("around", AROUND)
def test_the_state_is_as_before_after_an_error_too(around):
    def fails(batch):
        raise ZeroDivisionError

    with AROUND[around]():
        before = state()
        with pytest.raises(FeatureError, match="ZeroDivisionError"):
            mifid.features(PICTURES, extractor=fails)
        assert state() == before


def test_all_of_it_at_once():
    expected = features().values
    with ExitStack() as stack:
        for around in AROUND.values():
            stack.enter_context(around())
        before = state()
        np.testing.assert_array_equal(features().values, expected)
        assert state() == before


def test_blocks_in_several_threads_give_back_what_the_first_found():
    """Whichever ends last; and none ends the others' before."""
    torch.set_default_dtype(torch.float64)
    try:
        first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
        met = []

        def first():
            with isolated():
                first_is_in.set()
                second_is_in.wait(60)
            first_is_out.set()

        def second():
            first_is_in.wait(60)
            with isolated():
                second_is_in.set()
                first_is_out.wait(60)
                met.append(torch.get_default_dtype())

        threads = [threading.Thread(target=each) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert met == [torch.float32]
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_function_that_draws_moves_nobodys_random_numbers():
    def noisy(batch):
        python_random.random()
        np.random.rand()
        return batch.float().mean((2, 3)) + torch.rand(3)

    before = draws()
    mifid.features(PICTURES, extractor=noisy)
    assert draws() == before


@pytest.mark.network
def test_the_network_itself_under_all_of_it_and_without_a_draw():
    """Loading and computing; the number of threads is the caller's."""
    options = {"extractor": "inception-random", "backend": "torch", "cache": False}
    expected = mifid.features(PICTURES, **options).values
    before = draws()
    with ExitStack() as stack:
        for around in AROUND.values():
            stack.enter_context(around())
        surrounded = state()
        np.testing.assert_array_equal(mifid.features(PICTURES, **options).values, expected)
        assert state() == surrounded
    assert draws() == before


def test_the_classifier_under_all_of_it(monkeypatch):
    monkeypatch.setattr(
        RandomInception, "state_dict", lambda _: {"fc.weight": torch.full((3, 2), 0.1)}
    )
    with ExitStack() as stack:
        for around in AROUND.values():
            stack.enter_context(around())
        before = state()
        found = open_extractor("inception-random").classifier()
        assert state() == before
    np.testing.assert_array_equal(found, np.full((3, 2), np.float32(0.1)))


def test_every_row_of_the_table_in_the_documentation_is_a_case_here():
    text = (Path(__file__).parents[2] / "docs" / "numerics.md").read_text()
    table = text.partition("## Isolation from the caller")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) +\|", table, re.MULTILINE)[1:]
    assert set(rows) == {*AROUND, "random numbers", "number of threads"}
