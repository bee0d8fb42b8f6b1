"""The measures: pure mathematics on arrays, one file each, in float64."""

from mifid.registry import Registry

__all__ = ["CORE", "GROUPS", "METRICS"]

METRICS = Registry(
    "metric",
    {
        "fid": "mifid.metrics.frechet:METRIC",
        "memorization": "mifid.metrics.memorization:METRIC",
        "mifid": "mifid.metrics.mifid:METRIC",
        "kid": "mifid.metrics.kernel:METRIC",
        "is": "mifid.metrics.inception_score:METRIC",
        "pr": "mifid.metrics.precision_recall:METRIC",
        "dc": "mifid.metrics.density_coverage:METRIC",
        "fld": "mifid.metrics.likelihood:METRIC",
        "authpct": "mifid.metrics.authenticity:METRIC",
        "ct": "mifid.metrics.three_sample:METRIC",
        "vendi": "mifid.metrics.vendi:METRIC",
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
        "mmd": "kid",
        "cmmd": "kid",
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
        "vendi_score": "vendi",
    },
)
"""name -> :class:`mifid.metrics.base.Metric`. A new measure is a file and a line here."""

CORE = ("fid", "memorization", "mifid")
"""What Kaggle's score is made of: computed from statistics too, and reported by themselves."""

GROUPS = {"prdc": ("pr", "dc"), "all": tuple(METRICS)}
"""Names for several at once."""
