"""Lengths of time as people write them: ``5h``, ``1h30m``, ``4 h 12 min``."""

from __future__ import annotations

import re

from mifid.errors import InputError

__all__ = ["format_duration", "parse_duration"]

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_DURATION = re.compile(
    rf"(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s?)?", re.ASCII
)


def parse_duration(text: str) -> float:
    """Return the seconds of ``"5h"``, ``"30m"``, ``"10s"``, ``"1h30m"`` or ``"90"`` (seconds).

    >>> parse_duration("1h30m")
    5400.0

    Raises:
        InputError: it is none of these, or no time at all.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise InputError(
            f"'{text}' is not a length of time",
            hint="Expected hours, minutes and seconds, in this order: 5h, 30m, 10s, 1h30m.",
        )
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if not 0 < total < float("inf"):
        raise InputError(
            f"'{text}' is no length of time that could pass", hint="Give one such as 30m."
        )
    return total


def format_duration(seconds: float) -> str:
    """Return the two largest units: ``"4 h 12 min"``, ``"1 min 5 s"``, ``"35 s"``, ``"0.4 s"``.

    ``seconds`` is finite; less than nothing is shown as ``"0 s"``. :func:`parse_duration` reads it.
    """
    if round(seconds, 1) < 1:
        return f"{max(seconds, 0):.1f} s" if round(seconds, 1) > 0 else "0 s"
    whole = round(seconds)
    if whole < 3600:
        return _units((whole // 60, "min"), (whole % 60, "s"))
    minutes = round(seconds / 60)  # rounded once, so that 59 min 59.9 s is not 0 h 60 min
    return _units((minutes // 60, "h"), (minutes % 60, "min"))


def _units(*parts: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
