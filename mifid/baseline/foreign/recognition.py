"""Recognition of the network that a state dict belongs to, by its names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mifid.baseline.foreign import LAYOUTS
from mifid.baseline.foreign.layout import Recognised
from mifid.errors import WeightsError
from mifid.formatting import terminal_safe

__all__ = ["recognise"]

_WRAPPED = ("module.", "_orig_mod.")  # by DataParallel, and by torch.compile
_NAMED = 3
_PICTURES = (
    "If you have its program, paint with that, put the pictures into images.zip, and score that: "
    "mifid score images.zip --ref monet_jpg/"
)
_KNOWN = (
    "Recognised are ResNet and U-Net generators of the CycleGAN repository (latest_net_G_A.pth), "
    "those of CUT (latest_net_G.pth) and of U-GAT-IT (..._params_latest.pt)."
)
_UGATIT = {"painter": "genA2B", "photographer": "genB2A"}
"""Side -> its generator in a file of U-GAT-IT: its domain A are the photos."""


def recognise(content: object, *, side: str = "painter") -> Recognised:
    """Return the generator in what a file holds; its weights are floating-point tensors in float32.

    Args:
        content: what :func:`mifid.baseline.foreign.read_torch_file` returns, or a state dict.
        side: which generator to take of a file that has two, ``"painter"`` or ``"photographer"``.

    Raises:
        WeightsError: it is no state dict, or of no generator that is known; the message says what
            was met, but not in which file.
    """
    taken = ""
    if isinstance(content, Mapping) and all(name in content for name in _UGATIT.values()):
        taken = _UGATIT[side]
        content = content[taken]
    weights = _state_dict(content)
    for prefix in _WRAPPED:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): each for name, each in weights.items()}
    for layout in LAYOUTS.values():
        found: Recognised | None = layout(weights)
        if found is not None:
            return replace(found, title=f"{found.title}, {taken}") if taken else found
    raise WeightsError(
        f"it is {_other(weights)}; its {len(weights):,} weights are {_some(weights)}",
        hint=f"{_KNOWN} {_PICTURES}",
    )


def _state_dict(content: object) -> dict[str, Tensor]:
    """Return tensors by name.

    Raises:
        WeightsError: it is anything else, or holds numbers that are not finite.
    """
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"it holds {_described(content)}; expected weights by name (a state dict)", hint=_KNOWN
        )
    if {"state", "param_groups"} <= content.keys():
        raise WeightsError(
            "it is the state of an optimiser, not of a network",
            hint=f"Give the network's own file. {_KNOWN}",
        )
    others = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if others or not all(isinstance(name, str) for name in content):
        raise WeightsError(
            f"it holds {_some(content)}; expected weights by name (a state dict)",
            hint="Take the generator's state dict out of it in the program that made it: "
            f"torch.save(checkpoint[...], 'generator.pth'). {_KNOWN}",
        )
    return {str(name): _plain(str(name), weight) for name, weight in content.items()}


def _plain(name: str, weight: Tensor) -> Tensor:
    """Return a tensor as float32, a counter as it is.

    Raises:
        WeightsError: it is sparse, quantised, complex or not finite.
    """
    shown = terminal_safe(name[:100])
    if weight.layout is not torch.strided or weight.is_quantized or weight.is_complex():
        kind = str(weight.dtype).removeprefix("torch.")
        raise WeightsError(f"its weight {shown} is {weight.layout} {kind}", hint=_KNOWN)
    if not weight.is_floating_point():
        return weight.detach()
    values = weight.detach().float()
    if not bool(torch.isfinite(values).all()):
        raise WeightsError(
            f"its weight {shown} is not finite",
            hint="The network diverged while it was trained; give an earlier file.",
        )
    return values


def _other(weights: Mapping[str, Tensor]) -> str:
    """Return what the weights are of, if that is known."""
    first = weights.get("model.0.weight")
    if first is not None and first.dim() == 4 and first.shape[-1] == 4:
        return "a PatchGAN discriminator, not a generator"
    if any(name.startswith("mlp_0.") for name in weights):
        return "CUT's projection network (netF), not a generator"
    if any(name.endswith("weight_orig") for name in weights):
        return "a network with spectral norm, not a generator that is known"
    return "no generator that is known"


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"one tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "nothing"
    return f"a {type(value).__name__}"


def _some(content: Mapping[Any, object]) -> str:
    names = [terminal_safe(str(name)[:60]) for name in list(content)[:_NAMED]]
    more = f" and {len(content) - _NAMED:,} more" if len(content) > _NAMED else ""
    return f"{', '.join(names)}{more}"
