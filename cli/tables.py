"""Tables, text and JSON on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.measure import Measurement

__all__ = [
    "print_json",
    "print_table",
    "print_text",
]

_STYLES = {"refused": "bold red", "warning": "yellow", "ok": "green"}

_PIPE = 100
"""The width of a table in a pipe; more where long names need it."""

_BETWEEN = 2
"""Spaces that go with a column: before the first, between two, after the last."""


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    names: int | None = None,
    to_stderr: bool = False,
) -> None:
    """Print rows, wrapped to the width of the terminal, or to 100 columns in a pipe.

    Args:
        headings: of the columns.
        rows: cells, as many as headings.
        names: the column of file names. On a terminal it gets narrower before other cells are
            wrapped; in a pipe its names stay whole.
        to_stderr: print to stderr.
    """
    from rich import box
    from rich.console import Console
    from rich.measure import measure_renderables
    from rich.table import Table
    from rich.text import Text

    from mifid.formatting import terminal_safe

    console = Console(stderr=to_stderr)
    if piped := not console.is_terminal:
        console = Console(stderr=to_stderr, width=1 << 14)
    # Text, not str: file names may hold what rich would take for markup.
    lines = [[Text(terminal_safe(c), style=_STYLES.get(c, "")) for c in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    measured = []
    for index, heading in enumerate(map(terminal_safe, headings)):
        cells = [line[index] for line in lines] or [Text()]
        measured.append(
            (
                measure_renderables(console, console.options, [Text(heading)]),
                measure_renderables(console, console.options, cells),
            )
        )
    room = (_PIPE if piped else console.width) - _BETWEEN * len(measured)
    widths = _widths(measured, room, names=names, whole=piped)
    for heading, width in zip(map(terminal_safe, headings), widths, strict=True):
        # A path cut short is of no use: folded.
        table.add_column(heading, overflow="fold", width=width)
    for line in lines:
        table.add_row(*line)
    with _full_disk_reported():
        console.print(table)


_LONG = 32
"""Longer words are paths and the like, which may be broken anywhere."""

_NAME = 15
"""The least width of the column of names, as long as other columns can get narrower."""


def _widths(
    measured: Sequence[tuple[Measurement, Measurement]],
    room: int,
    *,
    names: int | None,
    whole: bool,
) -> list[int]:
    """Return the widths of the columns: in sum ``room``, or less, or as little as words allow.

    Headings are wrapped first, then names, then cells; words are broken only on a terminal. Rich
    by itself makes the widest columns equally narrow, and breaks the words of headings for it.

    Args:
        measured: each column's longest word and line, in its heading and in its cells.
        room: for the columns in sum.
        names: the column of names.
        whole: names and words are not broken.
    """
    lines = [max(1, head.minimum, cells.maximum) for head, cells in measured]
    words = [max(1, head.minimum, min(_LONG, cells.minimum)) for head, cells in measured]
    folded = list(lines)
    if names is not None:
        words[names] = lines[names] if whole else max(measured[names][0].minimum, _NAME)
        folded[names] = min(lines[names], words[names])
    widths = [max(line, head.maximum) for line, (head, _) in zip(lines, measured, strict=True)]
    for least in (lines, folded, words, *([] if whole else [[1] * len(lines)])):
        while sum(widths) > room:
            wide = [i for i, width in enumerate(widths) if width > least[i]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def print_text(text: str, *, err: bool = False, bold: bool = False) -> None:
    """Print text; names in it cannot command the terminal.

    Raises:
        OutputError: stdout cannot be written.
    """
    from mifid.formatting import terminal_safe

    with _full_disk_reported():
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
    with _full_disk_reported():
        click.echo(text)


@contextmanager
def _full_disk_reported() -> Iterator[None]:
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
