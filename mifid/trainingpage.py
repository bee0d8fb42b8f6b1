"""What a finished run looks like: its plots, and report.html."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from mifid.baseline.choosing import CODE, NO_SCORES
from mifid.baseline.generate import Generated
from mifid.baseline.metric_lines import read_metrics
from mifid.baseline.page import Command, RunFacts, Setting, write_page
from mifid.baseline.presets import DEFAULT
from mifid.baseline.presets import preset as preset_named
from mifid.baseline.run import Run
from mifid.baseline.runfile import Inputs
from mifid.baseline.settings import describe, shown
from mifid.histograms import plot_rgb_histograms
from mifid.images import Source, open_images
from mifid.images.decode import decode
from mifid.images.source import Decoded, Pixels
from mifid.metrics.mifid import EPSILON
from mifid.report import Report
from mifid.version import __version__

__all__ = ["show_run"]

_HISTOGRAM_PICTURES = 100


def show_run(run: Run, painted: Generated, report: Report | None) -> Path:
    """Write rgb_histograms.png and report.html into the run's folder; return the page's path."""
    with closing(open_images(painted.path)) as archive:
        assert isinstance(archive, Source)
        plot_rgb_histograms(
            {
                "paintings": run.paintings.pixels[:_HISTOGRAM_PICTURES],
                "photos": run.photos.pixels[:_HISTOGRAM_PICTURES],
                "generated": _first_pictures(archive),
            },
            run.folder / "rgb_histograms.png",
        )
    return write_page(run.folder, facts=_facts(run, painted, report))


def _first_pictures(source: Source) -> Pixels:
    pictures = []
    for index in range(min(len(source), _HISTOGRAM_PICTURES)):
        content = source.read(index)
        decoded = content if isinstance(content, Decoded) else decode(content, source.name(index))
        pictures.append(decoded.pixels)
    return np.stack(pictures)


def _facts(run: Run, painted: Generated, report: Report | None) -> RunFacts:
    rows = [row for row in read_metrics(run.folder) if row["kind"] == "train"]
    rates = [row["images_per_second"] / 2 for row in rows]
    last = rows[-1] if rows else {"seconds": 0.0, "epoch": 0.0}
    return RunFacts(
        title=run.folder.resolve().name,
        preset=run.inputs.preset,
        version=__version__,
        finished=time.strftime("%Y-%m-%d %H:%M"),
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
        checks=painted.check.findings,
        competition=painted.check.rules.competition,
        settings=tuple(_settings(run)),
        facts=(
            ("photos", f"{len(run.photos.names):,} from {run.inputs.photos}"),
            ("paintings", f"{len(run.paintings.names):,} from {run.inputs.monets}"),
            ("held-out paintings", run.inputs.held_out or "none"),
        ),
        commands=tuple(_commands(run)),
    )


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


def _settings(run: Run) -> Iterator[Setting]:
    usual = describe(preset_named(DEFAULT).config)
    for setting, default in zip(describe(run.config), usual, strict=True):
        changed = setting.value != default.value
        yield Setting(
            setting.section,
            setting.key,
            shown(setting.value),
            setting.meaning,
            changed=changed,
            default=shown(default.value) if changed else "",
        )


def _commands(run: Run) -> Iterator[Command]:
    folder, photos = shlex.quote(str(run.folder)), shlex.quote(run.inputs.photos)
    reference = _reference_options(run.inputs)
    own = f" --extractor {shlex.quote(run.inputs.extractor)}" if ":" in run.inputs.extractor else ""
    yield Command(
        "train it again", f"mifid train-baseline --config {folder}/config.toml --out again/{own}"
    )
    yield Command(
        "paint photos",
        f"mifid generate --checkpoint {folder}/best.safetensors --photos {photos} -o images.zip",
    )
    yield Command("score it", f"mifid score {folder}/images.zip {reference}")


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
