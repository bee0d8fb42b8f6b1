"""Section of Markdown on growth with the number of pictures, and its plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth.pictures import Run, lines
from benchmarks.machine import describe_machine, markdown_table

PACKAGES = ("mifid", "torch", "torch-fidelity", "openvino", "numpy", "pillow")

_LINES: dict[str, Callable[[Run], float]] = {
    "process s": lambda run: run.seconds,
    "CPU s": lambda run: run.cpu_seconds,
    "peak MiB": lambda run: run.peak_mib,
}


def report(
    runs: Sequence[Run],
    archive: Mapping[str, Any],
    simulated: Mapping[str, Any],
    *,
    about: str,
    repeat: str,
    image: str,
) -> str:
    """Return the whole section."""
    return f"""\
## Growth

### Pictures

{about}.

Each run is a separate process. No features are cached, but the network is already converted, and
the system may still hold the files in memory. `fid` computes FID alone; `mifid` computes FID,
memorization distance and MiFID; `default` is `mifid score` without options, with intervals. Process
seconds are from the start to the end of the process. Peak memory is that of the process itself; the
memory of all its processes together is sampled every few seconds.

{runs_table(runs)}

Lines are fitted by least squares to the runs at all sizes. The deviation is the largest one,
relative to the line. The start includes starting Python, loading the network, and the reference.
CPU seconds depend less on other programs than process seconds.

{lines_table(runs)}

{image}

### A million features, simulated

{simulation(simulated)}

### A zip of very many pictures

{archive_table(archive)}

{describe_machine(PACKAGES)}. One run each. Repeat with `{repeat}`."""


def runs_table(runs: Iterable[Run]) -> str:
    """Return a Markdown table with one row per run."""
    header = ["variant, pictures", "process s", "hash s", "extract s", "pictures/s of it"]
    rows = [
        [
            f"{run.variant}, {run.pictures:,}",
            f"{run.seconds:.2f}",
            f"{run.hashing:.2f}",
            f"{run.extracting:.2f}",
            f"{run.pictures / run.extracting:.1f}",
            f"{run.cpu_seconds:.2f}",
            f"{run.peak_mib:,.0f}",
            "" if run.together_mib is None else f"{run.together_mib:,.0f}",
        ]
        for run in runs
    ]
    return markdown_table([*header, "CPU s", "peak MiB", "all processes"], rows)


def lines_table(runs: Sequence[Run]) -> str:
    """Return a Markdown table with the lines of seconds and memory of each variant."""
    header = ["variant, quantity", "at the start", "per 1,000 pictures", "largest deviation"]
    found = {name: lines(runs, of) for name, of in _LINES.items()}
    rows = [
        [
            f"{variant}, {name}",
            f"{line.start:,.1f}",
            f"{1000 * line.each:,.1f}",
            f"{line.worst:.1%}",
        ]
        for variant in dict.fromkeys(run.variant for run in runs)
        for name, line in ((name, of[variant]) for name, of in found.items())
    ]
    return markdown_table(header, rows)


def simulation(found: Mapping[str, Any]) -> str:
    """Return the simulation in words and a table."""
    seconds, gflop, peaks = found["seconds"], found["gflop"], found["peak_mib"]
    rows = []
    for part, name in (
        ("drawing", "drawing the rows, not part of the library"),
        ("statistics", "mean and covariance"),
        ("distance", f"memorization distance against {found['references']:,}"),
        ("fid", "FID from them"),
    ):
        rate = gflop[part] / seconds[part] if part in gflop else None
        rows.append(
            [
                name,
                f"{seconds[part]:.2f}",
                f"{gflop[part] / 1000:.3g}" if rate else "",
                f"{rate:.0f}" if rate else "",
                f"{rate / found['product']:.0%}" if rate else "",
            ]
        )
    header = ["part", "seconds", "TFLOP", "GFLOP/s", "of a float64 matrix product"]
    return f"""\
Synthetic features, {found["n"]:,} × {found["width"]:,} float32, in blocks of {found["rows"]:,} that
are not kept, against {found["references"]:,} reference rows. No network computed them. Each row
mixes two of {found["rows"]:,} rows (drawn once, not negative, sparse, correlated) in a random
proportion, so that no two rows are equal and drawing them is cheap.

{markdown_table(header, rows)}

The matrix product, {found["product"]:.0f} GFLOP/s, is the median of several within the run. A
covariance counts as half a product, since it is symmetric. FID {found["fid"]:.6g}, memorization
distance {found["distance"]:.6g}. Peak memory of the process was {peaks["a tenth"]:,.0f} MiB after a
tenth of the rows, {peaks["all"]:,.0f} MiB after all, and {peaks["fid"]:,.0f} MiB with FID. The
benchmark takes the mean of the blocks' distances; `mifid score` keeps all features if a distance is
requested."""


def archive_table(found: Mapping[str, Any]) -> str:
    """Return a Markdown table on a zip of tiny entries."""
    rows = [
        [name, f"{found[part]['seconds']:.2f}", f"{found[part]['mib']:,.1f}"]
        for part, name in (("open", "opening"), ("hash", "hashing"))
    ]
    return markdown_table([f"a zip of {found['entries']:,} tiny entries", "seconds", "MiB"], rows)


def plot(runs: Sequence[Run], path: Path) -> None:
    """Write a PNG of two panels: seconds of each run with the fitted line, and peak memory."""
    from matplotlib.ticker import MaxNLocator

    from mifid.rendering import finish, new_figure, save_figure

    figure = new_figure("mifid score, cold, one process per run", height=3.6)
    left, right = figure.subplots(1, 2)
    _panel(left, runs, lambda run: run.seconds, fitted=True)
    # The memory of FID alone grows to a plateau, so no line is fitted.
    _panel(right, runs, lambda run: run.peak_mib, fitted=False)
    finish(left, y="seconds", title="Time, with fitted line")
    finish(right, y="MiB", title="Peak memory")
    for axes in (left, right):  # narrow panels: fewer ticks than usual
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    left.legend(title="variant", frameon=False)
    save_figure(figure, path)


def _panel(axes: Any, runs: Sequence[Run], of: Callable[[Run], float], *, fitted: bool) -> None:
    from mifid.rendering import BLUE, GREEN, VERMILION

    styles = {"fid": (BLUE, "o"), "mifid": (VERMILION, "s"), "default": (GREEN, "^")}
    most = max(run.pictures for run in runs)
    for variant, line in lines(runs, of).items():
        colour, marker = styles[variant]
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
            # Hollow markers show both of two variants with the same cost.
            markerfacecolor="none",
            ls="none" if fitted else ":",
            label=variant,
        )
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.1 * max(map(of, runs)))
    axes.set_xlabel("generated pictures")
