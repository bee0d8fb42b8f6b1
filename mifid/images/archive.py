"""Rules that zip and tar archives share: which entries are read, and which are refused."""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from mifid.errors import InputError, PictureError, setting, warn
from mifid.files import sha256_of_file
from mifid.images.source import (
    LOST,
    SPECIAL,
    WITHOUT_ENDING,
    WITHOUT_LINKS,
    is_picture,
    pick_pictures,
)

try:
    from lzma import LZMAError
except ImportError:  # Python built without xz
    LZMAError = EOFError  # type: ignore[assignment, misc]

__all__ = [
    "BROKEN",
    "MAX_ENTRY_BYTES",
    "ArchiveEntry",
    "Container",
    "LocalFile",
    "climbs_out",
    "lost_link",
    "most_bytes",
    "refuse_bombs",
    "select",
]

MAX_ENTRY_BYTES = 256 << 20
"""A larger picture file is refused as a decompression bomb."""

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    OverflowError,
    struct.error,
    RuntimeError,
)
"""What Python's archive readers raise on damaged archives."""

_DRIVE = re.compile("[A-Za-z]:")
_MAX_EXPANSION = 100
_FREE_EXPANSION = 1 << 30  # small archives of bitmaps may expand more than a hundredfold


@dataclass(frozen=True)
class ArchiveEntry:
    """One file of an archive.

    Attributes:
        name: its path in the archive.
        size: bytes, unpacked.
        where: what the archive's own reader needs to find its bytes.
        symlink: target of a symbolic link, relative to its own folder; None: not a symbolic link.
        hard_link: path, in the archive, of the earlier entry whose bytes it shares.
        special: whether it is a pipe or a device.
    """

    name: str
    size: int
    where: object
    symlink: str | None = None
    hard_link: str | None = None
    special: bool = False

    @property
    def leads_to(self) -> str | None:
        """Target of a link; None: the entry is not a link."""
        return self.hard_link if self.symlink is None else self.symlink


def climbs_out(name: str) -> bool:
    """Return whether an entry's path would leave the folder that it is unpacked to."""
    parts = name.replace("\\", "/").split("/")
    return (not parts[0] and len(parts) > 1) or ".." in parts or _DRIVE.match(name) is not None


def select(
    entries: Iterable[ArchiveEntry], *, description: str, archive_bytes: int, skipped: Counter[str]
) -> list[ArchiveEntry]:
    """Return the pictures of an archive by name, and count what is skipped.

    Raises:
        InputError: no pictures, a path that leaves the archive, or a decompression bomb.
    """
    entries = list(entries)
    for entry in entries:
        if climbs_out(entry.name):
            raise InputError(
                f"{description}: entry '{entry.name}' points outside the archive",
                hint="Such an archive can overwrite files when unpacked; make it again.",
            )
    beside = Counter(SPECIAL for entry in entries if entry.special)
    files = _followed([entry for entry in entries if not entry.special])
    folders = [entry for entry in files if _may_be_a_lost_folder(entry)]
    if folders:
        first = min(folders, key=lambda entry: entry.name)
        warn(
            f"{description}: links out of the archive are not followed: {len(folders):,} (first: "
            f"'{first.name}' to '{first.leads_to}'). {WITHOUT_LINKS}"
        )
        beside[LOST] = len(folders)
        files = [entry for entry in files if not _may_be_a_lost_folder(entry)]
    names = [entry.name for entry in files]
    chosen, passed_over = pick_pictures(names, description, beside=beside)
    skipped.update(passed_over)
    kept = [files[i] for i in chosen]
    _refuse_lost_links(kept, description)
    unique = {id(entry.where): entry for entry in kept if entry.leads_to is None}
    refuse_bombs(unique.values(), description=description, archive_bytes=archive_bytes)
    # An archive may hold a name twice; both are pictures, and sorting must not compare `where`.
    return sorted(kept, key=lambda entry: entry.name)


def lost_link(entry: ArchiveEntry) -> PictureError:
    """Return the error for a link whose target is not in its archive."""
    kind = "symbolic" if entry.hard_link is None else "hard"
    return PictureError(
        f"'{entry.name}' is a {kind} link to '{entry.leads_to}', which is not in the archive",
        hint=f"{WITHOUT_LINKS} Or leave such pictures out with {setting('skip_bad', True)}.",
    )


def most_bytes(archive_bytes: int) -> int:
    """Return how many bytes an archive of this size may unpack to."""
    return _FREE_EXPANSION + _MAX_EXPANSION * archive_bytes


def refuse_bombs(entries: Iterable[ArchiveEntry], *, description: str, archive_bytes: int) -> None:
    """Raise InputError if entries declare more bytes than pictures can need."""
    entries = list(entries)
    largest = max(entries, key=lambda entry: entry.size, default=None)
    if largest is not None and largest.size > MAX_ENTRY_BYTES:
        raise InputError(
            f"{description}: entry '{largest.name}' unpacks to {largest.size:,} bytes; a picture "
            f"may have at most {MAX_ENTRY_BYTES:,}",
            hint="It looks like a decompression bomb; make the archive again.",
        )
    total = sum(entry.size for entry in entries)
    if total > most_bytes(archive_bytes):
        raise InputError(
            f"{description}: {archive_bytes:,} bytes unpack to {total:,}, "
            f"more than {_MAX_EXPANSION} times as many",
            hint="It looks like a decompression bomb; make the archive again.",
        )


class Container(ABC):
    """One file that holds pictures, as it was when it was opened: on disk, or at a URL.

    Attributes:
        size: in bytes.
        name: without what is before it.
        travels: whether it can be pickled, and the copy in another process reads the same file.
    """

    size: int
    name: str
    travels = False

    @abstractmethod
    def __str__(self) -> str:
        """Return what messages call it."""

    @abstractmethod
    def open(self) -> IO[bytes]:
        """Open it for reading at any position; the caller closes the file."""

    @abstractmethod
    def identity(self) -> bytes | None:
        """Return what is equal for equal contents; None: it has none, or it changed."""

    @abstractmethod
    def refuse_changed(self) -> None:
        """Raise InputError if it changed since it was opened."""


class LocalFile(Container):
    """A file on disk; its identity is the SHA-256 of its contents."""

    travels = True

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stamp = _stamp(path)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        self.size = self._stamp[0]
        self.name = path.name

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        return self.path.open("rb")

    def identity(self) -> bytes | None:
        """Return the SHA-256 of the contents; None if they changed."""
        try:
            if _stamp(self.path) != self._stamp:
                return None
            found = bytes.fromhex(sha256_of_file(self.path))
            return found if _stamp(self.path) == self._stamp else None
        except OSError:
            return None

    def refuse_changed(self) -> None:
        """Raise InputError if size, time of modification or inode are others now."""
        try:
            found = _stamp(self.path)
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror or error}") from error
        if found != self._stamp:
            sizes = f"it had {self.size:,} bytes and now has {found[0]:,}"
            raise InputError(
                f"{self.path} changed after it was opened: {sizes}",
                hint="Wait until the program that writes it has finished, then score again.",
            )


def _stamp(path: Path) -> tuple[int, int, int, int]:
    """Return what identifies a file's state: size, modification time (ns), inode, device."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


_MAX_PATH = 4096
_MAX_STEPS = 256


def _followed(entries: Sequence[ArchiveEntry]) -> list[ArchiveEntry]:
    """Return the entries, with links replaced by the files that they point to.

    Links whose target is not a file of the archive stay links.
    """
    if all(entry.leads_to is None for entry in entries):
        return list(entries)
    files: dict[str, ArchiveEntry] = {}
    symlinks: dict[str, str] = {}
    found: list[ArchiveEntry] = []
    for entry in entries:
        target = _plain(entry.hard_link or "")
        if entry.hard_link is None:
            file = entry
        elif target in files:
            other = files[target]
            file = replace(entry, where=other.where, size=other.size, hard_link=None)
        else:
            file = replace(entry, symlink=symlinks.get(target))
        if file.symlink is not None:
            symlinks[_plain(entry.name)] = file.symlink
        elif file.hard_link is None:
            files[_plain(entry.name)] = file
        found.append(file)
    return _without_symlinks(found, files, symlinks)


def _without_symlinks(
    entries: Sequence[ArchiveEntry], files: dict[str, ArchiveEntry], symlinks: dict[str, str]
) -> list[ArchiveEntry]:
    """Replace symbolic links by the files that they point to.

    A link to a folder adds nothing, since the folder's files are entries themselves; unless the
    folder is hidden, and its files would otherwise be skipped.
    """
    folders = {path[:i] for path in files for i, letter in enumerate(path) if letter == "/"}
    found: list[ArchiveEntry] = []
    to_folders: list[tuple[str, str]] = []
    for entry in entries:
        path = None if entry.symlink is None else _resolved(entry.name, symlinks)
        if path is None:
            found.append(entry)
        elif path in files:
            found.append(replace(files[path], name=entry.name))
        elif path in folders:
            to_folders.append((entry.name, path))
        else:
            found.append(entry)
    return found + _in_hidden_folders(to_folders, found)


def _in_hidden_folders(
    links: Sequence[tuple[str, str]], entries: Sequence[ArchiveEntry]
) -> list[ArchiveEntry]:
    """Return the entries of hidden folders, each once, that visible links point to."""
    links = [link for link in sorted(links) if not _is_hidden(link[0]) and _is_hidden(link[1])]
    rest = sorted((_plain(entry.name), i) for i, entry in enumerate(entries)) if links else []
    found: list[ArchiveEntry] = []
    taken: set[int] = set()
    done: set[str] = set()
    for link, folder in links:
        if folder in done:
            continue
        done.add(folder)
        start, end = (bisect_left(rest, (folder + after, 0)) for after in ("/", "0"))
        for path, i in rest[start:end]:  # "0" is the character after "/"
            if i not in taken:
                taken.add(i)
                found.append(replace(entries[i], name=link + path[len(folder) :]))
    return found


def _is_hidden(folder: str) -> bool:
    return is_picture(f"{folder}/a.png") is not None


def _resolved(name: str, symlinks: dict[str, str]) -> str | None:
    """Return a path with symbolic links resolved; None: it leaves the archive."""
    done: list[str] = []
    todo = name.split("/")[::-1]
    for _ in range(_MAX_STEPS):  # links may form a loop
        if not todo:
            return "/".join(done)
        part = todo.pop()
        if part == "..":
            if not done:
                return None
            done.pop()
        elif part not in ("", "."):
            done.append(part)
            target = symlinks.get("/".join(done))
            if target is not None:
                if target.startswith("/") or len(target) > _MAX_PATH:
                    return None
                done.pop()
                todo.extend(target.split("/")[::-1])
    return None


def _plain(path: str) -> str:
    """Normalize a path: ``./a//b`` becomes ``a/b``."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _may_be_a_lost_folder(entry: ArchiveEntry) -> bool:
    """Return whether a link leaves the archive and does not have a picture's ending."""
    if entry.symlink is None or is_picture(entry.name) != WITHOUT_ENDING:
        return False
    end = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.symlink))
    return end.startswith(("/", "../")) or end == ".."


def _refuse_lost_links(kept: Sequence[ArchiveEntry], description: str) -> None:
    lost = [entry for entry in kept if entry.leads_to is not None]
    if kept and len(lost) == len(kept):
        raise InputError(
            f"no pictures in {description}: all {len(kept):,} are links out of the archive "
            f"('{lost[0].name}' to '{lost[0].leads_to}')",
            hint=WITHOUT_LINKS,
        )
