"""A generator that paints: batches of photos in, encoded pictures out, while it computes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mifid.baseline.data import to_pixels, to_tensor
from mifid.errors import MifidError, setting
from mifid.images import Pixels

__all__ = [
    "AssemblyLine",
    "Painter",
]


class Painter:
    """Paints batches of photos.

    Args:
        network: (B, 3, S, S) in -1..1 -> the same; or, with an attribute ``latent``, from noise.
        device: where the network is.
        seed: of the noise; picture i gets the same whatever the batches are.
    """

    def __init__(self, network: nn.Module, *, device: torch.device, seed: int) -> None:
        self._network = network
        self._device = device
        self._seed = seed
        self._latent: int | None = getattr(network, "latent", None)

    def paint(self, photos: Tensor, *, first: int) -> Pixels:
        """Paint photos (B, S, S, 3) uint8, the first of which has number ``first``.

        The network is left in the mode, training or not, in which it came.

        Raises:
            MifidError: it paints NaN.
        """
        was_training = self._network.training
        self._network.eval()
        try:
            with torch.inference_mode():
                # forward, not the call: compiled, it would compile again for each size of batch.
                painted = self._network.forward(self._given(photos, first))
        finally:
            self._network.train(was_training)
        if not bool(torch.isfinite(painted).all()):
            raise MifidError(
                "the generator paints NaN or infinite values",
                hint="It diverged in training; use an earlier snapshot.",
            )
        return to_pixels(painted)

    def _given(self, photos: Tensor, first: int) -> Tensor:
        if self._latent is None:
            return to_tensor(photos.to(self._device))
        numbers = range(first, first + len(photos))
        latents = np.stack([self._noise(number, self._latent) for number in numbers])
        return torch.from_numpy(latents).to(self._device)

    def _noise(self, number: int, count: int) -> npt.NDArray[np.float32]:
        # NumPy mixes both into one seed; torch's CPU generator sees only the lower 32 bits of one.
        random = np.random.default_rng([self._seed, number])
        return random.standard_normal(count, dtype=np.float32)


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
