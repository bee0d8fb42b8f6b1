"""Metrics: pure mathematics on arrays, one file each, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import Registry, lazy_names

__all__ = ["CORE", "GROUPS", "METRICS"]

METRICS = Registry(
    "metric",
    {
        "fid": "mifid.metrics.frechet:METRIC",
        "memorization": "mifid.metrics.memorization:METRIC",
        "mifid": "mifid.metrics.mifid:METRIC",
        "sfid": "mifid.metrics.frechet:SPATIAL",
        "kid": "mifid.metrics.kernel:METRIC",
        "is": "mifid.metrics.inception_score:METRIC",
        "pr": "mifid.metrics.precision_recall:METRIC",
        "dc": "mifid.metrics.density_coverage:METRIC",
        "fld": "mifid.metrics.likelihood:METRIC",
        "authpct": "mifid.metrics.authenticity:METRIC",
        "ct": "mifid.metrics.three_sample:METRIC",
        "vendi": "mifid.metrics.vendi:METRIC",
        "mind": "mifid.metrics.mind:METRIC",
        "cmmd": "mifid.metrics.cmmd:METRIC",
    },
    aliases={
        "precision": "pr",
        "recall": "pr",
        "improved_precision": "pr",
        "improved_recall": "pr",
        "density": "dc",
        "coverage": "dc",
        "isc": "is",
        "inception": "is",
        "inception_score": "is",
        "frechet": "fid",
        "frechet_inception_distance": "fid",
        "spatial_fid": "sfid",
        "spatial_frechet_inception_distance": "sfid",
        "mmd": "kid",
        "kernel": "kid",
        "kernel_inception_distance": "kid",
        "memorization_distance": "memorization",
        "memorisation": "memorization",
        "memorization_informed_fid": "mifid",
        "auth": "authpct",
        "authenticity": "authpct",
        "likelihood": "fld",
        "copying": "ct",
        "three_sample": "ct",
        "diversity": "vendi",
        "monge": "mind",
        "monge_inception_distance": "mind",
        "vendi_score": "vendi",
    },
)
"""name -> :class:`mifid.metrics.base.Metric`. A new metric is a file and a line here."""

CORE = ("fid", "memorization", "mifid")
"""The parts of Kaggle's score: they can be computed from statistics, and have their own fields."""

GROUPS = {"prdc": ("pr", "dc"), "all": tuple(METRICS)}
"""Names of several metrics together."""


if TYPE_CHECKING:
    from mifid.metrics.base import NOT_ASKED as NOT_ASKED
    from mifid.metrics.base import Blocks as Blocks
    from mifid.metrics.base import Measured as Measured
    from mifid.metrics.base import Metric as Metric
    from mifid.metrics.base import require_one_width as require_one_width
    from mifid.metrics.extrapolation import extrapolate as extrapolate
    from mifid.metrics.frechet import Moments as Moments
    from mifid.metrics.frechet import frechet_distance as frechet_distance
    from mifid.metrics.frechet import rounding as rounding
    from mifid.metrics.kernel import standard_error as standard_error
    from mifid.metrics.leave_one_out import Influence as Influence
    from mifid.metrics.leave_one_out import influence as influence
    from mifid.metrics.memorization import Nearest as Nearest
    from mifid.metrics.memorization import memorization_distance as memorization_distance
    from mifid.metrics.memorization import nearest_both_ways as nearest_both_ways
    from mifid.metrics.memorization import nearest_reference as nearest_reference
    from mifid.metrics.mifid import EPSILON as EPSILON
    from mifid.metrics.mifid import penalized as penalized
    from mifid.metrics.mifid import thresholded as thresholded
    from mifid.metrics.resampling import SIDES as SIDES
    from mifid.metrics.resampling import Replicates as Replicates
    from mifid.metrics.resampling import bootstrap as bootstrap
    from mifid.metrics.resampling import linearized as linearized
    from mifid.metrics.resampling import penalized_all as penalized_all

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "base": ["NOT_ASKED", "Blocks", "Measured", "Metric", "require_one_width"],
        "extrapolation": ["extrapolate"],
        "frechet": ["Moments", "frechet_distance", "rounding"],
        "kernel": ["standard_error"],
        "leave_one_out": ["Influence", "influence"],
        "memorization": [
            "Nearest",
            "memorization_distance",
            "nearest_both_ways",
            "nearest_reference",
        ],
        "mifid": ["EPSILON", "penalized", "thresholded"],
        "resampling": ["SIDES", "Replicates", "bootstrap", "linearized", "penalized_all"],
    },
)
