"""Files that are either whole or absent."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
import stat
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mifid.errors import InputError, OutputError

__all__ = [
    "DAMAGED_ARRAYS",
    "atomic_write",
    "cache_folder",
    "check_output",
    "check_writable",
    "given_path",
    "json_text",
    "no_such_file",
    "sha256_of_file",
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
        raise _cannot_write(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def check_writable(target: str | os.PathLike[str]) -> None:
    """Raise OutputError now if ``target`` could not be written later, after the long job."""
    path = Path(target)
    descriptor, temporary = _beside(path)
    os.close(descriptor)
    os.unlink(temporary)
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise OutputError(f"cannot write {path}: it is a folder", hint="Give a file name.")
    except FileNotFoundError:
        pass
    except OSError as error:  # a name that is too long, above all
        raise _cannot_write(path, error) from error


def check_output(path: str | os.PathLike[str], endings: Sequence[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written.

    Args:
        path: of a file to write later.
        endings: in lower case, ``".json"``; the file's own must be one of them, in any case.
    """
    file = Path(path)
    if file.suffix.lower() not in endings:
        raise OutputError(
            f"cannot write {file}: its ending is not one of {', '.join(endings)}",
            hint="The ending says which format is written.",
        )
    check_writable(file)
    return file


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
    return text.encode(errors="backslashreplace").decode()


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
        raise _cannot_write(path, error) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> OutputError:
    hint = "Is there space on the disk, and may you write there?"
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        hint = f"The folder {path.parent} does not exist; make it first: mkdir -p {path.parent}"
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint=hint)
