"""The page of a score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from matplotlib.figure import Figure

from mifid.errors import FeatureError, UnavailableError
from mifid.evidence import (
    Album,
    Evidence,
    Gallery,
    best_influence,
    draw_distances,
    draw_histograms,
    draw_map,
    most_copied,
    nearest_pairs,
    never_approached,
    plot_bias,
    random_sheet,
    worst_influence,
    write_with_pictures,
)
from mifid.formatting import listed
from mifid.metrics import METRICS, Measured, Metric
from mifid.rendering import Plot, inline_svg
from mifid.report.class_scores import ClassScores
from mifid.report.text import (
    HELD_OUT_USE,
    given_paths,
    interval_rows,
    reading_aid,
    repeating_commands,
    verdict,
)
from mifid.submission import Check

if TYPE_CHECKING:
    from mifid.report.report import Report

__all__ = ["SECTIONS", "Omitted", "Part", "Row", "parts_of", "write_page", "write_parts"]

_MOST_PATHS = 3  # of one side that its title names

T = TypeVar("T")


@dataclass(frozen=True)
class Omitted:
    """A part of the page that is not there, and why: words without a full stop."""

    reason: str


Row: TypeAlias = tuple[str, float | None, str, str]
"""Of the table of other measures: title, value (None: left out), which is better, remark."""

Part: TypeAlias = Plot | Gallery | Check | ClassScores | Sequence[Row] | Omitted

SECTIONS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("samples", "Samples", {"generated": "generated pictures", "reference": "reference pictures"}),
    (
        "memorization",
        "Memorization",
        {
            "distances": "histogram of the nearest distances",
            "pairs": "nearest pairs",
            "copied": "most copied training pictures",
            "never": "training pictures never approached",
        },
    ),
    ("influence", "Influence on FID", {"worst": "worst influence", "best": "best influence"}),
    (
        "sets",
        "Both sets compared",
        {"clouds": "map of both feature clouds", "colours": "histograms of red, green and blue"},
    ),
    ("number", "Number of pictures", {"bias": "FID against the number of pictures"}),
    ("classes", "Classes", {"classes": "scores of single classes"}),
    ("measures", "Other measures", {"measures": "other measures"}),
    ("submission", "Submission", {"checks": "check of the submission"}),
)
"""(id, title, part -> what it shows): a section without any part is not on the page."""


def write_page(path: str | os.PathLike[str], report: Report) -> None:
    """Write the page of a score; what cannot be shown is named with the reason.

    Raises:
        OutputError: it cannot be written there.
    """
    write_parts(path, report, parts_of(report))


def write_parts(path: str | os.PathLike[str], report: Report, parts: Mapping[str, Part]) -> None:
    """Write the page of a score with these parts of :data:`SECTIONS`."""
    titles = {part: what for _, _, shows in SECTIONS for part, what in shows.items()}
    named = {part: what for part, what in titles.items() if part in parts}
    shown = {name: parts[name] for name in named if not isinstance(parts[name], Omitted)}
    write_with_pictures(
        path,
        "report/page.html",
        galleries=[part for part in shown.values() if isinstance(part, Gallery)],
        report=report,
        parts=shown,
        sections={section: title for section, title, shows in SECTIONS if shows.keys() & shown},
        left_out=[
            (what, omitted.reason)
            for name, what in named.items()
            if isinstance(omitted := parts[name], Omitted)
        ],
        title=_title(report),
        verdict=verdict(report),
        reading=report.reading,
        hints=reading_aid(report),
        appendix=interval_rows(report),
        held_out_use=HELD_OUT_USE,
        commands=repeating_commands(report),
    )


def parts_of(report: Report) -> dict[str, Part]:
    """Return the parts of :data:`SECTIONS`; each that cannot be shown says why.

    Classes are a part only where they were asked for.
    """
    evidence = report.evidence
    gone = Omitted("the pictures were a stream, which can be read only once")

    def plot(name: str, draw: Callable[[Evidence], Figure], caption: str, title: str = "") -> Part:
        if evidence is None:
            return gone
        return _or_omitted(lambda: _plot(draw(evidence), name, caption, title))

    return {
        **dict.fromkeys(("generated", "reference", "pairs", "copied"), gone),
        **dict.fromkeys(("never", "worst", "best"), gone),
        **(_galleries(evidence) if evidence else {}),
        "distances": plot(
            "distances",
            draw_distances,
            "How near each generated picture comes to a training picture. Left of the threshold "
            "are near copies; the mean of all is the memorization distance.",
        ),
        "clouds": plot(
            "clouds",
            draw_map,
            "Both sides' features in the two directions in which they vary most. Clouds that lie "
            "apart differ; clouds that overlap here may still differ in other directions.",
            "Map of the features",
        ),
        "colours": plot(
            "colours",
            draw_histograms,
            "How often each level of red, green and blue occurs on either side. Level 0 is not "
            "drawn, as black borders would flatten all else: its share stands above each plot.",
            "Colours",
        ),
        "bias": _plot(plot_bias(report.bias), "bias", report.bias.sentence)
        if report.bias
        else Omitted(report.bias_reason or "no FID was computed"),
        **({"classes": report.classes} if report.classes else {}),
        "measures": list(_measures(report.metrics))
        or Omitted("none were asked for: --metrics all does"),
        "checks": report.check or Omitted("it was not checked: --submission does, and mifid check"),
    }


def _plot(figure: Figure, name: str, caption: str, title: str = "") -> Plot:
    return Plot(inline_svg(figure, label=caption, prefix=name), caption, title)


def _galleries(evidence: Evidence) -> dict[str, Gallery | Omitted]:
    with ExitStack() as files:

        def album(label: str) -> Album | Omitted:
            return _or_omitted(lambda: files.enter_context(evidence.album(label)))

        def shown(of: Album | Omitted, show: Callable[[Album], Gallery]) -> Gallery | Omitted:
            return of if isinstance(of, Omitted) else _or_omitted(lambda: show(of))

        ours, real = album("generated"), album("reference")
        label = evidence.training_label
        theirs = real if label == "reference" else album(label)
        training = theirs if isinstance(theirs, Album) else None
        generated = ours if isinstance(ours, Album) else None
        return {
            "pairs": shown(
                ours, lambda a: nearest_pairs(evidence.pictures, generated=a, training=training)
            ),
            "worst": shown(ours, lambda a: worst_influence(evidence.pictures, generated=a)),
            "best": shown(ours, lambda a: best_influence(evidence.pictures, generated=a)),
            "copied": shown(
                theirs,
                lambda a: most_copied(evidence.training_pictures, training=a, generated=generated),
            ),
            "never": shown(
                theirs, lambda a: never_approached(evidence.training_pictures, training=a)
            ),
            "generated": shown(ours, lambda a: random_sheet(a, seed=evidence.seed)),
            "reference": shown(real, lambda a: random_sheet(a, seed=evidence.seed)),
        }


def _or_omitted(make: Callable[[], T]) -> T | Omitted:
    try:
        return make()
    except (UnavailableError, FeatureError) as error:  # FeatureError: rows of zeros
        return Omitted(error.message)


def _measures(metrics: Mapping[str, Measured]) -> Iterator[Row]:
    for name, measured in metrics.items():
        metric: Metric = METRICS[name]
        if measured.omitted:
            yield metric.title, None, metric.better, measured.omitted
        for key, value in measured.values.items():
            title = metric.title if len(measured.values) == 1 else f"{metric.title}: {key}"
            meaning = metric.values[key]
            if metric.sees and key == next(iter(measured.values)):
                meaning += f". It sees: {metric.sees}. It does not see: {metric.misses}."
            yield title, value, metric.direction(key), meaning
        if not measured.omitted:
            for key, why in metric.absent.items():
                if key not in measured.values:
                    yield f"{metric.title}: {key}", None, metric.direction(key), why


def _title(report: Report) -> str:
    sides = f"{_name(report, 'generated')} against {_name(report, 'reference')}"
    return f"{report.label}: {sides}" if report.label else sides


def _name(report: Report, label: str) -> str:
    """Name a side by the last parts of its paths, or by what it is."""
    given = report.evidence.given.get(label) if report.evidence else None
    paths = given_paths(given)
    if not 1 <= len(paths) <= _MOST_PATHS:
        return report.inputs[label].source
    return listed(os.path.basename(path.rstrip("/\\")) or path for path in paths)
