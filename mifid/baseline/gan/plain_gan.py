"""A GAN without cycles (report A's first system): paintings from noise, without photos."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.lecam import LeCam
from mifid.baseline.gan.method import Method, frozen
from mifid.baseline.gan.optimisers import Stepper

__all__ = ["PlainGan"]


class PlainGan(Method):
    """One generator: ``painter`` makes paintings of latents (B, L)."""

    losses: ClassVar[tuple[str, ...]] = (
        "generator_adversarial_painting",
        "discriminator_painting",
    )

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self.networks = {
            "painter": self._generator(0),
            "painting_discriminator": self._discriminator(2),
        }
        self._painting_critic = self._critic("painting")
        networks = list(self.networks.values())
        self._generators = self._generator_stepper(networks[:1])
        self._discriminators = self._discriminator_stepper(networks[1:])

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

    def parts(self) -> dict[str, Stepper | ImagePool | LeCam]:
        """Return optimisers, and the discriminator's pool and averages."""
        return {
            "generators": self._generators,
            "discriminators": self._discriminators,
            **self._painting_critic.parts(),
        }
