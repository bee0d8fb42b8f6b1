"""The page of a score."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from jinja2 import Template
from markupsafe import Markup
from matplotlib.figure import Figure

from mifid.errors import FeatureError, UnavailableError
from mifid.evidence import (
    Album,
    Card,
    Evidence,
    Gallery,
    Thumbnail,
    best_influence,
    draw_distances,
    draw_histograms,
    draw_map,
    encode_thumbnails,
    most_copied,
    nearest_pairs,
    never_approached,
    plot_bias,
    random_sheet,
    worst_influence,
)
from mifid.formatting import spelled_out
from mifid.inputs import Side
from mifid.machine import __version__
from mifid.metrics import METRICS, NOT_ASKED, Measured, Metric
from mifid.rendering import Command, inline_svg, load_template, write_html
from mifid.report.text import HELD_OUT_USE, given_paths, reading_aid, repeating_commands, verdict
from mifid.submission import Finding

if TYPE_CHECKING:
    from mifid.report.report import Report

__all__ = [
    "MAX_BYTES",
    "Measure",
    "Omitted",
    "PageFacts",
    "Plot",
    "Value",
    "write_page",
    "write_score_page",
]

MAX_BYTES = 5_000_000
"""The page's most bytes: what mail and notebooks still take. Thumbnails get what is left."""

_MOST_PATHS = 3  # of one side that its title names
_LONGEST_NAME = 60  # characters shown below a picture; the whole name is in its alternative text


@dataclass(frozen=True)
class Omitted:
    """A part of the page that is not there, and why: words without a full stop."""

    reason: str


@dataclass(frozen=True)
class Plot:
    """A figure, and how to read it in a sentence or two."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Value:
    """A number of the headline.

    Attributes:
        name: ``"MiFID"``.
        value: None: it was not computed; ``remark`` says why.
        low, high: its interval; None: there is none.
        level: of the interval, in per cent.
        remark: half a sentence: ``"lower is better"``.
        decimals: 2 for FID, 4 for distances.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    remark: str = ""
    decimals: int = 2
    level: float | None = None


@dataclass(frozen=True)
class Measure:
    """A row of the table of other measures.

    Attributes:
        title: in full.
        value: None: ``remark`` says why it is left out.
        better: ``"lower"``, ``"higher"``, ``"near 50"``.
        remark: how to read it, or why it is left out.
    """

    title: str
    value: float | None
    better: str = ""
    remark: str = ""


@dataclass(frozen=True)
class PageFacts:
    """All that the page shows. A part that is ``Omitted`` is named with its reason.

    Attributes:
        title: ``"images.zip against monet_jpg"``, behind the label if there is one.
        version: of mifid.
        made: when, as text.
        about: what was scored against what, in a sentence.
        verdict: what the score says, in a sentence or two.
        values: the headline's numbers; the first is the largest.
        intervals: how the intervals were computed, or why there are none; empty: not asked for.
        reading: how to read the numbers, a sentence or two each.
        not_comparable: why the score cannot be compared with Kaggle's; empty if it can.
        warnings: what a reader of the score should know.
        checks: findings on the submission.
        competition: by whose rules it was checked; empty: not told.
        distances: histogram of nearest distances.
        pairs: the nearest pairs.
        copied, never: training pictures that are copied most, and never approached.
        worst, best: pictures that FID suffers from, and gains by.
        generated, reference: random sheets.
        colours: histograms of red, green and blue.
        clouds: the map of features.
        bias: FID against the number of pictures.
        measures: other measures.
        inputs: (side, (name, value) rows).
        protocol: (name, value) rows.
        commands: how to repeat it.
    """

    title: str
    version: str
    made: str
    about: str
    values: tuple[Value, ...]
    distances: Plot | Omitted
    pairs: Gallery | Omitted
    copied: Gallery | Omitted
    never: Gallery | Omitted
    worst: Gallery | Omitted
    best: Gallery | Omitted
    generated: Gallery | Omitted
    reference: Gallery | Omitted
    colours: Plot | Omitted
    clouds: Plot | Omitted
    bias: Plot | Omitted
    measures: tuple[Measure, ...] | Omitted
    checks: tuple[Finding, ...] | Omitted
    verdict: str = ""
    intervals: str = ""
    reading: tuple[str, ...] = ()
    not_comparable: str = ""
    competition: str = ""
    warnings: tuple[str, ...] = ()
    inputs: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    protocol: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def galleries(self) -> Iterator[Gallery]:
        """All galleries that are there, in the page's order."""
        parts = (
            *(self.pairs, self.copied, self.never, self.worst, self.best),
            *(self.generated, self.reference),
        )
        return (part for part in parts if isinstance(part, Gallery))


_SECTIONS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
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
    ("measures", "Other measures", {"measures": "other measures"}),
    ("submission", "Submission", {"checks": "check of the submission"}),
)
"""(id, title, field of PageFacts -> what it shows): a section without any part is not there."""


def write_page(path: str | os.PathLike[str], facts: PageFacts) -> None:
    """Write the page, whole or not at all, of at most 5 MB: thumbnails are made to fit.

    Raises:
        OutputError: it cannot be written there.
    """
    plots = {
        name: inline_svg(plot.figure, label=plot.caption, prefix=name)
        for name in ("distances", "colours", "clouds", "bias")
        if isinstance(plot := getattr(facts, name), Plot)
    }
    pictures = [
        picture
        for gallery in facts.galleries
        for card in gallery.cards
        for picture in card.pictures
    ]
    # Once without a picture, to know what there is left for them.
    bare = _render(facts, plots, [Thumbnail(picture.name, " ") for picture in pictures])
    room = MAX_BYTES - len(bare.encode(errors="backslashreplace"))
    write_html(path, _render(facts, plots, encode_thumbnails(pictures, max_bytes=room)))


def _render(facts: PageFacts, plots: Mapping[str, Markup], thumbnails: list[Thumbnail]) -> str:
    shown = iter(thumbnails)
    galleries: dict[int, list[tuple[Card, list[Thumbnail]]]] = {
        id(gallery): [(card, [next(shown) for _ in card.pictures]) for card in gallery.cards]
        for gallery in facts.galleries
    }
    parts = [(part, what) for _, _, named in _SECTIONS for part, what in named.items()]
    return _template().render(
        facts=facts,
        sections={
            section: title
            for section, title, named in _SECTIONS
            if not all(isinstance(getattr(facts, part), Omitted) for part in named)
        },
        left_out=[
            (what, omitted.reason)
            for part, what in parts
            if isinstance(omitted := getattr(facts, part), Omitted)
        ],
        plots=plots,
        cards=lambda gallery: galleries[id(gallery)],
        accepted=isinstance(facts.checks, Omitted)
        or all(check.level != "refused" for check in facts.checks),
    )


@cache
def _template() -> Template:
    return load_template(
        "report/page.html",
        filters={
            "number": _number,
            "measure": _measure,
            "name": spelled_out,
            "short": _short,
            "omitted": lambda part: isinstance(part, Omitted),
        },
    )


def _number(value: float | None, decimals: int) -> str:
    """Fixed decimals, or an exponent where copies make a score astronomical."""
    if value is None:
        return "none"
    return f"{value:,.{decimals}f}" if abs(value) < 1e6 else f"{value:.2e}"


def _measure(value: float) -> str:
    """Four significant digits and no exponent for usual values."""
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 or not value else f"{value:.2e}"


def _short(name: str) -> str:
    """Cut the middle out of a long name: its folder and its number are what tells names apart."""
    name = spelled_out(name)
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


T = TypeVar("T")


def write_score_page(path: str | os.PathLike[str], report: Report) -> None:
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
        title=_title(report),
        version=__version__,
        made=time.strftime("%Y-%m-%d %H:%M"),
        about=f"{generated.taken} generated pictures ({generated.source}) against "
        f"{reference.taken} real ones ({reference.source}).",
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
            "How often each level of red, green and blue occurs on either side. Level 0 is not "
            "drawn, as black borders would flatten all else: its share stands above each plot.",
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
            "generated": shown(ours, lambda a: random_sheet(a, seed=evidence.seed)),
            "reference": shown(real, lambda a: random_sheet(a, seed=evidence.seed)),
        }


def _or_omitted(make: Callable[[], T]) -> T | Omitted:
    try:
        return make()
    except (UnavailableError, FeatureError) as error:  # FeatureError: rows of zeros
        return Omitted(error.message)


def _values(report: Report) -> Iterator[Value]:
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


def _intervals(report: Report) -> str:
    if report.uncertainty:
        return report.uncertainty.remark
    return f"No intervals: {report.uncertainty_reason}." if report.uncertainty_reason else ""


def _verdict(report: Report) -> str:
    if report.fid is None:
        return ""
    return verdict(
        mifid=report.mifid,
        fid=report.fid,
        memorization_distance=report.memorization_distance,
        epsilon=report.epsilon,
        reason=None if report.mifid_reason == NOT_ASKED else report.mifid_reason,
    )


def _reading(report: Report) -> tuple[str, ...]:
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
        if not measured.omitted:
            rows += [
                Measure(f"{metric.title}: {key}", None, metric.direction(key), why)
                for key, why in metric.absent.items()
                if key not in measured.values
            ]
    return tuple(rows)


def _facts(label: str, side: Side) -> tuple[tuple[str, str], ...]:
    rows = [("source", side.source), ("pictures", side.taken)]
    if side.sha256:
        rows.append(("sha256 of the contents", side.sha256))
    if label == "held_out":
        rows.append(("what for", HELD_OUT_USE))
    if side.remark != side.source:
        rows.append(("remark", side.remark))
    return tuple(rows)


def _protocol(report: Report) -> Iterator[tuple[str, str]]:
    yield "epsilon", f"{report.epsilon:g}"
    for name, value in report.protocol.items():
        if isinstance(value, Mapping):
            yield from ((f"version of {package}", str(v)) for package, v in value.items())
        elif value is not None:
            yield name.replace("_", " "), str(value)


def _title(report: Report) -> str:
    sides = f"{_name(report, 'generated')} against {_name(report, 'reference')}"
    return f"{report.label}: {sides}" if report.label else sides


def _name(report: Report, label: str) -> str:
    """Name a side by the last parts of its paths, or by what it is."""
    given = report.evidence.given.get(label) if report.evidence else None
    paths = given_paths(given)
    if not 1 <= len(paths) <= _MOST_PATHS:
        return report.inputs[label].source
    return " and ".join(os.path.basename(path.rstrip("/\\")) or path for path in paths)
