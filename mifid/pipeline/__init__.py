"""From pictures to features: through the network, or from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.pipeline.inference import Extraction as Extraction
    from mifid.pipeline.inference import features_of_pixels as features_of_pixels
    from mifid.pipeline.inference import provenance_of as provenance_of
    from mifid.pipeline.options import Keywords as Keywords
    from mifid.pipeline.options import Options as Options
    from mifid.pipeline.options import with_options as with_options
    from mifid.pipeline.pipeline import Outcome as Outcome
    from mifid.pipeline.pipeline import Pipeline as Pipeline
    from mifid.pipeline.pipeline import content_hash as content_hash
    from mifid.pipeline.pipeline import features as features
    from mifid.pipeline.pipeline import features_of as features_of
    from mifid.pipeline.pipeline import open_pictures as open_pictures
    from mifid.pipeline.reference import build_reference as build_reference
    from mifid.pipeline.reference import reference_file as reference_file
    from mifid.pipeline.sides import BESIDE as BESIDE
    from mifid.pipeline.sides import STREAMED_FROM as STREAMED_FROM
    from mifid.pipeline.sides import ComputedSide as ComputedSide
    from mifid.pipeline.sides import choose_network as choose_network
    from mifid.pipeline.sides import compute_side as compute_side
    from mifid.pipeline.sides import idle_options as idle_options
    from mifid.pipeline.sides import logits_of as logits_of
    from mifid.pipeline.sides import open_beside as open_beside
    from mifid.pipeline.sides import open_sides as open_sides
    from mifid.pipeline.sides import pipeline_for as pipeline_for

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "inference": ["Extraction", "features_of_pixels", "provenance_of"],
        "options": ["Keywords", "Options", "with_options"],
        "pipeline": [
            "Outcome",
            "Pipeline",
            "content_hash",
            "features",
            "features_of",
            "open_pictures",
        ],
        "reference": ["build_reference", "reference_file"],
        "sides": [
            "ComputedSide",
            "choose_network",
            "compute_side",
            "BESIDE",
            "STREAMED_FROM",
            "idle_options",
            "logits_of",
            "open_beside",
            "open_sides",
            "pipeline_for",
        ],
    },
)
