"""Training steps and generation on the device, and a short training run."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks import training as steps
from benchmarks.gpu.stage import Plan, Recorder
from benchmarks.processes import mifid, run

STEPS = {"networks": ("unet", "resnet9"), "ways": None, "batch": 4, "size": 256, "width": 64}
STEPS |= {"rounds": 3, "steps": 5, "limit": 60.0, "product": 8192}
TOY_STEPS = {"networks": ("unet",), "ways": (steps.MIFID,), "batch": 1, "size": 32, "width": 4}
TOY_STEPS |= {"rounds": 1, "steps": 1, "product": 64}


def training(plan: Plan, recorder: Recorder) -> None:
    """Record seconds per step of every way to train, as benchmarks/training.py measures them."""
    sizes = plan.sizes(STEPS, TOY_STEPS)
    with steps.own_process() as process:
        peaks = process.submit(steps.roofs, plan.device, sizes.product).result()
        recorder.record("peak_flop_per_second", peaks)
    rows: list[dict[str, Any]] = []
    for network in sizes.networks:
        with recorder.part(network):
            given = {"size": sizes.size, "width": sizes.width, "device": plan.device}
            ways = sizes.ways or steps.ways_on(plan.device)
            jobs = [steps.Job(way, network, sizes.batch, **given) for way in ways]
            times = {"rounds": sizes.rounds, "steps": sizes.steps, "limit": sizes.limit}
            for one in steps.measure(jobs, **times):
                seconds = median(one.seconds)
                costs = {"seconds_a_step": seconds, "pairs_per_second": sizes.batch / seconds}
                rows.append({**asdict(one.job), **costs, "peak_mib": one.peak_mib})
            recorder.record("ways", rows)


PAINTED = {"networks": ("unet", "resnet9"), "limit": 1000, "size": 256, "rounds": 2}
TOY_PAINTED = {"networks": ("resnet9",), "limit": 2, "size": 64, "rounds": 1}


def generation(plan: Plan, recorder: Recorder) -> None:
    """Record seconds from a zip of photos, as benchmarks/generation.py measures them."""
    from benchmarks import generation as painting  # it imports torch

    sizes = plan.sizes(PAINTED, TOY_PAINTED)
    photos = None if plan.toy else plan.photos  # toys are of another size
    rows = {}
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        zipped = Path(folder, "photos.zip")
        count = painting.zip_photos(zipped, photos=photos, limit=sizes.limit, size=sizes.size)
        for name in sizes.networks:
            with recorder.part(name):
                job = painting.make_job(zipped, name, count, sizes.size, plan.device)
                seconds = painting.measure(job, sizes.rounds)
                middle = {f"{way}_seconds": median(each) for way, each in seconds.items()}
                rows[name] = {"batch_size": job.batch_size, "pictures": count, **middle}
                recorder.record("networks", rows)


INTERRUPTED = 130
"""Exit code of a run that Ctrl-C stopped."""

CYCLE = ("cycle_painting", "cycle_photo")
LOSS = ("generator_", "cycle_", "identity_", "discriminator_")
RUN_PARTS = 4
"""Number of parts of a run; the first and the last are compared."""

SHORT = {
    "steps": 400,
    "precisions": ("float32", "bf16", "float16"),  # one run each; that of float32 is interrupted
    "settings": ("training.log_steps=10", "score.points=2"),
}
TOY_SHORT = {
    "steps": 30,
    "precisions": ("float32",),
    "settings": (
        *("data.size=32", "data.fit=stretch", "data.held_back=2"),
        *("generator.network=resnet", "generator.blocks=1", "generator.width=4"),
        *("discriminator.width=4", "discriminator.layers=1", "training.batch=2"),
        *("training.log_steps=1", "score.points=0", "optimiser.rate=0.002"),
    ),
}


def train_short(plan: Plan, recorder: Recorder) -> None:
    """Train in both precisions; check losses, submission, score and resuming."""
    sizes = plan.sizes(SHORT, TOY_SHORT)
    for precision in sizes.precisions:
        with recorder.part(precision):
            folder = plan.work / f"run-{precision}"
            shutil.rmtree(folder, ignore_errors=True)
            command = _command(plan, folder, precision, sizes)
            start = time.perf_counter()
            if precision == "float32":
                code = _interrupted(command, folder)
                recorder.holds(
                    "float32: Ctrl-C saves and leaves", code == INTERRUPTED, f"exit code {code}"
                )
                options = ["--out", str(folder), "--resume", "--device", plan.device, "--quiet"]
                command = mifid("train-baseline", *options)
            # 1: trained, but a toy's submission has too few pictures
            run(command, codes=(0, 1) if plan.toy else (0,))
            summary = _summary(folder, time.perf_counter() - start)
            recorder.record(precision, summary)
            recorder.holds(f"{precision}: trained to the end", summary["steps"] == sizes.steps)
            _check(plan, recorder, precision, folder, summary)


def _command(plan: Plan, folder: Path, precision: str, sizes: Any) -> list[str]:
    options = ["--photos", str(plan.photos), "--monets", str(plan.paintings), "--out", str(folder)]
    options += ["--steps", str(sizes.steps), "--extractor", "inception-random"]
    for setting in (f"training.precision={precision}", *sizes.settings):
        options += ["--set", setting]
    options += ["--device", plan.device, "--quiet"]
    return mifid("train-baseline", *options)


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
    # In float16 all steps of the first line may be left out: it has no losses then.
    cycle = [sum(float(row[name]) for name in CYCLE) for row in rows if CYCLE[0] in row]
    part = max(1, len(cycle) // RUN_PARTS)
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


def _check(plan: Plan, recorder: Recorder, precision: str, folder: Path, found: Any) -> None:
    losses = [row[name] for row in _rows(folder) for name in row if name.startswith(LOSS)]
    finite = bool(losses) and all(map(math.isfinite, [*losses, found["fid"]]))
    recorder.holds(f"{precision}: all losses and FID are finite", finite)
    fallen = found["cycle_loss_last"] / found["cycle_loss_first"]
    recorder.at_most(f"{precision}: cycle loss, last part over first", fallen, 0.95)
    refused = _refused(folder)
    # Kaggle accepts 7,000 pictures or more; all other rules apply at any size.
    few = {"number"} if len(list(plan.photos.glob("*.jpg"))) < 7_000 else set()
    recorder.holds(f"{precision}: `mifid check` takes images.zip", refused <= few, str(refused))
    sheet = max((folder / "samples").glob("*.jpg"))
    shutil.copyfile(sheet, plan.out / f"train-short-{precision}{sheet.suffix}")


def _refused(folder: Path) -> set[str]:
    """Return the rules that the submission breaks."""
    done = run(mifid("check", str(folder / "images.zip"), "--json"), codes=(0, 1))
    findings = json.loads(done.stdout)["findings"]
    return {one["rule"] for one in findings if one["level"] == "refused"}
