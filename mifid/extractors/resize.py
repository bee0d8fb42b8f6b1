"""TensorFlow 1's bilinear resize as two small matrices: ``out = R_h @ picture @ R_w^T``.

Output pixel i takes from input position ``i * in / out`` (no half-pixel centres, no antialiasing):
with ``lo`` its floor and ``t`` the rest, ``(1 - t) * p[lo] + t * p[min(lo + 1, in - 1)]``.
A product with a matrix of two entries a row is many times faster than gathering pixels, and the
matrices are shared by all pictures of a size.
Source: tensorflow/core/kernels/image/image_resizer_state.h and resize_bilinear_op.cc.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["INPUT_SIZE", "TF1_BILINEAR", "interpolation_matrix"]

INPUT_SIZE = 299
"""Side of the network's input, in pixels."""

TF1_BILINEAR = "tensorflow1-bilinear-299"
"""Name of this resize in reports and fingerprints."""


@lru_cache(maxsize=32)
def interpolation_matrix(in_size: int, out_size: int) -> npt.NDArray[np.float32]:
    """Return the (out_size, in_size) float32 matrix that resizes one axis. Read-only."""
    # float32 throughout, as TensorFlow's CachedInterpolation computes positions.
    positions = np.arange(out_size, dtype=np.float32) * np.float32(in_size / out_size)
    low = np.minimum(positions.astype(np.int64), in_size - 1)
    high = np.minimum(low + 1, in_size - 1)
    weight = positions - low.astype(np.float32)
    matrix = np.zeros((out_size, in_size), dtype=np.float32)
    rows = np.arange(out_size)
    np.add.at(matrix, (rows, low), 1 - weight)
    np.add.at(matrix, (rows, high), weight)
    matrix.setflags(write=False)
    return matrix
