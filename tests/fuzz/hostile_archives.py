"""Zips, tars, TFRecords and tables whose every field may lie, around pictures whole or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from functools import cache
from random import Random

from hostile_pictures import picture
from mutations import ODD_NAMES, ODD_NUMBERS, damaged
from pictures import example, field, framed

__all__ = ["parquet_file", "tar_file", "tfrecord_file", "zip_file"]


def zip_file(random: Random) -> bytes:
    """Write local headers, a directory and its end by hand; now and then damage all of it."""
    body, directory, number = b"", b"", random.randint(0, 6)
    for index in range(number):
        name = (random.choice(ODD_NAMES) if random.random() < 0.4 else f"{index}.jpg").encode(
            errors="surrogatepass"
        )
        data = picture(random)
        if random.random() < 0.05:
            data = zip_file(random)
        if random.random() < 0.03:
            data = bytes(random.choice([1 << 16, 1 << 22]))
        method = random.choice([0, 8, 8, 8, 9, 12, 14, 93, 99]) if random.random() < 0.5 else 8
        stored = _deflated(data) if method == 8 else data
        crc, sizes = zlib.crc32(data), [len(stored), len(data)]
        flags = random.choice([0, 0, 0, 1, 8, 0x800, 0x2000, 0xFFFF])
        if random.random() < 0.2:
            crc = random.getrandbits(32)
        if random.random() < 0.2:
            sizes[random.randrange(2)] = random.choice(ODD_NUMBERS) % 2**32
        extra = random.choice([b"", b"", b"", _zip64(random), random.randbytes(9)])
        offset = len(body)
        local = struct.pack(
            "<4sHHHHHIIIHH", b"PK\3\4", 20, flags, method, 0, 33, crc, *sizes, len(name), len(extra)
        )
        body += local + name + extra + stored
        if random.random() < 0.15:
            offset = random.choice([0, offset + 1, *ODD_NUMBERS]) % 2**32
        mode = random.choice([0o100644, 0o100644, 0o120777, 0o040755, 0o020666, 0o010644])
        for _ in range(random.choice([1, 1, 1, 1, 2])):  # two entries may share their bytes
            directory += struct.pack(
                "<4sHHHHHHIIIHHHHHII",
                b"PK\1\2",
                0x31E,
                20,
                flags,
                method,
                0,
                33,
                crc,
                *sizes,
                len(name),
                len(extra),
                0,
                0,
                0,
                mode << 16,
                offset,
            )
            directory += name + extra
    count = directory.count(b"PK\1\2")
    counts = [count, count]
    size, start = len(directory), len(body)
    if random.random() < 0.1:
        counts[random.randrange(2)] = random.choice(ODD_NUMBERS) % 2**16
    if random.random() < 0.1:
        size, start = (random.choice(ODD_NUMBERS) % 2**32 for _ in range(2))
    comment = random.choice([b"", b"", random.randbytes(20), b"PK\5\6"])
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *counts, size, start, len(comment)) + comment
    whole = body + directory + end
    return damaged(whole, random) if random.random() < 0.4 else whole


@cache
def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _zip64(random: Random) -> bytes:
    values = [random.choice(ODD_NUMBERS) % 2**64 for _ in range(random.randint(0, 3))]
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def tar_file(random: Random) -> bytes:
    """Write headers with right checksums and wrong everything else; sometimes compressed."""
    whole = b"".join(_member(random, index) for index in range(random.randint(0, 6)))
    whole += bytes(random.choice([1024, 1024, 0, 512]))
    if random.random() < 0.3:
        whole = damaged(whole, random)
    pack = random.choice([None, None, gzip.compress, bz2.compress, lzma.compress])
    if pack is None:
        return whole
    packed = pack(whole)
    return damaged(packed, random) if random.random() < 0.3 else packed


def _member(random: Random, index: int) -> bytes:
    name = random.choice(ODD_NAMES) if random.random() < 0.4 else f"{index}.jpg"
    kind = random.choice(b"00000" + b"\0123456LKSxgDMNV") if random.random() < 0.5 else 0x30
    data = picture(random)
    if kind in b"xg":
        key = random.choice(
            [
                "path",
                "size",
                "GNU.sparse.size",
                "GNU.sparse.map",
                "GNU.sparse.major",
                "hdrcharset",
                "mtime",
                "linkpath",
                "GNU.sparse.numblocks",
            ]
        )
        value = random.choice([name, *map(str, ODD_NUMBERS), "1,2,3", "nan", "x" * 2000])
        record = f" {key}={value}\n".encode(errors="surrogatepass")
        length = random.choice([len(record) + len(str(len(record) + 3)), *ODD_NUMBERS])
        data = f"{length}".encode() + record
    size = len(data)
    if random.random() < 0.2:
        size = random.choice(ODD_NUMBERS)
    link = random.choice(["0.jpg", "1.jpg", "missing.jpg", "../../etc/passwd", name])
    header = bytearray(512)
    for start, width, text in ((0, 100, name), (157, 100, link)):
        part = text.encode(errors="surrogatepass")[:width]
        header[start : start + len(part)] = part
    header[100:108] = random.choice([b"0000644\0", b"0000644\0", b"\xff" * 8, b"9999999\0"])
    header[108:124] = b"0000000\0" * 2
    header[124:136] = _tar_number(size, random)
    header[136:148] = random.choice([b"00000000000\0", b"00000000000\0", b"\x80" + b"\xff" * 11])
    header[148:156] = b" " * 8
    header[156] = kind
    header[257:265] = random.choice([b"ustar\x0000", b"ustar  \0", b"\0" * 8])
    if random.random() < 0.1:
        at = random.randrange(386, 500)
        header[at : at + 12] = _tar_number(random.choice(ODD_NUMBERS), random)
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % 512)


def _tar_number(value: int, random: Random) -> bytes:
    if 0 <= value < 8**11 and random.random() < 0.8:
        return b"%011o\0" % value
    sign = b"\x80" if value >= 0 else b"\xff"
    return sign + (value % 2**88).to_bytes(11, "big")


def tfrecord_file(random: Random) -> bytes:
    """Frame protobuf messages that may be damaged before their checksum is computed."""
    whole = b""
    for index in range(random.randint(0, 3)):
        features = {
            random.choice(
                ["image", "image", "image/encoded"] if random.random() < 0.9 else ["img", ""]
            ): [picture(random) for _ in range(random.choice([1, 1, 1, 1, 1, 1, 0, 2]))],
            random.choice(["image_name", "image/filename", "target"]): [
                f"{index}".encode()
                if random.random() < 0.8
                else random.choice([random.choice(ODD_NAMES).encode(), b"\xff\xfe"])
            ],
        }
        message = example(features)
        if random.random() < 0.2:
            message = damaged(message, random)
        if random.random() < 0.1:
            message = field(random.randint(1, 15), message)
        record = framed(message)
        if random.random() < 0.2:
            record = damaged(record, random, most=1)
        whole += record
    return damaged(whole, random) if random.random() < 0.2 else whole


def parquet_file(random: Random) -> bytes:
    """Write a table whose column of pictures may be none, and damage it now and then."""
    import pyarrow as pa
    from pyarrow import parquet

    count = random.randint(0, 9)
    contents = [picture(random) if random.random() < 0.9 else None for _ in range(count)]
    names = [random.choice([*ODD_NAMES, "a.jpg", None]) for _ in range(count)]
    paths = [name and name.encode(errors="replace").decode() for name in names]
    structs = [{"bytes": one, "path": path} for one, path in zip(contents, paths, strict=True)]
    column = random.choice(
        [
            lambda: pa.array(contents, pa.binary()),
            lambda: pa.array(contents, pa.large_binary()),
            lambda: pa.array(structs, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            lambda: pa.array([[one] for one in contents], pa.list_(pa.binary())),
            lambda: pa.array(paths, pa.string()),
        ]
    )()
    columns = {random.choice(["image", "image", "", "a.b"]): column, "label": list(range(count))}
    out = pa.BufferOutputStream()
    compression = random.choice(["none", "snappy", "gzip", "zstd"])
    parquet.write_table(
        pa.table(columns), out, row_group_size=random.choice([1, 3, 100]), compression=compression
    )
    content = out.getvalue().to_pybytes()
    return damaged(content, random) if random.random() < 0.6 else content
