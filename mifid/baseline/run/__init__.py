"""A training run: its steps, snapshots, checkpoints and records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.run.budget import check_prepared as check_prepared
    from mifid.baseline.run.checkpoint import Checkpoints as Checkpoints
    from mifid.baseline.run.initial_weights import SIDES as SIDES
    from mifid.baseline.run.initial_weights import InitialWeights as InitialWeights
    from mifid.baseline.run.initial_weights import read_initial_weights as read_initial_weights
    from mifid.baseline.run.records import read_metrics as read_metrics
    from mifid.baseline.run.run import Run as Run
    from mifid.baseline.run.run_folder import CONFIG as CONFIG
    from mifid.baseline.run.run_folder import contents as contents
    from mifid.baseline.run.snapshots import Best as Best
    from mifid.baseline.run.symptoms import Symptom as Symptom
    from mifid.baseline.run.symptoms import lasting as lasting

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "checkpoint": ["Checkpoints"],
        "initial_weights": ["SIDES", "InitialWeights", "read_initial_weights"],
        "budget": ["check_prepared"],
        "records": ["read_metrics"],
        "run": ["Run"],
        "run_folder": ["CONFIG", "contents"],
        "snapshots": ["Best"],
        "symptoms": ["Symptom", "lasting"],
    },
)
