"""What a discriminator is told that it should have said: smoothed, noisy, now and then wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from mifid.baseline.config.schema import Loss
from mifid.baseline.data.random_numbers import Draws

__all__ = ["draw_labels"]


def draw_labels(loss: Loss, draws: Draws, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return (real, fake): a label for each picture of a batch.

    With noise n, real labels are uniform in [real_label - n, real_label] and fake ones in
    [fake_label, fake_label + n]. With probability ``flip`` a picture pair's labels change places:
    the real picture is called generated and the generated one real. Hinge has margins instead of
    labels, so that nothing but the exchange is drawn for it.

    Args:
        loss: settings.
        draws: not touched where nothing is random.
        like: any (B, ...) tensor on the device where the labels are wanted.

    Returns:
        tuple: two tensors (B, 1, 1, 1) float32.

    Source: Salimans et al. 2016, section 3.4, for one-sided smoothing; noise and exchange as in
    the reports that the presets name.
    """
    shape = (len(like), 1, 1, 1)
    real = torch.full(shape, loss.real_label, device=like.device)
    fake = torch.full(shape, loss.fake_label, device=like.device)
    if loss.label_noise > 0 and loss.adversarial != "hinge":
        noise = loss.label_noise * draws.uniform(like, 2, 1, 1, 1)
        real, fake = real - noise[:, 0], fake + noise[:, 1]
    if loss.flip > 0:
        exchanged = draws.chance(like, loss.flip).view(shape)
        real, fake = torch.where(exchanged, fake, real), torch.where(exchanged, real, fake)
    return real, fake
