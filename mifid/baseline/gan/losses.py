"""Adversarial losses by name, and their labels.

=========  =================================================  =========================
name       a discriminator minimises                          a generator minimises
=========  =================================================  =========================
lsgan      (D(x) - real)^2 + (D(g) - fake)^2                  (D(g) - label)^2
bce        H(real, D(x)) + H(fake, D(g))                      H(label, D(g))
log        H(real, D(x)) + H(fake, D(g))                      log(1 - D(g))
hinge      max(0, 1 - D(x)) + max(0, 1 + D(g))                -D(g)
d2gan      D1(g) - a log D1(x) + D2(x) - a log D2(g)          a log D2(g) - D1(g)
hinge_bce  (hinge of D1 + H(0, D2(x)) + H(1, D2(g))) / 2      H(1, D2(g)) - D1(g)
=========  =================================================  =========================

H(y, p) = -y log p - (1 - y) log(1 - p); each term is the mean over pictures and patches. D1 and D2
are the two heads of a discriminator, in d2gan after a softplus; a is 0.2.

Sources: Mao et al. 2017 (lsgan); Goodfellow et al. 2014, equation 1 (log) and section 3 (bce with
label 1); Lim and Ye 2017 (hinge); Nguyen et al. 2017, "Dual Discriminator Generative Adversarial
Nets" (d2gan); a public notebook of the competition (hinge_bce), whose generator works with the
second head, not against it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Loss
from mifid.baseline.data import Draws

__all__ = [
    "ADVERSARIAL",
    "LABELLED",
    "Adversarial",
    "Labelled",
    "adversarial_loss",
    "draw_labels",
]

_SMALLEST = 1e-7
"""Smallest distance of probabilities from 0 and 1; the next float32 below 1 is 6e-8 away."""


class Adversarial(Protocol):
    """The losses of discriminator and generator, from the discriminator's score of each patch."""

    def discriminator(
        self, *, real_scores: Tensor, fake_scores: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        """Return a discriminator's loss, a float32 scalar.

        Args:
            real_scores, fake_scores: (B, 1, h, w), any floating dtype: logits, or probabilities if
                the network ends in a sigmoid.
            real_label, fake_label: the scores wanted, (B, 1, 1, 1) float32; see
                :func:`draw_labels`.
        """

    def generator(self, *, fake_scores: Tensor, label: float) -> Tensor:
        """Return a generator's loss, a float32 scalar.

        Args:
            fake_scores: (B, 1, h, w) as above.
            label: the score wanted; log and hinge do not use it.
        """


Distance = Callable[[Tensor, Tensor | float], Tensor]
"""(scores, label) -> the mean distance between them."""


@dataclass(frozen=True)
class Labelled:
    """Losses that are the distance of each score from a label."""

    distance: Distance

    def discriminator(
        self, *, real_scores: Tensor, fake_scores: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        """Return the distances of both from their labels."""
        of_real = self.distance(real_scores.float(), real_label)
        return of_real + self.distance(fake_scores.float(), fake_label)

    def generator(self, *, fake_scores: Tensor, label: float) -> Tensor:
        """Return the distance from the label that is wanted."""
        return self.distance(fake_scores.float(), label)


class _Minimax(Labelled):
    """Losses whose generator maximises what the discriminator minimises, the distance from 0."""

    def generator(self, *, fake_scores: Tensor, label: float) -> Tensor:  # noqa: ARG002
        return -self.distance(fake_scores.float(), 0.0)


class _Hinge:
    """Losses with margins instead of labels; only which label is larger counts."""

    def discriminator(
        self, *, real_scores: Tensor, fake_scores: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        # +1; -1 for pictures whose two labels were exchanged.
        side = torch.where(real_label >= fake_label, 1.0, -1.0)
        of_real = F.relu(1 - side * real_scores.float()).mean()
        return of_real + F.relu(1 + side * fake_scores.float()).mean()

    def generator(self, *, fake_scores: Tensor, label: float) -> Tensor:  # noqa: ARG002
        return -fake_scores.float().mean()


class _TwoHeads(ABC):
    """Losses of two scores of each patch; labels are not used."""

    def discriminator(
        self,
        *,
        real_scores: Tensor,
        fake_scores: Tensor,
        real_label: Tensor,  # noqa: ARG002 - every loss is given the same
        fake_label: Tensor,  # noqa: ARG002
    ) -> Tensor:
        return self._judge(*real_scores.float().unbind(1), *fake_scores.float().unbind(1))

    def generator(self, *, fake_scores: Tensor, label: float) -> Tensor:  # noqa: ARG002
        return self._fool(*fake_scores.float().unbind(1))

    @abstractmethod
    def _judge(self, real_1: Tensor, real_2: Tensor, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        """Return the discriminator's loss."""

    @abstractmethod
    def _fool(self, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        """Return the generator's loss."""


class _D2Gan(_TwoHeads):
    """One head rewards real pictures, the other generated ones; the generator fools both."""

    def _judge(self, real_1: Tensor, real_2: Tensor, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        of_real = F.softplus(real_2).mean() - _BALANCE * _log_softplus(real_1)
        return of_real + F.softplus(fake_1).mean() - _BALANCE * _log_softplus(fake_2)

    def _fool(self, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        return _BALANCE * _log_softplus(fake_2) - F.softplus(fake_1).mean()


class _HingeAndInverted(_TwoHeads):
    """A hinge head, and a head that learns 0 for real and 1 for generated pictures."""

    def _judge(self, real_1: Tensor, real_2: Tensor, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        hinge = F.relu(1 - real_1).mean() + F.relu(1 + fake_1).mean()
        inverted = F.softplus(real_2).mean() + F.softplus(-fake_2).mean()
        return (hinge + inverted) / 2

    def _fool(self, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        return F.softplus(-fake_2).mean() - fake_1.mean()


_BALANCE = 0.2
"""alpha and beta of D2GAN; its authors take 0.1 to 0.2 for pictures."""


def _log_softplus(scores: Tensor) -> Tensor:
    # log(log(1 + e^s)) is s where e^s vanishes in float32.
    inside = F.softplus(scores).clamp(min=torch.finfo(torch.float32).tiny).log()
    return torch.where(scores < -20, scores, inside).mean()


def _squared(scores: Tensor, label: Tensor | float) -> Tensor:
    return (scores - label).square().mean()


def _cross_entropy_of_logits(scores: Tensor, label: Tensor | float) -> Tensor:
    # log(1 - sigmoid(s)) = log sigmoid(-s): exact where the probability itself rounds to 1.
    return _cross_entropy(label, log_yes=F.logsigmoid(scores), log_no=F.logsigmoid(-scores))


def _cross_entropy_of_probabilities(scores: Tensor, label: Tensor | float) -> Tensor:
    inside = scores.clamp(_SMALLEST, 1 - _SMALLEST)
    return _cross_entropy(label, log_yes=inside.log(), log_no=torch.log1p(-inside))


def _cross_entropy(label: Tensor | float, *, log_yes: Tensor, log_no: Tensor) -> Tensor:
    return -(label * log_yes + (1 - label) * log_no).mean()


ADVERSARIAL: Mapping[str, tuple[Adversarial, Adversarial | None]] = {
    "lsgan": (Labelled(_squared), Labelled(_squared)),
    "bce": (Labelled(_cross_entropy_of_logits), Labelled(_cross_entropy_of_probabilities)),
    "log": (_Minimax(_cross_entropy_of_logits), _Minimax(_cross_entropy_of_probabilities)),
    "hinge": (_Hinge(), None),
    "d2gan": (_D2Gan(), None),
    "hinge_bce": (_HingeAndInverted(), None),
}
"""Name -> (the loss of logits, the loss of probabilities or None where it has no meaning)."""


LABELLED = ("lsgan", "bce", "log")
"""Losses that use the labels' values."""


def adversarial_loss(name: str, *, sigmoid: bool) -> Adversarial:
    """Return an adversarial loss by name.

    Args:
        name: a key of ``ADVERSARIAL``.
        sigmoid: whether the discriminator ends in a sigmoid, so that its scores are probabilities.

    Raises:
        ValueError: the loss needs logits, and there is a sigmoid.

    >>> loss = adversarial_loss("lsgan", sigmoid=False)
    >>> loss.generator(fake_scores=torch.zeros(4, 1, 30, 30), label=0.9)
    tensor(0.8100)
    """
    of_logits, of_probabilities = ADVERSARIAL[name]
    chosen = of_probabilities if sigmoid else of_logits
    if chosen is None:
        raise ValueError(f"no {name} loss of probabilities")
    return chosen


def draw_labels(loss: Loss, draws: Draws, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return (real, fake): a label for each picture of a batch.

    With noise n, real labels are uniform in [real_label - n, real_label] and fake ones in
    [fake_label, fake_label + n]. With probability ``flip`` a pair of pictures exchanges its labels:
    the real picture counts as generated and the generated one as real. Hinge has margins instead
    of labels, so only the exchange is drawn for it.

    Args:
        loss: settings.
        draws: not used where nothing is random.
        like: any (B, ...) tensor on the device that the labels should be on.

    Returns:
        tuple: two tensors (B, 1, 1, 1) float32.

    Source: Salimans et al. 2016, section 3.4, for one-sided smoothing; noise and exchange as in
    the reports that the presets name.
    """
    shape = (len(like), 1, 1, 1)
    real = torch.full(shape, loss.real_label, device=like.device)
    fake = torch.full(shape, loss.fake_label, device=like.device)
    if loss.label_noise > 0 and loss.adversarial in LABELLED:
        noise = loss.label_noise * draws.uniform(like, 2, 1, 1, 1)
        real, fake = real - noise[:, 0], fake + noise[:, 1]
    if loss.flip > 0:
        exchanged = (draws.uniform(like) < loss.flip).view(shape)
        real, fake = torch.where(exchanged, fake, real), torch.where(exchanged, real, fake)
    return real, fake
