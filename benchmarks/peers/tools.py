"""Tools that compute FID: their differences, and how their processes run."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from benchmarks.peers import stages
from benchmarks.peers.job import WORKERS, Job, Numbers, Stages, read_job
from benchmarks.processes import call, run, score

TF1 = "TensorFlow 1"
HALF_PIXEL = "half-pixel"


@dataclass(frozen=True)
class Tool:
    """One row of the table; tools with the same resize must agree."""

    package: str
    resize: str  # pictures to the network's input
    run: Callable[[Job, Stages], Numbers]  # its own functions, stage by stage
    note: str  # other differences of these, and how it gets the weights
    whole: str  # the same for a whole process
    batch_size: int | None = None  # its own default; mifid reports its own, torchmetrics has none
    # Its own command, if it has one, and a function that reads FID from the output; else `run`.
    command: Callable[[Job], tuple[list[str], Callable[[str], float]]] | None = None


def _torch_fidelity(job: Job) -> tuple[list[str], Callable[[str], float]]:
    command = ["torch_fidelity.fidelity", "--fid", "--json"]
    command += ["--cpu"] if job.device == "cpu" else ["--gpu", "0"]
    command += ["--input1", str(job.generated), "--input2", str(job.reference)]
    command += ["--batch-size", str(job.batch_size or TOOLS["torch-fidelity"].batch_size)]
    command += ["--feature-extractor-weights-path", str(job.weights)]
    return command, lambda out: float(
        json.loads(out[out.index("{") :])["frechet_inception_distance"]
    )


def _pytorch_fid(job: Job) -> tuple[list[str], Callable[[str], float]]:
    command = ["pytorch_fid", str(job.generated), str(job.reference), "--device", job.device]
    command += ["--batch-size", str(job.batch_size or TOOLS["pytorch-fid"].batch_size)]

    def read(out: str) -> float:
        found = re.search(r"^FID:\s+(\S+)$", out, re.MULTILINE)
        if found is None:
            raise click.ClickException(f"pytorch-fid printed no FID:\n{out[-2000:]}")
        return float(found[1])

    return command, read


TOOLS = {
    "mifid": Tool(
        package="mifid",
        resize=TF1,
        run=stages.run_mifid,
        note="backend OpenVINO, with the network already converted (loading takes a second "
        "or two; only the very first run converts it, with torch). Decodes in threads "
        "of one process; singular values of a matrix as wide as the smaller set. Its "
        "seconds include hashing all files for the cache (which is off) and the "
        "memorization distance. Weights: a file (`--weights`).",
        whole="`mifid score --metrics mifid --ci 0`, backend OpenVINO: FID and memorization "
        "distance; the other tools compute only FID. Its seconds include hashing all "
        "files for the cache. Decodes in threads.",
    ),
    "mifid-torch": Tool(
        package="mifid",
        resize=TF1,
        run=stages.run_mifid_torch,
        note="the same with backend torch.",
        whole="the same with backend torch.",
    ),
    "torch-fidelity": Tool(
        package="torch-fidelity",
        resize=TF1,
        run=stages.run_torch_fidelity,
        command=_torch_fidelity,
        batch_size=64,
        note="`eigvals` of the 2048 × 2048 product. Weights: `feature_extractor_weights_path`.",
        whole="its command `fidelity --fid --cpu`. Decodes in processes, as do all tools below.",
    ),
    "clean-fid-tensorflow": Tool(
        package="clean-fid",
        resize=TF1,
        run=stages.run_clean_fid_tensorflow,
        batch_size=32,
        note="mode `legacy_tensorflow`: `sqrtm`; the network in TorchScript, resize by grid "
        "sampling; 12 decoding processes on any machine. Its published file holds its "
        "own weights, so this file is made from mifid's weights and torch-fidelity's "
        "layers.",
        whole="has no command: a process calls the functions of `compute_fid` in mode "
        "`legacy_tensorflow`. Resize by grid sampling.",
    ),
    "torchmetrics-fid": Tool(
        package="torchmetrics",
        resize=TF1,
        run=stages.run_torchmetrics_fid,
        batch_size=32,
        note="`FrechetInceptionDistance(antialias=False)`: `eigvals`, covariances from "
        "running sums. It has no loader, so torch-fidelity's loads the pictures. "
        "Weights: `feature_extractor_weights_path`.",
        whole="has no command and no loader: torch-fidelity's dataset feeds "
        "`FrechetInceptionDistance(antialias=False)`, with one process per core and a "
        "batch size of our choice.",
    ),
    "torchmetrics-mifid": Tool(
        package="torchmetrics",
        resize=TF1,
        run=stages.run_torchmetrics_mifid,
        batch_size=32,
        note="`MemorizationInformedFrechetInceptionDistance`, with its own network and "
        "`antialias=False`. The memorization distance is reversed: a mean over the "
        "reference of the minimum over the generated pictures. Its FID is its MiFID "
        "times the distance.",
        whole="the same for `MemorizationInformedFrechetInceptionDistance`, which also computes a "
        "memorization distance: the reverse of Kaggle's.",
    ),
    "torchmetrics-default": Tool(
        package="torchmetrics",
        resize=HALF_PIXEL + ", antialiased",
        run=stages.run_torchmetrics_default,
        batch_size=32,
        note="the same with its defaults, where antialiasing cannot be switched off (it does "
        "not change pictures that are enlarged). Weights: torch hub's cache. All three "
        "torchmetrics rows run the same network on the same pictures: their differences "
        "show how exact the times are.",
        whole="the same with its defaults: antialiasing; a different number.",
    ),
    "pytorch-fid": Tool(
        package="pytorch-fid",
        resize=HALF_PIXEL,
        run=stages.run_pytorch_fid,
        command=_pytorch_fid,
        batch_size=50,
        note="PyTorch's bilinear resize, then x / 127.5 - 1 instead of the graph's (x - 128) "
        "/ 128; `sqrtm`. Weights: torch hub's cache.",
        whole="its command. PyTorch's bilinear resize; a different number, not comparable.",
    ),
    "clean-fid-pytorch": Tool(
        package="clean-fid",
        resize=HALF_PIXEL,
        run=stages.run_clean_fid_pytorch,
        batch_size=32,
        note="mode `legacy_pytorch`: `sqrtm`; network, resize and scaling are pytorch-fid's. "
        "Weights: torch hub's cache.",
        whole="the same in mode `legacy_pytorch`: network, resize and number are pytorch-fid's.",
    ),
}


def choose(asked: str, known: Iterable[str]) -> list[str]:
    """Split names at commas, add mifid, and sort them in the order of ``known``.

    Raises:
        click.ClickException: one is unknown, or not installed.
    """
    names, wanted = list(known), {"mifid", *asked.split(",")}
    if unknown := sorted(wanted - set(names)):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(names)}.")
    chosen = [name for name in names if name in wanted]
    for name in chosen:
        try:
            version(TOOLS[name].package)
        except PackageNotFoundError as error:
            hint = "pip install -e '.[peers]', or leave it out with --tools"
            raise click.ClickException(f"{name} is not installed: {hint}") from error
    return chosen


# --- stage by stage -------------------------------------------------------------------------------


def run_stages(*, tool: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a tool's own functions in this process; return its `Numbers`, and seconds by stage."""
    timed = Stages()
    given = read_job(job)
    if given.batch_size is None:
        given = read_job({**job, "batch_size": TOOLS[tool].batch_size})
    return {**asdict(TOOLS[tool].run(given, timed)), "seconds": timed.seconds}


# --- from process start to number -----------------------------------------------------------------

FIRST, COLD, CACHED = "first run ever", "cold", "cached"
STATES = {
    FIRST: "the cache is empty: mifid also converts the network for OpenVINO in this time (backend "
    "torch converts nothing)",
    COLD: "no features are cached; an earlier run converted the network",
    CACHED: "the same command again: the features of both sides are cached",
}
"""States of mifid's cache. The other tools cache no features of folders: always cold."""


@dataclass(frozen=True)
class Result:
    """Numbers that a process computed, and its time and memory."""

    fid: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    together_mib: float | None
    batch_size: int
    workers: int
    pictures: tuple[int, int] | None = None  # numbers of pictures; None if it does not report them
    distance: float | None = None
    reversed: float | None = None
    rate: float | None = None  # generated pictures/s of the extraction; None if not reported


def run_states(tool: str, job: Job) -> dict[str, Result]:
    """Run a tool from process start to number in every state of its cache.

    Raises:
        click.ClickException: it failed.
    """
    if TOOLS[tool].package != "mifid":
        return {COLD: run_cold(tool, job)}
    results = {}
    converted = job.peers / "openvino"
    if tool == "mifid":  # torch's first run is a cold one
        with tempfile.TemporaryDirectory() as cache:
            results[FIRST] = _ours(tool, job, cache)
            # For all later runs.
            shutil.copytree(Path(cache, "openvino"), converted, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        if tool == "mifid":
            shutil.copytree(converted, Path(cache, "openvino"))
        for state in (COLD, CACHED):
            results[state] = _ours(tool, job, cache)
    return results


def run_cold(tool: str, job: Job, env: Mapping[str, str] | None = None) -> Result:
    """Run a tool with an empty cache; ``env`` is added to the environment.

    Raises:
        click.ClickException: it failed.
    """
    row = TOOLS[tool]
    env = {**job.environment, **(env or {})}
    if row.package == "mifid":
        with tempfile.TemporaryDirectory() as cache:
            return _ours(tool, job, cache, env)
    if row.command is None:
        numbers, done = call(
            "peers.tools:run_stages", tool=tool, job=asdict(job), env=env, watch=True
        )
        found = {key: numbers[key] for key in ("fid", "distance", "reversed")}
        found["pictures"] = tuple(numbers["pictures"])
    else:
        command, read = row.command(job)
        done = run([sys.executable, "-m", *command], env=env, watch=True)
        found = {"fid": read(done.stdout)}
    batch_size = job.batch_size or row.batch_size or 0
    return Result(**found, **done.costs, batch_size=batch_size, workers=WORKERS[row.package])


def _ours(tool: str, job: Job, cache: str, env: Mapping[str, str] | None = None) -> Result:
    backend = "openvino" if tool == "mifid" else "torch"
    options = ["--weights", str(job.weights), "--backend", backend, "--device", job.device]
    options += ["--metrics", "mifid", "--ci", "0"]
    options += ["--batch-size", str(job.batch_size)] if job.batch_size else []
    env = {**(env or {}), "MIFID_CACHE": cache}
    report, done = score(job.generated, job.reference, *options, env=env, watch=True)
    if (ran := report["protocol"]["backend"]) != backend:
        raise click.ClickException(f"asked for backend {backend}, mifid ran {ran}")
    extracting = report["seconds"].get("extract generated")
    return Result(
        fid=report["fid"],
        **done.costs,
        batch_size=report["protocol"]["batch_size"],
        workers=WORKERS["mifid"],
        pictures=(report["n_generated"], report["n_reference"]),
        distance=report["memorization_distance"],
        rate=report["n_generated"] / extracting if extracting else None,
    )
