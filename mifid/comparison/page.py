"""The page of a comparison: ranks, differences, and samples of the pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mifid.comparison.comparison import TITLES, Standing
from mifid.errors import UnavailableError
from mifid.evidence import Album, Evidence, Gallery, random_sheet, write_with_pictures
from mifid.images import thinned
from mifid.inputs import Side
from mifid.rendering import (
    BLUE,
    GREY,
    VERMILION,
    Plot,
    finish,
    inline_svg,
    new_figure,
    shortened,
)

if TYPE_CHECKING:
    from mifid.comparison.comparison import Comparison

__all__ = ["plot_differences", "plot_scores", "write_page"]

_SHEET = 8  # pictures a submission
_WIDE = 100  # a ratio of scores that a linear scale cannot show
_LONGEST = 28  # characters of a name beside a plot


def write_page(path: str | os.PathLike[str], comparison: Comparison) -> None:
    """Write one file that needs no other; pictures are read again where they still are.

    Raises:
        OutputError: it cannot be written there.
    """
    sheets = list(_sheets(comparison))
    write_with_pictures(
        path,
        "comparison/page.html",
        galleries=[sheet for _, sheet in sheets],
        comparison=comparison,
        plots=list(_plots(comparison)),
        sheets=sheets,
    )


def plot_scores(comparison: Comparison) -> Figure:
    """Draw each submission's score with its interval, the best one on top."""
    measure = comparison.ranked_by
    ranked = [standing for standing in comparison.standings if standing.rank is not None]
    figure = _rows_figure(TITLES[measure], ranked)
    (axes,) = figure.axes
    for row, standing in enumerate(ranked):
        value = getattr(standing, measure)
        interval = standing.intervals.get(measure)
        if interval is not None:
            axes.plot([interval.low, interval.high], [row, row], color=BLUE, lw=2.2, alpha=0.7)
        axes.plot([value], [row], "o", color=BLUE, ms=6)
    wide = _spread_if_wide(axes, [getattr(standing, measure) for standing in ranked])
    axes.set_xlabel(f"{TITLES[measure]} (lower is better{'; logarithmic' if wide else ''})")
    return figure


def plot_differences(comparison: Comparison) -> Figure:
    """Draw how far each submission is behind the best one, at equal numbers of pictures.

    An interval that lies right of 0 belongs to a submission that is worse by more than noise.

    Raises:
        UnavailableError: no difference has an interval.
    """
    judged = [s for s in comparison.standings if s.difference_interval is not None]
    if not judged:
        raise UnavailableError("no difference has an interval")
    figure = _rows_figure("Behind the best", judged)
    (axes,) = figure.axes
    axes.axvline(0, color=GREY, ls="--", lw=1.2)
    for row, standing in enumerate(judged):
        interval = standing.difference_interval
        assert interval is not None
        assert standing.equal_difference is not None
        colour = VERMILION if standing.worse else BLUE
        axes.plot([interval.low, interval.high], [row, row], color=colour, lw=2.2, alpha=0.7)
        axes.plot([standing.equal_difference], [row], "o", color=colour, ms=6)
    intervals = [standing.difference_interval for standing in judged]
    wide = _spread_if_wide(axes, [max(abs(i.low), abs(i.high)) for i in intervals if i])
    scale = " (logarithmic except near 0)" if wide else ""
    axes.set_xlabel(
        f"{TITLES[comparison.ranked_by]} minus {shortened(comparison.best.name, _LONGEST)}'s{scale}"
    )
    return figure


def _plots(comparison: Comparison) -> Iterator[Plot]:
    level = "" if comparison.level is None else f" with {comparison.level:g}% intervals"
    title = f"Scores{level}"
    yield Plot(
        inline_svg(plot_scores(comparison), label=title, prefix="scores"),
        "Each submission by itself. Intervals that overlap decide nothing: the differences do.",
        title,
    )
    try:
        figure = plot_differences(comparison)
    except UnavailableError:
        return
    title = "Differences to the best"
    yield Plot(
        inline_svg(figure, label=title, prefix="differences"),
        "Left and right end: the interval of the difference. One that lies wholly right of 0 is "
        "worse by more than noise; one that reaches across 0 may be as good.",
        title,
    )


def _spread_if_wide(axes: Axes, sizes: list[float]) -> bool:
    """Make x logarithmic, but linear up to the smallest size, if the largest is many times that.

    Copies make scores astronomical: on a linear scale all other rows would be one dot.
    """
    positive = [size for size in sizes if size > 0]
    if not positive or max(positive) <= _WIDE * min(positive):
        return False
    least = 10.0 ** math.floor(math.log10(min(positive)))
    axes.set_xscale("symlog", linthresh=least)
    low, high = axes.get_xlim()
    last = math.ceil(math.log10(max(-low, high) / least))
    step = max(1, math.ceil(last / 5))
    decades = [least * 10.0**power for power in range(0, last + 1, step)]
    ticks = [0.0, *decades, *(-one for one in decades if -one >= low)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in sorted(ticks) if tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    return True


def _tick(value: float, _: int) -> str:
    return f"{value:g}".replace("e+", "e")


def _rows_figure(title: str, standings: list[Standing]) -> Figure:
    figure = new_figure(title, height=0.9 + 0.34 * len(standings))
    figure.set_size_inches(6.0, 0.9 + 0.34 * len(standings))
    axes = figure.add_subplot()
    finish(axes, y="")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_yticks(range(len(standings)))
    # matplotlib would read some names as formulas.
    names = [shortened(standing.name, _LONGEST) for standing in standings]
    for label, standing in zip(axes.set_yticklabels(names), standings, strict=True):
        label.set_parse_math(False)
        label.set_fontsize(10 if len(standing.name) < _LONGEST else 9)
    axes.set_ylim(len(standings) - 0.5, -0.5)
    return figure


def _sheets(comparison: Comparison) -> Iterator[tuple[str, Gallery]]:
    """Yield titles and random pictures of each submission and the reference, or why none."""
    for standing in comparison.standings:
        given = comparison.given.get(standing.name)
        yield standing.name, _sheet(comparison, "generated", standing.side, given)
    reference = comparison.references["reference"]
    yield "reference", _sheet(comparison, "reference", reference, comparison.asked.get("reference"))


def _sheet(comparison: Comparison, label: str, side: Side, given: Any) -> Gallery:
    """Show some of the pictures that were compared: within the limit, and not left out as bad."""
    evidence = Evidence({}, {label: given}, value_range=comparison.asked.get("value_range"))
    bad = {name for name, _ in side.bad}
    try:
        with evidence.open(label) as source:
            taken = thinned(source, comparison.limit or len(source), comparison.seed)
            names = [name for name in taken.names if name not in bad]
            return random_sheet(Album.of(taken, names), seed=comparison.seed, count=_SHEET)
    except UnavailableError as error:
        return Gallery((), error.message)
