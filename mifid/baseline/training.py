"""train_baseline(): from photos and paintings to a scored submission."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any

from mifid.baseline.choosing import CODE, NO_SCORES, choose_config
from mifid.errors import MifidWarning, recorded_warnings, setting, warn
from mifid.extractors import Extractor
from mifid.progress import Progress, choose
from mifid.submission import MONET, Rules

if TYPE_CHECKING:
    from mifid.baseline.config import Config
    from mifid.baseline.run import Best, Run
    from mifid.baseline.scorer import Judge
    from mifid.report import Report
    from mifid.submission import Check

__all__ = ["Trained", "train_baseline"]


@dataclass(frozen=True)
class Trained:
    """What a run left.

    Attributes:
        folder: of the run.
        step: at which it ended.
        trained_steps: how many of these this call trained; 0 of a run that was complete before.
        is_first: whether this is the process that tells of it, if there are several.
        interrupted: the signal that ended it early; nothing is painted then. None: it is complete.
        best: the snapshot that was painted with.
        archive: the submission.
        check: what `mifid check` says of it.
        report: its score; None if nothing scores.
        worse: what is to be said first if unpainted photos score better than what was painted;
            empty: they do not, or nothing was scored.
    """

    folder: Path
    step: int
    is_first: bool = True
    interrupted: Signals | None = None
    trained_steps: int = 0
    best: Best | None = None
    archive: Path | None = None
    check: Check | None = None
    report: Report | None = None
    worse: str = ""


def train_baseline(
    photos: str | Path | None = None,
    monets: str | Path | None = None,
    out: str | Path = "run",
    *,
    held_out: str | Path | None = None,
    preset: str | None = None,
    config: Config | str | Path | None = None,
    settings: Iterable[str] = (),
    resume: bool = False,
    score: bool = True,
    epsilon: float | None = None,
    extractor: str | Callable[..., Any] | Extractor | None = None,
    weights: str | Path | None = None,
    backend: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    skip_bad: bool = False,
    tensorboard: bool = False,
    rules: Rules = MONET,
    progress: Progress | bool | None = None,
) -> Trained:
    """Train a CycleGAN, keep its best snapshot, paint every photo, check and score the result.

    Args:
        photos: folder, zip, tar or TFRecords of photos.
        monets: the same of paintings.
        out: the run's folder, new or empty; everything is written there.
        held_out: paintings that are not trained on, for honest scores.
        preset: a name of :data:`mifid.baseline.presets.PRESETS`; None: ``"kaggle-5h"``.
        config: instead of a preset, a :class:`~mifid.baseline.config.Config`, or the
            ``config.toml`` of another run.
        settings: changes to it, such as ``"loss.cycle=5"``.
        resume: go on with the run in ``out``: where it was, or, if a length is given, to that. The
            pictures may lie elsewhere by now; they must be the same.
        score: False: no scores; the last snapshot is painted with.
        epsilon, extractor, weights: as for :func:`mifid.score`; None: what ``config.toml`` says,
            else 0.1 and ``"inception"``. An extractor of your own is never taken from a file.
        backend, device, workers: as for :func:`mifid.score`; the device also trains.
        skip_bad: go on without pictures that cannot be decoded.
        tensorboard: also write TensorBoard's event files.
        rules: of the competition that the submission is for.
        progress: True or False; None shows bars in notebooks.

    Returns:
        Trained: the folder, the best snapshot, the archive, its check and its report.

    Raises:
        MifidError: settings or pictures that cannot be trained with, found before the first step;
            a diverged run. Of several processes one tells, the others raise
            :class:`~mifid.baseline.distributed.PeerError`.
    """
    started = time.monotonic()
    # Imported here, like torch everywhere: naming the function costs nothing.
    from mifid.baseline.distributed import start_processes
    from mifid.baseline.run import Run, check_prepared
    from mifid.extractors import choose_device

    shown = choose(progress)
    with ExitStack() as stack:
        stack.enter_context(recorded_warnings())  # each snapshot's score would say the same again
        processes = stack.enter_context(start_processes())
        if not processes.is_first:
            shown = choose(False)
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", MifidWarning)  # the first process warns
        with processes.together():
            inputs, chosen = choose_config(
                photos=photos,
                monets=monets,
                held_out=held_out,
                out=Path(out),
                preset_name=preset,
                config=config,
                settings=settings,
                resume=resume,
                extractor=_name_of(extractor) if score else NO_SCORES,
                weights=weights,
                epsilon=epsilon,
            )
            place = processes.place(choose_device(device))
        run = stack.enter_context(
            Run.open(
                Path(out),
                inputs,
                chosen,
                resume=resume,
                device=place,
                processes=processes,
                workers=workers,
                skip_bad=skip_bad,
                rules=rules,
                progress=shown,
            )
        )
        judge, note = None, ""
        with processes.together():
            if not resume:  # else what is trained already is painted with in any case
                check_prepared(chosen, preset=inputs.preset, elapsed=time.monotonic() - started)
            _warn_of_number(run)
            if processes.is_first and inputs.extractor != NO_SCORES:
                note = _held_out_note(run, workers)
                judge = _judge(
                    run,
                    epsilon=inputs.epsilon,
                    extractor=extractor or inputs.extractor,
                    weights=inputs.weights or None,
                    backend=backend,
                    device=str(place),
                    workers=workers,
                    skip_bad=skip_bad,
                    progress=shown,
                )
        interrupted = run.train(scorer=judge, started=started, tensorboard=tensorboard)
        trained = Trained(
            run.folder,
            run.step,
            processes.is_first,
            interrupted,
            trained_steps=run.trained_steps,
            best=run.best,
        )
        if interrupted is not None or not processes.is_first:
            return trained
        return _hand_in(run, trained, judge, workers=workers, note=note)


def _name_of(extractor: str | Callable[..., Any] | Extractor | None) -> str | None:
    return extractor if extractor is None or isinstance(extractor, str) else CODE


def _warn_of_number(run: Run) -> None:
    """Tell now what the check would tell at the end."""
    number, rules = len(run.source), run.rules
    if not rules.at_least <= number <= rules.at_most:
        warn(
            f"{rules.file_name} will hold {number:,} pictures; '{rules.competition}' takes "
            f"{rules.at_least:,} to {rules.at_most:,} and would refuse it",
            stacklevel=3,
        )


def _held_out_note(run: Run, workers: int | None) -> str:
    """Warn of what keeps scores from being honest; return what the page does not know of it.

    Raises:
        InputError: all held-out paintings are trained on.
    """
    from mifid.baseline.data import open_side, overlap

    if not run.inputs.held_out:
        warn(
            "scores are computed against the paintings that are trained on, which rewards copying "
            f"them; give other paintings as {setting('held_out')} if you have some",
            stacklevel=3,
        )
        return ""
    with (
        closing(open_side(run.inputs.held_out, "held-out paintings")) as held_out,
        closing(open_side(run.inputs.monets, "paintings")) as paintings,
    ):
        note = overlap(held_out, paintings, trained_on=run.paintings.names, workers=workers)
    if note:
        warn(note, stacklevel=3)
    return note


def _judge(run: Run, **settings: Any) -> Judge:
    from mifid.baseline.scorer import Judge

    return Judge(run.inputs.monets, held_out=run.inputs.held_out or None, **settings)


def _hand_in(
    run: Run,
    trained: Trained,
    judge: Judge | None,
    *,
    workers: int | None,
    note: str,
) -> Trained:
    """Paint the photos with the best snapshot, check and score the archive, and tell of it all."""
    from mifid.baseline.generation import generate
    from mifid.baseline.page import show_run

    archive = run.folder / run.rules.file_name
    painted = generate(
        run.folder / "best.safetensors",
        run.source,
        archive,
        device=str(run.device),
        workers=workers,
        rules=run.rules,
        force=True,  # what a run has painted before it went on is its own
        progress=run.progress,
    )
    if note:
        painted = replace(painted, notes=(*painted.notes, note))
    report = judge.report(archive) if judge is not None else None
    worse = _made_worse(run)
    if report is not None:
        if worse:
            report = replace(report, warnings=(worse, *report.warnings))
        report.save(run.folder / "score.json")
    show_run(run, painted, report, worse=worse)
    return replace(trained, archive=archive, check=painted.check, report=report, worse=worse)


def _made_worse(run: Run) -> str:
    """Say so, with the numbers, if the photos score better unpainted than painted; else nothing."""
    from mifid.baseline.figures import WEIGHTS
    from mifid.baseline.run import read_metrics

    metric = run.config.score.metric
    unpainted = [
        row[metric]
        for row in read_metrics(run.folder)
        if row["kind"] == "score" and row["weights"] == "photos" and metric in row
    ]
    painted = run.best.scores.get(metric) if run.best is not None else None
    if run.best is None or painted is None or not unpainted or painted <= unpainted[0]:
        return ""
    return (
        f"training made things worse: the best snapshot ({WEIGHTS[run.best.weights]}, step "
        f"{run.best.step:,}) has {metric} {painted:.4g}, the same photos as they are, unpainted, "
        f"have {unpainted[0]:.4g}; lower is better. Train longer, or with another preset, before "
        "you hand in"
    )
