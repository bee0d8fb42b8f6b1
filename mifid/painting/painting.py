"""paint(): a painting of one photo."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from mifid.baseline.generation import LoadedGenerator
from mifid.errors import InputError, setting, warn
from mifid.extractors import choose_device, isolated
from mifid.images import Pixels, ValueRange
from mifid.painting.collection import open_painter
from mifid.painting.photo_painter import PhotoPainter
from mifid.painting.photograph import photograph
from mifid.painting.strength import check_strength, paint_variants, variants_of
from mifid.progress import Progress, choose

__all__ = ["check_painting", "paint", "sized", "small_strokes"]

MAX_SIDE = 8192
"""Of a painting whose size is given."""

_SMALL = 3


@isolated()
def paint(
    image: Any,
    *,
    painter: str | os.PathLike[str] | LoadedGenerator | None = None,
    which: str | None = None,
    strength: float = 1.0,
    variant: int = 1,
    size: int | None = None,
    dropout: bool | None = None,
    seed: int = 0,
    value_range: ValueRange | None = None,
    device: str = "auto",
    progress: Progress | bool | None = None,
) -> Image.Image:
    """Paint one photo of any size; return a painting of the photo's aspect.

    The photo is turned upright first, as its EXIF says. The painting has no EXIF; an ICC profile
    of RGB is in its ``info``.

    Args:
        image: a path, a PIL image, an encoded file as bytes, an array (H, W, 3) uint8 or float, or
            a tensor (3, H, W).
        painter: a name of ``mifid painters``, a file of weights, a run's folder, or what
            :func:`mifid.painting.open_painter` returns, which is quicker for several photos;
            None: the one that comes with mifid.
        which: ``"raw"`` or ``"ema"`` weights; None: the best.
        strength: 0 is the photo, 1 the painting, up to 1.5 beyond it: photo + strength x (painting
            - photo).
        variant: 1, 2, ...: with other random numbers, if the painter has noise or dropout; else
            mirrored, and at other strengths, up to 8.
        size: pixels of the painting's shorter side; None: the photo's own. The smaller it is, the
            larger are brush strokes in the picture, as they have a size in pixels.
        dropout: whether the painter's dropout stays on; None: as its setting says.
        seed: of the noise and of dropout.
        value_range: the values of black and white in floats, such as (0, 1) or (-1, 1); None:
            what the values and the type of the input say.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        progress: where progress is reported.

    Returns:
        Image.Image: RGB.

    Raises:
        InputError: a photo that cannot be used, a setting out of its range, no such painter, or
            none at hand.
        WeightsError: the painter's file cannot be used.
        MifidError: the network paints NaN, or there is too little memory.
    """
    check_painting(strength=strength, size=size)
    given = photograph(image, value_range=value_range)
    for note in given.notes:
        warn(f"the photo: {note}", stacklevel=3)
    chosen = choose_device(device)
    generator = open_painter(painter, which=which, device=chosen)
    for note in generator.notes:
        warn(note, stacklevel=3)
    artist = PhotoPainter(generator, device=chosen, dropout=dropout)
    variants = variants_of(
        is_random=artist.is_random, count=variant, strength=strength, seed=seed, given_as="variant"
    )
    photo = sized(given.pixels, size)
    made = next(paint_variants(photo, artist, variants[-1:], progress=choose(progress)))
    painting = Image.fromarray(made)
    if given.profile:
        painting.info["icc_profile"] = given.profile
    return painting


def check_painting(*, strength: float, size: int | None) -> None:
    """Raise InputError for a value out of its range."""
    check_strength(strength)
    if size is not None and not 1 <= size <= MAX_SIDE:
        raise InputError(
            f"{setting('size')} is {size}; expected 1 to {MAX_SIDE:,} pixels of the shorter side"
        )


def sized(photo: Pixels, size: int | None) -> Pixels:
    """Return a photo whose shorter side has ``size`` pixels, of the same aspect; None: as it is.

    Raises:
        InputError: its longer side would be too long.
    """
    height, width = photo.shape[:2]
    if size is None or min(height, width) == size:
        return photo
    scale = size / min(height, width)
    to = max(1, round(width * scale)), max(1, round(height * scale))
    if max(to) > 4 * MAX_SIDE or to[0] * to[1] > MAX_SIDE**2:
        raise InputError(
            f"{setting('size')} is {size}: a photo of {width} x {height} would become {to[0]} x "
            f"{to[1]} pixels, which is too large",
            hint=f"Give a smaller {setting('size')}.",
        )
    return np.asarray(Image.fromarray(photo).resize(to, Image.Resampling.LANCZOS))


def small_strokes(photo: Pixels, generator: LoadedGenerator) -> str:
    """Return a note if brush strokes will be small in the picture; else an empty text."""
    shorter, trained = min(photo.shape[:2]), generator.config.data.size
    if shorter <= _SMALL * trained:
        return ""
    return (
        f"the painter learned from pictures of {trained} pixels a side, so its strokes are small "
        f"in a photo of {shorter:,}; {setting('size', 2 * trained)} paints them larger"
    )
