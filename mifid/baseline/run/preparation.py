"""Preparation of a run: what could fail after hours is tried, and its scorings are planned."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mifid.baseline.config import Config, parse_duration
from mifid.baseline.run.budget import (
    Costs,
    Scorings,
    check_budget,
    handing_in,
    length_note,
    plan_scorings,
    scoring_share,
)
from mifid.baseline.run.building import Parts, steps_of
from mifid.baseline.run.clock import Clock
from mifid.baseline.run.preflight import Trial, check_space, memory_note, try_painting, try_scoring
from mifid.baseline.run.snapshots import Scorer
from mifid.errors import warn
from mifid.progress import note

if TYPE_CHECKING:
    from mifid.baseline.run.run import Run

__all__ = ["prepare"]


def prepare(
    run: Run,
    parts: Parts,
    scorer: Scorer | None,
    clock: Clock,
    *,
    trial: Trial | None,
    scorings: Scorings | None,
) -> Scorings:
    """Try painting and scoring, check the time budget, and return the plan of scorings.

    How far the run will come, and the memory that it needs, are shown.

    Args:
        run: whose pictures are ready.
        parts: of the run.
        scorer: None: nothing is scored.
        clock: gets the budget, and the part of it that is reserved for the end.
        trial: what a step takes; None: it was not measured.
        scorings: of the run that goes on; None: they are planned.
    """
    kinds, held_back = parts.kinds, 0 if scorer is None else len(parts.held_back)
    budget = run.config.training.budget
    clock.budget = parse_duration(budget) if budget else None
    wanted = 0
    if run.usual is not None:
        wanted = run.usual.training.batch * (steps_of(run.usual, parts.feed)[1] or 0)
    check = partial(
        check_budget,
        run.config,
        preset=run.inputs.preset,
        submission=len(run.source),
        steps=clock.steps,
        kinds=kinds,
        wanted=wanted,
        anyway=run.anyway,
    )
    costs, tried = _try_painting(run, parts, trial.seconds if trial else 0.0), 0.0
    if scorer is not None:
        if budget and not run.resume:  # scoring takes long: refuse first what is too short
            check(elapsed=clock.elapsed(), costs=costs, scorings=Scorings(0, 0))
        before = time.monotonic()
        with run.progress.task("try to score", None, ""):
            photos = parts.held_back or parts.shown
            scoring, score = try_scoring(scorer, photos, rules=run.rules, measure=bool(budget))
        costs = replace(costs, scoring=scoring, score=score)
        tried = time.monotonic() - before
    if scorings is None:
        scorings = plan_scorings(
            run.config,
            costs,
            budget=clock.budget,
            held_back=held_back,
            kinds=kinds,
            tried=tried,
        )
        left = check(elapsed=clock.elapsed(), costs=costs, scorings=scorings)
        if scorer is not None:
            _warn_of_fewer(scorings, run.config, held_back)
        if trial is not None:
            _note(run, trial, steps=clock.steps, left=left, wanted=wanted)
    elif clock.budget is not None:
        left = scoring_share(clock.budget) - tried - costs.scored(scorings.photos)
        scorings = replace(scorings, seconds=left)
    clock.reserve = handing_in(costs, submission=len(run.source))
    clock.reserve += costs.snapshot(scorings.photos, kinds=kinds)
    return scorings


def _note(run: Run, trial: Trial, *, steps: int | None, left: float | None, wanted: int) -> None:
    """Show how far the run will come, and the GPU memory that it needs."""
    length = length_note(
        run.config,
        preset=run.inputs.preset,
        step=trial.seconds,
        steps=steps,
        left=left,
        wanted=wanted,
    )
    for text in filter(None, (length, memory_note(trial))):
        note(run.progress, f"{text[0].upper()}{text[1:]}.")


def _try_painting(run: Run, parts: Parts, step: float) -> Costs:
    """Check the disk and paint a few photos; return the seconds that a step and these take."""
    save = check_space(
        run.folder,
        parts.method,
        averaged=parts.average is not None,
        world=run.owner.processes,
        submission=len(run.source),
    )
    painter = parts.method.painter
    paint = try_painting(painter, parts.shown, device=run.device, rules=run.rules)
    return Costs(paint=paint, save=save, step=step)


def _warn_of_fewer(scorings: Scorings, config: Config, held_back: int) -> None:
    """Warn if a time budget allows less scoring than the settings want."""
    wanted = max(config.score.points, 1)
    if scorings.photos >= held_back and scorings.points >= wanted:
        return
    instead = "no snapshot is scored, and the last one paints the submission"
    if scorings.photos:
        instead = f"snapshots are scored {scorings.points} times on {scorings.photos:,} photos"
    warn(
        f"a tenth of {config.training.budget} is too short to score snapshots {wanted} times on "
        f"{held_back:,} photos: {instead}"
    )
