"""A trained generator applied to photos."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mifid.baseline.data.pictures import to_pixels, to_tensor
from mifid.errors import MifidError
from mifid.images.source import Pixels

__all__ = ["Painter"]


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
