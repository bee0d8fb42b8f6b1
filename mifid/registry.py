"""Tables of names, ``name -> "module:object"``, imported on first use; suggestions for typos."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mifid.errors import InputError
from mifid.formatting import listed

__all__ = [
    "Aliases",
    "Registry",
    "did_you_mean",
    "fold",
    "import_object",
    "lazy_names",
    "meant",
    "suggest",
]


Aliases = Mapping[str, str | tuple[str, ...]]
"""Other name of a thing -> its name, or names, here."""

_NONE: Aliases = MappingProxyType({})

_SHORTEST_BEGINNING = 3


def suggest(name: str, known: Mapping[str, Any] | list[str], *, aliases: Aliases = _NONE) -> str:
    """Return ``"Did you mean 'x'?"`` and all known names.

    >>> suggest("lr", ["rate", "decay"], aliases={"lr": "rate"})
    "Did you mean 'rate'? There are: decay, rate."

    Args:
        name: that was given.
        known: the valid names.
        aliases: see :func:`meant`.
    """
    return (
        f"{did_you_mean(meant(name, known, aliases=aliases))}There are: {', '.join(sorted(known))}."
    )


def did_you_mean(names: Sequence[str]) -> str:
    """Return the question with a space at its end; empty without names.

    >>> did_you_mean(["a", "b", "c"])
    "Did you mean 'a', 'b' or 'c'? "
    """
    quoted = [f"'{name}'" for name in names]
    return f"Did you mean {listed(quoted, 'or')}? " if names else ""


def meant(
    name: str, known: Mapping[str, Any] | list[str], *, aliases: Aliases = _NONE
) -> list[str]:
    """Return the names that ``name`` probably means.

    First an alias; then a name that differs only in case and punctuation; then all names with this
    beginning; last the name with the most similar spelling. Case and punctuation do not matter.

    Args:
        name: that was given.
        known: the valid names.
        aliases: other names: ``{"learning_rate": "rate"}``. Their values need not be in ``known``;
            they may be options, for example.
    """
    folded = fold(name)
    for other, names in aliases.items():
        if folded and fold(other) == folded:
            return [names] if isinstance(names, str) else list(names)
    same = [each for each in known if fold(each) == folded]
    if same:
        return same[:1]
    begin = [each for each in known if fold(each).startswith(folded)]
    if begin and len(folded) >= _SHORTEST_BEGINNING:
        return sorted(begin)
    spelt = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=0.6)
    return [spelt[each] for each in near]


def fold(name: str) -> str:
    """Return a name in lower case, without hyphens, underscores, dots and spaces.

    >>> fold("Learning_Rate") == fold("learning-rate")
    True
    """
    return re.sub(r"[\W_]", "", name).lower()


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
            hint="Expected package.module:object that can be imported from here; its folder may "
            "have to be on PYTHONPATH.",
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(
            f"module '{module_name}' has no '{attribute}'", hint=suggest(attribute, public)
        ) from error


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports its names on first use.

    >>> __getattr__, __dir__ = lazy_names("mifid.statistics", {"statistics": ["Statistics"]})
    >>> __getattr__("Statistics")
    <class 'mifid.statistics.statistics.Statistics'>

    Args:
        package: its ``__name__``.
        homes: submodule -> names in it that the package exports.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)  # so that the next access is direct
        return value

    return get, lambda: sorted(home)


class Registry(Mapping[str, Any]):
    """An immutable table of ``name -> object``, imported on first use.

    A new entry needs one new file, and one line in the table.

    Args:
        kind: of the objects, for messages.
        paths: name -> ``"module:object"``.
        aliases: other names of the objects, only for suggestions.
    """

    def __init__(self, kind: str, paths: Mapping[str, str], *, aliases: Aliases = _NONE) -> None:
        self.kind = kind
        self.aliases = dict(aliases)
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> Any:
        if name not in self._paths:
            raise InputError(
                f"unknown {self.kind} '{name}'",
                hint=suggest(name, self._paths, aliases=self.aliases),
            )
        return import_object(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
