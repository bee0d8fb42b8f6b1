"""From pictures to features: through the network, or from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.pipeline.inference import Settings as Settings
    from mifid.pipeline.pipeline import Outcome as Outcome
    from mifid.pipeline.pipeline import Pipeline as Pipeline
    from mifid.pipeline.pipeline import features as features
    from mifid.pipeline.reference import build_reference as build_reference
    from mifid.pipeline.reference import reference_file as reference_file
    from mifid.pipeline.sides import compute_side as compute_side
    from mifid.pipeline.sides import describe_side as describe_side
    from mifid.pipeline.sides import logits_of as logits_of
    from mifid.pipeline.sides import pipeline_for as pipeline_for

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "inference": ["Settings"],
        "pipeline": ["Outcome", "Pipeline", "features"],
        "reference": ["build_reference", "reference_file"],
        "sides": ["compute_side", "describe_side", "logits_of", "pipeline_for"],
    },
)
