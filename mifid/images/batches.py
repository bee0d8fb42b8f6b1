"""Decoding ahead of the network: a source in, batches of equally large pictures out."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from mifid.errors import PictureError
from mifid.images.decode import decode
from mifid.images.source import Decoded, Pixels, Source, digest

__all__ = ["Batch", "BatchReader", "default_workers", "digests"]


@dataclass(frozen=True)
class Batch:
    """``pixels`` (B, H, W, 3) uint8 of the source's pictures ``indices`` (B,)."""

    pixels: Pixels
    indices: npt.NDArray[np.int64]


def default_workers() -> int:
    """Two threads keep a CPU's network fed (0.8 ms a picture); a GPU wants all cores."""
    return max(2, os.cpu_count() or 2)


class BatchReader:
    """Iterates over a source once, in batches, decoding ahead in threads.

    Pillow releases the interpreter lock while it decodes, so threads do run beside the network.

    Attributes, complete when the iteration is:
        converted: pictures that were not RGB, by mode.
        bad: (index, reason) of pictures left out, with ``skip_bad``.
        sizes: pictures by (width, height).
    """

    def __init__(
        self, source: Source, *, batch_size: int, workers: int | None, skip_bad: bool
    ) -> None:
        self._source = source
        self._batch_size = batch_size
        self._workers = workers or default_workers()
        self._skip_bad = skip_bad
        self.converted: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.sizes: Counter[tuple[int, int]] = Counter()

    def __iter__(self) -> Iterator[Batch]:
        waiting: dict[tuple[int, ...], list[tuple[int, Pixels]]] = {}
        for index, decoded in self._decoded():
            shape = decoded.pixels.shape
            self._record(decoded)
            waiting.setdefault(shape, []).append((index, decoded.pixels))
            if len(waiting[shape]) == self._batch_size:
                yield _batch(waiting.pop(shape))
            elif sum(map(len, waiting.values())) >= 4 * self._batch_size:
                # Many sizes: bound what waits by handing on the largest group as it is.
                yield _batch(waiting.pop(max(waiting, key=lambda s: len(waiting[s]))))
        for group in waiting.values():
            yield _batch(group)

    def _record(self, decoded: Decoded) -> None:
        if decoded.mode != "RGB":
            self.converted[decoded.mode] += 1
        self.sizes[decoded.pixels.shape[1], decoded.pixels.shape[0]] += 1

    def _decoded(self) -> Iterator[tuple[int, Decoded]]:
        """Yield pictures in order, with up to two batches being decoded ahead."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="mifid-decode") as pool:
            todo = iter(range(len(self._source)))
            ahead: deque[tuple[int, Future[Decoded]]] = deque(
                (i, pool.submit(self._load, i)) for i in islice(todo, 2 * self._batch_size)
            )
            try:
                while ahead:
                    index, future = ahead.popleft()
                    for i in islice(todo, 1):
                        ahead.append((i, pool.submit(self._load, i)))
                    try:
                        yield index, future.result()
                    except PictureError as error:
                        if not self._skip_bad:
                            where = f"{self._source.description}: {error.message}"
                            raise PictureError(where, hint=error.hint) from error
                        self.bad.append((index, error.message))
            finally:
                for _, future in ahead:
                    future.cancel()

    def _load(self, index: int) -> Decoded:
        content = self._source.read(index)
        if isinstance(content, bytes):
            return decode(content, self._source.names[index])
        return content


def digests(source: Source, *, workers: int | None = None) -> list[bytes | None]:
    """Return each picture's :func:`mifid.images.source.digest`, None where it is unreadable."""

    def one(index: int) -> bytes | None:
        try:
            return digest(source.read(index))
        except PictureError:
            return None  # told, or skipped and counted, when it is decoded

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        return list(pool.map(one, range(len(source))))


def _batch(group: list[tuple[int, Pixels]]) -> Batch:
    indices = np.array([index for index, _ in group], dtype=np.int64)
    return Batch(np.stack([pixels for _, pixels in group]), indices)
