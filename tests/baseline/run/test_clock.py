"""How much of a run is over."""

from itertools import pairwise

import pytest

from mifid.baseline.run.clock import Clock, due


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_by_steps():
    assert [Clock(steps=4).fraction(step) for step in (0, 1, 4, 5)] == [0, 0.25, 1, 1]


def test_by_time_what_follows_training_is_kept_back():
    time = Time()
    clock = Clock(budget=60, reserve=20, now=time)
    time.now += 10
    assert clock.fraction(10**9) == pytest.approx(0.25)
    time.now += 30
    assert clock.fraction(0) == 1


def test_what_preparing_took_is_of_the_budget_but_not_of_the_training():
    time = Time()
    clock = Clock(budget=100, reserve=20, now=time)
    time.now += 40
    clock.prepared = clock.elapsed()
    assert clock.fraction(0) == 0
    time.now += 10
    assert clock.fraction(0) == pytest.approx(0.25)
    time.now += 30
    assert clock.fraction(0) == 1


def test_whichever_comes_first():
    time = Time()
    clock = Clock(steps=10, budget=100, now=time)
    assert clock.fraction(5) == 0.5
    time.now += 80
    assert clock.fraction(5) == pytest.approx(0.8)


def test_what_was_before_an_interruption_counts():
    time = Time()
    clock = Clock(budget=100, started=90.0, before=40, now=time)
    assert clock.elapsed() == 50
    assert clock.fraction(0) == 0.5


@pytest.mark.parametrize("steps", [7, 20, 55, 1000])
@pytest.mark.parametrize("points", [1, 3, 20])
def test_every_mark_is_met_once(steps, points):
    fractions = [step / steps for step in range(steps + 1)]
    met = [due(a, b, points=points) for a, b in pairwise(fractions)]
    assert sum(met) == min(points, steps)
    assert met[-1]
