"""Methods: the networks of a way of training, and one step of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.discriminator import Critic
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.lecam import LeCam
from mifid.baseline.gan.optimisers import Stepper
from mifid.baseline.gan.states import check_state
from mifid.baseline.models import (
    GeneratorNetwork,
    build_discriminator,
    build_generator,
    memory_format,
)
from mifid.registry import Registry

__all__ = ["LOSSES", "METHODS", "Method", "frozen"]

LOSSES = (
    "generator_adversarial_painting",
    "generator_adversarial_photo",
    "cycle_painting",
    "cycle_photo",
    "identity_painting",
    "identity_photo",
    "discriminator_painting",
    "discriminator_photo",
)
"""Losses of a CycleGAN, in the order of the records' columns."""

METHODS = Registry(
    "method",
    {
        "cyclegan": "mifid.baseline.gan.cyclegan:CycleGan",
        "gan": "mifid.baseline.gan.plain_gan:PlainGan",
    },
)


class Method(ABC):
    """Networks, optimisers and one step over a batch.

    Attributes:
        losses: names of the numbers that :meth:`step` returns.
        networks: by name; ``"painter"`` is the generator of paintings.
    """

    losses: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        config: Config,
        *,
        device: torch.device,
        draws: Draws,
        processes: Processes,
    ) -> None:
        self.config = config
        self.device = device
        self.draws = draws
        self.processes = processes
        self.networks: dict[str, nn.Module] = {}

    @property
    def painter(self) -> GeneratorNetwork:
        """The generator of paintings."""
        painter = self.networks["painter"]
        assert isinstance(painter, GeneratorNetwork)
        return painter

    @abstractmethod
    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update all weights once.

        Args:
            photos, paintings: (B, 3, S, S) float32 in -1..1 on the device.
            fraction: part of the run that is over.
            factor: of the learning rates.

        Returns:
            Tensor: (len(losses),) float32 on the device, not waited for.
        """

    @abstractmethod
    def parts(self) -> dict[str, Stepper | ImagePool | LeCam]:
        """Return what has a state of its own beside the networks, by name."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        networks = {name: network.state_dict() for name, network in self.networks.items()}
        return {"networks": networks} | {n: part.state_dict() for n, part in self.parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            MifidError: it is not of these networks.
        """
        own = {name: network.state_dict() for name, network in self.networks.items()}
        check_state(state["networks"], own, name="networks")
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        size = self.config.data.size
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
            if isinstance(part, ImagePool) and len(part):
                pictures = state[name]["pictures"]
                like = torch.empty((len(part), 3, size, size), dtype=pictures.dtype, device="meta")
                check_state(pictures, like, name=name)

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run; losses leave it as float32."""
        return torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.config.training.precision == "bf16",
        )

    def _generator(self, number: int) -> nn.Module:
        seed = self.config.training.seed * 100 + number
        network = build_generator(self.config.generator, size=self.config.data.size, seed=seed)
        return self._placed(network)

    def _discriminator(self, number: int) -> nn.Module:
        seed = self.config.training.seed * 100 + number
        config = self.config.discriminator
        return self._placed(build_discriminator(config, size=self.config.data.size, seed=seed))

    def _placed(self, network: nn.Module) -> nn.Module:
        network = network.to(self.device).train()
        network = network.to(memory_format=memory_format(self.config, self.device))
        if self.config.training.compile:
            network.compile(dynamic=False)  # in place: names of weights stay as they are
        return network

    def _critic(self, side: str) -> Critic:
        network = self.networks[f"{side}_discriminator"]
        return Critic(self.config, f"{side}s", network, self.draws, processes=self.processes)

    def _generator_stepper(self, networks: Iterable[nn.Module]) -> Stepper:
        config = self.config.optimiser
        return Stepper(config, parameters(networks), rate=config.rate)

    def _discriminator_stepper(self, networks: Iterable[nn.Module]) -> Stepper:
        config = self.config.optimiser
        own = replace(config, name=config.discriminator_name or config.name)
        return Stepper(own, parameters(networks), rate=config.discriminator_rate)

    def _update(self, stepper: Stepper, loss: Tensor, fraction: float, factor: float) -> None:
        """Do one backward pass, average the gradients over the processes, and do one step."""
        stepper.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(stepper.weights)
        stepper.step(fraction=fraction, factor=factor)


def parameters(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return the weights of several networks that are trained."""
    return [w for network in networks for w in network.parameters() if w.requires_grad]


@contextmanager
def frozen(weights: list[nn.Parameter]) -> Iterator[None]:
    """Compute no gradients of these weights within the block; gradients pass their networks."""
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
