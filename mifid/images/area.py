"""Memory that two processes share, through which decoded pixels travel."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mifid.errors import OutputError, setting
from mifid.images.chunks import Outcome
from mifid.images.source import Decoded

__all__ = ["AREA_BYTES", "LANES", "Area", "Placed", "Reply", "Sent", "make_area_file"]

LANES = 2
"""Chunks that a process has before it. Each is decoded into its own part of the area."""

AREA_BYTES = 16 << 20
"""Room for LANES chunks of 8 pictures of 512 x 512. What has no room goes through the pipe."""


@dataclass(frozen=True)
class Placed:
    """Pixels that lie in the area: ``shape`` (H, W, 3) uint8 from byte ``offset`` on."""

    offset: int
    shape: tuple[int, ...]
    mode: str


Sent: TypeAlias = Outcome | Placed
"""An :data:`Outcome` as it passes the pipe."""

Reply: TypeAlias = tuple[list[Sent], list[tuple[type[Warning], str]]]
"""What became of a chunk's pictures, and the warnings that were met."""


class Area:
    """A file of ``AREA_BYTES``, mapped by both processes.

    A file and not POSIX shared memory, of which containers often have no more than 64 MB.
    """

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), AREA_BYTES)
        self._placed = 0

    def place(self, outcomes: Iterable[Outcome]) -> list[Sent]:
        """Write pixels into the next part of the area, as far as there is room."""
        sent: list[Sent] = []
        room = AREA_BYTES // LANES
        used = self._placed % LANES * room
        end = used + room
        self._placed += 1
        for outcome in outcomes:
            size = outcome.pixels.nbytes if isinstance(outcome, Decoded) else 0
            if isinstance(outcome, Decoded) and used + size <= end:
                shape = outcome.pixels.shape
                np.copyto(
                    np.frombuffer(self._map, np.uint8, size, used).reshape(shape), outcome.pixels
                )
                sent.append(Placed(used, shape, outcome.mode))
                used += size
            else:
                sent.append(outcome)
        return sent

    def take(self, sent: Iterable[Sent]) -> list[Outcome]:
        """Return copies of the pixels in the area, which may then be written again."""
        return [self._copied(one) if isinstance(one, Placed) else one for one in sent]

    def _copied(self, placed: Placed) -> Decoded:
        size = int(np.prod(placed.shape))
        pixels = np.frombuffer(self._map, np.uint8, size, placed.offset).reshape(placed.shape)
        return Decoded(pixels.copy(), placed.mode)


def make_area_file() -> str:
    """Return the path of a new file for an :class:`Area`; the caller removes it.

    Raises:
        OutputError: no space for it.
    """
    path = None
    try:
        handle, path = tempfile.mkstemp(prefix="mifid-decode-")
        with open(handle, "wb") as file:
            # Written, not only truncated to size: on a full disk, writing to a mapping of a file
            # with holes kills the process.
            file.write(bytes(AREA_BYTES))
    except OSError as error:
        if path is not None:
            with suppress(OSError):
                os.unlink(path)
        folder = os.path.dirname(path) if path else "any folder for temporary files"
        raise OutputError(
            f"no space in {folder} for {AREA_BYTES:,} bytes that pass decoded pictures between "
            f"processes: {error.strerror or error}",
            hint=f"Set TMPDIR to a larger disk, or use fewer {setting('workers')}.",
        ) from error
    return path
