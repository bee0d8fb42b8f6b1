"""Training step of a CycleGAN as common implementations write it, for comparison with ours.

It has two ways to compute the gradients of the generators:

- two backwards: one for each generator, with the cycle loss in both, as in Keras's CycleGAN
  tutorial.
- one backward: over the sum of both generators' losses. The discriminators are not frozen, as in
  aitorzip/PyTorch-CycleGAN and eriklindernoren/PyTorch-GAN, so their gradients are computed too.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from mifid.baseline.config import Config
from mifid.baseline.models.norms import InstanceNorm


class PlainLoop:
    """Training step with a separate pass for each kind of picture, which reads each loss.

    Args:
        networks: those of :class:`mifid.baseline.gan.cyclegan.CycleGan`; they are rewritten.
        config: settings of LSGAN without a pool; only loss weights and Adam's settings are used.
        two_backwards: two backward passes instead of one.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], config: Config, *, two_backwards: bool
    ) -> None:
        self.networks = {name: commonly_written(n) for name, n in networks.items()}
        self._two_backwards = two_backwards
        self._loss = config.loss
        betas = config.optimiser.beta1, config.optimiser.beta2
        self._optimisers = {
            name: Adam(network.parameters(), config.optimiser.rate, betas)
            for name, network in self.networks.items()
        }

    def step(self, photos: Tensor, paintings: Tensor) -> dict[str, float]:
        """Update all weights once; return the losses under the names of our method."""
        losses, painted, photographed = self._move_generators(photos, paintings)
        for side, real, fake in (("painting", paintings, painted), ("photo", photos, photographed)):
            critic = self.networks[f"{side}_discriminator"]
            optimiser = self._optimisers[f"{side}_discriminator"]
            optimiser.zero_grad()
            on_real = _squared(critic(real), self._loss.real_label)
            on_fake = _squared(critic(fake.detach()), self._loss.fake_label)
            total = self._loss.discriminator_scale * (on_real + on_fake)
            total.backward()
            optimiser.step()
            losses[f"discriminator_{side}"] = total
        return {name: value.item() for name, value in losses.items()}

    def _move_generators(
        self, photos: Tensor, paintings: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        loss = self._loss
        painter, photographer, painting_critic, photo_critic = self.networks.values()
        painted, photographed = painter(photos), photographer(paintings)
        losses = {
            "cycle_photo": F.l1_loss(photographer(painted), photos),
            "cycle_painting": F.l1_loss(painter(photographed), paintings),
            "identity_painting": F.l1_loss(painter(paintings), paintings),
            "identity_photo": F.l1_loss(photographer(photos), photos),
            "generator_adversarial_painting": _squared(
                painting_critic(painted), loss.generator_label
            ),
            "generator_adversarial_photo": _squared(
                photo_critic(photographed), loss.generator_label
            ),
        }
        cycle = loss.cycle * (losses["cycle_photo"] + losses["cycle_painting"])
        of_painter, of_photographer = (
            losses[f"generator_adversarial_{side}"] + loss.identity * losses[f"identity_{side}"]
            for side in ("painting", "photo")
        )
        both = [self._optimisers["painter"], self._optimisers["photographer"]]
        for optimiser in both:
            optimiser.zero_grad()
        if self._two_backwards:
            weights = [list(network.parameters()) for network in (painter, photographer)]
            (of_painter + cycle).backward(inputs=weights[0], retain_graph=True)
            (of_photographer + cycle).backward(inputs=weights[1])
        else:
            (of_painter + of_photographer + cycle).backward()
        for optimiser in both:
            optimiser.step()
        return losses, painted, photographed


def commonly_written(network: nn.Module) -> nn.Module:
    """Replace the norms of our network by ``InstanceNorm2d``, and give biases to convolutions.

    The output is unchanged at first, since scale and shift of our norms begin as 1 and 0.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm):
                setattr(module, name, nn.InstanceNorm2d(child.num_channels))
            elif isinstance(child, nn.Conv2d | nn.ConvTranspose2d) and child.bias is None:
                child.bias = nn.Parameter(child.weight.new_zeros(child.out_channels))
    return network


def _squared(said: Tensor, label: float) -> Tensor:
    return (said - label).square().mean()
