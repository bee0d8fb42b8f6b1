"""What a stage of benchmarks/gpu.py is told: where, on which pictures, how much of everything."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["GOALS", "REAL", "ROOT", "TOY", "Plan", "Sizes", "read_plan"]

ROOT = Path(__file__).resolve().parents[1]
"""The checkout that is measured."""

GOALS = {
    "extraction_over_bare_network": 0.8,
    "submission_seconds_after_imports": 5.0,
    "times_torch_fidelity": 5.0,
}
"""What was aimed at before anything was measured; told, and checked, on CUDA alone."""


@dataclass(frozen=True)
class Sizes:
    """How much each stage does.

    Attributes:
        photos, paintings: how many pictures are drawn, if none are given.
        parity: how many generated and reference pictures parity is measured on.
        parity_batches: batch sizes that must give the same features.
        shapes: (height, width) of pictures; more than the CUDA graphs that are kept.
        network_batches: batch sizes of the bare network; all variants run at ``batch`` alone.
        batch: pictures at a time in the pipeline.
        layers: of the bare network, from its first; None: all.
        compiler: backend of torch.compile.
        seconds: how long each rate is measured.
        matrix: rows and columns of the matrix products.
        copied_mib: memory that is copied to the device at a time.
        pictures: how many go through the pipeline's stages; None: all.
        decoders: (what decodes, how many).
        extractions: precisions of the whole extraction.
        rounds: how often whole processes run.
        submissions: how a submission is scored, of gpu_submission.WAYS.
        peers: who is compared, of gpu_peers.PEERS.
        trained: networks whose training step is timed.
        training, generation: options of benchmarks/training.py and generation.py.
        steps: of the short training.
        precisions: of it, one run each; float32's is interrupted.
        training_options: more of `mifid train-baseline`'s.
    """

    photos: int
    paintings: int
    parity: tuple[int, int]
    parity_batches: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    network_batches: tuple[int, ...]
    batch: int
    layers: int | None
    compiler: str
    seconds: float
    matrix: int
    copied_mib: int
    pictures: int | None
    decoders: tuple[tuple[str, int], ...]
    extractions: tuple[str, ...]
    rounds: int
    submissions: tuple[str, ...]
    peers: tuple[str, ...]
    trained: tuple[str, ...]
    training: tuple[str, ...]
    generation: tuple[str, ...]
    steps: int
    precisions: tuple[str, ...]
    training_options: tuple[str, ...]


REAL = Sizes(
    photos=7_038,
    paintings=300,
    parity=(512, 300),
    parity_batches=(1, 7, 128),
    shapes=((256, 256), (200, 300), (64, 64), (299, 299), (512, 384), (100, 120)),
    network_batches=(32, 64, 128, 256),
    batch=128,
    layers=None,
    compiler="inductor",
    seconds=0.5,
    matrix=8192,
    copied_mib=256,
    pictures=None,
    decoders=(("threads", 1), ("threads", 4), ("threads", 16), ("processes", 4), ("processes", 16)),
    extractions=("exact", "fast"),
    rounds=3,
    submissions=("exact, cold", "exact, cached", "fast, cold", "exact, cold, default interval"),
    peers=(
        "torch-fidelity",
        "pytorch-fid",
        "clean-fid-tensorflow",
        "clean-fid-pytorch",
        "torchmetrics-fid",
    ),
    trained=("unet", "resnet9"),
    training=(
        *("--batch", "4", "--rounds", "3", "--steps", "5"),
        *("--limit", "60", "--product", "8192"),
    ),
    generation=("--limit", "1000", "--rounds", "2"),
    steps=400,
    precisions=("float32", "bf16"),
    training_options=("--set", "training.log_steps=10", "--set", "score.points=2"),
)

TOY = Sizes(
    photos=4,
    paintings=4,
    parity=(2, 2),
    parity_batches=(1, 2),
    shapes=((32, 32), (40, 48)),
    network_batches=(1, 2),
    batch=2,
    layers=3,
    compiler="eager",
    seconds=0.01,
    matrix=64,
    copied_mib=1,
    pictures=3,
    decoders=(("threads", 1), ("processes", 2)),
    extractions=("exact",),
    rounds=1,
    submissions=("exact, cold", "exact, cached"),
    peers=("torch-fidelity",),
    trained=("unet",),
    training=(
        *("--batch", "1", "--size", "32", "--width", "4"),
        *("--rounds", "1", "--steps", "1", "--product", "64"),
    ),
    generation=("--limit", "2", "--size", "64", "--network", "resnet9", "--rounds", "1"),
    steps=60,
    precisions=("float32",),
    training_options=(
        *("--set", "data.size=32", "--set", "data.fit=stretch", "--set", "data.held_back=2"),
        *("--set", "generator.network=resnet", "--set", "generator.blocks=1"),
        *("--set", "generator.width=4", "--set", "discriminator.width=4"),
        *("--set", "discriminator.layers=1", "--set", "training.batch=2"),
        *("--set", "training.log_steps=1", "--set", "score.points=0"),
        *("--set", "optimiser.rate=0.002"),
    ),
)
"""Everything once, in seconds on a CPU: its numbers mean nothing."""


@dataclass(frozen=True)
class Plan:
    """What a stage is told.

    Attributes:
        device: ``"cuda"`` or ``"cpu"``.
        toy: which sizes.
        photos, paintings: folders of JPEGs; photos stand for the generated pictures.
        work: folder for files that nobody keeps.
        out: folder for files that are kept beside results.json.
    """

    device: str
    toy: bool
    photos: Path
    paintings: Path
    work: Path
    out: Path

    @property
    def sizes(self) -> Sizes:
        """How much each stage does."""
        return TOY if self.toy else REAL

    @property
    def on_cuda(self) -> bool:
        """Whether what is measured is a GPU."""
        return self.device.startswith("cuda")

    def write(self, path: Path) -> None:
        """Keep it for a process that runs a stage."""
        path.write_text(json.dumps(asdict(self), default=str))


def read_plan(path: Path) -> Plan:
    """Read what :meth:`Plan.write` wrote."""
    told: dict[str, Any] = json.loads(path.read_text())
    folders = {name: Path(told[name]) for name in ("photos", "paintings", "work", "out")}
    return Plan(**{**told, **folders})
