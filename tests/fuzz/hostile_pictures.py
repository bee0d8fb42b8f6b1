"""Picture files of every format that is read, whole and damaged where their structure is."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from random import Random

import numpy as np
from mutations import ODD_NUMBERS, damaged, spliced
from PIL import Image

__all__ = ["ENDINGS", "picture", "picture_file"]

ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "PPM": ".ppm",
}

_MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "L", "RGBA", "P", "LA", "1", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "P", "1"),
    "TIFF": ("RGB", "L", "CMYK", "RGBA", "P", "1", "I;16", "F", "LAB"),
    "GIF": ("P", "L"),
    "PPM": ("RGB", "L", "1"),
}

_OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({}, {"progressive": True}, {"quality": 5, "subsampling": 2}, {"optimize": True}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": (
        {},
        {"compression": "tiff_lzw"},
        {"compression": "tiff_deflate"},
        {"compression": "packbits"},
    ),
}


@cache
def bases() -> tuple[tuple[str, bytes], ...]:
    """Return (format, file) of tiny pictures: every format, mode and way of writing."""
    noise = np.random.RandomState(0)
    found = []
    for kind, modes in _MODES.items():
        for mode in modes:
            for options in _OPTIONS.get(kind, ({},)):
                pixels = noise.randint(0, 256, (9, 11, 3), dtype=np.uint8)
                image = Image.fromarray(pixels)
                image = (
                    image.convert("I").convert("I;16")
                    if mode == "I;16"
                    else image.convert(
                        "L" if mode == "F" else "RGB" if mode == "LAB" else mode
                    ).convert(mode)
                )
                buffer = io.BytesIO()
                image.save(buffer, kind, **options)
                found.append((kind, buffer.getvalue()))
    frames = [Image.fromarray(noise.randint(0, 256, (9, 11, 3), dtype=np.uint8)) for _ in range(3)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        found.append((kind, buffer.getvalue()))
    return tuple(found)


def picture(random: Random) -> bytes:
    """Return a picture for an archive: mostly a whole one."""
    return random.choice(bases())[1] if random.random() < 0.8 else picture_file(random)[1]


def picture_file(random: Random) -> tuple[str, bytes]:
    """Return (format, file), damaged with its format's structure in mind or without."""
    kind, data = random.choice(bases())
    chosen = random.random()
    if chosen < 0.45:
        data = {"JPEG": _jpeg, "PNG": _png, "TIFF": _tiff}.get(kind, _header)(data, random)
    elif chosen < 0.9:
        data = damaged(data, random)
    else:
        data = spliced(data, random.choice(bases())[1], random)
    return kind, data


def _header(data: bytes, random: Random) -> bytes:
    """Put an odd number among the first bytes, where sizes stand."""
    kind = random.choice("BHI")
    at = random.randrange(min(64, len(data)))
    value = random.choice(ODD_NUMBERS) % 2 ** (8 * struct.calcsize(kind))
    return data[:at] + struct.pack(f"<{kind}", value) + data[at + struct.calcsize(kind) :]


def _jpeg(data: bytes, random: Random) -> bytes:
    """Change one marker segment: its kind, its length, or a byte of it."""
    starts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        starts.append(at)
        if data[at + 1] == 0xDA:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    at = random.choice(starts)
    changed = bytearray(data)
    match random.randrange(4):
        case 0:
            changed[at + 1] = random.choice([0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xDD, 0xE1, 0xEE, 0xFE])
        case 1:
            changed[at + 2 : at + 4] = struct.pack(">H", random.choice(ODD_NUMBERS) % 65536)
        case 2:
            changed[min(at + random.randint(4, 20), len(data) - 1)] = random.getrandbits(8)
        case _:
            del changed[at : at + random.randint(2, 30)]
    return bytes(changed)


def _png(data: bytes, random: Random) -> bytes:
    """Change a chunk and give it a right checksum; drop, double or move chunks."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    at = random.randrange(len(chunks))
    kind, body = chunks[at]
    match random.randrange(5):
        case 0:
            body = damaged(body, random, most=1)
        case 1 if kind == b"IHDR":
            body = struct.pack(
                ">IIBBBBB",
                random.choice(ODD_NUMBERS) % 2**32,
                random.choice(ODD_NUMBERS) % 2**32,
                random.choice([1, 2, 4, 8, 16]),
                random.choice([0, 2, 3, 4, 6]),
                0,
                0,
                0,
            )
        case 1:
            kind = random.choice(
                [b"IDAT", b"PLTE", b"tRNS", b"zTXt", b"iCCP", b"eXIf", b"acTL", b"fdAT"]
            )
        case 2:
            chunks.insert(random.randrange(len(chunks)), (kind, body))
        case 3:
            kind, body = b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << random.choice([10, 22, 26])))
            chunks.insert(1, (kind, body))
        case _:
            del chunks[at]
            at = 0
    if at < len(chunks):
        chunks[at] = (kind, body)
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _tiff(data: bytes, random: Random) -> bytes:
    """Change a tag of the first directory: which it is, its type, its count or its value."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (number,) = struct.unpack_from(order + "H", data, start)
    changed = bytearray(data)
    entry = start + 2 + 12 * random.randrange(number)
    match random.randrange(4):
        case 0:
            tag = random.choice(
                [256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 305, 320, 330, 700, 34675]
            )
            struct.pack_into(order + "H", changed, entry, tag)
        case 1:
            struct.pack_into(order + "H", changed, entry + 2, random.randrange(18))
        case 2:
            struct.pack_into(order + "I", changed, entry + 4, random.choice(ODD_NUMBERS) % 2**32)
        case _:
            struct.pack_into(order + "I", changed, entry + 8, random.choice(ODD_NUMBERS) % 2**32)
    return bytes(changed)
