"""A source whose pictures a function makes, in this process or in another."""

import os
import signal
import time
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np

from mifid.images.source import Decoded, Source


class Scripted(Source):
    """Pictures ``make(index)``. Counts its reads in a file, as they may happen elsewhere."""

    travels = True

    def __init__(self, log, n, make):
        self.description = "a script"
        self.skipped = Counter()
        self.names = [f"{i:04}" for i in range(n)]
        self._make = make
        self._log = log
        log.write_bytes(b"")

    @property
    def reads(self):
        return self._log.stat().st_size

    def read(self, index):
        with self._log.open("ab") as file:
            file.write(b".")
        return Decoded(self._make(index))


def plain(index):
    return np.full((2, 2, 3), index % 256, np.uint8)


def ever_taller(index):
    return np.zeros((index + 1, 2, 3), np.uint8)


def middling(index):
    return np.full((200, 200, 3), index % 256, np.uint8)


def large(index):
    """Of more bytes than pass between processes in shared memory."""
    return np.full((2000, 1500, 3), index, np.uint8)


@dataclass
class Raises:
    """Raises ``error`` for picture ``at``; all others are plain and take ``seconds``."""

    error: type[BaseException]
    at: int = 0
    seconds: float = 0.0

    def __call__(self, index):
        if index == self.at:
            raise self.error("as scripted")
        time.sleep(self.seconds)
        return plain(index)


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def raise_unpicklable(index):
    raise UnpicklableError("one", "two")


def warn(index):
    warnings.warn(f"{index} is odd", RuntimeWarning, stacklevel=1)
    return plain(index)


def die(index):
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(index)


def leave(index):
    os._exit(3)


def print_much(index):
    os.write(1, b"x" * 1000)
    return plain(index)


SECONDS_OF_A_HANG = 3600


def fail_or_hang(index):
    if index == 0:
        time.sleep(0.5)
        raise ZeroDivisionError
    time.sleep(SECONDS_OF_A_HANG)
