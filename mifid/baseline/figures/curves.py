"""Curves of a run: its losses and its scores over the steps."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mifid.rendering import (
    BLUE,
    GREY,
    VERMILION,
    YELLOW,
    finish,
    in_own_style,
    log_if_wide,
    new_figure,
    save_figure,
    say,
)

__all__ = [
    "NAMES",
    "WEIGHTS",
    "draw_losses",
    "draw_scores",
    "plot_losses",
    "plot_scores",
    "running_mean",
]

if TYPE_CHECKING:
    from mifid.baseline.gan import Term

    Terms = Sequence[Term]

Row = Mapping[str, Any]
Floats = npt.NDArray[np.float64]

_COLOURS = {"painting": BLUE, "photo": VERMILION}

_AVERAGED = 5  # scores in the moving average
_LONE = 7  # size of a marker without a line
NAMES = {"mifid": "MiFID", "fid": "FID"}
"""Names of the metrics of a run's scores, for people."""
WEIGHTS = {"raw": "weights as trained", "ema": "moving average of the weights"}
"""Names of the weights that are scored, for people."""


def plot_losses(rows: Sequence[Row], path: str | os.PathLike[str], *, terms: Terms) -> None:
    """Write what :func:`draw_losses` draws as PNG.

    Raises:
        OutputError: it cannot be written there.
    """
    save_figure(draw_losses(rows, terms=terms), path)


@in_own_style
def draw_losses(rows: Sequence[Row], *, terms: Terms, most: int | None = None) -> Figure:
    """Draw the losses over the steps: as logged, faint, and their running mean.

    Args:
        rows: lines of metrics.jsonl; those of other kinds than ``"train"`` are ignored.
        terms: of the method that was trained; those that no row has are left out.
        most: approximate number of points of a line, after means over all rows; None: all.
    """
    train = [row for row in rows if row["kind"] == "train"]
    width = max(1, len(train) // 25 // 2 * 2 + 1) if len(train) >= 50 else 1
    panels = _panels([term for term in terms if any(term.name in row for row in train)])
    every = 1 if most is None else max(1, math.ceil(len(train) / most))
    logged = "as logged" if every == 1 else f"every {every}. as logged"
    smoothing = (
        f" (faint: {logged}; strong: mean of {width} neighbouring lines)" if width > 1 else ""
    )
    figure = new_figure(f"Losses{smoothing}", height=1.2 + 3.1 * len(panels))
    for i, (title, ratio, lines) in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        drawn = [_draw_loss(axes, train, term, width=width, every=every) for term in lines]
        finish(axes, title=title, y="loss; generators' unweighted")
        _mark_whole_steps(axes)
        log_if_wide(axes, np.concatenate(drawn) if drawn else np.empty(0), ratio=ratio)
        if i == len(panels) - 1:
            axes.set_xlabel("training step")
        if lines:  # between title and curves: beside them it would take a third of a phone's width
            axes.legend(
                loc="lower left",
                bbox_to_anchor=(0.0, 1.0),
                borderaxespad=0.2,
                ncols=2,
                frameon=False,
                fontsize=9,
            )
            axes.set_title(title, loc="left", fontsize=10, pad=8 + 15 * math.ceil(len(lines) / 2))
        else:
            say(axes, "no losses were logged")
    return figure


def plot_scores(
    rows: Sequence[Row], path: str | os.PathLike[str], *, metric: str = "mifid"
) -> None:
    """Write what :func:`draw_scores` draws as PNG.

    Raises:
        OutputError: it cannot be written there.
    """
    save_figure(draw_scores(rows, metric=metric), path)


@in_own_style
def draw_scores(rows: Sequence[Row], *, metric: str = "mifid") -> Figure:
    """Draw the score of the raw and the averaged (EMA) weights over the run, the best marked.

    A line shows the score of the photos themselves, if there is one.

    Args:
        rows: lines of metrics.jsonl; those of other kinds than ``"score"`` are ignored.
        metric: ``"mifid"`` or ``"fid"``: the column that is drawn.
    """
    known = [row for row in rows if row["kind"] == "score" and _is_finite(row.get(metric))]
    scored = [row for row in known if row.get("weights") != "photos"]
    name = NAMES.get(metric, metric)
    photos = max((row["photos"] for row in scored if "photos" in row), default=0)
    on = f", on {photos:,} photos" if photos else ""
    figure = new_figure(f"{name} over the run{on}", height=4.6)
    axes = figure.add_subplot()
    for weights, label, colour, marker in (
        ("raw", WEIGHTS["raw"], VERMILION, "s"),
        ("ema", f"{WEIGHTS['ema']} (EMA)", BLUE, "o"),
    ):
        points = [(row["step"], row[metric]) for row in scored if row.get("weights") == weights]
        if not points:
            continue
        steps, scores = np.array(points, np.float64).T
        size = _LONE if len(points) == 1 else 4
        axes.plot(steps, scores, color=colour, marker=marker, ms=size, lw=1.6, label=label)
        if weights == "raw" and len(scores) >= _AVERAGED:
            means = np.convolve(scores, np.full(_AVERAGED, 1 / _AVERAGED), "valid")
            text = f"mean of their last {_AVERAGED} scores"
            axes.plot(steps[_AVERAGED - 1 :], means, color=GREY, ls="--", lw=1.4, label=text)
    for row in known:
        if row.get("weights") == "photos":
            text = f"the photos, unpainted: {row[metric]:.2f}"
            axes.axhline(row[metric], color=GREY, ls=":", lw=1.4, label=text)
    finish(axes, y=f"{name} (lower is better)")
    _mark_whole_steps(axes)
    axes.set_xlabel("training step")
    if scored:
        _mark_best(axes, min(scored, key=lambda row: row[metric]), metric)
        log_if_wide(axes, np.array([row[metric] for row in known], np.float64), ratio=4.0)
        _say_times(axes, scored)
        axes.legend(loc="best", fontsize=9, framealpha=0.85, edgecolor="none")
    else:
        say(axes, "nothing was scored")
    return figure


def running_mean(values: Floats, width: int) -> Floats:
    """Return the mean of each value and its neighbours, ``width`` in all, fewer at the ends.

    NaN and infinities are not part of the means, and become NaN.

    Args:
        values: (N,) float64.
        width: an odd number.
    """
    finite = np.isfinite(values)
    window = np.ones(min(width, 2 * len(values) - 1))
    totals = np.convolve(np.where(finite, values, 0.0), window)
    counts = np.convolve(finite.astype(np.float64), window)
    half = len(window) // 2
    middle = slice(half, half + len(values))
    return np.where(finite, totals[middle] / np.maximum(counts[middle], 1), np.nan)


def _panels(terms: Terms) -> list[tuple[str, float, list[Term]]]:
    """Return title, ratio and terms of each panel, side by side; one without terms if none has."""
    panels = dict.fromkeys(term.panel for term in terms)
    sides = list(_COLOURS)
    found = [
        (
            panel.title,
            panel.ratio,
            sorted((t for t in terms if t.panel == panel), key=lambda t: sides.index(t.side)),
        )
        for panel in panels
    ]
    return found or [("", 0.0, [])]


def _draw_loss(axes: Axes, rows: Sequence[Row], term: Term, *, width: int, every: int) -> Floats:
    """Draw a loss, and more strongly its running mean, which is returned.

    Only every ``every``-th point is drawn, and the last.
    """
    colour = _COLOURS[term.side]
    steps = np.array([row["step"] for row in rows], np.float64)
    values = np.array([row.get(term.name, math.nan) for row in rows], np.float64)
    values[~np.isfinite(values)] = np.nan
    means = running_mean(values, width)
    steps, values, means = (each[::-every][::-1] for each in (steps, values, means))
    if width > 1:
        axes.plot(steps, values, color=colour, lw=0.6, alpha=0.22)
    marker, size = ("o", 3) if len(rows) < 50 else ("", 0)
    if len(rows) == 1:
        size = _LONE  # only a filled or hollow marker distinguishes solid from dashed then
    axes.plot(
        steps,
        means,
        color=colour,
        ls=term.style,
        lw=1.7,
        marker=marker,
        ms=size,
        mfc=colour if term.style == "-" else "white",
        label=term.label,
    )
    return means


def _mark_whole_steps(axes: Axes) -> None:
    """Write each step once below the axis, however few there are."""
    # By default the locator makes at least two marks: around a single step these would be
    # fractions, which are all written as the same whole number.
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _mark_best(axes: Axes, best: Row, metric: str) -> None:
    kind = "EMA" if best.get("weights") == "ema" else "as trained"
    axes.plot(
        [best["step"]],
        [best[metric]],
        ls="",
        marker="*",
        ms=15,
        color=YELLOW,
        mec="black",
        label=f"best: {best[metric]:.2f} ({kind}, step {best['step']:,})",
        zorder=1.9,  # below the lines, so that it does not hide a single snapshot
    )


def _say_times(axes: Axes, rows: Sequence[Row]) -> None:
    """Write the time since the start above some scorings."""
    times = {row["step"]: row["seconds"] for row in rows if _is_finite(row.get("seconds"))}
    if not times:
        return
    longest = max(times.values())
    units = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
    unit, name = next((u for u in units if longest >= 2 * u[0]), units[-1])
    decimals = 1 if longest < 20 * unit else 0
    steps = sorted(times)
    chosen = steps[:: -math.ceil(len(steps) / 7)][::-1]  # from the end, so that the last is there
    top = axes.twiny()
    top.set_xlim(axes.get_xlim())
    top.set_xticks(chosen, [f"{times[step] / unit:.{decimals}f}" for step in chosen])
    top.set_xlabel(f"{name} since the start", color=GREY, fontsize=9)
    top.tick_params(colors=GREY, labelsize=8, length=3)
    top.spines[:].set_visible(False)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
