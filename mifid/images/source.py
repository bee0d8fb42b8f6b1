"""What a set of pictures is to the rest of the library."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError

__all__ = [
    "EXTENSIONS",
    "Decoded",
    "Pixels",
    "Source",
    "Stream",
    "describe_skipped",
    "digest",
    "is_picture",
    "no_pictures",
    "printable",
]

Pixels = npt.NDArray[np.uint8]
"""One picture (H, W, 3) or a batch (N, H, W, 3): uint8 RGB, 0..255."""

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Decoded:
    """Pixels (H, W, 3) uint8 RGB, and the mode they had (``"RGB"``: nothing was converted)."""

    pixels: Pixels
    mode: str = "RGB"


class Source(ABC):
    """A set of named pictures that can be read in any order, from several threads.

    Attributes:
        description: what the user gave, for messages and reports.
        names: one a picture, sorted; not necessarily unique (a zip may hold a name twice).
        skipped: how many entries were passed over, by reason.
        travels: whether it can be pickled, and its copy in another process reads the same pictures
            from files. False where pictures are in memory: sending them would cost more than
            reading them here.
    """

    description: str
    names: Sequence[str]
    skipped: Counter[str]
    travels: bool = False

    @abstractmethod
    def read(self, index: int) -> bytes | Decoded:
        """Return picture ``index`` as an encoded file, or as pixels if it never was one."""

    def name(self, index: int) -> str:
        """Return what picture ``index`` is called."""
        return self.names[index]

    def container_sha256(self) -> bytes | None:
        """Return the hash of the one file that holds all pictures.

        None if there is no such file, or if it is not the one any more that was opened.
        The same file holds the same pictures under the same names: their digests need not be
        computed again, and reading one file whole is many times faster than its entries.
        """
        return None

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Release files; reading afterwards is an error."""


@dataclass
class Stream:
    """Batches that pass by once, of unknown number: for a model that generates as it is scored.

    Attributes:
        batches: yields pixels (N, H, W, 3) uint8.
    """

    batches: Iterable[Pixels]
    description: str = "a stream of batches"
    skipped: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Pixels]:
        return iter(self.batches)

    def name(self, index: int) -> str:
        """Return what picture ``index`` is called: its number."""
        return str(index)

    def close(self) -> None:
        """Do nothing: what yields the batches is the caller's."""


def is_picture(path: str) -> str | None:
    """Return None if an entry of this name is to be read, else the reason to skip it."""
    # Plain string work: archives hold thousands of entries, and pathlib takes 20 times as long.
    parts = path.replace("\\", "/").split("/")
    if any((part[:1] == "." and part.strip(".")) or part == "__MACOSX" for part in parts):
        return "hidden or __MACOSX"
    stem, dot, suffix = parts[-1].rpartition(".")
    if not stem or (dot + suffix).lower() not in EXTENSIONS:
        return "not a picture by its name"
    return None


def printable(name: str) -> str:
    """Return a file name with bytes that are not UTF-8 spelled out, so that any output takes it."""
    return name.encode(errors="backslashreplace").decode()


def digest(content: bytes | Decoded) -> bytes:
    """Return the SHA-256 of an encoded picture, or of the shape and values of pixels."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    shape = f"pixels {content.pixels.shape}\n".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(content.pixels).tobytes()).digest()


def describe_skipped(skipped: Counter[str]) -> str:
    """Return ``"3 hidden or __MACOSX, 1 not a picture by its name"``."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))


def no_pictures(description: str, skipped: Counter[str]) -> InputError:
    """Return the error for a set that holds nothing to score."""
    found = f"; it holds {describe_skipped(skipped)}" if skipped else "; it is empty"
    return InputError(
        f"no pictures in {description}{found}",
        hint=f"Expected files ending in {' '.join(sorted(EXTENSIONS))} (any case), at any depth.",
    )
