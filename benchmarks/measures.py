"""Seconds and memory of every measure in the table, each in a process of its own.

python benchmarks/measures.py --docs docs/benchmarks.md
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import numpy as np
from machine import describe_machine, markdown_table, run_measured, write_section

from mifid.errors import UnavailableError
from mifid.metrics import METRICS

CLASSES = 1008  # logits of the Inception graph
WARM_ROWS = 128
SEEDS = {"generated": 1, "reference": 2, "training": 2, "held_out": 3, "logits": 4}
"""Which rows a side has: what was trained on is the reference."""


def draw(n: int, width: int, seed: int) -> np.ndarray:
    """Draw features like Inception's, of one distribution whatever the seed; (n, width) float32.

    Some rows at a time, so that a process's peak is that of the measure and not of this.
    """
    mixing = np.random.RandomState(0).randn(64, width).astype(np.float32) * 0.15
    random = np.random.RandomState(seed)
    drawn = np.empty((n, width), dtype=np.float32)
    for start in range(0, n, 256):
        rows = drawn[start : start + 256]
        rows[:] = random.standard_normal((len(rows), 64)) @ mixing
        rows += 0.3 * random.standard_normal(rows.shape) + 0.2
        np.maximum(rows, 0, out=rows)
    return drawn


def sides(metric: str, generated: int, reference: int, held_out: int, width: int) -> dict:
    """Draw what the measure needs."""
    rows = {"reference": reference, "training": reference, "held_out": held_out}
    return {
        side: draw(rows.get(side, generated), CLASSES if side == "logits" else width, SEEDS[side])
        for side in METRICS[metric].needs
    }


def measure(metric: str, generated: int, reference: int, held_out: int, width: int) -> dict:
    """Run one measure here; the memory is what it added to the most this process ever held."""
    given = sides(metric, generated, reference, held_out, width)
    function = METRICS[metric].function
    with suppress(UnavailableError):  # too few rows to warm up with is no reason to fail
        function(**{side: rows[:WARM_ROWS] for side, rows in given.items()})
    before, start = _peak_mib(), time.perf_counter()
    values = function(**given)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": _peak_mib() - before, "values": dict(values)}


def _peak_mib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def measured(metric: str, sizes: tuple[int, ...], rounds: int) -> tuple[float, float]:
    """Median seconds and most MiB over some processes.

    Raises:
        click.ClickException: the measure failed.
    """
    command = [sys.executable, __file__, "--only", metric, "--sizes", *map(str, sizes)]
    found = []
    for _ in range(rounds):
        run = run_measured(command)
        if run.code:
            raise click.ClickException(f"{metric} at {sizes}:\n{run.stderr.strip()}")
        found.append(json.loads(run.stdout))
    return statistics.median(one["seconds"] for one in found), max(one["mib"] for one in found)


def table(metrics: list[str], settings: list[tuple[int, ...]], rounds: int) -> str:
    """Return the Markdown table, a row a measure."""
    header = ["Measure", "Needs"]
    for generated, reference, *_ in settings:
        header += [f"{generated:,} × {reference:,}: seconds", "MiB"]
    rows = []
    for name in metrics:
        row = [f"`{name}`", ", ".join(METRICS[name].needs).replace("_", " ")]
        for sizes in settings:
            seconds, mib = measured(name, sizes, rounds)
            row += [f"{seconds:.2f}", f"{mib:,.0f}"]
        rows.append(row)
    return markdown_table(header, rows)


@click.command()
@click.option("--generated", default=7000, show_default=True)
@click.option(
    "--reference",
    "references",
    type=int,
    multiple=True,
    default=[300, 7000],
    show_default=True,
    help="Also what was trained on. Several give several pairs of columns.",
)
@click.option("--held-out", default=1000, show_default=True)
@click.option("--width", default=2048, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--metrics", help="Names with commas between. [default: all]")
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
@click.option("--only", hidden=True, help="Measure one, in this process, and print JSON.")
@click.option("--sizes", type=int, nargs=4, hidden=True)
def main(
    generated: int,
    references: tuple[int, ...],
    held_out: int,
    width: int,
    rounds: int,
    metrics: str | None,
    docs: Path | None,
    only: str | None,
    sizes: tuple[int, int, int, int],
) -> None:
    """Measure what each measure costs once the features are there, on synthetic features."""
    if only:
        click.echo(json.dumps(measure(only, *sizes)))
        return
    names = metrics.split(",") if metrics else list(METRICS)
    settings = [(generated, reference, held_out, width) for reference in references]
    text = "\n\n".join(
        [
            "## Every measure",
            f"Each on features that are there (float32, {width:,} wide), generated × reference, "
            f"with {held_out:,} held-out pictures where they are needed; the reference is what was "
            "trained on. MiB is what the process held at most, above what it held with the "
            "features. Each run is a process of its own, warmed up; seconds are the median of "
            f"{rounds}, MiB the most.",
            table(names, settings, rounds),
            f"{describe_machine(['numpy'])}. Synthetic features. "
            "Again with `python benchmarks/measures.py --docs docs/benchmarks.md`.",
        ]
    )
    click.echo(text)
    if docs:
        write_section(docs, "measures", text)


if __name__ == "__main__":
    main()
