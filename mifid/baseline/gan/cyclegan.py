"""CycleGAN (Zhu et al. 2017): two generators, two discriminators, no pairs.

Both generators share one backward pass: the cycle losses go through both networks, and two passes
would go through them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.method import Method, Show, Stateful, frozen, nothing_learnt
from mifid.baseline.gan.terms import ADVERSARIAL, RECONSTRUCTION, Term
from mifid.baseline.models import GeneratorNetwork, norm_is_per_sample
from mifid.images import Pixels

__all__ = ["CycleGan"]


class CycleGan(Method):
    """Two generators: ``painter`` paints photos, ``photographer`` makes photos of paintings."""

    terms: ClassVar[tuple[Term, ...]] = (
        Term("generator_adversarial_painting", "painting generator", ADVERSARIAL, total="G"),
        Term("generator_adversarial_photo", "photo generator", ADVERSARIAL, "photo", total="G"),
        Term("cycle_painting", "cycle, paintings", RECONSTRUCTION, total="cycle"),
        Term("cycle_photo", "cycle, photos", RECONSTRUCTION, "photo", total="cycle"),
        Term("identity_painting", "identity, paintings", RECONSTRUCTION, style="--"),
        Term("identity_photo", "identity, photos", RECONSTRUCTION, "photo", "--"),
        Term(
            "discriminator_painting", "painting discriminator", ADVERSARIAL, style="--", total="D"
        ),
        Term("discriminator_photo", "photo discriminator", ADVERSARIAL, "photo", "--", "D"),
    )
    pretrains = True

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self.networks = {
            "painter": self._generator(0),
            "photographer": self._generator(1),
            "painting_discriminator": self._discriminator(2),
            "photo_discriminator": self._discriminator(3),
        }
        self._painting_critic, self._photo_critic = self._critic("painting"), self._critic("photo")
        networks = list(self.networks.values())
        self._generators = self._group("generators", networks[:2])
        self._discriminators = self._group("discriminators", networks[2:], judges=True)
        self._together = norm_is_per_sample(self.networks["painter"])

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the generators, then the discriminators, once."""
        with frozen(self._discriminators.weights), self.autocast():
            parts, painted, photographed = self._generator_losses(photos, paintings, fraction)
            total = self._weighted(parts)
        self._update(self._generators, total, fraction, factor)
        with self.autocast():
            of_paintings = self._painting_critic.loss(
                real=paintings, fake=painted, fraction=fraction
            )
            of_photos = self._photo_critic.loss(real=photos, fake=photographed, fraction=fraction)
        self._update(self._discriminators, of_paintings + of_photos, fraction, factor)
        return torch.stack([part.detach() for part in (*parts, of_paintings, of_photos)])

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse settings with which nothing would be learnt."""
        loss = config.loss
        if not loss.weight + loss.cycle + loss.identity:
            raise nothing_learnt()

    def pretrain(self, photos: Tensor, paintings: Tensor) -> Tensor:  # noqa: ARG002
        """Update the painter once to copy paintings, by the identity loss alone."""
        with self.autocast():
            error = self._distance(self.painter(paintings), paintings)
        # The photographer gets no gradients, so it stays as it is.
        self._update(self._generators, error, fraction=0.0, factor=1.0)
        losses = error.new_zeros(len(self.losses))
        losses[self.losses.index("identity_painting")] = error.detach()
        return losses

    def _generator_losses(
        self, photos: Tensor, paintings: Tensor, fraction: float
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return six losses in the order of ``losses``, and what was painted and photographed."""
        painted, same_painting = self._make("painter", photos, paintings)
        photographed, same_photo = self._make("photographer", paintings, photos)
        back_to_photo = self.networks["photographer"](painted)
        back_to_painting = self.networks["painter"](photographed)
        nothing = photos.new_zeros(())
        parts = [
            self._painting_critic.generator_loss(painted, fraction=fraction),
            self._photo_critic.generator_loss(photographed, fraction=fraction),
            self._distance(back_to_painting, paintings),
            self._distance(back_to_photo, photos),
            nothing if same_painting is None else self._distance(same_painting, paintings),
            nothing if same_photo is None else self._distance(same_photo, photos),
        ]
        return parts, painted, photographed

    def _make(self, name: str, given: Tensor, own: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what a network makes of the other side's pictures and of its own side's."""
        network = self.networks[name]
        if self.config.loss.identity == 0:
            return network(given), None
        if self._together:  # one pass over twice the batch uses the hardware better
            made, same = network(torch.cat([given, own])).chunk(2)
            return made, same
        return network(given), network(own)

    def _weighted(self, parts: list[Tensor]) -> Tensor:
        loss = self.config.loss
        sides = (loss.painting_weight, loss.photo_weight)
        weights = [kind * side for kind in self._kinds() for side in sides]
        return torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum()

    def _kinds(self) -> tuple[float, ...]:
        """Return the weights of the generators' losses, in the order of their pairs in terms."""
        loss = self.config.loss
        return loss.weight, loss.cycle, loss.identity

    def columns(
        self, painter: GeneratorNetwork, photos: Pixels, show: Show
    ) -> Mapping[str, Pixels]:
        """Return photos, paintings, and photos made of these again."""
        columns = super().columns(painter, photos, show)
        again = show(self.networks["photographer"], columns["painting"])
        return {**columns, "photo again": again.picture}

    def parts(self) -> Mapping[str, Stateful]:
        """Return optimisers, and the pools and averages of both discriminators."""
        critics = {"painting": self._painting_critic, "photo": self._photo_critic}
        own = {f"{side}_{n}": p for side, c in critics.items() for n, p in c.parts().items()}
        return {**super().parts(), **own}

    def _distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Return the L1 distance of pictures in -1..1."""
        return F.l1_loss(made.float(), wanted.float())
