"""The speed benchmark's section of Markdown."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from importlib.metadata import version

from agreement import TOLERANCE
from machine import describe_machine, markdown_table
from peers import TOOLS
from processes import COLD, STATES
from roof import BATCH
from speed_rounds import Goal, Speed
from tree import PERIOD

__all__ = ["PLOT", "describe_speed"]

PLOT = "speed.png"
"""Its name beside the document."""

PACKAGES = ("mifid", "torch", "openvino", "numpy", "scipy", "pillow", "simplejpeg")

NOTES = {
    "mifid": "`mifid score --metrics mifid --ci 0`, backend OpenVINO: FID and memorization "
    "distance, so more than the peers' FID. Its seconds include hashing all files for the cache. "
    "Decodes in threads.",
    "mifid-torch": "the same with backend torch.",
    "torch-fidelity": "its command `fidelity --fid --cpu`. Decodes in processes, as all below.",
    "pytorch-fid": "its command. PyTorch's bilinear resize; another number, not comparable.",
    "clean-fid-tensorflow": "has no command: the functions of `compute_fid` in mode "
    "`legacy_tensorflow`, in a process. Resizes by sampling a grid.",
    "clean-fid-pytorch": "the same in mode `legacy_pytorch`: network, resize and number are "
    "pytorch-fid's.",
    "torchmetrics-fid": "has no command and no loader: `FrechetInceptionDistance(antialias=False)` "
    "is fed by torch-fidelity's dataset, with a process a core and batches that we chose.",
    "torchmetrics-mifid": "so is `MemorizationInformedFrechetInceptionDistance`, which computes a "
    "memorization distance too: the reverse of Kaggle's.",
    "torchmetrics-default": "the same as it comes, with antialiasing; another number.",
}


def describe_speed(speed: Speed, *, about: str, repeat: str) -> str:
    """Return the section: all that was measured, what differs, and how to repeat it."""
    notes = "\n".join(f"- **{tool}**: {NOTES[tool]}" for tool in _tools(speed))
    states = "\n".join(f"- **{state}**: {meaning}." for state, meaning in STATES.items())
    return f"""\
## Speed: process start to number

{about}, on the CPU, {_rounds(speed)}. Every tool is a process of its own.

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


def _rounds(speed: Speed) -> str:
    if len(speed.rounds) == 1:
        return "once"
    return f"in {len(speed.rounds)} rounds, every other one backwards"


def _tools(speed: Speed) -> list[str]:
    return list(speed.rounds[0].runs)


def _tools_table(speed: Speed) -> str:
    header = (
        "Tool|Version|Resize|FID|Batch|Workers|Seconds|Ratio|Pictures/s|CPU s|Busy|MiB|Together"
    )
    rows = []
    for tool in _tools(speed):
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
    for tool in [tool for tool in _tools(speed) if TOOLS[tool].package == "mifid"]:
        for state in speed.rounds[0].runs[tool]:
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
