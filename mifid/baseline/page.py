"""report.html: a run on one page that needs no other file, network or script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from mifid.baseline.config.duration import format_duration
from mifid.baseline.thumbnails import Picture, load_picture
from mifid.rendering.html import Command, load_template, spelled_out, write_html
from mifid.submission.checking import Finding

__all__ = ["PAGE_NAME", "Command", "Plot", "RunFacts", "Setting", "write_page"]

PAGE_NAME = "report.html"


@dataclass(frozen=True)
class Plot:
    """A plot in the page's colours: an ``<svg>`` element, and what it shows in a sentence."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Setting:
    """A setting of the run.

    Attributes:
        section: of the configuration, ``"loss"``.
        key: within it, ``"cycle"``.
        value: as text.
        meaning: what it does.
        changed: whether it differs from the preset's.
        preset: the preset's value as text, shown where it differs.
    """

    section: str
    key: str
    value: str
    meaning: str
    changed: bool = False
    preset: str = ""


@dataclass(frozen=True)
class RunFacts:
    """What the page tells that is not in the run folder's pictures.

    Attributes:
        title: of the page, e.g. the run folder's name.
        preset: the preset's name; empty: the settings are what config.toml says.
        version: of mifid.
        finished: when, as text.
        verdict: the best score and its step, in a sentence or two.
        worse: what is said instead if unpainted photos score better; empty: they do not.
        mifid, fid, memorization_distance: the submission's scores; None: not computed.
        score_of: what was scored against what: weights, step, numbers of pictures.
        not_comparable: why the score cannot be compared with Kaggle's; empty if it can.
        warnings: what a reader of the score should know.
        curves: plots of the scores and the losses over the run.
        colours: histograms of red, green and blue; None: there are none.
        checks: findings on images.zip; empty: it was not written.
        competition: by whose rules it was checked; empty: not told.
        settings: the whole configuration, in order.
        compared_with: what settings are compared with: ``"the preset tiny"``.
        seconds: of the whole run.
        steps, epochs, pairs: how far the training came; a pair is a painting and a photo.
        pairs_per_second: over the training alone.
        device: what trained, in words.
        facts: more (name, value) rows: numbers of pictures, scoring times, …
        commands: how to go on, and how to repeat it.
        left_out: (what, why) of what the page cannot show.
    """

    title: str
    preset: str
    version: str
    finished: str
    verdict: str
    score_of: str
    seconds: float
    steps: int
    epochs: float
    pairs: int
    pairs_per_second: float
    device: str
    worse: str = ""
    mifid: float | None = None
    fid: float | None = None
    memorization_distance: float | None = None
    not_comparable: str = ""
    warnings: tuple[str, ...] = ()
    curves: tuple[Plot, ...] = ()
    colours: Plot | None = None
    checks: tuple[Finding, ...] = ()
    competition: str = ""
    settings: tuple[Setting, ...] = ()
    compared_with: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def write_page(folder: Path, *, facts: RunFacts) -> Path:
    """Write report.html into a run folder and return its path.

    Of the folder's own pictures it shows augmented.png, and the first and the last of samples/.
    One that is missing or damaged is named at the end, with the reason.

    Raises:
        OutputError: it cannot be written.
    """
    names = _samples(folder)
    captions = ["The first samples.", "The last samples."][-len(names) :] if names else []
    samples = [
        load_picture(folder, name, caption) for name, caption in zip(names, captions, strict=True)
    ]
    augmented = load_picture(
        folder, "augmented.png", "Training pictures and what augmentation makes of them."
    )
    page = _template().render(
        facts=facts,
        sections=_sections(facts.settings),
        changed=[setting for setting in facts.settings if setting.changed],
        accepted=all(check.level != "refused" for check in facts.checks),
        samples=_there(samples),
        augmented=_there([augmented]),
        left_out=list(_left_out(facts, samples, augmented)),
    )
    target = folder / PAGE_NAME
    write_html(target, page)
    return target


def _there(pictures: list[Picture]) -> list[Picture]:
    return [picture for picture in pictures if picture.uri]


def _left_out(
    facts: RunFacts, samples: list[Picture], augmented: Picture
) -> Iterator[tuple[str, str]]:
    """Yield what the page cannot show, and why."""
    yield from facts.left_out
    if not samples:
        yield "samples", "samples/ holds no pictures"
    yield from ((each.name, each.missing) for each in (*samples, augmented) if each.missing)
    if not facts.checks:
        yield "check of the submission", "no submission was written"


def _score(value: float) -> str:
    """Two decimals: two runs of one recipe differ by more; an exponent where copies were found."""
    return f"{value:,.2f}" if value < 1e6 else f"{value:.2e}"


@cache
def _template() -> Template:
    return load_template(
        "baseline/page.html",
        filters={"duration": format_duration, "score": _score, "name": spelled_out},
    )


def _sections(settings: tuple[Setting, ...]) -> dict[str, list[Setting]]:
    sections: dict[str, list[Setting]] = {}
    for setting in settings:
        sections.setdefault(setting.section, []).append(setting)
    return sections


def _samples(folder: Path) -> list[str]:
    """Return the names of the first and the last sample grid, by the numbers in their names."""
    found = [
        path.name
        for path in (folder / "samples").glob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    found.sort(key=lambda name: ([int(digits) for digits in re.findall(r"\d+", name)], name))
    return [f"samples/{name}" for name in dict.fromkeys(found[:1] + found[-1:])]
