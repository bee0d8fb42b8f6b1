"""Pictures in a tar file, plain or compressed.

The headers are read here, not by Python's tarfile, which stops silently at a damaged header,
returns wrong bytes for sparse files, and in versions that are still in use does not terminate on
negative sizes (CVE-2025-8194) and long pax headers (CVE-2024-6232).

Format: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, and GNU's additions:
https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from mifid.errors import InputError, PictureError, first_line, setting, warn
from mifid.images.archive import (
    BROKEN,
    ArchiveEntry,
    Container,
    LocalFile,
    lost_link,
    most_bytes,
    select,
)
from mifid.images.signatures import LENGTH, kind_of
from mifid.images.source import Source, is_picture

__all__ = ["TarSource", "accepts", "open_tar"]

_IN_MEMORY = 256 << 20
_NOT_SENT = {"_file", "_lock", "_close"}
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class _Place(NamedTuple):
    """``size`` bytes from ``offset`` in the plain tar."""

    offset: int
    size: int


class TarSource(Source):
    """A tar file's pictures.

    A compressed tar can only be read from front to back. It is therefore decompressed once, into
    memory or, above 256 MiB, into an unnamed temporary file that disappears with the process.
    """

    def __init__(self, container: Container) -> None:
        self.description = f"tar {container}"
        self._container = container
        self.skipped = Counter()
        try:
            # Every decoding process would have to decompress the whole file.
            self.travels = container.travels and _opener(container) is None
            self._attach(_decompressed(container))
            members = list(_members(self._file, self.description))
        except _DamagedError as error:
            raise self._unreadable(str(error)) from error
        except OSError as error:
            if error.errno is None:  # from a decompressor
                raise self._unreadable(first_line(error)) from error
            raise InputError(f"cannot read {container}: {error.strerror or error}") from error
        except BROKEN as error:
            raise self._unreadable(first_line(error)) from error
        self._entries = select(
            members,
            description=self.description,
            archive_bytes=container.size,
            skipped=self.skipped,
        )
        self.names = [entry.name for entry in self._entries]

    def _unreadable(self, problem: str) -> InputError:
        with self._container.open() as file:
            kind = kind_of(file.read(LENGTH))
        if kind is None or "tar" in kind.words or _opener(self._container):
            advice = "Make it again; a broken upload or download is shorter than the original."
        else:
            problem, advice = f"it is {kind.words}", kind.advice
        return InputError(f"{self._container} is not a readable tar file: {problem}", hint=advice)

    def _attach(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._close = weakref.finalize(self, file.close)

    def __getstate__(self) -> dict[str, Any]:
        return {key: vars(self)[key] for key in vars(self) if key not in _NOT_SENT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._container.refuse_changed()
        self._attach(_decompressed(self._container))

    def read(self, index: int) -> bytes:
        """Return the member's bytes.

        Raises:
            PictureError: the archive ends within it, or it is a link out of the archive.
        """
        entry = self._entries[index]
        if entry.leads_to is not None:
            raise lost_link(entry)
        place = cast(_Place, entry.where)
        with self._lock:  # one file position for all threads
            self._file.seek(place.offset)
            content = self._file.read(place.size)
        if len(content) != place.size:
            raise PictureError(
                f"'{entry.name}' is cut short: {len(content):,} of {place.size:,} bytes",
                hint="Make the archive again, or leave such pictures out with "
                f"{setting('skip_bad', True)}.",
            )
        return content

    def container_sha256(self) -> bytes | None:
        """Return the identity of the tar file; None if it changed since it was opened."""
        return self._container.identity()

    def close(self) -> None:
        """Close the file."""
        self._close()


def accepts(given: object) -> bool:
    """Return whether this is a file with a tar's ending or a tar's first header."""
    if not isinstance(given, str | os.PathLike) or not Path(given).is_file():
        return False
    if os.fspath(given).lower().endswith(_SUFFIXES):
        return True
    try:
        container = LocalFile(Path(given))
        with container.open() as packed, (_opener(container) or nullcontext)(packed) as file:
            block = file.read(_BLOCK)
        return bool(block.strip(b"\0")) and _has_checksum(block)
    except (_DamagedError, *BROKEN):
        return False


def open_tar(given: str | os.PathLike[str]) -> TarSource:
    """Open a tar of pictures."""
    return TarSource(LocalFile(Path(given)))


def _decompressed(container: Container) -> IO[bytes]:
    """Return the plain tar as a seekable file."""
    opener = _opener(container)
    if opener is None:
        return container.open()
    spool = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    limit = most_bytes(container.size)
    try:
        with container.open() as file, opener(file) as packed:
            while block := packed.read(1 << 20):
                _append(spool, block, container)
                if spool.tell() > limit:
                    raise InputError(
                        f"tar {container}: {container.size:,} bytes unpack to more than {limit:,} "
                        "bytes",
                        hint="It looks like a decompression bomb; make the archive again.",
                    )
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _append(spool: IO[bytes], block: bytes, container: Container) -> None:
    try:
        spool.write(block)
    except OSError as error:
        raise InputError(
            f"tar {container}: cannot decompress it into {tempfile.gettempdir()}: {error.strerror}",
            hint="Decompress it yourself (gunzip), or set TMPDIR to a folder on a larger disk.",
        ) from error


def _opener(container: Container):  # type: ignore[no-untyped-def]
    """Return the function that opens this kind of compressed file; None: it is plain."""
    import bz2
    import gzip
    import lzma

    with container.open() as file:
        start = file.read(6)
    magics = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
    return next((opener for magic, opener in magics.items() if start.startswith(magic)), None)


_BLOCK = 512
_MAX_HEADER = 1 << 16
"""Most bytes of a member's name, or of its pax properties."""

_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL = b"L", b"K", b"x", b"g"
_HARD_LINK, _SYMLINK, _FOLDERS, _SPECIAL = b"1", b"2", b"5D", b"346"
_WITHOUT_DATA = b"123456"
_NOT_FILES = b"MNVIA"  # parts of several volumes, labels, old extensions: no whole file
_SPARSE = b"S"


class _DamagedError(Exception):
    """The reason why a tar cannot be read to its end."""


def _members(file: IO[bytes], description: str) -> Iterator[ArchiveEntry]:
    """Yield the files, links, pipes and devices of a plain tar; folders are left out.

    Raises:
        InputError: a picture is stored in a way that is not supported.
    """
    end = file.seek(0, os.SEEK_END)
    at = 0
    everywhere: dict[str, str] = {}
    while True:
        given, block, at = _next_header(file, at, end, everywhere)
        if not block.strip(b"\0"):
            break
        properties = everywhere | given
        kind = block[156:157]
        name = properties.get("GNU.sparse.name") or properties.get("path") or _name(block)
        link = properties.get("linkpath") or _text(block[157:257].partition(b"\0")[0])
        stated = properties.get("size")
        size = _number(block[124:136], at) if stated is None else _whole(stated, at)
        size = 0 if kind in _WITHOUT_DATA else size
        sparse = kind == _SPARSE or any(key.startswith("GNU.sparse.") for key in properties)
        if kind == _SPARSE:
            at = _behind_map(file, block, at, end)
        if at + size > end:
            raise _DamagedError(
                f"'{name}' is cut short: {max(0, end - at):,} of {size:,} bytes are there"
            )
        if (sparse or kind in _NOT_FILES) and is_picture(name) is None:
            raise InputError(
                f"{description}: entry '{name}' is stored in parts, which cannot be read",
                hint="tar -S (sparse files) and tar -M (several volumes) write such archives; make "
                "it again without these options.",
            )
        if kind not in _FOLDERS + _NOT_FILES and not name.endswith("/"):
            symlink = link if kind == _SYMLINK else None
            hard_link = link if kind == _HARD_LINK else None
            yield ArchiveEntry(name, size, _Place(at, size), symlink, hard_link, kind in _SPECIAL)
        at = _padded(at + size)
    if not block:
        warn(f"{description} has no end mark; it may be cut short, and pictures may be missing")


def _next_header(
    file: IO[bytes], at: int, end: int, everywhere: dict[str, str]
) -> tuple[dict[str, str], bytes, int]:
    """Read a member's header, and the extended headers before it.

    Args:
        file: the tar.
        at: position of the header.
        end: the tar's size.
        everywhere: properties of all members; a global header that is read is added.

    Returns:
        The member's properties; its header, empty or zeros at the end; the position after it.
    """
    given: dict[str, str] = {}
    while True:
        file.seek(at)
        block = file.read(_BLOCK)
        if not block and not at:
            raise _DamagedError("it is empty")
        if not block.strip(b"\0"):
            return given, block, at
        _check(block, at)
        kind, size = block[156:157], _number(block[124:136], at)
        at += _BLOCK
        if kind not in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL):
            return given, block, at
        if size > _MAX_HEADER or at + size > end:
            raise _DamagedError(f"the header at byte {at - _BLOCK:,} claims {size:,} bytes")
        content = file.read(size)
        at = _padded(at + size)
        if kind == _PAX_ALL:
            everywhere |= _properties(content, at)
        elif kind == _PAX:
            given |= _properties(content, at)
        else:
            key = "path" if kind == _LONG_NAME else "linkpath"
            given[key] = _text(content.partition(b"\0")[0])


def _check(block: bytes, at: int) -> None:
    if len(block) < _BLOCK:
        raise _DamagedError(f"it ends within the header at byte {at:,}")
    if not _has_checksum(block):
        what = "a damaged header" if at else "no tar header"
        raise _DamagedError(f"there is {what} at byte {at:,}")


def _has_checksum(block: bytes) -> bool:
    if len(block) < _BLOCK:
        return False
    try:
        expected = _number(block[148:156], 0)
    except _DamagedError:
        return False
    counted = block[:148] + b" " * 8 + block[156:]
    # Some old programs summed signed bytes.
    signed = (byte - 256 if byte > 127 else byte for byte in counted)
    return expected == sum(counted) or expected == sum(signed)


def _number(digits: bytes, at: int) -> int:
    """Return a number in a header: octal, or base 256 in GNU's format for large ones."""
    if digits[:1] == b"\x80":
        return int.from_bytes(digits[1:], "big")
    text = digits.partition(b"\0")[0].strip(b" ")
    if text and set(text) <= set(b"01234567"):
        return int(text, 8)
    if text:
        raise _DamagedError(f"the header at byte {at:,} holds no number where one is expected")
    return 0


def _whole(text: str, at: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _DamagedError(f"the header before byte {at:,} holds no number where one is expected")
    return int(text)


def _properties(content: bytes, at: int) -> dict[str, str]:
    """Return a pax header's properties: records of ``"<length> <key>=<value>\\n"``."""
    found: dict[str, str] = {}
    start = 0
    while start < len(content.rstrip(b"\0")):
        digits, space, _ = content[start : start + 21].partition(b" ")
        length = _whole(digits.decode(errors="replace"), at) if space else 0
        key, equals, value = content[start + len(digits) + 1 : start + length].partition(b"=")
        if not equals or value[-1:] != b"\n" or start + length > len(content):
            raise _DamagedError(f"the header before byte {at:,} is damaged")
        found[_text(key)] = _text(value[:-1])
        start += length
    return found


def _name(block: bytes) -> str:
    name = _text(block[:100].partition(b"\0")[0])
    prefix = _text(block[345:500].partition(b"\0")[0])
    # In GNU's own format, whose magic is "ustar  ", these bytes are something else.
    return f"{prefix}/{name}" if prefix and block[257:263] == b"ustar\0" else name


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _behind_map(file: IO[bytes], block: bytes, at: int, end: int) -> int:
    """Return where a sparse member's data begin in GNU's own format: after its maps."""
    more = block[482]
    while more and at < end:
        more = (file.read(_BLOCK) + bytes(_BLOCK))[504]
        at += _BLOCK
    return at


def _padded(at: int) -> int:
    return -(-at // _BLOCK) * _BLOCK
