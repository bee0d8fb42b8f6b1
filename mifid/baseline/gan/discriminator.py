"""Discriminators with augmentation, noise, label noise and an image pool."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.diffaugment import diff_augment
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.lecam import LeCam
from mifid.baseline.gan.losses import adversarial_loss, draw_labels
from mifid.baseline.models import norm_is_per_sample

if TYPE_CHECKING:
    from mifid.baseline.gan.method import Stateful

__all__ = ["Critic", "Scores"]

Scores = Tensor | tuple[Tensor, ...]
"""(B, 1, h, w), or several of them."""


class Critic:
    """One side's discriminator, and the adversarial losses that it gives.

    Args:
        config: all settings.
        side: ``"paintings"`` or ``"photos"``.
        network: (B, 3, S, S) -> scores (B, 1, h, w), or several of them, whose losses are added.
        draws: random numbers of augmentation, noise, labels and pool.
        processes: they share the pool's size.
    """

    def __init__(
        self,
        config: Config,
        side: str,
        network: nn.Module,
        draws: Draws,
        *,
        processes: Processes,
    ) -> None:
        self._config = config
        self._network = network
        self._loss = adversarial_loss(config.loss.adversarial, sigmoid=config.discriminator.sigmoid)
        self._draws = draws
        self._augmented = config.diffaugment.discriminators in ("both", side)
        self._together = norm_is_per_sample(network)
        size = math.ceil(config.training.pool / processes.world)
        half = config.training.precision == "float16"
        self._pool = ImagePool(size, side=config.trained_size, may_overflow=half)
        self._lecam = LeCam(config.loss, processes) if config.loss.lecam else None

    def parts(self) -> dict[str, Stateful]:
        """Return what has a state of its own, by name."""
        return {"pool": self._pool, **({"lecam": self._lecam} if self._lecam else {})}

    def generator_loss(self, fake: Tensor, *, fraction: float) -> Tensor:
        """Return the adversarial loss of the generator that made ``fake``."""
        label = self._config.loss.generator_label
        scores = _each(self._of_fake(self._seen(fake, fraction)))
        return _added(self._loss.generator(fake_scores=each, label=label) for each in scores)

    def loss(self, *, real: Tensor, fake: Tensor, fraction: float) -> Tensor:
        """Return the discriminator's own loss; the pool exchanges some of ``fake`` for older ones.

        ``fraction`` of the run is over.
        """
        fake = self._pool.exchange(fake.detach().float(), self._draws)
        real, fake = self._seen(real, fraction), self._seen(fake, fraction)
        of_real, of_fake = (_each(scores) for scores in self._of_both(real, fake))
        labels = draw_labels(self._config.loss, self._draws, real)
        pairs = zip(of_real, of_fake, strict=True)
        return _added(self._discriminator_loss(pair, labels) for pair in pairs)

    def _discriminator_loss(
        self, scores: tuple[Tensor, Tensor], labels: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the loss of scores of real and of generated pictures."""
        of_real, of_fake = scores
        total = self._loss.discriminator(
            real_scores=of_real, fake_scores=of_fake, real_label=labels[0], fake_label=labels[1]
        )
        scaled = self._config.loss.discriminator_scale * total
        if self._lecam is None:
            return scaled
        return scaled + self._config.loss.lecam * self._lecam.penalty(of_real, of_fake)

    def _of_fake(self, fake: Tensor) -> Scores:
        """Return the scores of pictures, for the generator that made them."""
        scores: Scores = self._network(fake)
        return scores

    def _of_both(self, real: Tensor, fake: Tensor) -> tuple[Scores, Scores]:
        """Return the scores of real and of generated pictures, for the discriminator itself."""
        if self._together:
            pairs = [each.chunk(2) for each in _each(self._network(torch.cat([real, fake])))]
            of_real, of_fake = zip(*pairs, strict=True)
            return of_real, of_fake
        # Batch norm has separate statistics of real and of generated pictures.
        return self._network(real), self._network(fake)

    def _seen(self, pictures: Tensor, fraction: float) -> Tensor:
        """Return pictures as the network sees them: augmented, and with noise."""
        if self._augmented:
            pictures = diff_augment(pictures, self._config.diffaugment, self._draws)
        deviation = self._config.loss.input_noise * (1 - fraction)
        if deviation > 0:
            pictures = pictures + deviation * self._draws.normal_like(pictures)
        return pictures


def _each(scores: Scores) -> tuple[Tensor, ...]:
    return (scores,) if isinstance(scores, Tensor) else scores


def _added(losses: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, losses)
