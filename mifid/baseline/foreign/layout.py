"""What is found in a file of another program, and the parts that layouts share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mifid.errors import WeightsError

__all__ = ["STATISTICS", "Recognised", "Translation", "norm_of"]

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers of batch norm, which instance norm of torch before 0.4 had, too, and did not use."""


@dataclass(frozen=True)
class Recognised:
    """A generator of another program.

    Attributes:
        title: of its network, such as ``"the ResNet generator of CUT"``.
        settings: ``section.key`` -> value, of all settings that the file determines.
        weights: by the names of our network; their shapes are not checked yet.
        sources: name of our network's weight -> its name in the file, for messages.
        notes: what the file does not say, and what is assumed instead.
        size: pixels a side of the only pictures that it paints; None: it does not depend on it.
    """

    title: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()
    size: int | None = None


class Translation:
    """Weights of a file, taken layer by layer under other names.

    Args:
        weights: of the file.
        norm: name of the norm that follows the convolutions, as in ``generator.norm``.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, norm: str) -> None:
        self._left = dict(weights)
        self._norm = norm
        self.weights: dict[str, Tensor] = {}
        self.sources: dict[str, str] = {}
        self._missing: list[str] = []

    def conv(
        self,
        theirs: str,
        ours: str,
        *,
        transposed: bool = False,
        bias: bool = False,
        required: bool = False,
    ) -> None:
        """Take a convolution, or a linear layer.

        Args:
            theirs: its name in the file.
            ours: its name in our network.
            transposed: whether its weight is (inputs, outputs, k, k).
            bias: whether ours has one: without a norm it does. A bias before instance norm has no
                effect and is left out; one that the file lacks is 0.
            required: whether the file must have the bias.
        """
        weight = self._take(f"{theirs}.weight", f"{ours}.weight")
        if not bias and self._norm != "none":
            if self._norm == "instance":
                self._left.pop(f"{theirs}.bias", None)
            return
        if required or f"{theirs}.bias" in self._left:
            self._take(f"{theirs}.bias", f"{ours}.bias")
        elif weight is not None and weight.dim() == 4:
            self.weights[f"{ours}.bias"] = torch.zeros(weight.shape[1 if transposed else 0])

    def norm(self, theirs: str, ours: str, *, channels: int) -> None:
        """Take a norm; instance norm has no weights in the file, and scales by 1 here."""
        if self._norm == "batch":
            for field in ("weight", "bias", *STATISTICS[:2]):
                self._take(f"{theirs}.{field}", f"{ours}.{field}")
            counted = self._left.pop(
                f"{theirs}.{STATISTICS[2]}", torch.zeros((), dtype=torch.int64)
            )
            self.weights[f"{ours}.{STATISTICS[2]}"] = counted  # torch before 0.4.1 did not count
        elif self._norm == "instance":
            self.weights[f"{ours}.weight"] = torch.ones(channels)
            self.weights[f"{ours}.bias"] = torch.zeros(channels)
            for field in STATISTICS:
                self._left.pop(f"{theirs}.{field}", None)

    def vector(self, theirs: str, ours: str) -> None:
        """Take one number for each channel, of any shape, as (C,)."""
        found = self._take(theirs, ours)
        if found is not None:
            self.weights[ours] = found.flatten()

    def drop(self, name: str) -> None:
        """Leave out a weight that our network computes itself."""
        self._left.pop(name, None)

    def finish(
        self,
        title: str,
        settings: Mapping[str, Any],
        *,
        first: str,
        notes: tuple[str, ...] = (),
        size: int | None = None,
    ) -> Recognised:
        """Return the whole network.

        Args:
            title: of the network.
            settings: that the file determines.
            first: our name of the first convolution.
            notes: what the file does not say.
            size: of the only pictures that it paints; None: of any.

        Raises:
            WeightsError: a weight is missing, or was not taken; pictures are not RGB.
        """
        faults = [f"{name} is missing" for name in self._missing]
        faults += [f"{name} is not expected" for name in self._left]
        if faults:
            more = f" and {len(faults) - 3:,} more" if faults[3:] else ""
            raise WeightsError(
                f"it looks like {title}, but {'; '.join(faults[:3])}{more}",
                hint="Was the network changed, or the file cut by hand? Paint with the program "
                "that trained it.",
            )
        inputs = self.weights[f"{first}.weight"].shape[1]
        bias, last = self.weights.get("out.conv.bias"), self.weights["out.conv.weight"]
        outputs = bias.numel() if bias is not None else (*last.shape, 0)[0]
        if (inputs, outputs) != (3, 3):
            raise WeightsError(
                f"it is {title}, but takes {inputs} channels and makes {outputs}; expected 3 and 3 "
                "(RGB)",
                hint="Paint with the program that trained it.",
            )
        return Recognised(title, settings, self.weights, self.sources, notes, size)

    def _take(self, theirs: str, ours: str) -> Tensor | None:
        found = self._left.pop(theirs, None)
        if found is None:
            self._missing.append(theirs)
        else:
            self.weights[ours], self.sources[ours] = found, theirs
        return found


def norm_of(fields: Collection[str], *, bias: bool, name: str) -> str:
    """Return the norm that follows a convolution, as in ``generator.norm``.

    Args:
        fields: of the norm, such as ``weight`` and ``running_mean``.
        bias: whether the convolution before it has one; the authors' code gives it one only before
            instance norm.
        name: of the norm in the file, for messages.

    Raises:
        WeightsError: it is another norm than batch, instance or none.
    """
    if {"weight", "running_mean"} <= set(fields):
        return "batch"
    if "weight" in fields:
        raise WeightsError(
            f"its norm {name} has scales, but no running statistics: it may be instance, group or "
            "layer norm, which the file does not say",
            hint="Only batch norm, instance norm without scales, and no norm are recognised.",
        )
    return "instance" if bias else "none"
