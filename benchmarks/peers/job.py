"""Inputs and results of the compared tools, their agreement, and their preparation."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.pictures import draw_pictures
from benchmarks.processes import call

STAGES = ("import", "load", "extract", "distance")

SCRIPTED = "inception-2015-12-05.pt"
"""Name of clean-fid's TorchScript file."""

_CORES = os.cpu_count() or 1

WORKERS = {
    "mifid": max(2, _CORES),
    "torch-fidelity": min(4, 2 * _CORES),
    "pytorch-fid": min(8, _CORES),
    "clean-fid": 12,
    "torchmetrics": _CORES,
}
"""Package -> decoding workers: threads of mifid, processes of the others. These are their own
defaults, except for torchmetrics, which has no loader."""


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


@dataclass(frozen=True)
class Numbers:
    """Numbers that a tool computes."""

    fid: float
    pictures: tuple[int, int]  # numbers of generated and reference pictures
    workers: int  # threads or processes that decode
    # Kaggle's memorization distance, a mean over the generated pictures of the minimum over the
    # reference; and the reversed one, a mean over the reference.
    distance: float | None = None
    reversed: float | None = None
    mifid: float | None = None  # with epsilon 0.1, as the tool itself computes it


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


TOLERANCE = 1e-4
"""Largest relative difference from mifid of a tool with the same resize."""


def differences(
    tool: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], *, same_resize: bool
) -> list[str]:
    """Return messages if a tool has other pictures than mifid, or other numbers at its resize.

    Args:
        tool: its name.
        theirs: ``"pictures"`` (a pair, or None if not reported), ``"fid"``, ``"distance"`` and
            ``"reversed"`` (None if it was not computed).
        ours: mifid's.
        same_resize: whether numbers are compared, too, and not only pictures.
    """
    said = []
    if theirs["pictures"] is not None and list(theirs["pictures"]) != list(ours["pictures"]):
        said.append(f"{tool} used {theirs['pictures']} pictures, mifid {ours['pictures']}")
    for key in ("fid", "distance", "reversed"):
        if same_resize and None not in (theirs[key], ours[key]):
            difference = theirs[key] / ours[key] - 1
            if not abs(difference) <= TOLERANCE:  # so, NaN is caught
                said.append(f"{tool}: {key} is {difference:+.1e} from mifid's, relative")
    return said


# --- options of the benchmarks --------------------------------------------------------------------

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def check_outputs(*files: Path | None) -> None:
    """Refuse output files that cannot be written, before the work begins.

    Raises:
        click.UsageError: the folder of a file does not exist.
    """
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: the folder {file.parent} does not exist")


def make_job(
    folder: Path,
    *,
    generated: Path | None,
    reference: Path | None,
    weights: Path | None,
    **more: Any,
) -> Job:
    """Return a job; inputs that are None will be made in ``folder``."""
    return Job(
        generated=generated or folder / "generated",
        reference=reference or folder / "reference",
        weights=weights or folder / "inception-random.pth",
        peers=folder / "peers",
        **more,
    )


def name_of(weights: Path | None) -> str:
    """Return a description of the weights, without a path."""
    if weights is None:
        return "mifid's `inception-random` weights (seeded, not trained)"
    return f"weights of sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}..."


# --- before the tools run -------------------------------------------------------------------------


def prepare(job: Job, *, script: bool, convert: bool = False) -> None:
    """Draw missing pictures and put the weights where each tool finds them, without a download.

    - mifid, torch-fidelity and two rows of torchmetrics take a path.
    - pytorch-fid, clean-fid's legacy_pytorch and torchmetrics' MiFID search torch hub's cache for
      the name of the published file (and check no hash), so TORCH_HOME points to our cache.
    - clean-fid's legacy_tensorflow loads a TorchScript file, which is made if ``script``.
    - mifid converts the network for OpenVINO in its first run, or now if ``convert``.
    """
    given = {"job": asdict(job), "script": script, "convert": convert}
    call("peers.job:prepare_here", env=job.environment, **given)  # as it imports torch


def prepare_here(*, job: Mapping[str, Any], script: bool, convert: bool) -> None:
    """Prepare a job in this process."""
    import torch

    from mifid.extractors import open_extractor
    from mifid.extractors.inception import RandomInception
    from mifid.extractors.weights import FILE_NAMES

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
    for name in FILE_NAMES:
        (hub / name).symlink_to(given.weights.resolve())
    if script:
        _script(given)
    if convert:
        open_extractor("inception", weights=given.weights, backend="openvino").load("cpu")


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
