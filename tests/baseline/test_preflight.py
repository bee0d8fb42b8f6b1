"""Advice before the first step: what it names can be followed."""

import pytest
from small import changed

from mifid.baseline.preflight import check_budget
from mifid.errors import InputError


@pytest.mark.parametrize(
    ("submission", "held_back", "advised"),
    [
        (
            *(7038, 512),
            ", or fewer pictures to paint (settings=['training.submission=1000']) and to score on "
            "(settings=['data.held_back=100']).",
        ),
        (
            *(200, 64),
            ", or fewer pictures to paint (settings=['training.submission=100']) and to score on "
            "(settings=['data.held_back=32']).",
        ),
        (64, 8, ", or fewer pictures to paint (settings=['training.submission=32'])."),
        (10, 0, "."),
    ],
)
def test_a_short_budget_is_answered_with_fewer_pictures_than_there_are(
    submission, held_back, advised
):
    config = changed(training={"budget": "5s"})
    with pytest.raises(InputError, match="a budget of 5 s is too short here") as error:
        check_budget(config, elapsed=1.0, kept=30.0, submission=submission, held_back=held_back)
    assert error.value.hint == f"Give at least settings=['training.budget=1m']{advised}"


def test_a_budget_that_suffices_is_returned_and_none_is_none():
    numbers = {"elapsed": 1.0, "kept": 30.0, "submission": 200, "held_back": 64}
    assert check_budget(changed(training={"budget": "5m"}), **numbers) == 300
    assert check_budget(changed(), **numbers) is None
