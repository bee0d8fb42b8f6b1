"""CUT and FastCUT (Park et al. 2020): one generator, and patches that stay recognisable.

A painting has to be nearer to its photo at each place than the other places of that photo are, in
the generator's own features. That takes the place of the way back, so that there is no generator
of photos.

The step gives the losses and updates of the authors' code (taesungp/contrastive-unpaired-
translation) with fewer passes: photos, and paintings for the identity, go through the generator
once, and the keys are maps of that same pass. The code computes them in a second pass of the
encoder, and again has separate passes for the queries of both. One difference remains: with batch
norm, all pictures of a pass share its statistics. SinCUT is left out: it learns from one picture a
side, with StyleGAN2's networks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.method import Method, Stateful, frozen, nothing_learnt
from mifid.baseline.gan.terms import ADVERSARIAL, Panel, Term
from mifid.baseline.models import PatchHeads, ResNet, ResNetWithMaps, map_channels
from mifid.errors import InputError

__all__ = ["Cut", "patch_nce"]

_TEMPERATURE = 0.07
_PLACES = 256
_CONTRASTIVE = Panel("PatchNCE: photos solid, paintings dashed", 4.0)


class Cut(Method):
    """One generator, ``painter``; one discriminator; ``heads`` project the generator's maps.

    The generator and the heads share an optimiser: Adam, as all optimisers here, treats each
    weight by itself, so that this equals the authors' two.
    """

    terms = (
        Term("generator_adversarial_painting", "painting generator", ADVERSARIAL, total="G"),
        Term("nce_photo", "photos", _CONTRASTIVE, "photo", total="NCE"),
        Term("nce_painting", "paintings", _CONTRASTIVE, style="--"),
        Term(
            "discriminator_painting", "painting discriminator", ADVERSARIAL, style="--", total="D"
        ),
    )
    sides = ("paintings",)

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self.networks = {
            "painter": self._generator(0),
            "painting_discriminator": self._discriminator(2),
            "heads": self._drawn(PatchHeads(map_channels(config.generator)), 4),
        }
        painter, discriminator, heads = self.networks.values()
        assert isinstance(painter, ResNet)
        self._with_maps = self._placed(ResNetWithMaps(painter))
        self._painting_critic = self._critic("painting")
        self._generators = self._group("generators", [painter, heads])
        self._discriminators = self._group("discriminators", [discriminator], judges=True)

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the discriminator, then the generator and the heads, once."""
        loss = self.config.loss
        given = torch.cat([photos, paintings]) if loss.nce_identity else photos
        flipped = loss.flip_equivariance and self.draws.common() < 0.5
        with self.autocast():
            made, keys = self._with_maps(given.flip(3) if flipped else given, paint=True)
            painted = made[: len(photos)]
            of_paintings = self._painting_critic.loss(
                real=paintings, fake=painted, fraction=fraction
            )
        self._update(self._discriminators, of_paintings, fraction, factor)
        if flipped:
            # An autocast of its own: older torch keeps weights that it cast, without gradients.
            with torch.no_grad(), self.autocast():
                _, keys = self._with_maps(given, paint=False)
        with frozen(self._discriminators.weights), self.autocast():
            adversarial = self._painting_critic.generator_loss(painted, fraction=fraction)
            _, queries = self._with_maps(made, paint=False)
            nce = self._contrast(queries, keys, groups=len(given) // len(photos), flipped=flipped)
        of_photos, of_identity = nce[0], nce[1] if loss.nce_identity else nce.new_zeros(())
        total = loss.weight * adversarial + loss.nce * of_photos + loss.nce_identity * of_identity
        self._update(self._generators, total, fraction, factor)
        parts = (adversarial, of_photos, of_identity, of_paintings)
        return torch.stack([part.detach() for part in parts])

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse generators without the maps that are compared, and losses of weight 0."""
        if config.generator.network != "resnet":
            raise InputError(
                "training.method is cut, but generator.network is "
                f"{config.generator.network}: PatchNCE compares maps of a resnet",
                hint="Set generator.network=resnet, or another training.method.",
            )
        loss = config.loss
        if not loss.weight + loss.nce + loss.nce_identity:
            raise nothing_learnt()

    def parts(self) -> dict[str, Stateful]:
        """Return optimisers, and the discriminator's pool and averages."""
        return {**super().parts(), **self._painting_critic.parts()}

    def _contrast(
        self, queries: list[Tensor], keys: list[Tensor], *, groups: int, flipped: bool
    ) -> Tensor:
        """Return PatchNCE of photos and of paintings, the mean over all maps; (groups,) float32.

        Args:
            queries, keys: (groups * B, C, H, W) of each map: of what was made, and of what was
                given; a group has its own places, the same for all its pictures.
            groups: 1 for photos, 2 with paintings.
            flipped: whether the pictures that ``queries`` are of lie mirrored.
        """
        query, key = [], []
        for asked, compared in zip(queries, keys, strict=True):
            height, width = asked.shape[2:]
            places = [self.draws.places(_PLACES, of=height * width) for _ in range(groups)]
            mirrored = [2 * (each // width) * width + width - 1 - each for each in places]
            query.append(_at(asked, mirrored if flipped else places))
            key.append(_at(compared.detach(), places))
        # Heads' outputs are below what float16 can hold, and there is little to compute.
        with torch.autocast(self.device.type, enabled=False):
            heads = self.networks["heads"]
            with torch.no_grad():
                projected = heads(key)
            pairs = zip(heads(query), projected, strict=True)
            losses = [patch_nce(*pair).view(groups, -1).mean(1) for pair in pairs]
        return torch.stack(losses).mean(0)


def patch_nce(query: Tensor, key: Tensor) -> Tensor:
    """Return the contrastive loss of each picture: ``-log softmax(query . key / 0.07)[own place]``.

    The softmax is over all places of the same picture. The authors set other products with the own
    place to -10, which adds less than 1e-50 to a sum of at least exp(-1 / 0.07).

    Args:
        query, key: (B, P, 256) float32 of length 1; places are in the same order.

    Returns:
        Tensor: (B,) float32, means over the places.
    """
    similar = query @ key.transpose(1, 2) / _TEMPERATURE
    own = torch.arange(similar.shape[1], device=similar.device).expand(similar.shape[:2])
    return F.cross_entropy(similar.transpose(1, 2), own, reduction="none").mean(1)


def _at(maps: Tensor, places: list[Tensor]) -> Tensor:
    """Return (B, P, C) float32: maps (B, C, H, W) at places of H * W, a tensor for each group."""
    parts = [
        part.flatten(2).index_select(2, chosen.to(maps.device, non_blocking=True))
        for part, chosen in zip(maps.chunk(len(places)), places, strict=True)
    ]
    return torch.cat(parts).transpose(1, 2).float()
