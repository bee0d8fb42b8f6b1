"""Time and memory of `mifid score` for growing numbers of pictures, with fitted lines."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.pictures import zip_pictures
from benchmarks.processes import score

VARIANTS = {"fid": ("--metrics", "fid", "--ci", "0"), "mifid": ("--ci", "0"), "default": ()}
"""Variant -> options. `default` adds intervals and the bias of FID to `mifid`."""


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


@dataclass(frozen=True)
class Line:
    """``y = start + each * x``, and ``worst``, the largest ``|measured / y - 1|``."""

    start: float
    each: float
    worst: float


def fit(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit a line by least squares.

    Raises:
        statistics.StatisticsError: fewer than two different ``x``.
    """
    each, start = statistics.linear_regression(x, y)
    worst = max(abs(b / (start + each * a) - 1) for a, b in zip(x, y, strict=True))
    return Line(start, each, worst)


def lines(runs: Iterable[Run], of: Callable[[Run], float]) -> dict[str, Line]:
    """Fit a line to each variant's runs, against the number of pictures."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.variant, []).append(run)
    return {
        variant: fit([run.pictures for run in group], [of(run) for run in group])
        for variant, group in found.items()
    }


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
        folder = Path(name)
        archive, kept, cache = folder / "images.zip", folder / "kept", folder / "cache"
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
                run = Run(
                    variant,
                    size,
                    hashing=report["seconds"]["hash generated"],
                    extracting=report["seconds"]["extract generated"],
                    **done.costs,
                )
                runs.append(run)
                click.echo(f"{variant} {size}: {run.seconds:.1f} s", err=True)
    return runs
