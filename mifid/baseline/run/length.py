"""Length of a run, and another length for a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mifid.baseline.config import Config, format_duration
from mifid.baseline.gan import factor
from mifid.baseline.run.clock import Clock
from mifid.errors import InputError, warn

__all__ = ["LENGTH", "as_long", "check_longer", "has_other_length", "length_of"]

LENGTH = "length"
"""Name of the length that the fraction of a checkpoint is of, among the identity of a run."""

_LENGTHS = ("steps", "epochs", "budget")


def length_of(config: Config) -> str:
    """Return a run's length in steps, epochs and time, as checkpoints hold it."""
    return ", ".join(f"{key} {getattr(config.training, key) or 'unset'}" for key in _LENGTHS)


def as_long(config: Config, other: Config) -> Config:
    """Return ``config`` with the length of ``other``."""
    length = {key: getattr(other.training, key) for key in _LENGTHS}
    return replace(config, training=replace(config.training, **length))


def has_other_length(state: Mapping[str, Any], earlier: Config, config: Config) -> bool:
    """Return whether a checkpoint is of a run of another length.

    config.toml may have the new length already: a run can be killed before it saves again.
    """
    then = state["identity"].get(LENGTH, length_of(earlier))
    return bool(then != length_of(config))


def check_longer(
    folder: Path, state: Mapping[str, Any], clock: Clock, *, earlier: Config, config: Config
) -> None:
    """Refuse another length that is over already; of a longer one report the learning rate.

    Raises:
        InputError: nothing of the new length is left.
    """
    if not has_other_length(state, earlier, config):
        return
    step, fraction = state["step"], clock.fraction(state["step"])
    if fraction >= 1:
        raise InputError(
            f"{folder} has trained {step:,} steps in {format_duration(clock.elapsed())}: "
            "nothing of the new length is left",
            hint="Steps, epochs and budget count from the beginning of the run: give more. To "
            "paint with what was trained, leave them out, or use mifid generate.",
        )
    was = factor(earlier.schedule, state["fraction"])
    now = factor(config.schedule, fraction)
    rate = config.optimiser.rate
    before, after = f"{rate * was:.2g}", f"{rate * now:.2g}"
    change = f"changes from {before} to {after}" if before != after else f"stays at {after}"
    warn(
        f"the run goes on from step {step:,} with another length, of which {fraction:.0%} is "
        f"over; the schedule ({config.schedule.name}) now follows the new length: the "
        f"learning rate {change}"
    )
