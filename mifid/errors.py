"""What can go wrong, in the words of the person whose pictures are scored.

Every error carries what was met and, as ``hint``, how to mend it; the command line prints both
and nothing else. Callers who want one ``except`` catch :class:`MifidError`. Texts that name a
setting do so by :func:`setting`: as an argument in Python, as an option on the command line.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mifid.formatting import encodable

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
    "name_options",
    "option_names",
    "recorded_warnings",
    "setting",
    "warn",
]


class MifidError(Exception):
    """Base of all errors raised on purpose. ``hint`` says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        message, hint = encodable(message), encodable(hint)
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


_OPTIONS: Mapping[str, str] = {}
"""Argument of the library -> option of the running command; empty: the reader writes Python.

A setting of training that has an option of its own is in it by its full name, ``training.budget``.

Of the process and not of the context: errors are raised in threads, too.
"""


def name_options(options: Mapping[str, str]) -> Mapping[str, str]:
    """Let :func:`setting` speak of these options from now on; return the ones before."""
    global _OPTIONS
    before, _OPTIONS = _OPTIONS, options
    return before


def option_names() -> Mapping[str, str]:
    """Return what :func:`name_options` was given last, for processes that speak for this one."""
    return _OPTIONS


def setting(name: str, value: Any = None) -> str:
    """Name a setting as its reader gives it: an argument in Python, else the command's option.

    Args:
        name: an argument of the library's functions; or, with its section, a setting of training.
        value: to give it; None: the name alone.

    >>> setting("held_out"), setting("skip_bad", True), setting("value_range", (0, 1))
    ('held_out', 'skip_bad=True', 'value_range=(0, 1)')
    >>> setting("data.fit", "crop")
    "settings=['data.fit=crop']"
    >>> setting("data.fit")
    'data.fit'
    >>> before = name_options({"cache": "--no-cache", "value_range": "--value-range"})
    >>> setting("cache", False), setting("value_range", (0, 1)), setting("not_an_option", 3)
    ('--no-cache', '--value-range 0,1', 'not_an_option=3')
    >>> setting("value_range", {"reference": (-1, 1)})
    '--value-range reference=-1,1'
    >>> after = name_options(before)
    """
    option = _OPTIONS.get(name)
    if option is not None:
        return option if value is None else f"{option}{_typed(value)}"
    if value is None:
        return name
    if "." not in name:
        return f"{name}={value!r}"
    assignment = f"{name}={value}"
    return setting("settings", assignment if "settings" in _OPTIONS else [assignment])


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return ""  # a flag
    if isinstance(value, Mapping):
        return f" {shlex.quote(','.join(f'{key}={_listed(one)}' for key, one in value.items()))}"
    return f" {shlex.quote(_listed(value))}"


def _listed(value: Any) -> str:
    parts = value if isinstance(value, tuple | list) else (value,)
    return ",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)


_RECORDS: ContextVar[tuple[list[str], ...]] = ContextVar("mifid_warnings", default=())
"""Where the running calls keep their warnings, from the outermost to the innermost."""


def warn(message: str, *, stacklevel: int = 2) -> None:
    """Issue a :class:`MifidWarning` that the result of the running call holds, too.

    Within the outermost call the same text is issued once. All warnings of the library go through
    here.
    """
    records = _RECORDS.get()
    issued = any(message in record for record in records)
    for record in records:
        if message not in record:
            record.append(message)
    if not issued:
        warnings.warn(message, MifidWarning, stacklevel=stacklevel + 1)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Yield the list that :func:`warn` fills within the block; a block around it gets them too."""
    record: list[str] = []
    token = _RECORDS.set((*_RECORDS.get(), record))
    try:
        yield record
    finally:
        _RECORDS.reset(token)
