"""From a score and its evidence to the page that a person looks at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from mifid.errors import FeatureError, UnavailableError
from mifid.evidence.album import Album
from mifid.evidence.drawn import draw_distances, draw_histograms, draw_map
from mifid.evidence.evidence import Evidence
from mifid.evidence.exhibits import (
    best_influence,
    most_copied,
    nearest_pairs,
    never_approached,
    worst_influence,
)
from mifid.evidence.plots import plot_bias
from mifid.evidence.sheet import random_sheet
from mifid.metrics import METRICS
from mifid.metrics.base import NOT_ASKED, Measured, Metric
from mifid.report.page_facts import Measure, Omitted, PageFacts, Plot, Value, write_page
from mifid.report.reading import reading_aid, verdict
from mifid.report.repeating import repeating_commands
from mifid.report.scored import Scored
from mifid.report.text import HELD_OUT_USE
from mifid.side import Side
from mifid.version import __version__

__all__ = ["write_score_page"]

T = TypeVar("T")


def write_score_page(path: str | os.PathLike[str], report: Scored) -> None:
    """Write the page of a score; what cannot be shown is named with the reason.

    Raises:
        OutputError: it cannot be written there.
    """
    generated, reference = report.inputs["generated"], report.inputs["reference"]
    evidence = report.evidence
    galleries = _galleries(evidence) if evidence else {}
    gone = Omitted("the pictures were a stream, which has passed")

    def plotted(draw: Callable[[Evidence], Any], caption: str) -> Plot | Omitted:
        return _or_omitted(lambda: Plot(draw(evidence), caption)) if evidence else gone

    facts = PageFacts(
        title=f"{_name(report, 'generated')} against {_name(report, 'reference')}",
        version=__version__,
        made=time.strftime("%Y-%m-%d %H:%M"),
        about=f"{generated.count} generated pictures ({generated.source}) against "
        f"{reference.count} real ones ({reference.source}).",
        values=tuple(_values(report)),
        verdict=_verdict(report),
        intervals=_intervals(report),
        reading=_reading(report),
        not_comparable=report.not_comparable or "",
        warnings=report.warnings,
        checks=report.check.findings
        if report.check
        else Omitted("it was not checked: --submission does, and mifid check"),
        competition=report.check.rules.competition if report.check else "",
        distances=plotted(
            draw_distances,
            "How near each generated picture comes to a training picture. Left of the threshold "
            "are near copies; the mean of all is the memorization distance.",
        ),
        clouds=plotted(
            draw_map,
            "Both sides' features in the two directions in which they vary most. Clouds that lie "
            "apart differ; clouds that overlap here may still differ in other directions.",
        ),
        colours=plotted(
            draw_histograms,
            "How often each level of red, green and blue occurs on either side.",
        ),
        bias=Plot(plot_bias(report.bias), report.bias.sentence)
        if report.bias
        else Omitted(report.bias_reason or "no FID was computed"),
        measures=_measures(report.metrics) or Omitted("none were asked for: --metrics all does"),
        inputs=tuple(
            (name.replace("_", " "), _facts(name, s)) for name, s in report.inputs.items()
        ),
        protocol=tuple(_protocol(report)),
        commands=repeating_commands(report),
        **{name: galleries.get(name, gone) for name in _GALLERIES},
    )
    write_page(path, facts)


_GALLERIES = ("pairs", "copied", "never", "worst", "best", "generated", "reference")


def _galleries(evidence: Evidence) -> dict[str, Any]:
    """Show what there is of pictures; each part that cannot be shown says why."""
    with ExitStack() as files:
        ours = _or_omitted(lambda: files.enter_context(evidence.album("generated")))
        real = _or_omitted(lambda: files.enter_context(evidence.album("reference")))
        label = evidence.training_label
        theirs = (
            real
            if label == "reference"
            else _or_omitted(lambda: files.enter_context(evidence.album(label)))
        )

        def shown(album: Album | Omitted, show: Callable[[Album], T]) -> T | Omitted:
            if isinstance(album, Omitted):
                return album
            return _or_omitted(lambda: show(album))

        at_hand = theirs if isinstance(theirs, Album) else None
        also = ours if isinstance(ours, Album) else None
        return {
            "pairs": shown(
                ours, lambda a: nearest_pairs(evidence.pictures, generated=a, training=at_hand)
            ),
            "worst": shown(ours, lambda a: worst_influence(evidence.pictures, generated=a)),
            "best": shown(ours, lambda a: best_influence(evidence.pictures, generated=a)),
            "copied": shown(
                theirs,
                lambda a: most_copied(evidence.training_pictures, training=a, generated=also),
            ),
            "never": shown(
                theirs, lambda a: never_approached(evidence.training_pictures, training=a)
            ),
            "generated": shown(ours, random_sheet),
            "reference": shown(real, random_sheet),
        }


def _or_omitted(make: Callable[[], T]) -> T | Omitted:
    try:
        return make()
    except (UnavailableError, FeatureError) as error:  # FeatureError: rows of zeros
        return Omitted(error.message)


def _values(report: Scored) -> Iterator[Value]:
    shown = (
        ("MiFID", "mifid", report.mifid, "lower is better", 2),
        ("FID", "fid", report.fid, "lower is better", 2),
        (
            "Memorization distance",
            "memorization_distance",
            report.memorization_distance,
            f"{'below' if report.penalized else 'not below'} the threshold {report.epsilon:g}",
            4,
        ),
    )
    for name, key, value, remark, decimals in shown:
        if value is None:
            yield Value(name, None, remark=report.mifid_reason or "not asked for")
            continue
        interval = report.uncertainty.intervals.get(key) if report.uncertainty else None
        if interval is None:
            yield Value(name, value, remark=remark, decimals=decimals)
        else:
            yield Value(name, value, interval.low, interval.high, remark, decimals, interval.level)


def _intervals(report: Scored) -> str:
    if report.uncertainty:
        return report.uncertainty.remark
    return f"No intervals: {report.uncertainty_reason}." if report.uncertainty_reason else ""


def _verdict(report: Scored) -> str:
    if report.fid is None:
        return ""
    return verdict(
        mifid=report.mifid,
        fid=report.fid,
        memorization_distance=report.memorization_distance,
        epsilon=report.epsilon,
        reason=None if report.mifid_reason == NOT_ASKED else report.mifid_reason,
    )


def _reading(report: Scored) -> tuple[str, ...]:
    near_copies = None
    if report.evidence and report.memorization_distance is not None:
        near_copies = report.evidence.pictures.near_copies
    interval = None
    if report.uncertainty:
        found = report.uncertainty.intervals.get("fid" if report.mifid is None else "mifid")
        interval = (found.low, found.high, found.level) if found else None
    return reading_aid(
        memorization_distance=report.memorization_distance,
        epsilon=report.epsilon,
        near_copies=near_copies,
        n_generated=report.inputs["generated"].n,
        interval=interval,
    )


def _measures(metrics: Mapping[str, Measured]) -> tuple[Measure, ...]:
    rows = []
    for name, measured in metrics.items():
        metric: Metric = METRICS[name]
        if measured.omitted:
            rows.append(Measure(metric.title, None, metric.better, measured.omitted))
        for key, value in measured.values.items():
            title = metric.title if len(measured.values) == 1 else f"{metric.title}: {key}"
            rows.append(Measure(title, value, metric.direction(key), metric.values[key]))
    return tuple(rows)


def _facts(label: str, side: Side) -> tuple[tuple[str, str], ...]:
    rows = [("source", side.source), ("pictures", side.count)]
    if side.sha256:
        rows.append(("sha256 of the contents", side.sha256))
    if label == "held_out":
        rows.append(("what for", HELD_OUT_USE))
    if side.remark != side.source:
        rows.append(("remark", side.remark))
    return tuple(rows)


def _protocol(report: Scored) -> Iterator[tuple[str, str]]:
    yield "epsilon", f"{report.epsilon:g}"
    for name, value in report.protocol.items():
        if isinstance(value, Mapping):
            yield from ((f"version of {package}", str(v)) for package, v in value.items())
        elif value is not None:
            yield name.replace("_", " "), str(value)


def _name(report: Scored, label: str) -> str:
    """Name a side by its path's last part, or by what it is."""
    given = report.evidence.given.get(label) if report.evidence else None
    if isinstance(given, str | os.PathLike):
        return os.path.basename(os.fspath(given).rstrip("/\\")) or os.fspath(given)
    return report.inputs[label].source
