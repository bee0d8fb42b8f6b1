"""MIND: closed forms, and quantile functions written out."""

import numpy as np
import pytest

from mifid.errors import FeatureError
from mifid.metrics import mind
from mifid.metrics.mind import monge_distance


def distance(x, y, **settings):
    return monge_distance(generated=x, reference=y, **settings)["mind"]


@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 5), (6, 4), (2, 9), (12, 3)])
def test_equals_quantiles_written_out(random, n, m):
    """Each value repeated until both sides have N M values, which are then matched in order."""
    x, y = random.randn(n, 1), random.randn(m, 1) * 2 + 1
    matched = np.repeat(np.sort(x[:, 0]), m) - np.repeat(np.sort(y[:, 0]), n)
    assert distance(x, y) == pytest.approx(3 * np.mean(matched**2), rel=1e-12)


def test_a_shift_costs_three_times_its_square(random):
    """3 D <v, t>^2 has mean 3 |v|^2 and variance 9 |v|^4 2 (D - 1) / (D + 2) over directions t."""
    x, shift = random.randn(40, 16), np.full(16, 0.3)
    square = shift @ shift
    spread = 3 * square * np.sqrt(2 * 15 / 18 / 4000)
    assert distance(x + shift, x, directions=4000) == pytest.approx(3 * square, abs=5 * spread)


def test_in_one_dimension_a_shift_is_exact(random):
    x = random.randn(50, 1)
    assert distance(x + 2.0, x) == pytest.approx(12.0, rel=1e-12)


def test_is_zero_for_the_same_pictures_in_any_order_and_number(random):
    x = random.randn(20, 6)
    assert distance(x[::-1], x) == pytest.approx(0.0, abs=1e-24)
    assert distance(np.repeat(x, 3, axis=0), x) == pytest.approx(0.0, abs=1e-24)


def test_sides_and_scale(random):
    x, y = random.randn(20, 6), random.randn(30, 6) + 1
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-12)
    assert distance(3 * x, 3 * y) == pytest.approx(9 * distance(x, y), rel=1e-12)


def test_blocks_do_not_matter(random, monkeypatch):
    x, y = random.randn(20, 6), random.randn(31, 6) + 1
    whole = distance(x, y)
    monkeypatch.setattr(mind, "_BLOCK_BYTES", 8 * 51 * 7)
    assert distance(x, y) == pytest.approx(whole, rel=1e-12)


def test_refuses_other_widths_and_no_direction(random):
    with pytest.raises(FeatureError, match=r"width 3.*4"):
        distance(random.randn(5, 3), random.randn(5, 4))
    with pytest.raises(FeatureError, match="0 directions"):
        distance(random.randn(5, 3), random.randn(5, 3), directions=0)
