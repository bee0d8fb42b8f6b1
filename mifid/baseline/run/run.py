"""A training run: opened, trained, closed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import torch

from mifid.baseline.config import (
    Config,
    Inputs,
    absolute,
    format_duration,
    parse_duration,
    read_run_file,
    write_run_file,
)
from mifid.baseline.data import (
    PixelStore,
    open_side,
    paintable,
    refuse_shared,
    sha256_of,
    store_sides,
)
from mifid.baseline.distributed import Processes
from mifid.baseline.figures import write_augmented
from mifid.baseline.gan import check_state, factor
from mifid.baseline.run.building import Parts, build, steps_of
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.clock import Clock, stop_requests
from mifid.baseline.run.loop import Trainer
from mifid.baseline.run.preflight import (
    Costs,
    Scorings,
    check_budget,
    check_space,
    handing_in,
    plan_scorings,
    score_photos,
    scoring_share,
    try_painting,
    try_scoring,
    try_training,
)
from mifid.baseline.run.records import Recorder, check_tensorboard
from mifid.baseline.run.run_folder import (
    CONFIG,
    check_folder,
    check_identity,
    has_other_length,
    locked,
)
from mifid.baseline.run.snapshots import Best, Scorer, Snapshots
from mifid.errors import InputError, MifidError, warn
from mifid.images import Source, default_workers
from mifid.machine import __version__
from mifid.progress import Progress
from mifid.submission import Rules

__all__ = [
    "Run",
    "told_memory",
]


@contextmanager
def told_memory(config: Config) -> Iterator[None]:
    """Turn what torch raises within the block, on a GPU or a CPU, into an error with advice.

    Raises:
        MifidError: there was too little memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        where = "GPU memory"
        if not isinstance(error, torch.OutOfMemoryError):
            if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
                raise
            where = "memory"
        batch, size = config.training.batch, config.data.size
        raise MifidError(
            f"out of {where} with batches of {batch} at {size} x {size}",
            hint="Lower training.batch, data.size or generator.width, or set training.precision "
            "bf16. The last checkpoint, if there is one, is kept.",
        ) from error


_HEAD = {
    "step": 0,
    "fraction": 0.0,
    "elapsed": 0.0,
    "owed": False,
    "scorings": {"points": 0, "photos": 0},
}
"""What is read of a checkpoint before the run that goes on is built."""


@dataclass
class Run:
    """A run whose pictures are ready. Make one with :meth:`open`.

    After :meth:`train`, ``step`` is where it ended and ``trained_steps`` what was trained by it.
    """

    folder: Path
    inputs: Inputs
    config: Config
    source: Source
    rules: Rules
    photos: PixelStore
    paintings: PixelStore
    device: torch.device
    processes: Processes
    progress: Progress
    resume: bool
    step: int = 0
    trained_steps: int = 0
    best: Best | None = None

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        inputs: Inputs,
        config: Config,
        *,
        resume: bool,
        device: torch.device,
        processes: Processes,
        workers: int | None,
        skip_bad: bool,
        rules: Rules,
        progress: Progress,
    ) -> Iterator[Run]:
        """Lock the folder and decode the pictures; nothing is written into the folder yet.

        Raises:
            MifidError: the folder holds something else, or pictures cannot be trained with.
        """
        data = config.data
        with ExitStack() as stack:
            with processes.together():
                if processes.is_first:
                    stack.enter_context(locked(folder))
                    check_folder(folder, inputs, config, resume=resume)
                noted = str(folder / CONFIG) if resume else ""
                photos, paintings = (
                    stack.enter_context(closing(open_side(given, label, noted_in=noted)))
                    for given, label in ((inputs.photos, "photos"), (inputs.monets, "paintings"))
                )
            photo_store, painting_store = store_sides(
                photos,
                paintings,
                data=data,
                processes=processes,
                workers=workers,
                skip_bad=skip_bad,
                progress=progress,
            )
            with processes.together():
                if processes.is_first:
                    if config.training.method != "gan":  # which does not look at photos
                        refuse_shared(photo_store, painting_store)
                    photos = paintable(
                        photos,
                        data=data,
                        limit=config.training.submission,
                        skip_bad=skip_bad,
                        rules=rules,
                        workers=workers or default_workers(),
                        progress=progress,
                    )
            yield cls(
                folder=folder,
                inputs=inputs,
                config=config,
                source=photos,
                rules=rules,
                photos=photo_store,
                paintings=painting_store,
                device=device,
                processes=processes,
                progress=progress,
                resume=resume,
            )

    def train(self, *, scorer: Scorer | None, started: float, tensorboard: bool) -> Signals | None:
        """Try everything, then train to the end or to the signal that is returned.

        Raises:
            MifidError: what would have failed later; a diverged run.
        """
        with ExitStack() as stack:
            if tensorboard:
                check_tensorboard()
            stack.enter_context(told_memory(self.config))
            recorder = snapshots = scorings = None
            earlier = read_run_file(self.folder / CONFIG)[1] if self.resume else self.config
            longer = has_other_length(earlier, self.config)
            checkpoints = Checkpoints(self.folder / "checkpoints", self.processes)
            step = self._try_training()
            with self.processes.together():
                identity = self._identity(scorer)
                parts = self._build()
                state = self._state(checkpoints, identity)
                clock = Clock(started=started, before=state["elapsed"] if state else 0.0)
                each, clock.steps = steps_of(self.config, parts.feed)
                if self.processes.is_first:
                    scorings = Scorings(**state["scorings"]) if state else None
                    scorings = self._prepare(parts, scorer, clock, step=step, scorings=scorings)
                    if longer and state is not None:
                        self._check_longer(clock, state["step"], state["fraction"], earlier)
                    recorder, snapshots = self._open_records(
                        stack, parts, scorer, scorings, state=state, tensorboard=tensorboard
                    )
                    clock.prepared = clock.elapsed()
            scorings = self._told(scorings)
            stop = stack.enter_context(stop_requests())
            trainer = Trainer(
                config=self.config,
                method=parts.method,
                average=parts.average,
                feed=parts.feed,
                draws=parts.draws,
                clock=clock,
                checkpoints=checkpoints,
                processes=self.processes,
                stop=stop,
                scorings=scorings,
                steps_per_epoch=each,
                recorder=recorder,
                snapshots=snapshots,
                progress=self.progress,
                identity=identity,
            )
            if state is not None:
                trainer.load_state_dict(state)
                if longer:  # how much is over is counted again
                    trainer.fraction = 0.0
            else:
                trainer.save()  # the first one shows that there is room, and loses nothing
            begun_at = trainer.step
            interrupted = trainer.run()
            self.step, self.trained_steps = trainer.step, trainer.step - begun_at
            self.best = snapshots.best if snapshots is not None else None
            return interrupted

    def _build(self) -> Parts:
        return build(
            self.config,
            photos=self.photos,
            paintings=self.paintings,
            device=self.device,
            processes=self.processes,
        )

    def _state(
        self, checkpoints: Checkpoints, identity: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Return the last checkpoint, whose run is this one; None: the run begins.

        Raises:
            InputError: it is damaged, or of other pictures.
        """
        last = checkpoints.last() if self.resume else None
        if last is None:
            return None
        state = checkpoints.load(last)
        check_state({name: state.get(name) for name in _HEAD}, _HEAD, name="run")
        check_identity(self.folder, then=state["identity"], now=identity)
        return state

    def _open_records(
        self,
        stack: ExitStack,
        parts: Parts,
        scorer: Scorer | None,
        scorings: Scorings,
        *,
        state: Mapping[str, Any] | None,
        tensorboard: bool,
    ) -> tuple[Recorder, Snapshots]:
        """Write down what is trained, and open what the first process alone keeps of it.

        Args:
            stack: closes the records.
            parts: what is trained.
            scorer: of snapshots, and before them of the photos unpainted; None: nothing is scored.
            scorings: on how many photos.
            state: that the run goes on from; None: it begins.
            tensorboard: whether its event files are written too.
        """
        photos_score = None
        if scorer is not None and state is None and scorings.photos:
            photos_score = self._score_photos(parts, scorer, scorings.photos)
        self._write_run_file()
        begun = state["step"] if state is not None else 0
        recorder = stack.enter_context(
            Recorder.open(self.folder, tensorboard=tensorboard, resume_from=begun)
        )
        if not self.resume:
            write_augmented(self.folder, parts.feed)
        snapshots = parts.snapshots(
            self.folder, scorer=scorer, photos=scorings.photos, recorder=recorder, rules=self.rules
        )
        if photos_score is not None:
            snapshots.record_photos(photos_score)
        return recorder, snapshots

    def _identity(self, scorer: Scorer | None) -> dict[str, str]:
        """Return what must be the same when the run goes on; paths are no part of it."""
        held_out = ""
        if scorer is not None and self.inputs.held_out:
            noted = str(self.folder / CONFIG) if self.resume else ""
            with closing(
                open_side(self.inputs.held_out, "held-out paintings", noted_in=noted)
            ) as s:
                held_out = sha256_of(s)
        return {
            "number of photos": str(len(self.photos.names)),
            "photos": self.photos.sha256,
            "number of paintings": str(len(self.paintings.names)),
            "paintings": self.paintings.sha256,
            "held-out paintings": held_out,
            "kind of device": self.device.type,
            "scorer": scorer.name if scorer is not None else "none",
        }

    def _told(self, scorings: Scorings | None) -> Scorings:
        """Return the first process's plan, in all of them."""
        told = [0.0, 0.0]
        if scorings is not None:
            told = [float(scorings.points), float(scorings.photos)]
        points, photos = self.processes.from_first(told)
        seconds = None if scorings is None else scorings.seconds
        return Scorings(int(points), int(photos), seconds)

    def _score_photos(
        self, parts: Parts, scorer: Scorer, number: int
    ) -> Mapping[str, float | None]:
        with self.progress.task("score the photos unpainted", None, ""):
            return score_photos(scorer, parts.held_back.spread(number), rules=self.rules)

    def _try_training(self) -> float:
        """Return the seconds of a step, of networks that are forgotten then; 0: no matter."""
        if self.resume or not self.config.training.budget:
            return 0.0
        with self.progress.task("measure a step", None, ""), self.processes.together():
            return try_training(self._build())

    def _prepare(
        self,
        parts: Parts,
        scorer: Scorer | None,
        clock: Clock,
        *,
        step: float,
        scorings: Scorings | None,
    ) -> Scorings:
        """Try what could fail, and see that the budget suffices.

        Args:
            parts: what is trained.
            scorer: None: nothing is scored.
            clock: gets the budget, and what of it is kept for the end.
            step: seconds of one.
            scorings: of the run that goes on; None: they are planned.
        """
        kinds, held_back = parts.kinds, 0 if scorer is None else len(parts.held_back)
        save = check_space(
            self.folder,
            parts.method,
            averaged=parts.average is not None,
            world=self.processes.world,
            submission=len(self.source),
        )
        paint = try_painting(
            parts.method.painter, parts.shown, device=self.device, rules=self.rules
        )
        costs, tried = Costs(paint=paint, save=save, step=step), 0.0
        budget = self.config.training.budget
        seconds = parse_duration(budget) if budget else None
        check = partial(
            check_budget,
            self.config,
            preset=self.inputs.preset,
            submission=len(self.source),
            steps=clock.steps,
            kinds=kinds,
        )
        if scorer is not None:
            if seconds is not None and not self.resume:
                # Scoring takes long: what is too short even without it is told of before.
                check(elapsed=clock.elapsed(), costs=costs, scorings=Scorings(0, 0))
            before = time.monotonic()
            with self.progress.task("try to score", None, ""):
                scoring, score = try_scoring(
                    scorer,
                    parts.held_back or parts.shown,
                    rules=self.rules,
                    measure=seconds is not None,
                )
            costs = replace(costs, scoring=scoring, score=score)
            tried = time.monotonic() - before
        if scorings is None:
            scorings = plan_scorings(
                self.config, costs, budget=seconds, held_back=held_back, kinds=kinds, tried=tried
            )
            check(elapsed=clock.elapsed(), costs=costs, scorings=scorings)
            if scorer is not None:
                _tell_of(scorings, self.config, held_back)
        elif seconds is not None:
            left = scoring_share(seconds) - tried - costs.scored(scorings.photos)
            scorings = replace(scorings, seconds=left)
        clock.budget = seconds
        clock.reserve = handing_in(costs, submission=len(self.source))
        clock.reserve += costs.snapshot(scorings.photos, kinds=kinds)
        return scorings

    def _write_run_file(self) -> None:
        """Write down what the run was given; of one that goes on, what is another place now.

        Only now: a run that was refused leaves nothing that the next would stumble over.
        """
        inputs, config = absolute(self.inputs, self.config)
        path = self.folder / CONFIG
        if not self.resume or read_run_file(path) != (inputs, config):
            write_run_file(path, inputs, config, version=__version__)

    def _check_longer(self, clock: Clock, step: int, before: float, earlier: Config) -> None:
        """See that a run which goes on with another length has some of it left, and tell its rate.

        Raises:
            InputError: as much as that is over already.
        """
        fraction = clock.fraction(step)
        if fraction >= 1:
            raise InputError(
                f"{self.folder} has trained {step:,} steps in {format_duration(clock.elapsed())}: "
                "nothing of the new length is left",
                hint="Steps, epochs and budget count from the beginning of the run: give more. To "
                "paint with what was trained, leave them out, or use mifid generate.",
            )
        was = factor(earlier.schedule, before)
        now = factor(self.config.schedule, fraction)
        rate = self.config.optimiser.rate
        warn(
            f"the run goes on from step {step:,} with another length, of which {fraction:.0%} is "
            f"over; the schedule ({self.config.schedule.name}) is that of the new length: the "
            f"learning rate goes on at {rate * now:.2g} (it was at {rate * was:.2g})"
        )


def _tell_of(scorings: Scorings, config: Config, held_back: int) -> None:
    """Warn where a time budget leaves less for scoring than was asked for."""
    wanted = max(config.score.points, 1)
    if not scorings.photos < held_back and not scorings.points < wanted:
        return
    instead = f"a tenth of {config.training.budget} is too short to score {wanted} times on"
    instead += f" {held_back:,} photos within the run: "
    if scorings.photos:
        warn(f"{instead}{scorings.points} times on {scorings.photos:,} it is")
    else:
        warn(f"{instead}no snapshot is scored, and the last one is painted with")
