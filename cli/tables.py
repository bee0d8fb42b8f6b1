"""What commands print: tables, text and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from .widths import fitted

__all__ = ["print_json", "print_table", "print_text", "size_text"]

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

    from mifid.errors import terminal_safe

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
    from mifid.errors import terminal_safe

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


def size_text(size: float) -> str:
    """Return ``"57.1 MB"``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
