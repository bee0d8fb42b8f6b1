"""A discriminator with all that is done to what it sees and to what it is told."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.gan.diffaugment import diff_augment
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.losses import Adversarial, draw_labels
from mifid.baseline.models import norm_is_per_sample

__all__ = ["Critic"]


class Critic:
    """One side's discriminator.

    Args:
        side: ``"paintings"`` or ``"photos"``.
        network: (B, 3, S, S) -> scores (B, 1, h, w).
        world: processes, which share the pool's size.
    """

    def __init__(
        self,
        config: Config,
        side: str,
        network: nn.Module,
        loss: Adversarial,
        draws: Draws,
        *,
        world: int,
    ) -> None:
        self._config = config
        self._network = network
        self._loss = loss
        self._draws = draws
        self._augmented = config.diffaugment.discriminators in ("both", side)
        self._together = norm_is_per_sample(config.discriminator.norm)
        self.pool = ImagePool(math.ceil(config.training.pool / world))

    def please(self, pictures: Tensor, *, fraction: float) -> Tensor:
        """Return the adversarial loss of the generator that made ``pictures``."""
        said = self._network(self._seen(pictures, fraction))
        return self._loss.generator(said_of_fake=said, label=self._config.loss.generator_label)

    def learn(self, *, real: Tensor, fake: Tensor, fraction: float) -> Tensor:
        """Return the discriminator's loss on real pictures and generated ones, old ones among."""
        fake = self.pool.exchange(fake.detach().float(), self._draws)
        real, fake = self._seen(real, fraction), self._seen(fake, fraction)
        if self._together:
            of_real, of_fake = self._network(torch.cat([real, fake])).chunk(2)
        else:  # batch norm's statistics of real and generated pictures are kept apart
            of_real, of_fake = self._network(real), self._network(fake)
        real_label, fake_label = draw_labels(self._config.loss, self._draws, real)
        return self._config.loss.discriminator_scale * self._loss.discriminator(
            said_of_real=of_real, said_of_fake=of_fake, real_label=real_label, fake_label=fake_label
        )

    def _seen(self, pictures: Tensor, fraction: float) -> Tensor:
        if self._augmented:
            pictures = diff_augment(pictures, self._config.diffaugment, self._draws)
        deviation = self._config.loss.input_noise * (1 - fraction)
        if deviation > 0:
            pictures = pictures + deviation * self._draws.normal_like(pictures)
        return pictures
