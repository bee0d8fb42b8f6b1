"""What painting needs of a generator, whatever its network is given and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

__all__ = ["GeneratorNetwork", "Painted"]


@dataclass(frozen=True)
class Painted:
    """What a generator makes of a batch.

    Attributes:
        picture: (B, 3, S, S) in -1..1.
        maps: label -> (B, h, w), any range and any size: where the network looks, for sheets.
    """

    picture: Tensor
    maps: Mapping[str, Tensor] = field(default_factory=dict)


class GeneratorNetwork(nn.Module):
    """A network that makes pictures of pictures, of random numbers, or of both.

    Its ``forward`` is for training, and takes and returns what its methods want. All others call
    :meth:`paint`: snapshots, samples, ``mifid generate``.

    Attributes:
        signature: what ``forward`` takes and returns; a method takes the networks of its own.
        sees_pictures: whether it is given pictures.
        noise: shape of the N(0, 1) numbers that it is given for each picture; ``()``: none.
        paint_dropout: whether its dropout stays on while it paints.
        multiple: its weights fit pictures whose sides are multiples of this; 0: only those of
            ``data.size``.
        has_maps: whether it paints with maps of other pictures: see :meth:`like`.
        noise_per_pixel: whether ``noise`` is (C, S, S), and (C, H, W) for a picture of H x W.
        compares_all_pixels: whether its memory grows with the square of the number of pixels.
    """

    signature: ClassVar[str] = "picture -> picture"
    sees_pictures: ClassVar[bool] = True
    noise: tuple[int, ...] = ()
    paint_dropout: bool = False
    multiple: int = 0
    has_maps: ClassVar[bool] = False
    noise_per_pixel: ClassVar[bool] = False
    compares_all_pixels: bool = False

    @property
    def dropouts(self) -> list[nn.Dropout]:
        """Its layers that drop anything, in order."""
        return [each for each in self.modules() if isinstance(each, nn.Dropout) and each.p > 0]

    def noise_for(self, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of the numbers for a picture of height x width."""
        return (*self.noise[:1], height, width) if self.noise_per_pixel else self.noise

    def like(self, picture: Tensor) -> GeneratorNetwork:
        """Return a network of the same weights that paints with the map of a picture.

        Args:
            picture: (3, S, S) uint8, S of ``data.size``.
        """
        raise NotImplementedError

    def paint(self, pictures: Tensor | None, noise: Tensor | None) -> Painted:
        """Return what the network makes of a batch, in the network's mode.

        It calls ``forward``, not the network: compiled, that would compile again for each number
        of pictures.

        Args:
            pictures: (B, 3, S, S) float32 in -1..1; None: ``sees_pictures`` is False.
            noise: (B, *noise) float32; None: ``noise`` is empty.
        """
        assert noise is None
        return Painted(self.forward(pictures))
