"""A whole submission, from zip to number, as a user runs it: cold, then from the cache.

python benchmarks/submission.py --photos photo_jpg/ --reference monet_jpg/ \\
    --reference monet_held_out/ --docs docs/benchmarks.md

Each run is a process of its own: `mifid score images.zip --ref ... --json`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import click
from machine import Measured, describe_machine, markdown_table, run_measured, write_section

PACKAGES = ("mifid", "torch", "torch-fidelity", "openvino", "numpy", "pillow", "simplejpeg")
STAGES = ("hash", "extract", "cache", "fid", "memorization", "uncertainty", "bias")


def zip_pictures(folder: Path, target: Path) -> int:
    """Zip a folder's JPEGs; return how many."""
    pictures = sorted(folder.glob("*.jpg"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for picture in pictures:
            archive.write(picture, picture.name)
    return len(pictures)


def score(
    archive: Path,
    reference: Path,
    cache: Path,
    *,
    extractor: str,
    weights: str | None,
    backend: str,
) -> tuple[dict[str, Any], Measured]:
    """Run the command; return its JSON and what it took."""
    command = [sys.executable, "-m", "mifid_cli", "score", str(archive), "--ref", str(reference)]
    command += ["--extractor", extractor, "--backend", backend, "--json"]
    command += ["--weights", weights] if weights else []
    measured = run_measured(command, env={"MIFID_CACHE": str(cache)})
    if measured.code:
        raise click.ClickException(measured.stderr)
    return json.loads(measured.stdout), measured


def row(name: str, report: dict[str, Any], measured: Measured) -> list[str]:
    """One line of the table."""
    seconds = report["seconds"]
    stages = [
        sum(value for key, value in seconds.items() if key.split()[0] == stage) for stage in STAGES
    ]
    return [
        name,
        f"{report['fid']:.6f}",
        f"{report['memorization_distance']:.6f}",
        *(f"{stage:.2f}" for stage in stages),
        f"{measured.seconds:.2f}",
        f"{measured.cpu_seconds:.2f}",
        f"{measured.peak_mib:,.0f}",
    ]


@click.command()
@click.option("--photos", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--reference", "references", required=True, multiple=True, type=click.Path(path_type=Path)
)
@click.option("--extractor", default="inception-random", show_default=True)
@click.option("--weights", help="Weights of inception.")
@click.option("--backend", default="auto", show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    photos: Path,
    references: tuple[Path, ...],
    extractor: str,
    weights: str | None,
    backend: str,
    docs: Path | None,
) -> None:
    """Score a folder of photos as a submission against each reference."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "images.zip"
        count = zip_pictures(photos, archive)
        for number, reference in enumerate(references):
            for state in ("cold" if number == 0 else "generated side kept", "cached"):
                report, measured = score(
                    archive,
                    reference,
                    Path(folder) / "cache",
                    extractor=extractor,
                    weights=weights,
                    backend=backend,
                )
                ran = report["protocol"]["backend"]
                name = f"{report['n_reference']} ({reference.name}), {state}"
                rows.append(row(name, report, measured))
                click.echo(" | ".join(rows[-1]))
    header = ["reference", "FID", "distance", *STAGES, "process s", "CPU s", "peak MiB"]
    text = "\n\n".join(
        [
            "## A whole submission",
            f"{count:,} photos as images.zip, extractor {extractor}, backend {ran}; seconds of "
            "each stage, and of the whole process from its start to the printed number. Cold is "
            "the very first run: nothing kept, and the network converted within its time if the "
            "backend converts it.",
            markdown_table(header, rows),
            f"{describe_machine(PACKAGES)}. One run "
            "each. Again with `python benchmarks/submission.py --photos photo_jpg/ "
            "--reference monet_jpg/ --reference monet_held_out/ --docs docs/benchmarks.md`.",
        ]
    )
    click.echo(text)
    if docs:
        write_section(docs, "submission", text)


if __name__ == "__main__":
    main()
