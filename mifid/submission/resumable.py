"""A zip that is written over several runs: after any interruption the next run continues.

The finished part is the file ``.<target's name>.<fingerprint>.partial`` beside the target: stored
entries, each written with its CRC-32, without the central directory. The next run reads it from the
start, and cuts off an incomplete end.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from mifid.errors import OutputError
from mifid.files import cannot_write, check_output

__all__ = ["ResumableArchive", "comment_of", "resumable_archive", "stored_entry"]

_CRC_AND_SIZES = struct.Struct("<III")  # CRC-32, size as stored, size unpacked
_CRC_AT = 14
_READABLE = 0o600 << 16  # what ZipFile.writestr gives to entries without permissions


class ResumableArchive:
    """An archive whose entries have a known order. Create it with :func:`resumable_archive`."""

    def __init__(
        self,
        file: IO[bytes],
        *,
        names: Sequence[str],
        found: Sequence[zipfile.ZipInfo],
        target: Path,
        comment: str,
    ) -> None:
        self._file = file
        self._names = names
        self._written = list(found)
        self._target = target
        self._comment = comment

    @property
    def done(self) -> int:
        """Number of entries that are written, now and by earlier runs."""
        return len(self._written)

    def add(self, content: bytes) -> None:
        """Append the next entry; once it returns, only a crash of the machine can lose it.

        Raises:
            OutputError: it cannot be written.
            ValueError: it is empty, or all entries are written.
        """
        if not content or self.done == len(self._names):
            raise ValueError("an empty entry" if not content else "all entries are written")
        entry = stored_entry(self._names[self.done])
        entry.CRC = zlib.crc32(content)
        entry.compress_size = entry.file_size = len(content)
        try:
            entry.header_offset = self._file.tell()
            self._file.write(entry.FileHeader(zip64=False) + content)
            self._file.flush()
        except OSError as error:
            raise _cannot_write(self._target, error) from error
        self._written.append(entry)

    def close_directory(self) -> None:
        """Append the central directory, and wait until the file is on the disk.

        Raises:
            OutputError: it cannot be written.
            ValueError: entries are missing.
        """
        if self.done < len(self._names):
            raise ValueError(f"{self.done} of {len(self._names)} entries are written")
        try:
            # Opened for writing at the end of the entries, ZipFile adds only the directory.
            with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED) as archive:
                archive.filelist.extend(self._written)
                archive.comment = self._comment.encode()
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot_write(self._target, error) from error


@contextmanager
def resumable_archive(
    target: str | os.PathLike[str],
    *,
    names: Sequence[str],
    fingerprint: str,
    group: int = 1,
    comment: str = "",
) -> Iterator[ResumableArchive]:
    """Yield an archive of entries ``names``, including those that an earlier run has finished.

    When the block ends without an error, ``target`` is the complete archive, and no partial one is
    left. If it raises or the process is killed, the partial archive stays for the next run.

    Args:
        target: path of the complete archive.
        names: of all entries, in order, each once.
        fingerprint: of everything that the entries' bytes depend on; with another one the archive
            starts again.
        group: number of entries that are made together: a recovered archive ends at a multiple.
        comment: of the complete archive; :func:`comment_of` reads it.

    Raises:
        OutputError: it cannot be written there, or another process is writing it.
        ValueError: at the end of the block entries are missing.
    """
    path = Path(target)
    partial = partial_path(path, fingerprint)
    check_output(path)  # before the lock, which would make a missing folder
    with _locked(path):
        file = _open_partial(partial, path)
        try:
            found = _recover(file, names, group=group)
            archive = ResumableArchive(file, names=names, found=found, target=path, comment=comment)
            yield archive
            archive.close_directory()
        finally:
            # On a full disk, closing fails once more; the first error is the one to report.
            with suppress(OSError):
                file.close()
        try:
            os.replace(partial, path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        _remove_partials(path)


def comment_of(path: str | os.PathLike[str]) -> str:
    """Return the comment of an archive; empty if it has none, or the file is not an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode(errors="replace")
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return ""


def partial_path(target: str | os.PathLike[str], fingerprint: str) -> Path:
    """Return the path of the unfinished archive: beside ``target``, so that it can be renamed."""
    path = Path(target)
    return path.with_name(f".{path.name}.{fingerprint}.partial")


def _open_partial(partial: Path, target: Path) -> IO[bytes]:
    """Open the unfinished archive, or an empty one; never through a link.

    Its name can be predicted: a link with this name could redirect the writing to any file.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(partial, flags, 0o666)
    except OSError as error:
        if partial.is_symlink() or (partial.exists() and not partial.is_file()):
            raise _foreign(partial, target) from error
        raise _cannot_write(target, error) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise _foreign(partial, target)
    return os.fdopen(descriptor, "r+b")


def _foreign(partial: Path, target: Path) -> OutputError:
    return OutputError(
        f"cannot write {target}: {partial.name} beside it is a link, a pipe or a folder",
        hint="mifid writes a regular file of this name; remove it, or write to another folder.",
    )


def stored_entry(name: str) -> zipfile.ZipInfo:
    """Return an uncompressed entry with a fixed date, so that its bytes are reproducible."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = _READABLE
    entry.CRC = 0  # ZipInfo leaves it unset; it is set with the content
    return entry


def _recover(file: IO[bytes], names: Sequence[str], *, group: int) -> list[zipfile.ZipInfo]:
    """Return the complete entries, in whole groups, and truncate the file after them."""
    found: list[zipfile.ZipInfo] = []
    for name in names:
        entry = _read_entry(file, name)
        if entry is None:
            break
        found.append(entry)
    if len(found) < len(names):
        del found[len(found) - len(found) % group :]
    end = found[-1] if found else None
    file.seek(0 if end is None else _end_of(end))
    file.truncate()
    return found


def _read_entry(file: IO[bytes], name: str) -> zipfile.ZipInfo | None:
    """Read the next entry; return None unless it has this name and is complete and undamaged."""
    entry = stored_entry(name)
    entry.header_offset = file.tell()
    expected = len(entry.FileHeader(zip64=False))
    header = file.read(expected)
    if len(header) < expected:
        return None
    entry.CRC, entry.compress_size, entry.file_size = _CRC_AND_SIZES.unpack_from(header, _CRC_AT)
    if entry.file_size == 0 or header != entry.FileHeader(zip64=False):
        return None
    # A damaged size could ask for 4 GB: do not allocate more than the file has.
    left = os.fstat(file.fileno()).st_size - file.tell()
    if entry.compress_size != entry.file_size or entry.file_size > left:
        return None
    return entry if zlib.crc32(file.read(entry.file_size)) == entry.CRC else None


def _end_of(entry: zipfile.ZipInfo) -> int:
    return entry.header_offset + len(entry.FileHeader(zip64=False)) + entry.file_size


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold a lock for the target, or raise OutputError if another process holds it."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"another run is writing {target}",
            hint="Wait until it has finished, or write to another file.",
        ) from error
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps open files; an empty one does no harm
            os.unlink(lock.lock_file)
        lock.release()


def _remove_partials(target: Path) -> None:
    """Remove partial archives of this target from runs with other settings."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.[^.]+\.partial")
    for path in target.parent.iterdir():
        if ours.fullmatch(path.name):
            with suppress(OSError):  # without the right to remove it, it stays and does no harm
                path.unlink()


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return cannot_write(
        target,
        error,
        hint="Is there space on the disk, and may you write there? What was finished is kept.",
    )
