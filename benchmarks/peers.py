"""The tools that compute FID: how each is run, and what sets it apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import peer_stages
from peer_job import Job, Numbers, Stages

__all__ = ["HALF_PIXEL", "TF1", "TOOLS", "Tool"]


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Attributes:
        run: what it does.
        package: what is installed.
        resize: pictures to the network's input; tools with the same one must agree.
        note: what else sets it apart, and how it gets the weights.
    """

    run: Callable[[Job, Stages], Numbers]
    package: str
    resize: str
    note: str


TF1 = "TensorFlow 1"
HALF_PIXEL = "half-pixel"

TOOLS = {
    "mifid": Tool(
        peer_stages.run_mifid,
        "mifid",
        TF1,
        "backend OpenVINO, with the network converted before (a second or two of loading; the very "
        "first run converts it with torch). Decodes in threads of one process; singular values of "
        "a matrix as wide as the smaller set. Its seconds include the hashing of all files for the "
        "cache (which is off) and the memorization distance. The weights are a file (`--weights`).",
    ),
    "mifid-torch": Tool(
        peer_stages.run_mifid_torch,
        "mifid",
        TF1,
        "the same with backend torch.",
    ),
    "torch-fidelity": Tool(
        peer_stages.run_torch_fidelity,
        "torch-fidelity",
        TF1,
        "`eigvals` of the 2048 × 2048 product. Weights: `feature_extractor_weights_path`.",
    ),
    "clean-fid-tensorflow": Tool(
        peer_stages.run_clean_fid_tensorflow,
        "clean-fid",
        TF1,
        "mode `legacy_tensorflow`: `sqrtm`; the network in TorchScript, resizing by sampling a "
        "grid; 12 decoding processes whatever the machine. Its published file holds its own "
        "weights, so this one is made with ours, of torch-fidelity's layers.",
    ),
    "torchmetrics-fid": Tool(
        peer_stages.run_torchmetrics_fid,
        "torchmetrics",
        TF1,
        "`FrechetInceptionDistance(antialias=False)`: `eigvals`, covariances from running sums; "
        "has no loader, so torch-fidelity's reads. Weights: `feature_extractor_weights_path`.",
    ),
    "torchmetrics-mifid": Tool(
        peer_stages.run_torchmetrics_mifid,
        "torchmetrics",
        TF1,
        "`MemorizationInformedFrechetInceptionDistance` given its own network with "
        "`antialias=False`: the memorization distance is reversed, a mean over the reference of "
        "the minimum over the generated pictures. Its FID is its MiFID times the distance.",
    ),
    "torchmetrics-default": Tool(
        peer_stages.run_torchmetrics_default,
        "torchmetrics",
        HALF_PIXEL + ", antialiased",
        "the same as it comes, where antialiasing cannot be switched off (it does nothing to "
        "pictures that are enlarged). Weights: torch hub's cache. All three of torchmetrics run "
        "the same network over the same pictures: how far apart they are tells how far to trust a "
        "time.",
    ),
    "pytorch-fid": Tool(
        peer_stages.run_pytorch_fid,
        "pytorch-fid",
        HALF_PIXEL,
        "PyTorch's bilinear resize, then x / 127.5 - 1 where the graph has (x - 128) / 128; "
        "`sqrtm`. Weights: torch hub's cache.",
    ),
    "clean-fid-pytorch": Tool(
        peer_stages.run_clean_fid_pytorch,
        "clean-fid",
        HALF_PIXEL,
        "mode `legacy_pytorch`: `sqrtm`; network, resize and scaling are pytorch-fid's. Weights: "
        "torch hub's cache.",
    ),
}
