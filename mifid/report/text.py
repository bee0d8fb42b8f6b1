"""The rows of a score's table: what a person wants first."""

from __future__ import annotations

from mifid.metrics import METRICS
from mifid.metrics.base import NOT_ASKED, Measured, Metric
from mifid.report.scored import Scored

__all__ = ["HELD_OUT_USE", "score_rows"]

HELD_OUT_USE = "for the floor of FID, fld and ct; not the reference of FID"
"""What held-out pictures are to a score. In training they are the reference of FID."""


def score_rows(report: Scored) -> list[tuple[str, str, str]]:
    """Return (name, value, remark) of sides, numbers with their intervals, and other measures."""
    rows = [
        (
            name.replace("_", " "),
            side.count,
            f"{side.remark}; {HELD_OUT_USE}" if name == "held_out" else side.remark,
        )
        for name, side in report.inputs.items()
    ]
    if report.fid is not None:
        rows.append(("FID", _number(report.fid), _with_interval(report, "fid", "lower is better")))
    if report.memorization_distance is not None:
        if report.penalized:
            remark = f"below the threshold {report.epsilon:g}: FID is divided by the distance"
        else:
            remark = f"at or above the threshold {report.epsilon:g}: no penalty"
        remark = _with_interval(report, "memorization_distance", remark, digits=4)
        rows.append(("memorization distance", f"{report.memorization_distance:.6f}", remark))
    if report.mifid is not None:
        remark = _with_interval(report, "mifid", "lower is better")
        below = report.uncertainty.below_threshold if report.uncertainty else 0.0
        if 0 < below < 1:
            remark += f"; {below:.1%} of the resamples are below the threshold"
        rows.append(("MiFID", _number(report.mifid), remark))
    elif report.mifid_reason not in (None, NOT_ASKED):
        rows.append(("MiFID", "none", report.mifid_reason))
    for measured in report.metrics.values():
        rows.extend(_measure_rows(measured))
    return rows


def _with_interval(report: Scored, name: str, remark: str, digits: int = 2) -> str:
    interval = report.uncertainty.intervals.get(name) if report.uncertainty else None
    if interval is None:
        return remark
    low, high = (_number(value, digits) for value in (interval.low, interval.high))
    return f"{interval.level:g}% interval {low} to {high}; {remark}"


def _measure_rows(measured: Measured) -> list[tuple[str, str, str]]:
    metric: Metric = METRICS[measured.name]
    if measured.omitted:
        return [(measured.name, "none", measured.omitted)]
    rows = []
    for name, value in measured.values.items():
        direction = metric.direction(name)
        if not direction:
            continue  # spreads and sizes are told beside the value that they belong to
        spread = measured.values.get(f"{name}_std")
        told = "" if spread is None else f"; its parts' standard deviation is {spread:.6f}"
        rows.append((name.replace("_", " "), _number(value), f"{direction} is better{told}"))
    return rows


def _number(value: float, digits: int = 6) -> str:
    """So many decimals, or an exponent where copies make the score astronomical."""
    return f"{value:.{digits}f}" if abs(value) < 1e9 else f"{value:.6e}"
