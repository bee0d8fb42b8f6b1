"""Values in closed form, and properties of all shapes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid.baseline.config.schema import Schedule
from mifid.baseline.gan.schedule import SCHEDULES, check_schedule, factor
from mifid.errors import InputError

STEPPED = Schedule("stepped", until=(0.25, 0.5), factors=(1.0, 0.5, 0.1))


@pytest.mark.parametrize(
    ("schedule", "fraction", "expected"),
    [
        (Schedule("constant"), 0.7, 1),
        (Schedule("linear", start=0.5), 0.0, 1),
        (Schedule("linear", start=0.5), 0.5, 1),
        (Schedule("linear", start=0.5), 0.9, 0.2),
        (Schedule("linear", start=0.5), 1.0, 0),
        (Schedule("linear", start=0.0), 0.25, 0.75),
        (Schedule("linear", start=1.0), 1.0, 1),
        (Schedule("exponential", final=0.01), 0.5, 0.1),
        (Schedule("exponential", final=0.01), 1.0, 0.01),
        (STEPPED, 0.0, 1.0),
        (STEPPED, 0.2499, 1.0),
        (STEPPED, 0.25, 0.5),
        (STEPPED, 0.5, 0.1),
        (STEPPED, 1.0, 0.1),
        (Schedule("stepped"), 0.5, 1.0),
        (Schedule("cosine"), 0.0, 1),
        (Schedule("cosine"), 1 / 3, 0.75),
        (Schedule("cosine"), 0.5, 0.5),
        (Schedule("cosine"), 1.0, 0),
        (Schedule("cosine_restarts", teeth=5), 0.1, 0.5),
        (Schedule("cosine_restarts", teeth=5), 0.6, 1),
        (Schedule("cosine_restarts", teeth=5), 0.6 + 1 / 15, 0.75),
        (Schedule("cosine_restarts", teeth=1), 0.5, 0.5),
        (Schedule("sawtooth", teeth=4), 0.5, 1),
        (Schedule("sawtooth", teeth=4), 0.5625, math.exp(-0.5)),
        (Schedule("sawtooth", teeth=4), 0.624, math.exp(-0.992)),
        (Schedule("sawtooth", teeth=4), 0.625, 1),
        (Schedule("sawtooth", start=0.0, teeth=2), 0.25, math.exp(-0.5)),
        (Schedule("sawtooth", start=1.0), 1.0, 1),
    ],
)
def test_values(schedule, fraction, expected):
    assert factor(schedule, fraction) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in SCHEDULES if name not in ("sawtooth", "cosine_restarts")]
)
@settings(max_examples=25, deadline=None)
@given(st.floats(-1, 2), st.floats(-1, 2))
def test_begins_at_one_and_never_rises(name, one, other):
    schedule = Schedule(name, until=(0.3, 0.6), factors=(1.0, 0.4, 0.1))
    assert factor(schedule, 0) == 1
    early, late = sorted((one, other))
    assert 1 >= factor(schedule, early) >= factor(schedule, late) >= 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_outside_of_the_run_its_ends_count(name):
    assert factor(Schedule(name), -3) == factor(Schedule(name), 0)
    assert factor(Schedule(name), 1.01) == factor(Schedule(name), 1)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (
            Schedule("stepped", until=(0.5,)),
            r"factors has 1 values and schedule.until has 1; expected 2 factors\nGive a factor",
        ),
        (
            Schedule("stepped", until=(0.5, 0.4), factors=(1, 1, 1)),
            r"schedule.until is \[0.5, 0.4\]; expected rising numbers",
        ),
        (Schedule("stepped", until=(10.0,), factors=(1, 1)), r"is \[10.0\].*\n.*write 0.3333"),
        (Schedule("stepped", until=(math.nan,), factors=(1, 1)), "expected rising"),
        (Schedule("stepped", factors=(-1.0,)), r"factors is \[-1.0\]; expected finite values"),
        (Schedule("stepped", until=(0.5,), factors=(1, 0)), "expected finite values above 0\n"),
        (Schedule("exponential", final=0.0), "schedule.final is 0; expected more than 0"),
        (Schedule("stepped", factors=(math.nan,)), "expected finite values"),
    ],
)
def test_refuses(schedule, text):
    with pytest.raises(InputError, match=text):
        check_schedule(schedule)


@pytest.mark.parametrize("name", SCHEDULES)
@settings(max_examples=50, deadline=None)
@given(steps=st.integers(1, 10**7), start=st.floats(0, 1), final=st.floats(1e-6, 1))
def test_no_step_is_at_a_rate_of_0(name, steps, start, final):
    """A step is made with the part that is over before it: the last with (steps - 1) / steps."""
    schedule = Schedule(name, start=start, final=final, until=(0.3, 0.6), factors=(1.0, 0.4, 0.1))
    check_schedule(schedule)
    assert factor(schedule, 0.0) > 0
    assert factor(schedule, (steps - 1) / steps) > 0
