"""Stages of the GPU's benchmark: their table, their inputs, their records, and the preparation."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.pictures import draw_pictures, pictures_of
from benchmarks.processes import run

PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")


STAGES = {
    "machine": ("benchmarks.gpu.stage:machine", ""),
    "inputs": ("benchmarks.gpu.stage:inputs", "Drawn by mifid, if not given; random weights."),
    "parity": (
        "benchmarks.gpu.parity:parity",
        "Errors of features are relative to a float64 run of torch-fidelity's layers, differences "
        "of FID and memorization distance to the exact values. `exact` and `fast` are mifid's "
        "`--precision`; the others are the same network in other arithmetic.",
    ),
    "network": (
        "benchmarks.gpu.network:network",
        "The network alone, with its input (299 x 299) on the device. Shares of the roof are "
        "relative to large matrix products. Compiled networks use channels last.",
    ),
    "pipeline": ("benchmarks.gpu.pipeline:pipeline", "Each step from a zip to features."),
    "submission": (
        "benchmarks.gpu.processes:submission",
        "Whole processes from zip to score. Seconds after imports do not include starting Python.",
    ),
    "peers": (
        "benchmarks.gpu.processes:peers",
        "Whole processes in turn. By default, torch convolves on CUDA in TF32, so the first "
        "numbers of other tools use it; mifid uses float32. Without TF32 is one more run of each "
        "with NVIDIA_TF32_OVERRIDE=0; this number must agree.",
    ),
    "training": ("benchmarks.gpu.training:training", "Seconds of a training step."),
    "generation": ("benchmarks.gpu.training:generation", "Photos to a checked images.zip."),
    "train-short": ("benchmarks.gpu.training:train_short", "It only shows that training works."),
}
"""Name -> f(plan, recorder) and what the report says of it, in order of execution."""

WITHOUT_INPUTS = {"machine", "network", "training"}


@dataclass(frozen=True)
class Plan:
    """Inputs of a stage."""

    device: str  # "cuda" or "cpu"
    toy: bool  # run everything once, at sizes for a CPU; the numbers mean nothing
    photos: Path  # folder of JPEGs, used as generated pictures; drawn if missing
    paintings: Path
    work: Path  # for temporary files
    out: Path  # for results

    @property
    def weights(self) -> Path:
        """File of the random weights."""
        return self.work / "weights.pth"

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    def sizes(self, real: Mapping[str, Any], toy: Mapping[str, Any]) -> SimpleNamespace:
        """Return a stage's amounts of work; ``toy`` replaces some of the real ones."""
        return SimpleNamespace(**{**real, **(toy if self.toy else {})})


class Recorder:
    """Numbers, checks and errors of one stage, in a file that is rewritten with each of them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.records: dict[str, Any] = {"found": {}, "checks": [], "errors": []}
        self._write()

    def record(self, name: str, value: Any) -> None:
        """Record a number, or a list or dict of numbers; units are part of the name."""
        self.records["found"][name] = value
        self._write()

    def at_most(self, name: str, value: float, bound: float) -> None:
        """Check ``value <= bound``; NaN fails."""
        self._check(name, value, f"at most {bound:g}", value <= bound)

    def at_least(self, name: str, value: float, bound: float) -> None:
        """Check ``value >= bound``; NaN fails."""
        self._check(name, value, f"at least {bound:g}", value >= bound)

    def holds(self, name: str, value: bool, otherwise: str = "") -> None:
        """Check that ``value`` is true; ``otherwise`` explains a failure."""
        self._check(name, "yes" if value else f"no {otherwise}".strip(), "yes", value)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run an independent part of a stage; record its error without stopping the stage."""
        try:
            yield
        except Exception:
            self.records["errors"].append({"part": name, "error": traceback.format_exc()[-2000:]})
            self._write()

    @property
    def sound(self) -> bool:
        """Whether no error was recorded and every check passed."""
        passed = all(check["passed"] for check in self.records["checks"])
        return passed and not self.records["errors"]

    def _check(self, name: str, value: float | str, bound: str, passed: bool) -> None:
        check = {"name": name, "value": value, "bound": bound, "passed": bool(passed)}
        self.records["checks"].append(check)
        self._write()

    def _write(self) -> None:
        write_json(self._file, {**self.records, "sound": self.sound})


def write_json(file: Path, value: Any) -> None:
    """Write a file completely or not at all; NumPy's numbers become Python's."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(value, indent=1, default=float) + "\n")
    os.replace(new, file)


def run_stage(*, function: str, plan: Mapping[str, Any], file: str) -> bool:
    """Run a stage in this process, with its records in ``file``; return whether all is sound."""
    recorder = Recorder(Path(file))
    module, _, name = function.partition(":")
    folders = {key: Path(plan[key]) for key in ("photos", "paintings", "work", "out")}
    with recorder.part(name):
        getattr(import_module(module), name)(Plan(**{**plan, **folders}), recorder)
    return recorder.sound


# --- preparation ----------------------------------------------------------------------------------


def machine(plan: Plan, recorder: Recorder) -> None:
    """Record the processor, the GPUs, and versions; check that there is the device."""
    import torch

    recorder.record("described", describe_machine(PACKAGES))
    recorder.record("usable_cores", len(os.sched_getaffinity(0)))
    ready = not plan.on_cuda or torch.cuda.is_available()
    recorder.holds(f"torch finds the device {plan.device}", ready)
    if not plan.on_cuda or not ready:
        return
    recorder.record("cuda", torch.version.cuda)
    recorder.record("cudnn", torch.backends.cudnn.version())
    count = torch.cuda.device_count()
    recorder.record("gpus", [torch.cuda.get_device_name(number) for number in range(count)])
    properties = torch.cuda.get_device_properties(0)
    recorder.record("gpu_memory_gib", properties.total_memory / 2**30)
    recorder.record("multiprocessors", properties.multi_processor_count)
    with recorder.part("driver"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        recorder.record("driver", run(query).stdout.splitlines()[0].strip())


REAL = {"photos": 7_038, "paintings": 300}
TOY = {"photos": 3, "paintings": 3}


def inputs(plan: Plan, recorder: Recorder) -> None:
    """Draw photos, paintings and random weights if there are none yet."""
    counts = vars(plan.sizes(REAL, TOY))
    for (name, count), kind in zip(counts.items(), ("photo", "painting"), strict=True):
        folder: Path = getattr(plan, name)
        recorder.record(f"{name}_drawn", folder.is_relative_to(plan.work))
        if not folder.is_dir():
            draw_pictures(folder=str(folder), count=count, kind=kind)
        recorder.record(name, len(pictures_of(folder)))
    if not plan.weights.exists():  # drawing them takes seconds
        import torch

        from mifid.extractors.inception import RandomInception

        torch.save(dict(RandomInception().state_dict()), plan.weights)
