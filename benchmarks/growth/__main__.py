"""Time and memory for growing numbers of pictures; a simulation of a million features.

    python -m benchmarks.growth                            drawn pictures, repeated
    python -m benchmarks.growth --photos photo_jpg/ --reference monet_jpg/ --docs docs/benchmarks.md
    python -m benchmarks.growth --sizes 50,100,200 --variants fid --million 50000  a minute or two

Each run is a separate process: `mifid score images.zip --ref ... --json`. This process imports no
numpy, since the peak memory of a process starts with that of its parent.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.growth.pictures import VARIANTS, measure
from benchmarks.growth.report import plot, report
from benchmarks.machine import again, write_section
from benchmarks.peers.job import FILE, FOLDER, check_outputs
from benchmarks.pictures import pictures_of
from benchmarks.processes import call


def numbers_of(sizes: str, there_are: int) -> list[int]:
    """Turn ``"250,500,all"`` into numbers, each once, the smallest first.

    Raises:
        click.UsageError: not numbers of at least 2, or fewer than three of them.
    """
    try:
        found = {there_are if size.strip() == "all" else int(size) for size in sizes.split(",")}
    except ValueError as error:
        raise click.UsageError(
            f"--sizes {sizes}: expected numbers, such as 250,1000,all"
        ) from error
    if len(found) < 3 or min(found) < 2:
        raise click.UsageError(
            f"--sizes {sizes}: expected three different numbers, each of at least 2 pictures, "
            "since two are always on a line"
        )
    return sorted(found)


def measure_archive(entries: int) -> Any:
    """Open a zip of tiny entries, in a second process, so that writing it does not count."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tiny.zip")
        call("growth.million:make_archive", path=path, entries=entries)
        return call("growth.million:open_archive", path=path)[0]


@click.command()
@click.option("--photos", type=FOLDER, help="Folder to score. Default: drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures. Default: drawn.")
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
@click.option(
    "--docs", type=FILE, help="Write the section into this file, and the plot into its folder."
)
@click.option("--json", "json_file", type=FILE, help="Write all numbers.")
def main(
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
    """Measure the growth of memory and time, and simulate a million features.

    If --sizes is larger than the number of photos, they are repeated under other names.
    """
    chosen = variants.split(",")
    if unknown := sorted(set(chosen) - VARIANTS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(VARIANTS)}.")
    check_outputs(docs, json_file)
    with tempfile.TemporaryDirectory() as folder:
        about = _about(photos, reference, extractor)
        photos = photos or _drawn(Path(folder) / "photos", draw[0], "photo")
        reference = reference or _drawn(Path(folder) / "reference", draw[1], "painting")
        there_are, real = len(pictures_of(photos)), len(pictures_of(reference))
        if not there_are or real < 2:
            raise click.UsageError(f"{there_are} photos, {real} reference pictures: too few")
        numbers = numbers_of(sizes, there_are)
        # The shorter parts first, in case they fail.
        archive = measure_archive(entries)
        simulated, _ = call("growth.million:simulate", n=million, references=references)
        runs = measure(
            numbers,
            photos=photos,
            reference=reference,
            variants=chosen,
            options=("--extractor", extractor, "--backend", backend),
        )
        about = about.format(there_are, real)
    if json_file:
        found = {"runs": list(map(asdict, runs)), "archive": archive, "simulated": simulated}
        json_file.write_text(json.dumps(found))
    image = "![Seconds and peak memory against the number of pictures](growth.png)" if docs else ""
    text = report(runs, archive, simulated, about=about, repeat=again("growth"), image=image)
    click.echo(text)
    if docs:
        plot(runs, docs.with_name("growth.png"))
        write_section(docs, "growth", text)


def _about(photos: Path | None, reference: Path | None, extractor: str) -> str:
    drawn = [name for name, given in (("photos", photos), ("reference", reference)) if not given]
    note = f" ({' and '.join(drawn)} drawn by mifid)" if drawn else ""
    return (
        f"Zips of up to {{:,}} different photos (larger zips repeat them under other names), "
        f"against {{:,}} reference pictures{note}, extractor {extractor}"
    )


def _drawn(folder: Path, count: int, kind: str) -> Path:
    call("pictures:draw_pictures", folder=folder, count=count, kind=kind)
    return folder


if __name__ == "__main__":
    main()
