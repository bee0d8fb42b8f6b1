"""Judge generated images: FID, memorization distance and MiFID, exactly as Kaggle computes them.

And train a reference to judge: a CycleGAN, whose pictures are checked and scored before an upload.

>>> import mifid
>>> mifid.penalized(fid=9.760399508819491, memorization_distance=0.09570749817614364)
101.981555205382

The main call is ``mifid.score("images.zip", "monet_jpg/")``. Names are imported on first use, so
that ``import mifid`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mifid.baseline.generate import generate
    from mifid.checking import check
    from mifid.comparing import compare
    from mifid.comparison import Comparison
    from mifid.diagnosing import diagnose
    from mifid.errors import MifidError, MifidWarning
    from mifid.explaining import explain
    from mifid.featureset import Features
    from mifid.metrics.mifid import penalized
    from mifid.pipeline import features
    from mifid.reference import build_reference
    from mifid.report import Report
    from mifid.scoring import score
    from mifid.statistics import Statistics
    from mifid.training import train_baseline
    from mifid.version import __version__

__all__ = [
    "Comparison",
    "Features",
    "MifidError",
    "MifidWarning",
    "Report",
    "Statistics",
    "__version__",
    "build_reference",
    "check",
    "compare",
    "diagnose",
    "explain",
    "features",
    "generate",
    "penalized",
    "score",
    "train_baseline",
]

_HOME = {
    "Comparison": "mifid.comparison",
    "Features": "mifid.featureset",
    "MifidError": "mifid.errors",
    "MifidWarning": "mifid.errors",
    "Report": "mifid.report",
    "Statistics": "mifid.statistics",
    "__version__": "mifid.version",
    "build_reference": "mifid.reference",
    "check": "mifid.checking",
    "compare": "mifid.comparing",
    "diagnose": "mifid.diagnosing",
    "explain": "mifid.explaining",
    "features": "mifid.pipeline",
    "generate": "mifid.baseline.generate",
    "penalized": "mifid.metrics.mifid",
    "score": "mifid.scoring",
    "train_baseline": "mifid.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mifid' has no attribute '{name}'")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
