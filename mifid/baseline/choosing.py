"""Choice of one configuration and its pictures from preset, file and options."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifid.baseline.config import (
    Config,
    Inputs,
    assigned,
    changed,
    describe,
    differences,
    override,
    read_run_file,
    shown,
)
from mifid.baseline.presets import DEFAULT, preset
from mifid.baseline.rules import check, idle
from mifid.baseline.run import CONFIG
from mifid.errors import InputError, setting, warn
from mifid.inputs import of_side
from mifid.machine import __version__

if TYPE_CHECKING:
    from mifid.baseline.distributed import Processes
    from mifid.baseline.run import InitialWeights

__all__ = [
    "CODE",
    "NO_SCORES",
    "Init",
    "choose_config",
    "choose_initial_weights",
    "refuse_other_settings",
]

Init = str | Path | Mapping[str, str | Path] | Iterable[str | Path]
"""Files of initial weights: of all, by the network's name, or as ``"painter=FILE"``."""

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
    init: Init | None = None,
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
            extractor that only a file names; initial weights for a run that goes on, or none for
            a preset that needs them.
    """
    _check_paths(photos=photos, monets=monets, held_out=held_out)
    started = _initial(init, resume=resume)
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
        init=inputs.init,
        init_painter=inputs.init_painter,
        init_photographer=inputs.init_photographer,
        preset=inputs.preset,
    )
    if started is not None:
        given = replace(given, **started)
    if not resume and config is None:
        _refuse_random(given)
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


def _initial(init: Init | None, *, resume: bool) -> dict[str, Any] | None:
    """Return the inputs that name initial weights; None: none are given.

    Raises:
        InputError: the run goes on; one network is given twice; no name of a network.
    """
    from mifid.baseline.run import SIDES

    if init is None:
        return None
    if isinstance(init, Mapping):
        pairs = [(str(side), str(path)) for side, path in init.items()]
    else:
        listed = [init] if isinstance(init, str | Path) else list(init)
        pairs = [_by_side(str(each), SIDES) for each in listed]
    if not pairs:
        return None
    if resume:
        raise InputError(
            f"{setting('init')} is given, but the run goes on with its own weights",
            hint=f"Leave out {setting('init')}; or leave out {setting('resume')} and give another "
            f"{setting('out')}, to begin a run with these weights.",
        )
    found = {"init": "", **{f"init_{side}": "" for side in SIDES}}
    for side, path in pairs:
        if not path.strip():
            whose = f" for the {side}" if side else ""
            raise InputError(
                f"{setting('init')} has no file{whose}: its path is empty",
                hint="Is a shell variable unset?",
            )
        key = f"init_{side}" if side else "init"
        if key not in found:
            raise InputError(
                f"{setting('init')} names the network '{side}'; expected "
                f"{' or '.join(SIDES)}, or none for a file of the painter or a whole run",
            )
        if found[key]:
            raise InputError(
                f"{setting('init')} gives the {side or 'same networks'} twice: {found[key]} and "
                f"{path}",
                hint="Give each once; name the network of a file: "
                f"{setting('init', 'photographer=FILE')}.",
            )
        found[key] = path
    return found


def _by_side(text: str, sides: Collection[str]) -> tuple[str, str]:
    """Split ``side=path``; the path of a file that exists may have an equals sign, too."""
    side, equals, path = text.partition("=")
    is_side = side in sides or (side.isidentifier() and not os.path.exists(text))
    return (side, path) if equals and is_side else ("", text)


def _refuse_random(inputs: Inputs) -> None:
    """Refuse a preset that begins with trained weights without them."""
    needs = preset(inputs.preset).init if inputs.preset else ""
    if needs and not (inputs.init or inputs.init_painter or inputs.init_photographer):
        raise InputError(
            f"the preset {inputs.preset} begins with {needs}: {setting('init')} is not given",
            hint=f"Give {setting('init', 'painter=FILE')}: the folder of another run, its "
            "best.safetensors, or latest_net_G_B.pth of the CycleGAN repository.",
        )


def choose_initial_weights(
    inputs: Inputs, config: Config, *, fixed: Iterable[str], all_fixed: bool
) -> tuple[InitialWeights | None, Config]:
    """Return initial weights, and the settings with the architecture that they have.

    Settings that the user has given himself stay. The weights must then fit.

    Args:
        inputs: of the run.
        config: all settings.
        fixed: changes that the user has given, as for :func:`choose_config`.
        all_fixed: whether he has given all settings, in a file.

    Raises:
        WeightsError: a file cannot be used, or does not fit.
        InputError: files for the same network, or of different architectures.
    """
    from mifid.baseline.run import read_initial_weights

    found = read_initial_weights(inputs, config)
    if found is None:
        return None, config
    settings = _united(found, config)
    own = {s.name for s in describe(config)} if all_fixed else set(map(assigned, fixed))
    where = setting("init")
    adopted = changed(config, {k: v for k, v in settings.items() if k not in own}, where=where)
    taken = _differences(config, adopted)
    left = _differences(adopted, fitting := changed(adopted, settings, where=where))
    advice = [f"{s.name}={shown(s.value)}" for s in describe(fitting) if s.name in settings]
    kept = [change.partition(":")[0] for change in left]
    wanted = [each for each in advice if each.partition("=")[0] in kept]
    found.check(adopted, hint=f"Settings that would fit: {' '.join(wanted or advice)}.")
    if taken:
        warn(f"settings follow the weights of {where}: {'; '.join(taken)}")
    if left:
        warn(f"settings differ from those of the weights of {where}, and stay: {'; '.join(left)}")
    check(adopted, anyway=True)  # lengths and rates are checked, and stay
    return found, adopted


def refuse_other_settings(
    config: Config, initial: InitialWeights | None, processes: Processes, *, resume: bool
) -> None:
    """Refuse settings and first weights that are not the same on all processes.

    Each machine is given its own command, and its own files. Paths may differ, and the contents of
    the pictures are compared when they are decoded.

    Raises:
        InputError: some differ from those of the first process.
    """
    of_run = replace(config, data=replace(config.data, select_photos="", select_paintings=""))
    values = {each.name: repr(each.value).encode() for each in describe(of_run)}
    values[setting("init")] = initial.digest if initial is not None else b""
    values[setting("resume")] = repr(resume).encode()
    version = {"the version of mifid": __version__.encode()}  # versions may differ in settings
    for named in (version, values):
        _refuse_other(named, processes)


def _refuse_other(values: Mapping[str, bytes], processes: Processes) -> None:
    rows = processes.of_all([zlib.crc32(value) for value in values.values()])
    with processes.together():  # all know it, so the first one reports it
        for rank, row in enumerate(rows):
            if other := [n for n, a, b in zip(values, row, rows[0], strict=True) if a != b]:
                raise InputError(
                    f"process {rank} was started with other settings than process 0: "
                    f"{', '.join(other)}",
                    hint="Give the same options on each machine; only paths may differ.",
                )


def _united(found: InitialWeights, config: Config) -> dict[str, Any]:
    """Return the settings of all files, without those that have no effect.

    Raises:
        InputError: two files say different things of one setting.
    """
    united: dict[str, Any] = {}
    said_by: dict[str, str] = {}
    for name, settings in found.settings.items():
        without_effect = idle(changed(config, settings, where=setting("init")))
        for key in settings.keys() - without_effect:
            if united.setdefault(key, settings[key]) != settings[key]:
                raise InputError(
                    f"{setting('init')}: {key} is {shown(united[key])} for the {said_by[key]}, but "
                    f"{shown(settings[key])} for the {name}",
                    hint="Both generators have one architecture: give files of the same, or only "
                    "one file; the other network then begins with random weights.",
                )
            said_by.setdefault(key, name)
    return united


def _differences(before: Config, after: Config) -> list[str]:
    """Return what differs of the settings that have an effect."""
    without_effect = idle(after)
    return [
        each for each in differences(before, after) if each.partition(":")[0] not in without_effect
    ]


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
