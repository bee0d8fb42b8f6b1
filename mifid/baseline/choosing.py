"""Choice of one configuration and its pictures from preset, file and options."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mifid.baseline.config import Config, Inputs, assigned, override, read_run_file
from mifid.baseline.presets import DEFAULT, preset
from mifid.baseline.rules import check
from mifid.baseline.run import CONFIG
from mifid.errors import InputError, setting
from mifid.inputs import of_side

__all__ = ["CODE", "NO_SCORES", "choose_config"]

CODE = "code"
"""The extractor's name in config.toml if a Python function was given."""

NO_SCORES = "none"
"""The extractor's name in config.toml if nothing is scored."""


def choose_config(
    *,
    photos: str | Path | None,
    monets: str | Path | None,
    held_out: str | Path | None,
    out: Path,
    preset_name: str | None,
    config: Config | str | Path | None,
    settings: Iterable[str],
    resume: bool,
    extractor: str | None = None,
    weights: str | Path | None = None,
    epsilon: float | None = None,
    anyway: bool = False,
) -> tuple[Inputs, Config]:
    """Return the run's inputs, and all its settings, which do not contradict each other.

    They come from a preset, a file, or, if the run goes on, its own file. ``settings`` change
    them, and an input that is given replaces the file's. ``anyway`` allows settings with which
    nothing is learnt.

    Raises:
        InputError: pictures that are not a path; no pictures at all; both a preset and a file; a
            setting that cannot have its value, or is given twice; no run to go on with; an
            extractor that only a file names.
    """
    _check_paths(photos=photos, monets=monets, held_out=held_out)
    inputs, chosen = _begin(out, preset_name, config, resume=resume)
    chosen = _overridden(chosen, settings)
    check(chosen, anyway=anyway)
    given = Inputs(
        photos=str(photos or inputs.photos),
        monets=str(monets or inputs.monets),
        held_out=str(held_out or inputs.held_out),
        extractor=extractor or inputs.extractor,
        weights=str(weights or inputs.weights),
        epsilon=inputs.epsilon if epsilon is None else epsilon,
        preset=inputs.preset,
    )
    if extractor is None:
        _refuse_code(given.extractor, named_in=out / CONFIG if config is None else config)
    for option, place in (("photos", given.photos), ("monets", given.monets)):
        if not place:
            raise InputError(
                f"no {option} are given",
                hint=f"Give {setting(option)} (a folder, zip, tar or TFRecords).",
            )
    return given, chosen


def _check_paths(**given: object) -> None:
    for name, path in given.items():
        if not (path is None or isinstance(path, str | os.PathLike)):
            raise InputError(
                f"{setting(name)} is of type {type(path).__name__}; expected a path",
                hint="A run reads its pictures from files, so that it can go on another day: save "
                "them in a folder, or as an .npy file (N, H, W, 3).",
            )


def _overridden(config: Config, settings: Iterable[str]) -> Config:
    changes: dict[str, str] = {}
    for assignment in settings:
        name = assigned(assignment)
        if name in changes:
            raise InputError(
                f"{name} is set twice: {changes[name]} and {assignment}", hint="Give it once."
            )
        changes[name] = assignment
        config = override(config, assignment)
    return config


def _refuse_code(extractor: str, *, named_in: object) -> None:
    """Refuse an extractor that only a file names: run folders are shared, and code would run."""
    if extractor == CODE:
        raise InputError(
            f"{named_in} says that the run was scored with a Python function",
            hint="Give it again: train_baseline(..., extractor=...).",
        )
    if ":" in extractor:
        raise InputError(
            f"{named_in} names the extractor {extractor}: that is code, which would be run",
            hint=f"If you trust it, give it again: {setting('extractor', extractor)}.",
        )


def _begin(
    out: Path, preset_name: str | None, config: Config | str | Path | None, *, resume: bool
) -> tuple[Inputs, Config]:
    """Return inputs and configuration of a preset, a file, or the run in ``out``."""
    own = out / CONFIG
    if preset_name is not None and config is not None:
        raise InputError(
            f"both {setting('preset')} and {setting('config')} are given",
            hint=f"Give one of them; change single settings with {setting('settings')}.",
        )
    if resume and not own.is_file():
        found = f"the folder has no {CONFIG}" if out.is_dir() else "there is no such folder"
        raise InputError(
            f"there is no run to resume in {out}: {found}",
            hint=f"Leave out {setting('resume')} to begin a run, or give the {setting('out')} of "
            "the run to go on with.",
        )
    if isinstance(config, Config):
        return Inputs(), config
    if config is not None:
        with of_side(setting("config")):
            return read_run_file(config)
    inputs, chosen = read_run_file(own) if resume else (Inputs(), None)
    if chosen is not None and preset_name is None:
        return inputs, chosen
    name = preset_name or DEFAULT
    return replace(inputs, preset=name), preset(name).config
