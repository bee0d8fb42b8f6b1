"""U-GAT-IT (Kim et al. 2020): a CycleGAN whose networks attend to what distinguishes the domains.

The order of a step is that of the authors' PyTorch code: first the discriminators, then the
generators. The generators' weights do not change in the first half, so the pictures that it judges
are kept for the second, where the authors make them again. The two scales of a discriminator see
real and generated pictures in one pass: the power method of its spectral norm makes one step where
two passes make two.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.method import Show, frozen
from mifid.baseline.gan.terms import Panel, Term
from mifid.baseline.models import GeneratorNetwork
from mifid.errors import InputError
from mifid.images import Pixels

__all__ = ["UGatIt"]

_ATTENTION = Panel("Attention losses: whether a generator's maps distinguish the domains", 4.0)


class UGatIt(CycleGan):
    """CycleGAN's losses on patches and maps of two scales, and the loss of the generators' maps.

    A generator's map distinguishes what it has to translate (1) from what is of its own domain
    already (0), by cross-entropy of its two logits.
    """

    terms = (
        *CycleGan.terms,
        Term("attention_painting", "painting generator", _ATTENTION, total="CAM"),
        Term("attention_photo", "photo generator", _ATTENTION, "photo", total="CAM"),
    )
    generators = "picture -> picture, logits, map"
    discriminators = "picture -> scores of two scales"
    pretrains = False

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self._rhos = [
            weight
            for name in ("painter", "photographer")
            for key, weight in self.networks[name].named_parameters()
            if key.rpartition(".")[2] == "rho"
        ]

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the discriminators, then the generators, once."""
        with self.autocast():
            painted, same_painting, attention_painting = self._attend("painter", photos, paintings)
            photographed, same_photo, attention_photo = self._attend(
                "photographer", paintings, photos
            )
            of_paintings = self._painting_critic.loss(
                real=paintings, fake=painted, fraction=fraction
            )
            of_photos = self._photo_critic.loss(real=photos, fake=photographed, fraction=fraction)
        self._update(self._discriminators, of_paintings + of_photos, fraction, factor)
        with frozen(self._discriminators.weights), self.autocast():
            parts = [
                self._painting_critic.generator_loss(painted, fraction=fraction),
                self._photo_critic.generator_loss(photographed, fraction=fraction),
                self._distance(self.networks["painter"](photographed)[0], paintings),
                self._distance(self.networks["photographer"](painted)[0], photos),
                self._distance(same_painting, paintings),
                self._distance(same_photo, photos),
                attention_painting,
                attention_photo,
            ]
            total = self._weighted(parts)
        self._update(self._generators, total, fraction, factor)
        self._clamp()
        *made, of_painting_map, of_photo_map = (part.detach() for part in parts)
        judged = [of_paintings.detach(), of_photos.detach()]
        return torch.stack([*made, *judged, of_painting_map, of_photo_map])

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse what its discriminators do not have, and settings with which nothing is learnt."""
        super().check(config)
        given = {
            "discriminator.heads": config.discriminator.heads != 1,
            "discriminator.sigmoid": config.discriminator.sigmoid,
            "loss.lecam": config.loss.lecam > 0,
        }
        for name, is_given in given.items():
            if is_given:
                section, _, key = name.partition(".")
                usual = getattr(getattr(Config(), section), key)
                raise InputError(
                    f"training.method is ugatit, but {name} is "
                    f"{getattr(getattr(config, section), key)}: its discriminators give one "
                    "unbounded score of each patch and map, of two scales",
                    hint=f"Set {name}={str(usual).lower()}, or another training.method.",
                )

    def columns(
        self, painter: GeneratorNetwork, photos: Pixels, show: Show
    ) -> Mapping[str, Pixels]:
        """Return photos; then map and picture of the identity, of the painting, of the way back."""
        same = show(self.networks["photographer"], photos)
        painted = show(painter, photos)
        again = show(self.networks["photographer"], painted.picture)
        (same_map,), (painted_map,), (again_map,) = (
            each.maps.values() for each in (same, painted, again)
        )
        return {
            "photo": photos,
            "identity: map": same_map,
            "identity": same.picture,
            "painting: map": painted_map,
            "painting": painted.picture,
            "photo again: map": again_map,
            "photo again": again.picture,
        }

    def _attend(self, name: str, given: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the translation of ``given``, what ``own`` becomes, and the loss of the maps."""
        pictures, logits, _ = self.networks[name](torch.cat([given, own]))
        translated, kept = logits.float().chunk(2)
        to_translate = F.binary_cross_entropy_with_logits(translated, torch.ones_like(translated))
        to_keep = F.binary_cross_entropy_with_logits(kept, torch.zeros_like(kept))
        made, same = pictures.chunk(2)
        return made, same, to_translate + to_keep

    def _kinds(self) -> tuple[float, ...]:
        return (*super()._kinds(), self.config.loss.cam)

    @torch.no_grad()
    def _clamp(self) -> None:
        """Bring every rho back to 0..1; it is the same on all processes."""
        for rho in self._rhos:
            rho.clamp_(0, 1)
