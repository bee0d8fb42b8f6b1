"""Pictures in a zip file, read entry by entry and never unpacked to disk."""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

from mifid.errors import InputError, PictureError, setting
from mifid.images.archive import (
    BROKEN,
    ArchiveEntry,
    Container,
    LocalFile,
    lost_link,
    select,
)
from mifid.images.signatures import LENGTH, advice_on, kind_of
from mifid.images.source import Source

__all__ = [
    "ENCRYPTED",
    "OTHER_METHOD",
    "ZipSource",
    "accepts",
    "files_of",
    "is_symlink",
    "open_zip",
    "open_zip_file",
    "read_entry",
    "unread_method",
]

ENCRYPTED = 0x1  # general purpose bit flag, APPNOTE 4.4.4

OTHER_METHOD = (
    "Make the zip again with Deflate, or without compression: zip -0 -X -j images.zip out/*.jpg"
)
"""Hint for an :func:`unread_method`."""

_READ_METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
    getattr(zipfile, "ZIP_ZSTANDARD", zipfile.ZIP_STORED),  # since Python 3.14
}
# APPNOTE 4.4.5
_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE's Implode",
    20: "Zstandard",
    93: "Zstandard",
    95: "XZ",
    96: "JPEG recompression",
    98: "PPMd",
    99: "AES encryption",
}
_UNIX = 3

_FIRST_ENTRY = b"PK\x03\x04"  # APPNOTE 4.3.7


class ZipSource(Source):
    """A zip file's pictures, at any depth. ZipFile has a lock, so threads may read."""

    def __init__(self, container: Container) -> None:
        self.description = f"zip {container}"
        self.travels = container.travels
        self._container = container
        self.skipped = Counter()
        self._zip = open_zip_file(container)
        entries = select(
            (self._entry(info) for info in files_of(self._zip)),
            description=self.description,
            archive_bytes=container.size,
            skipped=self.skipped,
        )
        self._entries = entries
        self.names = [entry.name for entry in entries]
        self._refuse_unreadable()

    def read(self, index: int) -> bytes:
        """Return the entry's bytes; its CRC is checked on the way.

        Raises:
            PictureError: the entry is damaged, or a link out of the zip.
        """
        entry = self._entries[index]
        if entry.leads_to is not None:
            raise lost_link(entry)
        return read_entry(self._zip, cast(zipfile.ZipInfo, entry.where))

    def container_sha256(self) -> bytes | None:
        """Return the identity of the zip file; None if it changed since it was opened."""
        return self._container.identity()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_zip"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._container.refuse_changed()
        self._zip = open_zip_file(self._container)

    def _entry(self, info: zipfile.ZipInfo) -> ArchiveEntry:
        symlink = None
        if is_symlink(info):
            try:
                symlink = read_entry(self._zip, info).decode(errors="surrogateescape")
            except PictureError:
                symlink = "?"
        return ArchiveEntry(info.filename, info.file_size, info, symlink=symlink)

    def _refuse_unreadable(self) -> None:
        for info in (cast(zipfile.ZipInfo, entry.where) for entry in self._entries):
            if info.flag_bits & ENCRYPTED:
                raise InputError(
                    f"{self.description}: entry '{info.filename}' is encrypted",
                    hint="Kaggle cannot read it either; make the zip without a password.",
                )
            method = unread_method(info)
            if method:
                raise InputError(
                    f"{self.description}: entry '{info.filename}' is compressed with {method}, "
                    "which Python (and Kaggle's scorer) cannot read",
                    hint=OTHER_METHOD,
                )


def accepts(given: object) -> bool:
    """Return whether this is a zip file by its ending or contents, but no .npz, .pt or .pth."""
    if not isinstance(given, str | os.PathLike) or not Path(given).is_file():
        return False
    suffix = Path(given).suffix.lower()
    return suffix == ".zip" or (suffix not in {".npz", ".pt", ".pth"} and zipfile.is_zipfile(given))


def open_zip(given: str | os.PathLike[str]) -> ZipSource:
    """Open a zip of pictures."""
    return ZipSource(LocalFile(Path(given)))


def open_zip_file(file: Container, *, otherwise: str | None = None) -> zipfile.ZipFile:
    """Open a zip file, or raise an error that says what the file is instead.

    Args:
        file: to open.
        otherwise: advice for files that would be read under another name; None: rename them.

    Raises:
        InputError: not a zip, or a damaged one.
    """
    try:
        # ZipFile closes what it opened itself, and nothing else.
        return zipfile.ZipFile(file.path if isinstance(file, LocalFile) else file.open())
    except zipfile.BadZipFile as error:
        raise _no_zip(file, error, otherwise) from error
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    except BROKEN as error:
        raise InputError(f"{file} is a damaged zip file: {error}", hint="Make it again.") from error


def _no_zip(container: Container, error: zipfile.BadZipFile, otherwise: str | None) -> InputError:
    """Return the error that says what a file is that zipfile cannot open."""
    with container.open() as file:
        start = file.read(LENGTH)
        has_end = zipfile.is_zipfile(file)
    hint = "Make it again; a broken upload or download is shorter than the original."
    if has_end:
        return InputError(f"{container} is a damaged zip file: {error}", hint=hint)
    if start.startswith(_FIRST_ENTRY):
        return InputError(
            f"{container} is cut short: it begins like a zip file, but its table of contents, "
            "which is at the end, is missing",
            hint=hint,
        )
    kind = kind_of(start)
    if kind is None:
        return InputError(
            f"{container} is not a zip file: it begins with {start[:16]!r}", hint=hint
        )
    advice = advice_on(kind, otherwise or hint)
    if otherwise and "ending" in advice:  # renaming helps only if other kinds are read
        advice = otherwise
    return InputError(f"{container} is not a zip file: it is {kind.words}", hint=advice)


def files_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return an archive's entries without the folders."""
    # ZipInfo.is_dir fails on an empty name, which damaged archives have.
    return [info for info in archive.infolist() if not info.filename.endswith("/")]


def is_symlink(info: zipfile.ZipInfo) -> bool:
    """Return whether an entry is a symbolic link, as ``zip -y`` stores it: its bytes are a path."""
    return info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16)


def unread_method(info: zipfile.ZipInfo) -> str | None:
    """Return the name of a compression method that Python cannot read; None: it can."""
    method = info.compress_type
    return None if method in _READ_METHODS else _METHODS.get(method, f"method {method}")


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, at most as many as it declares; its CRC is checked on the way.

    Raises:
        PictureError: the entry is damaged.
    """
    try:
        with archive.open(info) as file:
            # ZipFile.read would unpack 2 GiB before it checks the declared size.
            return file.read(info.file_size + 1)
    except BROKEN as error:
        raise PictureError(
            f"'{info.filename}' is damaged: {error}",
            hint="Make the archive again, or leave such pictures out with "
            f"{setting('skip_bad', True)}.",
        ) from error
