"""Inpainting: a generator learns to fill holes in pictures, before it learns to paint.

Source: Torbunov et al. 2023, "UVCGAN" and "Rethinking CycleGAN", whose generators begin so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.method import Method, Show
from mifid.baseline.gan.terms import Panel, Term
from mifid.baseline.models import GeneratorNetwork, norm_is_per_sample
from mifid.errors import InputError
from mifid.images import Pixels

__all__ = ["Inpainting", "masked"]

_FILLING = Panel("L1 distance of filled and whole pictures", 4.0)
_BLACK = -1.0


class Inpainting(Method):
    """One generator, which is named ``painter`` as in other methods, but does not paint.

    Random tiles of a picture are black, and the generator is to return the whole picture. Both
    sides' pictures, or one side's, are its lesson.
    """

    terms = (
        Term("inpainting_painting", "paintings", _FILLING, total="L1"),
        Term("inpainting_photo", "photos", _FILLING, "photo"),
    )
    discriminators = ""
    sides = ()

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self.networks = {"painter": self._generator(0)}
        self._generators = self._group("generators", [self.painter])

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse masks that hide a picture as a whole, or nothing."""
        tile, size = config.inpainting.tile, config.trained_size
        if tile >= size:
            raise InputError(
                f"inpainting.tile is {tile}; expected less than the {size} pixels of a picture, "
                "which would be hidden as a whole",
                hint=f"Set inpainting.tile to {max(1, size // 8)}.",
            )
        if not 0 < config.inpainting.masked < 1:
            raise InputError(
                f"inpainting.masked is {config.inpainting.masked:g}; expected more than 0 and less "
                "than 1",
                hint="The authors hide 0.4 of the tiles.",
            )

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the generator once."""
        wholes = self._learnt(photos, paintings)
        losses = photos.new_zeros(len(self.losses))
        given = {side: self._hidden(whole) for side, whole in wholes.items()}
        with self.autocast():
            filled = self._fill(given)
            distances = {
                side: F.l1_loss(filled[side].float(), whole) for side, whole in wholes.items()
            }
            total = torch.stack([*distances.values()]).mean()
        self._update(self._generators, total, fraction, factor)
        for side, distance in distances.items():
            losses[self.losses.index(f"inpainting_{side}")] = distance.detach()
        return losses

    def _learnt(self, photos: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        pictures = {"painting": paintings, "photo": photos}
        sides = self.config.inpainting.domains
        return {side: each for side, each in pictures.items() if sides in ("both", f"{side}s")}

    def _hidden(self, pictures: Tensor) -> Tensor:
        """Return pictures with black tiles, each of them drawn with its probability."""
        mask = self.config.inpainting
        across = math.ceil(pictures.shape[-1] / mask.tile)
        return masked(
            pictures, self.draws.uniform(pictures, 1, across, across), mask.masked, tile=mask.tile
        )

    def _fill(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        network = self.networks["painter"]
        if norm_is_per_sample(network):  # in one pass
            parts = network(torch.cat([*given.values()])).chunk(len(given))
        else:
            parts = tuple(network(pictures) for pictures in given.values())
        return dict(zip(given, parts, strict=True))

    def columns(
        self, painter: GeneratorNetwork, photos: Pixels, show: Show
    ) -> Mapping[str, Pixels]:
        """Return photos with holes, the same at each snapshot, filled, and whole."""
        mask = self.config.inpainting
        across = math.ceil(photos.shape[1] / mask.tile)
        generator = torch.Generator().manual_seed(self.config.training.seed)
        drawn = torch.rand(len(photos), 1, across, across, generator=generator)
        pixels = torch.from_numpy(photos).permute(0, 3, 1, 2)
        holes = masked(pixels, drawn, mask.masked, tile=mask.tile, black=0)
        given = np.ascontiguousarray(holes.permute(0, 2, 3, 1).numpy())
        return {"masked": given, "filled": show(painter, given).picture, "original": photos}


def masked(
    pictures: Tensor, drawn: Tensor, part: float, *, tile: int, black: float = _BLACK
) -> Tensor:
    """Return pictures whose tiles are black where a number is not above ``part``.

    Args:
        pictures: (B, 3, S, S), of any dtype.
        drawn: (B, 1, n, n) in 0..1, one for each tile; those at the right and bottom may be cut.
        part: expected part of the tiles that are black.
        tile: pixels a side of a tile.
        black: its value.
    """
    size = pictures.shape[-1]
    kept = (drawn > part).repeat_interleave(tile, 2).repeat_interleave(tile, 3)
    return pictures.where(kept[..., :size, :size], torch.full_like(pictures[:1, :1], black))
