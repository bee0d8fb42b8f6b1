"""Whole processes: a submission from zip to score, and the other tools.

On CUDA, torch's convolutions use TF32 by default, and only mifid switches it off. So each other
tool runs with its defaults, for its time, and once more without TF32, for its number.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.gpu.stage import GOALS, WEIGHTS, Plan, Recorder
from benchmarks.peers.job import TOLERANCE, make_job, prepare
from benchmarks.peers.tools import TF1, TOOLS, Result, run_cold
from benchmarks.pictures import zip_pictures
from benchmarks.processes import Measured, run, score
from benchmarks.submission import stage_seconds

IMPORTS = (
    "import mifid_cli.main, mifid.scoring, mifid.uncertainty.assessment, torch\n"
    "import mifid.extractors.backends.torch_backend, mifid.extractors.inception\n"
    "import torch_fidelity.feature_extractor_inceptionv3\n"
)
"""Imports of `mifid score`, most of them torch."""

DRAW = (
    "import sys, torch\n"
    "from mifid.extractors.inception import RandomInception\n"
    "torch.save(dict(RandomInception().state_dict()), sys.argv[1])\n"
)

EXACT_COLD = "exact, cold"
NO_INTERVAL = ("--ci", "0")
WAYS: dict[str, tuple[tuple[str, ...], bool]] = {
    EXACT_COLD: (NO_INTERVAL, True),
    "exact, cached": (NO_INTERVAL, False),
    "fast, cold": ((*NO_INTERVAL, "--precision", "fast"), True),
    "exact, cold, default interval": ((), True),
}
"""Name -> options, and whether the cache starts empty."""

NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
"""Switches TF32 off in NVIDIA's libraries, for any settings of a program."""


# --- a submission --------------------------------------------------------------------------------


def submission(plan: Plan, recorder: Recorder) -> None:
    """Record every way of scoring; check the time of the exact one without its imports."""
    archive = plan.work / "images.zip"
    zip_pictures(plan.photos, archive, plan.sizes.pictures)
    # The first run reads the disk.
    starts = [run([sys.executable, "-c", IMPORTS]).seconds for _ in range(plan.sizes.rounds)]
    imports = min(starts)
    recorder.record("import_seconds", imports)
    rows: list[dict[str, Any]] = []
    for name, report, done in _runs(plan, recorder, archive):
        rows.append(_row(name, report, done, imports))
        recorder.record("runs", rows)
    cold = [row["seconds_after_imports"] for row in rows if row["name"] == EXACT_COLD]
    if cold and not plan.toy:
        goal = GOALS["submission_seconds_after_imports"]
        recorder.at_most("exact, cold: seconds after imports, median", median(cold), goal)
    fids = {row["name"]: row["fid"] for row in rows}
    exact = fids[EXACT_COLD]
    worst = max(abs(fid / exact - 1) for name, fid in fids.items() if name.startswith("exact"))
    recorder.at_most("FID of exact runs: difference", worst, 1e-5)
    if "fast, cold" in fids:
        recorder.record("fast_fid_difference", fids["fast, cold"] / exact - 1)


def _runs(
    plan: Plan, recorder: Recorder, archive: Path
) -> Iterator[tuple[str, dict[str, Any], Measured]]:
    given = ["--weights", str(_weights(plan)), "--backend", "torch", "--device", plan.device]
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        cache = ""
        for name in plan.sizes.submissions:
            options, cold = WAYS[name]
            for _ in range(plan.sizes.rounds if name == EXACT_COLD else 1):
                cache = tempfile.mkdtemp(dir=folder) if cold else cache
                with recorder.part(name):
                    env = {"MIFID_CACHE": cache}
                    yield name, *score(archive, plan.paintings, *given, *options, env=env)


def _weights(plan: Plan) -> Path:
    """Return the file of random weights, written if it does not exist."""
    weights = plan.work / WEIGHTS
    if not weights.exists():
        run([sys.executable, "-c", DRAW, str(weights)])
    return weights


def _row(name: str, report: dict[str, Any], done: Measured, imports: float) -> dict[str, Any]:
    return {
        "name": name,
        "pictures": [report["n_generated"], report["n_reference"]],
        "fid": report["fid"],
        "memorization_distance": report["memorization_distance"],
        "seconds_by_stage": stage_seconds(report),
        "seconds_of_score": report["seconds"]["total"],
        "process_seconds": done.seconds,
        # Cached scores do not import torch, which takes most of the time.
        "seconds_after_imports": None if "cached" in name else done.seconds - imports,
        "cpu_seconds": done.cpu_seconds,
        "peak_mib": done.peak_mib,
    }


# --- other tools ---------------------------------------------------------------------------------


def peers(plan: Plan, recorder: Recorder) -> None:
    """Record every tool's seconds and FID; check mifid's speed, and numbers that must agree."""
    sizes = plan.sizes
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        job = make_job(
            Path(folder),
            generated=plan.photos,
            reference=plan.paintings,
            weights=_weights(plan),
            draw=(sizes.photos, sizes.paintings),
            device=plan.device,
        )
        prepare(job, script="clean-fid-tensorflow" in sizes.peers)
        found: dict[str, list[Result]] = {}
        for number in range(sizes.rounds):
            # The goal is for the first two; the others run once.
            for name in ("mifid", *(sizes.peers if number == 0 else sizes.peers[:1])):
                with recorder.part(f"{name}, round {number + 1}"):
                    tool = "mifid-torch" if name == "mifid" else name
                    found.setdefault(name, []).append(run_cold(tool, job))
                    recorder.record("tools", _table(found))
        exact = {name: runs[0] for name, runs in found.items()}
        if plan.on_cuda:
            exact = {}
            for name in sizes.peers:
                with recorder.part(f"{name} without TF32"):
                    exact[name] = run_cold(name, job, NO_TF32)
                    without = {
                        name: {"fid": one.fid, "seconds": one.seconds}
                        for name, one in exact.items()
                    }
                    recorder.record("without_tf32", without)
    _judge(plan, recorder, found, exact)


def _table(found: Mapping[str, list[Result]]) -> dict[str, dict[str, Any]]:
    """Return, by tool, medians, and the median ratio to mifid's time within a round."""
    ours = found["mifid"]
    rows = {}
    for name, runs in found.items():
        seconds = median(one.seconds for one in runs)
        pairs = zip(runs, ours, strict=False)
        rows[name] = {
            "fid": runs[0].fid,
            "seconds": seconds,
            "pictures_per_second": sum(ours[0].pictures or ()) / seconds,
            "times_mifid": median(theirs.seconds / mine.seconds for theirs, mine in pairs),
            "peak_mib": max(one.peak_mib for one in runs),
            "rounds": len(runs),
        }
    return rows


def _judge(
    plan: Plan, recorder: Recorder, found: Mapping[str, list[Result]], exact: Mapping[str, Result]
) -> None:
    ours = found["mifid"]
    for name in plan.sizes.peers:
        if name in exact and TOOLS[name].resize == TF1:
            difference = abs(exact[name].fid / ours[0].fid - 1)
            recorder.at_most(f"FID of {name}: difference", difference, TOLERANCE)
    if plan.toy:
        return
    pairs = zip(found.get("torch-fidelity", []), ours, strict=False)
    ratios = [theirs.seconds / mine.seconds for theirs, mine in pairs]
    if ratios:
        goal = GOALS["times_torch_fidelity"]
        recorder.at_least("times torch-fidelity's speed, whole process", median(ratios), goal)
