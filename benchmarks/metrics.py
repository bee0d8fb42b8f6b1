"""Time and memory of every metric, and of FID compared with other algorithms.

python -m benchmarks.metrics --docs docs/benchmarks.md
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import numpy as np

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from benchmarks.processes import call, peak_mib
from mifid.errors import UnavailableError
from mifid.metrics import METRICS, Moments, frechet_distance, memorization_distance

CLASSES = 1008  # logits of the Inception graph
WARM_ROWS = 128
SEEDS = {"generated": 1, "reference": 2, "training": 2, "held_out": 3, "logits": 4}
"""Seed of each side's rows; the training set equals the reference."""


def draw(n: int, width: int, seed: int) -> np.ndarray:
    """Draw features like Inception's, (n, width) float32, from one distribution for all seeds.

    Rows are drawn in blocks, so that peak memory is that of the metric and not of drawing.
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


# --- every metric --------------------------------------------------------------------------------


def sides(metric: str, generated: int, reference: int, held_out: int, width: int) -> dict:
    """Draw the sides that a metric needs."""
    rows = {"reference": reference, "training": reference, "held_out": held_out}
    found = {}
    for need in METRICS[metric].needs:
        side = need.removesuffix("_spatial")  # features of nearly the same width
        columns = CLASSES if side == "logits" else width
        found[need] = draw(rows.get(side, generated), columns, SEEDS[side])
    return found


def measure(*, metric: str, sizes: tuple[int, int, int, int]) -> dict:
    """Run one metric in this process; memory is what it adds to the peak of the process."""
    given = sides(metric, *sizes)
    function = METRICS[metric].function
    with suppress(UnavailableError):  # too few rows for the warm-up is not a failure
        function(**{side: rows[:WARM_ROWS] for side, rows in given.items()})
    before, start = peak_mib(), time.perf_counter()
    values = function(**given)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": peak_mib() - before, "values": dict(values)}


def metrics_table(metrics: list[str], settings: list[tuple[int, ...]], rounds: int) -> str:
    """Return a Markdown table, one row per metric: median seconds and peak MiB of the rounds."""
    header = ["Metric", "Needs"]
    for generated, reference, *_ in settings:
        header += [f"{generated:,} × {reference:,}: seconds", "MiB"]
    rows = []
    for name in metrics:
        row = [f"`{name}`", ", ".join(METRICS[name].needs).replace("_", " ")]
        for sizes in settings:
            found = [call("metrics:measure", metric=name, sizes=sizes)[0] for _ in range(rounds)]
            row.append(f"{statistics.median(one['seconds'] for one in found):.2f}")
            row.append(f"{max(one['mib'] for one in found):,.0f}")
        rows.append(row)
    return markdown_table(header, rows)


# --- FID by other algorithms ---------------------------------------------------------------------


def features(n: int, width: int, seed: int) -> np.ndarray:
    """Draw features, (n, width) float32, whose distribution depends on the seed: FID is large."""
    random = np.random.RandomState(seed)
    mixing = random.randn(64, width).astype(np.float32) * 0.15
    noise = random.randn(n, width).astype(np.float32) * 0.3
    return np.maximum(random.randn(n, 64).astype(np.float32) @ mixing + noise + 0.2, 0)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance, as all tools compute them."""
    rows = x.astype(np.float64)
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def with_sqrtm(generated: np.ndarray, reference: np.ndarray) -> float:
    """Compute pytorch-fid's formula, with SciPy's matrix square root of the product."""
    import scipy.linalg

    (mu_g, s_g), (mu_r, s_r) = moments(generated), moments(reference)
    root = scipy.linalg.sqrtm(s_g @ s_r)
    return float(((mu_g - mu_r) ** 2).sum() + np.trace(s_g + s_r) - 2 * np.trace(root).real)


def with_eigvals(generated: np.ndarray, reference: np.ndarray) -> float:
    """Compute torch-fidelity's formula, with general eigenvalues of the product."""
    (mu_g, s_g), (mu_r, s_r) = moments(generated), moments(reference)
    roots = np.sqrt(np.linalg.eigvals(s_g @ s_r).astype(np.complex128)).real
    return float(((mu_g - mu_r) ** 2).sum() + np.trace(s_g + s_r) - 2 * roots.sum())


def ours(generated: np.ndarray, reference: np.ndarray) -> float:
    """Compute FID from features on both sides."""
    return frechet_distance(generated=generated, reference=reference)


def ours_from_moments(generated: np.ndarray, reference: np.ndarray) -> float:
    """Compute FID from statistics of the generated side; their time counts."""
    return frechet_distance(generated=Moments(*moments(generated)), reference=reference)


ROUTES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mifid, features on both sides": ours,
    "mifid, mean and covariance against features": ours_from_moments,
    "general eigenvalues (as torch-fidelity)": with_eigvals,
    "scipy.linalg.sqrtm (as pytorch-fid)": with_sqrtm,
}


def routes_table(n: int, m: int, width: int, rounds: int) -> str:
    """Time every algorithm on the same features, in turn; the slow ones once."""
    generated, reference = features(n, width, 1), features(m, width, 2)
    seconds: dict[str, list[float]] = {name: [] for name in ROUTES}
    values = {}
    for number in range(rounds):
        for name, route in ROUTES.items():
            if number and route in (with_sqrtm, with_eigvals):
                continue
            start = time.perf_counter()
            values[name] = route(generated, reference)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    base = next(iter(ROUTES))
    rows = []
    for name, value in values.items():
        numbers = [f"{value:.6f}", f"{abs(value / values[base] - 1):.0e}", f"{medians[name]:.2f}"]
        rows.append([name, *numbers, f"{medians[name] / medians[base]:.1f}"])
    header = [f"FID of {n:,} x {m:,} x {width}", "FID", "difference", "seconds", "ratio"]
    return markdown_table(header, rows)


def measure_distance(*, n: int, width: int) -> dict[str, float]:
    """Measure time of the memorization distance, and its memory in addition to the features."""
    given = {"generated": features(n, width, 1), "reference": features(n, width, 2)}
    memorization_distance(**{side: rows[:10] for side, rows in given.items()})
    before, start = peak_mib(), time.perf_counter()
    memorization_distance(**given)
    return {"seconds": time.perf_counter() - start, "mib": peak_mib() - before}


# --- the command ---------------------------------------------------------------------------------


@click.command()
@click.option("--generated", default=7000, show_default=True)
@click.option(
    "--reference",
    "references",
    type=int,
    multiple=True,
    default=[300, 7000],
    show_default=True,
    help="Rows of the reference and training set; each gives two columns. FID uses the first.",
)
@click.option("--held-out", default=1000, show_default=True)
@click.option("--width", default=2048, show_default=True)
@click.option("--large", default=10_000, show_default=True, help="Rows for the distance alone.")
@click.option("--rounds", default=3, show_default=True)
@click.option(
    "--metrics", default=",".join(METRICS), show_default=True, help="Names, separated by commas."
)
@click.option("--docs", type=click.Path(path_type=Path), help="Write the sections into this file.")
def main(
    generated: int,
    references: tuple[int, ...],
    held_out: int,
    width: int,
    large: int,
    rounds: int,
    metrics: str,
    docs: Path | None,
) -> None:
    """Measure time and memory of each metric, on synthetic features."""
    settings = [(generated, reference, held_out, width) for reference in references]
    repeat = f"Repeat with `{again('metrics')}`."
    # The processes first, while this one is small.
    every = f"""\
## All metrics

Each metric uses given features (float32, width {width:,}), generated × reference, with \
{held_out:,} held-out pictures if it needs them; the reference is also the training set. MiB is \
the peak memory in addition to the features. Each run is a separate process with a warm-up; \
seconds are the median of {rounds} runs, MiB the maximum.

{metrics_table(metrics.split(","), settings, rounds)}

{describe_machine(["numpy"])}. Synthetic features. {repeat}"""
    found, _ = call("metrics:measure_distance", n=large, width=width)
    alone = f"""\
## FID and memorization distance alone

{routes_table(generated, references[0], width, rounds)}

Memorization distance of {large:,} x {large:,} x {width}: {found["seconds"]:.1f} s, and at \
most {found["mib"]:,.0f} MiB in addition to the features.

{describe_machine(["numpy", "scipy"])}. Synthetic features; medians. {repeat}"""
    click.echo(f"{alone}\n\n{every}")
    if docs:
        write_section(docs, "metrics", alone)
        write_section(docs, "measures", every)


if __name__ == "__main__":
    main()
