"""Time of a whole submission, from zip to score: cold, then from the cache.

python -m benchmarks.submission --photos photo_jpg/ --reference monet_jpg/ \\
    --reference monet_held_out/ --docs docs/benchmarks.md

Each run is a separate process: `mifid score images.zip --ref ... --json`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import FOLDER, describe_machine, markdown_table, write_section
from benchmarks.pictures import zip_pictures
from benchmarks.processes import score

PACKAGES = ("mifid", "torch", "torch-fidelity", "openvino", "numpy", "pillow", "simplejpeg")
STAGES = ("hash", "extract", "cache", "fid", "memorization", "uncertainty", "bias")


def stage_seconds(report: dict[str, Any]) -> dict[str, float]:
    """Return seconds by stage, for both sides together; a stage is the first word of its name."""
    return {
        stage: sum(value for key, value in report["seconds"].items() if key.split()[0] == stage)
        for stage in STAGES
    }


@click.command()
@click.option("--photos", required=True, type=FOLDER)
@click.option("--reference", "references", required=True, multiple=True, type=FOLDER)
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
    options = ["--extractor", extractor, "--backend", backend]
    options += ["--weights", weights] if weights else []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "images.zip"
        count = zip_pictures(photos, archive)
        env = {"MIFID_CACHE": str(Path(folder) / "cache")}
        for number, reference in enumerate(references):
            for state in ("cold" if number == 0 else "generated side cached", "cached"):
                report, done = score(archive, reference, *options, env=env)
                name = f"{report['n_reference']} ({reference.name}), {state}"
                rows.append(
                    [name, f"{report['fid']:.6f}", f"{report['memorization_distance']:.6f}"]
                )
                rows[-1] += [f"{seconds:.2f}" for seconds in stage_seconds(report).values()]
                rows[-1] += [f"{done.seconds:.2f}", f"{done.cpu_seconds:.2f}"]
                rows[-1].append(f"{done.peak_mib:,.0f}")
                click.echo(" | ".join(rows[-1]))
    header = ["reference", "FID", "distance", *STAGES, "process s", "CPU s", "peak MiB"]
    text = f"""\
## A whole submission

{count:,} photos as images.zip, extractor {extractor}, backend {report["protocol"]["backend"]}. \
The table shows the seconds of each stage, and of the whole process from its start to the printed \
score. Cold is the very first run, with an empty cache. It includes converting the network.

{markdown_table(header, rows)}

{describe_machine(PACKAGES)}. One run each. Repeat with `python -m benchmarks.submission --photos \
photo_jpg/ --reference monet_jpg/ --reference monet_held_out/ --docs docs/benchmarks.md`."""
    click.echo(text)
    if docs:
        write_section(docs, "submission", text)


if __name__ == "__main__":
    main()
