"""What is tried and measured before the first step: hours must not be lost in the last cell."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mifid import files
from mifid.baseline.config import Config, format_duration, parse_duration
from mifid.baseline.data import Bank
from mifid.baseline.gan import Method, parameters
from mifid.baseline.generation import Painter, as_submitted
from mifid.baseline.run.building import Parts
from mifid.baseline.run.checkpoint import KEPT
from mifid.baseline.run.snapshots import Scorer
from mifid.errors import InputError, setting, warn
from mifid.files import size_text
from mifid.submission import Rules, encode_picture

__all__ = [
    "LEAST_STEPS",
    "SMALLEST",
    "Costs",
    "Scorings",
    "check_budget",
    "check_prepared",
    "check_space",
    "checkpoint_bytes",
    "handing_in",
    "plan_scorings",
    "score_photos",
    "scoring_share",
    "try_painting",
    "try_scoring",
    "try_training",
]

LEAST_STEPS = 100
"""Fewer show nothing: not even the colours of what is painted have moved then."""

SMALLEST = "tiny"
"""The preset that takes the shortest time."""

_DISK = 150e6
"""Bytes a second that a slow disk writes."""

_SLACK = 1.15
"""Measured on a few pictures; and what else the machine does changes."""

_LARGE = 1e9
"""Bytes of a run folder from which on it is told beforehand."""

_MANY = 20
"""Halving fewer pictures saves next to nothing, and a score of so few says nothing."""

_SCORING_SHARE = 0.1
"""At most this part of a time budget goes to scoring before the submission is there."""

_FEWEST_SCORED = 32
"""Fewer photos are not scored on: which snapshot is the best would be chance."""

_OFTEN = 3
"""Rather fewer photos than fewer scorings than this: with one there is nothing to choose."""


@dataclass(frozen=True)
class Costs:
    """Seconds that things take.

    Attributes:
        paint: a picture, encoded.
        score: a picture more in a score.
        scoring: a score, however many pictures it has: roots of matrices.
        save: a checkpoint.
        step: of training.
    """

    paint: float = 0.0
    score: float = 0.0
    scoring: float = 0.0
    save: float = 0.0
    step: float = 0.0

    def scored(self, photos: int) -> float:
        """Return the seconds of scoring so many pictures that are there."""
        return self.scoring + photos * self.score if photos else 0.0

    def snapshot(self, photos: int, *, kinds: int) -> float:
        """Return the seconds of painting and scoring with ``kinds`` sets of weights."""
        return kinds * (self.scored(photos) + photos * self.paint)


@dataclass(frozen=True)
class Scorings:
    """How often snapshots are scored over the run, and on how many photos each time.

    Attributes:
        points: evenly over the run, the last at its end.
        photos: 0: nothing is scored.
        seconds: that all of them may take; None: no matter.
    """

    points: int
    photos: int
    seconds: float | None = None


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


def try_training(parts: Parts) -> float:
    """Train two steps; return the seconds of the second. The parts are spoilt by it.

    Raises:
        MifidError: whatever training would have failed with.
    """
    seconds = 0.0
    for _ in range(2):  # the first also loads kernels, and compiles
        start = time.perf_counter()
        photos, paintings = parts.feed.next()
        losses = parts.method.step(photos, paintings, fraction=0.0, factor=1.0)
        if parts.average is not None:
            parts.average.update_parameters(parts.method.painter)
        losses.tolist()  # waits for the device
        seconds = time.perf_counter() - start
    return seconds


def try_scoring(
    scorer: Scorer, photos: Bank, *, rules: Rules, measure: bool
) -> tuple[float, float]:
    """Score a few unpainted photos; return seconds a score, and seconds a picture more, if wanted.

    Raises:
        MifidError: whatever scoring would have failed with after the training.
    """

    def seconds(number: int) -> float:
        start = time.perf_counter()
        score_photos(scorer, photos.spread(number), rules=rules)
        return time.perf_counter() - start

    few, more = 2, min(len(photos), 18)
    seconds(few)  # also loads the network: not a cost of a score
    if not measure:
        return 0.0, 0.0
    first = seconds(few)
    if more == few:
        return 0.0, first / few
    each = max(seconds(more) - first, 0.0) / (more - few)
    return max(first - few * each, 0.0), each


def score_photos(scorer: Scorer, photos: Bank, *, rules: Rules) -> Mapping[str, float | None]:
    """Return the score of photos unpainted: what painting has to beat."""
    return scorer(as_submitted(batch.cpu().numpy(), rules=rules) for batch in photos.batches())


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
    files.check_space(
        folder,
        need,
        "the run",
        hint=f"Make space, give {setting('out')} on another disk, or a smaller generator: "
        f"{setting('generator.width', 'N')}.",
    )
    kept = KEPT * world * checkpoint
    if kept > _LARGE:
        warn(
            f"{folder} will hold about {size_text(kept + checkpoint // 3)}: {KEPT} checkpoints of "
            f"{size_text(world * checkpoint)}, from which {setting('resume', True)} goes on, are "
            "most of it; once the run is complete, its checkpoints folder may be deleted"
        )
    return checkpoint / _DISK


def handing_in(costs: Costs, *, submission: int) -> float:
    """Return the seconds from the last snapshot to the end: images.zip, its check and its score."""
    looks = 0.005  # s a picture: looked at before it is painted, and checked in the archive
    painted = submission * (costs.paint + looks) + costs.scored(submission)
    return 3.0 + _SLACK * (costs.save + painted)


def scoring_share(budget: float) -> float:
    """Return the seconds of a budget that may go to scoring before the submission is there."""
    return _SCORING_SHARE * budget


def plan_scorings(
    config: Config,
    costs: Costs,
    *,
    budget: float | None,
    held_back: int,
    kinds: int,
    tried: float = 0.0,
) -> Scorings:
    """Return how often and on how many photos to score: as asked, or what a time budget allows.

    A tenth of the budget is for all scoring before the submission: of the photos unpainted, and of
    every snapshot. First there are fewer scorings, then fewer photos, then none.

    Args:
        config: of the run.
        costs: as measured.
        budget: in seconds; None: there is none.
        held_back: photos that could be scored on.
        kinds: sets of weights, each of which is scored.
        tried: seconds that scoring took until now.
    """
    wanted = max(config.score.points, 1)
    if budget is None or not held_back:
        return Scorings(wanted, held_back)
    share = scoring_share(budget) - tried
    photos, chosen = held_back, Scorings(wanted, 0, 0.0)
    while photos >= min(held_back, _FEWEST_SCORED):
        left = share - costs.scored(photos)
        points = min(wanted, int(left / max(costs.snapshot(photos, kinds=kinds), 1e-9)))
        if points >= 1:
            chosen = Scorings(points, photos, left)
        if points >= min(wanted, _OFTEN):
            break
        photos //= 2
    return chosen


def check_prepared(config: Config, *, preset: str, elapsed: float) -> None:
    """See that preparing the pictures has left something of a time budget.

    Args:
        config: of the run.
        preset: its name.
        elapsed: seconds that it took.

    Raises:
        InputError: the budget is used up before anything else is measured.
    """
    budget = parse_duration(config.training.budget) if config.training.budget else None
    if budget is not None and elapsed >= budget:
        raise InputError(
            f"a budget of {format_duration(budget)} is too short here: preparing the pictures "
            f"alone took {format_duration(elapsed)}",
            hint=f"Prepared pictures are kept, so the next try begins sooner; give a longer "
            f"{setting('training.budget')}. {_to_see_only(preset)}",
        )


def check_budget(
    config: Config,
    *,
    preset: str,
    elapsed: float,
    costs: Costs,
    scorings: Scorings,
    submission: int,
    steps: int | None,
    kinds: int,
) -> float | None:
    """Return the budget in seconds, None if there is none.

    Args:
        config: of the run.
        preset: its name.
        elapsed: seconds that preparing took.
        costs: as measured.
        scorings: of snapshots.
        submission: pictures of images.zip.
        steps: length of the run if it has one beside the budget.
        kinds: sets of weights, each of which is scored.

    Raises:
        InputError: too few steps would fit into what is left for training; with the arithmetic.
    """
    if not config.training.budget:
        return None
    budget = parse_duration(config.training.budget)
    least = LEAST_STEPS + config.training.pretrain
    least = least if steps is None else min(steps, least)
    ending = handing_in(costs, submission=submission)
    scoring = costs.scored(scorings.photos)
    scoring += scorings.points * costs.snapshot(scorings.photos, kinds=kinds)
    left = budget - elapsed - ending - scoring
    if left >= least * costs.step:
        return budget
    fit = max(0, int(left / max(costs.step, 1e-9)))
    enough = (elapsed + ending + least * costs.step) / (1 - _SCORING_SHARE)
    raise InputError(
        f"a budget of {format_duration(budget)} is too short here: preparing took "
        f"{format_duration(elapsed)}, painting and scoring at the end take about "
        f"{format_duration(ending)}, scoring before it {format_duration(scoring)}; a step takes "
        f"{format_duration(costs.step)}, so that {fit:,} steps would be left, and below {least:,} "
        "nothing is learnt",
        hint=f"Give at least {setting('training.budget', _rounded_up(enough))}"
        + _less_to_do(config, submission=submission, held_back=scorings.photos)
        + f". {_to_see_only(preset)}",
    )


def _to_see_only(preset: str) -> str:
    """Return the shortest way through a run; its preset may be the smallest already."""
    way = setting("preset", SMALLEST)
    if preset == SMALLEST:
        way = f"leave out {setting('training.budget')}"
    return f"To see only that it works: {way}."


def _rounded_up(seconds: float) -> str:
    """Return a budget that suffices, in minutes or from two hours on in hours."""
    minutes = int(seconds / 60) + 1
    return f"{minutes}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


def _less_to_do(config: Config, *, submission: int, held_back: int) -> str:
    """Advise numbers below those there are; none where so few are left that they matter little."""
    advised = [
        f"{purpose} ({setting(name, min(usual, number // 2))})"
        for purpose, name, number, usual in (
            ("fewer pictures to paint", "training.submission", submission, 1000),
            ("fewer photos to score on", "data.held_back", held_back, 100),
        )
        if number >= _MANY
    ]
    if held_back:
        advised.append(f"no scores ({setting('score', False)})")
    size = config.data.size
    if size >= 128:  # a quarter of the pixels
        advised.insert(0, f"smaller pictures ({setting('data.size', size // 2)})")
    return f"; or {', or '.join(advised)}" if advised else ""
