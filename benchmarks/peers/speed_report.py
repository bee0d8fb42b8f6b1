"""Report of the speed benchmark: medians, ratios, goals; Markdown section and plot."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.machine import describe_machine, markdown_table
from benchmarks.peers.job import TOLERANCE, differences
from benchmarks.peers.roof import BATCH
from benchmarks.peers.tools import CACHED, COLD, FIRST, STATES, TF1, TOOLS, Result
from benchmarks.processes import PERIOD


@dataclass(frozen=True)
class Round:
    """Measurements of one round."""

    runs: Mapping[str, Mapping[str, Result]]  # tool -> state -> result
    products: Mapping[str, float]  # library -> GFLOP/s, the better of before and after
    networks: Mapping[str, float]  # tool -> pictures/s of its network alone

    @property
    def product(self) -> float:
        """GFLOP/s of the fastest library."""
        return max(self.products.values())

    def rate(self, tool: str) -> float:
        """Generated pictures/s of the extraction of a mifid row, cold."""
        rate = self.runs[tool][COLD].rate
        assert rate is not None
        return rate


@dataclass(frozen=True)
class Goal:
    """A goal, and the value that was reached (None: not measured)."""

    what: str
    aim: float
    reached: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached."""
        if self.reached is None:
            return None
        return self.reached <= self.aim if self.at_most else self.reached >= self.aim


@dataclass(frozen=True)
class Speed:
    """All measurements."""

    rounds: Sequence[Round]  # at least one
    starts: Mapping[str, Sequence[float]]  # command -> seconds of each of its starts
    gflop: float  # the network's cost of a picture

    @property
    def pictures(self) -> tuple[int, int]:
        """Numbers of generated and reference pictures."""
        found = self.rounds[0].runs["mifid"][COLD].pictures
        assert found is not None
        return found

    def of(self, tool: str, state: str, key: str) -> list[float]:
        """One value per round; empty if not measured."""
        found = [getattr(one.runs[tool][state], key) for one in self.rounds if tool in one.runs]
        return [value for value in found if value is not None]

    def ratio(self, tool: str, *, over: tuple[str, str] = ("mifid", COLD)) -> float | None:
        """Median over rounds: a tool's seconds (cold) / seconds of a tool in a state."""
        other, state = over
        return self._median(
            lambda one: one.runs[tool][COLD].seconds / one.runs[other][state].seconds, tool
        )

    def share_of_roof(self, tool: str) -> float | None:
        """Rate of a tool's extraction, as a share of the fastest matrix product."""
        return self._median(lambda one: one.rate(tool) * self.gflop / one.product, tool)

    def share_of_network(self, tool: str) -> float | None:
        """Rate of a tool's extraction / rate of its network alone."""
        return self._median(lambda one: one.rate(tool) / one.networks[tool], tool)

    def busy(self, tool: str, state: str = COLD) -> float | None:
        """Share of the time of all cores that a whole process used."""
        cores = os.cpu_count() or 1
        return self._median(
            lambda one: one.runs[tool][state].cpu_seconds / (one.runs[tool][state].seconds * cores),
            tool,
        )

    @property
    def over_stock(self) -> float | None:
        """Rate of backend torch's network alone / rate of torch-fidelity's."""
        pairs = [one.networks for one in self.rounds if "torch-fidelity" in one.networks]
        ratios = [rates["mifid-torch"] / rates["torch-fidelity"] for rates in pairs]
        return statistics.median(ratios) if ratios else None

    @property
    def roof(self) -> float:
        """Pictures/s of a network as fast as the fastest matrix product."""
        return statistics.median(one.product for one in self.rounds) / self.gflop

    def goals(self) -> list[Goal]:
        """Goals, set before the measurements."""
        cached = self.of("mifid", CACHED, "seconds")
        return [
            *(
                Goal(f"whole process, cold: times {peer}'s speed", aim, self.ratio(peer))
                for peer, aim in {"torch-fidelity": 2.8, "pytorch-fid": 2.0}.items()
            ),
            Goal("extraction: share of the roof", 0.85, self.share_of_roof("mifid")),
            Goal("cached: seconds", 1.5, statistics.median(cached), at_most=True),
            *(
                Goal(f"{command}: seconds", 0.3, statistics.median(seconds), at_most=True)
                for command, seconds in self.starts.items()
            ),
            Goal("backend torch: times the stock extractor's speed", 1.5, self.over_stock),
        ]

    def _median(self, value: Callable[[Round], float], tool: str) -> float | None:
        found = [value(one) for one in self.rounds if tool in one.runs]
        return statistics.median(found) if found else None


def disagreements(one: Round) -> list[str]:
    """Return messages on runs with other pictures than mifid's, or other numbers at its resize."""
    ours = vars(one.runs["mifid"][COLD])
    return [
        line
        for tool, states in one.runs.items()
        for state, result in states.items()
        for line in differences(
            f"{tool} ({state})", vars(result), ours, same_resize=TOOLS[tool].resize == TF1
        )
    ]


PLOT = "speed.png"
"""File name, in the folder of the document."""

PACKAGES = ("mifid", "torch", "openvino", "numpy", "scipy", "pillow", "simplejpeg")


def describe_speed(speed: Speed, *, about: str, repeat: str) -> str:
    """Return the section: all measurements, the differences of the tools, and the command."""
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].whole}" for tool in speed.rounds[0].runs)
    count = len(speed.rounds)
    rounds = "once" if count == 1 else f"in {count} rounds, every second one in reverse order"
    states = "\n".join(f"- **{state}**: {meaning}." for state, meaning in STATES.items())
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

### States of mifid's cache

{_states_table(speed)}

{states}

The other tools cache no features of folders, so they have only one state. Ratios are their seconds
divided by these.

### The roof

{_products_table(speed)}

The network costs {speed.gflop:.2f} GFLOP per picture, counted from its convolutions. At the rate of
the fastest matrix product, this gives **{speed.roof:.1f} pictures/s**: the roof for directly
computed convolutions. Products are float32 and timed before and after each round; the better time
counts.

{_network_table(speed)}

The network alone gets batches of {BATCH} pictures, 256 × 256, from memory and resizes them;
torch-fidelity's is the stock extractor. Extraction is that of the generated pictures in the whole
(cold) process, from files to features, with the network already loaded. Shares are within a round.

### Goals

{_goals_table(speed.goals())}

{_goals_note(speed)}

To repeat this:

```sh
pip install -e '.[cpu,jpeg,peers]'
{repeat}
```"""


def _tools_table(speed: Speed) -> str:
    header = (
        "Tool|Version|Resize|FID|Batch|Workers|Seconds|Ratio|Pictures/s|CPU s|Busy|MiB|Together"
    )
    rows = []
    for tool in speed.rounds[0].runs:
        result = speed.rounds[0].runs[tool][COLD]
        seconds = speed.of(tool, COLD, "seconds")
        rows.append(
            [
                tool,
                version(TOOLS[tool].package),
                TOOLS[tool].resize,
                f"{result.fid:.6g}",
                str(result.batch_size),
                str(result.workers),
                _spread(seconds, 1),
                _number(speed.ratio(tool), 2),
                f"{sum(speed.pictures) / statistics.median(seconds):.1f}",
                _median(speed.of(tool, COLD, "cpu_seconds"), 1),
                _percent(speed.busy(tool)),
                _median(speed.of(tool, COLD, "peak_mib"), 0),
                _median(speed.of(tool, COLD, "together_mib"), 0),
            ]
        )
    return markdown_table(header.split("|"), rows)


def _states_table(speed: Speed) -> str:
    header = "Tool, state|Seconds|CPU s|Busy|MiB|torch-fidelity: ratio|pytorch-fid: ratio"
    rows = []
    for tool, states in speed.rounds[0].runs.items():
        for state in states if TOOLS[tool].package == "mifid" else ():
            seconds = speed.of(tool, state, "seconds")
            rows.append(
                [
                    f"{tool}, {state}",
                    _spread(seconds, 1 if min(seconds) > 10 else 2),
                    _median(speed.of(tool, state, "cpu_seconds"), 1),
                    _percent(speed.busy(tool, state)),
                    _median(speed.of(tool, state, "peak_mib"), 0),
                    *(
                        _number(speed.ratio(peer, over=(tool, state)), 2)
                        for peer in ("torch-fidelity", "pytorch-fid")
                    ),
                ]
            )
    return markdown_table(header.split("|"), rows)


def _products_table(speed: Speed) -> str:
    rows = []
    for library in speed.rounds[0].products:
        rates = [one.products[library] for one in speed.rounds]
        share = statistics.median(rates) / speed.gflop
        rows.append([library, _spread(rates, 0), f"{share:.1f}"])
    return markdown_table(["Matrix product by", "GFLOP/s", "Pictures/s at that rate"], rows)


def _network_table(speed: Speed) -> str:
    header = "Tool|Network alone, pictures/s|Extraction, pictures/s|Share of the roof"
    header += "|Share of the network alone"
    rows = []
    for tool in speed.rounds[0].networks:
        alone = [one.networks[tool] for one in speed.rounds]
        measured = bool(speed.of(tool, COLD, "rate"))
        rows.append(
            [
                tool,
                _spread(alone, 1),
                _spread(speed.of(tool, COLD, "rate"), 1) if measured else "",
                _percent(speed.share_of_roof(tool)) if measured else "",
                _percent(speed.share_of_network(tool)) if measured else "",
            ]
        )
    return markdown_table(header.split("|"), rows)


def _goals_table(goals: Sequence[Goal]) -> str:
    said = {True: "yes", False: "no", None: "not measured"}
    rows = [
        [
            goal.what,
            f"{'at most' if goal.at_most else 'at least'} {goal.aim:g}",
            _number(goal.reached, 2),
            said[goal.met],
        ]
        for goal in goals
    ]
    return markdown_table(["Goal", "Aim", "Reached", "Met"], rows)


def _goals_note(speed: Speed) -> str:
    note = f"The machine has {os.cpu_count()} cores. The goals of whole processes are for 1,000 "
    note += "generated and 300 reference pictures"
    if speed.pictures == (1000, 300):
        return f"{note}."
    return f"{note}; here there were {speed.pictures[0]:,} and {speed.pictures[1]:,}."


def _spread(values: Sequence[float], digits: int) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):,.{digits}f}" if values else ""


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def plot_speed(speed: Speed, path: Path) -> None:
    """Write a PNG with one bar per tool, and whiskers from the slowest to the fastest round."""
    # Imported only now: measured processes start with the memory of this one.
    from mifid.rendering import BLUE, GREY, VERMILION, finish, new_figure, save_figure

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
    """Return name -> pictures/s of each round, the fastest first."""
    bars = {}
    for tool, states in speed.rounds[0].runs.items():
        for state in (COLD, FIRST):
            if state in states:
                name = tool if state == COLD else f"{tool}, {state}"
                seconds = speed.of(tool, state, "seconds")
                bars[name] = [sum(speed.pictures) / one for one in seconds]
    return dict(sorted(bars.items(), key=lambda bar: -statistics.median(bar[1])))
