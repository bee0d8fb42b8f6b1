"""The measures: pure mathematics on arrays, one file each, in float64."""

from mifid.registry import Registry

__all__ = ["METRICS"]

METRICS = Registry(
    "metric",
    {
        "fid": "mifid.metrics.frechet:frechet_distance",
        "memorization": "mifid.metrics.memorization:memorization_distance",
        "mifid": "mifid.metrics.mifid:mifid",
    },
)
"""name -> f(*, generated, reference) -> float. A new measure is a file and a line here."""
