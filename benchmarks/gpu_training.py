"""The training step, and painting a submission: the project's own benchmarks, on the device."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from gpu_plan import Plan
from gpu_processes import ran
from gpu_recorder import Recorder

__all__ = ["generation", "training"]


def training(plan: Plan, recorder: Recorder) -> None:
    """Record seconds a step of every way to train, by benchmarks/training.py."""
    kept = plan.work / "training-steps.json"
    table: list[str] = []
    ways: list[dict[str, Any]] = []
    for network in plan.sizes.trained:
        with recorder.part(network):
            options = ["--networks", network, *plan.sizes.training]
            lines = _table(
                plan, "training", [*options, "--device", plan.device, "--json", str(kept)]
            )
            table += lines if not table else lines[2:]  # one header
            told = json.loads(kept.read_text())
            ways += [_row(one) for one in told["found"]]
            recorder.record("table", table)
            recorder.record("ways", ways)
            recorder.record("peak_flop_per_second", told["peaks"])


def _row(one: dict[str, Any]) -> dict[str, Any]:
    seconds = median(one["seconds"])
    return {
        **one["job"],
        "seconds_a_step": seconds,
        "pairs_per_second": one["job"]["batch"] / seconds,
        "peak_mib": one["peak_mib"],
    }


def generation(plan: Plan, recorder: Recorder) -> None:
    """Record seconds of painting a zip of photos, by benchmarks/generation.py."""
    photos = [] if plan.toy else ["--photos", str(plan.photos)]  # toys are of another size
    options = [*plan.sizes.generation, *photos, "--device", plan.device]
    recorder.record("table", _table(plan, "generation", options))


def _table(plan: Plan, name: str, options: list[str]) -> list[str]:
    """Run a benchmark; return the lines of the table that it writes into the documentation."""
    docs = plan.work / f"{name}.md"
    docs.write_text("")
    script = Path(__file__).with_name(f"{name}.py")
    ran([sys.executable, str(script), *options, "--docs", str(docs)])
    return [line for line in docs.read_text().splitlines() if line.startswith("| ")]
