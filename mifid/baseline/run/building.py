"""Networks and data of a run, built from its settings and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from mifid.baseline.config import Config
from mifid.baseline.data import Draws, Feed, PictureSet, PixelStore, hold_back
from mifid.baseline.distributed import Processes
from mifid.baseline.gan import METHODS, Method, MovingAverage
from mifid.baseline.run.initial_weights import InitialWeights
from mifid.baseline.run.records import Recorder
from mifid.baseline.run.snapshots import Scorer, Snapshots
from mifid.errors import InputError, warn
from mifid.submission import Rules

__all__ = ["Parts", "build", "steps_of"]


@dataclass(frozen=True)
class Parts:
    """Networks, optimisers and data of a run, without its length.

    Attributes:
        method: with the networks.
        average: of the painting generator's weights; None: there is none.
        feed: the training batches.
        draws: random numbers of the steps.
        held_back: photos to score on.
        shown: photos of the sample grids.
    """

    method: Method
    average: MovingAverage | None
    feed: Feed
    draws: Draws
    held_back: PictureSet
    shown: PictureSet

    @property
    def kinds(self) -> int:
        """Number of sets of weights that are scored: raw, and averaged if there is an average."""
        return 1 + (self.average is not None)

    def snapshots(
        self, folder: Path, *, scorer: Scorer | None, photos: int, recorder: Recorder, rules: Rules
    ) -> Snapshots:
        """Return the snapshots of this run, which score on ``photos`` of those held back."""
        networks = {"raw": self.method.painter}
        if self.average is not None:
            networks["ema"] = self.average.painter
        return Snapshots(
            self.method.config,
            folder,
            networks=networks,
            method=self.method,
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
    initial: InitialWeights | None = None,
) -> Parts:
    """Build networks and data, the same on every process.

    Args:
        config: all settings.
        photos, paintings: the pictures.
        device: of the networks.
        processes: of the run.
        initial: weights that networks begin with; the others begin with random ones.

    Raises:
        InputError: a setting that these networks or pictures do not allow.
    """
    if config.training.batch % processes.world:
        raise InputError(
            f"training.batch is {config.training.batch}; expected a multiple of "
            f"{processes.world}, the number of processes",
            hint="It counts the pictures of all processes together.",
        )
    seed = config.training.seed
    torch.manual_seed(seed + processes.rank)  # for dropout alone
    draws = Draws(seed, device=device, rank=processes.rank, world=processes.world)
    method: Method = METHODS[config.training.method](
        config, device=device, draws=draws, processes=processes
    )
    if initial is not None:
        initial.load(method.networks)
    number = _held_back(config, len(photos.names))
    kept, held_back = hold_back(len(photos.names), number, seed=seed)
    shown = (held_back if number else kept)[: config.score.samples]
    sides = {
        "photos": PictureSet(photos.pixels, photos.order[kept], device),
        "paintings": PictureSet(paintings.pixels, paintings.order, device),
    }
    method.remember(**sides)
    feed = Feed(config, **sides, draws=draws, processes=processes, further=method.further)
    return Parts(
        method=method,
        average=MovingAverage(method.painter, ema) if (ema := config.training.ema) else None,
        feed=feed,
        draws=draws,
        held_back=PictureSet(photos.pixels, photos.order[held_back], device),
        shown=PictureSet(photos.pixels, photos.order[shown], device),
    )


def _held_back(config: Config, photos: int) -> int:
    """Return the number of photos kept out of training: at most half; FID needs two."""
    number = min(config.data.held_back, photos // 2)
    if number >= 2 or config.data.held_back == 0:
        return number
    warn(
        f"{photos} photos are too few to keep some out of training: snapshots are not scored, and "
        "the last one paints the submission"
    )
    return 0


def steps_of(config: Config, feed: Feed) -> tuple[int, int | None]:
    """Return the steps of an epoch, and of the run; None if only time limits it."""
    training = config.training
    each = training.steps_per_epoch or math.ceil(feed.variants(training.epoch) / training.batch)
    limits = [training.steps] if training.steps else []
    if training.epochs:
        limits.append(max(1, round(training.epochs * each)))
    return each, min(limits) if limits else None
