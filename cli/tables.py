"""Tables on the terminal, as wide as it is.

Left to itself rich breaks headings within words, and with minimal widths, where they are tight, it
cuts text off.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

__all__ = [
    "fitted",
    "print_json",
    "print_table",
    "print_text",
]

Length = Callable[[str], int]

_LONG = 32
"""Longer words are paths and the like, which may be broken anywhere."""

_NAME = 15
"""So much of a name is left while other things can still give way."""


def fitted(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    room: int,
    *,
    folded: Collection[int] = (),
    length: Length = len,
) -> list[int]:
    """Return the columns' widths, in sum no more than ``room``.

    What gives way, in this order: headings, which are wrapped; names in the columns ``folded``;
    cells, which are wrapped into two lines, then into more; words.

    >>> headings, rows = ["file", "95% interval"], [["runs/one/images.zip", "61.2 to 68.4"]]
    >>> [fitted(headings, rows, room, folded=[0]) for room in (31, 28, 20)]
    [[19, 12], [16, 12], [12, 8]]
    """
    cells = [[line for row in rows for line in row[i].splitlines()] for i in range(len(headings))]
    names = [i in folded for i in range(len(headings))]
    lines = [_longest(column, length) for column in cells]
    halves = [min(_LONG, _longest(column, lambda line: _half(line, length))) for column in cells]
    words = [min(_LONG, _longest(" ".join(column).split(), length)) for column in cells]
    heads = [max(1, _longest(heading.split(), length)) for heading in headings]
    widths = [
        max(1, line, _longest(heading.splitlines(), length))
        for line, heading in zip(lines, headings, strict=True)
    ]
    for least in (
        lines,
        _either(names, [_NAME] * len(names), lines),
        _either(names, [_NAME] * len(names), halves),
        _either(names, heads, halves),
        _either(names, heads, words),
        heads,
    ):
        widths = _narrowed(widths, list(map(max, least, heads)), room)
    return _narrowed(widths, [1] * len(heads), room)


def _either(which: Sequence[bool], yes: Sequence[int], no: Sequence[int]) -> list[int]:
    return [a if chosen else b for chosen, a, b in zip(which, yes, no, strict=True)]


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest columns, one by one, as far as each may give, until all fit."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        wide = [i for i, width in enumerate(narrowed) if width > least[i]]
        if not wide:
            break
        narrowed[max(wide, key=narrowed.__getitem__)] -= 1
    return narrowed


def _half(line: str, length: Length) -> int:
    """Return the width in which a line of text takes two."""
    words = line.split()
    splits = (map(" ".join, (words[:i], words[i:])) for i in range(len(words)))
    return min((_longest(parts, length) for parts in splits), default=0)


def _longest(texts: Iterable[str], length: Length) -> int:
    return max(map(length, texts), default=0)


_STYLES = {"refused": "bold red", "warning": "yellow", "ok": "green"}

_BETWEEN = 2
"""Spaces that go with a column: before the first, between two, after the last."""


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    folded: Collection[int] = (),
    to_stderr: bool = False,
) -> None:
    """Print rows, wrapped to the terminal's width (100 columns in a pipe).

    Columns ``folded`` hold names, which give way before other cells are wrapped.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mifid.formatting import terminal_safe

    console = Console(stderr=to_stderr)
    if not console.is_terminal:
        console = Console(width=100, stderr=to_stderr)
    headings, *rows = [tuple(map(terminal_safe, row)) for row in (headings, *rows)]
    room = console.width - _BETWEEN * len(headings)
    widths = fitted(headings, rows, room, folded=folded, length=cell_len)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading, width in zip(headings, widths, strict=True):
        # A path cut short is of no use: folded.
        table.add_column(heading, overflow="fold", width=width)
    for row in rows:
        # Text, not str: file names may hold what rich would take for markup.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    with _told_if_full():
        console.print(table)


def print_text(text: str, *, err: bool = False, bold: bool = False) -> None:
    """Print text; names in it cannot command the terminal.

    Raises:
        OutputError: stdout cannot be written.
    """
    from mifid.formatting import terminal_safe

    with _told_if_full():
        click.secho(terminal_safe(text), err=err, bold=bold or None)


def print_json(text: str) -> None:
    """Print JSON, in ASCII where stdout has not all of its letters.

    Raises:
        OutputError: stdout cannot be written.
    """
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    with _told_if_full():
        click.echo(text)


@contextmanager
def _told_if_full() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has had enough, which is no error
        raise
    except OSError as error:
        from mifid.errors import OutputError

        raise OutputError(
            f"cannot write to stdout: {error.strerror or error}",
            hint="Is there space where it is redirected to?",
        ) from error
