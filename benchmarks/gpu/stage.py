"""Inputs and records of a stage, and the preparation: machine and pictures."""

from __future__ import annotations

import json
import math
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.pictures import draw_pictures, pictures_of
from benchmarks.processes import run

STAGES = {
    "parity": "benchmarks.gpu.parity:parity",
    "network": "benchmarks.gpu.network:network",
    "pipeline": "benchmarks.gpu.pipeline:pipeline",
    "submission": "benchmarks.gpu.processes:submission",
    "peers": "benchmarks.gpu.processes:peers",
    "training": "benchmarks.gpu.training:training",
    "generation": "benchmarks.gpu.training:generation",
    "train-short": "benchmarks.gpu.training:train_short",
}
"""Name -> f(plan, recorder), in order of execution. Modules are imported when they run."""

PREPARATIONS = {
    "machine": "benchmarks.gpu.stage:machine",
    "pictures": "benchmarks.gpu.stage:pictures",
}
"""Functions that run before the stages."""

WEIGHTS = "weights.pth"
"""File of the random weights in the working folder, since drawing them takes seconds."""

WITHOUT_PICTURES = frozenset({"network", "training"})
"""Stages that need no pictures."""

GOALS = {
    "extraction_over_bare_network": 0.8,
    "submission_seconds_after_imports": 5.0,
    "times_torch_fidelity": 5.0,
}
"""Goals, set before the measurements; checked only at real sizes."""


def run_stage(*, function: str, plan: Mapping[str, Any], result: str) -> None:
    """Run a stage in this process, with its records in the file ``result``."""
    recorder = Recorder(Path(result))
    module, _, name = function.partition(":")
    with recorder.part(name):
        folders = {key: Path(plan[key]) for key in ("photos", "paintings", "work", "out")}
        stage = getattr(import_module(module), name)
        stage(Plan(**{**plan, **folders}), recorder)


# --- inputs --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """Amounts of work of all stages."""

    photos: int  # number to draw if none are given
    paintings: int
    parity: tuple[int, int]  # generated and reference pictures
    parity_batches: tuple[int, ...]  # batch sizes that must give the same features
    shapes: tuple[tuple[int, int], ...]  # of pictures; more shapes than kept CUDA graphs
    turns: int  # repetitions of all shapes
    network_batches: tuple[int, ...]  # of the network alone; only `batch` runs all variants
    batch: int  # batch size of the pipeline
    layers: int | None  # first layers of the network alone; None: all
    compiler: str  # backend of torch.compile
    seconds: float  # time of each measurement of a rate
    matrix: int  # rows and columns of the matrix products
    copied_mib: int  # size of a copy to the device
    pictures: int | None  # number for the pipeline's stages; None: all
    decoders: tuple[tuple[str, int], ...]  # kind and number of workers
    extractions: tuple[str, ...]  # precisions of the whole extraction
    rounds: int  # of whole processes
    submissions: tuple[str, ...]  # ways of gpu/processes.py to score a submission
    peers: tuple[str, ...]  # tools of peers/tools.py
    trained: tuple[str, ...]  # networks whose training step is timed
    training: tuple[str, ...]  # options of benchmarks/training.py
    generation: tuple[str, ...]  # options of benchmarks/generation.py
    steps: int  # of the short training
    precisions: tuple[
        str, ...
    ]  # of the short training, one run each; that of float32 is interrupted
    training_options: tuple[str, ...]  # further options of `mifid train-baseline`


REAL = Sizes(
    photos=7_038,
    paintings=300,
    parity=(512, 300),
    parity_batches=(1, 7, 128),
    shapes=((256, 256), (200, 300), (64, 64), (299, 299), (512, 384), (100, 120)),
    turns=3,
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
    photos=3,
    paintings=3,
    parity=(2, 2),
    parity_batches=(1, 2),
    shapes=((32, 32), (40, 48)),
    turns=1,
    network_batches=(1, 2),
    batch=2,
    layers=1,
    compiler="eager",
    seconds=0.01,
    matrix=64,
    copied_mib=1,
    pictures=2,
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
    steps=40,
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
"""Everything once, within seconds on a CPU; the numbers mean nothing."""


@dataclass(frozen=True)
class Plan:
    """Inputs of a stage."""

    device: str  # "cuda" or "cpu"
    toy: bool  # which sizes
    photos: Path  # folder of JPEGs, used as generated pictures
    paintings: Path
    work: Path  # for temporary files
    out: Path  # for results

    @property
    def sizes(self) -> Sizes:
        """Amounts of work of all stages."""
        return TOY if self.toy else REAL

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")


# --- records -------------------------------------------------------------------------------------


class Recorder:
    """Numbers, checks and errors of one stage.

    Args:
        path: JSON file, rewritten with each record: ``"found"``, ``"checks"``, ``"errors"``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = {}
        self._checks: list[dict[str, Any]] = []
        self._errors: list[dict[str, str]] = []
        self._write()

    def record(self, name: str, value: Any) -> None:
        """Record a number, or a list or dict of numbers; units are part of the name."""
        self._found[name] = _plain(value)
        self._write()

    def at_most(self, name: str, value: float, bound: float) -> None:
        """Check ``value <= bound``; NaN fails."""
        self._check(name, value, f"at most {bound:g}", bool(value <= bound))

    def at_least(self, name: str, value: float, bound: float) -> None:
        """Check ``value >= bound``; NaN fails."""
        self._check(name, value, f"at least {bound:g}", bool(value >= bound))

    def holds(self, name: str, value: bool, otherwise: str = "") -> None:
        """Check that ``value`` is true; ``otherwise`` explains a failure."""
        self._check(name, "yes" if value else f"no {otherwise}".strip(), "yes", bool(value))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run an independent part of a stage; record its error without stopping the stage."""
        try:
            yield
        except Exception as error:
            self.fail(name, error)

    def fail(self, part: str, error: BaseException) -> None:
        """Record an error; name a missing package."""
        text = "".join(traceback.format_exception(error))
        if isinstance(error, ModuleNotFoundError):
            text += f"\nthe package of module '{error.name}' is missing: install it"
        self._errors.append({"part": part, "error": last_lines(text)})
        self._write()

    @property
    def sound(self) -> bool:
        """Whether no error was recorded and every check passed."""
        return not self._errors and all(check["passed"] for check in self._checks)

    def _check(self, name: str, value: float | str, bound: str, passed: bool) -> None:
        self._checks.append(
            {"name": name, "value": _plain(value), "bound": bound, "passed": passed}
        )
        self._write()

    def _write(self) -> None:
        records = {"found": self._found, "checks": self._checks, "errors": self._errors}
        write_json(self._path, records)


def write_json(path: Path, value: Any) -> None:
    """Write a file completely or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(new, path)


def last_lines(text: str, most: int = 12) -> str:
    """Return the end of an error's text."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-most:])[-2000:]


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers, paths and tuples into JSON's; NaN and infinities into words."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, Path):
        return value.name
    number = float(value)
    return number if math.isfinite(number) else str(number)


PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")


# --- preparation ---------------------------------------------------------------------------------


def machine(plan: Plan, recorder: Recorder) -> None:
    """Record the processor, the GPUs, and versions."""
    import torch

    recorder.record("described", describe_machine(PACKAGES))
    recorder.record("cores", os.cpu_count())
    recorder.record("usable_cores", len(os.sched_getaffinity(0)))
    recorder.record("torch", torch.__version__)
    ready = not plan.on_cuda or torch.cuda.is_available()
    recorder.record("ready", ready)
    recorder.holds(f"torch finds the device {plan.device}", ready)
    if not plan.on_cuda or not ready:
        return
    recorder.record("cuda", torch.version.cuda)
    recorder.record("cudnn", torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    count = torch.cuda.device_count()
    recorder.record("gpus", [torch.cuda.get_device_name(number) for number in range(count)])
    properties = torch.cuda.get_device_properties(0)
    recorder.record("gpu_memory_gib", properties.total_memory / 2**30)
    recorder.record("multiprocessors", properties.multi_processor_count)
    with recorder.part("driver"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        recorder.record("driver", run(query).stdout.splitlines()[0].strip())


DRAWN = "drawn"
"""Folder for the folders of drawn pictures."""


def pictures(plan: Plan, recorder: Recorder) -> None:
    """Draw photos and paintings if there are none yet."""
    start = time.perf_counter()
    for name, folder, count, kind in (
        ("photos", plan.photos, plan.sizes.photos, "photo"),
        ("paintings", plan.paintings, plan.sizes.paintings, "painting"),
    ):
        if not folder.is_dir():
            draw_pictures(folder=str(folder), count=count, kind=kind)
            recorder.record("seconds", time.perf_counter() - start)
        recorder.record(name, len(pictures_of(folder)))
        recorder.record(f"{name}_drawn", folder.parent.name == DRAWN)
