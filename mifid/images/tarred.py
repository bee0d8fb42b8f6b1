"""Pictures in a tar file, plain or compressed."""

from __future__ import annotations

import os
import tarfile
import tempfile
import threading
import weakref
from collections import Counter
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from mifid.errors import InputError, PictureError, setting
from mifid.images.archive import (
    BROKEN,
    Entry,
    most_bytes,
    refuse_changed,
    select,
    sha256_if_unchanged,
    stamp,
)
from mifid.images.source import Source

__all__ = ["TarSource", "accepts", "open_tar"]

_IN_MEMORY = 256 << 20
_NOT_SENT = {"_file", "_lock", "_close"}
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class _Member(NamedTuple):
    """``size`` bytes from ``offset`` of the plain tar."""

    name: str
    offset: int
    size: int

    @classmethod
    def of(cls, info: tarfile.TarInfo) -> _Member:
        return cls(info.name, info.offset_data, info.size)


class TarSource(Source):
    """A tar file's pictures.

    A compressed tar can only be read from front to back. It is therefore decompressed once, into
    memory or, past 256 MiB, into an unnamed temporary file that vanishes with the process.
    """

    def __init__(self, path: Path) -> None:
        self.description = f"tar {path}"
        self._path = path
        self._stamp = stamp(path)
        self.skipped = Counter()
        try:
            # Every process would have to decompress all of it.
            self.travels = _opener(path) is None
            self._attach(_decompressed(path))
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                members = [member for member in archive if not member.isdir()]
        except BROKEN as error:
            raise InputError(
                f"{path} is not a readable tar file: {error}", hint="Make it anew."
            ) from error
        self.skipped.update("not a regular file" for member in members if not member.isreg())
        entries = select(
            (Entry(m.name, m.size, m) for m in members if m.isreg()),
            description=self.description,
            archive_bytes=path.stat().st_size,
            skipped=self.skipped,
        )
        self._members = [_Member.of(cast(tarfile.TarInfo, entry.where)) for entry in entries]
        self.names = [entry.name for entry in entries]

    def _attach(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._close = weakref.finalize(self, file.close)

    def __getstate__(self) -> dict[str, Any]:
        return {key: vars(self)[key] for key in vars(self) if key not in _NOT_SENT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        refuse_changed(self._path, self._stamp)
        self._attach(_decompressed(self._path))

    def read(self, index: int) -> bytes:
        """Return the member's bytes.

        Raises:
            PictureError: the archive ends within it.
        """
        member = self._members[index]
        with self._lock:  # one file position for all threads
            self._file.seek(member.offset)
            content = self._file.read(member.size)
        if len(content) != member.size:
            raise PictureError(
                f"'{member.name}' is cut short: {len(content):,} of {member.size:,} bytes",
                hint="Make the archive anew, or leave such pictures out with "
                f"{setting('skip_bad', True)}.",
            )
        return content

    def container_sha256(self) -> bytes | None:
        """Return the hash of the tar file; None if another one lies there by now."""
        return sha256_if_unchanged(self._path, self._stamp)

    def close(self) -> None:
        """Close the file."""
        self._close()


def accepts(given: object) -> bool:
    """Files that are named as tar files, or are some."""
    if not isinstance(given, str | os.PathLike) or not Path(given).is_file():
        return False
    if os.fspath(given).lower().endswith(_SUFFIXES):
        return True
    try:
        return tarfile.is_tarfile(given)
    except BROKEN:
        return False


def open_tar(given: str | os.PathLike[str]) -> TarSource:
    """Open a tar of pictures."""
    return TarSource(Path(given))


def _decompressed(path: Path) -> IO[bytes]:
    """Return the plain tar as a seekable file."""
    opener = _opener(path)
    if opener is None:
        return path.open("rb")
    spool = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    limit = most_bytes(path.stat().st_size)
    try:
        with opener(path) as packed:
            while block := packed.read(1 << 20):
                _append(spool, block, path)
                if spool.tell() > limit:
                    raise InputError(
                        f"tar {path}: {path.stat().st_size:,} bytes unpack to more than {limit:,}",
                        hint="It looks like a decompression bomb; make the archive anew.",
                    )
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _append(spool: IO[bytes], block: bytes, path: Path) -> None:
    try:
        spool.write(block)
    except OSError as error:
        raise InputError(
            f"tar {path}: no space in {tempfile.gettempdir()} to decompress it: {error.strerror}",
            hint="Decompress it yourself (gunzip), or set TMPDIR to a larger disk.",
        ) from error


def _opener(path: Path):  # type: ignore[no-untyped-def]
    """Return the function that opens this kind of compressed file, or None for a plain one."""
    import bz2
    import gzip
    import lzma

    with path.open("rb") as file:
        start = file.read(6)
    magics = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
    return next((opener for magic, opener in magics.items() if start.startswith(magic)), None)
