"""A submission from zip to number, as a user runs it: `mifid score images.zip --ref monet/`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from gpu_pipeline import zipped
from gpu_plan import GOALS, Plan
from gpu_processes import Scored, import_seconds, ran, score
from gpu_recorder import Recorder

__all__ = ["submission"]

PARTS = ("hash", "extract", "cache", "fid", "memorization")
"""First words of the stages that `mifid score --json` tells of."""

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
"""name -> options, and whether nothing is kept from the run before."""


def submission(plan: Plan, recorder: Recorder) -> None:
    """Record every way of scoring; check how long the exact one takes beside its imports."""
    archive = zipped(plan.photos, plan.work / "images.zip", plan.sizes.pictures)
    imports = min(import_seconds() for _ in range(plan.sizes.rounds))  # the first reads the disk
    recorder.record("import_seconds", imports)
    rows: list[dict[str, Any]] = []
    for name, scored in _runs(plan, recorder, archive):
        rows.append(_row(name, scored, imports))
        recorder.record("runs", rows)
    cold = [row["seconds_after_imports"] for row in rows if row["name"] == EXACT_COLD]
    if cold and not plan.toy:
        goal = GOALS["submission_seconds_after_imports"]
        recorder.at_most("exact, cold: seconds after imports, median", median(cold), goal)
    _compare(recorder, rows)


def _runs(plan: Plan, recorder: Recorder, archive: Path) -> Iterator[tuple[str, Scored]]:
    given = ["--weights", str(_weights(plan)), "--backend", "torch", "--device", plan.device]
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        cache = ""
        for name in plan.sizes.submissions:
            options, cold = WAYS[name]
            for _ in range(plan.sizes.rounds if name == EXACT_COLD else 1):
                cache = tempfile.mkdtemp(dir=folder) if cold else cache
                with recorder.part(name):
                    env = {"MIFID_CACHE": cache}
                    yield name, score(archive, plan.paintings, *given, *options, env=env)


def _weights(plan: Plan) -> Path:
    """Keep drawn weights in a file, as trained ones are: drawing them takes seconds each time."""
    path = plan.work / "weights.pth"
    ran([sys.executable, "-c", DRAW, str(path)])
    return path


def _row(name: str, scored: Scored, imports: float) -> dict[str, Any]:
    told = scored.told
    seconds: dict[str, float] = told["seconds"]
    parts = {
        part: sum(value for key, value in seconds.items() if key.split()[0] == part)
        for part in PARTS
    }
    return {
        "name": name,
        "pictures": [told["n_generated"], told["n_reference"]],
        "fid": told["fid"],
        "memorization_distance": told["memorization_distance"],
        "seconds_by_stage": parts,
        "seconds_of_score": seconds["total"],
        "process_seconds": scored.seconds,
        # What is cached is scored without torch, whose import is nearly all of it.
        "seconds_after_imports": None if "cached" in name else scored.seconds - imports,
        "cpu_seconds": scored.cpu_seconds,
        "peak_mib": scored.peak_mib,
    }


def _compare(recorder: Recorder, rows: list[dict[str, Any]]) -> None:
    """Exact runs are of one number; how far the fast one is from it is told."""
    fids = {row["name"]: row["fid"] for row in rows}
    exact = fids[EXACT_COLD]
    worst = max(abs(fid / exact - 1) for name, fid in fids.items() if name.startswith("exact"))
    recorder.at_most("FID of exact runs: difference", worst, 1e-5)
    if "fast, cold" in fids:
        recorder.record("fast_fid_difference", fids["fast, cold"] / exact - 1)
