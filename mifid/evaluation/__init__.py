"""From features to numbers, and warnings about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.evaluation.classes import score_classes as score_classes
    from mifid.evaluation.evaluation import Numbers as Numbers
    from mifid.evaluation.evaluation import check_metrics as check_metrics
    from mifid.evaluation.evaluation import check_widths as check_widths
    from mifid.evaluation.evaluation import measure as measure
    from mifid.evaluation.evaluation import measure_more as measure_more
    from mifid.evaluation.labels import By as By
    from mifid.evaluation.labels import Grouping as Grouping
    from mifid.evaluation.plausibility import OF_NUMBERS as OF_NUMBERS
    from mifid.evaluation.plausibility import check_copies as check_copies
    from mifid.evaluation.plausibility import check_held_out as check_held_out
    from mifid.evaluation.plausibility import check_numbers as check_numbers
    from mifid.evaluation.plausibility import check_photos as check_photos
    from mifid.evaluation.plausibility import check_pictures as check_pictures
    from mifid.evaluation.plausibility import check_submission as check_submission
    from mifid.evaluation.plausibility import check_threshold as check_threshold
    from mifid.evaluation.plausibility import not_comparable as not_comparable
    from mifid.evaluation.protocols import PROTOCOLS as PROTOCOLS
    from mifid.evaluation.protocols import Protocol as Protocol
    from mifid.evaluation.protocols import choose_protocol as choose_protocol

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "classes": ["score_classes"],
        "evaluation": [
            "Numbers",
            "check_metrics",
            "check_widths",
            "measure",
            "measure_more",
        ],
        "labels": ["By", "Grouping"],
        "plausibility": [
            "OF_NUMBERS",
            "check_copies",
            "check_held_out",
            "check_numbers",
            "check_photos",
            "check_pictures",
            "check_submission",
            "check_threshold",
            "not_comparable",
        ],
        "protocols": ["PROTOCOLS", "Protocol", "choose_protocol"],
    },
)
