"""From what a user asked for to one configuration and its pictures."""

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
"""What config.toml says of an extractor that has no name."""

NO_SCORES = "none"
"""What config.toml says where nothing scores."""


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
) -> tuple[Inputs, Config]:
    """Return what is trained on and scored with, and all settings, free of contradictions.

    A preset, a file, or, for a run that goes on, its own file; then ``settings`` on top, and
    what was given instead of what stands in a file.

    An extractor of somebody's own is code that would be run: that a file names one is not enough,
    as run folders are shared; the caller must name it.

    Raises:
        InputError: pictures that are no path; no pictures at all; both a preset and a file; a
            setting that cannot be, or is given twice; nothing to go on with; an extractor that
            only a file names.
    """
    for name, given_path in (("photos", photos), ("monets", monets), ("held_out", held_out)):
        if not (given_path is None or isinstance(given_path, str | os.PathLike)):
            raise InputError(
                f"{setting(name)} is of type {type(given_path).__name__}; expected a path",
                hint="A run reads its pictures from files, so that it can go on another day: save "
                "them in a folder, or as an .npy file (N, H, W, 3).",
            )
    if preset_name is not None and config is not None:
        raise InputError(
            f"both {setting('preset')} and {setting('config')} are given",
            hint=f"Give one; change single settings of it with {setting('settings')}.",
        )
    inputs, chosen = _begin(out, preset_name, config, resume=resume)
    changes: dict[str, str] = {}
    for assignment in settings:
        name = assigned(assignment)
        if name in changes:
            raise InputError(
                f"{name} is set twice: {changes[name]} and {assignment}", hint="Give it once."
            )
        changes[name] = assignment
        chosen = override(chosen, assignment)
    check(chosen)
    given = Inputs(
        photos=str(photos or inputs.photos),
        monets=str(monets or inputs.monets),
        held_out=str(held_out or inputs.held_out),
        extractor=extractor or inputs.extractor,
        weights=str(weights or inputs.weights),
        epsilon=inputs.epsilon if epsilon is None else epsilon,
        preset=inputs.preset,
    )
    if given.extractor == CODE and extractor is None:
        raise InputError(
            f"{out} was scored with an extractor that was given as code",
            hint="Give it again: train_baseline(..., extractor=...).",
        )
    if ":" in given.extractor and extractor is None:
        source = config if config is not None else out / CONFIG
        raise InputError(
            f"{source} names the extractor {given.extractor}: that is code, which would be run",
            hint="If you trust it, say so by giving it again: "
            f"{setting('extractor', given.extractor)}.",
        )
    for option, place in (("photos", given.photos), ("monets", given.monets)):
        if not place:
            raise InputError(
                f"no {option} are given",
                hint=f"Give {setting(option)} (a folder, zip, tar or TFRecords).",
            )
    return given, chosen


def _begin(
    out: Path, preset_name: str | None, config: Config | str | Path | None, *, resume: bool
) -> tuple[Inputs, Config]:
    own = out / CONFIG
    if resume and not own.is_file():
        held = f"it holds no {CONFIG}" if out.is_dir() else "there is no such folder"
        raise InputError(
            f"nothing to resume in {out}: {held}",
            hint=f"Leave out {setting('resume')} to begin a run, or give the {setting('out')} of "
            "the one to go on with.",
        )
    if isinstance(config, Config):
        return Inputs(), config
    if config is not None:
        with of_side(setting("config")):
            found = read_run_file(config)
        return found
    if not resume:
        return _of_preset(Inputs(), preset_name or DEFAULT)
    inputs, chosen = read_run_file(own)
    return (inputs, chosen) if preset_name is None else _of_preset(inputs, preset_name)


def _of_preset(inputs: Inputs, name: str) -> tuple[Inputs, Config]:
    return replace(inputs, preset=name), preset(name).config
