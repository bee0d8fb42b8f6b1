"""Bayesian CycleGAN (You et al. 2020): a CycleGAN whose translations are averaged over maps.

Each generator sees a map beside its picture: noise, or what its encoder makes of a training picture
of the side that it translates into. A step translates each picture with K =
``training.mc_samples`` maps, and each result back, with the last of the other generator's maps. For
pictures x of one side, y of the other, and maps m:

=============  ==================================================================================
adversarial    mean over all K B translations, weight ``loss.weight``; the same of the pictures that
               are translated back, weight ``loss.weight * loss.gamma``
cycle          sum over the K maps of the mean |G'(G(x, m_k), m'_K) - x|, weight ``loss.cycle``
KL             -1/2 sum(1 + log v - mean^2 - v) over K maps and 32 numbers, the mean over the batch,
               weight ``loss.kl``; it sees the encoder's code, which the map does not depend on
prior          sum over the weight tensors of mean(w^2), over the batch, weight ``loss.prior``; of
               both generators without their encoders, and of each discriminator
discriminator  ``discriminator_scale`` times K R + F + gamma (K R + C), with the losses R of real,
               F of translated and C of pictures translated back
=============  ==================================================================================

Sources: the paper, and its authors' code (ranery/Bayesian-CycleGAN). Differences from the code:
batches of more than one picture, each with maps of its own; pictures for maps are drawn so that
each comes once before any comes again, not independently; biases begin at 0. The code's five Adams
have the same settings over weights of their own, and so do what our two do. What has the weight 0
is not computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mifid.baseline.config import Config
from mifid.baseline.data import Draws, PictureSet
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.discriminator import Critic
from mifid.baseline.gan.losses import LABELLED, Labelled, draw_labels
from mifid.baseline.gan.method import frozen, nothing_learnt, parameters
from mifid.baseline.gan.terms import ADVERSARIAL, RECONSTRUCTION, Panel, Term
from mifid.baseline.models import MapResNet
from mifid.errors import InputError

__all__ = ["BayesCycleGan"]

_GENERATORS = {"painting": "painter", "photo": "photographer"}
_OTHER = {"painting": "photo", "photo": "painting"}
_REGULARISERS = Panel("KL divergences solid, priors of generators and discriminators dotted", 30.0)


class BayesCycleGan(CycleGan):
    """A CycleGAN whose generators also see noise or maps."""

    terms = (
        Term("generator_adversarial_painting", "painting generator", ADVERSARIAL, total="G"),
        Term("generator_adversarial_photo", "photo generator", ADVERSARIAL, "photo", total="G"),
        Term("back_adversarial_painting", "paintings again", ADVERSARIAL, style=":"),
        Term("back_adversarial_photo", "photos again", ADVERSARIAL, "photo", ":"),
        Term("cycle_painting", "cycle, paintings", RECONSTRUCTION, total="cycle"),
        Term("cycle_photo", "cycle, photos", RECONSTRUCTION, "photo", total="cycle"),
        Term("kl_painting", "KL, code of paintings", _REGULARISERS),
        Term("kl_photo", "KL, code of photos", _REGULARISERS, "photo"),
        Term("prior_generators", "prior, generators", _REGULARISERS, style=":"),
        Term("prior_discriminators", "prior, discriminators", _REGULARISERS, "photo", ":"),
        Term(
            "discriminator_painting", "painting discriminator", ADVERSARIAL, style="--", total="D"
        ),
        Term("discriminator_photo", "photo discriminator", ADVERSARIAL, "photo", "--", "D"),
    )
    generators = "picture, map -> picture"
    pretrains = False
    _painting_critic: _Critic
    _photo_critic: _Critic

    def __init__(
        self, config: Config, *, device: torch.device, draws: Draws, processes: Processes
    ) -> None:
        super().__init__(config, device=device, draws=draws, processes=processes)
        self._samples = config.training.mc_samples
        self._encodes = isinstance(self.painter, MapResNet)
        self.further = self._samples if self._encodes else 0
        if self._encodes and config.training.compile:
            for name in ("painter", "photographer"):  # steps call it apart from its network
                self._encoder(name).compile(dynamic=False)

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse settings with which nothing would be learnt, and losses without labels."""
        if not config.loss.weight + config.loss.cycle:
            raise nothing_learnt()
        if config.loss.adversarial not in LABELLED:
            raise InputError(
                f"loss.adversarial is {config.loss.adversarial}, but training.method is "
                "bayes_cyclegan, which weights real and translated pictures by their numbers",
                hint=f"Set loss.adversarial to {' or '.join(LABELLED)}.",
            )

    def remember(self, *, photos: PictureSet, paintings: PictureSet) -> None:
        """Give the generators the examples whose maps they paint with."""
        for name, pictures in (("painter", paintings), ("photographer", photos)):
            network = self.networks[name]
            if isinstance(network, MapResNet):
                number = len(network.examples)
                taken = pictures.take(np.arange(number) * len(pictures) // number)
                network.examples.copy_(taken.permute(0, 3, 1, 2))

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the generators and their encoders, then the discriminators, once."""
        number = len(photos) // (1 + self.further)
        pictures = {"painting": paintings[:number], "photo": photos[:number]}
        to_map = {"painting": paintings[number:], "photo": photos[number:]}
        with frozen(self._discriminators.weights), self.autocast():
            losses, made, again = self._translated(pictures, to_map, fraction)
        losses["prior_generators"] = self._prior(self._without_encoders())
        self._update(self._generators, self._weighted_sum(losses), fraction, factor)
        with self.autocast():
            judged = {
                f"discriminator_{side}": critic.loss_of_samples(
                    real=pictures[side], made=made[side], again=again[side], fraction=fraction
                )
                for side, critic in self._critics.items()
            }
        prior = self._prior(self._discriminators.weights)
        total = sum(judged.values(), self.config.loss.prior * prior)
        self._update(self._discriminators, total, fraction, factor)
        losses |= {**judged, "prior_discriminators": prior}
        return torch.stack([losses[name].detach() for name in self.losses])

    def _translated(
        self, pictures: Mapping[str, Tensor], to_map: Mapping[str, Tensor], fraction: float
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Return the generators' losses but the prior, all translations, and all translated back.

        Of each side these are what its generator makes, (K B, 3, S, S): first with the first map of
        each picture, then with the second, and so on.
        """
        losses, maps = dict[str, Tensor](), dict[str, Tensor]()
        for side, name in _GENERATORS.items():
            maps[side], losses[f"kl_{side}"] = self._maps(name, to_map[side], pictures[side])
        made = {
            side: self.networks[name](self._repeated(pictures[_OTHER[side]]), maps[side])
            for side, name in _GENERATORS.items()
        }
        again = {
            side: self.networks[name](
                made[_OTHER[side]], self._repeated(maps[side][-len(pictures[side]) :])
            )
            for side, name in _GENERATORS.items()
        }
        for side, critic in self._critics.items():
            losses |= {
                f"generator_adversarial_{side}": critic.generator_loss(
                    made[side], fraction=fraction
                ),
                f"back_adversarial_{side}": critic.generator_loss(again[side], fraction=fraction)
                if self.config.loss.gamma
                else pictures[side].new_zeros(()),
                f"cycle_{side}": self._cycle(again[side], pictures[side]),
            }
        return losses, made, again

    def _maps(self, name: str, to_map: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return K maps for each picture that a generator translates, and the encoder's KL."""
        batch, _, height, width = like.shape
        if not self._encodes:
            noise = self.draws.normal_like(like.new_empty(batch, self._samples, height, width))
            return noise.transpose(0, 1).reshape(-1, 1, height, width), like.new_zeros(())
        maps, mean, log_variance = self._encoder(name)(to_map)
        mean, log_variance = mean.float(), log_variance.float()
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return maps, divergence / batch

    def _encoder(self, name: str) -> nn.Module:
        return self.networks[name].get_submodule("encoder")

    def _repeated(self, pictures: Tensor) -> Tensor:
        return pictures.repeat(self._samples, 1, 1, 1)

    def _cycle(self, again: Tensor, pictures: Tensor) -> Tensor:
        # The sum of K means over equal numbers.
        return self._samples * F.l1_loss(again.float(), self._repeated(pictures))

    def _prior(self, weights: Iterable[Tensor]) -> Tensor:
        """Return the loss of a Gaussian prior, with which the weights are a MAP estimate."""
        squares = torch.stack([weight.square().mean() for weight in weights])
        return squares.sum() / self.config.training.batch

    def _without_encoders(self) -> list[nn.Parameter]:
        return parameters(
            self.networks[name].get_submodule("resnet") for name in _GENERATORS.values()
        )

    def _weighted_sum(self, losses: Mapping[str, Tensor]) -> Tensor:
        loss = self.config.loss
        total = loss.prior * losses["prior_generators"]
        for side, weight in (("painting", loss.painting_weight), ("photo", loss.photo_weight)):
            adversarial = losses[f"generator_adversarial_{side}"]
            adversarial = adversarial + loss.gamma * losses[f"back_adversarial_{side}"]
            total = total + weight * loss.weight * adversarial
            total = total + weight * loss.cycle * losses[f"cycle_{side}"]
            total = total + loss.kl * losses[f"kl_{side}"]
        return total

    def _critic(self, side: str) -> _Critic:
        network = self.networks[f"{side}_discriminator"]
        return _Critic(self.config, f"{side}s", network, self.draws, processes=self.processes)

    @property
    def _critics(self) -> Mapping[str, _Critic]:
        return {"painting": self._painting_critic, "photo": self._photo_critic}


class _Critic(Critic):
    """A discriminator of several translations of each picture."""

    def loss_of_samples(
        self, *, real: Tensor, made: Tensor, again: Tensor, fraction: float
    ) -> Tensor:
        """Return the loss of B real pictures, K B translations and K B translated back."""
        samples, gamma = self._config.training.mc_samples, self._config.loss.gamma
        fakes = [self._pool.exchange(made.detach().float(), self._draws)]
        fakes += [again.detach().float()] * (gamma > 0)
        of_real, *of_fakes = self._scores([self._seen(p, fraction) for p in (real, *fakes)])
        real_label, _ = draw_labels(self._config.loss, self._draws, real)
        total = samples * (1 + gamma) * self._distance(of_real, real_label)
        for weight, scores in zip((1.0, gamma), of_fakes, strict=False):  # the second, if any
            _, fake_label = draw_labels(self._config.loss, self._draws, scores)
            total = total + weight * self._distance(scores, fake_label)
        scaled = self._config.loss.discriminator_scale * total
        if self._lecam is None:
            return scaled
        return scaled + self._config.loss.lecam * self._lecam.penalty(of_real, of_fakes[0])

    def _scores(self, pictures: list[Tensor]) -> list[Tensor]:
        if self._together:
            scores: Tensor = self._network(torch.cat(pictures))
            return list(torch.split(scores, [len(part) for part in pictures]))
        return [self._network(part) for part in pictures]

    def _distance(self, scores: Tensor, label: Tensor) -> Tensor:
        assert isinstance(self._loss, Labelled)
        return self._loss.distance(scores.float(), label)
