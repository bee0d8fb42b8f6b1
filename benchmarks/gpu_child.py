"""A stage in a process of its own: python gpu_child.py MODULE:FUNCTION PLAN.json RESULT.json"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from gpu_plan import Plan, read_plan
from gpu_recorder import Recorder

__all__ = ["PREPARATIONS", "STAGES", "WITHOUT_PICTURES"]

STAGES = {
    "parity": "gpu_parity:parity",
    "network": "gpu_network:network",
    "pipeline": "gpu_pipeline:pipeline",
    "submission": "gpu_submission:submission",
    "peers": "gpu_peers:peers",
    "training": "gpu_training:training",
    "generation": "gpu_training:generation",
    "train-short": "gpu_train_short:train_short",
}
"""name -> f(plan, recorder), in the order in which they run. Imported only when they do."""

PREPARATIONS = {"machine": "gpu_machine:machine", "pictures": "gpu_pictures:pictures"}
"""What runs before them, in the same way."""

WITHOUT_PICTURES = frozenset({"network", "training"})
"""Stages that need no pictures."""


def _be_child(stage_function: str, plan: str, result: str) -> int:
    recorder = Recorder(Path(result))
    module, _, function = stage_function.partition(":")
    with recorder.part(function):
        stage: Callable[[Plan, Recorder], None] = getattr(import_module(module), function)
        stage(read_plan(Path(plan)), recorder)
    return 0 if recorder.sound else 1


if __name__ == "__main__":
    sys.exit(_be_child(*sys.argv[1:]))
