"""What reports say of the sides and of what computed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mifid.evaluation.evaluation import Computed
from mifid.images import Source, Stream
from mifid.inputs import GivenSide
from mifid.metrics.mifid import EPSILON
from mifid.pipeline.pipeline import Outcome, Pipeline
from mifid.side import Side
from mifid.statistics.provenance import Provenance
from mifid.statistics.statistics import Statistics
from mifid.submission.writer import MONET
from mifid.version import __version__

__all__ = ["not_comparable", "protocol", "told"]


def told(side: GivenSide, computed: Computed, pipeline: Pipeline | None) -> Side:
    """Say what a side was, and what became of its pictures."""
    outcome = pipeline.outcomes.get(side.label) if pipeline else None
    outcome = outcome or Outcome(sha256=side.content_hash())
    return Side(
        source=side.description,
        n=computed.n if isinstance(computed, Statistics) else len(computed),
        sha256=outcome.sha256,
        cached=outcome.cached,
        skipped=dict(side.input.skipped) if isinstance(side.input, Source | Stream) else {},
        converted=outcome.converted,
        bad=outcome.bad,
        available=side.available,
    )


def protocol(provenance: Provenance) -> dict[str, Any]:
    """Say all that the numbers depend on beside the pictures."""
    return {
        "version": __version__,
        "extractor": provenance.extractor,
        "fingerprint": provenance.fingerprint,
        "weights_sha256": provenance.weights_sha256,
        "resize": provenance.resize,
        "decoder": provenance.decoder,
        "ddof": 1,
        "dtype": provenance.dtype,
        "device": provenance.device,
        "backend": provenance.backend,
        "batch_size": provenance.batch_size,
        "versions": dict(provenance.versions),
    }


def not_comparable(
    computed: Mapping[str, Computed], epsilon: float, *, numbers: bool = True
) -> str | None:
    """Say why a score cannot be compared with Kaggle's; None if it can.

    Without ``numbers`` it may be of another number of pictures than the competition takes.
    """
    reasons: dict[str, list[str]] = {}
    for label, side in computed.items():
        if side.provenance.not_comparable:
            reasons.setdefault(side.provenance.not_comparable, []).append(label.replace("_", " "))
    told = [
        reason if len(labels) == len(computed) else f"{' and '.join(labels)}: {reason}"
        for reason, labels in reasons.items()
    ]
    known = {side.provenance.fingerprint is not None for side in computed.values()}
    if len(known) > 1:
        told.append("so the sides may be of different networks, and FID without meaning")
    if told:
        return "; ".join(told)
    if epsilon != EPSILON:
        return f"epsilon is {epsilon:g}, not {EPSILON:g}"
    generated = computed["generated"]
    n = generated.n if isinstance(generated, Statistics) else len(generated)
    if numbers and n is not None and not MONET.at_least <= n <= MONET.at_most:
        return f"{n:,} generated pictures, not {MONET.at_least:,} to {MONET.at_most:,}"
    return None
