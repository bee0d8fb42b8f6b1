"""The step benchmark's table, and what it shows in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from training_job import MIFID, Job

__all__ = ["Found", "explain", "rows"]


@dataclass
class Found:
    """What came of a job: FLOP a pair if counted, seconds a step of each round, peak of memory."""

    job: Job
    flop: float = 0.0
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


def rows(found: list[Found], peaks: dict[str, Any]) -> Iterator[list[str]]:
    """One line a way; the ratio is the median of each round's."""
    reference = found[0]
    flop = next(one.flop for one in found if one.job.way == MIFID)
    for one in found:
        ratios = [a / b for a, b in zip(reference.seconds, one.seconds, strict=True)]
        pairs = one.job.batch / median(one.seconds)
        peak = peaks["bf16" if "bf16" in one.job.way else "float32"]
        yield [
            f"{one.job.network}, batch {one.job.batch}",
            one.job.way,
            f"{1000 * median(one.seconds):,.1f}",
            f"{pairs:.2f}",
            f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{one.peak_mib:,.0f}",
            f"{flop / 1e12:.2f}",
            f"{pairs * flop / peak:.0%}",
        ]


def explain(peaks: dict[str, Any], rounds: int, steps: int) -> str:
    """What the table shows, in words."""
    best = " and ".join(
        f"{peaks[name] / 1e12:.2f} TFLOP/s in {name}"
        for name in ("float32", "bf16")
        if name in peaks
    )
    place = peaks.get("name") or f"the CPU with {peaks['threads']} threads"
    memory = "what tensors held on it" if "name" in peaks else "the process's"
    return (
        f"A step moves both generators and both discriminators once; on {place}, over random "
        "pictures that lie in memory. The plain loops are written as common implementations are: "
        "one pass after the other for real, painted and identity pictures, `InstanceNorm2d`, an "
        "`Adam` a network, every loss read at each step. Two backwards: one for each generator, "
        "the cycle loss in both (Keras's tutorial); one backward: over all of the generators' "
        "losses. From the same weights all ways compute the same losses. `mifid` is the default, "
        "which chooses the layout in memory itself. "
        f"Medians of {rounds} rounds of {steps} steps, in which the ways take turns; the ratio is "
        "the time of the first way over this one's in the same round (median, lowest, highest). "
        f"Peak memory is {memory}. TFLOP a pair are mifid's as torch counts them; of peak: "
        f"compared with the best that a matrix product or a 3x3 convolution reached in the same "
        f"run, {best}."
    )
