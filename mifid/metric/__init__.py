"""Metric objects, which loops of any library feed batch by batch, in any number of processes.

They are metrics of torchmetrics if that is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.metric.gathering import Group as Group
    from mifid.metric.gathering import several_processes as several_processes
    from mifid.metric.objects import CMMD as CMMD
    from mifid.metric.objects import CT as CT
    from mifid.metric.objects import FID as FID
    from mifid.metric.objects import FLD as FLD
    from mifid.metric.objects import KID as KID
    from mifid.metric.objects import MIND as MIND
    from mifid.metric.objects import SFID as SFID
    from mifid.metric.objects import AuthPct as AuthPct
    from mifid.metric.objects import Combined as Combined
    from mifid.metric.objects import DensityCoverage as DensityCoverage
    from mifid.metric.objects import InceptionScore as InceptionScore
    from mifid.metric.objects import MemorizationDistance as MemorizationDistance
    from mifid.metric.objects import MiFID as MiFID
    from mifid.metric.objects import PrecisionRecall as PrecisionRecall
    from mifid.metric.objects import VendiScore as VendiScore
    from mifid.metric.set_metric import SetMetric as SetMetric

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "gathering": ["Group", "several_processes"],
        "objects": [
            "CMMD",
            "CT",
            "FID",
            "FLD",
            "KID",
            "MIND",
            "SFID",
            "AuthPct",
            "Combined",
            "DensityCoverage",
            "InceptionScore",
            "MemorizationDistance",
            "MiFID",
            "PrecisionRecall",
            "VendiScore",
        ],
        "set_metric": ["SetMetric"],
    },
)
