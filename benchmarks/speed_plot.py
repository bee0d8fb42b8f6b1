"""The speed benchmark's plot: a bar a tool, whiskers from the slowest round to the fastest."""

from __future__ import annotations

import statistics
from pathlib import Path

from processes import COLD, FIRST
from speed_rounds import Speed

from mifid.rendering import BLUE, GREY, VERMILION, finish, new_figure, save_figure

__all__ = ["plot_speed"]


def plot_speed(speed: Speed, path: Path) -> None:
    """Write the plot as a PNG."""
    bars = _bars(speed)
    figure = new_figure(
        "Pictures per second on the CPU, process start to number", height=1.6 + 0.42 * len(bars)
    )
    axes = figure.subplots()
    for row, (tool, rates) in enumerate(bars.items()):
        middle = statistics.median(rates)
        colour = BLUE if tool.startswith("mifid") else GREY
        axes.barh(row, middle, color=colour, height=0.7)
        if len(rates) > 1:
            spread = [[middle - min(rates)], [max(rates) - middle]]
            axes.errorbar(middle, row, xerr=spread, color="black", capsize=3, lw=1)
        axes.annotate(
            f"{middle:.1f}", (max(rates), row), (6, 0), textcoords="offset points", va="center"
        )
    finish(axes, y="", title=f"{speed.pictures[0]:,} generated, {speed.pictures[1]:,} reference")
    axes.axvline(speed.roof, color=VERMILION, ls="--", lw=1.5)
    axes.annotate(
        f"roof: {speed.roof:.1f} ",
        (speed.roof, 1),
        xycoords=("data", "axes fraction"),
        ha="right",
        va="bottom",
        color=VERMILION,
    )
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set_xlim(0, max(speed.roof, *map(max, bars.values())) * 1.08)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("pictures / s")
    save_figure(figure, path)


def _bars(speed: Speed) -> dict[str, list[float]]:
    """Name -> pictures/s of each round, the fastest first."""
    bars = {}
    for tool, states in speed.rounds[0].runs.items():
        for state in (COLD, FIRST):
            if state in states:
                name = tool if state == COLD else f"{tool}, {state}"
                seconds = speed.of(tool, state, "seconds")
                bars[name] = [sum(speed.pictures) / one for one in seconds]
    return dict(sorted(bars.items(), key=lambda bar: -statistics.median(bar[1])))
