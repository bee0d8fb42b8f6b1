"""Methods: the networks of a way of training, and one step of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config
from mifid.baseline.data import Draws, PictureSet
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.discriminator import Critic
from mifid.baseline.gan.optimisers import Stepper
from mifid.baseline.gan.precision import DTYPES, LossScale, choose_precision
from mifid.baseline.gan.states import check_state
from mifid.baseline.gan.terms import Term
from mifid.baseline.models import (
    GeneratorNetwork,
    build_discriminator,
    build_generator,
    initialise,
    memory_format,
)
from mifid.errors import InputError
from mifid.images import Pixels
from mifid.registry import Registry

__all__ = ["METHODS", "Method", "Show", "Shown", "Stateful", "frozen", "nothing_learnt"]

METHODS = Registry(
    "method",
    {
        "cyclegan": "mifid.baseline.gan.cyclegan:CycleGan",
        "bayes_cyclegan": "mifid.baseline.gan.bayes_cyclegan:BayesCycleGan",
        "gan": "mifid.baseline.gan.plain_gan:PlainGan",
        "cut": "mifid.baseline.gan.cut:Cut",
        "uvcgan2": "mifid.baseline.gan.uvcgan2:UVCGAN2",
        "ugatit": "mifid.baseline.gan.ugatit:UGatIt",
        "inpainting": "mifid.baseline.gan.inpainting:Inpainting",
    },
)


class Stateful(Protocol):
    """A part of a method with a state of its own, which checkpoints hold."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Restore a state of :meth:`state_dict`; refuse another with a MifidError."""


@dataclass(frozen=True)
class Shown:
    """What a network makes of N pictures, to be looked at.

    Attributes:
        picture: (N, S, S, 3) uint8.
        maps: label -> (N, S, S, 3) uint8, in the colours of a heat map.
    """

    picture: Pixels
    maps: Mapping[str, Pixels]


Show = Callable[[nn.Module, Pixels], Shown]
"""(generator, pictures (N, S, S, 3) uint8) -> what it makes of them, in evaluation mode."""


class Method(ABC):
    """Networks, optimisers and one step over a batch.

    A method owns its networks, and all else that it trains or remembers. Checkpoints hold, and
    check, the weights and buffers of ``networks`` (a bare parameter goes into an
    ``nn.ParameterDict`` there) and the states of :meth:`parts`. Gradients are averaged over the
    processes by :meth:`_update`; a method averages other numbers with ``processes.average``.

    Attributes:
        terms: the numbers that :meth:`step` returns, in its order.
        losses: their names.
        generators, discriminators: ``signature`` of the networks that it trains; empty: it has no
            discriminators.
        sides: whose discriminators it has.
        sees_photos: whether it learns from photos.
        pretrains: whether it has :meth:`pretrain`.
        further: training pictures of a side that a step takes beyond each picture of its batch.
        config: all settings, with the precision that was chosen in the place of ``auto``.
        networks: by name; ``"painter"`` is the generator of paintings. Files of weights and
            checkpoints have these names.
        loss_scale: None: not in float16.
    """

    terms: ClassVar[tuple[Term, ...]]
    losses: ClassVar[tuple[str, ...]]
    generators: ClassVar[str] = "picture -> picture"
    discriminators: ClassVar[str] = "picture -> scores"
    sides: ClassVar[tuple[str, ...]] = ("paintings", "photos")
    sees_photos: ClassVar[bool] = True
    pretrains: ClassVar[bool] = False
    further: int = 0

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if "terms" in cls.__dict__:
            cls.losses = tuple(term.name for term in cls.terms)

    def __init__(
        self,
        config: Config,
        *,
        device: torch.device,
        draws: Draws,
        processes: Processes,
    ) -> None:
        asked = config.training.precision
        if asked == "auto":
            asked = choose_precision(asked, device).name
        self.config = replace(config, training=replace(config.training, precision=asked))
        self.device = device
        self.draws = draws
        self.processes = processes
        self.networks: dict[str, nn.Module] = {}
        self.loss_scale = LossScale(device) if asked == "float16" else None
        self._groups: dict[str, Stepper] = {}

    @property
    def painter(self) -> GeneratorNetwork:
        """The generator of paintings."""
        painter = self.networks["painter"]
        assert isinstance(painter, GeneratorNetwork)
        return painter

    def advance(
        self,
        photos: Tensor,
        paintings: Tensor,
        *,
        fraction: float,
        factor: float,
        pretrain: bool = False,
    ) -> Tensor | None:
        """Make a step, :meth:`step` or :meth:`pretrain`; return its losses.

        None: in float16 a gradient overflowed, so that an optimiser left its weights as they were.
        Buffers, such as batch norm's statistics, are then what they were before.
        """
        before = [] if self.loss_scale is None else [each.clone() for each in self._buffers()]
        if pretrain:
            losses = self.pretrain(photos, paintings)
        else:
            losses = self.step(photos, paintings, fraction=fraction, factor=factor)
        if self.loss_scale is None or not self.loss_scale.end_step():
            return losses
        for buffer, was in zip(self._buffers(), before, strict=True):
            buffer.copy_(was)
        return None

    def _buffers(self) -> list[Tensor]:
        return [each.detach() for net in self.networks.values() for each in net.buffers()]

    @abstractmethod
    def step(self, photos: Tensor, paintings: Tensor, *, fraction: float, factor: float) -> Tensor:
        """Update all weights once.

        Args:
            photos, paintings: (B, 3, S, S) float32 in -1..1 on the device; with further pictures
                (B + further x B, 3, S, S), the batch first.
            fraction: part of the run that is over.
            factor: of the learning rates.

        Returns:
            Tensor: (len(losses),) float32 on the device, not waited for.
        """

    @classmethod  # noqa: B027 - a method may have nothing to refuse
    def check(cls, config: Config) -> None:
        """Refuse settings that contradict each other in this method alone.

        Raises:
            InputError: they do.
        """

    def remember(self, *, photos: PictureSet, paintings: PictureSet) -> None:  # noqa: B027
        """Let networks remember the training pictures that they need while they paint: none.

        It is called once, before the first step and before a checkpoint is loaded.
        """

    def pretrain(self, photos: Tensor, paintings: Tensor) -> Tensor:
        """Make one of the first ``training.pretrain`` steps, in place of :meth:`step`."""
        raise NotImplementedError

    def columns(
        self, painter: GeneratorNetwork, photos: Pixels, show: Show
    ) -> Mapping[str, Pixels]:
        """Return the columns of a sheet of samples: label -> (N, S, S, 3) uint8.

        Args:
            painter: the generator of paintings whose weights are shown: the averaged one, if any.
            photos: (N, S, S, 3) uint8.
            show: runs a generator.
        """
        painted = show(painter, photos)
        photo = {"photo": photos} if painter.sees_pictures else {}
        return {**photo, "painting": painted.picture, **painted.maps}

    def parts(self) -> Mapping[str, Stateful]:
        """Return what has a state of its own beside the networks, by name.

        Here these are the optimisers, and in float16 the scale of the losses. In float16 a part may
        be given numbers that are not finite, which it must not keep.
        """
        scale = {} if self.loss_scale is None else {"loss_scale": self.loss_scale}
        return {**self._groups, **scale}

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        networks = {name: network.state_dict() for name, network in self.networks.items()}
        return {"networks": networks} | {n: part.state_dict() for n, part in self.parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            MifidError: it is not of these networks and parts.
        """
        parts = self.parts()
        if missing := [name for name in ("networks", *parts) if name not in state]:
            raise InputError(
                f"the checkpoint has no state of {', '.join(missing)}; it has {', '.join(state)}",
                hint="Was it written by another method, or by another version of mifid?",
            )
        own = {name: network.state_dict() for name, network in self.networks.items()}
        check_state(state["networks"], own, name="networks")
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, part in parts.items():
            part.load_state_dict(state[name])

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run; losses leave it as float32."""
        name = self.config.training.precision
        dtype = torch.bfloat16 if name == "float32" else DTYPES[name]
        return torch.autocast(self.device.type, dtype=dtype, enabled=name != "float32")

    def _generator(self, number: int) -> nn.Module:
        seed = self.config.training.seed * 100 + number
        network = build_generator(self.config.generator, size=self.config.data.size, seed=seed)
        _check_crop(network, self.config)
        return self._placed(network)

    def _discriminator(self, number: int) -> nn.Module:
        seed = self.config.training.seed * 100 + number
        config = self.config.discriminator
        return self._placed(build_discriminator(config, size=self.config.trained_size, seed=seed))

    def _drawn(self, network: nn.Module, number: int) -> nn.Module:
        """Return a network that is in no table, with first weights like the discriminators'."""
        seed = self.config.training.seed * 100 + number
        initialise(network, self.config.discriminator, seed=seed)
        return self._placed(network)

    def _placed(self, network: nn.Module) -> nn.Module:
        network = network.to(self.device).train()
        network = network.to(memory_format=memory_format(self.config, self.device))
        if self.config.training.compile:
            network.compile(dynamic=False)  # in place: names of weights stay as they are
        return network

    def _critic(self, side: str) -> Critic:
        network = self.networks[f"{side}_discriminator"]
        return Critic(self.config, f"{side}s", network, self.draws, processes=self.processes)

    def _group(self, name: str, modules: Iterable[nn.Module], *, judges: bool = False) -> Stepper:
        """Return one optimiser over the weights of some networks, whose state is part ``name``.

        ``judges``: they are discriminators, which may have a learning rate and an optimiser of
        their own.
        """
        config = self.config.optimiser
        rate = config.rate
        if judges:
            config = replace(config, name=config.discriminator_name or config.name)
            rate = config.discriminator_rate
        self._groups[name] = Stepper(config, parameters(modules), rate=rate)
        return self._groups[name]

    def _update(self, stepper: Stepper, loss: Tensor, fraction: float, factor: float) -> None:
        """Do one backward pass, average the gradients over the processes, and do one step.

        In float16 the step is left out if a gradient is not finite.
        """
        stepper.zero_grad()
        scale = self.loss_scale
        scaled = loss if scale is None else scale.scaled(loss)
        scaled.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(stepper.weights)
        if scale is None:
            stepper.step(fraction=fraction, factor=factor)
        else:
            scale.step(stepper, fraction=fraction, factor=factor)


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


def _check_crop(network: GeneratorNetwork, config: Config) -> None:
    """Refuse crops of pictures that a generator cannot paint.

    Raises:
        InputError: the generator is for pictures of ``data.size`` alone, or the crop is no multiple
            of what it halves.
    """
    crop, size, multiple = config.augment.crop, config.data.size, network.multiple
    if not crop or crop == size or (multiple and crop % multiple == 0):
        return
    wanted = f"a multiple of {multiple}" if multiple and multiple < size else "0"
    raise InputError(
        f"augment.crop is {crop}; expected {wanted}: this {config.generator.network} takes no "
        f"other pictures beside those of data.size {size}",
        hint="Set generator.network=resnet, or a smaller generator.depth.",
    )


def nothing_learnt() -> InputError:
    """Return the error of settings whose losses all have a weight of 0."""
    return InputError(
        "loss.weight is 0 and there is no other loss: nothing would be learnt",
        hint="Set loss.weight=1.",
    )
