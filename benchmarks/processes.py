"""The tools as their users run them, from process start to number.

Where a tool has a command, that command runs; else its own functions do (peers.py), in a process of
their own.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from child import environment, run_child
from machine import Measured, run_measured
from peer_job import WORKERS, Job
from peers import TOOLS
from tree import together

__all__ = ["BATCH_SIZES", "CACHED", "COLD", "FIRST", "STATES", "Result", "run"]

FIRST, COLD, CACHED = "first run ever", "cold", "cached"
STATES = {
    FIRST: "nothing is kept: mifid converts the network for OpenVINO within its time (backend "
    "torch has nothing to convert)",
    COLD: "no features are kept; the network was converted by an earlier run",
    CACHED: "the same command again: the features of both sides are kept",
}
"""What mifid finds in its cache. The peers keep nothing of folders of pictures: always cold."""

BATCH_SIZES = {
    "torch-fidelity": 64,
    "pytorch-fid": 50,
    "clean-fid-tensorflow": 32,
    "clean-fid-pytorch": 32,
    "torchmetrics-fid": 32,
    "torchmetrics-mifid": 32,
    "torchmetrics-default": 32,
}
"""The peers' own defaults; torchmetrics has none. mifid tells its own."""


@dataclass(frozen=True)
class Result:
    """What a process found and took.

    Attributes:
        fid: Fréchet Inception Distance.
        seconds: from its start to its end.
        cpu_seconds: processor time of all its processes.
        peak_mib: of its largest process.
        together_mib: of all its processes, looked at now and then; None if it ended before.
        batch_size: pictures at a time.
        workers: what decodes.
        pictures: how many it met, generated and reference; None if it does not tell.
        distance: memorization distance, if it computes it as Kaggle does.
        reversed: the other way round.
        rate: generated pictures/s while it extracted; None if it did not, or does not tell.
    """

    fid: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    together_mib: float | None
    batch_size: int
    workers: int
    pictures: tuple[int, int] | None = None
    distance: float | None = None
    reversed: float | None = None
    rate: float | None = None


def run(tool: str, job: Job, batch_size: int | None) -> dict[str, Result]:
    """Run a tool; return its results by state.

    Args:
        tool: a name of :data:`peers.TOOLS`.
        job: what was prepared; its batch size is not looked at.
        batch_size: None: the tool's own default.

    Raises:
        click.ClickException: it failed.
    """
    if tool in _OURS:
        return _ours(job, _OURS[tool], batch_size)
    job = replace(job, batch_size=batch_size or BATCH_SIZES[tool])
    return {COLD: _COMMANDS.get(tool, partial(_in_child, tool))(job)}


# --- mifid ---------------------------------------------------------------------------------------

_OURS = {"mifid": "openvino", "mifid-torch": "torch"}


def _ours(job: Job, backend: str, batch_size: int | None) -> dict[str, Result]:
    results = {}
    converts = backend == "openvino"  # torch's first run is a cold one
    if converts:
        with tempfile.TemporaryDirectory() as cache:
            results[FIRST] = _score(job, backend, batch_size, Path(cache))
            # For all later runs.
            shutil.copytree(Path(cache, "openvino"), job.peers / "openvino", dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        if converts:
            shutil.copytree(job.peers / "openvino", Path(cache, "openvino"))
        for state in (COLD, CACHED):
            results[state] = _score(job, backend, batch_size, Path(cache))
    return results


def _score(job: Job, backend: str, batch_size: int | None, cache: Path) -> Result:
    command = [sys.executable, "-m", "mifid_cli", "score", str(job.generated)]
    command += ["--ref", str(job.reference), "--weights", str(job.weights)]
    command += ["--backend", backend, "--device", "cpu", "--metrics", "mifid", "--ci", "0"]
    command += ["--batch-size", str(batch_size)] if batch_size else []
    measured, mib = _watched([*command, "--json"], {"MIFID_CACHE": str(cache)})
    told = json.loads(measured.stdout)
    if (ran := told["protocol"]["backend"]) != backend:
        raise click.ClickException(f"asked for backend {backend}, mifid ran {ran}")
    extracting = told["seconds"].get("extract generated")
    return Result(
        fid=told["fid"],
        **_costs(measured, mib),
        batch_size=told["protocol"]["batch_size"],
        workers=WORKERS["mifid"],
        pictures=(told["n_generated"], told["n_reference"]),
        distance=told["memorization_distance"],
        rate=told["n_generated"] / extracting if extracting else None,
    )


# --- the peers -----------------------------------------------------------------------------------


def _torch_fidelity(job: Job) -> Result:
    command = [sys.executable, "-m", "torch_fidelity.fidelity", "--fid", "--json", "--cpu"]
    command += ["--input1", str(job.generated), "--input2", str(job.reference)]
    command += ["--batch-size", str(job.batch_size)]
    command += ["--feature-extractor-weights-path", str(job.weights)]
    measured, mib = _watched(command, environment(job))
    found = json.loads(measured.stdout[measured.stdout.index("{") :])
    return _of_command(
        "torch-fidelity", job, found["frechet_inception_distance"], _costs(measured, mib)
    )


def _pytorch_fid(job: Job) -> Result:
    command = [sys.executable, "-m", "pytorch_fid", str(job.generated), str(job.reference)]
    command += ["--device", "cpu", "--batch-size", str(job.batch_size)]
    measured, mib = _watched(command, environment(job))
    found = re.search(r"^FID:\s+(\S+)$", measured.stdout, re.MULTILINE)
    if found is None:
        raise click.ClickException(f"pytorch-fid printed no FID:\n{measured.stdout[-2000:]}")
    return _of_command("pytorch-fid", job, float(found[1]), _costs(measured, mib))


_COMMANDS: dict[str, Callable[[Job], Result]] = {
    "torch-fidelity": _torch_fidelity,
    "pytorch-fid": _pytorch_fid,
}


def _of_command(tool: str, job: Job, fid: float, costs: Mapping[str, Any]) -> Result:
    return Result(fid=fid, **costs, batch_size=job.batch_size, workers=WORKERS[TOOLS[tool].package])


def _in_child(tool: str, job: Job) -> Result:
    with together() as memory:
        measured = run_child(tool, job)
    found = json.loads(measured.stdout.splitlines()[-1])
    told = {key: found[key] for key in ("fid", "workers", "distance", "reversed")}
    return Result(
        **told,
        **_costs(measured, memory.peak_mib),
        batch_size=job.batch_size,
        pictures=tuple(found["pictures"]),
        rate=None,
    )


def _watched(command: Sequence[str], env: Mapping[str, str]) -> tuple[Measured, float | None]:
    with together() as memory:
        measured = run_measured(command, env=env)
    if measured.code:
        said = f"{measured.stdout[-500:]}{measured.stderr[-2000:]}"
        raise click.ClickException(f"{' '.join(command[1:4])} failed:\n{said}")
    return measured, memory.peak_mib


def _costs(measured: Measured, together_mib: float | None) -> dict[str, Any]:
    kept = ("seconds", "cpu_seconds", "peak_mib")
    costs = {key: value for key, value in asdict(measured).items() if key in kept}
    return {**costs, "together_mib": together_mib}
