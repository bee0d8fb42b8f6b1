"""A score in words: rows of the table, verdict, reading aid, and the command that repeats it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mifid.extractors import EXTRACTORS, threshold
from mifid.files import without_secrets
from mifid.formatting import number, spelled_out
from mifid.images import SideRanges
from mifid.metrics import METRICS, NOT_ASKED, Measured, Metric
from mifid.references import name_of
from mifid.rendering import Command
from mifid.uncertainty import REPLICATES, SEED

if TYPE_CHECKING:
    from mifid.report.report import Report

__all__ = [
    "HELD_OUT_USE",
    "command_line",
    "given_paths",
    "interval_rows",
    "reading_aid",
    "repeating_commands",
    "score_rows",
    "verdict",
]

HELD_OUT_USE = "for the floor of FID, fld and ct; not the reference of FID"
"""The use of held-out pictures in a score. In training they are the reference of FID."""


def score_rows(report: Report) -> list[tuple[str, str, str]]:
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
        rows.append(
            ("FID", number(report.fid, 6), _with_interval(report, "fid", "lower is better"))
        )
    if report.memorization_distance is not None:
        if report.epsilon is None:
            remark = "no threshold: no penalty"
        elif report.penalized:
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
        rows.append(("MiFID", number(report.mifid, 6), remark))
    elif report.mifid_reason not in (None, NOT_ASKED):
        rows.append(("MiFID", "none", report.mifid_reason))
    for measured in report.metrics.values():
        rows.extend(_measure_rows(measured))
    return rows


def _with_interval(report: Report, name: str, remark: str, digits: int = 2) -> str:
    interval = report.interval(name)
    if interval is None:
        return remark
    low, high = (number(value, digits) for value in (interval.low, interval.high))
    return f"{interval.level:g}% interval {low} to {high}; {remark}"


def _measure_rows(measured: Measured) -> list[tuple[str, str, str]]:
    metric: Metric = METRICS[measured.name]
    if measured.omitted:
        return [(measured.name, "none", measured.omitted)]
    rows = []
    for name, value in measured.values.items():
        direction = metric.direction(name)
        if not direction:
            continue  # spreads and sizes stand beside the value that they belong to
        spread = measured.values.get(f"{name}_std")
        std = "" if spread is None else f"; its parts' standard deviation is {spread:.6f}"
        if spread is None and f"{name}_std" in metric.absent:
            std = f"; no standard deviation: {metric.absent[f'{name}_std']}"
        rows.append((name.replace("_", " "), number(value, 6), f"{direction} is better{std}"))
    return rows


def verdict(report: Report) -> str:
    """Return the result in a sentence or two; nothing where the numbers alone are clear."""
    distance, epsilon = report.memorization_distance, report.epsilon
    if report.fid is None:
        return ""
    if report.mifid is None or distance is None:
        if report.mifid_reason in (None, NOT_ASKED):
            return ""
        fid = number(report.fid, 2, flags=",")
        return f"FID is {fid}. There is no MiFID: {report.mifid_reason}."
    mifid = number(report.mifid, 2, flags=",")
    if epsilon is None:
        return (
            f"MiFID is {mifid}, the same as FID: this network's memorization distance, "
            f"{distance:.4f}, has no threshold, so there is no penalty."
        )
    if not report.penalized:
        return (
            f"MiFID is {mifid}, the same as FID: the memorization distance {distance:.4f} reaches "
            f"the threshold {epsilon:g}, so there is no penalty."
        )
    times = "larger than FID"
    if report.fid > 0:
        times = f"{number(report.mifid / report.fid, 1, flags=',')} times FID"
    return (
        f"MiFID is {mifid}, {times}, because the pictures are near the training pictures: "
        f"FID is divided by their memorization distance, {distance:.4f}, which is below the "
        f"threshold {epsilon:g}. From {epsilon:g} on there would be no penalty."
    )


def reading_aid(report: Report) -> tuple[str, ...]:
    """Return how to read the near copies and the interval, a sentence or two each."""
    sentences = []
    measured = None not in (report.memorization_distance, report.epsilon)
    if report.evidence and report.n_generated and measured:
        sentences.append(_copies(report, report.evidence.pictures.near_copies))
    interval = report.interval("fid" if report.mifid is None else "mifid")
    if interval is not None:
        low, high = (number(end, 2, flags=",") for end in (interval.low, interval.high))
        sentences.append(
            f"The {interval.level:g}% interval, {low} to {high}, is where other pictures of the "
            "same kind would score, at these numbers of pictures. A model whose interval overlaps "
            "may be as good; mifid compare decides that."
        )
    return tuple(sentences)


def _copies(report: Report, near_copies: int | None) -> str:
    nearer = f"nearer than {report.epsilon:g} to a training picture"
    if not near_copies:
        return f"No generated picture is {nearer}."
    verb = "is" if near_copies == 1 else "are"
    counted = (
        "they are so many, or so near, that it is below the threshold, too"
        if report.penalized
        else "a few do not count"
    )
    return (
        f"{near_copies:,} of {report.n_generated:,} generated pictures {verb} {nearer}. The "
        f"penalty depends on the mean distance: {counted}. The nearest pairs show them."
    )


def interval_rows(report: Report) -> list[tuple[str, str]]:
    """Return how the intervals were computed: what only who repeats them needs."""
    found = report.uncertainty
    if found is None:
        return []
    return [
        ("level", f"{found.level:g}%"),
        ("method", found.method),
        ("replicates", f"{found.replicates:,}"),
        ("seed", str(found.seed)),
        ("resampled", " and ".join(found.resampled)),
        *(
            (f"standard error of {name.replace('_', ' ')}", number(each.standard_error))
            for name, each in found.intervals.items()
        ),
    ]


def repeating_commands(report: Report) -> tuple[Command, ...]:
    """Return the command that repeats the score, if paths and names are enough for one."""
    evidence = report.evidence
    if evidence is None:
        return ()
    given = dict(evidence.given)
    line = command_line(
        "score",
        [given.pop("generated", None)],
        given,
        extractor=str(report.protocol["extractor"]),
        epsilon=report.epsilon,
        asked={**evidence.asked, "value_range": evidence.value_range},
    )
    if line is None:
        return ()
    more = " --submission" if report.check else ""
    return (Command("Repeat this score, with the same weights file:", line + more),)


_SIDES = {
    "reference": "--ref",
    "memorization_reference": "--memorization-ref",
    "held_out": "--held-out",
    "photos": "--photos",
}


def command_line(
    command: str,
    images: Iterable[Any],
    sides: Mapping[str, Any],
    *,
    extractor: str,
    epsilon: float | None,
    asked: Mapping[str, Any],
) -> str | None:
    """Return the command line of a score or comparison; None if there is none.

    There is none for arrays and functions, nor for names that a page cannot show as they are.

    Args:
        command: ``"score"`` or ``"compare"``.
        images: what was given as generated pictures.
        sides: label -> what was given as the other sides.
        extractor: its name.
        epsilon: the threshold; None: there is none.
        asked: the other settings, by the names of the function's arguments.
    """
    known = extractor in EXTRACTORS or ":" in extractor
    generated = [given_paths(value) for value in images]
    paths = {label: given_paths(value) for label, value in sides.items()}
    several = {label for label, found in paths.items() if len(found) > 1}
    if not known or not all(len(found) == 1 for found in generated):
        return None
    if not all(paths.values()) or not several <= {"reference"}:
        return None
    words = ["mifid", command, *(f"./{p}" if p.startswith("-") else p for (p,) in generated)]
    for label, flag in _SIDES.items():
        for path in paths.get(label, ()):
            words += [flag, name_of(path) or path]
    if epsilon is not None and epsilon != threshold(extractor):
        words += ["--epsilon", repr(epsilon)]
    if extractor != "inception":
        words += ["--extractor", extractor]
    words += _settings(asked)
    words += _ranges(asked.get("value_range"))
    line = shlex.join(map(str, words))
    return line if line == spelled_out(line) else None


def given_paths(given: Any) -> list[str]:
    """Return the paths of a side; none if it was given as something else."""
    several = given if isinstance(given, list | tuple) else [given]
    if not all(isinstance(path, str | os.PathLike) for path in several):
        return []
    return [without_secrets(os.fsdecode(path)) for path in several]


def _ranges(value_range: SideRanges | None) -> Iterator[str]:
    if isinstance(value_range, Mapping):
        for label, (low, high) in value_range.items():
            yield from ("--value-range", f"{label}{'=' * bool(label)}{low:g},{high:g}")
    elif value_range is not None:
        yield from ("--value-range", f"{value_range[0]:g},{value_range[1]:g}")


def _settings(asked: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of the settings that differ from their defaults."""
    metrics = ",".join(asked.get("metrics", ("mifid",)))
    if protocol := asked.get("protocol"):
        yield from ("--protocol", protocol)
    if metrics not in ("", "mifid"):
        yield from ("--metrics", metrics)
    by = asked.get("by")
    for side, how in by.items() if isinstance(by, Mapping) else [("", by)] if by else []:
        yield from ("--by", f"{side}{'=' * bool(side)}{os.fsdecode(how)}")
    resample = set(asked.get("resample", ()))
    if len(resample) == 1:
        yield from ("--ci-over", *resample)
    defaults = {
        "ci": None,
        "replicates": REPLICATES,
        "seed": SEED,
        "weights": None,
        "backend": "auto",
        "precision": "exact",
        "device": "auto",
        "batch_size": None,
        "limit": None,
    }
    for name, default in defaults.items():
        if asked.get(name, default) != default:
            yield from (f"--{name.replace('_', '-')}", str(asked[name]))
    if asked.get("skip_bad"):
        yield "--skip-bad"
