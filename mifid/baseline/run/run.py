"""Training runs: opened, trained, closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    read_run_file,
    write_run_file,
)
from mifid.baseline.data import (
    PixelStore,
    fingerprints,
    held_out_fingerprints,
    in_order,
    open_side,
    paintable,
    refuse_shared,
    sha256_of,
    store_sides,
)
from mifid.baseline.distributed import Processes
from mifid.baseline.figures import write_augmented
from mifid.baseline.gan import (
    DTYPES,
    METHODS,
    Precision,
    check_state,
    choose_precision,
    kept_precision,
)
from mifid.baseline.run.budget import LEAST_STEPS, Scorings
from mifid.baseline.run.building import Parts, build, steps_of
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.clock import Clock, stop_requests
from mifid.baseline.run.identity import Side, check_identity, compare_sides, contents_key
from mifid.baseline.run.initial_weights import InitialWeights
from mifid.baseline.run.length import LENGTH, check_longer, has_other_length, length_of
from mifid.baseline.run.loop import Trainer
from mifid.baseline.run.preflight import Trial, score_photos, try_training, weights_note
from mifid.baseline.run.preparation import prepare
from mifid.baseline.run.records import Recorder
from mifid.baseline.run.run_folder import CONFIG, Owner, opened
from mifid.baseline.run.snapshots import Best, Scorer, Snapshots
from mifid.errors import MifidError
from mifid.formatting import size_text
from mifid.images import Source, default_workers
from mifid.machine import __version__
from mifid.progress import Progress, note
from mifid.submission import Rules
from mifid.trackers import Trackers

__all__ = [
    "Run",
    "memory_advice",
]


@contextmanager
def memory_advice(config: Config) -> Iterator[None]:
    """Turn torch's errors for too little memory within the block into one with advice.

    Raises:
        MifidError: there is too little memory, of a GPU or of the computer.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        where = "GPU memory"
        if not isinstance(error, torch.OutOfMemoryError):
            if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
                raise
            where = "memory"
            at_most = ""
        else:
            _, total = torch.cuda.mem_get_info() if torch.cuda.is_available() else (0, 0)
            at_most = f" ({size_text(total)} in all)" if total else ""
        batch, size = config.training.batch, config.trained_size
        raise MifidError(
            f"out of {where}{at_most} with batches of {batch} at {size} x {size}",
            hint="Lower training.batch, data.size or generator.width, or set training.precision "
            "bf16. The last checkpoint, if there is one, is kept.",
        ) from error


_HEAD = {
    "step": 0,
    "fraction": 0.0,
    "elapsed": 0.0,
    "prepared": 0.0,
    "owed": False,
    "scorings": {"points": 0, "photos": 0},
}
"""Parts of a checkpoint that are read before the run that goes on is built, as examples."""


_BEGUN_WITH = "initial weights"
"""Name of their origin among the identity of a run, in its checkpoints."""


@dataclass
class Run:
    """A run whose pictures are ready. Make one with :meth:`open`.

    After :meth:`train`, ``step`` is the last step, ``trained_steps`` the number of steps that this
    call trained, and ``begun_with`` says which weights the run began with; empty: random ones.
    """

    folder: Path
    inputs: Inputs
    config: Config
    source: Source
    rules: Rules
    owner: Owner
    photos: PixelStore
    paintings: PixelStore
    device: torch.device
    processes: Processes
    progress: Progress
    resume: bool
    usual: Config | None
    anyway: bool
    initial: InitialWeights | None = None
    step: int = 0
    trained_steps: int = 0
    best: Best | None = None
    begun_with: str = ""

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        inputs: Inputs,
        config: Config,
        *,
        resume: bool,
        usual: Config | None,
        anyway: bool,
        device: torch.device,
        processes: Processes,
        workers: int | None,
        skip_bad: bool,
        rules: Rules,
        progress: Progress,
        initial: InitialWeights | None = None,
    ) -> Iterator[Run]:
        """Lock the folder and decode the pictures; write nothing into the folder yet.

        Args:
            folder, inputs, config: of the run.
            resume: go on with the run that is there.
            usual: the preset that the run began with, as it is; None: none.
            anyway: do not refuse a time budget that is too short.
            device, processes, workers, skip_bad, rules, progress: as for train_baseline().

        Raises:
            MifidError: the folder has other contents, or the pictures cannot be trained with.
        """
        data = config.data
        with ExitStack() as stack:
            owner = stack.enter_context(
                opened(folder, inputs, config, resume=resume, processes=processes)
            )
            with processes.together():
                noted = _noted_in(folder, resume=resume)
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
                    if METHODS[config.training.method].sees_photos:
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
                owner=owner,
                photos=photo_store,
                paintings=painting_store,
                device=device,
                processes=processes,
                progress=progress,
                resume=resume,
                usual=usual,
                anyway=anyway,
                initial=initial,
            )

    def train(self, *, scorer: Scorer | None, started: float, trackers: Trackers) -> Signals | None:
        """Try everything that could fail, then train; return the signal that ended it early.

        Args:
            scorer: of snapshots; None: nothing is scored.
            started: value of ``time.monotonic()`` when the time budget began.
            trackers: that show the run, not opened yet.

        Raises:
            MifidError: what would have failed later; a diverged run.
        """
        with ExitStack() as stack:
            stack.enter_context(memory_advice(self.config))
            earlier = read_run_file(self.folder / CONFIG)[1] if self.resume else self.config
            clock, precision = Clock(started=started), self._chosen_precision()
            self._note_memory()
            trial = self._try_training(precision)
            checkpoints = Checkpoints(
                self.folder / "checkpoints",
                self.processes,
                kept=self.config.checkpoint.kept,
                exact=self.config.checkpoint.exact,
            )
            last = checkpoints.last() if self.resume else None
            with self.processes.together():
                trainer, state = self._trainer(
                    stack,
                    scorer,
                    clock,
                    earlier,
                    checkpoints=checkpoints,
                    last=last,
                    trial=trial,
                    precision=precision,
                    trackers=trackers,
                )
            with self.processes.together():  # the first process has done it
                if self.owner.is_first and not self.processes.is_first:
                    self._write_run_file()
            trainer.scorings = self._shared(trainer.scorings)
            stop = stack.enter_context(stop_requests())
            if state is None:
                trainer.save()  # shows that there is space, before anything could be lost
            else:
                trainer.load_state_dict(state)
                if has_other_length(state, earlier, self.config):
                    trainer.fraction = 0.0  # it is counted again, of the new length
            begun_at = trainer.step
            interrupted = trainer.run(stop)
            self.step, self.trained_steps = trainer.step, trainer.step - begun_at
            self.best = trainer.snapshots.best if trainer.snapshots is not None else None
            return interrupted

    def _trainer(
        self,
        stack: ExitStack,
        scorer: Scorer | None,
        clock: Clock,
        earlier: Config,
        *,
        checkpoints: Checkpoints,
        last: int | None,
        trial: Trial | None,
        precision: Precision,
        trackers: Trackers,
    ) -> tuple[Trainer, dict[str, Any] | None]:
        """Return a trainer, and the state that it goes on from; None: the run begins.

        The first process tries painting and scoring, plans the scorings and opens the records.

        Args:
            stack: closes the records.
            scorer: None: nothing is scored.
            clock: gets the run's limits.
            earlier: configuration with which the run was last trained.
            checkpoints: of the run.
            last: the step to go on from; None: the run begins.
            trial: what a step takes; None: it was not measured.
            precision: that was chosen for this device.
            trackers: that show the run, not opened yet.
        """
        state, identity = self._state(checkpoints, last, scorer)
        self.begun_with = identity[_BEGUN_WITH] = self._begun_with(state)
        identity[LENGTH] = length_of(self.config)
        then = state.get("precision") if state is not None else None
        precision = kept_precision(precision, then, self.device)
        parts = self._build(precision)
        if state is not None:
            clock.before, clock.prepared = state["elapsed"], state["prepared"]
        steps_per_epoch, clock.steps = steps_of(self.config, parts.feed)
        recorder = snapshots = None
        scorings = Scorings(**state["scorings"]) if state else None
        if self.processes.is_first:
            scorings = prepare(self, parts, scorer, clock, trial=trial, scorings=scorings)
            if state is not None:
                check_longer(self.folder, state, clock, earlier=earlier, config=self.config)
            note(self.progress, f"Arithmetic: {precision}.")
            recorder, snapshots = self._open_records(
                stack, parts, scorer, scorings, state=state, trackers=trackers
            )
            if then is None or precision.device != then["device"]:
                recorder.write("precision", _precision_row(precision, state))
            if state is None:
                clock.prepared = clock.elapsed()
        trainer = Trainer(
            parts=parts,
            clock=clock,
            checkpoints=checkpoints,
            processes=self.processes,
            scorings=scorings or Scorings(0, 0),
            steps_per_epoch=steps_per_epoch,
            recorder=recorder,
            snapshots=snapshots,
            progress=self.progress,
            identity=identity,
            precision=precision,
        )
        return trainer, state

    def _chosen_precision(self) -> Precision:
        """Return the arithmetic for this device; the name of it is the first process's on all.

        Raises:
            InputError: the device cannot compute what is asked for.
        """
        with self.processes.together():
            chosen = choose_precision(self.config.training.precision, self.device)
        (first,) = self.processes.from_first([float([*DTYPES].index(chosen.name))])
        return replace(chosen, name=[*DTYPES][int(first)])

    def _build(self, precision: Precision) -> Parts:
        training = replace(self.config.training, precision=precision.name)
        return build(
            replace(self.config, training=training),
            photos=self.photos,
            paintings=self.paintings,
            device=self.device,
            processes=self.processes,
            initial=self.initial,
        )

    @property
    def noted_in(self) -> str:
        """The file that names the pictures of a run that goes on; empty: the user names them."""
        return _noted_in(self.folder, resume=self.resume)

    def _state(
        self, checkpoints: Checkpoints, last: int | None, scorer: Scorer | None
    ) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return the last checkpoint (None: the run begins), and the identity of the run.

        Pictures that are the same with other names, or in another order, get the order that they
        had.

        Raises:
            InputError: the checkpoint is damaged, or of other pictures.
        """
        state = then = None
        if self.resume and last is None:
            checkpoints.check_none()
        if last is not None:
            state = checkpoints.load(last)
            check_state({name: state.get(name) for name in _HEAD}, _HEAD, name="run")
            noted = state["identity"] if isinstance(state["identity"], Mapping) else {}
            then = {str(what): str(value) for what, value in noted.items()}
        pictures, moved = compare_sides(self._sides(scorer), then=then)
        identity = {**pictures, **self._surroundings(scorer)}  # pictures are compared first
        if then is not None:
            check_identity(self.folder, then=then, now=identity)
        for what, now in moved.items():
            known = identity[contents_key(what)]
            if what == "photos":
                self.photos = in_order(self.photos, now=now, then=known)
            elif what == "paintings":
                self.paintings = in_order(self.paintings, now=now, then=known)
        return state, identity

    def _begun_with(self, state: Mapping[str, Any] | None) -> str:
        """Return the origin of the first weights; a run that goes on has noted it."""
        if state is not None:
            return str(state["identity"].get(_BEGUN_WITH, ""))
        return self.initial.description if self.initial is not None else ""

    def _open_records(
        self,
        stack: ExitStack,
        parts: Parts,
        scorer: Scorer | None,
        scorings: Scorings,
        *,
        state: Mapping[str, Any] | None,
        trackers: Trackers,
    ) -> tuple[Recorder, Snapshots]:
        """Write config.toml, score the unpainted photos, and open the run's records.

        Args:
            stack: closes the records.
            parts: of the run.
            scorer: of snapshots and of the unpainted photos; None: nothing is scored.
            scorings: the plan, which says on how many photos.
            state: that the run goes on from; None: it begins.
            trackers: that show the run, not opened yet.
        """
        photos_score = None
        if scorer is not None and state is None and scorings.photos:
            with self.progress.task("score the photos unpainted", None, ""):
                photos = parts.held_back.spread(scorings.photos)
                photos_score = score_photos(scorer, photos, rules=self.rules)
        begun = state["step"] if state is not None else 0
        trackers.open(self.folder, resume_from=begun)  # which may fail: nothing is written yet
        self._write_run_file()
        recorder = stack.enter_context(
            Recorder.open(
                self.folder,
                losses=parts.method.losses,
                discriminators=[term.name for term in parts.method.terms if term.total == "D"],
                trackers=trackers,
                resume_from=begun,
            )
        )
        if not self.resume:
            write_augmented(self.folder, parts.feed)
        snapshots = parts.snapshots(
            self.folder, scorer=scorer, photos=scorings.photos, recorder=recorder, rules=self.rules
        )
        if photos_score is not None:
            snapshots.record_photos(photos_score)
        return recorder, snapshots

    def _surroundings(self, scorer: Scorer | None) -> dict[str, str]:
        """Return what must be the same beside the pictures when the run goes on."""
        return {
            "number of photos": str(len(self.photos.names)),
            "number of paintings": str(len(self.paintings.names)),
            "kind of device": self.device.type,
            # Earlier versions wrote "scorer", which did not distinguish weights.
            "scoring network": scorer.name if scorer is not None else "none",
        }

    def _sides(self, scorer: Scorer | None) -> list[Side]:
        """Return the pictures that must be the same when the run goes on."""
        return [
            Side("photos", self.photos.sha256, partial(fingerprints, self.photos)),
            Side("paintings", self.paintings.sha256, partial(fingerprints, self.paintings)),
            Side(
                "held-out paintings",
                self._of_held_out(sha256_of, scorer),
                partial(self._of_held_out, held_out_fingerprints, scorer),
            ),
        ]

    def _of_held_out(self, compute: Callable[[Source], str], scorer: Scorer | None) -> str:
        """Return a hash of the held-out paintings; empty: they are not used."""
        if scorer is None or not self.inputs.held_out:
            return ""
        given = open_side(self.inputs.held_out, "held-out paintings", noted_in=self.noted_in)
        with closing(given):
            return compute(given)

    def _shared(self, scorings: Scorings) -> Scorings:
        """Return the first process's plan, on all processes."""
        own = [float(scorings.points), float(scorings.photos)]
        points, photos = self.processes.from_first(own)
        return replace(scorings, points=int(points), photos=int(photos))

    def _note_memory(self) -> None:
        """Show what large networks need, before they are built."""
        with self.processes.together():
            if self.processes.is_first and (text := weights_note(self.config, self.device)):
                note(self.progress, f"{text[0].upper()}{text[1:]}.")

    def _try_training(self, precision: Precision) -> Trial | None:
        """Return what a step takes, with networks of its own; None: too few steps to measure."""
        training = self.config.training
        short = not training.budget and 0 < training.steps < LEAST_STEPS
        if self.resume or short:
            return None
        with self.progress.task("measure a step", None, ""), self.processes.together():
            return try_training(partial(self._build, precision), self.device)

    def _write_run_file(self) -> None:
        """Write config.toml; of a run that goes on, if a path or the length has changed.

        It is written late, so that a run that is refused leaves nothing in the folder.
        """
        inputs, config = absolute(self.inputs, self.config)
        path = self.folder / CONFIG
        if not self.resume or read_run_file(path) != (inputs, config):
            write_run_file(path, inputs, config, version=__version__)


def _precision_row(precision: Precision, state: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "step": 0 if state is None else state["step"],
        "precision": precision.name,
        "device": precision.device,
        "reason": precision.reason,
    }


def _noted_in(folder: Path, *, resume: bool) -> str:
    return str(folder / CONFIG) if resume else ""
