"""A GAN without cycles (report A's first system): paintings from noise, without photos."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.method import Method, Stateful, frozen, nothing_learnt
from mifid.baseline.gan.terms import ADVERSARIAL, Term

__all__ = ["PlainGan"]


class PlainGan(Method):
    """One generator: ``painter`` makes paintings of latents (B, L)."""

    terms = (
        Term("generator_adversarial_painting", "painting generator", ADVERSARIAL, total="G"),
        Term(
            "discriminator_painting", "painting discriminator", ADVERSARIAL, style="--", total="D"
        ),
    )
    generators = "noise -> picture"
    sides = ("paintings",)
    sees_photos = False

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self.networks = {
            "painter": self._generator(0),
            "painting_discriminator": self._discriminator(2),
        }
        self._painting_critic = self._critic("painting")
        painter, discriminator = self.networks.values()
        self._generators = self._group("generators", [painter])
        self._discriminators = self._group("discriminators", [discriminator], judges=True)

    def step(
        self,
        photos: Tensor,  # noqa: ARG002 - the loop gives every method the same
        paintings: Tensor,
        *,
        fraction: float,
        factor: float,
    ) -> Tensor:
        """Update the generator, then the discriminator, once."""
        latents = self.draws.normal_like(
            paintings.new_empty(len(paintings), self.config.generator.latent)
        )
        with frozen(self._discriminators.weights), self.autocast():
            painted = self.painter(latents)
            of_generator = self._painting_critic.generator_loss(painted, fraction=fraction)
        weighted = self.config.loss.weight * of_generator
        self._update(self._generators, weighted, fraction, factor)
        with self.autocast():
            of_paintings = self._painting_critic.loss(
                real=paintings, fake=painted, fraction=fraction
            )
        self._update(self._discriminators, of_paintings, fraction, factor)
        return torch.stack([of_generator.detach(), of_paintings.detach()])

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse settings with which nothing would be learnt."""
        if not config.loss.weight:
            raise nothing_learnt()

    def parts(self) -> Mapping[str, Stateful]:
        """Return optimisers, and the discriminator's pool and averages."""
        return {**super().parts(), **self._painting_critic.parts()}
