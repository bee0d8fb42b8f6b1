"""CMMD: closed forms, and the published formula with every pair's distance by SciPy."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from mifid.errors import FeatureError
from mifid.metrics import METRICS, cmmd
from mifid.metrics.cmmd import clip_discrepancy


def distance(x, y, **settings):
    return clip_discrepancy(generated=x, reference=y, **settings)["cmmd"]


def published(x, y, sigma=10.0):
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))

    def mean(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * sigma**2)).mean()

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


@pytest.mark.parametrize(("n", "m"), [(30, 30), (7, 40), (1, 2)])
def test_equals_the_published_formula(random, n, m):
    x, y = random.randn(n, 12), random.randn(m, 12) + 0.5
    assert distance(x, y) == pytest.approx(published(x, y), rel=1e-9)
    assert distance(x, y, sigma=0.5) == pytest.approx(published(x, y, 0.5), rel=1e-9)


def test_one_picture_a_side(random):
    """2000 (1 - exp(-d^2 / 200)) for unit vectors at distance d."""
    angle = 0.4
    x, y = [[1.0, 0.0]], [[np.cos(angle), np.sin(angle)]]
    square = 2 - 2 * np.cos(angle)
    assert distance(x, y) == pytest.approx(2000 * (1 - np.exp(-square / 200)), rel=1e-12)


def test_tiny_differences_keep_their_digits():
    """Sets 1e-6 apart: k differs from 1 by 5e-15, near the rounding of k itself."""
    x, y = [[1.0, 0.0]], [[np.cos(1e-6), np.sin(1e-6)]]
    assert distance(x, y) == pytest.approx(2000 * 1e-12 / 200, rel=1e-3)


def test_is_zero_for_the_same_pictures_and_does_not_see_lengths(random):
    x = random.randn(20, 6)
    assert distance(x, x) == pytest.approx(0.0, abs=1e-12)
    assert distance(x * np.exp(random.randn(20, 1)), x) == pytest.approx(0.0, abs=1e-12)


def test_rows_of_zeros_stay_zeros():
    assert distance([[0.0, 0.0]], [[3.0, 0.0]]) == pytest.approx(2000 * (1 - np.exp(-1 / 200)))


def test_blocks_do_not_matter(random, monkeypatch):
    x, y = random.randn(33, 6), random.randn(20, 6) + 1
    whole = distance(x, y)
    monkeypatch.setattr(cmmd, "_BLOCK_BYTES", 8 * 20 * 4)
    assert distance(x, y) == pytest.approx(whole, rel=1e-12)


def test_refuses_other_widths_and_sigma(random):
    with pytest.raises(FeatureError, match=r"width 3.*4"):
        distance(random.randn(5, 3), random.randn(5, 4))
    with pytest.raises(FeatureError, match="sigma is 0"):
        distance(random.randn(5, 3), random.randn(5, 3), sigma=0)


def test_the_name_means_this_metric():
    assert METRICS["cmmd"].function is clip_discrepancy
