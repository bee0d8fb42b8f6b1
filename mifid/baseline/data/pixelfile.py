"""A file of pixels: a .npy array with the pictures' names and checksums written behind it."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from mifid.images.source import Pixels

__all__ = ["PixelFile", "Writer", "read"]


@dataclass(frozen=True, eq=False)
class PixelFile:
    """``pixels`` (N, S, S, 3) uint8, memory-mapped; N ``names``; ``sha256`` of both."""

    pixels: Pixels
    names: tuple[str, ...]
    sha256: str


class Writer:
    """Writes pictures one batch after the other.

    Args:
        file: empty, open for writing.
        count: pictures at most.
        size: pixels a side.
    """

    def __init__(self, file: IO[bytes], *, count: int, size: int) -> None:
        self._file = file
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        self._end = file.tell() + count * size * size * 3
        self._crc = 0
        self._digest = hashlib.sha256(f"{size} x {size}\n".encode())

    def append(self, pixels: Pixels) -> None:
        """Write pictures (B, S, S, 3)."""
        content = pixels.tobytes()
        self._file.write(content)
        self._crc = zlib.crc32(content, self._crc)
        self._digest.update(content)

    def finish(self, names: Sequence[str]) -> None:
        """Write what belongs to the pictures; fewer than ``count`` leave a hole in the file."""
        self._digest.update(json.dumps(list(names)).encode())
        sha256 = self._digest.hexdigest()
        crc = zlib.crc32(_listed(names, sha256), self._crc)
        self._file.seek(self._end)
        seal = {"crc32": crc, "sha256": sha256, "names": list(names)}
        self._file.write(json.dumps(seal).encode())


def read(path: str | os.PathLike[str], *, size: int) -> PixelFile:
    """Map a file and check it whole (gigabytes a second).

    Raises:
        FileNotFoundError: there is none.
        Exception: of nearly any kind, if it is damaged.
    """
    with Path(path).open("rb") as file:
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if shape[1:] != (size, size, 3) or fortran or dtype != np.dtype(np.uint8):
            raise ValueError(f"it holds {dtype} of shape {shape}")
        start = file.tell()
        file.seek(shape[0] * size * size * 3, os.SEEK_CUR)
        seal = json.loads(file.read())
        # Mapped from the open file: the path may be another file's by now.
        mapped = np.memmap(file, dtype=np.uint8, mode="r", offset=start, shape=shape)
    names, sha256 = tuple(seal["names"]), seal["sha256"]
    pixels = mapped[: len(names)]
    if zlib.crc32(_listed(names, sha256), zlib.crc32(pixels.data)) != seal["crc32"]:
        raise ValueError("its checksum is another")
    return PixelFile(pixels, names, sha256)


def _listed(names: Sequence[str], sha256: str) -> bytes:
    """What the checksum covers beside the pixels."""
    return json.dumps([*names, sha256]).encode()
