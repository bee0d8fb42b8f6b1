"""Inputs of the compared tools, and their preparation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import FILE, FOLDER
from benchmarks.pictures import draw_pictures
from benchmarks.processes import call

SCRIPTED = "inception-2015-12-05.pt"
"""Name of clean-fid's TorchScript file."""


@dataclass(frozen=True)
class Job:
    """Inputs of every tool."""

    generated: Path
    reference: Path
    weights: Path
    peers: Path  # files for the other tools
    draw: tuple[int, int]  # numbers of generated and reference pictures to draw if there are none
    batch_size: int | None = None  # None: each tool's own default
    device: str = "cpu"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point to the prepared files."""
        return {"TORCH_HOME": str(self.peers), "MIFID_CACHE": str(self.peers)}


def read_job(values: Mapping[str, Any]) -> Job:
    """Return a job from its JSON."""
    paths = {name: Path(values[name]) for name in ("generated", "reference", "weights", "peers")}
    return Job(**{**values, **paths})


def make_job(folder: Path, given: Mapping[str, Any], **more: Any) -> Job:
    """Return a job of the given inputs; those that are None will be made in ``folder``."""
    return Job(
        generated=given["generated"] or folder / "generated",
        reference=given["reference"] or folder / "reference",
        weights=given["weights"] or folder / "inception-random.pth",
        peers=folder / "peers",
        **more,
    )


def input_options(draw: tuple[int, int]) -> Callable[[Any], Any]:
    """Return a decorator that gives a command the options of its inputs and outputs."""
    options = (
        click.option("--generated", type=FOLDER, help="Generated pictures. Default: drawn."),
        click.option("--reference", type=FOLDER, help="Real pictures. Default: drawn."),
        click.option("--draw", type=(int, int), default=draw, show_default=True),
        click.option("--about", help="Description of the pictures, for the report."),
        click.option("--weights", type=FILE, help="Default: mifid's inception-random."),
        click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True),
        click.option("--json", "json_file", type=FILE, help="Write all numbers."),
    )

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def describe_inputs(given: Mapping[str, Any], pictures: tuple[int, int]) -> str:
    """Return a description of the pictures and the weights, without a path."""
    about = given["about"]
    if about is None:
        about = "{:,} generated pictures against {:,}".format(*pictures)
        about += "" if given["generated"] and given["reference"] else ", drawn by mifid"
    if given["weights"] is None:
        return f"{about}, with mifid's `inception-random` weights (seeded, not trained)"
    sha256 = hashlib.sha256(given["weights"].read_bytes()).hexdigest()
    return f"{about}, with weights of sha256 {sha256[:8]}..."


def prepare(job: Job, *, script: bool) -> None:
    """Draw missing pictures and put the weights where each tool finds them, without a download.

    - mifid, torch-fidelity and two rows of torchmetrics take a path.
    - pytorch-fid, clean-fid's legacy_pytorch and torchmetrics' MiFID search torch hub's cache for
      the name of the published file (and check no hash), so TORCH_HOME points to our cache.
    - clean-fid's legacy_tensorflow loads a TorchScript file, which is made if ``script``.
    """
    call("peers.job:prepare_here", job=asdict(job), script=script)  # as it imports torch


def prepare_here(*, job: Mapping[str, Any], script: bool) -> None:
    """Prepare a job in this process."""
    import torch

    from mifid.extractors.inception import RandomInception
    from mifid.extractors.weights import INCEPTION

    given = read_job(job)
    for folder, count, kind in (
        (given.generated, given.draw[0], "repainted"),
        (given.reference, given.draw[1], "painting"),
    ):
        if not folder.exists():
            draw_pictures(folder=str(folder), count=count, kind=kind)
    if not given.weights.exists():
        torch.save(dict(RandomInception().state_dict()), given.weights)
    hub = given.peers / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    for name in INCEPTION.names:
        (hub / name).symlink_to(given.weights.resolve())
    if script:
        _script(given)


def _script(job: Job) -> None:
    """Make the TorchScript file that clean-fid would download.

    That file's forward() resizes as TensorFlow 1 does, by sampling a grid that is shifted by half
    a pixel of either size, then scales; it has a child `layers` for the rest. The layers here are
    torch-fidelity's.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Scripted(torch.nn.Module):
        def __init__(self, layers: torch.nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            assert return_features
            n, channels, height, width = x.shape
            shift = [[1.0, 0.0, 1 / width - 1 / 299], [0.0, 1.0, 1 / height - 1 / 299]]
            grid = affine_grid(
                torch.tensor(shift, device=x.device).expand(n, 2, 3),
                [n, channels, 299, 299],
                align_corners=False,
            )
            x = grid_sample(x, grid, padding_mode="border", align_corners=False)
            return torch.flatten(self.layers((x - 128) / 128), 1)

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(job.weights)
    )
    layers = [layer for name, layer in network.named_children() if name != "fc"]
    scripted: Any = torch.jit.script(Scripted(torch.nn.Sequential(*layers)))
    scripted.save(job.peers / SCRIPTED)
