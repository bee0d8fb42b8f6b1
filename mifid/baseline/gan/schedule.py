"""The learning rate's factor as a function of how much of the run is over."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import pairwise

from mifid.baseline.config import Schedule
from mifid.errors import InputError, setting
from mifid.registry import suggest

__all__ = ["SCHEDULES", "check_schedule", "factor"]


def factor(config: Schedule, fraction: float) -> float:
    """Return what the learning rates are multiplied with: above 0 at every step.

    A step is made with the part that was over before it, so the 1 of the end is of none.

    Args:
        config: the shape, which :func:`check_schedule` has seen.
        fraction: part of the run that is over; what lies outside 0..1 is taken as the nearer end.

    >>> factor(Schedule("linear", start=0.5), 0.75)
    0.5
    """
    return SCHEDULES[config.name](config, min(max(fraction, 0.0), 1.0))


def check_schedule(config: Schedule) -> None:
    """See that a schedule can be followed.

    Raises:
        InputError: no such shape; or, for a stepped one, parts that do not rise from 0 to 1,
            or factors that are not one more; or a factor of 0, at which nothing is trained.
    """
    if config.name not in SCHEDULES:
        raise InputError(
            f"unknown schedule.name '{config.name}'", hint=suggest(config.name, SCHEDULES)
        )
    if config.name == "exponential" and not config.final > 0:
        raise InputError(
            f"schedule.final is {config.final:g}; expected more than 0: the learning rate falls by "
            "the same factor in equal times, so it would be 0 from the first step on",
            hint=f"Give a small one: {setting('schedule.final', 0.01)}; or "
            f"{setting('schedule.name', 'linear')}, which falls to 0 at the end.",
        )
    if config.name != "stepped":
        return
    until, factors = config.until, config.factors
    if len(factors) != len(until) + 1:
        raise InputError(
            f"schedule.factors has {len(factors)} values and schedule.until has {len(until)}; "
            f"expected {len(until) + 1} factors",
            hint="Each part of the run has a factor: one before each of until, one after the last.",
        )
    if not all(low < high for low, high in pairwise((0.0, *until, 1.0))):
        raise InputError(
            f"schedule.until is {list(until)}; expected rising parts of the run between 0 and 1",
            hint="For 10 of 30 epochs write 0.3333.",
        )
    if not all(0 < value < math.inf for value in factors):
        raise InputError(
            f"schedule.factors is {list(factors)}; expected finite values above 0",
            hint="A factor multiplies the learning rate; at 0 nothing is trained. To stop earlier, "
            "train for a shorter time.",
        )


def _constant(config: Schedule, fraction: float) -> float:  # noqa: ARG001
    return 1.0


def _linear(config: Schedule, fraction: float) -> float:
    if fraction <= config.start:  # so that a start of 1 means never, and not 0 / 0
        return 1.0
    return (1.0 - fraction) / (1.0 - config.start)


def _exponential(config: Schedule, fraction: float) -> float:
    return float(config.final**fraction)


def _stepped(config: Schedule, fraction: float) -> float:
    return config.factors[bisect_right(config.until, fraction)]


def _cosine(config: Schedule, fraction: float) -> float:  # noqa: ARG001
    return math.sin(0.5 * math.pi * (1.0 - fraction)) ** 2  # (1 + cos(pi x)) / 2, never 0 too soon


SCHEDULES: Mapping[str, Callable[[Schedule, float], float]] = {
    "constant": _constant,
    "linear": _linear,
    "exponential": _exponential,
    "stepped": _stepped,
    "cosine": _cosine,
}
"""Name -> (settings, fraction in 0..1) -> factor."""
