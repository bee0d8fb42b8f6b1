"""Seconds and memory against the number of pictures, drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from growth_pictures import Run, lines
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mifid.rendering import BLUE, GREEN, VERMILION, finish, new_figure, save_figure

__all__ = ["plot"]

STYLES = {"fid": (BLUE, "o"), "mifid": (VERMILION, "s"), "default": (GREEN, "^")}


def plot(runs: Sequence[Run], path: Path) -> None:
    """Write a PNG of two panels: seconds of each run with their line, and the most memory."""
    figure = new_figure("mifid score, cold, a process each", height=3.6)
    left, right = figure.subplots(1, 2)
    _panel(left, runs, lambda run: run.seconds, fitted=True)
    # FID alone grows to a plateau: a straight line through it would say otherwise.
    _panel(right, runs, lambda run: run.peak_mib, fitted=False)
    finish(left, y="seconds", title="Time, and its line")
    finish(right, y="MiB", title="Peak memory")
    for axes in (left, right):  # narrow: fewer marks than the common look has
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    left.legend(title="asked for", frameon=False)
    save_figure(figure, path)


def _panel(axes: Axes, runs: Sequence[Run], of: Callable[[Run], float], *, fitted: bool) -> None:
    most = max(run.pictures for run in runs)
    for variant, line in lines(runs, of).items():
        colour, marker = STYLES[variant]
        group = [run for run in runs if run.variant == variant]
        if fitted:
            ends = [line.start, line.start + line.each * most]
            axes.plot([0, most], ends, color=colour, lw=1, ls="--")
        axes.plot(
            [run.pictures for run in group],
            [of(run) for run in group],
            color=colour,
            marker=marker,
            ms=5,
            # Hollow: of two variants that cost the same both are seen.
            markerfacecolor="none",
            ls="none" if fitted else ":",
            label=variant,
        )
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.1 * max(map(of, runs)))
    axes.set_xlabel("generated pictures")
