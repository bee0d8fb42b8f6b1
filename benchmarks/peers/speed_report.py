"""Report of the speed benchmark: medians and ratios; Markdown section and plot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.machine import describe_machine, markdown_table
from benchmarks.peers.tools import COLD, STATES, TOLERANCE, TOOLS, Result, differences
from benchmarks.processes import PERIOD

Round = Mapping[str, Mapping[str, Result]]
"""Tool -> state -> result."""


@dataclass(frozen=True)
class Speed:
    """All measurements."""

    rounds: Sequence[Round]  # at least one
    starts: Mapping[str, Sequence[float]]  # command -> seconds of each of its starts

    @property
    def pictures(self) -> tuple[int, int]:
        """Numbers of generated and reference pictures."""
        return self.rounds[0]["mifid"][COLD].pictures or (0, 0)

    def of(self, tool: str, state: str, key: str) -> list[float]:
        """One value per round; empty if not measured."""
        found = [getattr(one[tool][state], key) for one in self.rounds if tool in one]
        return [value for value in found if value is not None]

    def ratios(self, tool: str, *, over: tuple[str, str] = ("mifid", COLD)) -> list[float]:
        """One ratio per round: a tool's seconds (cold) / seconds of a tool in a state."""
        pairs = zip(self.of(tool, COLD, "seconds"), self.of(*over, "seconds"), strict=False)
        return [theirs / ours for theirs, ours in pairs]

    def busy(self, tool: str, state: str = COLD) -> list[float]:
        """One share per round: of the time of all cores that a whole process used."""
        pairs = zip(*(self.of(tool, state, key) for key in ("cpu_seconds", "seconds")), strict=True)
        return [used / (whole * (os.cpu_count() or 1)) for used, whole in pairs]


def disagreements(one: Round) -> list[str]:
    """Return messages on runs with other pictures than mifid's, or other numbers at its resize."""
    runs = {
        f"{tool} ({state})": result
        for tool, states in one.items()
        for state, result in states.items()
    }
    return differences(runs, one["mifid"][COLD])


PLOT = "speed.png"
"""File name, in the folder of the document."""

PACKAGES = ("mifid", "torch", "openvino", "numpy", "scipy", "pillow", "simplejpeg")


def describe_speed(speed: Speed, *, about: str, repeat: str) -> str:
    """Return the section: all measurements, the differences of the tools, and the command."""
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].note}" for tool in speed.rounds[0])
    count = len(speed.rounds)
    rounds = "once" if count == 1 else f"in {count} rounds, every second one in reverse order"
    states = "\n".join(f"- **{state}**: {meaning}." for state, meaning in STATES.items())
    starts = [f"`{name}` takes {median(each):.2f} s" for name, each in speed.starts.items()]
    return f"""\
## Speed: process start to number

{about}, on the CPU, {rounds}. Every tool is a separate process.

Machine: {describe_machine(PACKAGES)}.

![Pictures per second of each tool, process start to number]({PLOT})

{_tools_table(speed)}

Seconds are the median of the rounds (minimum–maximum). Ratios are relative to mifid in the same
round, then the median. Pictures/s are all pictures divided by all seconds. Busy is CPU time divided
by seconds times cores. MiB is the peak memory of the largest process. Together is that of all
processes of a tool, with shared memory counted once, sampled every {PERIOD:g} seconds (else empty).
All files are in the file cache of the system. mifid is cold (see below).

Tools with mifid's resize (TensorFlow 1) must agree with its FID within {TOLERANCE:g}, or the
benchmark fails. Other resizes take other times and give different numbers.

{notes}

{", and ".join(starts)} (medians).

### States of mifid's cache

{_states_table(speed)}

{states}

The other tools cache no features of folders, so they have only one state. Ratios are their seconds
divided by these.

To repeat this:

```sh
pip install -e '.[cpu,jpeg,peers]'
{repeat}
```"""


def _tools_table(speed: Speed) -> str:
    header = "Tool|Version|Resize|FID|Batch|Workers|Seconds|Ratio|Pictures/s|CPU s|Busy|MiB"
    rows = []
    for tool, states in speed.rounds[0].items():
        one, seconds = states[COLD], speed.of(tool, COLD, "seconds")
        row = [tool, version(TOOLS[tool].package), TOOLS[tool].resize, f"{one.fid:.6g}"]
        row += [str(one.batch_size), str(one.workers), _spread(seconds, 1)]
        row += [_median(speed.ratios(tool), 2), f"{sum(speed.pictures) / median(seconds):.1f}"]
        row += [_median(speed.of(tool, COLD, "cpu_seconds"), 1), _percent(speed.busy(tool))]
        row += [_median(speed.of(tool, COLD, key), 0) for key in ("peak_mib", "together_mib")]
        rows.append(row)
    return markdown_table([*header.split("|"), "Together"], rows)


def _states_table(speed: Speed) -> str:
    peers = ("torch-fidelity", "pytorch-fid")
    header = ["Tool, state", "Seconds", "CPU s", "Busy", "MiB", *(f"{p}: ratio" for p in peers)]
    rows = []
    for tool, states in speed.rounds[0].items():
        for state in states if TOOLS[tool].package == "mifid" else ():
            seconds = speed.of(tool, state, "seconds")
            row = [f"{tool}, {state}", _spread(seconds, 1 if min(seconds) > 10 else 2)]
            row += [_median(speed.of(tool, state, "cpu_seconds"), 1)]
            row += [
                _percent(speed.busy(tool, state)),
                _median(speed.of(tool, state, "peak_mib"), 0),
            ]
            row += [_median(speed.ratios(peer, over=(tool, state)), 2) for peer in peers]
            rows.append(row)
    return markdown_table(header, rows)


def _spread(values: Sequence[float], digits: int) -> str:
    if len(values) < 2:
        return _median(values, digits)
    ends = f"{min(values):,.{digits}f}–{max(values):,.{digits}f}"
    return f"{_median(values, digits)} ({ends})"


def _median(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f}" if values else ""


def _percent(values: Sequence[float]) -> str:
    return f"{100 * median(values):.0f} %" if values else ""


def plot_speed(speed: Speed, path: Path) -> None:
    """Write a PNG with one bar per tool, and whiskers from the slowest to the fastest round."""
    # Imported only now: measured processes start with the memory of this one.
    from mifid.rendering import BLUE, GREY, finish, new_figure, save_figure

    whole = sum(speed.pictures)
    bars = {
        tool: [whole / seconds for seconds in speed.of(tool, COLD, "seconds")]
        for tool in sorted(
            speed.rounds[0], key=lambda tool: median(speed.of(tool, COLD, "seconds"))
        )
    }
    figure = new_figure(
        "Pictures per second on the CPU, process start to number", height=1.6 + 0.42 * len(bars)
    )
    axes = figure.subplots()
    for row, (tool, rates) in enumerate(bars.items()):
        middle = median(rates)
        spread = [[middle - min(rates)], [max(rates) - middle]]
        axes.barh(row, middle, color=BLUE if tool.startswith("mifid") else GREY, height=0.7)
        axes.errorbar(middle, row, xerr=spread, color="black", capsize=3, lw=1)
        axes.annotate(
            f"{middle:.1f}", (max(rates), row), (6, 0), textcoords="offset points", va="center"
        )
    finish(axes, y="", title=f"{speed.pictures[0]:,} generated, {speed.pictures[1]:,} reference")
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set_xlim(0, max(map(max, bars.values())) * 1.08)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("pictures / s")
    save_figure(figure, path)
