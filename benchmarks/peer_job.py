"""What every tool is given, and what it finds and takes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SCRIPTED", "STAGES", "WORKERS", "Job", "Numbers", "Stages"]

STAGES = ("import", "load", "extract", "distance")

SCRIPTED = "inception-2015-12-05.pt"
"""clean-fid's name for its TorchScript file."""

_CORES = os.cpu_count() or 1

WORKERS = {
    "mifid": max(2, _CORES),
    "torch-fidelity": min(4, 2 * _CORES),
    "pytorch-fid": min(8, _CORES),
    "clean-fid": 12,
    "torchmetrics": _CORES,
}
"""What decodes, by package: mifid's threads, the others' processes. These are their own defaults,
but for torchmetrics, which has no loader."""


@dataclass(frozen=True)
class Job:
    """What every tool is given: pictures, weights and, in ``peers``, what only peers need."""

    generated: Path
    reference: Path
    weights: Path
    peers: Path
    batch_size: int
    draw: tuple[int, int]


@dataclass(frozen=True)
class Numbers:
    """What a tool finds.

    Attributes:
        fid: Fréchet Inception Distance.
        pictures: how many it met, generated and reference.
        workers: threads or processes that decode.
        distance: memorization distance as Kaggle has it: the mean over the generated pictures of
            the minimum over the reference.
        reversed: the other way round: the mean over the reference.
        mifid: with epsilon 0.1, as the tool itself computes it.
    """

    fid: float
    pictures: tuple[int, int]
    workers: int
    distance: float | None = None
    reversed: float | None = None
    mifid: float | None = None


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start
