"""What can go wrong, in the words of the person whose pictures are scored.

Every error carries what was met and, as ``hint``, how to mend it; the command line prints both
and nothing else. Callers who want one ``except`` catch :class:`MifidError`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = [
    "CompatibilityError",
    "FeatureError",
    "InputError",
    "MifidError",
    "MifidWarning",
    "OutputError",
    "PictureError",
    "UnavailableError",
    "WeightsError",
    "first_line",
    "recorded_warnings",
    "terminal_safe",
    "warn",
]


class MifidError(Exception):
    """Base of all errors raised on purpose. ``hint`` says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(MifidError):
    """A path, archive or array that cannot be used as a set of pictures or statistics."""


class PictureError(InputError):
    """One picture that cannot be decoded; the message names it."""


class FeatureError(MifidError):
    """Features or statistics that no metric can be computed from (NaN, one row, widths differ)."""


class CompatibilityError(MifidError):
    """Two sides made by different extractors: their distance would be a number without meaning."""


class UnavailableError(MifidError):
    """A value that was asked for and cannot be had from these inputs; the message says why."""


class WeightsError(MifidError):
    """Network weights that are missing, damaged, or another network's."""


class OutputError(MifidError):
    """A result that cannot be written where it was asked for."""


class MifidWarning(UserWarning):
    """Something the result still holds despite, and the user should know."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its kind if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def terminal_safe(text: str) -> str:
    """Spell out what would command a terminal: names of files and archive entries hold anything.

    >>> terminal_safe("a\\x1b]0;title\\x07.jpg")
    'a\\\\x1b]0;title\\\\x07.jpg'
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


_RECORD: ContextVar[list[str] | None] = ContextVar("mifid_warnings", default=None)
"""Where the running call keeps its warnings; None: no call keeps any."""


def warn(message: str, *, stacklevel: int = 2) -> None:
    """Issue a :class:`MifidWarning` that the result of the running call holds, too.

    Within one call the same text is issued once. All warnings of the library go through here.
    """
    record = _RECORD.get()
    if record is not None:
        if message in record:
            return
        record.append(message)
    warnings.warn(message, MifidWarning, stacklevel=stacklevel + 1)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Yield the list that :func:`warn` fills within the block; a block around it gets them too."""
    outer = _RECORD.get()
    record: list[str] = []
    token = _RECORD.set(record)
    try:
        yield record
    finally:
        _RECORD.reset(token)
        if outer is not None:
            outer.extend(message for message in record if message not in outer)
