"""Ctrl-C and SIGTERM as a request: the loop saves, and leaves when it is ready to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "stop_requests"]

_SAME_SECONDS = 1.0
"""Ctrl-C below a launcher comes twice: from the terminal, and at once again from the launcher."""

_SAME_SECONDS_BELOW_TORCHRUN = 15.0
"""Torchrun has its turn late on a loaded machine. It kills what has not ended 30 seconds later."""


class StopRequest:
    """Which signal asked for an end; None as long as none did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.since = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM within the block; a later second SIGINT interrupts at once.

    Python delivers signals to the main thread alone; elsewhere nothing is caught.
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
