"""What is tried and measured before the first step: hours must not be lost in the last cell."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mifid.baseline.bank import Bank
from mifid.baseline.checkpoint import KEPT
from mifid.baseline.config import Config
from mifid.baseline.duration import format_duration, parse_duration
from mifid.baseline.generate import as_submitted
from mifid.baseline.method import Method, parameters
from mifid.baseline.painting import Painter
from mifid.baseline.runfolder import disk_size
from mifid.baseline.snapshots import Scorer
from mifid.errors import InputError, OutputError, setting, warn
from mifid.images.source import Pixels
from mifid.submission import Rules, encode_picture

__all__ = [
    "Costs",
    "check_budget",
    "check_space",
    "checkpoint_bytes",
    "reserve",
    "scored_points",
    "try_painting",
    "try_scoring",
]

_DISK = 150e6
"""Bytes a second that a slow disk writes."""

_SLACK = 1.15
"""Measured on a few pictures; and what else the machine does changes."""

_LARGE = 1e9
"""Bytes of a run folder from which on it is told beforehand."""

_MANY = 20
"""Halving fewer pictures saves next to nothing, and a score of so few says nothing."""

_SCORING_SHARE = 0.1
"""At most this part of a time budget goes to scoring within the loop."""


@dataclass(frozen=True)
class Costs:
    """Seconds that things take: ``paint`` and ``score`` a picture, ``save`` a checkpoint."""

    paint: float
    score: float
    save: float

    def snapshot(self, *, held_back: int, kinds: int) -> float:
        """Return the seconds of one scoring of ``kinds`` sets of weights."""
        return kinds * held_back * (self.paint + self.score)


def try_painting(network: nn.Module, shown: Bank, *, device: torch.device, rules: Rules) -> float:
    """Paint and encode a few photos with the untrained network; return seconds a picture.

    Raises:
        MifidError: the network cannot paint them.
    """
    painter = Painter(network, device=device, seed=0)
    photos = shown.take(np.arange(min(len(shown), 8)))
    painter.paint(photos, first=0)  # the first pass also loads kernels
    start = time.perf_counter()
    for picture in as_submitted(painter.paint(photos, first=0), rules=rules):
        encode_picture(picture, format=rules.format)
    return (time.perf_counter() - start) / len(photos)


def try_scoring(
    scorer: Scorer, photos: Bank, *, rules: Rules
) -> tuple[Mapping[str, float | None], float]:
    """Score unpainted photos; return their score, which painting has to beat, and s a picture.

    Raises:
        MifidError: whatever scoring would have failed with after the training.
    """

    def submitted(batches: Iterable[Tensor]) -> Iterator[Pixels]:
        return (as_submitted(batch.cpu().numpy(), rules=rules) for batch in batches)

    scorer(submitted([photos.take(np.arange(2))]))  # also loads the network: not a cost of a score
    start = time.perf_counter()
    score = scorer(submitted(photos.batches()))
    return score, (time.perf_counter() - start) / len(photos)


def checkpoint_bytes(method: Method, *, averaged: bool) -> int:
    """Return about how large a checkpoint is: weights, two moments each, the average, the pools."""
    weights = sum(4 * weight.numel() for weight in parameters(method.networks.values()))
    average = sum(4 * weight.numel() for weight in method.painter.parameters())
    config = method.config
    pools = 2 * config.training.pool * 3 * 4 * config.data.size**2
    return 3 * weights + averaged * average + pools


def check_space(
    folder: Path, method: Method, *, averaged: bool, world: int, submission: int
) -> float:
    """See that a run fits onto the disk; return the seconds that a checkpoint takes.

    Raises:
        OutputError: too little space.
    """
    checkpoint = checkpoint_bytes(method, averaged=averaged)
    # Two kept and one being written; the best generator and its successor; the submission.
    need = (3 * world + 1) * checkpoint + 60_000 * submission
    free = shutil.disk_usage(folder).free
    if free < need:
        raise OutputError(
            f"{folder}: the run needs about {disk_size(need)} of disk space; {disk_size(free)} are "
            "free",
            hint=f"Free some, give {setting('out')} on another disk, or a smaller generator: "
            f"{setting('generator.width', 'N')}.",
        )
    kept = KEPT * world * checkpoint
    if kept > _LARGE:
        warn(
            f"{folder} will hold about {disk_size(kept + checkpoint // 3)}: {KEPT} checkpoints of "
            f"{disk_size(world * checkpoint)}, from which {setting('resume', True)} goes on, are "
            "most of it; once the run is complete, its checkpoints folder may be deleted"
        )
    return checkpoint / _DISK


def reserve(costs: Costs, *, submission: int, held_back: int, kinds: int) -> float:
    """Return the seconds that the end takes: the last scoring, images.zip, its score."""
    last = costs.snapshot(held_back=held_back, kinds=kinds) + costs.save
    looks = 0.005  # s a picture: looked at before it is painted, and checked in the archive
    return 3.0 + _SLACK * (last + submission * (costs.paint + costs.score + looks))


def check_budget(
    config: Config, *, elapsed: float, kept: float, submission: int, held_back: int
) -> float | None:
    """Return the budget in seconds, None if there is none.

    Args:
        config: of the run.
        elapsed: seconds that preparing took.
        kept: seconds that the end will take.
        submission, held_back: numbers of pictures that are painted and scored on.

    Raises:
        InputError: nothing of it would be left to train in.
    """
    if not config.training.budget:
        return None
    budget = parse_duration(config.training.budget)
    left = budget - elapsed - kept
    if left < 0.1 * budget:
        least = (elapsed + kept) / 0.9
        raise InputError(
            f"a budget of {format_duration(budget)} is too short here: preparing took "
            f"{format_duration(elapsed)}, painting and scoring at the end take about "
            f"{format_duration(kept)}",
            hint=f"Give at least {setting('training.budget', f'{int(least / 60) + 1}m')}"
            + _fewer_pictures(submission=submission, held_back=held_back),
        )
    return budget


def _fewer_pictures(*, submission: int, held_back: int) -> str:
    """Advise numbers below those there are; none where so few are left that they matter little."""
    advised = [
        f"{purpose} ({setting(name, min(usual, number // 2))})"
        for purpose, name, number, usual in (
            ("to paint", "training.submission", submission, 1000),
            ("to score on", "data.held_back", held_back, 100),
        )
        if number >= _MANY
    ]
    return f", or fewer pictures {' and '.join(advised)}." if advised else "."


def scored_points(
    config: Config, costs: Costs, *, seconds: float | None, held_back: int, kinds: int
) -> int:
    """Return how many snapshots are scored: what was asked for, or what a time budget allows.

    Args:
        seconds: of training that the budget leaves; None: no budget.
    """
    wanted = max(config.score.points, 1)
    one = costs.snapshot(held_back=held_back, kinds=kinds)
    if seconds is None or one == 0:
        return wanted
    return max(1, min(wanted, int(_SCORING_SHARE * seconds / one)))
