"""Programs that show numbers and pictures while something trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.trackers.trackers import TRACKERS as TRACKERS
    from mifid.trackers.trackers import MLflow as MLflow
    from mifid.trackers.trackers import TensorBoard as TensorBoard
    from mifid.trackers.trackers import Tracker as Tracker
    from mifid.trackers.trackers import Trackers as Trackers
    from mifid.trackers.trackers import WandB as WandB
    from mifid.trackers.trackers import tracker_of as tracker_of

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "trackers": [
            "TRACKERS",
            "MLflow",
            "TensorBoard",
            "Tracker",
            "Trackers",
            "WandB",
            "tracker_of",
        ],
    },
)
