"""The rounds of the speed benchmark: medians, ratios, goals; its section of Markdown and plot."""

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
    """What one round measured."""

    runs: Mapping[str, Mapping[str, Result]]  # tool -> state -> result
    products: Mapping[str, float]  # library -> GFLOP/s, the better of before and after
    networks: Mapping[str, float]  # tool -> pictures/s of its network by itself

    @property
    def product(self) -> float:
        """GFLOP/s of the fastest library."""
        return max(self.products.values())

    def rate(self, tool: str) -> float:
        """Generated pictures/s while one of ours extracts, cold."""
        rate = self.runs[tool][COLD].rate
        assert rate is not None
        return rate


@dataclass(frozen=True)
class Goal:
    """A number that was aimed at, and the one that was reached (None: not measured)."""

    what: str
    aim: float
    reached: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it was reached."""
        if self.reached is None:
            return None
        return self.reached <= self.aim if self.at_most else self.reached >= self.aim


@dataclass(frozen=True)
class Speed:
    """All that was measured."""

    rounds: Sequence[Round]  # at least one
    starts: Mapping[str, Sequence[float]]  # command -> seconds of each of its starts
    gflop: float  # the network's cost of a picture

    @property
    def pictures(self) -> tuple[int, int]:
        """Generated and reference."""
        found = self.rounds[0].runs["mifid"][COLD].pictures
        assert found is not None
        return found

    def of(self, tool: str, state: str, key: str) -> list[float]:
        """A number of each round; empty if it was not measured."""
        found = [getattr(one.runs[tool][state], key) for one in self.rounds if tool in one.runs]
        return [value for value in found if value is not None]

    def ratio(self, tool: str, *, over: tuple[str, str] = ("mifid", COLD)) -> float | None:
        """A tool's seconds (cold) over those of a tool in a state: the median of the rounds'."""
        other, state = over
        return self._median(
            lambda one: one.runs[tool][COLD].seconds / one.runs[other][state].seconds, tool
        )

    def share_of_roof(self, tool: str) -> float | None:
        """How much of the fastest matrix product a tool's extraction reaches."""
        return self._median(lambda one: one.rate(tool) * self.gflop / one.product, tool)

    def share_of_network(self, tool: str) -> float | None:
        """A tool's extraction over its network by itself."""
        return self._median(lambda one: one.rate(tool) / one.networks[tool], tool)

    def busy(self, tool: str, state: str = COLD) -> float | None:
        """The share of the cores' time that a whole process used."""
        cores = os.cpu_count() or 1
        return self._median(
            lambda one: one.runs[tool][state].cpu_seconds / (one.runs[tool][state].seconds * cores),
            tool,
        )

    @property
    def over_stock(self) -> float | None:
        """The network of backend torch by itself over torch-fidelity's."""
        pairs = [one.networks for one in self.rounds if "torch-fidelity" in one.networks]
        ratios = [rates["mifid-torch"] / rates["torch-fidelity"] for rates in pairs]
        return statistics.median(ratios) if ratios else None

    @property
    def roof(self) -> float:
        """Pictures/s if the network ran as fast as the fastest matrix product."""
        return statistics.median(one.product for one in self.rounds) / self.gflop

    def goals(self) -> list[Goal]:
        """What was aimed at before anything was measured."""
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
    """Say which runs met other pictures than mifid's cold run, or differ at the same resize."""
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
"""Its name beside the document."""

PACKAGES = ("mifid", "torch", "openvino", "numpy", "scipy", "pillow", "simplejpeg")


def describe_speed(speed: Speed, *, about: str, repeat: str) -> str:
    """Return the section: all that was measured, what differs, and how to repeat it."""
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].whole}" for tool in speed.rounds[0].runs)
    count = len(speed.rounds)
    rounds = "once" if count == 1 else f"in {count} rounds, every other one backwards"
    states = "\n".join(f"- **{state}**: {meaning}." for state, meaning in STATES.items())
    return f"""\
## Speed: process start to number

{about}, on the CPU, {rounds}. Every tool is a process of its own.

Machine: {describe_machine(PACKAGES)}.

![Pictures per second of each tool, process start to number]({PLOT})

{_tools_table(speed)}

Seconds are the rounds' median (least–most). Ratios are to mifid's within a round, then the median.
Pictures/s are all pictures over all seconds. Busy is the CPU time over seconds times cores. MiB are
the most that the largest process held; together, that all of a tool's processes held, with shared
memory counted once, looked at every {PERIOD:g} seconds (else empty). All read files that the system
has in memory. mifid is cold: see below.

Tools with mifid's resize, TensorFlow 1's, have to agree with its FID within {TOLERANCE:g}, or the
benchmark fails. Other resizes cost other times and give other numbers.

{notes}

### What mifid finds in its cache

{_states_table(speed)}

{states}

The peers keep no features of folders, so theirs is one state. The ratios are their seconds over
these.

### The roof

{_products_table(speed)}

The network costs {speed.gflop:.2f} GFLOP a picture, counted from its convolutions. At the fastest
product's rate that is **{speed.roof:.1f} pictures/s**: the roof for convolutions computed directly.
Products are float32 and timed before and after each round; the better of both counts.

{_network_table(speed)}

The network alone has {BATCH} pictures at a time in memory, 256 × 256, and resizes them;
torch-fidelity's is the stock extractor. Extraction is that of the generated pictures in the whole
(cold) process: from files to features, with the network loaded before. Shares are within a round.

### What was aimed at

{_goals_table(speed.goals())}

{_goals_note(speed)}

To repeat it:

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
    """Write the plot as a PNG: a bar a tool, whiskers from the slowest round to the fastest."""
    # Imported only now: a process that is measured begins with the memory of this one.
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
    """Name -> pictures/s of each round, the fastest first."""
    bars = {}
    for tool, states in speed.rounds[0].runs.items():
        for state in (COLD, FIRST):
            if state in states:
                name = tool if state == COLD else f"{tool}, {state}"
                seconds = speed.of(tool, state, "seconds")
                bars[name] = [sum(speed.pictures) / one for one in seconds]
    return dict(sorted(bars.items(), key=lambda bar: -statistics.median(bar[1])))
