"""The sides of a score, kept so that pictures, plots and pages can be made of them later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mifid.errors import MifidError, UnavailableError, first_line
from mifid.evidence.album import Album
from mifid.evidence.pictures import PictureTable, picture_table
from mifid.evidence.training_pictures import TrainingTable, training_table
from mifid.images import Source, open_images
from mifid.images.ranges import SideRanges, range_of
from mifid.statistics import formats
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

__all__ = ["Evidence"]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Evidence:
    """The sides' features, and what reopens their pictures.

    Attributes:
        sides: ``"generated"``, ``"reference"`` and, if given, ``"memorization_reference"`` and
            ``"held_out"``: features or statistics.
        given: the same labels -> what the user handed in.
        epsilon: the threshold of the memorization distance.
        value_range: of floating-point pixels: of all sides, or by label.
        asked: the settings of the score, by the names of its arguments.
    """

    sides: Mapping[str, Features | Statistics]
    given: Mapping[str, Any] = field(default_factory=dict)
    epsilon: float = 0.1
    value_range: SideRanges | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def training_label(self) -> str:
        """Which side was trained on: the reference, unless another was given."""
        return "memorization_reference" if "memorization_reference" in self.sides else "reference"

    def features(self, label: str) -> Features:
        """Return a side's features.

        Raises:
            UnavailableError: there are only its statistics, or it was not given.
        """
        side = self.sides.get(label)
        if side is None:
            raise UnavailableError(f"no {_words(label)} pictures were given")
        if isinstance(side, Statistics):
            raise UnavailableError(
                f"the {_words(label)} side is mean and covariance only; single pictures are "
                "not in it",
                hint="Give the pictures, or a file of features.",
            )
        return side

    @cached_property
    def pictures(self) -> PictureTable:
        """Generated pictures one by one."""
        reference = self.sides["reference"]
        return picture_table(
            generated=self.features("generated"),
            training=self.features(self.training_label),
            reference=reference if isinstance(reference, Features) else None,
            epsilon=self.epsilon,
        )

    @cached_property
    def training_pictures(self) -> TrainingTable:
        """Training pictures one by one."""
        return training_table(
            generated=self.features("generated"),
            training=self.features(self.training_label),
            epsilon=self.epsilon,
        )

    @contextmanager
    def open(self, label: str) -> Iterator[Source]:
        """Open a side's pictures again.

        Raises:
            UnavailableError: features alone were given, or the pictures are gone.
        """
        given = self.given.get(label)
        paths = (str, os.PathLike)
        if isinstance(given, Features | Statistics) or (
            isinstance(given, paths) and formats.holds_statistics(given)
        ):
            raise UnavailableError(
                f"the {_words(label)} side is features alone: its pictures cannot be shown"
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
            raise UnavailableError(f"the {_words(label)} pictures were a stream, which has passed")
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


def _words(label: str) -> str:
    return label.replace("_", " ")
