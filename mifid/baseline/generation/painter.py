"""Painter: a generator over batches of photos, with loading and encoding in parallel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mifid.baseline.data import to_pixels, to_tensor
from mifid.baseline.models import GeneratorNetwork, Painted
from mifid.errors import MifidError, setting
from mifid.images import Pixels

__all__ = [
    "AssemblyLine",
    "Painter",
    "seed_of",
]


def seed_of(variant: int, *, seed: int) -> int:
    """Return the seed of the noise and the dropout of a variant, 1, 2, ...

    Variant 1 is what ``seed`` paints without variants, variant 2 what ``seed + 1`` does, ...
    """
    return seed + variant - 1


class Painter:
    """A generator that paints batches of photos.

    Args:
        network: is given photos, noise, or both, as it asks for.
        device: of the network.
        seed: of the noise and of dropout; those of picture i do not depend on the batches.
        dropout: whether it stays on; None: as ``network.paint_dropout`` says.
    """

    def __init__(
        self,
        network: GeneratorNetwork,
        *,
        device: torch.device,
        seed: int,
        dropout: bool | None = None,
    ) -> None:
        self._network = network
        drops = network.paint_dropout if dropout is None else dropout
        self._layers = network.dropouts if drops else []
        self._device = device
        self._seed = seed

    def paint(self, photos: Tensor, *, first: int) -> Pixels:
        """Paint photos (B, S, S, 3) uint8, the first of which has number ``first``.

        The network's mode, training or evaluation, stays as it was.

        Raises:
            MifidError: the result is not finite.
        """
        return to_pixels(self.run(photos, first=first).picture)

    def run(
        self, photos: Tensor, *, first: int, noise: npt.NDArray[np.float32] | None = None
    ) -> Painted:
        """Return what the network makes of photos, as :meth:`paint` does, with its maps.

        Args:
            photos: (B, H, W, 3) uint8, of sides that the network takes.
            first: number of the first.
            noise: (B, *noise), such as parts of what :meth:`noise` draws for a larger picture;
                None: each photo's own, if the network asks for it.

        Raises:
            MifidError: the pictures are not finite.
        """
        was_training = self._network.training
        self._network.eval()
        numbers = range(first, first + len(photos))
        try:
            with torch.inference_mode(), _dropping(self._layers, self._seed, numbers):
                painted = self._network.paint(*self._given(photos, first, noise))
        finally:
            self._network.train(was_training)
        if not bool(torch.isfinite(painted.picture).all()):
            raise MifidError(
                "the generator's pictures have NaN or infinite values",
                hint="Its training diverged; use an earlier snapshot.",
            )
        return painted

    def noise(self, number: int, height: int, width: int) -> npt.NDArray[np.float32]:
        """Return the numbers that the network is given for picture ``number`` of height x width."""
        # NumPy mixes both into one seed; torch's CPU generator sees only the lower 32 bits of one.
        random = np.random.default_rng([self._seed, number])
        return random.standard_normal(self._network.noise_for(height, width), dtype=np.float32)

    def _given(
        self, photos: Tensor, first: int, noise: npt.NDArray[np.float32] | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the pictures and the noise that the network asks for."""
        pictures = to_tensor(photos.to(self._device)) if self._network.sees_pictures else None
        if not self._network.noise:
            return pictures, None
        if noise is None:
            numbers = range(first, first + len(photos))
            noise = np.stack([self.noise(number, *photos.shape[1:3]) for number in numbers])
        return pictures, torch.from_numpy(noise).to(self._device)


@contextmanager
def _dropping(layers: Sequence[nn.Dropout], seed: int, numbers: Sequence[int]) -> Iterator[None]:
    """Let layers of dropout drop in evaluation mode.

    torch would draw for a whole batch, from its global state. Here each picture has its own draws,
    so that it is the same in any batch, and after an interruption.
    """
    hooks = [
        layer.register_forward_hook(partial(_drop, seed, numbers, place))
        for place, layer in enumerate(layers, start=1)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _drop(
    seed: int, numbers: Sequence[int], place: int, layer: nn.Dropout, _given: object, made: Tensor
) -> Tensor:
    """Return what a layer of dropout makes in training mode: a part is 0, the rest is enlarged."""
    draws = (np.random.default_rng([seed, number, place]) for number in numbers)
    kept = np.stack([each.random(made.shape[1:], dtype=np.float32) >= layer.p for each in draws])
    return made * torch.from_numpy(kept).to(made.device) / (1.0 - layer.p)


class AssemblyLine:
    """A pipeline that loads, paints and encodes photos in batches, in order.

    At most four batches are in memory: one loaded ahead, one in the network, two to be encoded.

    Args:
        painter: of a batch.
        load: index -> photo (S, S, 3) uint8; called in threads.
        encode: picture (S, S, 3) uint8 -> file; called in threads.
        batch_size: photos at a time.
        workers: number of threads.

    Attributes:
        network_seconds: time in the network.
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
        """Begin to load the next batch; an empty list: there is none."""
        if not starts:
            return []
        start = starts.popleft()
        return [
            pool.submit(self._load, i) for i in range(start, min(start + self._batch_size, end))
        ]

    def _paint(self, photos: Pixels, first: int) -> Pixels:
        """Paint (B, S, S, 3) uint8, in parts if there is too little memory."""
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
                if "DefaultCPUAllocator" not in str(error):  # torch's error without a GPU
                    raise
                raise MifidError(
                    f"out of memory with batches of {self._batch_size} pictures",
                    hint=f"Lower {setting('batch_size')}, or close other programs.",
                ) from error
            # After the handler, as the failed attempt's tensors are no longer referenced here.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        self.network_seconds += time.perf_counter() - started
        return np.concatenate(parts)


def _too_large(photos: torch.Tensor) -> MifidError:
    side = photos.shape[1]
    return MifidError(
        f"out of GPU memory, even for one picture of {side} x {side} at a time",
        hint="Close other programs that use the GPU, or give "
        f"{setting('device', 'cpu')}; a smaller {setting('batch_size')} does not help.",
    )
