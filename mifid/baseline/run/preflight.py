"""Checks and measurements before the first step, of what would otherwise fail after hours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mifid import files
from mifid.baseline.config import Config, format_duration, parse_duration
from mifid.baseline.data import PictureSet
from mifid.baseline.gan import Method, parameters
from mifid.baseline.generation import Painter, as_submitted
from mifid.baseline.models import GeneratorNetwork
from mifid.baseline.run.building import Parts
from mifid.baseline.run.checkpoint import compact_share
from mifid.baseline.run.snapshots import Scorer
from mifid.errors import InputError, setting, warn
from mifid.formatting import size_text
from mifid.submission import Rules, encode_picture

__all__ = [
    "LEAST_STEPS",
    "SMALLEST",
    "Costs",
    "Scorings",
    "Space",
    "Trial",
    "check_budget",
    "check_prepared",
    "check_space",
    "checkpoint_bytes",
    "folder_space",
    "handing_in",
    "length_note",
    "memory_note",
    "plan_scorings",
    "score_photos",
    "scoring_share",
    "try_painting",
    "try_scoring",
    "try_training",
]

LEAST_STEPS = 200
"""Fewer steps show nothing: not even the colours of the pictures have changed then."""

SMALLEST = "tiny"
"""The preset that takes the least time."""

_DISK = 150e6
"""Bytes a second that a slow disk writes."""

_SLACK = 1.15
"""Factor for errors of the measurements, on a few pictures and a machine with other work."""

_PICTURE = 60_000
"""Bytes of a picture of images.zip, amply: of 256 x 256 pixels, photos have 27,000."""

_LARGE = 1.5e9
"""Bytes of a run folder from which a warning is given."""

_FULL = 0.9
"""Part of the free memory of a GPU that a step may take: painting and scoring need some, too."""

_MANY = 20
"""Half of fewer pictures saves little, and a score of so few means nothing."""

_SCORING_SHARE = 0.1
"""Largest part of a time budget for scoring before the submission is made."""

_FEWEST_SCORED = 32
"""Fewer photos are not scored on: the choice of the best snapshot would be chance."""

_OFTEN = 3
"""Photos are reduced before scorings are fewer than this: with one there is no choice."""


@dataclass(frozen=True)
class Costs:
    """Seconds of the parts of a run.

    Attributes:
        paint: to paint and encode a picture.
        score: of each picture in a score.
        scoring: of a score, whatever its number of pictures: roots of matrices.
        save: to write a checkpoint.
        step: of training.
    """

    paint: float = 0.0
    score: float = 0.0
    scoring: float = 0.0
    save: float = 0.0
    step: float = 0.0

    def scored(self, photos: int) -> float:
        """Return the seconds of scoring so many pictures, without painting them."""
        return self.scoring + photos * self.score if photos else 0.0

    def snapshot(self, photos: int, *, kinds: int) -> float:
        """Return the seconds of painting and scoring with ``kinds`` sets of weights."""
        return kinds * (self.scored(photos) + photos * self.paint)


@dataclass(frozen=True)
class Scorings:
    """Plan of the scorings of snapshots.

    Attributes:
        points: their number, evenly over the run, the last at its end.
        photos: number of photos in each; 0: nothing is scored.
        seconds: that all of them may take; None: no limit.
    """

    points: int
    photos: int
    seconds: float | None = None


def try_painting(
    network: GeneratorNetwork, shown: PictureSet, *, device: torch.device, rules: Rules
) -> float:
    """Paint and encode a few photos with the untrained network; return the seconds of a picture.

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


@dataclass(frozen=True)
class Trial:
    """What a step of training takes.

    Attributes:
        seconds: of a step.
        memory: bytes of a GPU at the peak, with networks, optimisers and what torch keeps for
            itself; None: not on CUDA, where nothing measures it.
        free: bytes of the GPU that were free before.
    """

    seconds: float
    memory: int | None = None
    free: int = 0


def try_training(build: Callable[[], Parts], device: torch.device) -> Trial:
    """Build a run, train it two steps and throw it away; return what the second step takes.

    Raises:
        MifidError: what training would have failed with.
    """
    if device.type != "cuda":
        return Trial(_second_step(build()))
    torch.cuda.reset_peak_memory_stats(device)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    seconds = _second_step(build())
    return Trial(seconds, torch.cuda.max_memory_reserved(device), free)


def _second_step(parts: Parts) -> float:
    """Train two steps; return the seconds of the second."""
    seconds = 0.0
    for _ in range(2):  # the first also loads kernels, and compiles
        start = time.perf_counter()
        photos, paintings = parts.feed.next()
        losses = parts.method.advance(photos, paintings, fraction=0.0, factor=1.0)
        if parts.average is not None:
            parts.average.update_parameters(parts.method.painter)
        if losses is not None:
            losses.tolist()  # waits for the device; a step that is left out has waited
        seconds = time.perf_counter() - start
    return seconds


def memory_note(trial: Trial) -> str:
    """Return the GPU memory that training needs and what is free; empty: it was not measured.

    Warn if it is so much that painting or scoring may fail.
    """
    if trial.memory is None:
        return ""
    needs = f"{size_text(trial.memory)} of the {size_text(trial.free)} of GPU memory that are free"
    if trial.memory > _FULL * trial.free:
        warn(
            f"training needs {needs}: little is left for painting and scoring. If they fail, lower "
            "training.batch, data.size or generator.width"
        )
    return f"training needs {needs}"


def try_scoring(
    scorer: Scorer, photos: PictureSet, *, rules: Rules, measure: bool
) -> tuple[float, float]:
    """Score a few unpainted photos; return the seconds of a score and of each picture in it.

    Both are 0 unless they are to be measured.

    Raises:
        MifidError: what scoring would have failed with after the training.
    """

    def seconds(number: int) -> float:
        start = time.perf_counter()
        score_photos(scorer, photos.spread(number), rules=rules)
        return time.perf_counter() - start

    few, more = 2, min(len(photos), 18)
    seconds(few)  # also loads the network, which later scores do not
    if not measure:
        return 0.0, 0.0
    first = seconds(few)
    if more == few:
        return 0.0, first / few
    each = max(seconds(more) - first, 0.0) / (more - few)
    return max(first - few * each, 0.0), each


def score_photos(scorer: Scorer, photos: PictureSet, *, rules: Rules) -> Mapping[str, float | None]:
    """Return the score of unpainted photos, for comparison."""
    return scorer(as_submitted(batch.cpu().numpy(), rules=rules) for batch in photos.batches())


def checkpoint_bytes(method: Method, *, averaged: bool) -> int:
    """Return the approximate size of a checkpoint: weights, two moments, average and pools."""
    config, weights = method.config, 4 * _numbers(method.networks.values())
    parts = {
        "weights": weights,
        "moments": 2 * weights,
        "average": averaged * 4 * _numbers([method.painter]),
        "pools": 2 * config.training.pool * 3 * 4 * config.data.size**2,
    }
    share = dict.fromkeys(parts, 1.0) if config.checkpoint.exact else compact_share()
    return int(sum(size * share[part] for part, size in parts.items()))


def best_bytes(method: Method, *, averaged: bool) -> int:
    """Return the approximate size of best.safetensors."""
    both = averaged and method.config.checkpoint.keep_raw
    return (1 + both) * 4 * _numbers([method.painter])


def _numbers(networks: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for weight in parameters(networks))


@dataclass(frozen=True)
class Space:
    """Bytes of a run's folder, approximately.

    Attributes:
        resting: with the checkpoints that are kept, the best generator and images.zip.
        writing: at most, while a checkpoint or the best generator is written.
    """

    resting: int
    writing: int


def folder_space(method: Method, *, averaged: bool, world: int, submission: int) -> Space:
    """Return the space that a run takes.

    Args:
        method: with the networks and settings.
        averaged: whether there is an average of the painting generator.
        world: number of processes, each of which writes checkpoints.
        submission: number of pictures of images.zip.
    """
    checkpoint = world * checkpoint_bytes(method, averaged=averaged)
    best, pictures = best_bytes(method, averaged=averaged), _PICTURE * submission
    kept = method.config.checkpoint.kept * checkpoint
    writing = max(2 * checkpoint + best, kept + 2 * best, kept + best + 2 * pictures)
    return Space(resting=kept + best + pictures, writing=writing)


def check_space(
    folder: Path, method: Method, *, averaged: bool, world: int, submission: int
) -> float:
    """Refuse a run that does not fit on the disk; return the seconds that a checkpoint takes.

    Raises:
        OutputError: too little space.
    """
    checkpoint = checkpoint_bytes(method, averaged=averaged)
    space = folder_space(method, averaged=averaged, world=world, submission=submission)
    files.check_space(
        folder,
        max(space.writing, space.resting),
        "the run",
        hint=f"Make space, give {setting('out')} on another disk, set checkpoint.exact=false, or "
        f"take a smaller generator: {setting('generator.width', 'N')}.",
    )
    if space.resting > _LARGE:
        config = method.config.checkpoint
        smaller = setting("checkpoint.exact", "false") if config.exact else ""
        smaller = smaller or (setting("checkpoint.kept", 1) if config.kept > 1 else "")
        warn(
            f"{folder} will hold about {size_text(space.resting)}, and {size_text(space.writing)} "
            f"while a checkpoint is written: checkpoints of {size_text(world * checkpoint)}, from "
            f"which {setting('resume', True)} goes on, are most of it; once the run is complete, "
            "its checkpoints folder may be deleted" + (f". {smaller} takes less" if smaller else "")
        )
    return checkpoint / _DISK


def handing_in(costs: Costs, *, submission: int) -> float:
    """Return the seconds from the last snapshot to the end: images.zip, its check and its score."""
    checks = 0.005  # s for each picture: of the photo before it is painted, and of the archive
    painted = submission * (costs.paint + checks) + costs.scored(submission)
    return 3.0 + _SLACK * (costs.save + painted)


def scoring_share(budget: float) -> float:
    """Return the seconds of a budget for scoring before the submission is made."""
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
    """Return the plan of scorings: as the settings want, or what a time budget allows.

    A tenth of the budget is for all scoring before the submission: of the unpainted photos, and of
    every snapshot. First the scorings become fewer, then the photos, then nothing is scored.

    Args:
        config: of the run.
        costs: as measured.
        budget: in seconds; None: there is none.
        held_back: number of photos that can be scored on.
        kinds: number of sets of weights, each of which is scored.
        tried: seconds that scoring has taken.
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
    """Refuse a time budget that the preparation of the pictures has used up.

    Args:
        config: of the run.
        preset: its name.
        elapsed: seconds that the preparation took.

    Raises:
        InputError: nothing of the budget is left.
    """
    budget = parse_duration(config.training.budget) if config.training.budget else None
    if budget is not None and elapsed >= budget:
        raise InputError(
            f"a budget of {format_duration(budget)} is too short here: preparing the pictures "
            f"alone took {format_duration(elapsed)}",
            hint="Prepared pictures are kept, so the next run begins sooner; give a longer "
            f"{setting('training.budget')}. {_quickest_run(preset)}",
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
    wanted: int = 0,
    anyway: bool = False,
) -> float | None:
    """Refuse a time budget that leaves too little time for training; return the seconds left.

    Args:
        config: of the run.
        preset: its name.
        elapsed: seconds that the preparation took.
        costs: as measured.
        scorings: of snapshots.
        submission: number of pictures of images.zip.
        steps: length of the run if it has one beside the budget.
        kinds: number of sets of weights, each of which is scored.
        wanted: pairs that the preset trains on; 0: not known.
        anyway: refuse nothing.

    Returns:
        float | None: seconds for training; None: there is no budget.

    Raises:
        InputError: too few steps would fit; the message has the arithmetic.
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
    if left >= least * costs.step or anyway:
        return left
    fit, batch = max(0, int(left / max(costs.step, 1e-9))), config.training.batch
    enough = (elapsed + ending + least * costs.step) / (1 - _SCORING_SHARE)
    raise InputError(
        f"a budget of {format_duration(budget)} is too short here: the preparation took "
        f"{format_duration(elapsed)}, painting and scoring at the end take about "
        f"{format_duration(ending)}, scoring of snapshots {format_duration(scoring)}; a step takes "
        f"{format_duration(costs.step)} ({_speed(config, costs.step)}), so {fit:,} steps, "
        f"{_of_wanted(fit * batch, wanted, preset)}, fit into the rest, and with fewer than "
        f"{least:,} steps nothing is learnt",
        hint=f"Give at least {setting('training.budget', _rounded_up(enough))}"
        + _less_to_do(config, submission=submission, held_back=scorings.photos)
        + f". {_quickest_run(preset)} To train all the same: {setting('anyway', True)}.",
    )


def length_note(
    config: Config,
    *,
    preset: str,
    step: float,
    steps: int | None,
    left: float | None,
    wanted: int,
) -> str:
    """Return how far a run will come: its pairs, their speed, and those that the preset wants.

    Args:
        config: of the run.
        preset: its name; empty: none.
        step: seconds of a step, as measured.
        steps: length of the run; None: only time limits it.
        left: seconds of the budget that are left for training; None: there is no budget.
        wanted: pairs that the preset trains on; 0: not known.
    """
    fit = math.inf if left is None else max(0.0, left) / max(step, 1e-9)
    number = int(min(fit, math.inf if steps is None else steps))
    pairs = _of_wanted(number * config.training.batch, wanted, preset)
    speed = _speed(config, step)
    if left is not None and (steps is None or fit < steps):
        return (
            f"a budget of {config.training.budget} leaves {format_duration(max(0.0, left))} for "
            f"training: at {speed} these are {number:,} steps, {pairs}"
        )
    return (
        f"{number:,} steps, {pairs}, take about {format_duration(number * step)} at {speed}, "
        "without scoring and painting"
    )


def _speed(config: Config, step: float) -> str:
    return f"{config.training.batch / max(step, 1e-9):.3g} pairs/s"


def _of_wanted(pairs: int, wanted: int, preset: str) -> str:
    if not wanted:
        return f"{pairs:,} pairs"
    if pairs > wanted:
        return f"{pairs:,} pairs ({preset} has {wanted:,})"
    return f"{pairs:,} of the {wanted:,} pairs of {preset}"


def _quickest_run(preset: str) -> str:
    """Return advice on the quickest run; its preset may be the smallest already."""
    way = setting("preset", SMALLEST)
    if preset == SMALLEST:
        way = f"leave out {setting('training.budget')}"
    return f"To see only whether it works: {way}."


def _rounded_up(seconds: float) -> str:
    """Return a budget that is long enough, in minutes, or from two hours on in hours."""
    minutes = int(seconds / 60) + 1
    return f"{minutes}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


def _less_to_do(config: Config, *, submission: int, held_back: int) -> str:
    """Return advice on smaller numbers; none where the numbers are small already."""
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
