"""report.html of a run: one file, which needs no other, no network and no script."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from mifid.baseline.choosing import CODE, NO_SCORES
from mifid.baseline.config import Inputs, describe, format_duration, read_run_file, shown
from mifid.baseline.figures import NAMES, WEIGHTS, draw_losses, draw_scores
from mifid.baseline.gan import METHODS
from mifid.baseline.generation import Generated
from mifid.baseline.presets import DEFAULT, PRESETS
from mifid.baseline.presets import preset as preset_named
from mifid.baseline.run import CONFIG, Run, read_metrics
from mifid.errors import MifidError, first_line
from mifid.extractors import threshold
from mifid.formatting import number
from mifid.images import Decoded, Pixels, Source, decode, open_images
from mifid.rendering import (
    Command,
    Plot,
    data_uri,
    draw_rgb_histograms,
    encode_small,
    inline_svg,
    render_page,
    save_figure,
    write_html,
)
from mifid.report import Report

__all__ = ["MAX_BYTES", "PAGE_NAME", "Picture", "commands", "load_picture", "show_run"]

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


def _samples(folder: Path) -> list[Picture]:
    """Return the first and the last sample grid, by the numbers in their names."""
    found = [
        path.name
        for path in (folder / "samples").glob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    found.sort(key=lambda name: ([int(digits) for digits in re.findall(r"\d+", name)], name))
    names = list(dict.fromkeys(found[:1] + found[-1:]))
    captions = ["The first samples.", "The last samples."][-len(names) :]
    return [
        load_picture(folder, f"samples/{name}", c) for name, c in zip(names, captions, strict=False)
    ]


_HISTOGRAM_PICTURES = 100
_INCHES = 5.2  # width of a plot on the page: its letters are read on a phone, too
_POINTS = 300  # of a curve on the page: more cannot be distinguished, and cost bytes


def show_run(
    run: Run,
    painted: Generated,
    report: Report | None,
    *,
    worse: str = "",
    symptoms: Iterable[str] = (),
) -> Path:
    """Write rgb_histograms.png and report.html into the run's folder; return the page's path.

    Of the folder's own pictures the page shows augmented.png, and the first and the last of
    samples/. One that is missing or damaged is named at the end, with the reason.

    Args:
        run: has ended.
        painted: the submission.
        report: its score; None: nothing scores.
        worse: what the page says first if unpainted photos score better; empty: they do not.
        symptoms: the first of the warnings.

    Raises:
        OutputError: they cannot be written.
    """
    colours = _draw_colours(run, painted)
    save_figure(colours, run.folder / "rgb_histograms.png")
    rows = read_metrics(run.folder)
    curves = list(_curves(run, rows))
    samples = _samples(run.folder)
    augmented = load_picture(
        run.folder, "augmented.png", "Training pictures and what augmentation makes of them."
    )
    pictures = [*samples, augmented]
    trained = [row for row in rows if row["kind"] == "train"]
    page = render_page(
        "baseline/page.html",
        run=run,
        painted=painted,
        report=report,
        title=run.folder.resolve().name,
        worse=f"{worse[:1].upper()}{worse[1:]}." if worse else "",
        verdict=_verdict(run, rows, report),
        score_of=_score_of(run, report),
        warnings=dict.fromkeys((*symptoms, *painted.notes, *_warnings(run, report, worse))),
        curves=[curve for curve in curves if isinstance(curve, Plot)],
        samples=[picture for picture in samples if picture.uri],
        augmented=augmented,
        # Its panels have longer titles than those of the curves.
        colours=_plot(colours, "colours", "Shares of each level: the same axes in all panels", 6.0),
        left_out=[
            *(curve for curve in curves if not isinstance(curve, Plot)),
            *([] if samples else [("samples", "samples/ holds no pictures")]),
            *((picture.name, picture.missing) for picture in pictures if picture.missing),
        ],
        commands=list(commands(run.folder, step=run.step)),
        **_settings(run),
        last=trained[-1] if trained else {"seconds": 0.0, "epoch": 0.0},
        arithmetic=_arithmetic(rows),
        pairs_per_second=np.median([row["images_per_second"] / 2 for row in trained] or [0.0]),
        duration=format_duration,
        shown=shown,
    )
    write_html(run.folder / PAGE_NAME, page)
    return run.folder / PAGE_NAME


def _draw_colours(run: Run, painted: Generated) -> Figure:
    with closing(open_images(painted.path)) as archive:
        assert isinstance(archive, Source)
        return draw_rgb_histograms(
            {
                "paintings": run.paintings.pixels[:_HISTOGRAM_PICTURES],
                "photos": run.photos.pixels[:_HISTOGRAM_PICTURES],
                "generated": _first_pictures(archive),
            }
        )


def commands(folder: Path, *, step: int, again: str = "") -> Iterator[Command]:
    """Yield the commands that continue a complete run or repeat it, quoted for a shell.

    Args:
        folder: of the run; its config.toml names the inputs.
        step: the last one.
        again: options that config.toml does not hold, already quoted: ``"--device cpu"``.
    """
    inputs, config = read_run_file(folder / CONFIG)
    run, photos = shlex.quote(str(folder)), shlex.quote(inputs.photos)
    if ":" in inputs.extractor and "--extractor" not in again:  # code must be named again
        again = f"--extractor {shlex.quote(inputs.extractor)} {again}"
    more = f" {again.strip()}" if again.strip() else ""
    epochs = config.training.epochs
    longer = f"--epochs {2 * epochs:g}" if epochs else f"--steps {2 * step}"
    if inputs.extractor != CODE:  # a Python program alone knows the function
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
            "Score it again:", f"mifid score {run}/images.zip {_reference_options(inputs, folder)}"
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


def _curves(run: Run, rows: list[dict[str, Any]]) -> Iterator[Plot | tuple[str, str]]:
    """Yield what is drawn over the steps, or what is not, and why."""
    kinds = {row["kind"] for row in rows}
    if "score" in kinds:
        figure = draw_scores(rows, metric=run.config.score.metric)
        yield _plot(figure, "scores", "Lower is better")
    else:
        yield "scores over the run", "nothing was scored"
    if "train" in kinds:
        terms = METHODS[run.config.training.method].terms
        figure = draw_losses(rows, terms=terms, most=_POINTS)
        yield _plot(figure, "losses", "All numbers are in metrics.csv")
    else:
        yield "losses over the run", "none were logged"


def _plot(figure: Figure, name: str, about: str, inches: float = _INCHES) -> Plot:
    caption = f"{figure.get_suptitle()}. {about}."
    figure.set_size_inches(inches, figure.get_figheight())
    return Plot(inline_svg(figure, label=caption, prefix=name), caption)


def _verdict(run: Run, rows: list[dict[str, Any]], report: Report | None) -> str:
    """Return the scores of the submission and of the best snapshot, in sentences."""
    best, metric = run.best, run.config.score.metric
    value = best.scores.get(metric) if best is not None else None
    if best is None or value is None:
        return f"There is no score: no snapshot was scored in {run.step:,} steps."
    scored = [row for row in rows if row["kind"] == "score" and metric in row]
    photos = max((row.get("photos", 0) for row in scored), default=0)
    unpainted = [row[metric] for row in scored if row.get("weights") == "photos"]
    name = NAMES.get(metric, metric)
    handed_in = {"mifid": report.mifid, "fid": report.fid}.get(metric) if report else None
    submission, other = "", ""
    if report is not None and handed_in is not None:
        submission = f"The submission's {name} is {_score(handed_in)}. "
        if report.n_generated != photos:
            other = ", and not comparable with it: FID falls with the number of pictures"
    training = (
        f"The best {name} during training was {_score(value)}, at step {best.step:,} of "
        f"{run.step:,} ({WEIGHTS[best.weights]}), of {photos:,} photos that were held back{other}."
    )
    before = f" The same photos unpainted have {_score(unpainted[0])}." if unpainted else ""
    return submission + training + before


def _score(value: float) -> str:
    return number(value, 2, flags=",")


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
    """Yield the warnings about the score, but the one that the page begins with."""
    if report is None:
        return
    yield from (warning for warning in report.warnings if warning != worse)
    if not run.inputs.held_out:
        yield (
            "The reference is the paintings of the training: a model that copies them scores well "
            "here."
        )


def _arithmetic(rows: list[dict[str, Any]]) -> str:
    """Return what the networks computed in, and why, with each device that the run went on on."""
    chosen = [row for row in rows if row["kind"] == "precision"]
    names = "; ".join(
        f"{row['precision']} on {row['device']}: {row['reason']}"
        for row in chosen
        if {"precision", "device", "reason"} <= row.keys()
    )
    skipped = sum(int(row.get("skipped_steps", 0)) for row in rows if row["kind"] == "train")
    left_out = f"; {skipped:,} steps were left out, as gradients overflowed" if skipped else ""
    return f"{names or 'not recorded'}{left_out}"


def _settings(run: Run) -> dict[str, Any]:
    """Return each setting beside the preset's that the run began with, or else the default's."""
    preset = run.inputs.preset if run.inputs.preset in PRESETS else DEFAULT
    usual = describe(preset_named(preset).config)
    settings = list(zip(describe(run.config), usual, strict=True))
    sections = groupby(settings, key=lambda pair: pair[0].section)
    return {
        "preset": preset,
        "settings": settings,
        "changed": [pair for pair in settings if pair[0].value != pair[1].value],
        "sections": {section: list(pairs) for section, pairs in sections},
    }


def _network_of(folder: Path) -> str:
    """Return the network that scored the submission of a run."""
    try:
        return str(json.loads((folder / "score.json").read_text())["protocol"]["extractor"])
    except (OSError, ValueError, LookupError, TypeError):
        return "inception"


def _reference_options(inputs: Inputs, folder: Path) -> str:
    """Return the options with which `mifid score` repeats the report's number."""
    options = ["--ref", inputs.held_out or inputs.monets]
    if inputs.held_out:
        options += ["--memorization-ref", inputs.monets]
    extractor = inputs.extractor or _network_of(folder)
    if extractor not in ("inception", NO_SCORES, CODE):
        options += ["--extractor", extractor]
    if inputs.weights:
        options += ["--weights", inputs.weights]
    if 0 <= inputs.epsilon != threshold(extractor):
        options += ["--epsilon", f"{inputs.epsilon:g}"]
    return shlex.join(options)
