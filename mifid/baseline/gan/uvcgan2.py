"""UVCGANv2 (Torbunov et al. 2023): a CycleGAN whose discriminators see earlier pictures, too.

The step is CycleGAN's, in the units of the authors, whose pictures are in 0..1. Their code goes
through a discriminator's body once for real and once for generated pictures, here both go together,
so that spectral norm's power method makes one iteration where theirs makes two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.discriminator import Critic
from mifid.baseline.gan.states import check_state
from mifid.baseline.gan.terms import Panel, Term
from mifid.baseline.models import BatchPatchGAN

if TYPE_CHECKING:
    from mifid.baseline.gan.method import Stateful

__all__ = ["UVCGAN2", "BodyQueue"]

_QUEUED = 3
"""Bodies of earlier pictures in each queue."""

_PENALTY = Panel("Gradient penalties", 4.0)


class UVCGAN2(CycleGan):
    """CycleGAN with batch heads, queues of earlier bodies, and a gradient penalty.

    The penalties are in units of pictures in 0..1, without their weight; those of a discriminator
    include its weighted penalty, as the optimiser sees them. Cycle and identity losses are L1
    distances of pictures in 0..1.

    A queue belongs to a process, and batch heads normalise over the pictures of their process: two
    processes with half a batch each are not exactly one.
    """

    _painting_critic: QueuedCritic
    _photo_critic: QueuedCritic
    terms = (
        *CycleGan.terms,
        Term("gradient_penalty_painting", "painting discriminator", _PENALTY),
        Term("gradient_penalty_photo", "photo discriminator", _PENALTY, "photo"),
    )
    discriminators = "picture, earlier -> scores"

    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update the generators, then the discriminators, once."""
        losses = super().step(photos, paintings, fraction=fraction, factor=factor)
        critics = (self._painting_critic, self._photo_critic)
        return torch.cat([losses, torch.stack([critic.penalty.detach() for critic in critics])])

    def _critic(self, side: str) -> QueuedCritic:
        network = self.networks[f"{side}_discriminator"]
        return QueuedCritic(self.config, f"{side}s", network, self.draws, processes=self.processes)

    def _distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Return the L1 distance of pictures in 0..1."""
        return super()._distance(made, wanted) / 2


class QueuedCritic(Critic):
    """A critic whose network sees the bodies of the last pictures beside those of a batch.

    Attributes:
        penalty: of the last step, without its weight, a float32 scalar.
    """

    _network: BatchPatchGAN

    def __init__(
        self,
        config: Config,
        side: str,
        network: nn.Module,
        draws: Draws,
        *,
        processes: Processes,
    ) -> None:
        super().__init__(config, side, network, draws, processes=processes)
        shape, half = self._network.body_shape, config.training.precision == "float16"
        self._real = BodyQueue(shape, may_overflow=half)
        self._fake = BodyQueue(shape, may_overflow=half)
        self.penalty = torch.zeros(())

    def parts(self) -> dict[str, Stateful]:
        """Return what has a state of its own, by name."""
        return {**super().parts(), "real_queue": self._real, "fake_queue": self._fake}

    def loss(self, *, real: Tensor, fake: Tensor, fraction: float) -> Tensor:
        """Return the discriminator's own loss, with the penalty; queues get the new bodies."""
        own = super().loss(real=real, fake=fake, fraction=fraction)
        return own + self._config.loss.gradient_penalty * self.penalty

    def _of_fake(self, fake: Tensor) -> Tensor:
        scores: Tensor = self._network(fake, self._fake.bodies)
        return scores

    def _of_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        self.penalty = self._gradient_penalty(real, fake)
        bodies = self._network.body(torch.cat([real, fake])).chunk(2)
        queues = (self._real, self._fake)
        of_real, of_fake = (
            self._network.head(body, queue.bodies)
            for body, queue in zip(bodies, queues, strict=True)
        )
        for body, queue in zip(bodies, queues, strict=True):
            queue.add(body)
        return of_real, of_fake

    def _gradient_penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean squared norm of the scores' gradient at mixes of real and fake.

        A score is the mean of a picture's patches; the gradient is with respect to a picture in
        0..1. One random number mixes all pictures of the batch, and the queues, too.

        It is computed in float32, as half precision is too coarse for second derivatives, and
        without compilation, as torch does not differentiate compiled networks twice.
        """
        if not self._config.loss.gradient_penalty:
            return real.new_zeros(())
        with torch.autocast(real.device.type, enabled=False):
            share = self._draws.uniform(real[:1]).squeeze()
            mixed = torch.lerp(fake.float(), real.float(), share).detach().requires_grad_()
            earlier = self._mixed_queues(share)
            body = self._network.body.forward(mixed)
            scores = self._network.head(body, earlier).mean(dim=(1, 2, 3)).sum()
            (gradient,) = torch.autograd.grad(scores, mixed, create_graph=True)
        return (2 * gradient).square().sum(dim=(1, 2, 3)).mean()

    def _mixed_queues(self, share: Tensor) -> Tensor | None:
        real, fake = self._real.bodies, self._fake.bodies
        if real is None or fake is None:
            return None
        both = min(len(real), len(fake))  # in float16 bodies may be left out
        return torch.lerp(fake[-both:], real[-both:], share)


class BodyQueue:
    """The last bodies of one kind of pictures, on their device and without gradient.

    Args:
        shape: (C, h, w) of a body.
        may_overflow: bodies may be not finite, as in float16: they are not stored.

    Attributes:
        bodies: (N, C, h, w) float32, the newest last; None: there are none yet.
    """

    def __init__(self, shape: torch.Size, *, may_overflow: bool = False) -> None:
        self._shape = shape
        self._may_overflow = may_overflow
        self.bodies: Tensor | None = None

    def add(self, bodies: Tensor) -> None:
        """Store bodies (B, C, h, w) in place of the oldest."""
        new = bodies.detach().float()
        if self._may_overflow:
            new = new[torch.isfinite(new).flatten(1).all(dim=1)]
        if self.bodies is not None:
            new = torch.cat([self.bodies.to(new.device), new])
        # A copy: a slice would keep the memory of all.
        self.bodies = new[-_QUEUED:].clone() if len(new) else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"bodies": self.bodies}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            InputError: it holds something else than bodies of this network, or too many.
        """
        if not isinstance(state, dict) or "bodies" not in state:
            check_state(state, self.state_dict(), name="queue")
        bodies = state["bodies"]
        if bodies is not None:
            number = len(bodies) if isinstance(bodies, Tensor) and bodies.dim() else 1
            like = torch.empty((min(number, _QUEUED), *self._shape), device="meta")
            check_state(bodies, like, name="queue.bodies")
        self.bodies = bodies
