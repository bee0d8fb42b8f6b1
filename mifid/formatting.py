"""Values as text: numbers, lists, and text from outside, such as names of files."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["aligned", "encodable", "listed", "number", "spelled_out", "terminal_safe"]


def number(value: float | None, decimals: int | None = None, *, flags: str = "") -> str:
    """Return a number of a size that a reader takes in; copies make scores astronomical.

    Args:
        value: None: ``"none"``.
        decimals: digits behind the point; None: as many as make about five digits in all.
        flags: of Python's format: ``","`` groups thousands, ``"+"`` always shows the sign.

    >>> number(61.2345), number(61.2345, 2), number(1234.5, 2, flags=","), number(2.5e16, 2)
    ('61.234', '61.23', '1,234.50', '2.50e+16')
    """
    if value is None:
        return "none"
    size = abs(value)
    if size >= 1e6:
        return f"{value:{flags}.{3 if decimals is None else max(2, decimals)}e}"
    if decimals is None and size < 1:
        return f"{value:{flags}#.4g}"
    if decimals is None:
        decimals = max(0, 4 - int(math.log10(size)))
    return f"{value:{flags}.{decimals}f}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """Join items as a sentence does.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    *before, end = [*items] or [""]
    return f"{', '.join(before)} {last} {end}" if before else end


def aligned(rows: Iterable[Sequence[str]], sides: str) -> list[str]:
    """Return rows as lines of a table in a fixed-width font.

    Args:
        rows: of as many cells each.
        sides: for each column ``"<"``, flush left, or ``">"``, flush right.

    >>> aligned([("FID", "61.2", "low"), ("MiFID", "612.3", "")], "<><")
    ['FID     61.2  low', 'MiFID  612.3']
    """
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    columns = list(zip(sides, widths, strict=True))
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, (side, width) in zip(row, columns, strict=True)
        ).rstrip()
        for row in table
    ]


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold: bytes that a file name has beside it become escapes.

    >>> encodable("a\\udcff.jpg")
    'a\\\\udcff.jpg'
    """
    return text.encode(errors="backslashreplace").decode()


def spelled_out(text: str, *, keep: str = "") -> str:
    """Return text in one line with escapes for control characters, direction marks and the like.

    A name that turns the direction of text shows another name than it is.

    Args:
        text: from outside, such as the name of a file.
        keep: characters that stay as they are.

    >>> spelled_out("a\\nb\\u202egpj.exe")
    'a\\\\nb\\\\u202egpj.exe'
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in keep or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode()
        for char in text
    )


def terminal_safe(text: str) -> str:
    """Return text whose names of files and archive entries cannot command a terminal.

    >>> terminal_safe("a\\x1b]0;title\\x07.jpg")
    'a\\\\x1b]0;title\\\\x07.jpg'
    """
    return spelled_out(text, keep="\n")
