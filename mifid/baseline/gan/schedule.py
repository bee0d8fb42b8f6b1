"""Learning rate schedules: the factor as a function of the part of the run that is over."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import pairwise

from mifid.baseline.config import Schedule
from mifid.errors import InputError, setting

__all__ = ["SCHEDULES", "check_schedule", "factor"]


def factor(config: Schedule, fraction: float) -> float:
    """Return the factor of the learning rates, which is above 0 at every step.

    A step uses the part that was over before it, so no step uses the 1 of the end.

    Args:
        config: a schedule that :func:`check_schedule` accepts.
        fraction: part of the run that is over; a value outside 0..1 counts as the nearer end.

    >>> factor(Schedule("linear", start=0.5), 0.75)
    0.5
    """
    return SCHEDULES[config.name](config, min(max(fraction, 0.0), 1.0))


def check_schedule(config: Schedule) -> None:
    """Refuse a schedule whose settings contradict each other.

    Raises:
        InputError: the parts of a stepped one do not rise from 0 to 1, or the number of its
            factors is wrong; or a factor is 0, which trains nothing.
    """
    if config.name == "exponential" and not config.final > 0:
        raise InputError(
            f"schedule.final is {config.final:g}; expected more than 0: an exponential learning "
            "rate that ends at 0 would be 0 from the first step on",
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
            hint="Give a factor for each part of the run: one before each of schedule.until, and "
            "one after the last.",
        )
    if not all(low < high for low, high in pairwise((0.0, *until, 1.0))):
        raise InputError(
            f"schedule.until is {list(until)}; expected rising numbers between 0 and 1",
            hint="For 10 of 30 epochs write 0.3333.",
        )
    if not all(0 < value < math.inf for value in factors):
        raise InputError(
            f"schedule.factors is {list(factors)}; expected finite values above 0",
            hint="A factor multiplies the learning rate, and a rate of 0 trains nothing. To stop "
            "earlier, give a shorter length.",
        )


def _constant(config: Schedule, fraction: float) -> float:  # noqa: ARG001
    return 1.0


def _linear(config: Schedule, fraction: float) -> float:
    if fraction <= config.start:  # a start of 1 means never: no 0 / 0
        return 1.0
    return (1.0 - fraction) / (1.0 - config.start)


def _exponential(config: Schedule, fraction: float) -> float:
    return float(config.final**fraction)


def _stepped(config: Schedule, fraction: float) -> float:
    return config.factors[bisect_right(config.until, fraction)]


def _cosine(config: Schedule, fraction: float) -> float:  # noqa: ARG001
    return math.sin(0.5 * math.pi * (1.0 - fraction)) ** 2  # (1 + cos(pi x)) / 2, never 0 too soon


def _cosine_restarts(config: Schedule, fraction: float) -> float:
    part = fraction * config.teeth  # Loshchilov and Hutter 2017, with periods of equal length
    return _cosine(config, part - math.floor(part))


def _sawtooth(config: Schedule, fraction: float) -> float:
    if fraction <= config.start:
        return 1.0
    part = (fraction - config.start) / (1.0 - config.start) * config.teeth
    return math.exp(math.floor(part) - part)


SCHEDULES: Mapping[str, Callable[[Schedule, float], float]] = {
    "constant": _constant,
    "linear": _linear,
    "exponential": _exponential,
    "stepped": _stepped,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "sawtooth": _sawtooth,
}
"""Name -> (settings, fraction in 0..1) -> factor."""
