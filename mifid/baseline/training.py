"""Training: train_baseline() makes a scored submission of photos and paintings."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any

from mifid.baseline.choosing import (
    CODE,
    NO_SCORES,
    Init,
    choose_config,
    choose_initial_weights,
    refuse_other_settings,
)
from mifid.errors import MifidWarning, recorded_warnings, setting, warn
from mifid.extractors import Extractor
from mifid.progress import Progress, Silent, choose
from mifid.submission import MONET, Rules

if TYPE_CHECKING:
    from mifid.baseline.config import Config
    from mifid.baseline.run import Best, Run, Symptom
    from mifid.baseline.scorer import ReferenceScorer
    from mifid.report import Report
    from mifid.submission import Check

__all__ = ["Trained", "train_baseline"]


@dataclass(frozen=True)
class Trained:
    """The results of a run.

    Attributes:
        folder: of the run.
        step: the last step.
        is_first: whether this is the process that reports the results, if there are several.
        interrupted: the signal that ended the run early, without a submission; None: none did.
        trained_steps: number of steps that this call trained; 0 if the run was complete before.
        best: the snapshot that painted the submission.
        archive: the submission.
        check: of the submission, as by `mifid check`.
        report: its score; None: nothing was scored.
        worse: a warning that unpainted photos score better than painted ones; empty: they do not,
            or nothing was scored.
        symptoms: warnings of known ways in which the training went wrong.
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
    symptoms: tuple[str, ...] = ()


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
    anyway: bool = False,
    init: Init | None = None,
    score: bool = True,
    epsilon: float | None = None,
    extractor: str | Callable[..., Any] | Extractor | None = None,
    weights: str | Path | None = None,
    backend: str = "auto",
    device: str = "auto",
    gpus: int = 1,
    workers: int | None = None,
    skip_bad: bool = False,
    tensorboard: bool = False,
    wandb: bool = False,
    rules: Rules = MONET,
    progress: Progress | bool | None = None,
) -> Trained:
    """Train a CycleGAN, keep its best snapshot, paint every photo, check and score the result.

    Args:
        photos: folder, zip, tar or TFRecords of photos.
        monets: the same of paintings.
        out: the run's folder, new or empty; everything is written there.
        held_out: paintings that are not trained on, so that copies of paintings do not score well.
        preset: a name of :data:`mifid.baseline.presets.PRESETS`; None: ``"kaggle-5h"``.
        config: instead of a preset, a :class:`~mifid.baseline.config.Config`, or the
            ``config.toml`` of another run.
        settings: changes to it, such as ``"loss.cycle=5"``.
        resume: go on with the run in ``out``, to its end or to another length if one is given. The
            pictures must be the same; their paths may have changed.
        anyway: train also if the budget leaves too few steps to learn anything, or if a learning
            rate of 0 or ``training.pretrain`` leaves nothing to learn.
        init: weights to begin with, instead of random ones: a generator's file, for the painter
            (``best.safetensors``, or a state dict of the CycleGAN repository or of CUT), or a
            run's folder or checkpoint, for all networks that it holds; or ``{"painter": file,
            "photographer": file}``. Settings of the generator that are not given follow the
            weights, with a warning.
        score: False: no scores; the last snapshot paints the submission.
        epsilon, extractor, weights: as for :func:`mifid.score`; None: as in ``config.toml``, else
            0.1 and ``"inception"``. An extractor of your own is never loaded because a file names
            it.
        backend, device, workers: as for :func:`mifid.score`; the device also trains.
        gpus: number of GPUs to train on, each with a process of its own that torchrun starts. With
            ``device="cpu"`` these processes share the processor. A run goes on with as many.
        skip_bad: go on without pictures that cannot be decoded.
        tensorboard: also write TensorBoard's event files: numbers, samples, the final text.
        wandb: also show numbers, samples and the final page in Weights & Biases, which must be
            installed. Its environment counts: ``WANDB_MODE=offline`` writes files alone.
        rules: of the competition that the submission is for.
        progress: True or False; None shows bars in notebooks.

    Returns:
        Trained: the folder, the best snapshot, the archive, its check and its report.

    Raises:
        MifidError: settings or pictures that cannot be trained with, found before the first step;
            a diverged run. Of several processes one raises it, the others
            :class:`~mifid.baseline.distributed.PeerError`.
    """
    settings = list(settings)
    given = dict(locals())  # all arguments
    started = time.monotonic()
    # Imported here, like torch everywhere: importing this module takes no time.
    from mifid.baseline.config import as_dict
    from mifid.baseline.distributed import start_processes
    from mifid.baseline.presets import PRESETS
    from mifid.baseline.presets import preset as preset_named
    from mifid.baseline.run import Checkpoints, Run, check_prepared
    from mifid.extractors import choose_device
    from mifid.trackers import Trackers

    if gpus != 1:
        return _in_processes(given)
    # Each snapshot's score would give the same warnings again.
    with recorded_warnings(), start_processes() as processes, ExitStack() as stack:
        shown = choose(progress if processes.is_first else False)
        if not processes.is_first:  # the first process warns
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", MifidWarning)
        named = extractor if extractor is None or isinstance(extractor, str) else CODE
        # A run that was stopped before its first checkpoint begins again.
        step = Checkpoints(Path(out) / "checkpoints", processes).last()
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
                init=init,
                extractor=named if score else NO_SCORES,
                weights=weights,
                epsilon=epsilon,
                anyway=anyway,
            )
            initial = None
            if not resume or step is None:
                all_fixed = resume or config is not None
                initial, chosen = choose_initial_weights(
                    inputs, chosen, fixed=settings, all_fixed=all_fixed
                )
            place = processes.place(choose_device(device))
            asked = [name for name in ("tensorboard", "wandb") if given[name]]
            trackers = Trackers(asked if processes.is_first else (), settings=as_dict(chosen))
        refuse_other_settings(chosen, initial, processes, resume=resume)
        stack.enter_context(trackers)
        opening = Run.open(
            Path(out),
            inputs,
            chosen,
            resume=resume,
            usual=preset_named(inputs.preset).config if inputs.preset in PRESETS else None,
            anyway=anyway,
            device=place,
            processes=processes,
            workers=workers,
            skip_bad=skip_bad,
            rules=rules,
            progress=shown,
            initial=initial,
        )
        run, scorer, last, note = stack.enter_context(opening), None, None, ""
        with processes.together():
            if not resume:  # what is trained already paints a submission in any case
                check_prepared(chosen, preset=inputs.preset, elapsed=time.monotonic() - started)
            if chosen.paints:
                _warn_of_number(run)
            if processes.is_first and chosen.paints and inputs.extractor != NO_SCORES:
                note = _held_out_note(run, workers)
                scorer, last = _scorers(
                    run, extractor, backend=backend, workers=workers, skip=skip_bad
                )
        interrupted = run.train(scorer=scorer, started=started, trackers=trackers)
        first, steps = processes.is_first, run.trained_steps
        trained = Trained(run.folder, run.step, first, interrupted, steps, run.best)
        if interrupted is not None or not first or not chosen.paints:
            return trained
        done = _submit(run, trained, last, workers=workers, note=note)
        trackers.page(run.folder / "report.html", _summary(done), step=run.step)
        return done


def _in_processes(given: dict[str, Any]) -> Trained:
    """Call :func:`train_baseline` with these arguments in a process for each GPU."""
    from mifid.baseline.torchrun import call_in_processes, check_processes

    gpus = given["gpus"]
    check_processes(gpus, given["device"])
    shown = not isinstance(choose(given["progress"]), Silent)
    own = {"gpus": 1, "progress": shown}
    trained: Trained = call_in_processes(train_baseline, given | own, number=gpus)
    return trained


def _warn_of_number(run: Run) -> None:
    """Warn now of a number of pictures that the check would refuse at the end."""
    number, rules = len(run.source), run.rules
    if not rules.at_least <= number <= rules.at_most:
        warn(
            f"{rules.file_name} will hold {number:,} pictures; '{rules.competition}' takes "
            f"{rules.at_least:,} to {rules.at_most:,} and would refuse it",
            stacklevel=3,
        )


def _held_out_note(run: Run, workers: int | None) -> str:
    """Warn if copies of paintings would score well; return a note for the page.

    Raises:
        InputError: all held-out paintings are trained on.
    """
    from mifid.baseline.data import open_side, overlap

    if not run.inputs.held_out:
        warn(
            "the reference of the scores are the paintings that are trained on, so copies of them "
            f"score well; give other paintings as {setting('held_out')} if you have some",
            stacklevel=3,
        )
        return ""
    with (
        closing(
            open_side(run.inputs.held_out, "held-out paintings", noted_in=run.noted_in)
        ) as held_out,
        closing(open_side(run.inputs.monets, "paintings", noted_in=run.noted_in)) as paintings,
    ):
        note = overlap(held_out, paintings, trained_on=run.paintings.names, workers=workers)
    if note:
        warn(note, stacklevel=3)
    return note


def _scorers(
    run: Run,
    extractor: str | Callable[..., Any] | Extractor | None,
    *,
    backend: str,
    workers: int | None,
    skip: bool,
) -> tuple[ReferenceScorer, ReferenceScorer]:
    """Return what scores the snapshots, and what scores the submission."""
    from mifid.baseline.scorer import ReferenceScorer
    from mifid.extractors import find

    inputs = run.inputs
    weights = inputs.weights or None
    scorer_of = partial(
        ReferenceScorer,
        inputs.monets,
        held_out=inputs.held_out or None,
        epsilon=None if inputs.epsilon < 0 else inputs.epsilon,
        backend=backend,
        device=str(run.device),
        workers=workers,
        skip_bad=skip,
        progress=run.progress,
    )
    if named := extractor or inputs.extractor:
        scorer = scorer_of(extractor=named, weights=weights)
        return scorer, scorer
    first, last = run.config.score.extractor, "inception" if find(weights) else "lite0"
    scorer = scorer_of(extractor=first, weights=weights if first == "inception" else None)
    if last == "lite0":
        warn(
            "the submission is scored with lite0, which is not Kaggle's number: Inception's "
            "weights are not on this machine; `mifid weights fetch` downloads them",
            stacklevel=3,
        )
    return scorer, scorer if first == last else scorer_of(extractor=last, weights=weights)


def _submit(
    run: Run,
    trained: Trained,
    scorer: ReferenceScorer | None,
    *,
    workers: int | None,
    note: str,
) -> Trained:
    """Paint the photos with the best snapshot; check, score and describe the archive."""
    from mifid.baseline.generation import generate
    from mifid.baseline.page import show_run
    from mifid.baseline.run import lasting, read_metrics

    archive = run.folder / run.rules.file_name
    painted = generate(
        run.folder / "best.safetensors",
        run.source,
        archive,
        device=str(run.device),
        workers=workers,
        rules=run.rules,
        force=True,  # an archive in the run's folder is its own
        progress=run.progress,
    )
    if note:
        painted = replace(painted, notes=(*painted.notes, note))
    report = scorer.report(archive) if scorer is not None else None
    rows = read_metrics(run.folder)
    found = lasting(rows, step=None if run.best is None else run.best.step)
    symptoms = tuple(symptom.text for symptom in found)
    worse = _made_worse(run, rows, found)
    if report is not None:
        report = replace(report, warnings=(*filter(None, (worse,)), *symptoms, *report.warnings))
        report.save(run.folder / "score.json")
    show_run(run, painted, report, worse=worse, symptoms=symptoms)
    return replace(
        trained,
        archive=archive,
        check=painted.check,
        report=report,
        worse=worse,
        symptoms=symptoms,
    )


def _summary(trained: Trained) -> str:
    """Return the warnings and the score of a run, as Markdown."""
    score = "" if trained.report is None else f"```\n{trained.report.text()}\n```"
    return "\n\n".join(filter(None, (trained.worse, *trained.symptoms, score)))


def _made_worse(run: Run, rows: Iterable[Mapping[str, Any]], symptoms: Iterable[Symptom]) -> str:
    """Return a warning if the photos score better unpainted than painted; empty: they do not."""
    from mifid.baseline.figures import WEIGHTS

    metric = run.config.score.metric
    unpainted = [
        row[metric]
        for row in rows
        if row["kind"] == "score" and row["weights"] == "photos" and metric in row
    ]
    painted = run.best.scores.get(metric) if run.best is not None else None
    if run.best is None or painted is None or not unpainted or painted <= unpainted[0]:
        return ""
    return (
        f"training made things worse: the best snapshot ({WEIGHTS[run.best.weights]}, step "
        f"{run.best.step:,}) has {metric} {painted:.4g}, the same photos unpainted have "
        f"{unpainted[0]:.4g}; lower is better. {_to_try(run, symptoms)}"
    )


def _to_try(run: Run, symptoms: Iterable[Symptom]) -> str:
    """Return what may help a run whose pictures score worse than photos."""
    if any(True for _ in symptoms):
        return "Mend first what the following warnings say; then train again before you submit"
    seen, wanted = run.step * run.config.training.batch, 0
    if run.usual is not None:
        wanted = run.usual.training.steps * run.usual.training.batch
    if seen < wanted / 2:
        return (
            f"Train longer before you submit: this run saw {seen:,} pairs, {run.inputs.preset} "
            f"wants {wanted:,}"
        )
    return (
        f"Train longer than these {seen:,} pairs, with another preset, or from weights that are "
        f"trained already ({setting('init')}), before you submit"
    )
