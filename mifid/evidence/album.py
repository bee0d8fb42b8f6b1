"""A side's pictures, opened again after the score."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mifid.errors import MifidError, UnavailableError, first_line
from mifid.images.decode import decode
from mifid.images.source import Decoded, Pixels, Source

__all__ = ["Album", "Shown"]

_LARGEST = 256  # px a side; what is kept of a picture while a page is made
_MANY_PIXELS = 1 << 20  # of a larger picture's pixels the histogram takes a regular part

# What reading a file that has changed since it was scored may raise.
_GONE = (MifidError, OSError, LookupError, ValueError)


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Shown:
    """A picture to show, or why it cannot be.

    Attributes:
        name: as in its set.
        pixels: (h, w, 3) uint8, at most 256 a side; None where ``missing`` says why.
        missing: empty if it is there.
    """

    name: str
    pixels: Pixels | None
    missing: str = ""


class Album:
    """A side's pictures, by the row of their features.

    Args:
        names: one a row.
        read: row -> an encoded picture file, or pixels.
    """

    def __init__(self, names: Sequence[str], read: Callable[[int], bytes | Decoded]) -> None:
        self.names = names
        self._read = read

    @classmethod
    def of(cls, source: Source, names: Sequence[str] | None = None) -> Album:
        """Match an opened source with the rows of its features.

        Args:
            source: stays the caller's to close.
            names: of the features, in order: the source's without those that were left out as
                damaged. None: all of them.
        """
        if names is None:
            return cls(source.names, source.read)
        places = _places(source.names, names)

        def read(row: int) -> bytes | Decoded:
            place = places[row]
            if place is None:
                raise UnavailableError(f"'{names[row]}' is no longer in {source.description}")
            return source.read(place)

        return cls(names, read)

    def __len__(self) -> int:
        return len(self.names)

    def show(self, row: int) -> Shown:
        """Return a picture, shrunk; one that cannot be read any more comes with the reason."""
        name = self.names[row]
        try:
            image = Image.fromarray(self._decoded(row))
        except _GONE as error:
            return Shown(name, None, first_line(error))
        image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
        return Shown(name, np.asarray(image))

    def pixels(self, rows: Sequence[int]) -> list[Pixels]:
        """Return (h, w, 3) uint8 of those pictures that can still be read, for their levels.

        Of a picture with more than a million pixels every second, third, … row and column is
        taken: its levels stay what they are, as no resizing would leave them.
        """
        found = []
        for row in rows:
            try:
                whole = self._decoded(row)
            except _GONE:
                continue
            step = math.ceil(math.sqrt(whole.shape[0] * whole.shape[1] / _MANY_PIXELS))
            found.append(whole[::step, ::step].copy())
        return found

    def _decoded(self, row: int) -> Pixels:
        content = self._read(row)
        if isinstance(content, bytes):
            content = decode(content, self.names[row])
        return content.pixels


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """Return where each wanted name is; of equal names the first wanted is the first there is."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, name in enumerate(names):
        places[name].append(place)
    return [places[name].popleft() if places[name] else None for name in wanted]
