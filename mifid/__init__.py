"""Judge generated images: FID, memorization distance and MiFID, exactly as Kaggle computes them.

And train a reference to judge: a CycleGAN, whose pictures are checked and scored before an upload.

>>> import mifid
>>> mifid.penalized(fid=9.760399508819491, memorization_distance=0.09570749817614364)
101.981555205382

The main call is ``mifid.score("images.zip", "monet_jpg/")``. Names are imported on first use, so
that ``import mifid`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline import gallery, pretrain, train_baseline
    from mifid.baseline.generation import generate
    from mifid.comparison import Comparison, compare
    from mifid.diagnosis import diagnose
    from mifid.errors import MifidError, MifidWarning
    from mifid.explanation import explain
    from mifid.machine import __version__
    from mifid.metrics import penalized
    from mifid.painting import paint
    from mifid.pipeline import build_reference, features
    from mifid.report import Report
    from mifid.scoring import fid, mifid, score
    from mifid.selection import Selection, select
    from mifid.statistics import Features, Statistics
    from mifid.submission import check

__all__ = [
    "Comparison",
    "Features",
    "MifidError",
    "MifidWarning",
    "Report",
    "Selection",
    "Statistics",
    "__version__",
    "build_reference",
    "check",
    "compare",
    "diagnose",
    "explain",
    "features",
    "fid",
    "gallery",
    "generate",
    "mifid",
    "paint",
    "penalized",
    "pretrain",
    "score",
    "select",
    "train_baseline",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "baseline": ["gallery", "pretrain", "train_baseline"],
        "baseline.generation": ["generate"],
        "comparison": ["Comparison", "compare"],
        "diagnosis": ["diagnose"],
        "errors": ["MifidError", "MifidWarning"],
        "explanation": ["explain"],
        "machine": ["__version__"],
        "metrics": ["penalized"],
        "painting": ["paint"],
        "pipeline": ["build_reference", "features"],
        "report": ["Report"],
        "scoring": ["fid", "mifid", "score"],
        "selection": ["Selection", "select"],
        "statistics": ["Features", "Statistics"],
        "submission": ["check"],
    },
)
