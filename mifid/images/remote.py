"""Pictures at URLs: folders, single files, zips, tars and tables, read by parts through fsspec.

What was read is kept in an unnamed temporary file until the end, so that nothing is read twice.
Names, passwords and queries of URLs are in no message and in no description.
"""

from __future__ import annotations

import errno
import io
import os
import random
import socket
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from hashlib import sha256
from typing import IO, Any, TypeVar, cast
from urllib.parse import unquote

from mifid.errors import InputError, PictureError, first_line
from mifid.files import is_url, without_secrets
from mifid.formatting import listed
from mifid.images.archive import MAX_ENTRY_BYTES, Container, climbs_out
from mifid.images.decoding import mending
from mifid.images.signatures import LENGTH, kind_of
from mifid.images.source import Source, is_picture, pick_pictures
from mifid.images.tfrecord import TFRecordSource, is_tfrecord

__all__ = ["RemoteFile", "RemoteFolder", "accepts", "ending_of_arrays", "open_url"]

_PACKAGES = {
    **dict.fromkeys(["http", "https"], "mifid[remote]"),
    **dict.fromkeys(["s3", "s3a"], "s3fs"),
    **dict.fromkeys(["gs", "gcs"], "gcsfs"),
    **dict.fromkeys(["az", "abfs", "abfss", "adl"], "adlfs"),
    **dict.fromkeys(["sftp", "ssh"], "paramiko"),
    "hf": "huggingface_hub",
}
"""Protocol -> what to install."""

_WAITS = (0.25, 0.5, 1.0, 2.0)
"""Seconds before each further try of what failed for a reason that may pass."""

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_REASONS = {
    401: "access needs a login",
    403: "access is forbidden",
    404: "there is no such file",
    410: "there is no such file any more",
}
_PASSING = {errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT}
_TAGS = ("ETag", "etag", "md5Hash", "blob_id")

_BLOCK = 1 << 18
_MOST_AHEAD = 32  # blocks
_FILES_AHEAD = 16
_ARRAYS = (".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_HINT = (
    "At a URL, a folder, a picture, a .zip, .tar, .parquet or .tfrec, or a pattern with * can be "
    "read. "
    "Download other files first."
)

T = TypeVar("T")


class RemoteFile(Container):
    """A file at a URL, read in blocks; its identity is its size and ETag.

    The more of it is read in order, the more is fetched at a time: up to 8 MiB.
    """

    def __init__(self, system: Any, path: str, url: str) -> None:
        self._system, self._path = system, path
        self._shown = without_secrets(url)
        self.name = _name_below(_parent(path), path)
        info = _retried(lambda: system.info(path), self._shown)
        if info.get("size") is None:
            raise InputError(
                f"{self._shown}: the server does not say how long the file is", hint=_HINT
            )
        self.size = int(info["size"])
        tag = next((str(info[key]) for key in _TAGS if info.get(key)), None)
        # A weak tag promises the same meaning, not the same bytes.
        self.tag = None if tag is None or tag.startswith("W/") else tag
        self._lock = threading.Lock()
        self._blocks = _Kept()
        self._next, self._ahead = 0, 1

    def __str__(self) -> str:
        return self._shown

    @classmethod
    def at(cls, url: str) -> RemoteFile:
        """Return the file at a URL.

        Raises:
            InputError: it cannot be read, and why; or the package for its protocol is not
                installed.
        """
        system, path = _system(url)
        return cls(system, path, url)

    def save(self, target: str | os.PathLike[str]) -> None:
        """Write the whole file to disk.

        Raises:
            InputError: it cannot be fetched.
        """

        def fetched() -> None:
            self._system.get_file(self._path, os.fspath(target))
            if (came := os.path.getsize(target)) != self.size:
                raise ConnectionError(f"{came:,} of {self.size:,} bytes came")

        _retried(fetched, self._shown)

    def open(self) -> IO[bytes]:
        """Open it for reading at any position."""
        return io.BufferedReader(_Reader(self), 1 << 16)

    def identity(self) -> bytes | None:
        """Return the hash of address, size and ETag; None: the server gives no (strong) ETag."""
        if self.tag is None:
            return None
        return sha256(f"{self._shown}\n{self.size}\n{self.tag}".encode()).digest()

    def refuse_changed(self) -> None:
        """Do nothing: the file does not travel."""

    def part(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to ``end``, at most to the end of the file.

        Raises:
            InputError: they cannot be fetched.
        """
        end = min(end, self.size)
        if start >= end:
            return b""
        first, last = start // _BLOCK, (end - 1) // _BLOCK
        with self._lock:
            for block in range(first, last + 1):
                if block not in self._blocks:
                    self._fetch(block, last)
            found = b"".join(self._blocks[block] for block in range(first, last + 1))
        return found[start - first * _BLOCK : end - first * _BLOCK]

    def _fetch(self, block: int, last: int) -> None:
        """Fetch a block, those that are needed after it, and some ahead."""
        in_order = self._next <= block <= self._next + 1
        self._ahead = min(2 * self._ahead, _MOST_AHEAD) if in_order else 1
        stop = block + 1
        most = min(-(-self.size // _BLOCK), max(last + 1, block + self._ahead))
        while stop < most and stop not in self._blocks:
            stop += 1
        start, end = block * _BLOCK, min(stop * _BLOCK, self.size)
        content = _retried(lambda: self._range(start, end), self._shown)
        for number in range(block, stop):
            self._blocks[number] = content[(number - block) * _BLOCK :][:_BLOCK]
        self._next = stop

    def _range(self, start: int, end: int) -> bytes:
        try:
            with self._system.open(self._path, "rb", cache_type="none") as file:
                file.seek(start)
                content = cast(bytes, file.read(end - start))
        except ValueError as error:
            if "range" not in str(error) and "seek" not in str(error) and "bytes" not in str(error):
                raise
            raise InputError(
                f"{self._shown}: the server ignores the request for a part of the file",
                hint="It has to support ranges of bytes. Download the file first (curl -LO URL).",
            ) from None
        if len(content) != end - start:
            raise ConnectionError(
                f"bytes {start:,} to {end:,} were asked for, and {len(content):,} bytes came"
            )
        return content


class _Reader(io.RawIOBase):
    """A position in a :class:`RemoteFile`."""

    def __init__(self, file: RemoteFile) -> None:
        self._remote = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._remote.size}[whence]
        if before + offset < 0:
            raise OSError(errno.EINVAL, "Invalid argument")  # as files on disk do
        self._at = before + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        content = self._remote.part(self._at, self._at + len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


class _Kept:
    """Bytes under keys, in an unnamed temporary file that ends with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: dict[Hashable, tuple[int, int]] = {}
        self._end = 0
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._places

    def __getitem__(self, key: Hashable) -> bytes:
        at, size = self._places[key]
        with self._lock:
            self._file.seek(at)
            return self._file.read(size)

    def __setitem__(self, key: Hashable, content: bytes) -> None:
        try:
            with self._lock:
                self._file.seek(self._end)
                self._file.write(content)
                self._file.flush()
                self._places[key] = (self._end, len(content))
                self._end += len(content)
        except OSError as error:
            raise InputError(
                f"no room for downloaded pictures in {tempfile.gettempdir()}: {error.strerror}",
                hint="Set TMPDIR to a folder on a larger disk.",
            ) from error


class RemoteFolder(Source):
    """Files at URLs of one file system, sorted by their path below ``root``."""

    def __init__(self, system: Any, root: str, sizes: dict[str, int | None], shown: str) -> None:
        self.description = f"{shown}, known by content"
        named = sorted((_name_below(root, path), path) for path in sizes)
        for name, _ in named:
            if climbs_out(name):
                raise InputError(f"{shown}: the file '{name}' points outside the folder")
        kept, self.skipped = pick_pictures([name for name, _ in named], shown)
        self.names = [named[i][0] for i in kept]
        self._paths = [named[i][1] for i in kept]
        self._sizes = [sizes[path] for path in self._paths]
        self._system, self._shown = system, shown
        self._contents = _Kept()
        self._lock = threading.Lock()
        self._next = -1

    def read(self, index: int) -> bytes:
        """Return the file's bytes, from the first reading on from disk.

        Raises:
            PictureError: it is not there any more, forbidden, or too large.
            InputError: the connection fails, also when it is tried again.
        """
        size = self._sizes[index]
        if size is not None and size > MAX_ENTRY_BYTES:
            raise self._unfit(index, f"it has {size:,} bytes")
        with self._lock:
            if index not in self._contents:
                self._fetch(index)
        return self._contents[index]

    def _fetch(self, index: int) -> None:
        """Fetch a file; and the next ones with it, all at a time, if they are read in order."""
        ahead = _FILES_AHEAD if abs(index - self._next) <= 1 else 1
        group = [
            i
            for i in range(index, min(index + ahead, len(self._paths)))
            if i not in self._contents and (self._sizes[i] or 0) <= MAX_ENTRY_BYTES >> 4
        ]
        self._next = index + ahead
        if len(group) > 1:
            found = self._system.cat([self._paths[i] for i in group], on_error="return")
            for i in group:
                content = found.get(self._paths[i])
                if isinstance(content, bytes) and self._sizes[i] in (None, len(content)):
                    self._contents[i] = content
        if index not in self._contents:
            self._contents[index] = self._one(index)

    def _one(self, index: int) -> bytes:
        path, size = self._paths[index], self._sizes[index]

        def fetched() -> bytes:
            content = cast(bytes, self._system.cat_file(path))
            if size is not None and len(content) != size:
                raise ConnectionError(f"{len(content):,} of {size:,} bytes came")
            return content

        try:
            content = _retried(fetched, f"'{self.names[index]}' of {self._shown}")
        except _RefusedError as error:
            raise PictureError(error.message, hint=mending()) from None
        if len(content) > MAX_ENTRY_BYTES:
            raise self._unfit(index, f"it has {len(content):,} bytes")
        return content

    def _unfit(self, index: int, why: str) -> PictureError:
        return PictureError(
            f"'{self.names[index]}' cannot be read: {why}; a picture may have at most "
            f"{MAX_ENTRY_BYTES:,}",
            hint=mending(),
        )


class _RefusedError(InputError):
    """A server's answer that will be the same next time: missing, forbidden."""


def _retried(call: Callable[[], T], shown: str) -> T:
    """Return what a call returns; try again, with growing pauses, what may pass.

    Raises:
        InputError: it failed; the message holds no secret of a URL, and no cause does.
    """
    for wait in (*_WAITS, None):
        try:
            return call()
        except InputError:
            raise
        except Exception as error:
            passing, problem = _judged(error)
            refused = not passing
            why = without_secrets(problem)
        if refused:
            raise _RefusedError(f"{shown} cannot be read: {why}", hint=_HINT)
        if wait is not None:
            time.sleep(wait * (0.5 + random.random()))
    raise InputError(
        f"{shown} cannot be read: {why} ({len(_WAITS) + 1} tries)",
        hint="Is the network up? Try again later, or download the file first.",
    )


def _judged(error: BaseException) -> tuple[bool, str]:
    """Return whether an error may pass, and what it is."""
    chain = list(_chain(error))
    status = next((found for one in chain if (found := _status(one))), None)
    if status:
        reason = _REASONS.get(status, "the server reports an error")
        return status in _TRANSIENT, f"{reason} (HTTP {status})"
    if unknown := [one for one in chain if isinstance(one, socket.gaierror)]:
        return unknown[0].errno == socket.EAI_AGAIN, "there is no host of this name"
    if broken := next((one for one in chain if _is_of_network(one)), None):
        return True, f"the connection failed ({type(broken).__name__}: {first_line(broken)})"
    if isinstance(error, FileNotFoundError):
        return False, "there is no such file"
    if isinstance(error, PermissionError):
        return False, "access is forbidden"
    return False, f"{type(error).__name__}: {first_line(error)}"


def _status(error: BaseException) -> int | None:
    """Return the status of HTTP with which a server refused a request."""
    response = getattr(error, "response", None)
    found = getattr(error, "status", None) or getattr(response, "status_code", None)
    if not found and not type(error).__module__.startswith("aiohttp"):  # where it is a parser's
        found = getattr(error, "code", None)
    return found if isinstance(found, int) and found >= 400 else None


def _is_of_network(error: BaseException) -> bool:
    kind = type(error)
    if kind.__module__.startswith("aiohttp") and "Invalid" not in kind.__name__:
        return True
    if isinstance(error, ConnectionError | TimeoutError) or kind.__name__ == "FSTimeoutError":
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__context__, one.__cause__, getattr(one, "os_error", None)]


def accepts(given: object) -> bool:
    """Return whether this is a URL."""
    return is_url(given)


def ending_of_arrays(given: object) -> str | None:
    """Return the ending of a URL of arrays, such as ``.npz``; None: it is no such URL."""
    if not is_url(given):
        return None
    address = str(given).partition("?")[0].partition("#")[0].lower()
    return next((ending for ending in _ARRAYS if address.endswith(ending)), None)


def open_url(given: str) -> Source:
    """Open a folder, picture, zip, tar, Parquet table or TFRecord at a URL, or all that match.

    Raises:
        InputError: it cannot be read, and why; or the package for its protocol is not installed.
    """
    shown = without_secrets(given)
    if ending := ending_of_arrays(given):
        raise InputError(
            f"{shown}: pictures in a {ending} file at a URL are not read",
            hint="Download it first (curl -LO URL). Features and statistics in such a file are "
            "read: as one side of a score, alone.",
        )
    system, path = _system(given)
    if "*" in path:
        return _matching(system, path, shown)
    ending = (path.partition("?")[0] if "?" in given else path).lower()
    if is_picture(ending.rpartition("/")[2]) is None:
        size = _retried(lambda: system.info(path), shown).get("size")
        return RemoteFolder(system, _parent(path), {path: size}, shown)
    archive = ending.endswith((".zip", ".parquet", *_ARCHIVES)) or is_tfrecord(ending)
    if not archive and _is_folder(system, path, given, shown):
        found = _retried(lambda: system.find(path, detail=True), shown)
        if not found:
            raise InputError(f"there is no file below {shown}", hint="Is the address right?")
        if records := _records(system, path, found, shown.rstrip("/")):
            return records
        return RemoteFolder(system, path, {p: info.get("size") for p, info in found.items()}, shown)
    return _container(RemoteFile(system, path, given), ending)


def _container(file: RemoteFile, ending: str) -> Source:
    from mifid.images.parquet import ParquetSource
    from mifid.images.tar import TarSource
    from mifid.images.zip import ZipSource

    start = file.part(0, LENGTH)
    kind = kind_of(start)
    words = "" if kind is None else kind.words
    source: Source
    if ending.endswith(".zip") or "zip file" in words:
        source = ZipSource(file)
    elif ending.endswith(".parquet") or "Parquet" in words:
        source = ParquetSource(file)
    elif ending.endswith(_ARCHIVES) or words == "a tar file":
        source = TarSource(file)
    elif is_tfrecord(file.name):
        source = TFRecordSource(f"TFRecord {file}", [file], Counter())
    else:
        what = f"it is {words}" if words else f"it begins with {start[:16]!r}"
        raise InputError(f"{file} holds no pictures that can be read: {what}", hint=_HINT)
    source.description += f", known by {'size and ETag' if file.tag else 'content'}"
    return source


def _is_folder(system: Any, path: str, url: str, shown: str) -> bool:
    if url.endswith("/"):
        return True
    return bool(_retried(lambda: system.info(path), shown).get("type") == "directory")


def _matching(system: Any, pattern: str, shown: str) -> Source:
    from mifid.images.joined import JoinedSource

    found = _retried(lambda: system.glob(pattern, detail=True), shown)
    files = {path: info for path, info in found.items() if info.get("type") != "directory"}
    if not files:
        raise InputError(f"no file matches {shown}", hint="* stands for any letters of a name.")
    root = _parent(pattern[: pattern.index("*")])
    place = shown.partition("*")[0].rpartition("/")[0]
    if records := _records(system, root, files, place):
        return records
    if not all(path.lower().endswith((".zip", ".parquet", *_ARCHIVES)) for path in files):
        return RemoteFolder(system, root, {p: i.get("size") for p, i in files.items()}, shown)
    # The same file system, which keeps what the URL says beside the path: a host, a login.
    named = {_name_below(root, path): path for path in sorted(files)}
    sources = [
        _container(RemoteFile(system, path, f"{place}/{name}"), path.lower())
        for name, path in named.items()
    ]
    source = JoinedSource(list(named), sources)
    source.description = f"{len(sources):,} files of {shown}"
    return source


def _records(system: Any, root: str, paths: Iterable[str], place: str) -> TFRecordSource | None:
    """Return the records of all these files; None: they are not TFRecords alone."""
    named = {_name_below(root, path): path for path in sorted(paths)}
    seen = {name: path for name, path in named.items() if not name.startswith(".")}
    if not seen or not all(map(is_tfrecord, seen)):
        return None
    files = [RemoteFile(system, path, f"{place}/{name}") for name, path in seen.items()]
    known = "size and ETag" if all(file.tag for file in files) else "content"
    description = f"{len(files):,} TFRecords of {place}, known by {known}"
    return TFRecordSource(description, files, Counter())


def _system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path there.

    Raises:
        InputError: its protocol is not known, or the package for it is not installed.
    """
    protocol = url.partition("://")[0].lower()
    try:
        import fsspec.core

        system, path = fsspec.core.url_to_fs(url)
        return system, str(path)
    except ImportError:
        package = _PACKAGES.get(protocol)
        install = f"pip install '{package}'" if package else "See fsspec's list of packages."
        raise InputError(
            f"{without_secrets(url)}: the package that reads {protocol}:// is not installed",
            hint=install,
        ) from None
    except ValueError:
        known = listed(f"{name}://" for name in ("https", "s3", "gs", "az", "hf"))
        raise InputError(
            f"{without_secrets(url)}: {protocol}:// is not a protocol that is known",
            hint=f"Known are {known}, and the others of fsspec.",
        ) from None
    except Exception as error:  # a login that fails, above all: the library's own types
        why = f"{type(error).__name__}: {without_secrets(first_line(error))}"
    raise InputError(f"{without_secrets(url)} cannot be opened: {why}")


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _name_below(root: str, path: str) -> str:
    below = path.removeprefix(root.rstrip("/")).lstrip("/")
    return unquote(below.partition("?")[0])
