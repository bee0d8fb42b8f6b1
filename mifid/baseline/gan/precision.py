"""Arithmetic of the networks in training: which of three a device computes well, and why.

For float16, whose smallest gradients would be 0 otherwise, losses are scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mifid.baseline.gan.optimisers import Stepper
from mifid.baseline.gan.states import check_state
from mifid.errors import InputError, setting, warn

__all__ = ["DTYPES", "LossScale", "Precision", "choose_precision", "kept_precision"]

DTYPES = {"bf16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
"""Name of an arithmetic -> the type of its products."""

# They have compute capability 7.5, but no tensor cores, and cuDNN's float16 convolutions return NaN
# on many of them (pytorch/pytorch#58123).
_WITHOUT_TENSOR_CORES = ("GTX 16", "T400", "T500", "T550", "T600", "T1000", "T1200", "T2000", "MX4")


@dataclass(frozen=True)
class Precision:
    """The arithmetic of a run.

    Attributes:
        name: a key of :data:`DTYPES`.
        device: on which it was chosen, in words.
        reason: why, as a clause.
    """

    name: str
    device: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} on {self.device}: {self.reason}"


def choose_precision(asked: str, device: torch.device) -> Precision:
    """Return the arithmetic for a device.

    ``auto`` is bf16 where the GPU computes it natively (compute capability 8.0 and above), float16
    with a scaled loss on tensor cores without bfloat16 (7.x: V100, T4), and else float32.

    Args:
        asked: ``training.precision``.
        device: that trains.

    Raises:
        InputError: the device cannot compute what is asked for.
    """
    name = device_name(device)
    if asked == "auto":
        return Precision(*_automatic(device, name))
    if asked == "float16" and device.type != "cuda":
        raise InputError(
            f"training.precision is float16, which needs a GPU with CUDA; the device is {name}",
            hint=f"Leave it at {setting('training.precision', 'auto')}, which is float32 here.",
        )
    if asked == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError(
            f"training.precision is bf16, which {name} cannot compute",
            hint=f"Set {setting('training.precision', 'auto')}.",
        )
    reason = "training.precision asks for it"
    if asked == "bf16" and not _computes_bf16(device):
        reason += f"; {name} has no bfloat16, and imitates it slowly"
    return Precision(asked, name, reason)


def kept_precision(chosen: Precision, then: object, device: torch.device) -> Precision:
    """Return the arithmetic that the run began with, where it goes on.

    Warn if ``chosen``, for this device, is another.

    Args:
        chosen: for this device.
        then: the part of the checkpoint; None: of an earlier version.
        device: that trains.

    Raises:
        InputError: it is no such part, or the device cannot compute it.
    """
    if then is None:
        return chosen
    check_state(then, {"name": "", "device": ""}, name="run.precision")
    assert isinstance(then, Mapping)
    name, before = then["name"], then["device"]
    if name == chosen.name:
        return chosen
    if name not in DTYPES:
        raise InputError(
            f"the checkpoint's precision is {name!r}; expected {' or '.join(DTYPES)}",
            hint="Was it changed by hand? Remove it to go on from the one before.",
        )
    kept = choose_precision(name, device)
    warn(
        f"the run began in {name} on {before} and goes on in {name} on {kept.device}; for that "
        f"device training.precision=auto would choose {chosen.name}: {chosen.reason}"
    )
    return replace(kept, reason=f"the run began so on {before}")


def device_name(device: torch.device) -> str:
    """Return a device in words: ``"Tesla T4 (compute capability 7.5)"``, ``"the CPU"``."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)} (compute capability {major}.{minor})"
    return "the CPU" if device.type == "cpu" else f"the device {device.type}"


def _automatic(device: torch.device, name: str) -> tuple[str, str, str]:
    if device.type != "cuda":
        return "float32", name, "auto chooses another arithmetic only on CUDA"
    if torch.version.hip is not None:
        return "float32", name, "auto chooses another arithmetic only on NVIDIA's GPUs"
    if _computes_bf16(device):
        return "bf16", name, "the GPU computes bfloat16, whose range is that of float32"
    if torch.cuda.get_device_capability(device)[0] < 7 or _is_without_tensor_cores(device):
        return "float32", name, "the GPU has no tensor cores, so nothing else is faster or as exact"
    return "float16", name, "the GPU has tensor cores for float16, but not for bfloat16"


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        # oneDNN's answer: AVX-512 BF16, AMX or ARM's BF16; else a step takes 20 times as long.
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if device.type != "cuda":
        return True  # MPS does not say
    return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8


def _is_without_tensor_cores(device: torch.device) -> bool:
    words = torch.cuda.get_device_name(device)
    return any(part in words for part in _WITHOUT_TENSOR_CORES)


class LossScale:
    """One scale of all losses of a method, which follows the gradients (Micikevicius et al. 2018).

    It starts at 65,536. If a gradient is not finite, the optimiser's step is left out and the scale
    halves; after 2,000 steps of optimisers without that, it doubles. Processes have averaged their
    gradients before, so the scale is the same in all.

    Args:
        device: of the losses.

    Attributes:
        in_a_row: training steps in a row, up to the last one, in which an optimiser was left out.
    """

    def __init__(self, device: torch.device) -> None:
        self._scaler = torch.amp.GradScaler(device.type)
        self._left_out = False
        self.in_a_row = 0

    @property
    def value(self) -> float:
        """The scale; waits for the device."""
        return float(self._scaler.get_scale())

    def scaled(self, loss: Tensor) -> Tensor:
        """Return a loss times the scale."""
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def step(self, stepper: Stepper, *, fraction: float, factor: float) -> None:
        """Divide the gradients by the scale and step, or leave the step out; then adapt the scale.

        The arguments are those of :meth:`Stepper.step`.
        """
        step: Any = _Step(stepper)
        self._scaler.step(step, fraction=fraction, factor=factor)
        self._scaler.update()
        self._left_out = self._left_out or not step.is_done

    def end_step(self) -> bool:
        """End a training step; return whether an optimiser's step was left out in it."""
        left_out, self._left_out = self._left_out, False
        self.in_a_row = self.in_a_row + 1 if left_out else 0
        return left_out

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"scaler": self._scaler.state_dict(), "in_a_row": self.in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            InputError: it is no such state.
        """
        check_state(state, self.state_dict(), name="loss_scale")
        self._scaler.load_state_dict(state["scaler"])
        self.in_a_row = state["in_a_row"]


class _Step:
    """What torch's GradScaler takes for an optimiser."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self.param_groups: list[dict[str, list[nn.Parameter]]] = [{"params": stepper.weights}]
        self.is_done = False

    def step(self, *, fraction: float, factor: float) -> None:
        self._stepper.step(fraction=fraction, factor=factor)
        self.is_done = True
