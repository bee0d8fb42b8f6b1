"""U-GAT-IT's generator, whose network is not here yet: it is recognised, to say so.

Source: networks.py of znxlwm/UGATIT-pytorch.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mifid.errors import WeightsError

__all__ = ["recognise"]


def recognise(weights: Mapping[str, Tensor]) -> None:
    """Refuse U-GAT-IT's generator; None: the weights are of something else.

    Raises:
        WeightsError: they are of U-GAT-IT's generator.
    """
    if "DownBlock.1.weight" not in weights or "gap_fc.weight" not in weights:
        return None
    raise WeightsError(
        "it is U-GAT-IT's generator, whose network mifid does not have yet",
        hint="Paint with U-GAT-IT's own program, put its pictures into images.zip, and score that: "
        "mifid score images.zip --ref monet_jpg/",
    )
