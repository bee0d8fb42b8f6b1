"""Seconds and memory of the metrics, beside SciPy's matrix square root and general eigenvalues.

python benchmarks/metrics.py --docs docs/benchmarks.md
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from machine import describe_machine, markdown_table, write_section

WIDTH = 2048


def features(n: int, seed: int) -> np.ndarray:
    """Draw features like Inception's: not negative, sparse, correlated; (n, 2048) float32."""
    random = np.random.RandomState(seed)
    mixing = random.randn(64, WIDTH).astype(np.float32) * 0.15
    noise = random.randn(n, WIDTH).astype(np.float32) * 0.3
    return np.maximum(random.randn(n, 64).astype(np.float32) @ mixing + noise + 0.2, 0)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance, as everybody computes them."""
    rows = x.astype(np.float64)
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def with_sqrtm(generated: np.ndarray, reference: np.ndarray) -> float:
    """pytorch-fid's formula: SciPy's general matrix square root of the product."""
    import scipy.linalg

    (mu_g, s_g), (mu_r, s_r) = moments(generated), moments(reference)
    root = scipy.linalg.sqrtm(s_g @ s_r)
    return float(((mu_g - mu_r) ** 2).sum() + np.trace(s_g + s_r) - 2 * np.trace(root).real)


def with_eigvals(generated: np.ndarray, reference: np.ndarray) -> float:
    """torch-fidelity's formula: general eigenvalues of the product."""
    (mu_g, s_g), (mu_r, s_r) = moments(generated), moments(reference)
    roots = np.sqrt(np.linalg.eigvals(s_g @ s_r).astype(np.complex128)).real
    return float(((mu_g - mu_r) ** 2).sum() + np.trace(s_g + s_r) - 2 * roots.sum())


def ours(generated: np.ndarray, reference: np.ndarray) -> float:
    """Features on both sides."""
    from mifid.metrics import frechet_distance

    return frechet_distance(generated=generated, reference=reference)


def ours_from_moments(generated: np.ndarray, reference: np.ndarray) -> float:
    """Statistics of the generated side, computed within the time."""
    from mifid.metrics import Moments, frechet_distance

    return frechet_distance(generated=Moments(*moments(generated)), reference=reference)


ROUTES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mifid, features on both sides": ours,
    "mifid, mean and covariance against features": ours_from_moments,
    "general eigenvalues (torch-fidelity's way)": with_eigvals,
    "scipy.linalg.sqrtm (pytorch-fid's way)": with_sqrtm,
}


def trace_table(n: int, m: int, rounds: int) -> str:
    """Time every route on the same features, in turn."""
    generated, reference = features(n, 1), features(m, 2)
    seconds: dict[str, list[float]] = {name: [] for name in ROUTES}
    values = {}
    for round_number in range(rounds):
        for name, route in ROUTES.items():
            if round_number and route in (with_sqrtm, with_eigvals):
                continue  # the slow ones once
            start = time.perf_counter()
            values[name] = route(generated, reference)
            seconds[name].append(time.perf_counter() - start)
    base_name = next(iter(ROUTES))
    base = statistics.median(seconds[base_name])
    rows = [
        [
            name,
            f"{values[name]:.6f}",
            f"{abs(values[name] / values[base_name] - 1):.0e}",
            f"{statistics.median(times):.2f}",
            f"{statistics.median(times) / base:.1f}",
        ]
        for name, times in seconds.items()
    ]
    header = [f"FID of {n:,} x {m:,} x {WIDTH}", "FID", "difference", "seconds", "ratio"]
    return markdown_table(header, rows)


_MEMORY = """
import json, resource, sys, time
sys.path.insert(0, {folder!r})
from metrics import features
from mifid.metrics.memorization import memorization_distance
n = {n}
generated, reference = features(n, 1), features(n, 2)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
memorization_distance(generated=generated[:10], reference=reference[:10])
before, start = peak(), time.perf_counter()
memorization_distance(generated=generated, reference=reference)
print(json.dumps([peak() - before, time.perf_counter() - start]))
"""


def memory_line(n: int) -> str:
    """Measure the memorization distance's memory above the features, in a process of its own."""
    code = _MEMORY.format(folder=str(Path(__file__).parent), n=n)
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    mib, seconds = json.loads(printed)
    return (
        f"Memorization distance of {n:,} x {n:,} x {WIDTH}: {seconds:.1f} s, at most {mib:,.0f} "
        "MiB more than the process held with its features."
    )


@click.command()
@click.option("--generated", default=7000, show_default=True)
@click.option("--reference", default=300, show_default=True)
@click.option("--large", default=10_000, show_default=True, help="Side of the memory measurement.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(generated: int, reference: int, large: int, rounds: int, docs: Path | None) -> None:
    """Measure the metrics alone, on synthetic features."""
    memory = memory_line(large)  # first, while this process is small
    text = "\n\n".join(
        [
            "## The metrics alone",
            trace_table(generated, reference, rounds),
            memory,
            f"{describe_machine(['numpy', 'scipy'])}. Synthetic features; medians. "
            "Again with `python benchmarks/metrics.py --docs docs/benchmarks.md`.",
        ]
    )
    click.echo(text)
    if docs:
        write_section(docs, "metrics", text)


if __name__ == "__main__":
    main()
