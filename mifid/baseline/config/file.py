"""config.toml of a run folder: what a run was given, in a file that explains itself."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

import tomli_w

from mifid.baseline.config.schema import Config
from mifid.baseline.config.settings import describe, from_dict
from mifid.errors import InputError
from mifid.files import atomic_write
from mifid.registry import suggest

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, before Python had it
    import tomli as tomllib

__all__ = ["Inputs", "absolute", "read_run_file", "write_run_file"]

_WIDTH = 100
_BYTES = 1 << 20  # ours have 10 kB; /dev/zero never ends


@dataclass(frozen=True)
class Inputs:
    """The sources of pictures and what scores them, as they were given.

    Attributes:
        photos: folder or archive of photos.
        monets: folder or archive of paintings to learn from.
        held_out: paintings to score against; empty: none.
        extractor: a name, ``package.module:function``, ``"none"`` for no scores, or ``"code"``.
        weights: its weights file; empty: wherever they are found.
        epsilon: memorization distances below it are penalized.
        preset: name of the one that the settings began with; empty: none, or nobody noted it.
    """

    photos: str = ""
    monets: str = ""
    held_out: str = ""
    extractor: str = "inception"
    weights: str = ""
    epsilon: float = 0.1
    preset: str = ""


_INPUTS = {
    "photos": "photos to learn from and to paint over",
    "monets": "paintings to learn from",
    "held_out": "paintings to score against, which training doesn't see; empty: none",
    "extractor": "what snapshots and submission are scored with; none: nothing is scored; "
    "package.module:function is code, which runs only if --extractor names it again; code: a "
    "function that was given in Python, and must be given again",
    "weights": "weights file of the extractor; empty: wherever they are found",
    "epsilon": "memorization distances below it are penalized",
    "preset": "the preset that the settings below began with, for the report alone; empty: none",
}

_PATHS = ("photos", "monets", "held_out", "weights")
_LISTS = ("select_photos", "select_paintings")


def write_run_file(
    path: str | os.PathLike[str], inputs: Inputs, config: Config, *, version: str
) -> None:
    """Write all settings with their meanings. :func:`read_run_file` gives them back.

    Args:
        path: of the file; an earlier one is replaced.
        inputs: where the pictures are.
        config: all settings.
        version: of mifid, that trained with them.

    Raises:
        InputError: a name that no text file can hold.
        OutputError: it cannot be written.
    """
    text = "\n".join(_lines(inputs, config, version)) + "\n"
    try:
        content = text.encode()
    except UnicodeEncodeError as error:  # a file name's bytes that are no UTF-8
        raise InputError(
            f"cannot write {path}: {error.object[error.start : error.end]!r} in a file name is no "
            "text",
            hint="Rename the file or folder so that its name is UTF-8.",
        ) from error
    with atomic_write(path) as file:
        file.write(content)


def absolute(inputs: Inputs, config: Config) -> tuple[Inputs, Config]:
    """Return both with paths that hold in any working directory."""
    sides: dict[str, Any] = {key: _absolute(getattr(inputs, key)) for key in _PATHS}
    lists: dict[str, Any] = {key: _absolute(getattr(config.data, key)) for key in _LISTS}
    return replace(inputs, **sides), replace(config, data=replace(config.data, **lists))


def _absolute(path: str) -> str:
    if not path or "://" in path or "\0" in path:
        return path
    return os.path.abspath(path if os.path.lexists(path) else os.path.expanduser(path))


def read_run_file(path: str | os.PathLike[str]) -> tuple[Inputs, Config]:
    """Read what :func:`write_run_file` wrote, or someone by hand. What is missing has its default.

    Raises:
        InputError: it is not there, no TOML, or holds a setting that is unknown or cannot be so.
    """
    data = _parse(path)
    inputs = data.pop("inputs", {})
    return _read_inputs(inputs, where=str(path)), from_dict(data, where=str(path))


def _lines(inputs: Inputs, config: Config, version: str) -> Iterator[str]:
    yield f"# Everything that this run was given. Written by mifid {version}; repeat the run with"
    yield "#     mifid train-baseline --config config.toml --out another-run/"
    yield "# Relative paths, if you write any here, count from the folder that it is started in."
    yield ""
    yield "[inputs]"
    for field in fields(Inputs):
        yield from _assignment(field.name, getattr(inputs, field.name), _INPUTS[field.name])
    for section, settings in groupby(describe(config), key=lambda setting: setting.section):
        yield ""
        yield f"[{section}]"
        for setting in settings:
            meaning = f"{setting.meaning} ({setting.expected})"
            yield from _assignment(setting.key, setting.value, meaning)


def _assignment(key: str, value: object, meaning: str) -> Iterator[str]:
    yield from textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="#   ")
    if isinstance(value, tuple):
        yield f"{key} = [{', '.join(repr(float(number)) for number in value)}]"
    else:
        yield tomli_w.dumps({key: value}).rstrip("\n")


def _parse(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(_BYTES + 1)
        if len(content) > _BYTES:
            raise InputError(
                f"{path} is longer than {_BYTES:,} bytes",
                hint="Expected the config.toml of a run folder.",
            )
        return tomllib.loads(content.decode())
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}",
            hint="Expected the config.toml of a run folder.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a TOML file: {error}",
            hint="Expected lines such as cycle = 10.0 below [loss]; text stands in quotes.",
        ) from error


def _read_inputs(data: object, *, where: str) -> Inputs:
    if not isinstance(data, Mapping):
        raise InputError(
            f"{where}: 'inputs' must be a table, got {data!r}", hint="Start it with [inputs]."
        )
    for key, value in data.items():
        if key not in _INPUTS:
            raise InputError(
                f"{where}: there is no setting 'inputs.{key}'", hint=suggest(key, _INPUTS)
            )
        wanted = float if key == "epsilon" else str
        if not isinstance(value, wanted):
            raise InputError(
                f"{where}: inputs.{key} must be {'a number' if wanted is float else 'text'}; "
                f"got {value!r}",
                hint=f"It means: {_INPUTS[key]}.",
            )
    return Inputs(**data)
