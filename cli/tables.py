"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .widths import fitted

__all__ = ["print_table", "size_text"]

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

    console = Console(stderr=to_stderr)
    if not console.is_terminal:
        console = Console(width=100, stderr=to_stderr)
    rows = list(rows)
    room = console.width - _BETWEEN * len(headings)
    widths = fitted(headings, rows, room, folded=folded, length=cell_len)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading, width in zip(headings, widths, strict=True):
        # A path cut short is of no use: folded.
        table.add_column(heading, overflow="fold", width=width)
    for row in rows:
        # Text, not str: file names may hold what rich would take for markup.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(table)


def size_text(size: float) -> str:
    """Return ``"57.1 MB"``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
