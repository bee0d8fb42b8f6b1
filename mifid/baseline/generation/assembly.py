"""Photos in, picture files out: decoded and encoded in threads while the network paints."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from mifid.baseline.generation.painter import Painter
from mifid.errors import MifidError, setting
from mifid.images.source import Pixels

__all__ = ["AssemblyLine"]


class AssemblyLine:
    """Paints a series of photos in batches and yields the files of their pictures, in order.

    At most four batches are in memory: one ahead, one that is painted, two to be encoded.

    Args:
        painter: paints a batch.
        load: index -> photo (S, S, 3) uint8; called in threads.
        encode: picture (S, S, 3) uint8 -> file; called in threads.
        batch_size: photos at a time.
        workers: threads.

    Attributes:
        network_seconds: time spent in the network.
        fitting: pictures at a time that fit into memory, if ``batch_size`` did not; else None.
    """

    def __init__(
        self,
        painter: Painter,
        *,
        load: Callable[[int], Pixels],
        encode: Callable[[Pixels], bytes],
        batch_size: int,
        workers: int,
    ) -> None:
        self._painter = painter
        self._load = load
        self._encode = encode
        self._batch_size = batch_size
        self._workers = workers
        self.network_seconds = 0.0
        self.fitting: int | None = None

    def run(self, first: int, end: int) -> Generator[bytes, None, None]:
        """Yield the files of pictures ``first <= i < end``."""
        starts = deque(range(first, end, self._batch_size))
        encoded: deque[Future[bytes]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mifid-paint")
        try:
            ahead = self._submit(pool, starts, end)
            while ahead:
                start, photos = first, np.stack([future.result() for future in ahead])
                first += len(photos)
                ahead = self._submit(pool, starts, end)
                encoded.extend(pool.submit(self._encode, p) for p in self._paint(photos, start))
                while encoded and (encoded[0].done() or len(encoded) > 2 * self._batch_size):
                    yield encoded.popleft().result()
            while encoded:
                yield encoded.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _submit(
        self, pool: ThreadPoolExecutor, starts: deque[int], end: int
    ) -> list[Future[Pixels]]:
        """Begin to load the next batch; none is left if the list is empty."""
        if not starts:
            return []
        start = starts.popleft()
        return [
            pool.submit(self._load, i) for i in range(start, min(start + self._batch_size, end))
        ]

    def _paint(self, photos: Pixels, first: int) -> Pixels:
        """(B, S, S, 3) uint8 -> (B, S, S, 3) uint8; in parts, if memory runs out."""
        started = time.perf_counter()
        parts: list[Pixels] = []
        given = torch.from_numpy(photos)
        size = min(self.fitting or len(given), len(given))
        begin = 0
        while begin < len(given):
            try:
                parts.append(self._painter.paint(given[begin : begin + size], first=first + begin))
                begin += size
                continue
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise _too_large(given) from error
                size = self.fitting = (size + 1) // 2
            except RuntimeError as error:
                if "DefaultCPUAllocator" not in str(error):  # what torch says without a GPU
                    raise
                raise MifidError(
                    f"out of memory with batches of {self._batch_size} pictures",
                    hint=f"Lower {setting('batch_size')}, or close other programs.",
                ) from error
            # Outside the handler, where the failed attempt's tensors are no longer referenced.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        self.network_seconds += time.perf_counter() - started
        return np.concatenate(parts)


def _too_large(photos: torch.Tensor) -> MifidError:
    side = photos.shape[1]
    return MifidError(
        f"out of GPU memory, even for one picture of {side} x {side} at a time",
        hint=f"{setting('batch_size')} is as good as 1 already: close what else uses the GPU, "
        f"or give {setting('device', 'cpu')}.",
    )
