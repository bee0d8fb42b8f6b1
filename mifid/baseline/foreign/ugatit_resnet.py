"""U-GAT-IT's generator, light and full.

The file of a run is a dict of six networks, ``genA2B``, ``genB2A``, ``disGA``, ``disGB``, ``disLA``
and ``disLB``; :mod:`mifid.baseline.foreign.recognition` takes one generator out of it.

Source: networks.py of znxlwm/UGATIT-pytorch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from mifid.baseline.foreign.layout import Recognised, Translation

__all__ = ["recognise"]

_FIRST_BLOCK = 12  # number of the encoder's first block: three convolutions, each of four layers
_UNSAID = (
    "the first version of U-GAT-IT's PyTorch code took variances of variances in its norms: a file "
    "trained with it paints otherwise here, and nothing in it says so"
)


def recognise(weights: Mapping[str, Tensor]) -> Recognised | None:
    """Return the generator that the weights are of; None: they are of something else.

    Raises:
        WeightsError: it is such a generator, but not one that our network can be.
    """
    stem = weights.get("DownBlock.1.weight")
    if stem is None or stem.dim() != 4 or "gap_fc.weight" not in weights:
        return None
    blocks = 0
    while f"DownBlock.{_FIRST_BLOCK + blocks}.conv_block.1.weight" in weights:
        blocks += 1
    taken = Translation(weights, norm="layer")  # no bias before any norm, nor without one
    for number, name in ((1, "stem"), (5, "down1"), (9, "down2")):
        taken.conv(f"DownBlock.{number}", f"{name}.conv")
    for block in range(blocks):
        theirs = f"DownBlock.{_FIRST_BLOCK + block}.conv_block"
        for number, name in ((1, "first"), (5, "second")):
            taken.conv(f"{theirs}.{number}", f"inner.{block}.{name}.conv")
    for theirs, ours in (("gap_fc", "average"), ("gmp_fc", "maximum")):
        taken.conv(theirs, f"activation_map.{ours}")
    taken.conv("conv1x1", "activation_map.join", bias=True, required=True)
    for theirs, ours in (
        *(("FC.0", "style.first"), ("FC.2", "style.second")),
        *(("gamma", "scale"), ("beta", "shift")),
    ):
        taken.conv(theirs, ours)
    for block in range(blocks):
        for number, name in ((1, "first"), (2, "second")):
            theirs = f"UpBlock1_{block + 1}"
            taken.conv(f"{theirs}.conv{number}", f"blocks.{block}.{name}")
            taken.vector(f"{theirs}.norm{number}.rho", f"blocks.{block}.{name}_norm.rho")
    for number, name in ((2, "up1"), (7, "up2")):
        taken.conv(f"UpBlock2.{number}", f"{name}.conv.conv")
        for theirs, ours in (("rho", "rho"), ("gamma", "weight"), ("beta", "bias")):
            taken.vector(f"UpBlock2.{number + 1}.{theirs}", f"{name}.norm.{ours}")
    taken.conv("UpBlock2.11", "out.conv")
    width = stem.shape[0]
    side = _side(weights.get("FC.0.weight"), width)
    form = "full" if side else "light"
    return taken.finish(
        f"U-GAT-IT's generator ({form})",
        {
            "generator.network": "ugatit_full" if side else "ugatit",
            "generator.width": width,
            "generator.blocks": blocks,
            "generator.norm_eps": 1e-5,
        },
        first="stem.conv",
        notes=(_UNSAID,),
        size=side,
    )


def _side(weight: Tensor | None, width: int) -> int | None:
    """Return the side of the pictures that a full form was built for; None: it is a light one."""
    if weight is None or weight.dim() != 2 or not 0 < 4 * width < weight.shape[1]:
        return None
    return 4 * math.isqrt(weight.shape[1] // (4 * width))
