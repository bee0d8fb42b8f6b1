"""Tables of names: ``name -> "module:object"``, imported when first asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from mifid.errors import InputError

__all__ = ["Registry", "import_object", "suggest"]


def suggest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return ``"Did you mean 'x'?"`` and all the names there are."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    mean = f"Did you mean '{near[0]}'? " if near else ""
    return f"{mean}There are: {', '.join(sorted(known))}."


def import_object(path: str) -> Any:
    """Import ``"package.module:object"``.

    Raises:
        InputError: the module or the object does not exist, or importing it fails; the message
            says which.
    """
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module can raise anything
        what = "" if isinstance(error, ModuleNotFoundError) else f"{type(error).__name__}: "
        raise InputError(
            f"cannot import '{module_name}' (from '{path}'): {what}{error}",
            hint="Give package.module:object, importable from here (is the folder on PYTHONPATH?).",
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(
            f"module '{module_name}' has no '{attribute}'", hint=suggest(attribute, public)
        ) from error


class Registry(Mapping[str, Any]):
    """An immutable table of ``name -> object``, imported on first use.

    To add an entry: one new file, and one line in the table.
    """

    def __init__(self, kind: str, paths: Mapping[str, str]) -> None:
        self.kind = kind
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> Any:
        if name not in self._paths:
            raise InputError(f"unknown {self.kind} '{name}'", hint=suggest(name, self._paths))
        return import_object(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
