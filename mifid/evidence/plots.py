"""Plots of a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mifid.errors import InputError, UnavailableError
from mifid.evidence.evidence import Evidence
from mifid.evidence.feature_map import FeatureMap, feature_map
from mifid.evidence.galleries import nearest_pairs, plot_gallery, random_rows
from mifid.images import Pixels
from mifid.registry import suggest
from mifid.rendering import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    draw_rgb_histograms,
    finish,
    in_own_style,
    new_figure,
)
from mifid.uncertainty import Bias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "PLOTS",
    "draw",
    "draw_distances",
    "draw_histograms",
    "draw_map",
    "plot_bias",
    "plot_distances",
    "plot_map",
    "plot_rgb",
]

Floats = npt.NDArray[np.floating[Any]]

_WIDTH = 5.0  # inches: text of 10 points stays readable on a phone, 350 pixels wide
_BINS = 60
_MOST_POINTS = 1500  # a side on the map; more would hide each other


@in_own_style
def plot_distances(
    distances: Floats, *, epsilon: float | None, mean: float | None = None
) -> Figure:
    """Plot the distances of the generated pictures to their nearest training pictures.

    Args:
        distances: (N,) 0..1, one per generated picture; NaN if a picture has none.
        epsilon: the threshold, shown as a line; smaller distances have another colour. None: none.
        mean: the memorization distance; None: the mean of ``distances``.

    Raises:
        UnavailableError: no picture has a distance.
    """
    values = np.asarray(distances, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        raise UnavailableError("no generated picture has a distance to plot")
    mean = float(values.mean()) if mean is None else mean
    figure = _figure("Distance to the nearest training picture", height=3.4)
    axes = figure.add_subplot()
    # One edge lies on the threshold, so that no bar belongs to both sides of it.
    limit = epsilon or 0.0
    low, high = min(values.min(), limit), max(values.max(), limit, 1e-6)
    width = (high - min(low, 0.0)) * 1.04 / _BINS
    first = int(np.floor((low - limit) / width))
    last = int(np.ceil((high - limit) / width)) + 1
    edges = limit + width * np.arange(first, last + 1)
    # Compared, not binned: an edge may miss the threshold by rounding.
    near = values < limit
    for some, colour in ((values[~near], BLUE), (values[near], VERMILION)):
        counts, _ = np.histogram(some, edges)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.85, lw=0)
    finish(axes, y="generated pictures")
    _decimal_axis(axes)
    axes.set_xlim(min(0.0, float(edges[0])), float(edges[-1]))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlabel("memorization distance of a picture (0: a copy)")
    if epsilon is not None:
        axes.axvline(epsilon, color=VERMILION, ls="--", lw=1.4, label=f"threshold {epsilon:g}")
    axes.axvline(mean, color=GREY, ls="-", lw=1.4, label=f"mean {mean:.4f}")
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=10)
    return figure


@in_own_style
def plot_map(clouds: FeatureMap, *, seed: int) -> Figure:
    """Plot both sides' features in the plane of their largest variance.

    Args:
        clouds: the map; at most 1,500 points a side are shown, as the legend says.
        seed: of the draw of these points.
    """
    figure = _figure("Both sets in the plane of most variance", height=4.4)
    axes = figure.add_subplot()
    random = np.random.RandomState(seed)
    sides = (
        ("generated", clouds.generated, BLUE, "o", 9.0, 0.45),
        ("reference", clouds.reference, VERMILION, "^", 13.0, 0.75),
    )
    for name, points, colour, marker, size, alpha in sides:
        shown, label = points, f"{name} ({len(points):,})"
        if len(points) > _MOST_POINTS:
            label = f"{name} ({_MOST_POINTS:,} of {len(points):,})"
            shown = points[np.sort(random.choice(len(points), _MOST_POINTS, replace=False))]
        axes.scatter(
            shown[:, 0],
            shown[:, 1],
            s=size,
            c=colour,
            marker=marker,
            alpha=alpha,
            linewidths=0,
            label=label,
        )
    first, second = (100 * float(share) for share in clouds.explained)
    finish(axes, y=f"second direction ({second:.1f} % of variance)")
    axes.set_xlabel(f"first direction ({first:.1f} % of variance)")
    # No tick labels: only the position of the sides to each other has a meaning.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda *_: ""))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda *_: ""))
    axes.tick_params(length=0)
    handles = figure.legend(
        loc="outside lower center", ncols=2, frameon=False, fontsize=10, markerscale=1.8
    )
    for handle in handles.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


@in_own_style
def plot_bias(bias: Bias) -> Figure:
    """Plot FID against the number of generated pictures, with infinitely many at the right.

    The scale is linear in 1/n, where FID is nearly a straight line; at the right edge it is FID of
    infinitely many pictures (Chong and Forsyth 2020, arXiv:1911.07023).
    """
    figure = _figure("FID and the number of generated pictures", height=3.8)
    axes = figure.add_subplot()
    sizes, fids = np.asarray(bias.sizes, np.float64), np.asarray(bias.fids, np.float64)
    axes.plot(-1 / sizes, fids, "o", color=BLUE, ms=4.5, label="FID of a subset", zorder=3)
    ends = np.array([0.0, float((1 / sizes).max())])
    axes.plot(-ends, bias.fid_infinity + bias.slope * ends, color=BLUE, lw=1.2, alpha=0.7)
    label = f"infinitely many: {bias.fid_infinity:.2f}"
    axes.plot([0], [bias.fid_infinity], "D", color=VERMILION, ms=7, label=label, clip_on=False)
    half = f"halves of the reference ({bias.halves_n:,} each): {bias.floor_halves:.2f}"
    axes.axhline(bias.floor_halves, color=GREY, ls="--", lw=1.2, label=half)
    if bias.held_out_at_equal is not None:
        held_out = f"held-out pictures, {bias.equal_n:,} of them: {bias.held_out_at_equal:.2f}"
        at = -1 / bias.equal_n
        axes.plot([at], [bias.held_out_at_equal], "s", color=GREEN, ms=7, label=held_out, zorder=3)
    finish(axes, y="FID (lower is better)")
    axes.set_xlim(right=0)
    _size_axis(axes, sizes)
    axes.set_xlabel("generated pictures (scale linear in 1/n)")
    figure.legend(loc="outside lower left", ncols=1, frameon=False, fontsize=9)
    return figure


@in_own_style
def plot_rgb(sets: Mapping[str, Pixels | Sequence[Pixels]]) -> Figure:
    """Plot the levels of red, green and blue of each set, without level 0.

    Args:
        sets: name -> pictures (h, w, 3) uint8, of which the first 100 are used.

    Raises:
        InputError: a set is empty, or not uint8 RGB.
    """
    figure = draw_rgb_histograms(sets)
    figure.set_size_inches(_WIDTH, 0.7 + 1.9 * max(1, len(sets)))
    figure.suptitle(
        "Levels of red, green and blue (without level 0)",
        x=0.01,
        ha="left",
        fontsize=12,
        fontweight="bold",
    )
    for axes in figure.axes:
        # This figure is narrower, so the title needs two lines.
        axes.set_title(axes.get_title(loc="left").replace(" (", "\n("), loc="left", fontsize=9)
        axes.set_xticks([1, 64, 128, 192, 255])
    return figure


def _figure(title: str, *, height: float) -> Figure:
    figure = new_figure(title, height=height)
    figure.set_size_inches(_WIDTH, height)
    return figure


def _decimal_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def _size_axis(axes: Axes, sizes: npt.NDArray[np.float64]) -> None:
    """Label -1/n with n at a few places, so that labels do not overlap; 0 is infinity."""
    largest = float((1 / sizes).max())
    chosen: list[float] = [0.0]
    for place in np.sort(1 / sizes):
        # The sign of infinity is narrow, so the first number may be close to it.
        if place - chosen[-1] >= largest / (6 if chosen[-1] else 15):
            chosen.append(float(place))
    axes.xaxis.set_major_locator(FixedLocator([-place for place in chosen]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "∞" if value >= 0 else f"{round(-1 / value):,}")
    )


_LEVELS_OF = 100  # pictures a side: enough for its colours, and fast


def draw(
    kind: str, evidence: Evidence, *, bias: Bias | None, bias_reason: str | None = None
) -> Figure:
    """Make one of the plots in :data:`PLOTS`, or ``"bias"``.

    Raises:
        InputError: another kind; the hint names the most similar one.
        UnavailableError: it needs pictures, features or a bias that are not available.
    """
    if kind == "bias":
        if bias is None:
            raise UnavailableError(f"there is no bias to plot: {bias_reason or 'no FID'}")
        return plot_bias(bias)
    if kind not in PLOTS:
        raise InputError(f"unknown plot '{kind}'", hint=suggest(kind, [*PLOTS, "bias"]))
    return PLOTS[kind](evidence)


def draw_distances(evidence: Evidence) -> Figure:
    """Plot the distances of the generated pictures to the training pictures."""
    return plot_distances(evidence.pictures.distance, epsilon=evidence.epsilon)


def draw_pairs(evidence: Evidence) -> Figure:
    """Plot the generated pictures that are nearest to a training picture, next to it."""
    with evidence.album("generated") as ours, evidence.album(evidence.training_label) as theirs:
        pairs = nearest_pairs(evidence.pictures, generated=ours, training=theirs, count=9)
        return plot_gallery(pairs, title="Nearest pairs: generated and training picture")


def draw_histograms(evidence: Evidence) -> Figure:
    """Plot the colour histograms of both sides."""
    with ExitStack() as files:
        sets = {}
        for label in ("generated", "reference"):
            album = files.enter_context(evidence.album(label))
            sets[label] = album.pixels(random_rows(len(album), _LEVELS_OF, seed=evidence.seed))
            if not sets[label]:
                raise UnavailableError(f"none of the {label} pictures can be read any more")
        return plot_rgb(sets)


def draw_map(evidence: Evidence) -> Figure:
    """Plot both sides' features in two dimensions."""
    clouds = feature_map(
        generated=evidence.features("generated"), reference=evidence.features("reference")
    )
    return plot_map(clouds, seed=evidence.seed)


PLOTS: dict[str, Callable[[Evidence], Figure]] = {
    "distances": draw_distances,
    "pairs": draw_pairs,
    "histograms": draw_histograms,
    "map": draw_map,
}
"""Kind -> function; ``"bias"`` is made from the bias instead of the evidence."""
