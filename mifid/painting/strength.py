"""Variants of a painting, and its strength."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mifid.baseline.generation import seed_of
from mifid.errors import InputError, setting
from mifid.images import Pixels
from mifid.painting.photo_painter import PhotoPainter
from mifid.progress import Progress

__all__ = ["MAX_STRENGTH", "Variant", "blended", "check_strength", "paint_variants", "variants_of"]

MAX_STRENGTH = 1.5

_STRENGTHS = (1.0, 0.75, 1.25, 0.5)
_ROWS = 256


@dataclass(frozen=True)
class Variant:
    """One way to paint a photo.

    Attributes:
        number: 1, 2, ...
        seed: of the noise and of dropout.
        mirrored: whether the photo is painted mirrored, and the painting mirrored back.
        strength: 0 is the photo, 1 the painting, more than 1 lies beyond it.
    """

    number: int
    seed: int
    mirrored: bool
    strength: float

    @property
    def words(self) -> str:
        """What is different from the first one."""
        parts = [f"strength {self.strength:g}"]
        return ", ".join(["mirrored", *parts] if self.mirrored else parts)


def check_strength(strength: float) -> None:
    """Raise InputError for a strength out of its range, or that is no number."""
    is_number = isinstance(strength, int | float)
    if not is_number or not 0 <= strength <= MAX_STRENGTH:
        raise InputError(
            f"{setting('strength')} is {strength if is_number else repr(strength)}; expected 0 "
            f"(the photo) to {MAX_STRENGTH:g} (1 is the painting)"
        )


def variants_of(
    *, is_random: bool, count: int, strength: float, seed: int, given_as: str = "variants"
) -> tuple[Variant, ...]:
    """Return variants 1 to ``count``.

    A painter with noise or dropout is given other random numbers. Of any other, the variants are
    painted mirrored or not, at 1, 0.75, 1.25 and 0.5 times the strength: 8 in all.

    Args:
        is_random: whether the painter has noise or dropout.
        count: number of variants.
        strength: of the first one.
        seed: of the first one.
        given_as: argument that the number was given as, for messages.

    Raises:
        InputError: there are not so many, or their strength is 0, so that all are the photo.
    """
    if count < 1:
        raise InputError(f"{setting(given_as)} is {count}; expected 1 or more")
    if count > 1 and strength == 0:
        raise InputError(
            f"{setting(given_as, count)} with {setting('strength', 0)}: all would be the photo",
            hint=f"Leave one of them out; {setting('strength')} is at most {MAX_STRENGTH:g}.",
        )
    if is_random:
        return tuple(
            Variant(number, seed_of(number, seed=seed), False, strength)
            for number in range(1, count + 1)
        )
    ways = [(mirrored, factor) for factor in _STRENGTHS for mirrored in (False, True)]
    if count > len(ways):
        raise InputError(
            f"{setting(given_as)} is {count}; expected 1 to {len(ways)}: this painter has no "
            "noise, so its variants are mirrored and of other strengths",
        )
    return tuple(
        Variant(number, seed, mirrored, factor * strength)
        for number, (mirrored, factor) in enumerate(ways[:count], start=1)
    )


def paint_variants(
    photo: Pixels, painter: PhotoPainter, variants: tuple[Variant, ...], *, progress: Progress
) -> Iterator[Pixels]:
    """Yield the paintings (H, W, 3) of a photo; those that differ in strength are painted once."""
    painted: dict[tuple[int, bool], Pixels] = {}
    for variant in variants:
        if variant.strength == 0:
            yield photo
            continue
        key = variant.seed, variant.mirrored
        if key not in painted:
            if painter.is_random:
                painted.clear()  # no other variant has this seed
            given = photo[:, ::-1] if variant.mirrored else photo
            made = painter.paint(given, seed=variant.seed, progress=progress)
            painted[key] = made[:, ::-1] if variant.mirrored else made
        yield blended(photo, painted[key], variant.strength)


def blended(photo: Pixels, painting: Pixels, strength: float) -> Pixels:
    """Return photo + strength (painting - photo), rounded to the nearest level and clipped.

    Args:
        photo, painting: (H, W, 3) uint8.
        strength: 0 gives the photo, 1 the painting.
    """
    if strength == 1:
        return painting
    made = np.empty_like(photo)
    for top in range(0, len(photo), _ROWS):  # floats of a few rows, not of the whole photo
        rows = slice(top, top + _ROWS)
        near = photo[rows].astype(np.float32)
        mixed = near + np.float32(strength) * (painting[rows].astype(np.float32) - near)
        made[rows] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return made
