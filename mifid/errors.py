"""Errors and warnings.

Every error says what is wrong and, as ``hint``, how to mend it; the command line prints only these
two. :class:`MifidError` is the base class of all. Messages name settings through :func:`setting`:
as arguments in Python, as options on the command line.
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
    """Base class of all errors of the library. ``hint`` says how to mend it."""

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
    """Features or statistics without a metric: NaN, a single row, different widths."""


class CompatibilityError(MifidError):
    """Two sides from different extractors, whose distance would be meaningless."""


class UnavailableError(MifidError):
    """A value that cannot be computed from these inputs; the message says why."""


class WeightsError(MifidError):
    """Network weights that are missing, damaged, or of another network."""


class OutputError(MifidError):
    """A result that cannot be written to the given path."""


class MifidWarning(UserWarning):
    """Something that the user should know about a valid result."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_OPTIONS: Mapping[str, str] = {}
"""Argument of the library -> option of the running command; empty: the caller is Python code.

Settings of training that have an option are in it by their full name, ``training.budget``.

A global and not a context variable, since errors are raised in threads, too.
"""


def name_options(options: Mapping[str, str]) -> Mapping[str, str]:
    """Let :func:`setting` use these options from now on; return the previous ones."""
    global _OPTIONS
    before, _OPTIONS = _OPTIONS, options
    return before


def option_names() -> Mapping[str, str]:
    """Return the current options of :func:`name_options`, for processes that work for this one."""
    return _OPTIONS


def setting(name: str, value: Any = None) -> str:
    """Return a setting as the reader writes it: an argument in Python, or the command's option.

    Args:
        name: an argument of the library's functions; or, with its section, a setting of training.
        value: to include; None: only the name.

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
"""Warnings of the running calls, from the outermost to the innermost."""


def warn(message: str, *, stacklevel: int = 2) -> None:
    """Issue a :class:`MifidWarning`, and record it in the results of the running calls.

    Within the outermost call the same text is issued once. All warnings of the library use this
    function.
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
    """Yield the list that :func:`warn` fills within the block; outer blocks get them, too."""
    record: list[str] = []
    token = _RECORDS.set((*_RECORDS.get(), record))
    try:
        yield record
    finally:
        _RECORDS.reset(token)
