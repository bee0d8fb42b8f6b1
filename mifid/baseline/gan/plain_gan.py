"""A GAN without cycles (report A's first system): paintings from noise, photos unseen."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.discriminator import Critic
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.method import Method, frozen
from mifid.baseline.gan.optimisers import Stepper

__all__ = ["PlainGan"]


class PlainGan(Method):
    """``painter`` turns latents (B, L) into paintings."""

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
        discriminator = self.networks["painting_discriminator"]
        self._critic = Critic(
            config, "paintings", discriminator, self._adversarial, draws, world=processes.world
        )
        rates = config.optimiser
        self._generators = self._stepper([self.painter], rate=rates.rate)
        self._discriminators = self._stepper([discriminator], rate=rates.discriminator_rate)

    def step(
        self,
        photos: Tensor,  # noqa: ARG002 - the loop feeds every method alike
        paintings: Tensor,
        *,
        fraction: float,
        factor: float,
    ) -> Tensor:
        """Move the generator, then the discriminator, once."""
        discriminator = self.networks["painting_discriminator"]
        latents = self.draws.normal_like(
            paintings.new_empty(len(paintings), self.config.generator.latent)
        )
        with frozen([discriminator]), self.autocast():
            painted = self.painter(latents)
            wanted = self._critic.please(painted, fraction=fraction)
        self._move(
            self.config.loss.weight * wanted, self._generators, [self.painter], (fraction, factor)
        )
        with self.autocast():
            told = self._critic.learn(real=paintings, fake=painted, fraction=fraction)
        self._move(told, self._discriminators, [discriminator], (fraction, factor))
        return torch.stack([wanted.detach(), told.detach()])

    def parts(self) -> dict[str, Stepper | ImagePool]:
        """Return optimisers and the pool."""
        return {
            "generators": self._generators,
            "discriminators": self._discriminators,
            "pool": self._critic.pool,
        }
