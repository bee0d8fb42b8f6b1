"""report.html: a run on one page that needs no other file, network or script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Template

from mifid.baseline.duration import format_duration
from mifid.baseline.thumbnails import load_picture
from mifid.checking import Finding
from mifid.pages import Command, load_template, write_html

__all__ = ["PAGE_NAME", "Command", "RunFacts", "Setting", "write_page"]

PAGE_NAME = "report.html"


@dataclass(frozen=True)
class Setting:
    """A setting of the run.

    Attributes:
        section: of the configuration, ``"loss"``.
        key: within it, ``"cycle"``.
        value: as text.
        meaning: what it does.
        changed: whether it differs from the default preset's.
        default: the default preset's value as text, shown where it differs.
    """

    section: str
    key: str
    value: str
    meaning: str
    changed: bool = False
    default: str = ""


@dataclass(frozen=True)
class RunFacts:
    """What the page tells that is not in the run folder's pictures.

    Attributes:
        title: of the page, e.g. the run folder's name.
        preset: the preset's name; empty: the settings are what config.toml says.
        version: of mifid.
        finished: when, as text.
        mifid, fid, memorization_distance: the submission's scores; None: not computed.
        score_of: what was scored against what: weights, step, numbers of pictures.
        not_comparable: why the score cannot be compared with Kaggle's; empty if it can.
        warnings: what a reader of the score should know.
        checks: findings on images.zip; empty: it was not written.
        competition: by whose rules it was checked; empty: not told.
        settings: the whole configuration, in order.
        seconds: of the whole run.
        steps, epochs, pairs: how far the training came; a pair is a painting and a photo.
        pairs_per_second: over the training alone.
        device: what trained, in words.
        facts: more (name, value) rows: numbers of pictures, scoring times, …
        commands: how to repeat it.
    """

    title: str
    preset: str
    version: str
    finished: str
    score_of: str
    seconds: float
    steps: int
    epochs: float
    pairs: int
    pairs_per_second: float
    device: str
    mifid: float | None = None
    fid: float | None = None
    memorization_distance: float | None = None
    not_comparable: str = ""
    warnings: tuple[str, ...] = ()
    checks: tuple[Finding, ...] = ()
    competition: str = ""
    settings: tuple[Setting, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = ()


def write_page(folder: Path, *, facts: RunFacts) -> Path:
    """Write report.html into a run folder and return its path.

    It shows what pictures the folder holds: score.png, losses.png, rgb_histograms.png,
    augmented.png, and the first and the last of samples/. One that is missing or damaged is left
    out, with a line that says so.

    Raises:
        OutputError: it cannot be written.
    """
    samples = _samples(folder)
    page = _template().render(
        facts=facts,
        sections=_sections(facts.settings),
        changed=sum(setting.changed for setting in facts.settings),
        accepted=all(check.level != "refused" for check in facts.checks),
        curves=[
            load_picture(folder, "score.png", "The score over the run: lower is better."),
            load_picture(folder, "losses.png", "The losses over the run."),
        ],
        samples=[
            load_picture(folder, name, caption)
            for name, caption in zip(samples, _captions(samples), strict=True)
        ],
        histograms=load_picture(
            folder,
            "rgb_histograms.png",
            "Levels of red, green and blue: paintings, photos and what was generated.",
        ),
        augmented=load_picture(
            folder, "augmented.png", "Training pictures and what augmentation makes of them."
        ),
    )
    target = folder / PAGE_NAME
    write_html(target, page)
    return target


def _score(value: float | None) -> str:
    """Two decimals: two runs of one recipe differ by more; an exponent where copies were found."""
    if value is None:
        return "none"
    return f"{value:.2f}" if value < 1e6 else f"{value:.2e}"


def _distance(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


@cache
def _template() -> Template:
    return load_template(
        "baseline/page.html",
        filters={"duration": format_duration, "score": _score, "distance": _distance},
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


def _captions(samples: list[str]) -> list[str]:
    return ["The first samples.", "The last samples."][-len(samples) :] if samples else []
