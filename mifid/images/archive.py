"""What zip and tar archives have in common: which entries are read, and which are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from mifid.errors import InputError
from mifid.images.source import is_picture, no_pictures

__all__ = ["MAX_ENTRY_BYTES", "Entry", "climbs_out", "select"]

MAX_ENTRY_BYTES = 256 << 20
"""A picture file larger than this is taken for a bomb."""

_MAX_EXPANSION = 100
_FREE_EXPANSION = 1 << 30  # small archives of bitmaps may expand more than a hundredfold


@dataclass(frozen=True)
class Entry:
    """One file of an archive. ``where`` is what the archive's own reader needs to find it."""

    name: str
    size: int
    where: object


def climbs_out(name: str) -> bool:
    """Say whether an entry's path would leave the folder that it is unpacked to."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":")


def select(
    entries: Iterable[Entry], *, description: str, archive_bytes: int, skipped: Counter[str]
) -> list[Entry]:
    """Return the pictures of an archive by name, counting what is skipped.

    Raises:
        InputError: nothing to score, a path that climbs out, or an archive that is a bomb.
    """
    kept = []
    for entry in entries:
        if climbs_out(entry.name):
            raise InputError(
                f"{description}: entry '{entry.name}' points outside the archive",
                hint="Such archives can overwrite files when unpacked; make it anew.",
            )
        reason = is_picture(entry.name)
        if reason:
            skipped[reason] += 1
        else:
            kept.append(entry)
    if not kept:
        raise no_pictures(description, skipped)
    _refuse_bombs(kept, description, archive_bytes)
    # A name can stand twice in an archive; both are pictures, and sorting must not compare `where`.
    return sorted(kept, key=lambda entry: entry.name)


def _refuse_bombs(entries: list[Entry], description: str, archive_bytes: int) -> None:
    largest = max(entries, key=lambda entry: entry.size)
    if largest.size > MAX_ENTRY_BYTES:
        raise InputError(
            f"{description}: entry '{largest.name}' unpacks to {largest.size:,} bytes, "
            f"more than the {MAX_ENTRY_BYTES:,} that a picture may have",
            hint="It looks like a decompression bomb; make the archive anew.",
        )
    total = sum(entry.size for entry in entries)
    if total > _FREE_EXPANSION + _MAX_EXPANSION * archive_bytes:
        raise InputError(
            f"{description}: {archive_bytes:,} bytes unpack to {total:,}, "
            f"more than {_MAX_EXPANSION} times as many",
            hint="It looks like a decompression bomb; make the archive anew.",
        )
