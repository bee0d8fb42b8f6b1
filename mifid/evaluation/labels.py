"""Classes of pictures: by the folders that they lie in, or by a file of labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, setting, warn
from mifid.files import given_path, no_such_file
from mifid.formatting import listed, terminal_safe
from mifid.images import Source
from mifid.inputs import GivenSide
from mifid.statistics import Features

__all__ = ["By", "Grouping", "Sorted"]

By = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]
"""``"folder"``, a .csv file, or one of these for ``"generated"`` and for ``"reference"``."""

Rows = npt.NDArray[np.int64]

_FOLDER = "folder"
_SIDES = ("generated", "reference")
_SHOWN = 5  # names of classes in a message


class Labels(Protocol):
    """Something that knows the classes of pictures, by their names."""

    title: str

    def of(self, names: Sequence[str]) -> list[str | None]:
        """Return the class of each picture; None for one that has no class."""


@dataclass(frozen=True)
class Sorted:
    """Rows of features by class.

    Attributes:
        by: what decided the classes: ``"folder"``, or the file of labels.
        generated: class -> rows of the generated pictures.
        reference: class -> rows of the reference; None: it is not split.
        why_whole: why the reference is not split.
    """

    by: str
    generated: Mapping[str, Rows]
    reference: Mapping[str, Rows] | None
    why_whole: str | None


class Grouping:
    """The classes of both sides.

    ``"folder"`` is for both sides: a picture's class is the name of the folder that holds it, in a
    folder or in an archive. A .csv file is for the generated pictures, and for the reference only
    if it is given for it: the two sides often use the same file names for different pictures.

    Args:
        by: as the user gave it.

    Raises:
        InputError: it is neither ``"folder"`` nor a readable .csv file of names and labels.
    """

    def __init__(self, by: By) -> None:
        given = by if isinstance(by, Mapping) else {"generated": by}
        unknown = sorted(set(given) - set(_SIDES))
        if unknown or "generated" not in given:
            raise InputError(
                f"{setting('by')} is for {listed(map(str, given)) or 'no side'}; expected a class "
                "for generated pictures, and if you like for reference pictures",
                hint="Such as {'generated': 'labels.csv', 'reference': 'folder'}.",
            )
        self._labels = {side: _opened(how) for side, how in given.items()}
        # Folders speak for themselves: the reference is split by them where it has them.
        self._asked = "reference" in self._labels
        if not self._asked and isinstance(self._labels["generated"], _Folders):
            self._labels["reference"] = _Folders()

    def check(self, generated: GivenSide, reference: GivenSide, *, drawn: bool) -> None:
        """Check before any network runs that there is a class for each picture.

        Args:
            generated: the opened side.
            reference: the opened side.
            drawn: only a part of the pictures is opened, so labels of others are in order.

        Raises:
            InputError: pictures without a class, or a side that has no single pictures.
        """
        names = {side.label: _names(side.input) for side in (generated, reference)}
        if names["generated"] is None:
            raise InputError(
                f"the generated side ({generated.description}) has no names of pictures, so it "
                "cannot be split into classes",
                hint=f"Give a folder, an archive or a file of features, or leave out "
                f"{setting('by')}.",
            )
        self._sort(names["generated"], names["reference"])
        if not drawn:
            self._warn_of_unused(names)

    def sort(self, generated: Features, reference: object) -> Sorted:
        """Return which rows of the computed features belong to which class.

        Args:
            generated: features.
            reference: features; anything else is not split.

        Raises:
            InputError: pictures without a class.
        """
        names = _names(generated)
        assert names is not None
        return self._sort(names, _names(reference))

    def _sort(self, generated: Sequence[str], reference: Sequence[str] | None) -> Sorted:
        labels = self._labels["generated"]
        ours = _by_class(_complete(labels, generated, "generated"))
        theirs, why = self._sorted_reference(reference, set(ours))
        return Sorted(labels.title, ours, theirs, why)

    def _sorted_reference(
        self, names: Sequence[str] | None, classes: set[str]
    ) -> tuple[Mapping[str, Rows] | None, str | None]:
        """Return the reference's rows by class, or why it is not split."""
        labels = self._labels.get("reference")
        if labels is None:
            other = setting("by", {"reference": "FILE.csv"})
            return None, f"no classes of the reference were given ({other} gives them)"
        if names is None:
            return self._whole("the reference is mean and covariance only")
        if not self._asked and not any(labels.of(names)):
            return self._whole("no reference picture lies in a folder of a class")
        found = _by_class(_complete(labels, names, "reference"))
        if not classes & set(found):
            return self._whole(
                f"no class is on both sides: {_few(classes)} against {_few(set(found))}"
            )
        return found, None

    def _whole(self, why: str) -> tuple[None, str]:
        if self._asked:
            raise InputError(
                f"{setting('by')}: the reference cannot be split into classes: {why}",
                hint="Without classes of the reference, each class is compared with all of it.",
            )
        return None, why

    def _warn_of_unused(self, names: Mapping[str, Sequence[str] | None]) -> None:
        """Warn of lines of a file that fit no picture of the sides that it is given for."""
        for title in {labels.title for labels in self._labels.values()}:
            sides = [side for side, labels in self._labels.items() if labels.title == title]
            labels = self._labels[sides[0]]
            if isinstance(labels, _File):
                known = {_plain(name) for side in sides for name in names[side] or ()}
                labels.warn_of_unused(known)


class _Folders:
    title = _FOLDER

    def of(self, names: Sequence[str]) -> list[str | None]:
        return [_plain(name).rpartition("/")[0].rpartition("/")[2] or None for name in names]


class _File:
    """Labels of a .csv file: lines of a name and a label, with or without a heading."""

    def __init__(self, path: str) -> None:
        self.title = path
        self._labels = _read(path)

    def of(self, names: Sequence[str]) -> list[str | None]:
        return [self._labels.get(_plain(name)) for name in names]

    @property
    def example(self) -> str:
        """A name that it holds: the last, since the first may be a heading."""
        return list(self._labels)[-1]

    def warn_of_unused(self, known: set[str]) -> None:
        """Warn of names that are not ``known``; the first line may be a heading."""
        unused = [name for name in self._labels if name not in known]
        if unused and unused[0] == next(iter(self._labels)):
            del unused[0]
        if unused:
            warn(
                f"{len(unused):,} of {len(self._labels):,} lines of {self.title} fit no picture "
                f"(first: '{terminal_safe(unused[0])}')"
            )


def _opened(how: object) -> Labels:
    if how == _FOLDER:
        return _Folders()
    if isinstance(how, str | os.PathLike) and os.fspath(how).lower().endswith(".csv"):
        return _File(given_path(how))
    raise InputError(
        f"{setting('by')} is {how!r}; expected 'folder', or a .csv file of names and labels",
        hint="With folder, the class is the name of the folder that a picture lies in.",
    )


def _read(path: str) -> dict[str, str]:
    """Return name -> label."""
    if not os.path.lexists(path):
        raise no_such_file(path)
    if not Path(path).is_file():  # opening a pipe would wait
        raise InputError(f"{path} is not a file; expected a .csv file of names and labels")
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, skipinitialspace=True)
            for cells in lines:
                if cells:
                    _add(found, cells, f"{path}, line {lines.line_num}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} is no table in UTF-8: {error}",
            hint="Expected lines of a file name and a label, separated by a comma.",
        ) from error
    if not found:
        raise InputError(f"{path} is empty; expected lines of a file name and a label")
    return found


def _add(found: dict[str, str], cells: Sequence[str], where: str) -> None:
    if len(cells) != 2 or not all(map(str.strip, cells)):
        filled = sum(bool(cell.strip()) for cell in cells)
        raise InputError(
            f"{where} has {filled} filled of {len(cells)} columns; expected two: file name, label",
            hint="Such as: cats/001.png,cat",
        )
    name, label = _plain(cells[0]), cells[1].strip()
    if found.setdefault(name, label) != label:
        raise InputError(
            f"{where}: the label of '{terminal_safe(name)}' is '{terminal_safe(label)}'; a line "
            f"before says '{terminal_safe(found[name])}'"
        )


def _plain(name: str) -> str:
    """Return a name with slashes, as in folders, whatever made the archive or the file."""
    return name.replace("\\", "/").removeprefix("./")


def _names(side: object) -> Sequence[str] | None:
    """Return the names of a side's pictures; rows of features without names are numbered."""
    if isinstance(side, Source):
        return side.names
    if isinstance(side, Features):
        return side.names or tuple(map(str, range(len(side))))
    return None


def _complete(labels: Labels, names: Sequence[str], side: str) -> list[str]:
    """Return the class of every picture.

    Raises:
        InputError: a picture has none.
    """
    found = labels.of(names)
    without = [name for name, label in zip(names, found, strict=True) if label is None]
    if without:
        raise _unlabelled(labels, without, len(names), side)
    return [label for label in found if label is not None]


def _unlabelled(labels: Labels, without: Sequence[str], of: int, side: str) -> InputError:
    first = terminal_safe(without[0])
    which = f"{len(without):,} of {of:,} {side} pictures"
    if not isinstance(labels, _File):
        return InputError(
            f"{setting('by', _FOLDER)}: {which} lie in no folder of a class (first: '{first}')",
            hint="Sort them into folders, one a class, or give a .csv file of names and labels.",
        )
    example = terminal_safe(labels.example)
    if len(without) == of:
        return InputError(
            f"no label of {labels.title} fits a {side} picture: it names '{example}', the "
            f"pictures are called '{first}'",
            hint="Expected lines of a file name and a label; write the names as they are in the "
            "folder or archive.",
        )
    return InputError(
        f"{which} have no label in {labels.title} (first: '{first}')",
        hint=f"Add a line for each, as the file has for '{example}'.",
    )


def _by_class(labels: Sequence[str]) -> dict[str, Rows]:
    """Return class -> rows, in the order of the classes' names."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return {label: np.array(rows[label], np.int64) for label in sorted(rows)}


def _few(classes: set[str]) -> str:
    shown = [f"'{terminal_safe(label)}'" for label in sorted(classes)[:_SHOWN]]
    more = f" and {len(classes) - _SHOWN:,} more" if len(classes) > _SHOWN else ""
    return ", ".join(shown) + more
