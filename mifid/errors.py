"""What can go wrong, in the words of the person whose pictures are scored.

Every error carries what was met and, as ``hint``, how to mend it; the command line prints both
and nothing else. Callers who want one ``except`` catch :class:`MifidError`.
"""

from __future__ import annotations

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
