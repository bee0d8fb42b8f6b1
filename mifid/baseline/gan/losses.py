"""Adversarial losses by name, and the labels that they are computed with.

========  ==========================================  =========================
name      a discriminator minimises                   a generator minimises
========  ==========================================  =========================
lsgan     (D(x) - real)^2 + (D(g) - fake)^2           (D(g) - label)^2
bce       H(real, D(x)) + H(fake, D(g))               H(label, D(g))
log       H(real, D(x)) + H(fake, D(g))               log(1 - D(g))
hinge     max(0, 1 - D(x)) + max(0, 1 + D(g))         -D(g)
========  ==========================================  =========================

H(y, p) = -y log p - (1 - y) log(1 - p); each term is the mean over pictures and patches.

Sources: Mao et al. 2017 (lsgan); Goodfellow et al. 2014, equation 1 (log) and section 3 (bce with
label 1); Lim and Ye 2017 (hinge).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Loss
from mifid.baseline.data import Draws
from mifid.errors import InputError
from mifid.registry import suggest

__all__ = [
    "ADVERSARIAL",
    "Adversarial",
    "adversarial_loss",
    "draw_labels",
]

_SMALLEST = 1e-7
"""Probabilities are kept so far from 0 and 1; the next float32 below 1 is 6e-8 away."""


class Adversarial(Protocol):
    """Both players' losses, from what a discriminator said of each patch."""

    def discriminator(
        self, *, said_of_real: Tensor, said_of_fake: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        """Return a discriminator's loss, a float32 scalar.

        Args:
            said_of_real, said_of_fake: scores (B, 1, h, w), any floating dtype: logits, or
                probabilities where the network ends in a sigmoid.
            real_label, fake_label: what it should have said, (B, 1, 1, 1) float32; see
                :func:`mifid.baseline.gan.losses.draw_labels`.
        """

    def generator(self, *, said_of_fake: Tensor, label: float) -> Tensor:
        """Return a generator's loss, a float32 scalar.

        Args:
            said_of_fake: scores (B, 1, h, w) as above.
            label: what it wants to hear; log and hinge want as much as can be, whatever it is.
        """


Distance = Callable[[Tensor, Tensor | float], Tensor]
"""(said, label) -> the mean distance between them."""


@dataclass(frozen=True)
class _Labelled:
    """Each score is drawn to a label."""

    distance: Distance

    def discriminator(
        self, *, said_of_real: Tensor, said_of_fake: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        of_real = self.distance(said_of_real.float(), real_label)
        return of_real + self.distance(said_of_fake.float(), fake_label)

    def generator(self, *, said_of_fake: Tensor, label: float) -> Tensor:
        return self.distance(said_of_fake.float(), label)


class _Minimax(_Labelled):
    """The generator maximises what the discriminator minimises: it flees the label 0."""

    def generator(self, *, said_of_fake: Tensor, label: float) -> Tensor:  # noqa: ARG002
        return -self.distance(said_of_fake.float(), 0.0)


class _Hinge:
    """Margins instead of labels; of these only which is larger counts, for exchanged ones."""

    def discriminator(
        self, *, said_of_real: Tensor, said_of_fake: Tensor, real_label: Tensor, fake_label: Tensor
    ) -> Tensor:
        # +1; -1 for pictures whose two labels were exchanged.
        side = torch.where(real_label >= fake_label, 1.0, -1.0)
        of_real = F.relu(1 - side * said_of_real.float()).mean()
        return of_real + F.relu(1 + side * said_of_fake.float()).mean()

    def generator(self, *, said_of_fake: Tensor, label: float) -> Tensor:  # noqa: ARG002
        return -said_of_fake.float().mean()


def _squared(said: Tensor, label: Tensor | float) -> Tensor:
    return (said - label).square().mean()


def _cross_entropy_of_logits(said: Tensor, label: Tensor | float) -> Tensor:
    # log(1 - sigmoid(s)) = log sigmoid(-s): exact where the probability itself rounds to 1.
    return _cross_entropy(label, log_yes=F.logsigmoid(said), log_no=F.logsigmoid(-said))


def _cross_entropy_of_probabilities(said: Tensor, label: Tensor | float) -> Tensor:
    inside = said.clamp(_SMALLEST, 1 - _SMALLEST)
    return _cross_entropy(label, log_yes=inside.log(), log_no=torch.log1p(-inside))


def _cross_entropy(label: Tensor | float, *, log_yes: Tensor, log_no: Tensor) -> Tensor:
    return -(label * log_yes + (1 - label) * log_no).mean()


ADVERSARIAL: Mapping[str, tuple[Adversarial, Adversarial | None]] = {
    "lsgan": (_Labelled(_squared), _Labelled(_squared)),
    "bce": (_Labelled(_cross_entropy_of_logits), _Labelled(_cross_entropy_of_probabilities)),
    "log": (_Minimax(_cross_entropy_of_logits), _Minimax(_cross_entropy_of_probabilities)),
    "hinge": (_Hinge(), None),
}
"""Name -> (the loss of logits, the loss of probabilities or None where it has no meaning)."""


def adversarial_loss(name: str, *, sigmoid: bool) -> Adversarial:
    """Return an adversarial loss by name.

    Args:
        name: a key of ``ADVERSARIAL``.
        sigmoid: whether the discriminator ends in a sigmoid, so that its scores are probabilities.

    Raises:
        InputError: no such loss, or hinge with a sigmoid.

    >>> loss = adversarial_loss("lsgan", sigmoid=False)
    >>> loss.generator(said_of_fake=torch.zeros(4, 1, 30, 30), label=0.9)
    tensor(0.8100)
    """
    if name not in ADVERSARIAL:
        raise InputError(f"unknown adversarial loss '{name}'", hint=suggest(name, ADVERSARIAL))
    of_logits, of_probabilities = ADVERSARIAL[name]
    chosen = of_probabilities if sigmoid else of_logits
    if chosen is None:
        raise InputError(
            f"loss.adversarial '{name}' takes scores without bounds, but discriminator.sigmoid "
            "keeps them in 0..1",
            hint="Set discriminator.sigmoid=false, or another loss.adversarial.",
        )
    return chosen


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
