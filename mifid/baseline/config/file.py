"""config.toml of a run folder: all that a run was given, each setting below its meaning."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby
from typing import Any

import tomli_w

from mifid.baseline.config.schema import Config, Inputs
from mifid.baseline.config.settings import describe, describe_section, from_dict
from mifid.errors import InputError
from mifid.files import atomic_write
from mifid.registry import suggest

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, before Python had it
    import tomli as tomllib

__all__ = ["absolute", "read_run_file", "write_run_file"]

_WIDTH = 100
_BYTES = 1 << 20  # ours have 10 kB; /dev/zero never ends


_PATHS = (
    *("photos", "monets", "held_out", "weights"),
    *("init", "init_painter", "init_photographer"),
)
_LISTS = ("select_photos", "select_paintings")


def write_run_file(
    path: str | os.PathLike[str], inputs: Inputs, config: Config, *, version: str
) -> None:
    """Write all settings with their meanings. :func:`read_run_file` reads them.

    Args:
        path: of the file; an earlier one is replaced.
        inputs: where the pictures are, and what scores them.
        config: all settings.
        version: of the mifid that trained with them.

    Raises:
        InputError: a file name that is not UTF-8.
        OutputError: the file cannot be written.
    """
    text = "\n".join(_lines(inputs, config, version)) + "\n"
    try:
        content = text.encode()
    except UnicodeEncodeError as error:  # a file name's bytes that are no UTF-8
        raise InputError(
            f"cannot write {path}: {error.object[error.start : error.end]!r} in a file name is not "
            "UTF-8",
            hint="Rename the file or folder so that its name is UTF-8 text.",
        ) from error
    with atomic_write(path) as file:
        file.write(content)


def absolute(inputs: Inputs, config: Config) -> tuple[Inputs, Config]:
    """Return both with absolute paths, which hold in any working directory."""
    sides: dict[str, Any] = {key: _absolute(getattr(inputs, key)) for key in _PATHS}
    lists: dict[str, Any] = {key: _absolute(getattr(config.data, key)) for key in _LISTS}
    return replace(inputs, **sides), replace(config, data=replace(config.data, **lists))


def _absolute(path: str) -> str:
    if not path or "://" in path or "\0" in path:
        return path
    return os.path.abspath(path if os.path.lexists(path) else os.path.expanduser(path))


def read_run_file(path: str | os.PathLike[str]) -> tuple[Inputs, Config]:
    """Read a file of :func:`write_run_file`, or one by hand. What is missing has its default.

    Raises:
        InputError: the file is missing, is not TOML, or holds a setting that is unknown or has a
            value that it cannot have.
    """
    data = _parse(path)
    inputs = data.pop("inputs", {})
    return _read_inputs(inputs, where=str(path)), from_dict(data, where=str(path))


def _lines(inputs: Inputs, config: Config, version: str) -> Iterator[str]:
    yield f"# All that this run was given. Written by mifid {version}; repeat the run with"
    yield "#     mifid train-baseline --config config.toml --out another-run/"
    yield "# Relative paths count from the folder in which that command is started."
    everything = chain(describe_section("inputs", inputs), describe(config))
    for section, settings in groupby(everything, key=lambda setting: setting.section):
        yield ""
        yield f"[{section}]"
        for setting in settings:
            meaning = f"{setting.meaning} ({setting.expected})"
            yield from textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="#   ")
            yield _assignment(setting.key, setting.value)


def _assignment(key: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"{key} = [{', '.join(repr(float(number)) for number in value)}]"
    return tomli_w.dumps({key: value}).rstrip("\n")


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
            hint="Expected lines such as cycle = 10.0 below [loss]; write text in quotes.",
        ) from error


def _read_inputs(data: object, *, where: str) -> Inputs:
    if not isinstance(data, Mapping):
        raise InputError(
            f"{where}: 'inputs' must be a table, got {data!r}",
            hint="Put its settings below a line that says [inputs].",
        )
    own = {setting.key: setting for setting in describe_section("inputs", Inputs())}
    for key in data:
        if key not in own:
            raise InputError(f"{where}: there is no setting 'inputs.{key}'", hint=suggest(key, own))
    return Inputs(**{key: own[key].checked(value, where=where) for key, value in data.items()})
