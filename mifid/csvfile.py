"""A CSV file of scores, a line a run. Lines are only ever added, by one process at a time."""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mifid.errors import OutputError, warn

__all__ = ["COLUMNS", "append", "check_history", "csv_lines", "refuse_history", "text_cell"]

COLUMNS = (
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

_LONGEST_LINE = 1 << 20
_TELLTALE = frozenset({"mifid_reason", "generated", "reference"})
"""Columns that no other table of ours has, and that every version of this one had."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by. https://owasp.org/www-community/attacks/CSV_Injection"""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems without locks answer."""


def text_cell(value: Any) -> Any:
    """Return a cell that spreadsheets show as it is; text that looks like a formula gets a ``'``.

    >>> text_cell("=HYPERLINK(A1)"), text_cell("a.jpg"), text_cell(-1.5)
    ("'=HYPERLINK(A1)", 'a.jpg', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a line for each row, ending in a line feed, with cells as of :func:`text_cell`."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([text_cell(value) for value in row])


class _Echo:
    r"""Hands back the lines of a CSV writer, which end in \r\n, ending in \n.

    With \n as the writer's own ending it would leave a \r in a name unquoted (Python below 3.13),
    and readers would see two lines.
    """

    def write(self, line: str) -> Any:
        return line.removesuffix("\r\n") + "\n"


def append(file: Path, row: Mapping[str, Any]) -> None:
    """Add a line, and before it a heading if there is none; several processes lose none.

    What is there stays. A heading may have more columns, which stay empty, and another order. A
    line that a killed run has left half is ended, so that the next one is not taken for a part.

    Raises:
        OutputError: the file has other columns, or is no text, or cannot be written.
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
    """See, before the long job, that a line can be appended to the file after it.

    Raises:
        OutputError: the file has other columns, or is no text, or cannot be written.
    """
    try:
        with file.open("a+b") as out:
            out.seek(0)
            _ending(file, _decoded(file, out.read()))
    except OSError as error:
        raise OutputError(
            f"cannot append to {file}: {error.strerror or error}", hint=_another(file)
        ) from error


def refuse_history(file: Path) -> None:
    """Keep a file of scores from being replaced: its lines are of many runs.

    Raises:
        OutputError: the file is one.
    """
    if file.suffix.lower() != ".csv" or not file.is_file():
        return
    # utf-8-sig: spreadsheets put a mark before the heading. What is no text is no history.
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        heading = _cells(lines.readline(_LONGEST_LINE))
    if set(heading) >= _TELLTALE:
        raise OutputError(
            f"cannot replace {file}: it is a history of scores, as mifid score -o appends to",
            hint=_another(file),
        )


def _added(file: Path, before: str, row: Mapping[str, Any]) -> str:
    """Return what comes behind ``before``: what ends it properly, and the line."""
    heading, ending = _ending(file, before)
    last = _cells(before.rpartition("\n")[2])
    if before.count('"') % 2 or ("\n" in before and 0 < len(last) < len(heading)):
        warn(f"the last line of {file} is cut short, as a killed run leaves it")
    return ending + "".join(csv_lines([[row.get(name) for name in heading]]))


def _ending(file: Path, before: str) -> tuple[list[str], str]:
    """Return the columns, and what the text lacks before another line can follow.

    Raises:
        OutputError: the file has other columns.
    """
    ours = ",".join(COLUMNS) + "\n"
    if ours.startswith(before):  # nothing yet, or a heading that a killed run has left half
        return list(COLUMNS), ours[len(before) :]
    heading = _cells(before.partition("\n")[0])
    if lacking := [name for name in COLUMNS if name not in heading]:
        earlier = set(heading) >= _TELLTALE
        raise OutputError(
            f"cannot append to {file}: "
            + (
                f"it was begun by an earlier version and has no columns {', '.join(lacking)}"
                if earlier
                else "its columns are not those of a history of scores"
            ),
            hint=_another(file),
        )
    if before.count('"') % 2:  # it ends within a cell
        return heading, '"\n'
    return heading, "" if before.endswith("\n") else "\n"


def _cells(line: str) -> list[str]:
    """Return the cells of a line; none where it is no line of a CSV file."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a cell beyond all measure, a lone carriage return
        return []


def _decoded(file: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OutputError(
            f"cannot append to {file}: it is no UTF-8 text: {error}", hint=_another(file)
        ) from error


def _another(file: Path) -> str:
    names = (file.with_stem(f"{file.stem}-{number}") for number in range(2, 1000))
    free = next((name for name in names if not name.exists()), None)
    return "Give another file name" + (f", such as {free}." if free else ".")


@contextmanager
def _locked(path: Path) -> Iterator[io.FileIO]:
    """Yield the file, to be read from the start and written at the end, locked.

    The lock is on the file itself. One beside it would be litter; in the cache it would not be
    seen by other users' jobs, or by those on machines that have a cache each.
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
        warn(f"{file.name} lies on a file system without locks: let one job at a time append to it")
