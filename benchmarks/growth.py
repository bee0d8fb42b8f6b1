"""Time and memory of `mifid score` for growing numbers of pictures, with fitted lines.

    python -m benchmarks.growth                            drawn pictures, repeated
    python -m benchmarks.growth --photos photo_jpg/ --reference monet_jpg/ --docs docs/benchmarks.md

Each run is a separate process. This process imports no numpy, since the peak memory of a process
starts with that of its parent.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.machine import (
    FILE,
    FOLDER,
    again,
    check_outputs,
    describe_machine,
    markdown_table,
    write_section,
)
from benchmarks.pictures import pictures_of, zip_pictures
from benchmarks.processes import call, score

VARIANTS = {"fid": ("--metrics", "fid", "--ci", "0"), "mifid": ("--ci", "0"), "default": ()}
"""Variant -> options. `default` adds intervals and the bias of FID to `mifid`."""

PACKAGES = ("mifid", "torch", "torch-fidelity", "openvino", "numpy", "pillow")


@dataclass(frozen=True)
class Run:
    """One process of `mifid score`, without cached features."""

    variant: str  # of VARIANTS
    pictures: int  # generated, in a zip
    seconds: float  # from the process's start to its end
    hashing: float  # seconds within, for the hashes of the generated pictures
    extracting: float  # seconds within, for their features
    cpu_seconds: float
    peak_mib: float
    together_mib: float | None  # of all processes that it started, if known


QUANTITIES: dict[str, Callable[[Run], float]] = {
    "process s": lambda run: run.seconds,
    "CPU s": lambda run: run.cpu_seconds,
    "peak MiB": lambda run: run.peak_mib,
}
"""Numbers that lines are fitted to."""


def measure(
    sizes: Sequence[int],
    *,
    photos: Path,
    reference: Path,
    variants: Sequence[str],
    options: Sequence[str],
) -> list[Run]:
    """Score zips of photos, each variant at each size in a separate process.

    If a size is larger than the number of photos, they are repeated under other names.

    Raises:
        click.ClickException: the command failed, or used another number of pictures.
    """
    runs = []
    with tempfile.TemporaryDirectory() as name:
        archive, kept, cache = (Path(name, each) for each in ("images.zip", "kept", "cache"))
        kept.mkdir()  # not every extractor caches something
        # Two pictures against themselves, to convert the network, once per machine.
        zip_pictures(photos, archive, 2)
        score(archive, archive, *options, env={"MIFID_CACHE": str(kept)})
        for size in sizes:
            zip_pictures(photos, archive, size)
            for variant in variants:
                shutil.copytree(kept, cache, ignore=shutil.ignore_patterns("features"))
                given = [*options, *VARIANTS[variant]]
                env = {"MIFID_CACHE": str(cache)}
                report, done = score(archive, reference, *given, env=env, watch=True)
                shutil.rmtree(cache)
                if (met := report["n_generated"]) != size:
                    raise click.ClickException(f"mifid used {met} pictures; the zip has {size}")
                seconds = report["seconds"]
                times = seconds["hash generated"], seconds["extract generated"]
                runs.append(Run(variant, size, hashing=times[0], extracting=times[1], **done.costs))
                click.echo(f"{variant} {size}: {done.seconds:.1f} s", err=True)
    return runs


@dataclass(frozen=True)
class Line:
    """``y = start + each * x``, and ``worst``, the largest ``|measured / y - 1|``."""

    start: float
    each: float
    worst: float


def fit(runs: Iterable[Run], variant: str, of: Callable[[Run], float]) -> Line:
    """Fit a line to a variant's runs by least squares, against the number of pictures.

    Raises:
        statistics.StatisticsError: fewer than two different numbers.
    """
    points = [(run.pictures, of(run)) for run in runs if run.variant == variant]
    each, start = statistics.linear_regression(*zip(*points, strict=True))
    return Line(start, each, max(abs(y / (start + each * x) - 1) for x, y in points))


def numbers_of(sizes: str, there_are: int) -> list[int]:
    """Turn ``"250,500,all"`` into numbers, each once, the smallest first.

    Raises:
        click.UsageError: not three different numbers; two are always on a line.
    """
    words = {str(there_are) if size.strip() == "all" else size.strip() for size in sizes.split(",")}
    if len(words) < 3 or not all(word.isdecimal() and int(word) > 1 for word in words):
        wanted = "expected three different numbers of at least 2, such as 250,1000,all"
        raise click.UsageError(f"--sizes {sizes}: {wanted}")
    return sorted(map(int, words))


# --- the section ----------------------------------------------------------------------------------


def report(runs: Sequence[Run], *, about: str, repeat: str) -> str:
    """Return the whole section."""
    return f"""\
## Growth

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

{describe_machine(PACKAGES)}. One run each. Repeat with `{repeat}`."""


def runs_table(runs: Iterable[Run]) -> str:
    """Return a Markdown table with one row per run."""
    header = "variant, pictures|process s|hash s|extract s|pictures/s of it|CPU s|peak MiB"
    rows = []
    for run in runs:
        times = [f"{seconds:.2f}" for seconds in (run.seconds, run.hashing, run.extracting)]
        row = [f"{run.variant}, {run.pictures:,}", *times, f"{run.pictures / run.extracting:.1f}"]
        together = "" if run.together_mib is None else f"{run.together_mib:,.0f}"
        rows.append([*row, f"{run.cpu_seconds:.2f}", f"{run.peak_mib:,.0f}", together])
    return markdown_table([*header.split("|"), "all processes"], rows)


def lines_table(runs: Sequence[Run]) -> str:
    """Return a Markdown table with the lines of seconds and memory of each variant."""
    header = ["variant, quantity", "at the start", "per 1,000 pictures", "largest deviation"]
    rows = []
    for variant in dict.fromkeys(run.variant for run in runs):
        for name, of in QUANTITIES.items():
            line = fit(runs, variant, of)
            numbers = [f"{line.start:,.1f}", f"{1000 * line.each:,.1f}", f"{line.worst:.1%}"]
            rows.append([f"{variant}, {name}", *numbers])
    return markdown_table(header, rows)


@click.command()
@click.option("--photos", type=FOLDER, help="Folder to score. Default: drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures. Default: drawn.")
@click.option("--draw", type=(int, int), default=(64, 32), show_default=True)
@click.option("--sizes", default="250,500,1000,2000,4000,all", show_default=True)
@click.option("--variants", default="fid,mifid", show_default=True, help=", ".join(VARIANTS))
@click.option("--extractor", default="inception-random", show_default=True)
@click.option("--backend", default="auto", show_default=True)
@click.option("--docs", type=FILE, help="Write the section into this file.")
def main(
    photos: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    sizes: str,
    variants: str,
    extractor: str,
    backend: str,
    docs: Path | None,
) -> None:
    """Measure the growth of memory and time.

    If --sizes is larger than the number of photos, they are repeated under other names.
    """
    chosen = variants.split(",")
    if unknown := sorted(set(chosen) - VARIANTS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(VARIANTS)}.")
    check_outputs(docs)
    with tempfile.TemporaryDirectory() as name:
        note = "" if photos and reference else ", drawn by mifid if not given"
        photos = photos or _drawn(Path(name, "photos"), draw[0], "photo")
        reference = reference or _drawn(Path(name, "reference"), draw[1], "painting")
        there_are, real = len(pictures_of(photos)), len(pictures_of(reference))
        if not there_are or real < 2:
            raise click.UsageError(f"{there_are} photos, {real} reference pictures: too few")
        numbers = numbers_of(sizes, there_are)
        options = ("--extractor", extractor, "--backend", backend)
        sides = {"photos": photos, "reference": reference}
        runs = measure(numbers, **sides, variants=chosen, options=options)
    about = f"Zips of up to {there_are:,} different photos (larger zips repeat them under other "
    about += f"names), against {real:,} reference pictures{note}, extractor {extractor}"
    text = report(runs, about=about, repeat=again("growth"))
    click.echo(text)
    if docs:
        write_section(docs, "growth", text)


def _drawn(folder: Path, count: int, kind: str) -> Path:
    call("pictures:draw_pictures", folder=folder, count=count, kind=kind)
    return folder


if __name__ == "__main__":
    main()
