"""Values as text: numbers, lists, tables, JSON, and text from outside, such as names of files."""

from __future__ import annotations

import csv
import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "aligned",
    "csv_lines",
    "encodable",
    "json_text",
    "listed",
    "number",
    "size_text",
    "spelled_out",
    "terminal_safe",
    "text_cell",
]


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


def size_text(size: float) -> str:
    """Return a number of bytes as text.

    >>> size_text(57_123_456), size_text(12)
    ('57.1 MB', '12 B')
    """
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


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


_IN_NAMES = "\u200c\u200d"  # join or separate letters of Persian or Hindi, and parts of an emoji


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
        if char.isprintable() or char in _IN_NAMES + keep or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode()
        for char in text
    )


def terminal_safe(text: str) -> str:
    """Return text whose names of files and archive entries cannot command a terminal.

    >>> terminal_safe("a\\x1b]0;title\\x07.jpg")
    'a\\\\x1b]0;title\\\\x07.jpg'
    """
    return spelled_out(text, keep="\n")


def json_text(result: Mapping[str, Any]) -> str:
    """Return a result as indented JSON.

    JSON has no infinities and NaN: they are null there, and its ``"warnings"`` name them.
    """
    lost: list[str] = []
    valid = _finite(result, "", lost)
    if lost and "warnings" in valid:
        valid["warnings"] += [f"{where}, which JSON cannot hold" for where in lost]
    text = json.dumps(valid, indent=2, ensure_ascii=False, allow_nan=False)
    # Half a surrogate pair, as names of files and hostile JSON hold, is nothing UTF-8 can hold.
    return encodable(text)


def _finite(value: Any, where: str, lost: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one, f"{where}.{key}", lost) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one, f"{where}.{number}", lost) for number, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(f"{where[1:]} is {value}")
        return None
    return value


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by. https://owasp.org/www-community/attacks/CSV_Injection"""


def text_cell(value: Any) -> Any:
    """Return a cell that spreadsheets show as it is; text that looks like a formula gets a ``'``.

    >>> text_cell("=HYPERLINK(A1)"), text_cell("a.jpg"), text_cell(-1.5)
    ("'=HYPERLINK(A1)", 'a.jpg', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a line for each row, ending in a line feed, with cells as of :func:`text_cell`."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([text_cell(value) for value in row])


class _Echo:
    r"""Hands back the lines of a CSV writer, which end in \r\n, ending in \n.

    With \n as the writer's own ending it would leave a \r in a name unquoted (Python below 3.13),
    and readers would see two lines.
    """

    def write(self, line: str) -> Any:
        return line.removesuffix("\r\n") + "\n"
