"""How wide a table's columns are where not all of it fits.

Left to itself rich breaks headings within words, and with minimal widths, where they are tight, it
cuts text off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

__all__ = ["fitted"]

Length = Callable[[str], int]

_LONG = 32
"""Longer words are paths and the like, which may be broken anywhere."""

_NAME = 16
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
