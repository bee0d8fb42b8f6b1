"""Where a torch network runs, in which precision, and what happens when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import numpy as np
import torch

from mifid.errors import InputError, first_line, setting
from mifid.images import Pixels

__all__ = ["as_tensor", "choose_device", "choose_devices", "exact_float32", "in_parts"]

_KINDS = ("cpu", "cuda", "mps")


def choose_device(device: str = "auto") -> torch.device:
    """Return CUDA if there is one, else Apple's MPS, else the CPU; or what was asked for.

    Raises:
        InputError: no such device here.
    """
    if device in {"auto", "cuda"} and torch.cuda.is_available():
        # By number: "cuda" alone would follow when a caller chooses another one.
        return torch.device("cuda", torch.cuda.current_device())
    if device == "auto":
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if device.partition(":")[0] not in _KINDS:
        raise _unusable(device, "there is no such device")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise _unusable(device, shorten(first_line(error), 200, placeholder=" ...")) from error
    return chosen


def _unusable(device: str, why: str) -> InputError:
    return InputError(
        f"device '{device}' cannot be used here: {why}",
        hint=f"What works here: {', '.join(setting('device', name) for name in _working())}.",
    )


def _working() -> list[str]:
    """Return the devices that there are."""
    others = [f"cuda:{number}" for number in range(1, torch.cuda.device_count())]
    cuda = ["cuda", *others, "cuda:all"] if torch.cuda.is_available() else []
    return ["auto", "cpu", *cuda, *["mps"] * torch.backends.mps.is_available()]


def choose_devices(device: str = "auto") -> list[torch.device]:
    """Return the devices of ``"cuda:0,cuda:1"`` or ``"cuda:all"``; else the one that it names.

    Raises:
        InputError: no such devices here, or not all of one kind.
    """
    if device == "cuda:all":
        names = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cuda"]
    else:
        names = device.split(",")
    devices = [choose_device(name.strip()) for name in names]
    if len({each.type for each in devices}) > 1:
        raise InputError(
            f"devices '{device}' are of several kinds",
            hint=f"Give devices of one kind, such as {setting('device', 'cuda:0,cuda:1')}.",
        )
    return devices


@contextmanager
def exact_float32() -> Iterator[None]:
    """Forbid TF32 and bfloat16 inside float32 convolutions and products; restore afterwards.

    cuDNN's convolutions use TF32 by default (10 bits of mantissa), which moves FID in the third
    digit; and a caller may have chosen lower precision for training.
    """
    if hasattr(torch.backends, "fp32_precision"):  # torch 2.9 and later
        backends: Any = torch.backends
        settings: list[Any] = [
            backends.cuda.matmul,
            backends.mkldnn.conv,
            backends.mkldnn.matmul,
        ]
        legacy = _legacy_tf32()
        if legacy is None:
            settings.append(backends.cudnn.conv)
        before = [_own_precision(setting) for setting in settings]
        try:
            if legacy is not None:
                backends.cudnn.allow_tf32 = False
                backends.cudnn.rnn.fp32_precision = "ieee"
            backends.cudnn.conv.fp32_precision = "ieee"  # whatever is set for all backends
            for setting in settings:
                setting.fp32_precision = "ieee"
            yield
        finally:
            for setting, value in zip(settings, before, strict=True):
                setting.fp32_precision = value
            if legacy is not None:
                backends.cudnn.allow_tf32 = legacy
    else:
        cudnn, matmul = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        try:
            torch.backends.cudnn.allow_tf32 = False
            torch.set_float32_matmul_precision("highest")
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = cudnn
            torch.set_float32_matmul_precision(matmul)


def _legacy_tf32() -> bool | None:
    """Return cuDNN's older flag; None: the caller has set the newer ones apart, so it has no value.

    Code of torch's own (torch.export) reads it, and fails where it contradicts the newer ones: so
    it is what is set here as long as it can be.
    """
    try:
        return bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        return None


def _own_precision(setting: Any) -> str:
    """Return what was set for this one; "none" if it follows its parents.

    Read, a setting tells what is in force, be that its own or its parents'. Written back it would
    be its own from then on, and what the caller later sets for all would not reach it.
    """
    cudnn: Any = torch.backends.cudnn
    in_force: str = setting.fp32_precision
    if setting is cudnn.conv:
        # It begins in a state of its own (TF32 unless its parents say otherwise), which cannot be
        # set again: after "none" torch's older flags are contradictory, and reading them raises.
        return in_force
    setting.fp32_precision = "none"
    inherited: str = setting.fp32_precision
    return "none" if inherited == in_force else in_force


def as_tensor(pixels: Pixels) -> torch.Tensor:
    """Return uint8 (N, H, W, 3) as a tensor: of the same memory, or a copy if it is read-only."""
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"]))


def in_parts(
    run: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor, limit: int | None
) -> tuple[torch.Tensor, int | None]:
    """Run ``batch`` (N, ...) whole, or in parts that fit in memory: halve until it does.

    Args:
        run: (n, ...) -> (n, D), row by row independent.
        batch: (N, ...).
        limit: rows that fitted before, None if all did; pass on what is returned.

    Returns:
        (N, D) where ``run`` left them, and the new limit.

    Raises:
        torch.OutOfMemoryError: a single row does not fit.
    """
    size = min(limit or len(batch), len(batch))
    while True:
        try:
            parts = [run(part) for part in torch.split(batch, size)]
            return parts[0] if len(parts) == 1 else torch.cat(parts), limit
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = limit = (size + 1) // 2
        # Outside the handler, where the failed attempt's tensors are no longer referenced.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
