"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RAdam

from mifid.baseline.config import Optimiser
from mifid.baseline.gan.states import check_state
from mifid.errors import CompatibilityError, UnavailableError

__all__ = ["OPTIMISERS", "Stepper", "build_optimiser"]

_FUSED = ("cpu", "cuda")
_PROBE = torch.Size((2, 3))


class Stepper:
    """Weights and their optimiser, whose learning rate follows the schedule.

    Args:
        config: settings. ``adam_sgd`` is Adam until ``switch`` of the run is over, then SGD with a
            rate of its own.
        weights: on their device.
        rate: learning rate of these weights, before the schedule's factor.

    Raises:
        UnavailableError: the optimiser's package is not installed.
    """

    def __init__(self, config: Optimiser, weights: Iterable[nn.Parameter], *, rate: float) -> None:
        self._config = config
        self.weights = list(weights)
        self._switch = config.switch
        stages = ("adam", "sgd") if config.name == "adam_sgd" else (config.name,)
        self._rates = {name: config.sgd_rate if i else rate for i, name in enumerate(stages)}
        self._optimisers = {
            name: build_optimiser(name, config, self.weights, rate=stage_rate)
            for name, stage_rate in self._rates.items()
        }

    def step(self, *, fraction: float, factor: float) -> None:
        """Update the weights once by their gradients.

        Args:
            fraction: part of the run that is over, 0..1.
            factor: of the learning rate.
        """
        name = self._stage(fraction)
        optimiser = self._optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = self._rates[name] * factor
        self._align_gradients()
        optimiser.step()

    def zero_grad(self) -> None:
        """Remove the gradients of all weights."""
        for weight in self.weights:
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores, by name of optimiser."""
        return {name: optimiser.state_dict() for name, optimiser in self._optimisers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            CompatibilityError: it is another optimiser's, or of other weights.
            InputError: moments of other shapes, dtypes or kinds than the weights'.
        """
        if list(state) != list(self._optimisers):
            held = " and ".join(map(str, state)) or "no optimiser"
            raise CompatibilityError(
                f"the checkpoint has the state of {held}; "
                f"expected {' and '.join(self._optimisers)}",
                hint="Set optimiser.name and optimiser.discriminator_name as the run began with.",
            )
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(self._fitting(name, state[name]))

    def _fitting(self, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return a state that torch may load: with our settings, and moments that fit the weights.

        Torch does not check the shapes of moments, and reads and writes beyond its memory.
        """
        groups = self._optimisers[name].state_dict()["param_groups"]
        saved = state["param_groups"]
        if [group["params"] for group in saved] != [group["params"] for group in groups]:
            raise CompatibilityError(
                f"the checkpoint's state of {name} is of other weights",
                hint="Are the networks those that the run began with?",
            )
        for group, before in zip(groups, saved, strict=True):
            if "step" in before:  # adabelief counts there
                check_state(before["step"], 0, name=f"{name}.step")
                group["step"] = before["step"]
        example = self._example(name)
        moments = {}
        for index, held in state["state"].items():
            if type(index) is not int or not 0 <= index < len(self.weights):
                raise CompatibilityError(
                    f"the checkpoint's state of {name} is of other weights: there is no {index!r}",
                    hint="Are the networks those that the run began with?",
                )
            weight = self.weights[index]
            like = {k: weight if _is_per_weight(v) else v for k, v in example.items()}
            check_state(held, like, name=f"{name}.{index}")
            moments[index] = {
                # With the weight's layout in memory: fused steps read both in the same order.
                key: torch.empty_like(weight, requires_grad=False).copy_(value)
                if like[key] is weight
                else value
                for key, value in held.items()
            }
        return {"state": moments, "param_groups": groups}

    def _example(self, name: str) -> Mapping[str, Any]:
        """Return what an optimiser of this name keeps of a weight, by a step on a small one."""
        like = self.weights[0]
        probe = nn.Parameter(torch.zeros(_PROBE, device=like.device, dtype=like.dtype))
        optimiser = build_optimiser(name, self._config, [probe], rate=1e-3)
        probe.grad = torch.zeros_like(probe)
        optimiser.step()
        kept: Mapping[str, Any] = optimiser.state_dict()["state"].get(0, {})
        return kept

    def _stage(self, fraction: float) -> str:
        first, *later = self._optimisers
        return later[0] if later and fraction >= self._switch else first

    def _align_gradients(self) -> None:
        # Fused Adam on a CPU reads weight and gradient in the order of memory, and is silently
        # wrong if their layouts differ. Backward passes keep them equal; gradients that are set
        # by hand may differ.
        for weight in self.weights:
            gradient = weight.grad
            if gradient is not None and gradient.stride() != weight.stride():
                weight.grad = torch.empty_like(weight, requires_grad=False).copy_(gradient)


def _is_per_weight(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == _PROBE


def build_optimiser(
    name: str, config: Optimiser, parameters: Iterable[nn.Parameter], *, rate: float
) -> Optimizer:
    """Return one of ``OPTIMISERS`` over the weights.

    All but adamw add ``weight_decay`` times the weight to the gradient. adamw subtracts
    ``rate * weight_decay`` times the weight from it (Loshchilov and Hutter 2019).

    Args:
        name: a key of ``OPTIMISERS``; ``config.name`` is not read.
        config: betas, eps, weight decay, momentum.
        parameters: the weights, on their device.
        rate: learning rate.

    Raises:
        UnavailableError: the optimiser's package is not installed.
    """
    return OPTIMISERS[name](config, list(parameters), rate)


def _adam(config: Optimiser, weights: list[nn.Parameter], rate: float) -> Optimizer:
    # Measured on 2 cores over 10 M weights: 10 ms fused (29 in channels_last), 51 otherwise.
    fused = all(weight.device.type in _FUSED for weight in weights)
    return Adam(weights, rate, fused=fused, **_moments(config))


def _adamw(config: Optimiser, weights: list[nn.Parameter], rate: float) -> Optimizer:
    fused = all(weight.device.type in _FUSED for weight in weights)
    return AdamW(weights, rate, fused=fused, **_moments(config))


def _radam(config: Optimiser, weights: list[nn.Parameter], rate: float) -> Optimizer:
    return RAdam(weights, rate, **_moments(config))


def _sgd(config: Optimiser, weights: list[nn.Parameter], rate: float) -> Optimizer:
    # Not fused: over channels_last weights that takes twice as long on a CPU.
    return SGD(weights, rate, momentum=config.momentum, weight_decay=config.weight_decay)


def _adabelief(config: Optimiser, weights: list[nn.Parameter], rate: float) -> Optimizer:
    try:
        from pytorch_optimizer import AdaBelief
    except ImportError as error:
        raise UnavailableError(
            "optimiser.name 'adabelief' needs pytorch-optimizer, which is not installed",
            hint="pip install 'mifid[adabelief]', or set another optimiser.name.",
        ) from error
    optimiser: Optimizer = AdaBelief(
        weights,
        lr=rate,
        rectify=config.rectify,
        **_moments(config),
        weight_decouple=False,  # the package's default subtracts it from the weights, unlike Adam
    )
    return optimiser


def _moments(config: Optimiser) -> dict[str, Any]:
    """Return what all optimisers with moments take; without an eps of ours, their own."""
    given: dict[str, Any] = {"betas": (config.beta1, config.beta2)}
    if config.eps:
        given["eps"] = config.eps
    return {**given, "weight_decay": config.weight_decay}


OPTIMISERS: Mapping[str, Callable[[Optimiser, list[nn.Parameter], float], Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "radam": _radam,
    "sgd": _sgd,
    "adabelief": _adabelief,
}
"""Name -> (settings, weights, rate) -> optimiser."""
