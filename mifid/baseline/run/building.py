"""A trainer from its settings and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from mifid.baseline.config import Config
from mifid.baseline.data import Bank, Draws, Feed, PixelStore, hold_back
from mifid.baseline.distributed import Processes
from mifid.baseline.gan import METHODS, Method, average_of
from mifid.baseline.run.records import Recorder
from mifid.baseline.run.snapshots import Scorer, Snapshots
from mifid.errors import InputError, warn
from mifid.submission import Rules

__all__ = ["Parts", "build", "steps_of"]


@dataclass(frozen=True)
class Parts:
    """What a run is made of, before it is known how long it takes."""

    method: Method
    average: AveragedModel | None
    feed: Feed
    draws: Draws
    held_back: Bank
    shown: Bank

    @property
    def kinds(self) -> int:
        """How many sets of weights are scored: raw, and averaged if there is an average."""
        return 1 + (self.average is not None)

    def snapshots(
        self, folder: Path, *, scorer: Scorer | None, photos: int, recorder: Recorder, rules: Rules
    ) -> Snapshots:
        """Return what looks at the painter now and then, on ``photos`` of those held back."""
        networks = {"raw": self.method.painter}
        if self.average is not None:
            networks["ema"] = self.average.module
        return Snapshots(
            self.method.config,
            folder,
            networks=networks,
            photographer=self.method.networks.get("photographer"),
            held_back=self.held_back.spread(photos),
            shown=self.shown,
            scorer=scorer,
            recorder=recorder,
            rules=rules,
            device=self.method.device,
        )


def build(
    config: Config,
    *,
    photos: PixelStore,
    paintings: PixelStore,
    device: torch.device,
    processes: Processes,
) -> Parts:
    """Build networks and data; every process builds the same.

    Raises:
        InputError: a setting that these networks or pictures do not allow.
    """
    if config.training.batch % processes.world:
        raise InputError(
            f"training.batch is {config.training.batch}, which {processes.world} processes cannot "
            "share evenly",
            hint="It counts the pictures of all processes; make it a multiple of their number.",
        )
    seed = config.training.seed
    torch.manual_seed(seed + processes.rank)  # dropout alone draws from it
    draws = Draws(seed, device=device, rank=processes.rank, world=processes.world)
    method: Method = METHODS[config.training.method](
        config, device=device, draws=draws, processes=processes
    )
    number = _held_back(config, len(photos.names))
    kept, held_back = hold_back(len(photos.names), number, seed=seed)
    shown = (held_back if number else kept)[: config.score.samples]
    everything, _ = hold_back(len(paintings.names), 0, seed=seed)
    feed = Feed(
        config,
        photos=Bank(photos.pixels, kept, device),
        paintings=Bank(paintings.pixels, everything, device),
        draws=draws,
        processes=processes,
    )
    return Parts(
        method=method,
        average=average_of(method.painter, config.training.ema) if config.training.ema else None,
        feed=feed,
        draws=draws,
        held_back=Bank(photos.pixels, held_back, device),
        shown=Bank(photos.pixels, shown, device),
    )


def _held_back(config: Config, photos: int) -> int:
    """Return how many photos are kept out of training: at most half; one alone has no FID."""
    number = min(config.data.held_back, photos // 2)
    if number >= 2 or config.data.held_back == 0:
        return number
    warn(
        f"{photos} photos are too few to hold some back: snapshots are not scored, and the last "
        "one is painted with"
    )
    return 0


def steps_of(config: Config, feed: Feed) -> tuple[int, int | None]:
    """Return (steps of an epoch, steps of the run; None if only time limits it)."""
    training = config.training
    each = training.steps_per_epoch or math.ceil(feed.variants(training.epoch) / training.batch)
    limits = [training.steps] if training.steps else []
    if training.epochs:
        limits.append(max(1, round(training.epochs * each)))
    return each, min(limits) if limits else None
