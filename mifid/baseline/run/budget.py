"""Time budget of a run: what its parts cost, how often snapshots are scored, and if it suffices."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mifid.baseline.config import Config, format_duration, parse_duration
from mifid.errors import InputError, setting

__all__ = [
    "LEAST_STEPS",
    "SMALLEST",
    "Costs",
    "Scorings",
    "check_budget",
    "check_prepared",
    "handing_in",
    "length_note",
    "plan_scorings",
    "scoring_share",
]

LEAST_STEPS = 200
"""Fewer steps show nothing: not even the colours of the pictures have changed then."""

SMALLEST = "tiny"
"""The preset that takes the least time."""

_SLACK = 1.15
"""Factor for errors of the measurements, on a few pictures and a machine with other work."""

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
