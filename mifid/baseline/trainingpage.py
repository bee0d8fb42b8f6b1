"""What a finished run looks like: its plots, report.html, and the commands to go on with."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mifid.baseline.choosing import CODE, NO_SCORES
from mifid.baseline.config.file import Inputs, read_run_file
from mifid.baseline.config.settings import describe, shown
from mifid.baseline.figures.curves import NAMES, draw_losses, draw_scores
from mifid.baseline.generation.generating import Generated
from mifid.baseline.page import Command, Plot, RunFacts, Setting, write_page
from mifid.baseline.presets import DEFAULT, PRESETS
from mifid.baseline.presets import preset as preset_named
from mifid.baseline.run.metric_lines import read_metrics
from mifid.baseline.run.run import Run
from mifid.baseline.run.run_folder import CONFIG
from mifid.images import Source, open_images
from mifid.images.decode import decode
from mifid.images.source import Decoded, Pixels
from mifid.metrics.mifid import EPSILON
from mifid.rendering.canvas import save_figure
from mifid.rendering.histograms import draw_rgb_histograms
from mifid.rendering.inline_svg import inline_svg
from mifid.report.report import Report
from mifid.version import __version__

__all__ = ["commands", "show_run"]

_HISTOGRAM_PICTURES = 100
_INCHES = 5.2  # width of a plot on the page: its letters are read on a phone, too
_POINTS = 300  # of a curve on the page: more are not seen, and cost bytes
_WEIGHTS = {"raw": "weights as trained", "ema": "moving average of the weights"}


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
    facts = _facts(run, painted, report)
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


def _facts(run: Run, painted: Generated, report: Report | None) -> RunFacts:
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
        verdict=_verdict(run, rows),
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
        not_comparable=(report.not_comparable or "") if report else "",
        warnings=(*painted.notes, *_warnings(run, report)),
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


def _verdict(run: Run, rows: list[dict[str, Any]]) -> str:
    """Say the best score and its step; or that there is none."""
    best, metric = run.best, run.config.score.metric
    value = best.scores.get(metric) if best is not None else None
    if best is None or value is None:
        return f"No score says how good it is: no snapshot was scored in {run.step:,} steps."
    scored = [row for row in rows if row["kind"] == "score" and metric in row]
    photos = max((row.get("photos", 0) for row in scored), default=0)
    unpainted = [row[metric] for row in scored if row.get("weights") == "photos"]
    name = NAMES.get(metric, metric)
    told = (
        f"The best {name} is {_number(value)}, at step {best.step:,} of {run.step:,} "
        f"({_WEIGHTS.get(best.weights, best.weights)}), of {photos:,} photos that were held back."
    )
    return told + (f" The same photos unpainted have {_number(unpainted[0])}." if unpainted else "")


def _number(score: float) -> str:
    return f"{score:,.2f}" if score < 1e6 else f"{score:.2e}"  # copies make it astronomical


def _score_of(run: Run, report: Report | None) -> str:
    weights = run.best
    painter = f"{weights.weights} weights of step {weights.step:,}" if weights else "last weights"
    if report is None:
        return f"not scored; painted with the {painter}"
    reference = "held-out paintings" if run.inputs.held_out else "paintings that were trained on"
    return (
        f"{report.n_generated:,} pictures, painted with the {painter}, against "
        f"{report.n_reference:,} {reference}"
    )


def _warnings(run: Run, report: Report | None) -> Iterator[str]:
    if report is not None and not run.inputs.held_out:
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
