"""Zip of very many entries, and FID and distance of a million synthetic features."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

import numpy as np

from benchmarks.metrics import draw
from benchmarks.processes import peak_mib
from mifid.images import Source, digests, open_images
from mifid.metrics import Moments, frechet_distance, memorization_distance
from mifid.statistics import Statistics


def make_archive(*, path: str, entries: int) -> int:
    """Write a zip of tiny stored entries with names of pictures; return their number."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(entries):
            archive.writestr(f"{number:07}.jpg", f"{number:016}")
    return entries


def open_archive(*, path: str) -> dict[str, Any]:
    """Open the zip and hash its entries, as a run does.

    Returns:
        ``entries``; ``open`` and ``hash``, each with ``seconds`` and ``mib``, which it adds to the
        peak memory of this process. Another process must have written the zip.
    """
    found: dict[str, Any] = {}
    before, start = peak_mib(), time.perf_counter()
    source = open_images(path)
    assert isinstance(source, Source)  # true for every file
    with closing(source):
        found["open"] = {"seconds": time.perf_counter() - start, "mib": peak_mib() - before}
        before, start = peak_mib(), time.perf_counter()
        hashes = digests(source)
        found["hash"] = {"seconds": time.perf_counter() - start, "mib": peak_mib() - before}
    return {"entries": len(hashes), **found}


BASE, REFERENCE, MIXING = 1, 2, 3
"""Seeds of the base rows, of the reference, and of the mixing."""

PRODUCTS = 10
"""Number of timings of the matrix product in a run."""


def blocks(base: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    """Yield n rows like those of ``base`` (B, D) float32, in blocks of up to B.

    Each row mixes two random rows of ``base`` in a random proportion. So rows are not negative and
    correlated like ``base``, no two blocks are equal, and drawing them is cheap. All blocks use the
    same memory: each overwrites the last.
    """
    random = np.random.RandomState(seed)
    block, other = np.empty_like(base), np.empty_like(base)
    for start in range(0, n, len(base)):
        rows = min(len(base), n - start)
        share = random.rand(rows, 1).astype(np.float32)
        for target, part in ((block, share), (other, 1 - share)):
            chosen = random.randint(len(base), size=rows)
            # Indices are in range; modes other than "clip" would use a buffer.
            np.take(base, chosen, axis=0, out=target[:rows], mode="clip")
            np.multiply(target[:rows], part, out=target[:rows])
        block[:rows] += other[:rows]
        yield block[:rows]


class RunningDistance:
    """Memorization distance of generated features in blocks: a mean of means."""

    def __init__(self, reference: np.ndarray) -> None:
        self._reference = reference
        self._sum, self._rows = 0.0, 0

    def update(self, generated: np.ndarray) -> None:
        """Add features (B, D); rows of zeros do not count."""
        rows = int(np.count_nonzero(generated.sum(axis=1, dtype=np.float64)))
        if rows:
            distance = memorization_distance(generated=generated, reference=self._reference)
            self._sum += rows * distance
            self._rows += rows

    @property
    def value(self) -> float:
        """Distance of all rows so far, 0..1."""
        return self._sum / self._rows


class _Stopwatch:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def simulate(*, n: int, references: int, width: int = 2048, rows: int = 4096) -> dict[str, Any]:
    """Draw n features in blocks of ``rows``, and compute FID and distance to a reference.

    Returns:
        The numbers; seconds by part; billions of operations by part; ``product``, the GFLOP/s of a
        float64 matrix product, the median of several in between; ``peak_mib`` of this process
        after a tenth of the rows, after all, and after FID.
    """
    reference = draw(references, width, REFERENCE)
    base = draw(min(rows, n), width, BASE)
    timed, products, peaks = _Stopwatch(), list[float](), dict[str, float]()
    statistics, distance = Statistics(), RunningDistance(reference)
    drawn, done, tenths = blocks(base, n, MIXING), 0, 0
    while True:
        with timed("drawing"):
            block = next(drawn, None)
        if block is None:
            break
        if done * PRODUCTS >= tenths * n:
            products.append(_product_gflops(width))
            tenths += 1
        with timed("statistics"):
            statistics.update(block)
        with timed("distance"):
            distance.update(block)
        done += len(block)
        if done * 10 >= n:
            peaks.setdefault("a tenth", peak_mib())
    with timed("statistics"):  # includes the pending rows
        moments = Moments(mu=statistics.mu, sigma=statistics.sigma)
    peaks["all"] = peak_mib()
    with timed("fid"):
        fid = frechet_distance(generated=moments, reference=reference)
    peaks["fid"] = peak_mib()
    return {
        "n": n,
        "references": references,
        "width": width,
        "rows": len(base),
        "fid": fid,
        "distance": distance.value,
        "seconds": timed.seconds,
        # x^T x is symmetric: numpy's BLAS computes only half of the product.
        "gflop": {
            "statistics": n * width * (width + 1) / 1e9,
            "distance": 2 * n * references * width / 1e9,
        },
        "product": median(products),
        "peak_mib": peaks,
    }


def _product_gflops(width: int) -> float:
    one, other = np.full((width, width), 0.5), np.full((width, width), 0.25)
    start = time.perf_counter()
    np.matmul(one, other)
    return 2 * width**3 / (time.perf_counter() - start) / 1e9
