"""One encoded picture -> RGB pixels, as TensorFlow's decoders give them.

Rotation tags are ignored, nothing is resized, no colour profile is applied.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError, features

from mifid.errors import PictureError, setting
from mifid.images.jpeg import plain_pixels
from mifid.images.source import Decoded, Pixels

__all__ = ["MAX_PIXELS", "MAX_SIDE", "decode", "decoder_version", "to_rgb"]

MAX_PIXELS = 1 << 26
"""8192 x 8192. Larger pictures are refused before a byte of them is decoded."""

MAX_SIDE = 1 << 15

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow can open more, some of it by running other programs (EPS), which no picture needs."""

# Pillow's plugins raise all of these on damaged files. Not MemoryError: the picture may be good.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, RuntimeError)


def decode(content: bytes, name: str) -> Decoded:
    """Decode a picture file.

    Raises:
        PictureError: not a picture, a damaged or truncated one, or an absurdly large one.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(
            f"'{name}' is not a picture: it begins with {content[:16]!r}", hint=mending()
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"'{name}' is absurdly large: {error}", hint=mending()) from error
    except _DAMAGED as error:
        raise _damaged(name, error) from error
    _refuse_absurd(image.size, name)
    pixels = plain_pixels(content, image)
    return to_rgb(image, name) if pixels is None else Decoded(pixels)


def to_rgb(image: Image.Image, name: str = "a PIL image") -> Decoded:
    """Convert a Pillow image of any mode: grey is repeated, alpha dropped, CMYK converted.

    Raises:
        PictureError: damaged, or of a mode that has no agreed meaning as 8 bits (float TIFF).
    """
    mode = image.mode
    if mode == "F":
        raise PictureError(f"'{name}' holds floating-point pixels; expected 8 bits", hint=mending())
    try:
        image.load()
        if mode.startswith("I"):
            return Decoded(_high_byte(np.asarray(image).astype(np.int64), name), mode)
        if "transparency" in image.info:  # dropped as alpha is, without Pillow's advice on it
            image = image.copy()  # it may be the caller's
            del image.info["transparency"]
        rgb = image if mode == "RGB" else image.convert("RGB")
        return Decoded(np.asarray(rgb, dtype=np.uint8), mode)
    except _DAMAGED as error:
        raise _damaged(name, error) from error


def decoder_version() -> str:
    """Return which code decodes: other versions of libjpeg may differ by a grey level.

    Not whether simplejpeg did: it does only where its pixels are Pillow's.
    """
    import PIL

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"pillow {PIL.__version__}, libjpeg-turbo {jpeg}"


def _high_byte(grey: npt.NDArray[np.int64], name: str) -> Pixels:
    """16-bit greys (H, W) -> (H, W, 3), as TensorFlow's PNG decoder gives uint8."""
    if grey.min() < 0 or grey.max() > 0xFFFF:
        raise PictureError(f"'{name}' holds 32-bit pixels; expected 8 or 16 bits", hint=mending())
    return np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def mending() -> str:
    """Return the hint of every error about one picture."""
    return f"Mend or remove it, or leave such pictures out with {setting('skip_bad', True)}."


def _damaged(name: str, error: Exception) -> PictureError:
    return PictureError(f"'{name}' is damaged: {error}", hint=mending())


def _refuse_absurd(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE or min(size) < 1:
        raise PictureError(
            f"'{name}' is {width} x {height} pixels; at most {MAX_PIXELS:,} pixels "
            f"and {MAX_SIDE:,} a side are read",
            hint=mending(),
        )
