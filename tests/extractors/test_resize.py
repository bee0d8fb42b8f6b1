"""The two interpolation matrices against torch-fidelity's TensorFlow 1 resize."""

import numpy as np
import pytest
import torch
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x,
)

from mifid.extractors.network import resize
from mifid.extractors.resize import interpolation_matrix

SIZES = [(256, 256), (299, 299), (32, 32), (300, 512), (512, 100), (1, 7), (2, 1), (640, 427)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_torch_fidelitys(height, width, random):
    pixels = torch.from_numpy(random.randint(0, 256, (2, 3, height, width))).float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(
        pixels, size=(299, 299), align_corners=False
    )
    assert (resize(pixels) - expected).abs().max() < 1e-3  # grey levels


def test_a_checkerboard_is_the_worst_case():
    board = torch.from_numpy(np.indices((32, 32)).sum(axis=0) % 2 * 255.0).float()
    pixels = board.expand(1, 3, 32, 32)
    expected = interpolate_bilinear_2d_like_tensorflow1x(
        pixels, size=(299, 299), align_corners=False
    )
    assert (resize(pixels) - expected).abs().max() < 1e-3


@pytest.mark.parametrize(("size", "out"), [(256, 299), (299, 299), (512, 299), (1, 299), (5, 3)])
def test_rows_are_weights(size, out):
    matrix = interpolation_matrix(size, out)
    assert matrix.shape == (out, size)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    assert matrix.min() >= 0
    assert ((matrix > 0).sum(axis=1) <= 2).all()


def test_no_half_pixel_centres():
    """TensorFlow 1 maps output i to input i * in / out: the first row is the first pixel."""
    matrix = interpolation_matrix(4, 8)
    np.testing.assert_allclose(matrix[0], [1, 0, 0, 0])
    np.testing.assert_allclose(matrix[1], [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(matrix[7], [0, 0, 0, 1])


def test_equal_size_is_the_identity():
    np.testing.assert_array_equal(interpolation_matrix(299, 299), np.eye(299))
