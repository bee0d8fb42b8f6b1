"""The plots of a score by name, for notebooks: ``report.plot("distances")``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mifid.errors import InputError, UnavailableError
from mifid.evidence.evidence import Evidence
from mifid.evidence.exhibits import nearest_pairs
from mifid.evidence.feature_map import feature_map
from mifid.evidence.galleries import plot_gallery
from mifid.evidence.plots import plot_bias, plot_distances, plot_map, plot_rgb
from mifid.evidence.sheet import random_rows
from mifid.registry import suggest
from mifid.uncertainty.bias import Bias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "draw", "draw_distances", "draw_histograms", "draw_map"]

_LEVELS_OF = 100  # pictures a side: enough for its colours, and quick


def draw(
    kind: str, evidence: Evidence, *, bias: Bias | None, bias_reason: str | None = None
) -> Figure:
    """Draw one of :data:`PLOTS`.

    Raises:
        InputError: another kind, with the nearest known one.
        UnavailableError: it needs pictures, features or a bias that are not at hand.
    """
    if kind == "bias":
        if bias is None:
            raise UnavailableError(f"no bias was computed: {bias_reason or 'no FID'}")
        return plot_bias(bias)
    if kind not in PLOTS:
        raise InputError(f"unknown plot '{kind}'", hint=suggest(kind, [*PLOTS, "bias"]))
    return PLOTS[kind](evidence)


def draw_distances(evidence: Evidence) -> Figure:
    """Draw how near the generated pictures come to the training pictures."""
    return plot_distances(evidence.pictures.distance, epsilon=evidence.epsilon)


def draw_pairs(evidence: Evidence) -> Figure:
    """Draw the generated pictures nearest to a training picture, beside it."""
    with evidence.album("generated") as ours, evidence.album(evidence.training_label) as theirs:
        pairs = nearest_pairs(evidence.pictures, generated=ours, training=theirs, count=9)
        return plot_gallery(pairs, title="Nearest pairs: generated and training picture")


def draw_histograms(evidence: Evidence) -> Figure:
    """Draw which colours both sides have."""
    with ExitStack() as files:
        sets = {}
        for label in ("generated", "reference"):
            album = files.enter_context(evidence.album(label))
            sets[label] = album.pixels(random_rows(len(album), _LEVELS_OF))
            if not sets[label]:
                raise UnavailableError(f"none of the {label} pictures can be read any more")
        return plot_rgb(sets)


def draw_map(evidence: Evidence) -> Figure:
    """Draw both sides' features in two dimensions."""
    clouds = feature_map(
        generated=evidence.features("generated"), reference=evidence.features("reference")
    )
    return plot_map(clouds)


PLOTS: dict[str, Callable[[Evidence], Figure]] = {
    "distances": draw_distances,
    "pairs": draw_pairs,
    "histograms": draw_histograms,
    "map": draw_map,
}
"""kind -> what draws it; ``"bias"`` besides."""
