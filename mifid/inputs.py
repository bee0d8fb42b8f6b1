"""What a user may give as a side of the comparison: pictures, features, or statistics."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mifid import formats
from mifid.errors import CompatibilityError, FeatureError
from mifid.extractors.base import Identity
from mifid.featureset import Features
from mifid.images import Source, Stream, open_images
from mifid.statistics import Statistics

__all__ = ["GivenSide", "Input", "open_input", "open_side", "refuse_mixtures"]

Input = Source | Stream | Features | Statistics


@dataclass(frozen=True)
class GivenSide:
    """One opened side: ``label`` is ``"generated"``, ``"reference"`` or the like."""

    label: str
    description: str
    input: Input

    @property
    def title(self) -> str:
        """The label in words."""
        return self.label.replace("_", " ")

    def content_hash(self) -> str | None:
        """SHA-256 of features, or of mean and covariance; None: pictures have digests."""
        if isinstance(self.input, Source | Stream):
            return None
        if isinstance(self.input, Features):
            return self.input.sha256
        moments = np.concatenate([self.input.mu, self.input.sigma.ravel()])
        return hashlib.sha256(moments.tobytes()).hexdigest()

    def close(self) -> None:
        """Close files."""
        if isinstance(self.input, Source | Stream):
            self.input.close()


def open_input(given: Any, *, value_range: tuple[float, float] | None = None) -> Input:
    """Open anything that scoring accepts; see :func:`mifid.images.open_images` for pictures.

    Raises:
        InputError: it cannot be used, and why.
    """
    if isinstance(given, Features | Statistics):
        return given
    if isinstance(given, str | os.PathLike) and formats.holds_statistics(given):
        contents = formats.read(given)
        if contents.features is not None:
            return Features.from_contents(contents)
        return Statistics.from_contents(contents)
    return open_images(given, value_range=value_range)


def open_side(
    label: str, given: Any, *, value_range: tuple[float, float] | None = None
) -> GivenSide:
    """Open a side, and refuse a single picture before any work is done.

    Raises:
        InputError: it cannot be used, and why.
        FeatureError: one picture, which has no covariance.
    """
    opened = open_input(given, value_range=value_range)
    if isinstance(opened, Source | Stream):
        description = opened.description
    else:
        what = "features" if isinstance(opened, Features) else "mean and covariance"
        description = what + (f" in {given}" if isinstance(given, str | os.PathLike) else "")
    side = GivenSide(label, description, opened)
    if not isinstance(opened, Stream | Statistics) and len(opened) < 2:
        side.close()
        raise FeatureError(
            f"{side.title}: {description} holds one picture; a covariance needs two",
            hint="FID compares sets; a single picture has no distribution.",
        )
    return side


def refuse_mixtures(sides: Iterable[GivenSide], identity: Identity | None) -> None:
    """Features of different extractors must not meet.

    Args:
        sides: all sides of a comparison.
        identity: of the extractor that turns pictures into features.

    Raises:
        CompatibilityError: naming both extractors.
    """
    made_by: dict[str, tuple[GivenSide, str]] = {}
    for side in sides:
        if isinstance(side.input, Source | Stream):
            assert identity is not None
            name, fingerprint = identity.name, identity.fingerprint
        else:
            name = side.input.provenance.extractor
            fingerprint = side.input.provenance.fingerprint
        if fingerprint is not None:
            made_by.setdefault(fingerprint, (side, name))
    if len(made_by) > 1:
        (one, name), (other, other_name) = list(made_by.values())[:2]
        same = " with other weights" if name == other_name else ""
        raise CompatibilityError(
            f"the {one.title} was made with extractor '{name}', "
            f"the {other.title} with '{other_name}'{same}",
            hint=f"Use --extractor {name} for both, or make the {one.title} anew: "
            f"mifid reference build --extractor {other_name}",
        )
