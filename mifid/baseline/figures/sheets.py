"""Sheets of a run's pictures: samples beside their photos, and augmented variants."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from mifid.baseline.data import Feed, to_pixels
from mifid.errors import InputError
from mifid.files import atomic_write, check_output
from mifid.images import Pixels
from mifid.submission import encode_picture

__all__ = [
    "augmented_sheet",
    "heat_map",
    "sample_grid",
    "save_picture",
    "sheet",
    "write_augmented",
]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)
_MIN_CELL = 96  # px; smaller pictures are enlarged, so that they can be seen and labels fit
_MAX_FONT = 20  # px
_SMOOTH = Image.Resampling.BILINEAR

Floats = npt.NDArray[np.floating[Any]]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def sheet(
    rows: Sequence[Sequence[Pixels]],
    *,
    labels: Sequence[str] = (),
    gap: int = 4,
    max_side: int = 4096,
) -> Pixels:
    """Arrange pictures in rows on white.

    All cells are as large as the largest picture; a smaller one is in the middle of its cell.
    Pictures of fewer than 96 pixels are enlarged by a whole factor, so that each pixel is visible.

    Args:
        rows: pictures (h, w, 3) uint8, of any sizes; rows may have different lengths.
        labels: one for each column, written above it; shortened if they do not fit.
        gap: pixels between pictures and around them.
        max_side: a larger sheet is scaled down to this many pixels on its longer side.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: there are no pictures, or one is not (h, w, 3) uint8.
    """
    pictures = [picture for row in rows for picture in row]
    _check(pictures)
    cell_height = max(len(picture) for picture in pictures)
    cell_width = max(picture.shape[1] for picture in pictures)
    columns = max(len(row) for row in rows)
    factor = float(math.ceil(_MIN_CELL / max(cell_height, cell_width)))
    # Scaled cell by cell, not as a whole: the labels stay readable and the gaps stay sharp.
    head = _MAX_FONT * 3 // 2 + gap if labels else 0
    factor = min(
        factor,
        ((max_side - gap) / columns - gap) / cell_width,
        ((max_side - gap - head) / len(rows) - gap) / cell_height,
    )
    width, height = max(1, int(cell_width * factor)), max(1, int(cell_height * factor))
    font = _font(max(10, min(_MAX_FONT, width // 8)))
    head = _line_height(font) + gap if labels else 0
    canvas = Image.new(
        "RGB", (gap + columns * (width + gap), head + gap + len(rows) * (height + gap)), _PAPER
    )
    for i, row in enumerate(rows):
        for j, pixels in enumerate(row):
            picture = _scaled(pixels, factor)
            left = gap + j * (width + gap) + (width - picture.width) // 2
            top = head + gap + i * (height + gap) + (height - picture.height) // 2
            canvas.paste(picture, (left, top))
    draw = ImageDraw.Draw(canvas)
    for j, label in enumerate(labels[:columns]):
        middle = gap + j * (width + gap) + width // 2
        text = _shortened(label, font, width)
        left_edge, _, right_edge, _ = font.getbbox(text)
        draw.text((middle - (right_edge - left_edge) // 2, gap), text, fill=_INK, font=font)
    return np.array(canvas)


def sample_grid(columns: Mapping[str, Pixels]) -> Pixels:
    """Return a sheet of samples, one row for each photo; a single column is arranged in a square.

    Args:
        columns: label -> (N, H, W, 3) uint8, from left to right.

    Raises:
        InputError: no pictures, or different numbers of them.
    """
    if len(columns) == 1:
        (pictures,) = columns.values()
        side = max(1, math.ceil(math.sqrt(len(pictures))))
        return sheet([list(pictures[i : i + side]) for i in range(0, len(pictures), side)])
    if len({len(pictures) for pictures in columns.values()}) > 1:
        counts = ", ".join(f"{len(pictures)} x {label}" for label, pictures in columns.items())
        raise InputError(
            f"a sample grid needs one picture of each kind in each row; got {counts}",
            hint="Give equal numbers of each kind, in the same order.",
        )
    return sheet(list(zip(*columns.values(), strict=True)), labels=list(columns))


def heat_map(values: Floats, *, side: int) -> Pixels:
    """Return maps as pictures, each from its lowest value (blue) to its highest (red).

    A map whose values are all equal is blue.

    Args:
        values: (N, h, w) finite numbers.
        side: pixels a side of the pictures.

    Returns:
        (N, side, side, 3) uint8, in matplotlib's colours ``jet``.
    """
    low, high = (edge(axis=(1, 2), keepdims=True) for edge in (values.min, values.max))
    levels = (values - low) / np.where(high > low, high - low, 1.0)
    pictures = []
    for level in levels:
        grey = Image.fromarray(level.astype(np.float32)).resize((side, side), _SMOOTH)
        pictures.append(colormaps["jet"](np.asarray(grey).clip(0, 1), bytes=True)[..., :3])
    return np.stack(pictures)


def augmented_sheet(originals: Iterable[Pixels], variants: Iterable[Iterable[Pixels]]) -> Pixels:
    """Return a sheet of pictures and their augmented variants, a row for each picture.

    Args:
        originals: N pictures (h, w, 3) uint8.
        variants: for each of them some pictures of any size, e.g. (N, V, H, W, 3) uint8.

    Raises:
        InputError: no pictures.
    """
    rows = [[picture, *made] for picture, made in zip(originals, variants, strict=True)]
    count = max((len(row) for row in rows), default=1) - 1
    return sheet(rows, labels=["original", *(f"variant {i + 1}" for i in range(count))])


def save_picture(path: str | os.PathLike[str], pixels: Pixels) -> None:
    """Write pixels (H, W, 3) uint8 as .png, .jpg or .jpeg, whole or not at all.

    Raises:
        OutputError: another ending, or it cannot be written there.
    """
    file = check_output(path, tuple(_FORMATS))
    content = encode_picture(pixels, format=_FORMATS[file.suffix.lower()], quality=90)
    with atomic_write(file) as out:
        out.write(content)


def _check(pictures: Sequence[Pixels]) -> None:
    if not pictures:
        raise InputError("no pictures for a sheet", hint="Give at least one row with a picture.")
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise InputError(
                f"a sheet takes pictures (h, w, 3) uint8; got {picture.shape} {picture.dtype}",
                hint="Convert a network's output to pixels 0..255 first, channels last.",
            )


def _scaled(pixels: Pixels, factor: float) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    if size == picture.size:
        return picture
    # Enlarged pixels keep their values; only smaller pictures are averages.
    method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    return picture.resize(size, method)


def _font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):  # Pillow before 10.1, or without FreeType: one fixed size
        return ImageFont.load_default()


def _line_height(font: Font) -> int:
    return math.ceil(font.getbbox("Ag")[3])


def _shortened(text: str, font: Font, width: int) -> str:
    if font.getbbox(text)[2] <= width:
        return text
    while text and font.getbbox(text + "...")[2] > width:
        text = text[:-1]
    return text + "..." if text else ""


_PICTURES, _VARIANTS = 2, 8  # a side


def write_augmented(folder: Path, feed: Feed) -> None:
    """Write augmented.png into a run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [
        row
        for side in ("photos", "paintings")
        for row in feed.sheet(side, pictures=_PICTURES, variants=_VARIANTS)
    ]
    originals = [original.cpu().numpy() for original, _ in rows]
    made = [to_pixels(variants) for _, variants in rows]
    save_picture(folder / "augmented.png", augmented_sheet(originals, made))
