"""Files that are written whole or not at all; endings of outputs; CSV histories."""

from __future__ import annotations

import csv
import difflib
import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mifid.errors import InputError, OutputError, setting, warn
from mifid.formatting import encodable

__all__ = [
    "DAMAGED_ARRAYS",
    "HISTORY_COLUMNS",
    "append_history",
    "atomic_write",
    "cache_folder",
    "cannot_write",
    "check_output",
    "check_space",
    "csv_lines",
    "given_path",
    "json_text",
    "make_folder",
    "no_such_file",
    "not_empty",
    "occupied",
    "sha256_of_file",
    "size_text",
    "text_cell",
]

DAMAGED_ARRAYS = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,  # of zipfile: an unknown compression, an encrypted entry
    MemoryError,  # a header that asks for terabytes
    OverflowError,  # one whose numbers no C integer holds, or that are negative
    TypeError,  # one whose numbers are none
    LookupError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
"""What ``numpy.load`` raises on files that are damaged, or not NumPy's."""


_NAMES_COMPARED = 10_000


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``MIFID_CACHE``, else the platform's."""
    if given := os.environ.get("MIFID_CACHE"):
        return Path(given).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("mifid", appauthor=False))


_URL = re.compile("[A-Za-z][A-Za-z0-9+.-]+://")


def given_path(given: str | os.PathLike[str]) -> str:
    """Return the path that a user gave, with ``~`` as the home folder.

    Raises:
        InputError: an empty path, which pathlib would take for the current folder; a URL.
    """
    path = os.fsdecode(given)
    if not path.strip():
        raise InputError(
            f'no path given ("{path}" is empty; is a variable unset?)',
            hint="The current folder is given as a dot: .",
        )
    if "\0" in path:
        raise InputError("a path holds a zero byte, which no file's name can")
    if path.startswith("file://"):
        raise InputError(f"{path} is a URL", hint=f"Give it as a path: {path[7:]}")
    if _URL.match(path):
        raise InputError(
            f"{path} is a URL; files are read from disk alone",
            hint=f"Download it first (curl -LO {path}), and give the file.",
        )
    return path if os.path.lexists(path) else os.path.expanduser(path)


def no_such_file(path: str | os.PathLike[str], *, hint: str = "") -> InputError:
    """Return the error for a path that leads nowhere, with the name that is spelt most like it."""
    missing = Path(path)
    message = f"no such file or folder: {missing}"
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    if missing != Path(path):
        what = "is no folder" if missing.exists() else "does not exist either"
        message += f" (the folder {missing} {what})".replace("the folder ", "", missing.exists())
    near: list[str] = []
    with suppress(OSError):
        names = os.listdir(missing.parent)[:_NAMES_COMPARED]
        spelt = {name.lower(): name for name in sorted(names)}
        near = difflib.get_close_matches(missing.name.lower(), spelt, n=1, cutoff=0.75)
        near = [spelt[name] for name in near]
    suggestion = [f"Did you mean {missing.parent / near[0]}?"] if near else []
    return InputError(message, hint=" ".join([*suggestion, hint]).strip())


@contextmanager
def atomic_write(target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes ``target`` when the block ends well, and vanishes if not.

    It lies beside the target, so that the final rename stays within one file system.

    Raises:
        OutputError: the folder is missing, or cannot be written, or the disk is full. What the
            block meets with files of its own goes through as it is.
    """
    path = Path(target)
    descriptor, temporary = _beside(path)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner may read; give what open() would have given.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename not in (None, temporary):  # writing to an open file names none
            raise
        raise cannot_write(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def check_output(
    path: str | os.PathLike[str], endings: Sequence[str] = (), *, appends: bool = False
) -> Path:
    """Return the path of a file to write later, or raise now, before the long job.

    Args:
        path: of the file. A history of scores is not replaced: its lines are of many runs.
        endings: in lower case, ``".json"``; the file's own must be one of them, in any case;
            none: any ending.
        appends: a .csv that exists gets a line (:func:`append_history`).

    Raises:
        OutputError: another ending, a folder, a place that cannot be written, a .csv that is a
            history of scores, or, with ``appends``, is none.
    """
    file = Path(path)
    if endings and file.suffix.lower() not in endings:
        raise OutputError(
            f"cannot write {file}: its ending is not one of {', '.join(endings)}",
            hint="The ending says which format is written.",
        )
    table = file.suffix.lower() == ".csv" and file.is_file()
    if table and appends:
        _check_history(file)  # its folder need not be writable
        return file
    descriptor, temporary = _beside(file)
    os.close(descriptor)
    os.unlink(temporary)
    try:
        if stat.S_ISDIR(file.stat().st_mode):
            raise OutputError(f"cannot write {file}: it is a folder", hint="Give a file name.")
    except FileNotFoundError:
        pass
    except OSError as error:  # a name that is too long, above all
        raise cannot_write(file, error) from error
    if table:
        _refuse_history(file)
    return file


def occupied(path: str | os.PathLike[str], why: str) -> OutputError:
    """Return the error for an output where something else lies, which nobody said to replace.

    Long jobs replace only what the same job has made; everything else with ``force``.

    Args:
        path: of the output.
        why: what lies there, as the end of a sentence.
    """
    return OutputError(
        f"cannot write {path}: there is one already, {why}",
        hint=f"Name another file, or replace this one: {setting('force', True)}.",
    )


def cannot_write(
    path: str | os.PathLike[str],
    error: OSError,
    *,
    hint: str = "Is there space on the disk, and may you write there?",
) -> OutputError:
    """Return the error for a file that the system does not let us write."""
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError) and not folder.is_dir():
        hint = f"The folder {folder} does not exist; make it first: mkdir -p {folder}"
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint=hint)


def make_folder(folder: Path, *, hint: str) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made; the hint says what else to give.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror or error}", hint=hint
        ) from error


def not_empty(folder: Path, names: Sequence[str], *, option: str) -> OutputError:
    """Return the error for a folder of results that holds other files, of these names."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return OutputError(
        f"{folder} is not empty: it holds {', '.join(names[:3])}{more}",
        hint=f"Give a new or an empty folder as {setting(option)}, so that nothing is overwritten.",
    )


def check_space(folder: Path, needed: float, what: str, *, hint: str) -> None:
    """Raise OutputError now if ``needed`` bytes for ``what`` do not fit on the folder's disk."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder.absolute()} has no room for {what}: about {size_text(needed)} needed, "
            f"{size_text(free)} free",
            hint=hint,
        )


def size_text(size: float) -> str:
    """Return a number of bytes as text.

    >>> size_text(57_123_456), size_text(12)
    ('57.1 MB', '12 B')
    """
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def json_text(result: Mapping[str, Any]) -> str:
    """Return a result as indented JSON.

    JSON has no infinities and NaN: they are null there, and its ``"warnings"`` name them.
    """
    lost: list[str] = []
    valid = _finite(result, "", lost)
    if lost and "warnings" in valid:
        valid["warnings"] += [f"{where}, which JSON cannot hold" for where in lost]
    text = json.dumps(valid, indent=2, ensure_ascii=False, allow_nan=False)
    # Half a surrogate pair, as names of files and hostile JSON hold, is nothing UTF-8 can hold.
    return encodable(text)


def _finite(value: Any, where: str, lost: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one, f"{where}.{key}", lost) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one, f"{where}.{number}", lost) for number, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(f"{where[1:]} is {value}")
        return None
    return value


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _beside(path: Path) -> tuple[int, str]:
    """Make a file beside ``path``, whose name is no longer than the longest there may be.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        # Names may have 255 bytes as a rule, and a letter has up to 4.
        return tempfile.mkstemp(prefix=f".{path.name[:50]}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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


def append_history(file: Path, row: Mapping[str, Any]) -> None:
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


def _check_history(file: Path) -> None:
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


def _refuse_history(file: Path) -> None:
    """Keep a file of scores from being replaced: its lines are of many runs.

    Raises:
        OutputError: the file is one.
    """
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
    ours = ",".join(HISTORY_COLUMNS) + "\n"
    if ours.startswith(before):  # nothing yet, or a heading that a killed run has left half
        return list(HISTORY_COLUMNS), ours[len(before) :]
    heading = _cells(before.partition("\n")[0])
    if lacking := [name for name in HISTORY_COLUMNS if name not in heading]:
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
