"""Fast decoder of plain JPEGs: libjpeg-turbo through simplejpeg, where it equals Pillow.

It is faster, and decodes without the interpreter lock. It is used only if it is installed and
gives exactly Pillow's pixels for samples of every kind that it decodes. So it changes no result:
other files, and files that it raises errors on, go to Pillow.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, JpegImagePlugin, features

from mifid.images.source import Pixels

__all__ = ["plain_pixels"]

_PLAIN = {
    "4:4:4": [(1, 1), (1, 1), (1, 1)],
    "4:2:2": [(2, 1), (1, 1), (1, 1)],
    "4:2:0": [(2, 2), (1, 1), (1, 1)],
}
"""Sampling factors of Y, Cb and Cr. For rarer ones, versions of libjpeg-turbo may differ."""

_SCAN, _END = b"\xff\xda", b"\xff\xd9"

_Decoder: TypeAlias = Callable[[bytes], Pixels]


def plain_pixels(content: bytes, image: Image.Image) -> Pixels | None:
    """Return the pixels (H, W, 3) of a plain JPEG file; None if Pillow must decode it.

    Args:
        content: the file.
        image: its header, as Pillow read it.
    """
    if not _is_plain(image):
        return None
    decode = fast_decoder()
    if decode is None:
        return None
    try:
        pixels = decode(content)
    except (ValueError, RuntimeError):
        return None  # damaged: Pillow reports how, or is more lenient
    return pixels if pixels.shape == (image.height, image.width, 3) else None


@lru_cache(maxsize=1)
def fast_decoder() -> _Decoder | None:
    """Return simplejpeg's decoder, or None where it is missing or differs from Pillow."""
    try:
        simplejpeg = importlib.import_module("simplejpeg")  # an extra
    except ImportError:
        return None
    if not features.check_feature("libjpeg_turbo"):
        return None  # other libraries upsample chroma in another way

    def decode(content: bytes) -> Pixels:
        # Exact methods, as Pillow uses them; strict: raise on faults that could be tolerated.
        pixels: Pixels = simplejpeg.decode_jpeg(
            content, "RGB", fastdct=False, fastupsample=False, strict=True
        )
        return pixels

    return decode if _equals_pillow(decode) else None


def _equals_pillow(decode: _Decoder) -> bool:
    try:
        return all(np.array_equal(decode(x), _by_pillow(x)) for x in _samples())
    except (TypeError, ValueError, RuntimeError):
        return False  # a version without these options, or a faulty one


def _is_plain(image: Image.Image) -> bool:
    return (
        isinstance(image, JpegImagePlugin.JpegImageFile)
        and image.format == "JPEG"  # not MPO, which holds several pictures
        and image.mode == "RGB"
        and image.info.get("adobe_transform", 1) == 1  # YCbCr
        # Not get_sampling(), which fails on headers that name fewer components than they have.
        and [layer[1:3] for layer in image.layer] in _PLAIN.values()
    )


def _samples() -> Iterator[bytes]:
    """Yield small JPEGs of every plain kind, with hard edges and odd sides."""
    pixels = np.random.RandomState(0).randint(0, 256, (35, 53, 3)).astype(np.uint8)
    pixels[:, :20] = pixels[:1, :20]
    image = Image.fromarray(pixels)
    for sampling in _PLAIN:
        yield _jpeg(image, subsampling=sampling)
        progressive = _jpeg(image, subsampling=sampling, progressive=True)
        yield progressive
        # A file that ends after its first scan is no error: the missing detail is smoothed, and
        # libjpeg-turbo 2.1 changed how.
        second = progressive.index(_SCAN, progressive.index(_SCAN) + 1)
        yield progressive[:second] + _END


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80, **options)
    return buffer.getvalue()


def _by_pillow(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)
