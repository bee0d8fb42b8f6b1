"""Whole processes: a submission from zip to score, and the other tools.

On CUDA, torch's convolutions use TF32 by default, and only mifid switches it off. So each other
tool runs with its defaults, for its time, and once more without TF32, for its number.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.gpu.stage import Plan, Recorder
from benchmarks.peers.job import make_job, prepare
from benchmarks.peers.tools import TF1, TOLERANCE, TOOLS, Result, run_cold
from benchmarks.pictures import zip_pictures
from benchmarks.processes import run, score
from benchmarks.submission import stage_seconds

GOAL_SECONDS = 5.0
"""Of a submission after the imports, on a GPU; set before the measurements."""
GOAL_TIMES = 5.0
"""Speed of whole processes over torch-fidelity's, on a GPU; set before the measurements."""

IMPORTS = (
    "import mifid_cli.main, mifid.scoring, mifid.uncertainty.assessment, torch\n"
    "import mifid.extractors.backends.torch_backend, mifid.extractors.inception\n"
    "import torch_fidelity.feature_extractor_inceptionv3\n"
)
"""Imports of `mifid score`, most of them torch."""

EXACT_COLD = "exact, cold"
NO_INTERVAL = ("--ci", "0")
WAYS: dict[str, tuple[tuple[str, ...], bool]] = {
    EXACT_COLD: (NO_INTERVAL, True),
    "exact, cached": (NO_INTERVAL, False),
    "fast, cold": ((*NO_INTERVAL, "--precision", "fast"), True),
    "exact, cold, default interval": ((), True),
}
"""Name -> options, and whether the cache starts empty."""

REAL = {
    "pictures": None,  # in the zip; None: all
    "rounds": 3,
    "ways": tuple(WAYS),
    "peers": (
        "torch-fidelity",
        "pytorch-fid",
        "clean-fid-tensorflow",
        "clean-fid-pytorch",
        "torchmetrics-fid",
    ),
}
TOY = {"pictures": 2, "rounds": 1, "ways": (EXACT_COLD, "exact, cached")}
TOY |= {"peers": ("torch-fidelity",)}

NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
"""Switches TF32 off in NVIDIA's libraries, for any settings of a program."""


def submission(plan: Plan, recorder: Recorder) -> None:
    """Record every way of scoring; check the time of the exact one without its imports."""
    sizes = plan.sizes(REAL, TOY)
    archive = plan.work / "images.zip"
    zip_pictures(plan.photos, archive, sizes.pictures)
    # The first run reads the disk.
    imports = min(run([sys.executable, "-c", IMPORTS]).seconds for _ in range(sizes.rounds))
    recorder.record("import_seconds", imports)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        cache = ""
        for name in sizes.ways:
            options, cold = WAYS[name]
            for _ in range(sizes.rounds if name == EXACT_COLD else 1):
                cache = tempfile.mkdtemp(dir=folder) if cold else cache
                with recorder.part(name):
                    rows.append({"name": name, **_scored(plan, archive, options, cache, imports)})
                    recorder.record("runs", rows)
    exact = next(row["fid"] for row in rows if row["name"] == EXACT_COLD)
    same = [abs(row["fid"] / exact - 1) for row in rows if row["name"].startswith("exact")]
    recorder.at_most("FID of exact runs: difference", max(same), 1e-5)
    for row in rows:
        if row["name"] == "fast, cold":
            recorder.record("fast_fid_difference", row["fid"] / exact - 1)
    if not plan.toy:
        cold = [row["seconds_after_imports"] for row in rows if row["name"] == EXACT_COLD]
        recorder.at_most("exact, cold: seconds after imports", median(cold), GOAL_SECONDS)


def _scored(
    plan: Plan, archive: Path, options: tuple[str, ...], cache: str, imports: float
) -> dict[str, Any]:
    given = ["--weights", str(plan.weights), "--backend", "torch", "--device", plan.device]
    cached = Path(cache, "features").exists()
    env = {"MIFID_CACHE": cache}
    report, done = score(archive, plan.paintings, *given, *options, env=env)
    return {
        "pictures": [report["n_generated"], report["n_reference"]],
        "fid": report["fid"],
        "memorization_distance": report["memorization_distance"],
        "seconds_by_stage": stage_seconds(report),
        "seconds_of_score": report["seconds"]["total"],
        "process_seconds": done.seconds,
        # Cached scores do not import torch, which takes most of the time.
        "seconds_after_imports": None if cached else done.seconds - imports,
        "cpu_seconds": done.cpu_seconds,
        "peak_mib": done.peak_mib,
    }


def peers(plan: Plan, recorder: Recorder) -> None:
    """Record every tool's seconds and FID; check mifid's speed, and numbers that must agree."""
    sizes = plan.sizes(REAL, TOY)
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        given = {"generated": plan.photos, "reference": plan.paintings, "weights": plan.weights}
        job = make_job(Path(folder), given, draw=(0, 0), device=plan.device)
        prepare(job, script="clean-fid-tensorflow" in sizes.peers)
        found: dict[str, list[Result]] = {}
        for number in range(sizes.rounds):
            # The goal is for the first two; the others run once.
            for name in ("mifid", *(sizes.peers if number == 0 else sizes.peers[:1])):
                with recorder.part(f"{name}, round {number + 1}"):
                    tool = "mifid-torch" if name == "mifid" else name
                    found.setdefault(name, []).append(run_cold(tool, job))
                    recorder.record("tools", _table(found))
        exact = {name: found[name][0] for name in sizes.peers if name in found}
        if plan.on_cuda:
            exact = {}
            for name in sizes.peers:
                with recorder.part(f"{name} without TF32"):
                    exact[name] = run_cold(name, job, NO_TF32)
                    without = {"fid": exact[name].fid, "seconds": exact[name].seconds}
                    recorder.record(f"{name}_without_tf32", without)
    judge(plan, recorder, found, exact)


def _table(found: Mapping[str, list[Result]]) -> dict[str, dict[str, Any]]:
    """Return, by tool, medians, and the median ratio to mifid's time within a round."""
    rows = {}
    for name, runs in found.items():
        seconds = median(one.seconds for one in runs)
        rows[name] = {
            "fid": runs[0].fid,
            "seconds": seconds,
            "pictures_per_second": sum(found["mifid"][0].pictures or ()) / seconds,
            "times_mifid": _ratio(found, name),
            "peak_mib": max(one.peak_mib for one in runs),
            "rounds": len(runs),
        }
    return rows


def _ratio(found: Mapping[str, list[Result]], name: str) -> float:
    pairs = zip(found[name], found["mifid"], strict=False)
    return median(theirs.seconds / ours.seconds for theirs, ours in pairs)


def judge(
    plan: Plan, recorder: Recorder, found: Mapping[str, list[Result]], exact: Mapping[str, Result]
) -> None:
    """Check the numbers of tools with mifid's resize, and the goal.

    Args:
        plan: inputs of the stage.
        recorder: takes the checks.
        found: tool -> its runs, in its default arithmetic.
        exact: tool -> its run in float32.
    """
    ours = found["mifid"][0].fid
    for name, one in exact.items():
        if TOOLS[name].resize == TF1:
            recorder.at_most(f"FID of {name}: difference", abs(one.fid / ours - 1), TOLERANCE)
    if not plan.toy and "torch-fidelity" in found:
        times = _ratio(found, "torch-fidelity")
        recorder.at_least("times torch-fidelity's speed, whole process", times, GOAL_TIMES)
