"""Files: paths that users give, checks of outputs, and writing whole or not at all."""

from __future__ import annotations

import csv
import difflib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mifid.errors import InputError, OutputError, setting
from mifid.formatting import size_text

__all__ = [
    "DAMAGED_ARRAYS",
    "HISTORY_KEYS",
    "atomic_write",
    "cache_folder",
    "cannot_write",
    "cells_of",
    "check_output",
    "check_space",
    "folder_beside",
    "given_path",
    "given_source",
    "is_url",
    "listed_lines",
    "make_folder",
    "no_such_file",
    "not_empty",
    "occupied",
    "other_name",
    "sha256_of_file",
    "without_secrets",
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
    """Return the folder of the cache: ``MIFID_CACHE``, else the platform's."""
    if given := os.environ.get("MIFID_CACHE"):
        return Path(given).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("mifid", appauthor=False))


_URL = re.compile("[A-Za-z][A-Za-z0-9+.-]+://")
_URL_IN_TEXT = re.compile(_URL.pattern + r"[^\s'\"<>]*")


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
        raise InputError("the path contains a zero byte, which no file name can contain")
    if path.startswith("file://"):
        raise InputError(f"{path} is a URL", hint=f"Give it as a path: {path[7:]}")
    if is_url(path):
        raise InputError(
            f"{without_secrets(path)} is a URL; expected a path on disk",
            hint="Download the file first (curl -LO URL), or copy the results there afterwards.",
        )
    return path if os.path.lexists(path) else os.path.expanduser(path)


def given_source(given: str | os.PathLike[str]) -> str:
    """Return the path or URL of pictures that a user gave.

    Raises:
        InputError: as :func:`given_path`, except for URLs.
    """
    path = os.fsdecode(given)
    return path if is_url(path) and not path.startswith("file://") else given_path(path)


def is_url(given: object) -> bool:
    """Return whether this is a URL (``https://...``, ``s3://...``) and no path."""
    return isinstance(given, str) and _URL.match(given) is not None


def without_secrets(text: str) -> str:
    """Return a text with its URLs as messages and reports show them.

    Names and passwords before the host, and all of a query (``?token=...``), are left out.

    >>> without_secrets("cannot read https://me:pw@host/a.zip?token=1")
    'cannot read https://host/a.zip?...'
    """
    return _URL_IN_TEXT.sub(lambda found: _shown(found[0]), text)


def _shown(url: str) -> str:
    address, has_query, _ = url.partition("?")
    address = address.partition("#")[0]
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    user, _, place = host.rpartition("@")
    if user and scheme.startswith("abfs") and ":" not in user:
        place = host  # the container, of Azure's storage
    return f"{scheme}://{place}{slash}{path}{'?...' if has_query else ''}"


_LONGEST_LIST = 1 << 26  # a million long names; /dev/zero never ends


def listed_lines(file: str | os.PathLike[str], *, hint: str) -> list[tuple[int, str]]:
    """Return (line number, text) of a list's lines, without blank ones and those that begin with #.

    Args:
        file: a UTF-8 text.
        hint: what is expected, for errors.

    Raises:
        InputError: it cannot be read, or is no such text.
    """
    try:
        with Path(file).expanduser().open("rb") as opened:
            content = opened.read(_LONGEST_LIST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}", hint=hint) from error
    except ValueError as error:
        raise InputError(f"{file} is not a text in UTF-8", hint=hint) from error
    if len(content) > _LONGEST_LIST:
        raise InputError(f"{file} is longer than {_LONGEST_LIST:,} bytes", hint=hint)
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def no_such_file(path: str | os.PathLike[str], *, hint: str = "") -> InputError:
    """Return the error for a path that does not exist, with the most similar name there is."""
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
    """Yield a binary file that becomes ``target`` when the block succeeds, else is removed.

    It is in the folder of the target, so that the final rename stays within one file system.

    Raises:
        OutputError: the folder is missing or cannot be written, or the disk is full. Errors of
            other files that the block opens are raised unchanged.
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


def check_output(path: str | os.PathLike[str], endings: Sequence[str] = ()) -> Path:
    """Return the path of a file to write later, or raise now, before the long job.

    Args:
        path: of the file. A history of scores is not replaced: its lines are of many runs.
        endings: in lower case, ``".json"``; the file's own must be one of them, in any case;
            none: any ending.

    Raises:
        OutputError: another ending, a folder, a place that cannot be written, or a history of
            scores.
    """
    file = Path(path)
    if endings and file.suffix.lower() not in endings:
        raise OutputError(
            f"cannot write {file}: its ending is not one of {', '.join(endings)}",
            hint="The ending says which format is written.",
        )
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
    if file.suffix.lower() == ".csv" and file.is_file():
        _refuse_history(file)
    return file


def occupied(path: str | os.PathLike[str], why: str) -> OutputError:
    """Return the error for an output that exists and that ``force`` does not replace.

    Without ``force``, long jobs replace only what the same job made.

    Args:
        path: of the output.
        why: what the existing file is, as the end of a sentence.
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


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``; the block moves its content there when it is whole.

    It is removed at the end, with what is left in it.

    Raises:
        OutputError: something cannot be written there, in the block or before it.
    """
    place = Path(os.path.abspath(target))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name[:50]}.", dir=place.parent))
        try:
            temporary.chmod(0o755)
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target, error) from error


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


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _beside(path: Path) -> tuple[int, str]:
    """Make a file in the folder of ``path``, with a name that no file system finds too long.

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


_LONGEST_LINE = 1 << 20
HISTORY_KEYS = frozenset({"mifid_reason", "generated", "reference"})
"""Columns that no other table of mifid has, and that all versions of this one have."""


def _refuse_history(file: Path) -> None:
    """Refuse to replace a history of scores: its lines are of many runs.

    Raises:
        OutputError: the file is a history.
    """
    # utf-8-sig: spreadsheets put a mark before the heading. What is no text is no history.
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        heading = cells_of(lines.readline(_LONGEST_LINE))
    if set(heading) >= HISTORY_KEYS:
        raise OutputError(
            f"cannot replace {file}: it is a history of scores, as mifid score -o appends to",
            hint=other_name(file),
        )


def cells_of(line: str) -> list[str]:
    """Return the cells of a line; none if it is not a line of a CSV file."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a cell beyond all measure, a lone carriage return
        return []


def other_name(file: Path) -> str:
    """Return the advice to give another file name, with one that is free."""
    names = (file.with_stem(f"{file.stem}-{number}") for number in range(2, 1000))
    free = next((name for name in names if not name.exists()), None)
    return "Give another file name" + (f", such as {free}." if free else ".")
