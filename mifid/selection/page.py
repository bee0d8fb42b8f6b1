"""The contact sheet of a selection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mifid import files
from mifid.evidence import Album, Card, Evidence, Gallery, write_with_pictures

if TYPE_CHECKING:
    from mifid.selection.selection import Selection

__all__ = ["check_sheet_output", "write_sheet"]

_MOST = 300  # pictures of a group that are shown


def check_sheet_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written."""
    return files.check_output(path, (".html",))


def write_sheet(selection: Selection, path: str | os.PathLike[str]) -> None:
    """Write the page, whole or not at all.

    Raises:
        OutputError: another ending, or it cannot be written.
        UnavailableError: the pictures cannot be opened any more.
    """
    file = check_sheet_output(path)
    evidence = Evidence({}, {"source": selection.given}, value_range=selection.value_range)
    with evidence.open("source") as source:
        album = Album.of(source, selection.measures.names)
        groups = dict(_groups(selection, album))
    write_with_pictures(
        file,
        "selection/page.html",
        galleries=groups.values(),
        selection=selection,
        groups=groups,
    )


def _groups(selection: Selection, album: Album) -> Iterator[tuple[str, Gallery]]:
    """Yield title and pictures of those that stay, and of those that go, by criterion."""
    choice = selection.choice
    values = None if choice is None or not choice.quantity else choice.values
    stay = selection.rows if values is None else sorted(selection.rows, key=values.__getitem__)
    cards = tuple(
        Card((album.show(row),), headline="" if values is None else f"{values[row]:.3f}")
        for row in stay[:_MOST]
    )
    by = f"by {choice.quantity}" if choice is not None and choice.quantity else ""
    yield f"Stays: {len(stay):,}", Gallery(cards, _note(len(stay), by))
    for criterion in dict.fromkeys(each.criterion for each in selection.dropped.values()):
        rows = [row for row, each in selection.dropped.items() if each.criterion == criterion]
        rows.sort(key=lambda row: (selection.dropped[row].value, row))
        cards = tuple(_card(selection, album, row) for row in rows[:_MOST])
        yield f"Goes, {criterion}: {len(rows):,}", Gallery(cards, _note(len(rows), ""))


def _note(count: int, order: str) -> str:
    first = f"the first {_MOST:,} of {count:,}" if count > _MOST else ""
    return ", ".join(filter(None, [first, order])).capitalize()


def _card(selection: Selection, album: Album, row: int) -> Card:
    dropped = selection.dropped[row]
    shown, roles = [album.show(row)], ["goes"]
    if dropped.beside is not None:
        shown.append(album.show(dropped.beside))
        roles.append("stays")
    return Card(tuple(shown), tuple(roles), remark=dropped.reason)
