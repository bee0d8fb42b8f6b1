"""TFRecord files, and the protobuf in them.

A file is a sequence of records: length (uint64), masked CRC-32C of the length, data, masked
CRC-32C of the data; numbers are little-endian
(https://www.tensorflow.org/tutorials/load_data/tfrecord).
The data is a ``tf.train.Example``. Its features ``image_name`` and ``image`` are read, or
``image/filename`` and ``image/encoded``, the names in TensorFlow's own data sets.

Format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mifid.errors import InputError, PictureError, setting
from mifid.images.archive import MAX_ENTRY_BYTES, Container, LocalFile, climbs_out
from mifid.images.source import EXTENSIONS, Source, is_picture

__all__ = ["TFRecordSource", "accepts", "is_tfrecord", "open_tfrecords", "values"]

_NAMED = re.compile(r"\.tfrec(ord)?s?(-\d+-of-\d+)?(\.gz)?$", re.IGNORECASE)
_FRAME = struct.Struct("<QI")  # length, its CRC
_CRC = struct.Struct("<I")
_MASK = 0xA282EAD8
_PICTURES = ("image", "image/encoded")
_NAMES = ("image_name", "image/filename")
_GZIP = b"\x1f\x8b"
_HINT = "Download or write the file again."


@dataclass(frozen=True)
class _Record:
    """Record ``number`` (from 1) of a file: ``length`` bytes from ``offset``."""

    name: str
    file: Container
    number: int
    offset: int
    length: int

    @property
    def where(self) -> str:
        return f"record {self.number} of {self.file}"


class TFRecordSource(Source):
    """The records of one or more TFRecord files, sorted by ``image_name``.

    Names without a picture's ending get ``.jpg``; records without a name are named after their
    file. Files are opened for every read, so threads may read and no file stays open.
    """

    def __init__(self, description: str, files: Sequence[Container], skipped: Counter[str]) -> None:
        self.description = description
        self.skipped = skipped
        self.travels = all(file.travels for file in files)
        self._files = files
        records = [record for file in files for record in _scan(file)]
        if not records:
            raise InputError(f"{description} holds no records; expected at least one", hint=_HINT)
        self._records = sorted(records, key=lambda record: record.name)
        self.names = [record.name for record in self._records]

    def read(self, index: int) -> bytes:
        """Return the record's encoded picture; its CRC is checked on the way.

        Raises:
            PictureError: the record is damaged, or the file changed since it was opened.
        """
        record = self._records[index]
        try:
            with record.file.open() as file:
                file.seek(record.offset)
                data, footer = file.read(record.length), file.read(_CRC.size)
        except OSError as error:
            raise PictureError(f"cannot read {record.where}: {error.strerror or error}") from error
        _check_crc(data, footer, f"'{record.name}', {record.where}")
        try:
            return _picture(values(data))
        except MalformedError as error:
            raise PictureError(f"{record.where}: {error}", hint=_bad_picture()) from error

    def container_sha256(self) -> bytes | None:
        """Return the hash of the files and their names, since records may be named after them.

        None if one of them changed since it was opened.
        """
        digest = hashlib.sha256()
        for file in self._files:
            found = file.identity()
            if found is None:
                return None
            digest.update(f"{file.name!r} {found.hex()}\n".encode())
        return digest.digest()


def is_tfrecord(name: str) -> bool:
    """Return whether a file is a TFRecord by its name."""
    return _NAMED.search(name) is not None


def accepts(given: object) -> bool:
    """Return whether this is a TFRecord by its name, a pattern or a folder of only these."""
    if not isinstance(given, str | os.PathLike):
        return False
    text = os.fspath(given)
    if os.path.isdir(text):
        return _is_folder_of_records(text)
    if os.path.isfile(text):
        return is_tfrecord(text)
    return glob.has_magic(text) and ".tfrec" in os.path.basename(text).lower()


def open_tfrecords(given: str | os.PathLike[str]) -> TFRecordSource:
    """Open a TFRecord file, a folder of TFRecords, or those that match a pattern.

    Raises:
        InputError: a file is cut short, compressed or not a TFRecord; a record has no picture.
    """
    path = Path(given)
    if path.is_file():
        return TFRecordSource(f"TFRecord {path}", [LocalFile(path)], Counter())
    if path.is_dir():
        found = [entry.path for entry in os.scandir(path) if not entry.name.startswith(".")]
        description = "folder"
    else:
        found = glob.glob(os.path.expanduser(os.fspath(given)), recursive=True)
        description = "pattern"
    files = [Path(p) for p in found if os.path.isfile(p)]
    named = sorted(file for file in files if is_tfrecord(file.name))
    skipped = Counter({"not a TFRecord by its name": len(files) - len(named)})
    if not named:
        raise InputError(
            f"no TFRecords in {description} {given}",
            hint="Expected files ending in .tfrec or .tfrecord.",
        )
    opened = [LocalFile(file) for file in named]
    return TFRecordSource(f"TFRecords of {description} {given}", opened, +skipped)


def _is_folder_of_records(folder: str) -> bool:
    """Return whether a folder holds TFRecords, and neither pictures nor folders."""
    found = False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                # Stops at the first picture, so that a folder of thousands is not listed twice.
                if is_picture(entry.name) is None or entry.is_dir():
                    return False
                found = found or is_tfrecord(entry.name)
    except OSError:
        return False  # opening it as a folder raises the error
    return found


def _scan(file: Container) -> Iterator[_Record]:
    """Find the records of a file, and their names."""
    try:
        with file.open() as opened:
            number = 0
            while header := opened.read(_FRAME.size):
                number += 1
                where = f"record {number} of {file}"
                offset = opened.tell()
                length = _length(header, where, rest=file.size - offset)
                data, footer = opened.read(length), opened.read(_CRC.size)
                yield _Record(_name(data, footer, file, number), file, number, offset, length)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error


def _length(header: bytes, where: str, *, rest: int) -> int:
    """Check a record's header, and return its length; ``rest`` bytes of the file follow."""
    if len(header) < _FRAME.size:
        raise InputError(
            f"{where} is cut short: its header has {len(header)} of 12 bytes", hint=_HINT
        )
    length, found = _FRAME.unpack(header)
    expected = _masked_crc(header[:8])
    if found != expected:
        if header.startswith(_GZIP):
            raise InputError(f"{where}: the file is compressed", hint="Decompress it: gunzip.")
        raise InputError(
            f"{where} has a bad CRC of its length: expected {expected:#010x}, got {found:#010x}",
            hint=f"The file is damaged there, or is not a TFRecord. {_HINT}",
        )
    if length > MAX_ENTRY_BYTES:
        raise InputError(
            f"{where} has {length:,} bytes; a picture may have at most {MAX_ENTRY_BYTES:,}",
            hint=_HINT,
        )
    if length + _CRC.size > rest:
        raise InputError(
            f"{where} is cut short: it has {rest:,} of {length + _CRC.size:,} bytes", hint=_HINT
        )
    return int(length)


def _name(data: bytes, footer: bytes, file: Container, number: int) -> str:
    """Return the name of a record's picture.

    A record with a bad CRC gets one, too: reading it raises the error, or leaves it out.
    """
    where = f"record {number} of {file}"
    own = f"{_NAMED.sub('', file.name)}-{number:05}.jpg"
    try:
        _check_crc(data, footer, where)
    except PictureError:
        return own
    try:
        features = values(data)
        _picture(features)
        key = next((key for key in _NAMES if key in features), None)
        given = only_value(features, key) if key else b""
    except MalformedError as error:
        raise InputError(
            f"{where}: {error}",
            hint="Expected a tf.train.Example with features image_name and image, or "
            "image/filename and image/encoded, as bytes.",
        ) from error
    name = given.decode(errors="replace")
    if climbs_out(name) and key != _NAMES[0]:
        name = os.path.basename(name)  # often an absolute path on the machine that wrote it
    if climbs_out(name):
        raise InputError(f"{where}: image_name '{name}' points outside a folder", hint=_HINT)
    if not name:
        return own
    return name if os.path.splitext(name)[1].lower() in EXTENSIONS else f"{name}.jpg"


def _picture(features: dict[str, list[bytes]]) -> bytes:
    """Return the encoded picture of a record."""
    for key in _PICTURES:
        if key in features:
            return only_value(features, key)
    there = ", ".join(sorted(features)) or "none"
    raise MalformedError(
        f"it has no feature '{_PICTURES[0]}' or '{_PICTURES[1]}'; its features are: {there}"
    )


def _check_crc(data: bytes, footer: bytes, what: str) -> None:
    if len(footer) < _CRC.size:
        raise PictureError(f"{what} is cut short", hint=_bad_picture())
    (found,) = _CRC.unpack(footer)
    expected = _masked_crc(data)
    if found != expected:
        raise PictureError(
            f"{what} has a bad CRC: expected {expected:#010x}, got {found:#010x}",
            hint=_bad_picture(),
        )


def _masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C: rotated and shifted, since the data may hold CRCs themselves."""
    import google_crc32c  # here, so that other kinds do not need it

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _bad_picture() -> str:
    return f"{_HINT[:-1]}, or leave such pictures out with {setting('skip_bad', True)}."


class MalformedError(ValueError):
    """Bytes that are not a tf.train.Example, or an Example without a picture."""


def values(example: bytes) -> dict[str, list[bytes]]:
    """Return name -> values of every feature; an empty list for features of numbers.

    ``Example {1: Features {1: map entry {1: name, 2: Feature {1: BytesList {1: value, ...}}}}}``

    Raises:
        MalformedError: the bytes are something else.
    """
    found: dict[str, list[bytes]] = {}
    # By the wire format, the parts of an embedded message are concatenated.
    for entry in _fields(b"".join(_fields(example, 1)), 1):
        name = b"".join(list(_fields(entry, 1))[-1:])
        feature = b"".join(_fields(entry, 2))
        texts = _fields(b"".join(_fields(feature, 1)), 1)
        found[name.decode(errors="backslashreplace")] = list(texts)
    return found


def only_value(features: dict[str, list[bytes]], name: str) -> bytes:
    """Return the only value of a feature of bytes.

    Raises:
        MalformedError: there is no such feature, or it has another number of values.
    """
    if name not in features:
        there = ", ".join(sorted(features)) or "none"
        raise MalformedError(f"it has no feature '{name}'; its features are: {there}")
    if len(features[name]) != 1:
        found = len(features[name])
        raise MalformedError(f"its feature '{name}' holds {found} values of bytes; expected 1")
    return features[name][0]


_FIXED_BYTES = {0: 0, 1: 8, 2: 0, 5: 4}
"""Wire type -> bytes of a value, 0 if they vary. Groups (3, 4) do not occur in an Example."""

_VARINT, _BYTES = 0, 2


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the length-delimited fields with this number; check the whole message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or kind not in _FIXED_BYTES:
            raise MalformedError(f"not a tf.train.Example (field {number} of wire type {kind})")
        length = _FIXED_BYTES[kind]
        if kind in {_VARINT, _BYTES}:
            value, at = _varint(message, at)
            length = value if kind == _BYTES else 0
        start, at = at, at + length
        if at > len(message):
            raise MalformedError("not a tf.train.Example (a field ends beyond the record)")
        if number == wanted and kind == _BYTES:
            yield message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the base-128 number at a position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):  # 64 bits fill ten bytes
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise MalformedError("not a tf.train.Example (a number has no end)")
