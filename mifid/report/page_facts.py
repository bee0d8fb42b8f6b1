"""The report of a score on one page that needs no other file, network or script."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Template
from markupsafe import Markup
from matplotlib.figure import Figure

from mifid.evidence.galleries import Card, Gallery, Thumbnail, encode_thumbnails
from mifid.rendering.html import Command, load_template, spelled_out, write_html
from mifid.rendering.inline_svg import inline_svg
from mifid.submission.checking import Finding

__all__ = [
    "MAX_BYTES",
    "Command",
    "Measure",
    "Omitted",
    "PageFacts",
    "Plot",
    "Value",
    "write_page",
]

MAX_BYTES = 5_000_000
"""The page's most bytes: what mail and notebooks still take. Thumbnails get what is left."""

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
        title: ``"images.zip against monet_jpg"``.
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
