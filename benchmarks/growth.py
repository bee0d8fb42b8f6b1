"""Memory and time as pictures become more, up to a million: measured, simulated, on paper.

    python benchmarks/growth.py                            drawn pictures, and again and again
    python benchmarks/growth.py --photos photo_jpg/ --reference monet_jpg/ --docs docs/benchmarks.md
    python benchmarks/growth.py --sizes 50,100,200 --variants fid --million 50000  a minute or two

Each run is a process of its own: `mifid score images.zip --ref ... --json`. This process imports
no numpy: a process's peak begins with that of the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from click.core import ParameterSource
from growth_paper import Measurements
from growth_pictures import PICTURES, VARIANTS, Run, lines, measure
from growth_report import report
from machine import run_measured, write_section

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def child(function: str, **given: Any) -> Any:
    """Call ``module:function`` in a process of its own; return what it returns, through JSON."""
    done = run_measured([sys.executable, __file__, "--child", function, json.dumps(given)])
    if done.code:
        raise click.ClickException(f"{function} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def _be_child(function: str, given: str) -> None:
    module, _, name = function.partition(":")
    print(json.dumps(getattr(import_module(module), name)(**json.loads(given))))


def numbers_of(sizes: str, there_are: int) -> list[int]:
    """Turn ``"250,500,all"`` into numbers, each once, the smallest first.

    Raises:
        click.UsageError: not numbers of at least 2, or fewer than three of them.
    """
    try:
        found = {there_are if size.strip() == "all" else int(size) for size in sizes.split(",")}
    except ValueError as error:
        raise click.UsageError(f"--sizes {sizes}: expected such as 250,1000,all") from error
    if len(found) < 3 or min(found) < 2:
        raise click.UsageError(
            f"--sizes {sizes}: expected three different numbers, as two are always on a line, "
            "each of at least 2 pictures"
        )
    return sorted(found)


def measure_archive(entries: int) -> Any:
    """Open a zip of so many tiny entries; two processes, so that writing it counts for nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tiny.zip")
        child("growth_archive:make_archive", path=path, entries=entries)
        return child("growth_archive:open_archive", path=path)


def measurements(
    runs: Sequence[Run], photos: Path, archive: Mapping[str, Any], simulated: Mapping[str, Any]
) -> Measurements:
    """Gather what the numbers on paper are computed from."""
    largest = max(runs, key=lambda run: run.pictures)
    return Measurements(
        picture_bytes=fmean(path.stat().st_size for path in _pictures(photos)),
        seconds=lines(runs, lambda run: run.seconds),
        memory=lines(runs, lambda run: run.peak_mib),
        hashing=largest.hashing / largest.pictures,
        archive=archive,
        simulated=simulated,
        machine_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def _pictures(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]


@click.command()
@click.option("--photos", type=FOLDER, help="Scored; without it pictures are drawn.")
@click.option("--reference", type=FOLDER, help="Real pictures; without it some are drawn.")
@click.option(
    "--draw", type=(click.IntRange(2), click.IntRange(2)), default=(64, 32), show_default=True
)
@click.option("--sizes", default="250,500,1000,2000,4000,all", show_default=True)
@click.option("--variants", default="fid,mifid", show_default=True, help=", ".join(VARIANTS))
@click.option("--extractor", default="inception-random", show_default=True)
@click.option("--backend", default="auto", show_default=True)
@click.option("--million", type=click.IntRange(2), default=1_000_000, show_default=True)
@click.option("--references", type=click.IntRange(2), default=1193, show_default=True)
@click.option("--entries", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--docs", type=FILE, help="Write the section into this file, the plot beside it.")
@click.option("--json", "json_file", type=FILE, help="Where to keep all numbers.")
@click.pass_context
def main(
    context: click.Context,
    /,
    photos: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    sizes: str,
    variants: str,
    extractor: str,
    backend: str,
    million: int,
    references: int,
    entries: int,
    docs: Path | None,
    json_file: Path | None,
) -> None:
    """Measure how memory and time grow, simulate a million features, and compute what it means.

    Where --sizes asks for more photos than there are, they come again under other names.
    """
    chosen = variants.split(",")
    if unknown := sorted(set(chosen) - VARIANTS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(VARIANTS)}.")
    for file in filter(None, (docs, json_file)):  # now, not after the work
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: there is no folder {file.parent}")
    with tempfile.TemporaryDirectory() as folder:
        about = _about(photos, reference, extractor)
        photos = photos or _drawn(Path(folder) / "photos", draw[0], painted=False)
        reference = reference or _drawn(Path(folder) / "reference", draw[1], painted=True)
        there_are, real = len(_pictures(photos)), len(_pictures(reference))
        if not there_are or real < 2:
            raise click.UsageError(f"{there_are} photos, {real} reference pictures: too few")
        numbers = numbers_of(sizes, there_are)
        # The shorter parts first, in case they fail.
        archive = measure_archive(entries)
        simulated = child("growth_million:simulate", n=million, references=references)
        runs = _runs(
            numbers,
            photos=photos,
            reference=reference,
            variants=chosen,
            options=("--extractor", extractor, "--backend", backend),
        )
        given = measurements(runs, photos, archive, simulated)
        about = about.format(there_are, real)
    if json_file:
        json_file.write_text(json.dumps({"runs": list(map(asdict, runs)), **asdict(given)}))
    image = "![Seconds and peak memory against the number of pictures](growth.png)" if docs else ""
    text = report(runs, given, about=about, repeat=_repeat(context), image=image)
    click.echo(text)
    if docs:
        from growth_plot import plot  # now that nothing is measured any more

        plot(runs, docs.with_name("growth.png"))
        write_section(docs, "growth", text)


def _about(photos: Path | None, reference: Path | None, extractor: str) -> str:
    drawn = [name for name, given in (("photos", photos), ("reference", reference)) if not given]
    told = f" ({' and '.join(drawn)} drawn by mifid)" if drawn else ""
    return (
        f"Zips of up to {{:,}} different photos, beyond that the same under other names, against "
        f"{{:,}} reference pictures{told}, extractor {extractor}"
    )


def _drawn(folder: Path, count: int, *, painted: bool) -> Path:
    child("growth_pictures:draw", folder=str(folder), count=count, painted=painted)
    return folder


def _runs(sizes: Sequence[int], **given: Any) -> list[Run]:
    def tell(run: Run) -> None:
        click.echo(
            f"{run.variant} {run.pictures}: {run.seconds:.1f} s, {run.peak_mib:.0f} MiB", err=True
        )

    try:
        return measure(sizes, **given, tell=tell)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error


def _repeat(context: click.Context) -> str:
    """The command again, with folders and files as they are called in the competition."""
    named = {"photos": "photo_jpg/", "reference": "monet_jpg/", "docs": "docs/benchmarks.md"}
    words = ["python benchmarks/growth.py"]
    for name, value in context.params.items():
        if (
            name != "json_file"
            and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ):
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{name}", named.get(name) or " ".join(map(str, values))]
    return " ".join(words)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _be_child(*sys.argv[2:])
    else:
        main()
