"""Training loops: the steps of a run, and its mean losses since the last line."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from signal import Signals
from typing import Any

import torch
from torch import Tensor

from mifid.baseline.distributed import Processes
from mifid.baseline.gan import Precision, check_state, factor
from mifid.baseline.run.budget import Scorings
from mifid.baseline.run.building import Parts
from mifid.baseline.run.checkpoint import (
    Checkpoints,
    random_state,
    restore_random_state,
)
from mifid.baseline.run.clock import Clock, StopRequest, due, log_interval
from mifid.baseline.run.records import Recorder
from mifid.baseline.run.snapshots import Snapshots
from mifid.errors import InputError, MifidError, first_line, setting, warn
from mifid.progress import Progress, Task

__all__ = [
    "HINT",
    "DivergedError",
    "Tally",
    "Trainer",
]

HINT = (
    "The last checkpoint before it is kept. Lower optimiser.rate and optimiser.discriminator_rate, "
    "or use training.precision float32, in a new run."
)
"""Advice for a run that diverged."""


class DivergedError(MifidError):
    """A loss or weights that are not finite: the training cannot go on."""


class Tally:
    """Sums of the losses since they were last read.

    Args:
        names: of the losses.
        device: of the losses.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self._names = names
        self._sums = torch.zeros(len(names), device=device)
        self._steps = 0
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def add(self, losses: Tensor, step: int) -> None:
        """Add the losses (len(names),) of a step, without waiting for the device."""
        self._sums += losses
        self._steps += 1
        bad = ~torch.isfinite(losses).all() & (self._first_bad < 0)
        self._first_bad.masked_fill_(bad, step)

    def check(self) -> None:
        """Wait for the device.

        Raises:
            DivergedError: a loss was not finite; the message has the step and the loss.
        """
        step = int(self._first_bad)
        if step < 0:
            return
        bad = [name for name, value in self.peek().items() if not math.isfinite(value)]
        raise DivergedError(
            f"training diverged at step {step:,}: these losses are not finite: {', '.join(bad)}",
            hint=HINT,
        )

    def peek(self) -> dict[str, float]:
        """Return the mean of each loss so far."""
        means = (self._sums / max(self._steps, 1)).tolist()
        return dict(zip(self._names, means, strict=True))

    def read(self) -> dict[str, float]:
        """Return the mean of each loss since it was last read, and begin a new mean.

        Nothing is returned if nothing was added.

        Raises:
            DivergedError: see :meth:`check`.
        """
        self.check()
        means = self.peek() if self._steps else {}
        self._sums.zero_()
        self._steps = 0
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"sums": self._sums.clone(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self._sums.copy_(state["sums"])
        self._steps = state["steps"]


_MOST_SKIPPED = 30
"""Steps in a row that float16 may leave out: as many halvings bring 65,536 down to 6e-5."""

_PARTS = 1000  # units of the bar: a run ends by steps or by time, so neither can be its unit
_STATUS_SECONDS = 1.0


@dataclass
class Trainer:
    """One run, from its current step to its end.

    Args:
        parts: networks and data.
        scorings: plan of the scorings of snapshots.
        steps_per_epoch: for the records.
        recorder, snapshots: None on all processes but the first.
        identity: what must be the same when the run goes on: the pictures, the scorer.
        precision: that was chosen; a run that goes on keeps it.
    """

    parts: Parts
    clock: Clock
    checkpoints: Checkpoints
    processes: Processes
    scorings: Scorings
    steps_per_epoch: int
    recorder: Recorder | None
    snapshots: Snapshots | None
    progress: Progress
    identity: Mapping[str, str]
    precision: Precision

    def __post_init__(self) -> None:
        self.method, self.average = self.parts.method, self.parts.average
        self.config = self.method.config
        self.step = 0
        self.fraction = 0.0
        self._stop = StopRequest()
        self._tally = Tally(self.method.losses, self.method.device)
        self._saved_at = self._logged_at = self._stepped_at = time.monotonic()
        self._shown_at = 0.0
        self._logged_step = 0
        self._log_steps = log_interval(self.config.training.log_steps, self.clock.steps)
        self._owed = False  # whether a signal came before a snapshot was scored
        self._factor = 1.0  # of the learning rate, at the last step
        self._skipped = 0  # steps left out since the last line
        self._scored_seconds = self._longest_scoring = 0.0  # of all snapshots, and of one

    def run(self, stop: StopRequest) -> Signals | None:
        """Train to the end; return the signal that ended it early, on whichever process it came.

        Raises:
            DivergedError: a loss is not finite; the last good checkpoint is kept.
            PeerError: another process failed.
        """
        self._stop = stop
        # The part before an interruption, or more if preparing to go on took long.
        begun = max(self.fraction, *self.processes.from_first([self.clock.fraction(self.step)]))
        if begun >= 1 > self.fraction:  # no time is left to train: only a snapshot is taken
            self._owed = True
        self.fraction = begun
        label = "train" if begun < 0.01 else f"train the remaining {1 - begun:.0%}"
        with self.progress.task(label, _PARTS - int(begun * _PARTS), "%") as task:
            return self._run(task)

    def _run(self, task: Task) -> Signals | None:
        if self._owed:
            stopped = self._snapshot(task)
            self.save()
            if stopped:
                return Signals(stopped)
        while self.fraction < 1:
            before = self.fraction
            if (losses := self._step()) is not None:
                self._tally.add(losses, self.step)
            self.fraction, late, stopped = self._decide()
            task.advance(int(self.fraction * _PARTS) - int(before * _PARTS))
            self._show_status(task)
            if self.step % self._log_steps == 0 or self.fraction >= 1:
                self._log()
            if due(before, self.fraction, points=self.scorings.points) and self._may_score():
                stopped = self._snapshot(task) or stopped
                late = late or self._improved()
            if stopped or late or self.fraction >= 1:
                self.save()
            if stopped and (self.fraction < 1 or self._owed):
                return Signals(stopped)
        stopped = self.processes.highest(self._stop.signal or 0)  # after the last scoring
        return Signals(stopped) if stopped else None

    def _step(self) -> torch.Tensor | None:
        """Make a step; return its losses, or None: it was left out, since float16 overflowed."""
        photos, paintings = self.parts.feed.next(self.fraction)
        self.step += 1
        pretrain = self.step <= self.config.training.pretrain
        if not pretrain:
            self._factor = factor(self.config.schedule, self.fraction)
        losses = self.method.advance(
            photos, paintings, fraction=self.fraction, factor=self._factor, pretrain=pretrain
        )
        if losses is None:
            self._skip()
        if self.average is not None:
            self.average.update_parameters(self.method.painter)
        return losses

    def _skip(self) -> None:
        """Count a step that was left out.

        Raises:
            DivergedError: there were too many in a row.
        """
        self._skipped += 1
        scale = self.method.loss_scale
        if scale is None or scale.in_a_row < _MOST_SKIPPED:
            return
        with self.processes.together():  # it is so on all
            raise DivergedError(
                f"training diverged at step {self.step:,}: in {scale.in_a_row} steps in a row "
                f"gradients were not finite in float16, down to a loss scale of {scale.value:g}",
                hint=HINT,
            )

    def _decide(self) -> tuple[float, bool, int]:
        """Return, equal on all processes: the part that is over, whether to save, a signal or 0."""
        unsaved = time.monotonic() - self._saved_at
        late = unsaved >= 60 * self.config.training.checkpoint_minutes
        now = time.monotonic()
        step, self._stepped_at = now - self._stepped_at, now
        own = [self.clock.fraction(self.step, ahead=step), float(late)]
        fraction, saving = self.processes.from_first(own)
        return fraction, bool(saving), self.processes.highest(self._stop.signal or 0)

    def _log(self) -> None:
        with self.processes.together():
            losses = self._tally.read()
        if losses:  # as on all processes: none, if every step was left out
            shares = self.processes.average(torch.tensor(list(losses.values())))
            losses = dict(zip(losses, shares.tolist(), strict=True))
        now = time.monotonic()
        seconds, steps = now - self._logged_at, self.step - self._logged_step
        self._logged_at, self._logged_step = now, self.step
        if self.recorder is None:
            return
        images = 2 * steps * self.config.training.batch
        row: dict[str, Any] = {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "fraction": self.fraction,
            "seconds": self.clock.elapsed(),
            "images_per_second": images / max(seconds, 1e-9),
            "rate": self.config.optimiser.rate * self._factor,
        }
        if (scale := self.method.loss_scale) is not None:
            row |= {"loss_scale": scale.value, "skipped_steps": self._skipped}
        self._skipped = 0
        self.recorder.write("train", row | losses)

    def _show_status(self, task: Task) -> None:
        """Show losses, speed and the last score, once a second: losses wait for the device."""
        now = time.monotonic()
        if now - self._shown_at < _STATUS_SECONDS:
            return
        self._shown_at = now
        means, totals = self._tally.peek(), dict[str, float]()
        for term in self.method.terms:
            if term.total:
                totals[term.total] = totals.get(term.total, 0.0) + means[term.name]
        losses = " ".join(f"{name} {value:.3f}" for name, value in totals.items() if value)
        steps, seconds = self.step - self._logged_step, now - self._logged_at
        pairs = self.config.training.batch * steps / max(seconds, 1e-9)
        speed = f"{pairs:.3g} pairs/s" if steps else ""
        score = "" if self.snapshots is None else self.snapshots.standing
        task.status(" ".join(filter(None, (f"step {self.step:,}", losses, speed, score))))

    def _improved(self) -> bool:
        """Return whether the snapshot just taken is the best; then a checkpoint is saved, too."""
        best = None if self.snapshots is None else self.snapshots.best
        mine = best is not None and best.step == self.step
        return bool(self.processes.highest(int(mine)))

    def _may_score(self) -> bool:
        """Return whether a snapshot and the one at the end still fit into the time for scoring."""
        allowed = True
        if self.scorings.seconds is not None and self.fraction < 1:
            needed = self._scored_seconds + 2 * self._longest_scoring
            allowed = needed <= self.scorings.seconds
        (allowed_by_first,) = self.processes.from_first([float(allowed)])
        if not allowed_by_first and self.recorder is not None:
            warn(
                "snapshots were scored less often than planned: scoring took longer than before "
                "training, and it may take at most a tenth of the time budget"
            )
        return bool(allowed_by_first)

    def _snapshot(self, task: Task) -> int:
        """Take a snapshot; return 0, or the signal that came before it was scored."""
        stopped, begun = 0, time.monotonic()
        what = "paint and score" if self.scorings.photos else "paint"
        task.status(f"step {self.step:,}: {what} a snapshot")
        with self.processes.together():
            self._tally.check()
        with self.processes.together():
            if self.snapshots is not None:
                # Random numbers that the scorer draws do not change the training.
                with torch.random.fork_rng(self._devices()):
                    taken = self.snapshots.take(
                        step=self.step,
                        fraction=self.fraction,
                        seconds=self.clock.elapsed(),
                        stop=self._stop,
                    )
                stopped = 0 if taken else self._stop.signal or 0
        stopped = self.processes.highest(stopped)
        self._owed = stopped > 0
        self._logged_at = self._stepped_at = time.monotonic()  # scoring is not training time
        self._logged_step = self.step
        self._scored_seconds += self._logged_at - begun
        self._longest_scoring = max(self._longest_scoring, self._logged_at - begun)
        task.status(f"step {self.step:,}")
        return stopped

    def _devices(self) -> list[torch.device]:
        """Return the GPU whose random state is kept; without a list torch would use every GPU."""
        return [self.method.device] if self.method.device.type == "cuda" else []

    def save(self) -> None:
        """Write a checkpoint, unless the run diverged: the one before it must stay good."""
        with self.processes.together():
            self._tally.check()
            self._check_weights()
        self.checkpoints.save(self.step, self.state_dict())
        self._saved_at = self._stepped_at = time.monotonic()

    def _check_weights(self) -> None:
        for name, network in self.method.networks.items():
            if not all(bool(torch.isfinite(weight).all()) for weight in network.parameters()):
                raise DivergedError(
                    f"training diverged at step {self.step:,}: weights of the {name} are not "
                    "finite",
                    hint=HINT,
                )

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {
            "identity": dict(self.identity),
            "precision": {"name": self.precision.name, "device": self.precision.device},
            "skipped": self._skipped,
            "fraction": self.fraction,
            "owed": self._owed,
            "elapsed": self.clock.elapsed(),
            "prepared": self.clock.prepared,
            "looking": {"all": self._scored_seconds, "longest": self._longest_scoring},
            "scorings": {"points": self.scorings.points, "photos": self.scorings.photos},
            "method": self.method.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "feed": self.parts.feed.state_dict(),
            "draws": self.parts.draws.state_dict(),
            "tally": self._tally.state_dict(),
            "best": {} if self.snapshots is None else self.snapshots.state_dict(),
            "random": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            MifidError: the state is of another run, or not a run's.
        """
        own = self.state_dict()
        # Some are checked when they are loaded; the last two are younger than some checkpoints.
        themselves = ("identity", "method", "best", "random", "precision", "skipped")
        like = {name: part for name, part in own.items() if name not in themselves}
        check_state({name: state.get(name) for name in like}, like, name="run")
        try:
            self._load(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"the checkpoint of step {state['step']:,} does not fit the run: "
                f"{type(error).__name__}: {first_line(error)}",
                hint="Was it written by another version of mifid or torch, or changed by hand? "
                "Remove it to go on from the one before, or train again in another "
                f"{setting('out')}.",
            ) from error

    def _load(self, state: dict[str, Any]) -> None:
        self.step, self.fraction = state["step"], state["fraction"]
        self._owed = state["owed"]
        self.clock.before, self.clock.prepared = state["elapsed"], state["prepared"]
        seconds = state["looking"]
        self._scored_seconds, self._longest_scoring = seconds["all"], seconds["longest"]
        self.method.load_state_dict(state["method"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.parts.feed.load_state_dict(state["feed"])
        self.parts.draws.load_state_dict(state["draws"])
        self._tally.load_state_dict(state["tally"])
        check_state(state.get("skipped", 0), 0, name="run.skipped")
        self._skipped = state.get("skipped", 0)
        if self.snapshots is not None:
            self.snapshots.load_state_dict(state["best"])
        self._logged_step = self.step
        restore_random_state(state["random"])
