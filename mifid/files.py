"""Files that are either whole or absent."""

from __future__ import annotations

import hashlib
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mifid.errors import OutputError

__all__ = [
    "DAMAGED_ARRAYS",
    "atomic_write",
    "cache_folder",
    "check_output",
    "check_writable",
    "sha256_of_file",
]

DAMAGED_ARRAYS = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,  # of zipfile: an unknown compression, an encrypted entry
    MemoryError,  # a header that asks for terabytes
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
"""What ``numpy.load`` raises on files that are damaged, or not NumPy's."""


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``MIFID_CACHE``, else the platform's."""
    if given := os.environ.get("MIFID_CACHE"):
        return Path(given).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("mifid", appauthor=False))


@contextmanager
def atomic_write(target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes ``target`` when the block ends well, and vanishes if not.

    It lies beside the target, so that the final rename stays within one file system.

    Raises:
        OutputError: the folder is missing, or cannot be written, or the disk is full. What the
            block meets with files of its own goes through as it is.
    """
    path = Path(target)
    try:
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".tmp", dir=path.parent
        )
    except OSError as error:
        raise _cannot_write(path, error) from error
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
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder", hint="Give a file name.")
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(descriptor)
    os.unlink(temporary)


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


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> OutputError:
    hint = "Is there space on the disk, and may you write there?"
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        hint = f"The folder {path.parent} does not exist; make it first: mkdir -p {path.parent}"
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint=hint)
