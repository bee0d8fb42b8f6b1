"""Uncertainty of a score: intervals, the bias of few pictures, and levels to read it against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.uncertainty.assessment import LEVEL as LEVEL
    from mifid.uncertainty.assessment import MOST_PICTURES as MOST_PICTURES
    from mifid.uncertainty.assessment import REPLICATES as REPLICATES
    from mifid.uncertainty.assessment import SEED as SEED
    from mifid.uncertainty.assessment import SWITCHED_OFF as SWITCHED_OFF
    from mifid.uncertainty.assessment import Resampling as Resampling
    from mifid.uncertainty.assessment import assess as assess
    from mifid.uncertainty.assessment import assess_intervals as assess_intervals
    from mifid.uncertainty.assessment import check_seed as check_seed
    from mifid.uncertainty.bias import Bias as Bias
    from mifid.uncertainty.intervals import FEW as FEW
    from mifid.uncertainty.intervals import LARGEST as LARGEST
    from mifid.uncertainty.intervals import Interval as Interval
    from mifid.uncertainty.intervals import Uncertainty as Uncertainty
    from mifid.uncertainty.intervals import calibrated as calibrated
    from mifid.uncertainty.levels import Level as Level
    from mifid.uncertainty.levels import Levels as Levels

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "assessment": [
            "LEVEL",
            "MOST_PICTURES",
            "REPLICATES",
            "SEED",
            "SWITCHED_OFF",
            "Resampling",
            "assess",
            "assess_intervals",
            "check_seed",
        ],
        "bias": ["Bias"],
        "intervals": ["FEW", "LARGEST", "Interval", "Uncertainty", "calibrated"],
        "levels": ["Level", "Levels"],
    },
)
