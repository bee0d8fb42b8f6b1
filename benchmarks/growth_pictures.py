"""Seconds and memory of `mifid score` as the pictures become more: whole processes, and lines."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import markdown_table, run_measured
from tree import together

__all__ = [
    "PICTURES",
    "STREAMED",
    "VARIANTS",
    "Line",
    "Run",
    "draw",
    "fit",
    "lines",
    "lines_table",
    "measure",
    "runs_table",
]

VARIANTS = {
    "fid": ("--metrics", "fid", "--ci", "0"),
    "mifid": ("--ci", "0"),
    "default": (),
}
"""What is asked for. `default` adds to `mifid` intervals, and what FID's bias is."""

STREAMED = "fid"
"""Of these, what needs no features of many pictures: they are added up as they come."""

PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Run:
    """One process of `mifid score`, with nothing kept of any picture.

    Attributes:
        variant: a name of :data:`VARIANTS`.
        pictures: generated pictures, in a zip.
        seconds: from the process's start to its end.
        hashing: seconds within, for the hashes of the generated pictures.
        extracting: seconds within, for their features.
        cpu_seconds: processor time of all threads, and of the processes that it started.
        peak_mib: the most memory that the process held.
        together_mib: the most that it and the processes that it started held together, looked at
            each second; None where the system does not tell, or if it ended before.
    """

    variant: str
    pictures: int
    seconds: float
    hashing: float
    extracting: float
    cpu_seconds: float
    peak_mib: float
    together_mib: float | None


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
    tell: Callable[[Run], None],
) -> list[Run]:
    """Score zips of so many photos, each variant at each size in a process of its own.

    Args:
        sizes: numbers of photos; where they are more than there are, photos come again under
            other names.
        photos: a folder.
        reference: a folder.
        variants: names of :data:`VARIANTS`.
        options: further options of `mifid score`, such as ``("--extractor", "inception-random")``.
        tell: is given each run as it ends.

    Raises:
        RuntimeError: the command failed, or met another number of pictures.
    """
    given = sorted(path for path in photos.iterdir() if path.suffix.lower() in PICTURES)
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive, kept = folder / "images.zip", folder / "kept"
        kept.mkdir()  # not every extractor keeps something
        # Two pictures against themselves: the network's conversion, which happens once a machine.
        _zip(given, 2, archive)
        _score(archive, archive, kept, options)
        for size in sizes:
            _zip(given, size, archive)
            for variant in variants:
                cache = folder / "cache"
                shutil.copytree(kept, cache, ignore=shutil.ignore_patterns("features"))
                run = _run(variant, size, archive, reference, cache, options)
                shutil.rmtree(cache)
                tell(run)
                runs.append(run)
    return runs


def _zip(pictures: Sequence[Path], count: int, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            turn, index = divmod(number, len(pictures))
            archive.write(pictures[index], f"{turn}_{pictures[index].name}")


def _run(
    variant: str, size: int, archive: Path, reference: Path, cache: Path, options: Sequence[str]
) -> Run:
    report, costs = _score(archive, reference, cache, [*options, *VARIANTS[variant]])
    if report["n_generated"] != size:
        raise RuntimeError(f"mifid met {report['n_generated']} pictures; the zip has {size}")
    inside: Mapping[str, float] = report["seconds"]
    return Run(
        variant=variant,
        pictures=size,
        hashing=inside["hash generated"],
        extracting=inside["extract generated"],
        **costs,
    )


def _score(
    images: Path, reference: Path, cache: Path, options: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the command; return its report, and what the process took."""
    command = [sys.executable, "-m", "mifid_cli", "score", str(images), "--ref", str(reference)]
    with together() as memory:
        done = run_measured([*command, *options, "--json"], env={"MIFID_CACHE": str(cache)})
    if done.code:
        raise RuntimeError(f"mifid score failed:\n{done.stderr.strip()}")
    costs = {name: getattr(done, name) for name in ("seconds", "cpu_seconds", "peak_mib")}
    return json.loads(done.stdout), {**costs, "together_mib": memory.peak_mib}


def runs_table(runs: Iterable[Run]) -> str:
    """Return the Markdown table, a row a run."""
    header = ["asked for, pictures", "process s", "hash s", "extract s", "pictures/s of it"]
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
    """Return the Markdown table: of each variant the lines of seconds and of memory."""
    header = ["asked for, line of", "at the start", "per 1,000 pictures", "largest deviation"]
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


_LINES: dict[str, Callable[[Run], float]] = {
    "process s": lambda run: run.seconds,
    "CPU s": lambda run: run.cpu_seconds,
    "peak MiB": lambda run: run.peak_mib,
}


def draw(*, folder: str, count: int, painted: bool) -> int:
    """Draw pictures of 256 x 256 into a new folder, as JPEGs; return how many."""
    # Here, as the process that measures the others has to stay small.
    import numpy as np

    from mifid.demo import landscape, painting
    from mifid.submission import encode_picture

    Path(folder).mkdir()
    for number in range(count):
        random = np.random.RandomState(number + 10_000 * painted)
        picture = (painting if painted else landscape)(random)
        Path(folder, f"{number:05}.jpg").write_bytes(encode_picture(picture))
    return count
