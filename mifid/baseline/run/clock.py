"""Clock of a run: the part that is over, in steps and time, and requests to stop it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

__all__ = [
    "Clock",
    "StopRequest",
    "due",
    "log_interval",
    "stop_requests",
]


@dataclass
class Clock:
    """The part of a run that is over; the first limit that is reached ends it.

    Args:
        steps: length in steps; None: not limited by steps.
        budget: length in seconds, of everything; None: not limited by time.
        reserve: seconds of the budget for what follows training.
        started: value of ``now()`` when the budget began.
        before: seconds that this run took before it was interrupted.
        prepared: seconds before the first step, when no part of the training is over.
        now: returns the time in seconds.
    """

    steps: int | None = None
    budget: float | None = None
    reserve: float = 0.0
    started: float | None = None
    before: float = 0.0
    prepared: float = 0.0
    now: Callable[[], float] = field(default=time.monotonic)

    def __post_init__(self) -> None:
        if self.started is None:
            self.started = self.now()

    def elapsed(self) -> float:
        """Return the seconds that the run has taken."""
        assert self.started is not None
        return self.before + self.now() - self.started

    def fraction(self, step: int, *, ahead: float = 0.0) -> float:
        """Return the part, 0..1, that is over after ``step`` steps.

        It is 1 if the next step, of ``ahead`` seconds, does not fit into the budget.
        """
        parts = [0.0]
        if self.steps is not None:
            parts.append(step / self.steps)
        if self.budget is not None:
            training = max(self.budget - self.reserve - self.prepared, 1e-9)
            elapsed = self.elapsed() - self.prepared
            parts.append(1.0 if elapsed + ahead > training else elapsed / training)
        return min(max(parts), 1.0)


def due(before: float, now: float, *, points: int) -> bool:
    """Return whether one of ``points`` evenly spaced marks, the last at 1, lies in (before, now].

    >>> due(0.19, 0.21, points=5), due(0.21, 0.39, points=5), due(0.99, 1.0, points=5)
    (True, False, True)
    """
    return int(now * points + 1e-9) > int(before * points + 1e-9)


def log_interval(asked: int, steps: int | None) -> int:
    """Return the steps between lines of losses: at most a tenth of the run, for its curves.

    It does not depend on the time of a step, so that a run that goes on logs the same steps.

    Args:
        asked: ``training.log_steps``.
        steps: length of the run; None: only time limits it.

    >>> log_interval(50, 30_000), log_interval(50, 20), log_interval(50, 3), log_interval(5, None)
    (50, 2, 1, 5)
    """
    return asked if steps is None else min(asked, max(1, steps // 10))


_SAME_SECONDS = 1.0
"""Within this time a second SIGINT is the same Ctrl-C, which a launcher passes on."""

_SAME_SECONDS_BELOW_TORCHRUN = 15.0
"""Torchrun may pass it on late, on a loaded machine. It kills processes 30 seconds later."""


class StopRequest:
    """The signal that asked the run to stop; None: none came."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.since = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM within the block; a second, later SIGINT interrupts at once.

    Python delivers signals to the main thread alone; in other threads nothing is caught.
    """
    request = StopRequest()
    below_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    same = _SAME_SECONDS_BELOW_TORCHRUN if below_torchrun else _SAME_SECONDS
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, _frame: FrameType | None) -> None:
        if not request:
            request.signal, request.since = signal.Signals(number), time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - request.since > same:
            raise KeyboardInterrupt

    caught = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, remember) for number in caught}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
