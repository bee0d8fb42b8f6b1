"""Disturbances of pictures in five strengths, and mixtures of sets."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

Random = np.random.RandomState
Picture = Image.Image


def _blur(picture: Picture, strength: float, _: Random) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(strength))


def _noise(picture: Picture, strength: float, random: Random) -> Picture:
    pixels = np.asarray(picture, np.float32)
    noisy = pixels + random.standard_normal(pixels.shape).astype(np.float32) * strength
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _jpeg(picture: Picture, strength: float, _: Random) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(strength))
    return Image.open(file).convert("RGB")


def _cast(picture: Picture, strength: float, _: Random) -> Picture:
    shift = np.array([strength, 0, -strength])
    return Image.fromarray((np.asarray(picture) + shift).clip(0, 255).astype(np.uint8))


def _saturation(picture: Picture, strength: float, _: Random) -> Picture:
    return ImageEnhance.Color(picture).enhance(strength)


def _occlusion(picture: Picture, strength: float, random: Random) -> Picture:
    """Cover a square of this share of the area with grey."""
    pixels = np.array(picture)
    side = round(len(pixels) * np.sqrt(strength))
    top, left = random.randint(0, len(pixels) - side + 1, 2)
    pixels[top : top + side, left : left + side] = 128
    return Image.fromarray(pixels)


def _swirl(picture: Picture, strength: float, _: Random) -> Picture:
    """Turn the centre by this angle in radians, less towards the edge."""
    pixels = np.asarray(picture)
    rows, columns = np.indices(pixels.shape[:2], dtype=np.float32)
    middle = (len(pixels) - 1) / 2
    y, x = rows - middle, columns - middle
    angle = strength * np.exp(-np.hypot(x, y) / (0.3 * len(pixels)))
    turned_y = y * np.cos(angle) - x * np.sin(angle) + middle
    turned_x = y * np.sin(angle) + x * np.cos(angle) + middle
    top, left = (
        np.clip(turned.round().astype(int), 0, len(pixels) - 1) for turned in (turned_y, turned_x)
    )
    return Image.fromarray(pixels[top, left])


def _pixelation(picture: Picture, strength: float, _: Random) -> Picture:
    small = max(1, round(picture.width / strength)), max(1, round(picture.height / strength))
    return picture.resize(small, Image.Resampling.BOX).resize(
        picture.size, Image.Resampling.NEAREST
    )


def _mirrored(picture: Picture, strength: float, random: Random) -> Picture:
    """Replace the right half by the mirrored left one, in this share of the pictures."""
    if random.random_sample() >= strength:
        return picture
    pixels = np.array(picture)
    half = pixels.shape[1] // 2
    pixels[:, -half:] = pixels[:, :half][:, ::-1]
    return Image.fromarray(pixels)


DISTURBANCES: dict[
    str, tuple[Callable[[Picture, float, Random], Picture], tuple[float, ...], str]
] = {
    "blur": (_blur, (0.5, 1, 2, 4, 8), "Gaussian, standard deviation in pixels"),
    "noise": (_noise, (4, 8, 16, 32, 64), "Gaussian, standard deviation in levels"),
    "JPEG": (_jpeg, (75, 50, 25, 10, 5), "quality"),
    "colour cast": (_cast, (5, 10, 20, 40, 80), "levels added to red, taken from blue"),
    "saturation": (_saturation, (0.8, 0.6, 0.4, 0.2, 0.0), "factor"),
    "occlusion": (_occlusion, (0.01, 0.04, 0.09, 0.16, 0.36), "share of the area, a grey square"),
    "swirl": (_swirl, (0.25, 0.5, 1, 2, 4), "angle at the centre in radians"),
    "pixelation": (_pixelation, (2, 3, 4, 8, 16), "side of a block in pixels"),
    "mirrored halves": (_mirrored, (0.1, 0.25, 0.5, 0.75, 1.0), "share of the pictures"),
}
"""name -> (function, strengths from weak to strong, what the strength is)."""

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of a set that are replaced by pictures of another."""


DIFFERENT = (0.5, 0.25, 0.1, 0.05, 0.02)
"""Shares of a set's pictures that are different ones; the others repeat them."""


def repeat(pixels: np.ndarray, share: float) -> np.ndarray:
    """Return as many pictures, made from a share of them: cropped, and every second one mirrored.

    So does a painter paint that has learned few pictures: alike, but no two the same.
    """
    random = Random(0)
    n = len(pixels)
    few = random.permutation(n)[: max(1, round(share * n))]
    return np.stack([_variant(pixels[few[i % len(few)]], Random(i)) for i in range(n)])


def _variant(pixels: np.ndarray, random: Random) -> np.ndarray:
    height, width = pixels.shape[:2]
    kept = random.uniform(0.85, 1.0)
    top, left = (random.uniform(0, side * (1 - kept)) for side in (height, width))
    box = (left, top, left + kept * width, top + kept * height)
    cropped = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(cropped)[:, :: random.choice([1, -1])]


def disturb(pixels: np.ndarray, name: str, strength: float) -> np.ndarray:
    """Return the pictures (N, H, W, 3) uint8, each disturbed with random numbers of its own."""
    function = DISTURBANCES[name][0]
    return np.stack(
        [
            np.asarray(function(Image.fromarray(picture), strength, Random(number)))
            for number, picture in enumerate(pixels)
        ]
    )
