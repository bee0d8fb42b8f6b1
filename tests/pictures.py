"""Tiny pictures, the files and archives that hold them, and hand-made damage to those."""

import io
import os
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager, suppress

import numpy as np
from PIL import Image

from mifid.images.decoding import decode
from mifid.images.source import Decoded, digest


def noise(seed=0, height=6, width=5):
    """Pixels (height, width, 3) uint8."""
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3), dtype=np.uint8)


def noises(n, height=6, width=5):
    return [noise(seed, height, width) for seed in range(n)]


def encode(pixels, kind="PNG", **options):
    """A picture file. PNG, BMP and TIFF keep every value."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_folder(root, entries):
    """Write name -> content (bytes) below a folder."""
    for name, content in entries:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path, entries, compression=zipfile.ZIP_DEFLATED):
    """Write (name, content) pairs, in this order; a name may come twice."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            # A ZipInfo, as duplicate names are warned of for names alone.
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.NameToInfo.pop(name, None)
            archive.writestr(info, content)
    return path


def zip_symlink(archive, name, target):
    """Add a symbolic link, as `zip -y` stores it."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, target)


def write_tar(path, entries, compression=""):
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def _crc32c(data):
    """CRC-32C bit by bit, as RFC 3720 defines it (polynomial 0x1EDC6F41, reflected)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def framed(data):
    """A record of a TFRecord file around any bytes."""

    def masked(part):
        crc = _crc32c(part)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def field(number, data):
    """A length-delimited field of a protobuf message."""
    length, size = len(data), b""
    while length >= 0x80:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def example(features):
    """A tf.train.Example of name -> list of bytes."""
    entries = b""
    for name, values in features.items():
        texts = b"".join(field(1, value) for value in values)
        entries += field(1, field(1, name.encode()) + field(2, field(1, texts)))
    return field(1, entries)


def write_tfrecord(path, entries):
    """Write (name, content) pairs, as the competition's files have them."""
    records = [
        example({"image_name": [name.encode()], "image": [content], "target": [b"monet"]})
        for name, content in entries
    ]
    path.write_bytes(b"".join(map(framed, records)))
    return path


_LOCAL = (
    b"PK\x03\x04",
    30,
    26,
    {"flags": (6, "H"), "method": (8, "H"), "crc": (14, "I"), "size": (22, "I")},
)
_CENTRAL = (
    b"PK\x01\x02",
    46,
    28,
    {"flags": (8, "H"), "method": (10, "H"), "crc": (16, "I"), "size": (24, "I")},
)


def patch_zip(path, name, **fields):
    """Overwrite ``flags``, ``method``, ``crc`` or ``size`` in both headers of an entry."""
    data = bytearray(path.read_bytes())
    for signature, header, length_at, places in (_LOCAL, _CENTRAL):
        start = data.find(signature)
        while start >= 0:
            (length,) = struct.unpack_from("<H", data, start + length_at)
            if data[start + header : start + header + length] == name.encode():
                for field, value in fields.items():
                    offset, kind = places[field]
                    struct.pack_into(f"<{kind}", data, start + offset, value)
            start = data.find(signature, start + 4)
    path.write_bytes(data)
    return path


def png(width, height, depth, colour, rows, palette=b""):
    """A PNG put together by hand, for what Pillow cannot write (16-bit colour, absurd sizes)."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def read_pixels(source, index):
    content = source.read(index)
    if isinstance(content, Decoded):
        return content.pixels
    return decode(content, source.names[index]).pixels


def contents(source):
    """What a source holds, whatever the order: (name, shape, values) -> how often."""
    found = [(name, read_pixels(source, i)) for i, name in enumerate(source.names)]
    return Counter((name, pixels.shape, pixels.tobytes()) for name, pixels in found)


def digest_counts(source):
    return Counter(digest(source.read(i)) for i in range(len(source)))


@contextmanager
def named_pipe(path):
    """A pipe that nobody writes to; whoever waits for it all the same is let go after a while."""

    def let_go():
        with suppress(OSError):  # nobody waits
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    os.mkfifo(path)
    timer = threading.Timer(5, let_go)
    timer.start()
    try:
        yield path
    finally:
        timer.cancel()
        timer.join()


def decoding_threads():
    return [t for t in threading.enumerate() if t.name.startswith("mifid-decode")]
