"""Histories: CSV files to which each score appends a line."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mifid.errors import OutputError, warn
from mifid.files import HISTORY_KEYS, cells_of, other_name
from mifid.formatting import csv_lines

__all__ = ["HISTORY_COLUMNS", "append_history", "check_history"]

HISTORY_COLUMNS = (
    "date",
    "label",
    "fid",
    "fid_low",
    "fid_high",
    "memorization_distance",
    "memorization_distance_thresholded",
    "epsilon",
    "mifid",
    "mifid_low",
    "mifid_high",
    "mifid_reason",
    "n_generated",
    "n_reference",
    "generated_available",
    "reference_available",
    "limit",
    "seed",
    "comparable_with_kaggle",
    "not_comparable_reason",
    "generated",
    "generated_sha256",
    "reference",
    "reference_sha256",
    "extractor",
    "metrics",
    "warnings",
)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems without locks answer."""


def append_history(file: Path, row: Mapping[str, Any]) -> None:
    """Append a line, after a heading if the file is new; several processes may append at once.

    The existing content is kept. The heading may have more columns, which stay empty, and another
    order. A line that a killed run left incomplete is ended first.

    Raises:
        OutputError: the file has other columns, is not text, or cannot be written.
    """
    try:
        with _locked(file) as out:
            before = out.read()
            added = _added(file, _decoded(file, before), row).encode()
            try:
                while added:
                    added = added[out.write(added) :]
                os.fsync(out.fileno())
            except OSError:
                with suppress(OSError):
                    out.truncate(len(before))
                    if not before:
                        file.unlink()
                raise
    except OSError as error:
        raise OutputError(
            f"cannot append to {file}: {error.strerror or error}",
            hint="Is there space on the disk, and may you write there?",
        ) from error


def check_history(file: Path) -> None:
    """Check before a long job that a line can be appended after it.

    Raises:
        OutputError: the file has other columns, is not text, or cannot be written.
    """
    try:
        with file.open("a+b") as out:
            out.seek(0)
            _ending(file, _decoded(file, out.read()))
    except OSError as error:
        raise OutputError(
            f"cannot append to {file}: {error.strerror or error}", hint=other_name(file)
        ) from error


def _added(file: Path, before: str, row: Mapping[str, Any]) -> str:
    """Return what to append to ``before``: the end of its last line, and the new line."""
    heading, ending = _ending(file, before)
    last = cells_of(before.rpartition("\n")[2])
    if before.count('"') % 2 or ("\n" in before and 0 < len(last) < len(heading)):
        warn(f"the last line of {file} is incomplete, as a killed run leaves it")
    return ending + "".join(csv_lines([[row.get(name) for name in heading]]))


def _ending(file: Path, before: str) -> tuple[list[str], str]:
    """Return the columns, and what must be appended before another line.

    Raises:
        OutputError: the file has other columns.
    """
    ours = ",".join(HISTORY_COLUMNS) + "\n"
    if ours.startswith(before):  # empty, or a heading that a killed run left incomplete
        return list(HISTORY_COLUMNS), ours[len(before) :]
    heading = cells_of(before.partition("\n")[0])
    if lacking := [name for name in HISTORY_COLUMNS if name not in heading]:
        earlier = set(heading) >= HISTORY_KEYS
        raise OutputError(
            f"cannot append to {file}: "
            + (
                f"an earlier version began it, without the columns {', '.join(lacking)}"
                if earlier
                else "its columns are not those of a history of scores"
            ),
            hint=other_name(file),
        )
    if before.count('"') % 2:  # it ends within a cell
        return heading, '"\n'
    return heading, "" if before.endswith("\n") else "\n"


def _decoded(file: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OutputError(
            f"cannot append to {file}: it is not UTF-8 text: {error}", hint=other_name(file)
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[io.FileIO]:
    """Yield the file, locked, to be read from the start and written at the end.

    The lock is on the file itself. A lock file next to it would stay behind; one in the cache
    would not be seen by other users, or by machines with a cache of their own.
    """
    while True:
        file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed below
        try:
            _lock(file)
            if _is_still(path, file):  # not removed or replaced while the lock was waited for
                file.seek(0)
                yield file
                return
        finally:
            file.close()  # which ends the lock


def _is_still(path: Path, file: io.FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: io.FileIO) -> None:
    """Wait until this process alone has the file."""
    if sys.platform == "win32":
        import msvcrt

        file.seek((1 << 31) - 2)  # behind all content, which others may read meanwhile
        while True:
            with suppress(OSError):  # after ten seconds of waiting
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warn(f"{file.name} is on a file system without locks: let one job at a time append to it")
