"""Sums of losses, and the first step at which one was no number."""

import pytest
import torch

from mifid.baseline.run.loop import DivergedError, Tally


def tally():
    return Tally(("one", "two"), torch.device("cpu"))


def test_the_mean_since_the_last_reading():
    kept = tally()
    for step, values in enumerate([[1.0, 10.0], [3.0, 30.0]], 1):
        kept.add(torch.tensor(values), step)
    assert kept.read() == {"one": 2.0, "two": 20.0}
    kept.add(torch.tensor([5.0, 50.0]), 3)
    assert kept.read() == {"one": 5.0, "two": 50.0}


def test_steps_that_were_all_left_out_have_no_mean():
    kept = tally()
    assert kept.read() == {}
    kept.add(torch.tensor([1.0, 2.0]), 1)
    assert kept.read() == {"one": 1.0, "two": 2.0}
    assert kept.read() == {}


def test_looking_changes_nothing():
    kept = tally()
    kept.add(torch.tensor([1.0, 2.0]), 1)
    assert kept.peek() == kept.peek() == {"one": 1.0, "two": 2.0}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_step_that_diverged_is_told(bad):
    kept = tally()
    for step in range(1, 8):
        kept.add(torch.tensor([1.0, bad if step == 3 else 2.0]), step)
    with pytest.raises(DivergedError, match=r"diverged at step 3: .*not finite: two") as error:
        kept.read()
    assert "optimiser.rate" in error.value.hint


def test_it_goes_on_where_it_was():
    first, second = tally(), tally()
    first.add(torch.tensor([1.0, 2.0]), 1)
    second.load_state_dict(first.state_dict())
    first.add(torch.tensor([100.0, 100.0]), 2)  # the state is a copy
    second.add(torch.tensor([3.0, 4.0]), 2)
    assert second.read() == {"one": 2.0, "two": 3.0}
