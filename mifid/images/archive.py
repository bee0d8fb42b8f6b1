"""What zip and tar archives have in common: which entries are read, and which are refused."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mifid.errors import InputError
from mifid.files import sha256_of_file
from mifid.images.source import pick_pictures

try:
    from lzma import LZMAError
except ImportError:  # Python built without xz
    LZMAError = EOFError  # type: ignore[assignment, misc]

__all__ = [
    "BROKEN",
    "MAX_ENTRY_BYTES",
    "Entry",
    "Stamp",
    "climbs_out",
    "most_bytes",
    "refuse_bombs",
    "refuse_changed",
    "select",
    "sha256_if_unchanged",
    "stamp",
]

Stamp: TypeAlias = tuple[int, int, int, int]

MAX_ENTRY_BYTES = 256 << 20
"""A picture file larger than this is taken for a bomb."""

BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    RuntimeError,
)
"""What Python's readers of archives raise on damaged ones."""

_DRIVE = re.compile("[A-Za-z]:")
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
    parts = name.replace("\\", "/").split("/")
    return (not parts[0] and len(parts) > 1) or ".." in parts or _DRIVE.match(name) is not None


def select(
    entries: Iterable[Entry], *, description: str, archive_bytes: int, skipped: Counter[str]
) -> list[Entry]:
    """Return the pictures of an archive by name, counting what is skipped.

    Raises:
        InputError: nothing to score, a path that climbs out, or an archive that is a bomb.
    """
    entries = list(entries)
    for entry in entries:
        if climbs_out(entry.name):
            raise InputError(
                f"{description}: entry '{entry.name}' points outside the archive",
                hint="Such archives can overwrite files when unpacked; make it anew.",
            )
    chosen, passed_over = pick_pictures([entry.name for entry in entries], description)
    kept = [entries[i] for i in chosen]
    skipped.update(passed_over)
    refuse_bombs(kept, description=description, archive_bytes=archive_bytes)
    # A name can stand twice in an archive; both are pictures, and sorting must not compare `where`.
    return sorted(kept, key=lambda entry: entry.name)


def most_bytes(archive_bytes: int) -> int:
    """Return how much an archive of this size may unpack to."""
    return _FREE_EXPANSION + _MAX_EXPANSION * archive_bytes


def refuse_bombs(entries: Iterable[Entry], *, description: str, archive_bytes: int) -> None:
    """Raise InputError if entries declare more bytes than pictures can need."""
    entries = list(entries)
    largest = max(entries, key=lambda entry: entry.size, default=None)
    if largest is not None and largest.size > MAX_ENTRY_BYTES:
        raise InputError(
            f"{description}: entry '{largest.name}' unpacks to {largest.size:,} bytes, "
            f"more than the {MAX_ENTRY_BYTES:,} that a picture may have",
            hint="It looks like a decompression bomb; make the archive anew.",
        )
    total = sum(entry.size for entry in entries)
    if total > most_bytes(archive_bytes):
        raise InputError(
            f"{description}: {archive_bytes:,} bytes unpack to {total:,}, "
            f"more than {_MAX_EXPANSION} times as many",
            hint="It looks like a decompression bomb; make the archive anew.",
        )


def stamp(path: Path) -> Stamp:
    """Return what changes when a file does, or another takes its place: size, time (ns), inode."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


def sha256_if_unchanged(path: Path, expected: Stamp) -> bytes | None:
    """Return the SHA-256 of a file; None if it is not the one any more that had this stamp."""
    try:
        if stamp(path) != expected:
            return None
        found = bytes.fromhex(sha256_of_file(path))
        return found if stamp(path) == expected else None
    except OSError:
        return None


def refuse_changed(path: Path, expected: Stamp) -> None:
    """Raise InputError if an archive is not the file any more that had this :func:`stamp`."""
    try:
        found = stamp(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if found != expected:
        sizes = f"it had {expected[0]:,} bytes, now {found[0]:,}"
        raise InputError(
            f"{path} changed after it was opened: {sizes}",
            hint="Let what writes it finish first.",
        )
