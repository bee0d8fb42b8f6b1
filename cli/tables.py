"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["print_table", "size_text"]

_STYLES = {"refused": "bold red", "warning": "yellow", "ok": "green"}


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, to_stderr: bool = False
) -> None:
    """Print rows, wrapped to the terminal's width (100 columns in a pipe)."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=to_stderr)
    if not console.is_terminal:
        console = Console(width=100, stderr=to_stderr)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")  # a path cut short is of no use
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
