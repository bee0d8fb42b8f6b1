"""How pictures of any size become the network's input: as Kaggle's graph does, and as others do.

Each resize is linear and treats rows and columns alike, so it is two small matrices:
``out = R_h @ picture @ R_w^T``. A product with a matrix of few entries a row is many times faster
than gathering pixels, and the matrices are shared by all pictures of a size.

Scores are made with :data:`TF1_BILINEAR` alone. The others are here to measure how far other
tools' numbers are from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from mifid.errors import InputError
from mifid.registry import suggest

__all__ = [
    "CLEAN_FID",
    "PYTORCH_FID",
    "RESIZES",
    "TF1_BILINEAR",
    "Channels",
    "Matrix",
    "Resize",
    "bicubic",
    "bicubic_of_centre",
    "choose_resize",
    "interpolation_matrix",
    "pillow_bicubic_matrix",
    "pytorch_bilinear_matrix",
    "two_taps",
    "why_not_kaggles",
]

TF1_BILINEAR = "tensorflow1-bilinear-299"
PYTORCH_FID = "pytorch-bilinear-299"
CLEAN_FID = "pillow-bicubic-antialiased-299"
"""Names of the resizes in reports and fingerprints."""

Matrix = npt.NDArray[np.float32]

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Resize:
    """A way from uint8 pixels to the network's input.

    Attributes:
        name: in reports and fingerprints.
        title: in tables.
        matrix: (in_size, out_size) -> the (out_size, in_size) float32 matrix of one axis; None:
            ``fit`` resizes pictures before they come to a backend.
        centre: what becomes 0: the input is ``(x - centre) / scale``; one number, or one a channel.
        scale: half of the range that becomes -1..1, or the deviation that becomes 1.
        clipped: whether resized values are cut to 0..255, which bicubic weights overshoot.
        size: side of the network's input, in pixels.
        fit: (an RGB picture of any size, size) -> uint8 (size, size, 3), by Pillow.
    """

    name: str
    title: str
    matrix: Callable[[int, int], Matrix] | None
    centre: float | Channels = 128.0
    scale: float | Channels = 128.0
    clipped: bool = False
    size: int = 299
    fit: Callable[[Image.Image, int], Image.Image | npt.NDArray[np.uint8]] | None = None


@lru_cache(maxsize=32)
def interpolation_matrix(in_size: int, out_size: int) -> Matrix:
    """Return the (out_size, in_size) float32 matrix of TensorFlow 1's bilinear. Read-only.

    Output pixel i takes from input position ``i * in / out`` (no half-pixel centres, no
    antialiasing): with ``lo`` its floor and ``t`` the rest,
    ``(1 - t) * p[lo] + t * p[min(lo + 1, in - 1)]``.
    Source: tensorflow/core/kernels/image/image_resizer_state.h and resize_bilinear_op.cc.
    """
    # float32 throughout, as TensorFlow's CachedInterpolation computes positions.
    positions = np.arange(out_size, dtype=np.float32) * np.float32(in_size / out_size)
    return _two_neighbours(positions, in_size)


@lru_cache(maxsize=32)
def pytorch_bilinear_matrix(in_size: int, out_size: int) -> Matrix:
    """Return the matrix of ``F.interpolate(mode="bilinear", align_corners=False)``. Read-only.

    Centres of pixels are at half positions, ``(i + 0.5) * in / out - 0.5``, not below 0; no
    antialiasing. Source: aten/src/ATen/native/UpSample.h, area_pixel_compute_source_index.
    """
    scale = np.float32(in_size) / np.float32(out_size)
    positions = (np.arange(out_size, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    return _two_neighbours(np.maximum(positions, np.float32(0)), in_size)


@lru_cache(maxsize=32)
def pillow_bicubic_matrix(in_size: int, out_size: int) -> Matrix:
    """Return the matrix of Pillow's bicubic on floats, antialiased where it shrinks. Read-only.

    Keys' kernel with a = -0.5, stretched by ``in / out`` where that is above 1, cut at the
    picture's edges and made to sum to 1. Source: Pillow, src/libImaging/Resample.c,
    precompute_coeffs and bicubic_filter.
    """
    step = in_size / out_size
    stretch = max(step, 1.0)
    centres = (np.arange(out_size) + 0.5) * step
    reach = 2.0 * stretch
    # Pillow truncates towards zero, which for what lies below 0 is 0, too.
    first = np.maximum(np.trunc(centres - reach + 0.5), 0)[:, None]
    last = np.minimum(np.trunc(centres + reach + 0.5), in_size)[:, None]
    pixels = np.arange(in_size)[None, :]
    weights = _keys_cubic((pixels - centres[:, None] + 0.5) / stretch)
    weights[(pixels < first) | (pixels >= last)] = 0
    return _read_only((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


RESIZES = {
    resize.name: resize
    for resize in (
        Resize(TF1_BILINEAR, "TensorFlow 1's bilinear, as Kaggle", interpolation_matrix),
        # pytorch-fid scales pixels to 0..1 and then to -1..1: 127.5 becomes 0.
        Resize(
            PYTORCH_FID,
            "PyTorch's bilinear, as pytorch-fid",
            pytorch_bilinear_matrix,
            centre=127.5,
            scale=127.5,
        ),
        # clean-fid's mode "clean" resizes channels as floats and cuts what overshoots.
        Resize(
            CLEAN_FID,
            "Pillow's antialiased bicubic, as clean-fid",
            pillow_bicubic_matrix,
            clipped=True,
        ),
    )
}
"""name -> how it is done."""


def bicubic(picture: Image.Image, size: int) -> Image.Image:
    """Resize a whole picture to (size, size) by Pillow's bicubic, in uint8."""
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def bicubic_of_centre(picture: Image.Image, size: int) -> Image.Image:
    """Resize the largest square in the middle of a picture, as :func:`bicubic` does."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    return bicubic(picture.crop((left, top, left + side, top + side)), size)


def choose_resize(name: str) -> Resize:
    """Return the resize of this name.

    Raises:
        InputError: there is none; with the nearest known name.
    """
    if name not in RESIZES:
        raise InputError(f"unknown resize '{name}'", hint=suggest(name, RESIZES))
    return RESIZES[name]


def why_not_kaggles(resize: str) -> str | None:
    """Return why scores with this resize cannot be compared with Kaggle's; None if they can."""
    if resize == TF1_BILINEAR:
        return None
    return f"pictures are resized by {resize}, not by {TF1_BILINEAR} as Kaggle does"


def two_taps(matrix: Matrix) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]] | None:
    """Take apart a matrix that mixes at most two rows into each of its own.

    ``(matrix @ x)[i]`` is then the sum, over both, of ``weights[i] * x[rows[i]]``.

    Returns:
        (rows, weights) of the first and of the last one mixed, each (out,); None if it mixes more.
    """
    used = matrix != 0
    if used.sum(axis=1).max() > 2:
        return None
    first = used.argmax(axis=1)
    last = matrix.shape[1] - 1 - used[:, ::-1].argmax(axis=1)
    each = np.arange(len(matrix))
    # Where both are one, its weight must count once.
    return [(first, matrix[each, first]), (last, np.where(first < last, matrix[each, last], 0))]


def _two_neighbours(positions: npt.NDArray[np.float32], in_size: int) -> Matrix:
    """Share each output pixel between the input pixels on either side of its position."""
    low = np.minimum(positions.astype(np.int64), in_size - 1)
    high = np.minimum(low + 1, in_size - 1)
    weight = positions - low.astype(np.float32)
    matrix = np.zeros((len(positions), in_size), dtype=np.float32)
    rows = np.arange(len(positions))
    np.add.at(matrix, (rows, low), 1 - weight)
    np.add.at(matrix, (rows, high), weight)
    return _read_only(matrix)


def _keys_cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5, 0 from 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _read_only(matrix: Matrix) -> Matrix:
    matrix.setflags(write=False)
    return matrix
