"""report.html of a run: one file, which needs no other, no network and no script."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from mifid.baseline.choosing import CODE, NO_SCORES
from mifid.baseline.config import Inputs, describe, format_duration, read_run_file, shown
from mifid.baseline.figures import NAMES, WEIGHTS, draw_losses, draw_scores
from mifid.baseline.generation import Generated
from mifid.baseline.presets import DEFAULT, PRESETS
from mifid.baseline.presets import preset as preset_named
from mifid.baseline.run import CONFIG, Run, read_metrics
from mifid.errors import MifidError, first_line
from mifid.formatting import spelled_out
from mifid.images import Decoded, Pixels, Source, decode, open_images
from mifid.machine import __version__
from mifid.metrics import EPSILON
from mifid.rendering import (
    Command,
    data_uri,
    draw_rgb_histograms,
    encode_small,
    inline_svg,
    load_template,
    save_figure,
    write_html,
)
from mifid.report import Report
from mifid.submission import Finding

__all__ = [
    "MAX_BYTES",
    "PAGE_NAME",
    "Picture",
    "Plot",
    "RunFacts",
    "Setting",
    "commands",
    "load_picture",
    "show_run",
    "write_page",
]

MAX_BYTES = 900_000
"""Three pictures of so many, a third larger as base64, and the plots stay below 5 MB together."""

_SIDES = (1400, 1100, 800, 600, 400, 250)  # px, the first that fits


@dataclass(frozen=True)
class Picture:
    """A picture of the run folder, as the page holds it.

    Attributes:
        name: within the folder.
        caption: what it shows.
        uri: ``data:`` and the picture; empty if there is none.
        width, height: in pixels.
        missing: why there is none.
    """

    name: str
    caption: str
    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""


def load_picture(folder: Path, name: str, caption: str) -> Picture:
    """Return a picture of the folder; one that is missing or damaged comes with the reason."""
    try:
        image = Image.fromarray(decode((folder / name).read_bytes(), name).pixels)
    except FileNotFoundError:
        return Picture(name, caption, missing="there is no such file")
    except (OSError, MifidError) as error:
        return Picture(name, caption, missing=first_line(error))
    kind, content, (width, height) = _small(image, lossless=name.endswith(".png"))
    return Picture(name, caption, data_uri(content, kind=kind), width, height)


def _small(image: Image.Image, *, lossless: bool) -> tuple[str, bytes, tuple[int, int]]:
    """Encode a picture in at most so many bytes; those without loss stay so if they fit."""
    tries = [("PNG", side) for side in _SIDES[:1] if lossless] + [("JPEG", side) for side in _SIDES]
    for kind, side in tries:
        # Tall sheets: width counts.
        content, size = encode_small(image, side=side, tallness=3, kind=kind)
        if len(content) <= MAX_BYTES:
            break
    return kind, content, size


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
        verdict: the submission's score, and the best during training, in a few sentences.
        worse: what is said instead if unpainted photos score better; empty: they do not.
        mifid, fid, memorization_distance: the submission's scores; None: not computed.
        epsilon: below this memorization distance MiFID is penalized; None: not told.
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
    epsilon: float | None = None
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


_HISTOGRAM_PICTURES = 100
_INCHES = 5.2  # width of a plot on the page: its letters are read on a phone, too
_POINTS = 300  # of a curve on the page: more are not seen, and cost bytes


def show_run(run: Run, painted: Generated, report: Report | None, *, worse: str = "") -> Path:
    """Write rgb_histograms.png and report.html into the run's folder; return the page's path.

    Args:
        run: has ended.
        painted: the submission.
        report: its score; None: nothing scores.
        worse: what is to be said first if unpainted photos score better; empty: they do not.
    """
    with closing(open_images(painted.path)) as archive:
        assert isinstance(archive, Source)
        colours = draw_rgb_histograms(
            {
                "paintings": run.paintings.pixels[:_HISTOGRAM_PICTURES],
                "photos": run.photos.pixels[:_HISTOGRAM_PICTURES],
                "generated": _first_pictures(archive),
            }
        )
    save_figure(colours, run.folder / "rgb_histograms.png")
    facts = _facts(run, painted, report, worse)
    about = "Shares of each level: the same axes in all panels"
    plot = _plot(colours, "colours", about=about, inches=6.0)  # its panels have longer titles
    said = f"{worse[:1].upper()}{worse[1:]}." if worse else ""
    return write_page(run.folder, facts=replace(facts, worse=said, colours=plot))


def commands(folder: Path, *, step: int, again: str = "") -> Iterator[Command]:
    """Yield how to go on with a complete run, and how to repeat it, as a shell takes it.

    Args:
        folder: of the run; its config.toml says what it was given.
        step: at which it ended.
        again: options that config.toml does not hold, already quoted: ``"--device cpu"``.
    """
    inputs, config = read_run_file(folder / CONFIG)
    run, photos = shlex.quote(str(folder)), shlex.quote(inputs.photos)
    if ":" in inputs.extractor and "--extractor" not in again:  # runs only if it is named again
        again = f"--extractor {shlex.quote(inputs.extractor)} {again}"
    more = f" {again.strip()}" if again.strip() else ""
    epochs = config.training.epochs
    longer = f"--epochs {2 * epochs:g}" if epochs else f"--steps {2 * step}"
    if inputs.extractor != CODE:  # that is known to a Python program alone
        yield Command(
            "Train longer; the length counts from the beginning:",
            f"mifid train-baseline --out {run} --resume {longer}{more}",
        )
    yield Command(
        "Paint these or other photos:",
        f"mifid generate --checkpoint {run}/best.safetensors --photos {photos} -o images.zip",
    )
    if inputs.extractor != CODE:
        yield Command(
            "Score it again:", f"mifid score {run}/images.zip {_reference_options(inputs)}"
        )
        yield Command(
            "Train it again:", f"mifid train-baseline --config {run}/{CONFIG} --out again/{more}"
        )


def _first_pictures(source: Source) -> Pixels:
    pictures = []
    for index in range(min(len(source), _HISTOGRAM_PICTURES)):
        content = source.read(index)
        decoded = content if isinstance(content, Decoded) else decode(content, source.name(index))
        pictures.append(decoded.pixels)
    return np.stack(pictures)


def _facts(run: Run, painted: Generated, report: Report | None, worse: str) -> RunFacts:
    rows = read_metrics(run.folder)
    trained = [row for row in rows if row["kind"] == "train"]
    rates = [row["images_per_second"] / 2 for row in trained]
    last = trained[-1] if trained else {"seconds": 0.0, "epoch": 0.0}
    curves = dict(_curves(run, rows))
    return RunFacts(
        title=run.folder.resolve().name,
        preset=run.inputs.preset,
        version=__version__,
        finished=time.strftime("%Y-%m-%d %H:%M"),
        verdict=_verdict(run, rows, report),
        score_of=_score_of(run, report),
        seconds=last["seconds"],
        steps=run.step,
        epochs=last["epoch"],
        pairs=run.step * run.config.training.batch,
        pairs_per_second=float(np.median(rates)) if rates else 0.0,
        device=str(run.device) + (f", {run.processes.world} processes" * (run.processes.world > 1)),
        mifid=report.mifid if report else None,
        fid=report.fid if report else None,
        memorization_distance=report.memorization_distance if report else None,
        epsilon=report.epsilon if report else None,
        not_comparable=(report.not_comparable or "") if report else "",
        warnings=tuple(dict.fromkeys((*painted.notes, *_warnings(run, report, worse)))),
        curves=tuple(plot for plot in curves.values() if isinstance(plot, Plot)),
        left_out=tuple((what, why) for what, why in curves.items() if isinstance(why, str)),
        checks=painted.check.findings,
        competition=painted.check.rules.competition,
        settings=tuple(_settings(run)),
        compared_with=f"the preset {_preset_of(run)}",
        facts=(
            ("photos", f"{len(run.photos.names):,} from {run.inputs.photos}"),
            ("paintings", f"{len(run.paintings.names):,} from {run.inputs.monets}"),
            ("held-out paintings", run.inputs.held_out or "none"),
        ),
        commands=tuple(commands(run.folder, step=run.step)),
    )


def _curves(run: Run, rows: list[dict[str, Any]]) -> Iterator[tuple[str, Plot | str]]:
    """Yield what is drawn over the steps, or why it is not."""
    kinds = {row["kind"] for row in rows}
    scores, losses = "scores over the run", "losses over the run"
    if "score" in kinds:
        figure = draw_scores(rows, metric=run.config.score.metric)
        yield scores, _plot(figure, "scores", about="Lower is better")
    else:
        yield scores, "nothing was scored"
    if "train" in kinds:
        figure = draw_losses(rows, most=_POINTS)
        yield losses, _plot(figure, "losses", about="All numbers are in metrics.csv")
    else:
        yield losses, "none were logged"


def _plot(figure: Figure, name: str, *, about: str, inches: float = _INCHES) -> Plot:
    """Return a figure as the page shows it."""
    caption = f"{figure.get_suptitle()}. {about}."
    figure.set_size_inches(inches, figure.get_figheight())
    return Plot(inline_svg(figure, label=caption, prefix=name), caption)


def _verdict(run: Run, rows: list[dict[str, Any]], report: Report | None) -> str:
    """Say what the submission scores, and the best during training; or that there is no score."""
    best, metric = run.best, run.config.score.metric
    value = best.scores.get(metric) if best is not None else None
    if best is None or value is None:
        return f"No score says how good it is: no snapshot was scored in {run.step:,} steps."
    scored = [row for row in rows if row["kind"] == "score" and metric in row]
    photos = max((row.get("photos", 0) for row in scored), default=0)
    unpainted = [row[metric] for row in scored if row.get("weights") == "photos"]
    name = NAMES.get(metric, metric)
    handed_in = {"mifid": report.mifid, "fid": report.fid}.get(metric) if report else None
    told, other = "", ""
    if report is not None and handed_in is not None:
        told = f"The submission's {name} is {_number(handed_in)}. "
        if report.n_generated != photos:
            other = ", and not comparable with it: FID falls with the number of pictures"
    told += (
        f"The best {name} during training was {_number(value)}, at step {best.step:,} of "
        f"{run.step:,} ({WEIGHTS[best.weights]}), of {photos:,} photos that were held back{other}."
    )
    return told + (f" The same photos unpainted have {_number(unpainted[0])}." if unpainted else "")


def _number(score: float) -> str:
    return f"{score:,.2f}" if score < 1e6 else f"{score:.2e}"  # copies make it astronomical


def _score_of(run: Run, report: Report | None) -> str:
    weights = run.best
    painter = f"{WEIGHTS[weights.weights]}, step {weights.step:,}" if weights else "last weights"
    if report is None:
        return f"not scored; painted with the {painter}"
    reference = "held-out paintings" if run.inputs.held_out else "paintings that were trained on"
    return (
        f"{report.n_generated:,} pictures, painted with the {painter}; scored against "
        f"{report.n_reference:,} {reference}"
    )


def _warnings(run: Run, report: Report | None, worse: str) -> Iterator[str]:
    """Yield what else is to be known of the score; what got worse is said first of all."""
    if report is None:
        return
    yield from (warning for warning in report.warnings if warning != worse)
    if not run.inputs.held_out:
        yield (
            "The reference are the paintings that were trained on: a model that copies them "
            "scores well here."
        )


def _preset_of(run: Run) -> str:
    """Return the preset that the settings began with, or the default one if nobody noted it."""
    return run.inputs.preset if run.inputs.preset in PRESETS else DEFAULT


def _settings(run: Run) -> Iterator[Setting]:
    usual = describe(preset_named(_preset_of(run)).config)
    for setting, default in zip(describe(run.config), usual, strict=True):
        changed = setting.value != default.value
        yield Setting(
            setting.section,
            setting.key,
            shown(setting.value),
            setting.meaning,
            changed=changed,
            preset=shown(default.value) if changed else "",
        )


def _reference_options(inputs: Inputs) -> str:
    """Return the options with which `mifid score` gives the report's number again."""
    options = ["--ref", inputs.held_out or inputs.monets]
    if inputs.held_out:
        options += ["--memorization-ref", inputs.monets]
    if inputs.extractor not in ("inception", NO_SCORES, CODE):
        options += ["--extractor", inputs.extractor]
    if inputs.weights:
        options += ["--weights", inputs.weights]
    if inputs.epsilon != EPSILON:
        options += ["--epsilon", f"{inputs.epsilon:g}"]
    return shlex.join(options)
