"""The command line that repeats a score."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mifid.images.ranges import SideRanges
from mifid.metrics.mifid import EPSILON
from mifid.report.page_facts import Command
from mifid.report.scored import Scored
from mifid.uncertainty.assessment import REPLICATES, SEED

__all__ = ["repeating_commands"]


def repeating_commands(report: Scored) -> tuple[Command, ...]:
    """Return the command that repeats the score, if paths and names alone tell it."""
    evidence = report.evidence
    given = evidence.given if evidence else {}
    extractor = str(report.protocol["extractor"])
    known = extractor in ("inception", "inception-random") or ":" in extractor
    paths = {label: _paths(value) for label, value in given.items()}
    several = {label for label, found in paths.items() if len(found) > 1}
    if not known or not all(paths.values()) or not several <= {"reference"}:
        return ()
    if evidence is None or "generated" not in given:
        return ()
    images = paths["generated"][0]
    words = ["mifid", "score", f"./{images}" if images.startswith("-") else images]
    flags = {
        "reference": "--ref",
        "memorization_reference": "--memorization-ref",
        "held_out": "--held-out",
    }
    for label, flag in flags.items():
        for path in paths.get(label, ()):
            words += [flag, path]
    if report.epsilon != EPSILON:
        words += ["--epsilon", repr(report.epsilon)]
    if extractor != "inception":
        words += ["--extractor", extractor]
    words += _settings(evidence.asked)
    words += _ranges(evidence.value_range)
    if report.check:
        words.append("--submission")
    line = " ".join(shlex.quote(str(word)) for word in words)
    return (Command("Repeat this score, with the same weights file:", line),)


def _paths(given: Any) -> list[str]:
    """Return the paths of a side; none if it was given as something else."""
    several = given if isinstance(given, list | tuple) else [given]
    if not all(isinstance(path, str | os.PathLike) for path in several):
        return []
    return [os.fsdecode(path) for path in several]


def _ranges(value_range: SideRanges | None) -> Iterator[str]:
    if isinstance(value_range, Mapping):
        for label, (low, high) in value_range.items():
            yield from ("--value-range", f"{label}={low:g},{high:g}")
    elif value_range is not None:
        yield from ("--value-range", f"{value_range[0]:g},{value_range[1]:g}")


def _settings(asked: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options that say what is not the default."""
    metrics = ",".join(asked.get("metrics", ("mifid",)))
    if metrics != "mifid":
        yield from ("--metrics", metrics)
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
