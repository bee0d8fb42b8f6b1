"""Evidence of a score: the features of its sides, and access to their pictures."""

from __future__ import annotations

import math
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from mifid.errors import MifidError, UnavailableError, first_line, setting
from mifid.evidence.tables import PictureTable, TrainingTable, picture_table, training_table
from mifid.images import (
    Decoded,
    Pixels,
    SideRanges,
    Source,
    decode,
    ending_of_arrays,
    open_images,
    range_of,
)
from mifid.statistics import Features, FeatureStore, Statistics, formats
from mifid.uncertainty import SEED

__all__ = [
    "Album",
    "Evidence",
    "Shown",
]

_LARGEST = 256  # pixels a side of the pictures in a page
_MANY_PIXELS = 1 << 20  # of larger pictures the histogram uses every n-th row and column

# Errors that reading a file may raise if it changed after it was scored.
_GONE = (MifidError, OSError, LookupError, ValueError)


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Shown:
    """A picture to show, or why it cannot be shown.

    Attributes:
        name: in its set.
        pixels: (h, w, 3) uint8, at most 256 a side; None if ``missing`` says why.
        missing: empty if there are pixels.
    """

    name: str
    pixels: Pixels | None
    missing: str = ""


class Album:
    """A side's pictures, by the row of their features.

    Args:
        names: one per row.
        read: row -> an encoded picture file, or pixels.
    """

    def __init__(self, names: Sequence[str], read: Callable[[int], bytes | Decoded]) -> None:
        self.names = names
        self._read = read

    @classmethod
    def of(cls, source: Source, names: Sequence[str] | None = None) -> Album:
        """Match an opened source with the rows of its features.

        Args:
            source: the caller closes it.
            names: of the features, in order: the source's without the damaged ones that were left
                out. None: all of them.
        """
        if names is None:
            return cls(source.names, source.read)
        places = _places(source.names, names)

        def read(row: int) -> bytes | Decoded:
            place = places[row]
            if place is None:
                raise UnavailableError(f"'{names[row]}' is no longer in {source.description}")
            return source.read(place)

        return cls(names, read)

    def __len__(self) -> int:
        return len(self.names)

    def show(self, row: int) -> Shown:
        """Return a picture at reduced size, or the reason why it cannot be read any more."""
        name = self.names[row]
        try:
            image = Image.fromarray(self._decoded(row))
        except _GONE as error:
            return Shown(name, None, first_line(error))
        image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
        return Shown(name, np.asarray(image))

    def pixels(self, rows: Sequence[int]) -> list[Pixels]:
        """Return (h, w, 3) uint8 of the pictures that can still be read, for their levels.

        Of a picture with more than a million pixels, only every second, third, … row and column:
        resizing would change its levels.
        """
        found = []
        for row in rows:
            try:
                whole = self._decoded(row)
            except _GONE:
                continue
            step = math.ceil(math.sqrt(whole.shape[0] * whole.shape[1] / _MANY_PIXELS))
            found.append(whole[::step, ::step].copy())
        return found

    def _decoded(self, row: int) -> Pixels:
        content = self._read(row)
        if isinstance(content, bytes):
            content = decode(content, self.names[row])
        return content.pixels


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """Return the position of each wanted name; equal names are matched in order."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, name in enumerate(names):
        places[name].append(place)
    return [places[name].popleft() if places[name] else None for name in wanted]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Evidence:
    """The sides' features, and what is needed to open their pictures again.

    Attributes:
        sides: ``"generated"``, ``"reference"`` and, if given, ``"memorization_reference"`` and
            ``"held_out"``: features or statistics.
        given: the same labels -> what the user gave.
        epsilon: the threshold of the memorization distance; None: there is none.
        value_range: of floating-point pixels: of all sides, or by label.
        asked: the score's settings, by the names of its arguments.
    """

    sides: Mapping[str, Features | Statistics]
    given: Mapping[str, Any] = field(default_factory=dict)
    epsilon: float | None = 0.1
    value_range: SideRanges | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Seed of all random draws."""
        return int(self.asked.get("seed", SEED))

    @property
    def training_label(self) -> str:
        """Label of the side that was trained on: the reference, unless another was given."""
        return "memorization_reference" if "memorization_reference" in self.sides else "reference"

    def features(self, label: str) -> Features:
        """Return a side's features.

        Raises:
            UnavailableError: only its statistics were given, or nothing.
        """
        side = self.sides.get(label)
        if side is None:
            raise UnavailableError(f"no {_words(label)} pictures were given")
        if isinstance(side, Statistics):
            raise UnavailableError(
                f"the {_words(label)} side {side.limits}, without single pictures",
                hint="Give the pictures, or a file of features."
                if side.shards is None
                else f"Hold them, with {setting('ci', 95)} and MiFID; or draw fewer pictures, with "
                f"{setting('limit', 10_000)}.",
            )
        return side

    @cached_property
    def pictures(self) -> PictureTable:
        """Table of the generated pictures."""
        reference = self.sides["reference"]
        return picture_table(
            generated=self.features("generated"),
            training=self.features(self.training_label),
            reference=reference if isinstance(reference, Features) else None,
            epsilon=self.epsilon or 0.0,
        )

    @cached_property
    def training_pictures(self) -> TrainingTable:
        """Table of the training pictures."""
        return training_table(
            generated=self.features("generated"),
            training=self.features(self.training_label),
            epsilon=self.epsilon or 0.0,
        )

    @contextmanager
    def open(self, label: str) -> Iterator[Source]:
        """Open a side's pictures again.

        Raises:
            UnavailableError: only features were given, or the pictures cannot be read any more.
        """
        given = _pictures_of(self.given.get(label), label)
        paths = (str, os.PathLike)
        if isinstance(given, Features | Statistics) or (
            isinstance(given, paths)
            and (formats.holds_statistics(given) or ending_of_arrays(given))
        ):
            raise UnavailableError(
                f"the {_words(label)} side is only features: its pictures cannot be shown"
            )
        if given is None:
            raise UnavailableError(f"no {_words(label)} pictures were given")
        try:
            opened = open_images(given, value_range=range_of(self.value_range, label))
        except MifidError as error:
            raise UnavailableError(
                f"the {_words(label)} pictures cannot be opened again: {first_line(error)}"
            ) from error
        if not isinstance(opened, Source):
            raise UnavailableError(
                f"the {_words(label)} pictures were a stream, which can be read only once"
            )
        with closing(opened):
            yield opened

    @contextmanager
    def album(self, label: str) -> Iterator[Album]:
        """Open a side's pictures by the row of their features.

        Raises:
            UnavailableError: as :meth:`open`.
        """
        with self.open(label) as source:
            yield Album.of(source, self.features(label).names)


def _pictures_of(given: Any, label: str) -> Any:
    """Return what was given, or the path of the pictures that a feature store was made of.

    Raises:
        UnavailableError: the store was not made of a path.
    """
    if isinstance(given, str | os.PathLike) and formats.parts_in(given):
        given = FeatureStore.open(given, incomplete=True)
    if not isinstance(given, FeatureStore):
        return given
    if given.images is None:
        raise UnavailableError(
            f"the {_words(label)} side is a feature store that does not say where its pictures are"
        )
    return given.images


def _words(label: str) -> str:
    return label.replace("_", " ")
