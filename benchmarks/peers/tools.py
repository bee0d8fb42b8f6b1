"""The compared tools: one table, and how each runs from process start to number."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from benchmarks.peers import functions
from benchmarks.peers.job import Job, read_job
from benchmarks.processes import call, run, score

TF1 = "TensorFlow 1"
HALF_PIXEL = "half-pixel"
TOLERANCE = 1e-4
"""Largest relative difference from mifid of a tool with the same resize."""

_CORES = os.cpu_count() or 1

Command = Callable[[Job, int], tuple[list[str], Callable[[str], float]]]
"""Inputs and batch size -> the words of a command, and what reads FID from its output."""


def _torch_fidelity(job: Job, batch_size: int) -> tuple[list[str], Callable[[str], float]]:
    command = ["torch_fidelity.fidelity", "--fid", "--json", "--batch-size", str(batch_size)]
    command += ["--cpu"] if job.device == "cpu" else ["--gpu", "0"]
    command += ["--input1", str(job.generated), "--input2", str(job.reference)]
    command += ["--feature-extractor-weights-path", str(job.weights)]
    return command, lambda out: json.loads(out[out.index("{") :])["frechet_inception_distance"]


def _pytorch_fid(job: Job, batch_size: int) -> tuple[list[str], Callable[[str], float]]:
    command = ["pytorch_fid", str(job.generated), str(job.reference), "--device", job.device]
    command += ["--batch-size", str(batch_size)]

    def read(out: str) -> float:
        found = re.search(r"^FID:\s+(\S+)$", out, re.MULTILINE)
        if found is None:
            raise click.ClickException(f"pytorch-fid printed no FID:\n{out[-2000:]}")
        return float(found[1])

    return command, read


@dataclass(frozen=True)
class Tool:
    """One tool; tools with the same resize must agree."""

    package: str
    resize: str  # pictures to the network's input
    workers: int  # threads of mifid that decode, processes of the others; its own default
    note: str
    batch_size: int = 0  # its own default; mifid reports its own, torchmetrics has none
    command: Command | None = None  # its own command, if it has one
    # Else a function that calls its own functions in a new process: -> "fid", "pictures" and more.
    function: Callable[[Job, int, int], dict[str, Any]] | None = None


TOOLS = {
    "mifid": Tool(
        package="mifid",
        resize=TF1,
        workers=max(2, _CORES),
        note="`mifid score --metrics mifid --ci 0`, backend OpenVINO: FID and memorization "
        "distance; the other tools compute only FID. Its seconds include hashing all files for "
        "the cache. Decodes in threads.",
    ),
    "mifid-torch": Tool(
        package="mifid",
        resize=TF1,
        workers=max(2, _CORES),
        note="the same with backend torch.",
    ),
    "torch-fidelity": Tool(
        package="torch-fidelity",
        resize=TF1,
        workers=min(4, 2 * _CORES),
        command=_torch_fidelity,
        batch_size=64,
        note="its command `fidelity --fid`. Decodes in processes, as do all tools below.",
    ),
    "clean-fid-tensorflow": Tool(
        package="clean-fid",
        resize=TF1,
        workers=12,
        function=functions.clean_fid_tensorflow,
        batch_size=32,
        note="has no command: a process calls the functions of `compute_fid` in mode "
        "`legacy_tensorflow`. Resize by grid sampling; the network in TorchScript, in a file that "
        "is made from mifid's weights and torch-fidelity's layers.",
    ),
    "torchmetrics-fid": Tool(
        package="torchmetrics",
        resize=TF1,
        workers=_CORES,
        function=functions.torchmetrics_fid,
        batch_size=32,
        note="has no command and no loader: torch-fidelity's dataset feeds "
        "`FrechetInceptionDistance(antialias=False)`, with one process per core and a batch size "
        "of our choice.",
    ),
    "torchmetrics-mifid": Tool(
        package="torchmetrics",
        resize=TF1,
        workers=_CORES,
        function=functions.torchmetrics_mifid,
        batch_size=32,
        note="the same for `MemorizationInformedFrechetInceptionDistance`, whose memorization "
        "distance is reversed. Its FID is its MiFID times the distance.",
    ),
    "torchmetrics-default": Tool(
        package="torchmetrics",
        resize=HALF_PIXEL + ", antialiased",
        workers=_CORES,
        function=functions.torchmetrics_default,
        batch_size=32,
        note="the same with its defaults: antialiasing; a different number.",
    ),
    "pytorch-fid": Tool(
        package="pytorch-fid",
        resize=HALF_PIXEL,
        workers=min(8, _CORES),
        command=_pytorch_fid,
        batch_size=50,
        note="its command. PyTorch's bilinear resize, then x / 127.5 - 1 instead of (x - 128) / "
        "128; a different number, not comparable.",
    ),
    "clean-fid-pytorch": Tool(
        package="clean-fid",
        resize=HALF_PIXEL,
        workers=12,
        function=functions.clean_fid_pytorch,
        batch_size=32,
        note="clean-fid in mode `legacy_pytorch`: network, resize and number are pytorch-fid's.",
    ),
}


def choose(asked: str) -> list[str]:
    """Split names at commas, add mifid, and sort them in the order of the table.

    Raises:
        click.ClickException: one is unknown, or not installed.
    """
    wanted = {"mifid", *asked.split(",")}
    if unknown := sorted(wanted - TOOLS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(TOOLS)}.")
    chosen = [name for name in TOOLS if name in wanted]
    for name in chosen:
        try:
            version(TOOLS[name].package)
        except PackageNotFoundError as error:
            hint = "pip install -e '.[peers]', or leave it out with --tools"
            raise click.ClickException(f"{name} is not installed: {hint}") from error
    return chosen


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
    # Kaggle's memorization distance, a mean over the generated pictures of the minimum over the
    # reference; and the reversed one, a mean over the reference.
    distance: float | None = None
    reversed: float | None = None
    mifid: float | None = None  # with epsilon 0.1, as the tool itself computes it


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
            results[FIRST] = run_mifid(tool, job, cache)
            # For all later runs.
            shutil.copytree(Path(cache, "openvino"), converted, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        if tool == "mifid":
            shutil.copytree(converted, Path(cache, "openvino"))
        for state in (COLD, CACHED):
            results[state] = run_mifid(tool, job, cache)
    return results


def run_cold(tool: str, job: Job, env: Mapping[str, str] | None = None) -> Result:
    """Run a tool with an empty cache; ``env`` is added to the environment.

    Raises:
        click.ClickException: it failed.
    """
    row = TOOLS[tool]
    env = {**job.environment, **(env or {})}
    size = job.batch_size or row.batch_size
    if row.package == "mifid":
        with tempfile.TemporaryDirectory() as cache:
            return run_mifid(tool, job, cache, env)
    if row.command is None:
        given = {"tool": tool, "job": asdict(job), "batch_size": size}
        found, done = call("peers.tools:run_function", env=env, watch=True, **given)
    else:
        command, read = row.command(job, size)
        done = run([sys.executable, "-m", *command], env=env, watch=True)
        found = {"fid": read(done.stdout)}
    return Result(**found, **done.costs, batch_size=size, workers=row.workers)


def run_function(*, tool: str, job: Mapping[str, Any], batch_size: int) -> dict[str, Any]:
    """Run a tool's own functions in this process."""
    row = TOOLS[tool]
    assert row.function is not None
    return row.function(read_job(job), batch_size, row.workers)


def run_mifid(tool: str, job: Job, cache: str, env: Mapping[str, str] | None = None) -> Result:
    """Run `mifid score` with a cache.

    Raises:
        click.ClickException: it failed, or did not use the backend.
    """
    backend = "openvino" if tool == "mifid" else "torch"
    options = ["--weights", str(job.weights), "--backend", backend, "--device", job.device]
    options += ["--metrics", "mifid", "--ci", "0"]
    options += ["--batch-size", str(job.batch_size)] if job.batch_size else []
    env = {**(env or {}), "MIFID_CACHE": cache}
    report, done = score(job.generated, job.reference, *options, env=env, watch=True)
    if (ran := report["protocol"]["backend"]) != backend:
        raise click.ClickException(f"asked for backend {backend}, mifid ran {ran}")
    return Result(
        fid=report["fid"],
        **done.costs,
        batch_size=report["protocol"]["batch_size"],
        workers=TOOLS[tool].workers,
        pictures=(report["n_generated"], report["n_reference"]),
        distance=report["memorization_distance"],
        mifid=report["mifid"],
    )


def differences(runs: Mapping[str, Result], ours: Result) -> list[str]:
    """Return messages on runs with other pictures than mifid's, or other numbers at its resize.

    Args:
        runs: "tool" or "tool (state)" -> its result.
        ours: mifid's.
    """
    said = []
    for name, theirs in runs.items():
        if theirs.pictures is not None and tuple(theirs.pictures) != tuple(ours.pictures or ()):
            said.append(f"{name} used {theirs.pictures} pictures, mifid {ours.pictures}")
        for key in ("fid", "distance", "reversed"):
            pair = getattr(theirs, key), getattr(ours, key)
            if TOOLS[name.partition(" ")[0]].resize == TF1 and None not in pair:
                difference = pair[0] / pair[1] - 1
                if not abs(difference) <= TOLERANCE:  # so, NaN is caught
                    said.append(f"{name}: {key} is {difference:+.1e} from mifid's, relative")
    return said
