"""U-Net generators of the CycleGAN repository, which are those of pix2pix.

Each block holds the next one: ``model.model.1.model.3.model.3.model.1.weight`` is the convolution
of the fourth halving.

Source: ``UnetGenerator`` in models/networks.py of junyanz/pytorch-CycleGAN-and-pix2pix.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mifid.baseline.foreign.layout import STATISTICS, Recognised, Translation, norm_of

__all__ = ["recognise"]

_OUTMOST = "model.model"
_UNSAID = (
    "its file does not say whether it was trained with dropout (generator.dropout), which would "
    "have been in three other layers than here"
)


def recognise(weights: Mapping[str, Tensor]) -> Recognised | None:
    """Return the generator that the weights are of; None: they are of something else.

    Raises:
        WeightsError: it is such a generator, but not one that our network can be.
    """
    outmost = weights.get(f"{_OUTMOST}.0.weight")
    if outmost is None or outmost.dim() != 4 or f"{_OUTMOST}.1.model.1.weight" not in weights:
        return None
    blocks = [_OUTMOST, f"{_OUTMOST}.1.model"]
    while f"{blocks[-1]}.3.model.1.weight" in weights:
        blocks.append(f"{blocks[-1]}.3.model")
    depth = len(blocks)
    fields = [name for name in ("weight", *STATISTICS) if f"{blocks[1]}.2.{name}" in weights]
    norm = norm_of(fields, bias=f"{blocks[1]}.1.bias" in weights, name=f"{blocks[1]}.2")
    width = outmost.shape[0]
    widths = [width * min(2**level, 8) for level in range(depth)]
    taken = Translation(weights, norm=norm)
    taken.conv(f"{_OUTMOST}.0", "down.0.conv", bias=True, required=norm == "instance")
    for level in range(1, depth - 1):
        taken.conv(f"{blocks[level]}.1", f"down.{level}.conv")
        taken.norm(f"{blocks[level]}.2", f"down.{level}.norm", channels=widths[level])
    taken.conv(f"{blocks[-1]}.1", f"down.{depth - 1}.conv", bias=True, required=norm == "instance")
    for level in range(depth - 1, 0, -1):
        number, at = depth - 1 - level, 3 if level == depth - 1 else 5
        taken.conv(f"{blocks[level]}.{at}", f"up.{number}.conv", transposed=True)
        taken.norm(f"{blocks[level]}.{at + 1}", f"up.{number}.norm", channels=widths[level - 1])
    taken.conv(f"{_OUTMOST}.3", "out.conv", transposed=True, bias=True, required=True)
    for name in [f"up.{number}" for number in range(1, depth - 1)] + ["out"]:
        _swap_inputs(taken.weights, f"{name}.conv.weight")
    return taken.finish(
        "the U-Net generator of the CycleGAN repository",
        {
            "generator.network": "unet",
            "generator.norm": norm,
            "generator.norm_eps": 1e-5,
            "generator.activation": "relu",
            "generator.down_activation": "leaky_relu",
            "generator.slope": 0.2,
            "generator.halving": "stride",
            "generator.width": width,
            "generator.depth": depth,
            "generator.kernel": 0,
            "generator.upsample": "transposed",
            "generator.skip_relu": True,
        },
        first="down.0.conv",
        notes=(_UNSAID,),
    )


def _swap_inputs(weights: dict[str, Tensor], name: str) -> None:
    """Exchange both halves of the inputs: the authors join skip and map, we map and skip."""
    weight = weights.get(name)
    if weight is not None and weight.dim() == 4:
        weights[name] = torch.cat(weight.chunk(2)[::-1])
