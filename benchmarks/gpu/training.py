"""Benchmarks of training steps and generation on the device, and a short training run."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.gpu.stage import Plan, Recorder
from benchmarks.processes import path, run


def training(plan: Plan, recorder: Recorder) -> None:
    """Record seconds per step of every way to train, by benchmarks/training.py."""
    kept = plan.work / "training-steps.json"
    ways: list[dict[str, Any]] = []
    for network in plan.sizes.trained:
        with recorder.part(network):
            options = ["--networks", network, *plan.sizes.training, "--device", plan.device]
            _benchmark("training", *options, "--json", str(kept))
            measured = json.loads(kept.read_text())
            for one in measured["found"]:
                seconds = median(one["seconds"])
                rate = one["job"]["batch"] / seconds
                costs = {"seconds_a_step": seconds, "pairs_per_second": rate}
                ways.append({**one["job"], **costs, "peak_mib": one["peak_mib"]})
            recorder.record("ways", ways)
            recorder.record("peak_flop_per_second", measured["peaks"])


def generation(plan: Plan, recorder: Recorder) -> None:
    """Record seconds of generation from a zip of photos, by benchmarks/generation.py."""
    photos = [] if plan.toy else ["--photos", str(plan.photos)]  # toys are of another size
    said = _benchmark("generation", *plan.sizes.generation, *photos, "--device", plan.device)
    recorder.record("table", [line for line in said.splitlines() if line.startswith("| ")])


def _benchmark(name: str, *options: str) -> str:
    """Run a benchmark; return its output."""
    return run([sys.executable, "-m", f"benchmarks.{name}", *options], env=path()).stdout


INTERRUPTED = 130
"""Exit code of a run that Ctrl-C stopped."""

CYCLE = ("cycle_painting", "cycle_photo")
RUN_PARTS = 4
"""Number of parts of a run; the first and the last are compared."""


def train_short(plan: Plan, recorder: Recorder) -> None:
    """Train in both precisions; check losses, submission, score and resuming."""
    for precision in plan.sizes.precisions:
        with recorder.part(precision):
            folder = plan.work / f"run-{precision}"
            shutil.rmtree(folder, ignore_errors=True)
            start = time.perf_counter()
            if precision == "float32":
                code = _interrupted(_command(plan, folder, precision), folder)
                recorder.holds(
                    "float32: Ctrl-C saves and leaves", code == INTERRUPTED, f"exit code {code}"
                )
                options = ["--out", str(folder), "--resume", "--device", plan.device, "--quiet"]
                command = [sys.executable, "-m", "mifid_cli", "train-baseline", *options]
            else:
                command = _command(plan, folder, precision)
            # 1: trained, but a toy's submission has too few pictures
            run(command, codes=(0, 1) if plan.toy else (0,))
            summary = _summary(folder, time.perf_counter() - start)
            recorder.record(precision, summary)
            _check(plan, recorder, precision, folder, summary)


def _command(plan: Plan, folder: Path, precision: str) -> list[str]:
    options = ["--photos", str(plan.photos), "--monets", str(plan.paintings), "--out", str(folder)]
    options += ["--steps", str(plan.sizes.steps), "--extractor", "inception-random"]
    options += ["--set", f"training.precision={precision}", *plan.sizes.training_options]
    options += ["--device", plan.device, "--quiet"]
    return [sys.executable, "-m", "mifid_cli", "train-baseline", *options]


def _interrupted(command: Sequence[str], folder: Path) -> int:
    """Start a training run, interrupt it after its first line of losses; return its exit code."""
    said = folder.with_suffix(".log")
    with said.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None and not _rows(folder):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        code = process.wait()
    if code not in (0, INTERRUPTED):
        raise RuntimeError(f"training ended with {code}: {said.read_text()[-1500:]}")
    return code


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Return the complete lines of losses."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [row for row in rows if row["kind"] == "train"]


def _summary(folder: Path, seconds: float) -> dict[str, Any]:
    rows = _rows(folder)
    cycle = [sum(float(row[name]) for name in CYCLE) for row in rows]
    part = max(1, len(rows) // RUN_PARTS)
    score = json.loads((folder / "score.json").read_text())
    return {
        "seconds": seconds,
        "steps": rows[-1]["step"],
        "pairs_per_second": fmean(row["images_per_second"] for row in rows[part:] or rows),
        "cycle_loss_first": fmean(cycle[:part]),
        "cycle_loss_last": fmean(cycle[-part:]),
        "fid": score["fid"],
        "memorization_distance": score["memorization_distance"],
    }


def _check(
    plan: Plan, recorder: Recorder, precision: str, folder: Path, summary: dict[str, Any]
) -> None:
    losses = [
        float(value)
        for row in _rows(folder)
        for name, value in row.items()
        if name.startswith(("generator_", "cycle_", "identity_", "discriminator_"))
    ]
    recorder.holds(
        f"{precision}: all losses are finite", bool(losses) and all(map(math.isfinite, losses))
    )
    fallen = summary["cycle_loss_last"] / summary["cycle_loss_first"]
    recorder.at_most(f"{precision}: cycle loss, last part over first", fallen, 0.95)
    recorder.holds(f"{precision}: trained to the last step", summary["steps"] == plan.sizes.steps)
    recorder.holds(f"{precision}: the score is finite", math.isfinite(summary["fid"]))
    refused = _refused(folder)
    # Kaggle accepts 7,000 pictures or more; all other rules apply at any size.
    few = {"number"} if len(list(plan.photos.glob("*.jpg"))) < 7_000 else set()
    recorder.holds(f"{precision}: `mifid check` takes images.zip", refused <= few, str(refused))
    sheet = max((folder / "samples").glob("*.jpg"))
    shutil.copyfile(sheet, plan.out / f"train-short-{precision}{sheet.suffix}")


def _refused(folder: Path) -> set[str]:
    """Return the rules that the submission breaks."""
    command = [sys.executable, "-m", "mifid_cli", "check", str(folder / "images.zip"), "--json"]
    done = run(command, codes=(0, 1))
    findings = json.loads(done.stdout)["findings"]
    return {one["rule"] for one in findings if one["level"] == "refused"}
