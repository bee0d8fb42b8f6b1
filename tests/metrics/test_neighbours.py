"""Distances and neighbours: plain loops as the oracle, copies and ties to the bit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import neighbours
from mifid.metrics.neighbours import (
    distance_blocks,
    kth_distance,
    nearest,
    nearest_other,
    require_pictures,
)


def oracle(x, y):
    """All distances, one by one, in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in y] for a in x])


@pytest.fixture(params=["one block", "small blocks"])
def blocks(request, monkeypatch):
    """The same with blocks of a few rows, of which the last is not full."""
    if request.param == "small blocks":
        monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 5000)


def test_nearest_equals_a_plain_loop(random, blocks):
    x, y = random.rand(40, 12).astype(np.float32), random.rand(25, 12).astype(np.float32)
    found, expected = nearest(x, y), oracle(x, y)
    assert found.row.tolist() == expected.argmin(axis=1).tolist()
    np.testing.assert_allclose(found.distance, expected.min(axis=1), rtol=1e-14)


def test_nearest_other_and_kth_equal_a_plain_loop(random, blocks):
    x = random.rand(40, 12)
    expected = oracle(x, x)
    np.fill_diagonal(expected, np.inf)
    found = nearest_other(x)
    assert found.row.tolist() == expected.argmin(axis=1).tolist()
    np.testing.assert_allclose(found.distance, expected.min(axis=1), rtol=1e-14)
    for k in (1, 3, 39):
        np.testing.assert_allclose(
            kth_distance(x, k=k), np.sort(expected, axis=1)[:, k - 1], rtol=1e-14
        )


def test_copies_are_at_distance_zero_however_large_the_features(random, blocks):
    x = (random.randn(60, 300) * 1e4 + 1e6).astype(np.float32)
    order = random.permutation(60)
    found = nearest(x[order], x)
    assert found.row.tolist() == order.tolist()
    assert (found.distance == 0.0).all()
    # One unit in the last place is no copy, and its distance is known to all digits.
    near = np.nextafter(x, np.float32(np.inf))
    found = nearest(near, x)
    assert found.row.tolist() == list(range(60))
    np.testing.assert_allclose(found.distance, np.diag(oracle(near, x)), rtol=1e-14)
    assert (found.distance > 0).all()


def test_a_second_copy_is_another_row_and_the_first_copy_is_named(random):
    x = random.rand(10, 6)
    twice = np.concatenate([x, x])
    found = nearest_other(twice)
    assert (found.distance == 0.0).all()
    assert found.row.tolist() == [*range(10, 20), *range(10)]
    assert (kth_distance(twice, k=1) == 0.0).all()
    assert (kth_distance(twice, k=2) > 0.0).all()
    assert nearest(x, twice).row.tolist() == list(range(10))


def test_zeros_of_either_sign_and_other_dtypes_are_equal():
    found = nearest(np.array([[0.0, 1.5]], np.float32), np.array([[9.0, 9.0], [-0.0, 1.5]]))
    assert found.distance.tolist() == [0.0]
    assert found.row.tolist() == [1]


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (9, 3), elements=st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.1])))
def test_ties_are_decided_to_the_bit(x):
    """A lattice is full of ties; the k-th neighbour lies on the border of its ball."""
    exact = oracle(x, x)
    radius = kth_distance(x, k=2)
    np.fill_diagonal(exact, np.inf)
    assert radius.tolist() == np.sort(exact, axis=1)[:, 1].tolist()
    (block,) = distance_blocks(x)
    assert (block.within(radius, closed=False) == (exact < radius)).all()
    assert (block.within(radius, closed=True) == (exact <= radius)).all()
    assert (block.within(radius[:, None], closed=False) == (exact < radius[:, None])).all()
    assert (block.within(radius[:, None], closed=True) == (exact <= radius[:, None])).all()


@pytest.mark.parametrize(("closed", "expected"), [(True, 40 * 40), (False, 0)])
def test_a_collapsed_side_that_differs_by_rounding(random, closed, expected):
    """Two pictures, each many times, one unit in the last place apart: all is a tie."""
    one = (random.rand(1, 64) + 1).astype(np.float32)
    other = np.nextafter(one, np.float32(9))
    gap = nearest(one, other).distance
    block = next(distance_blocks(one.repeat(40, axis=0), other.repeat(40, axis=0)))
    assert np.count_nonzero(block.within(gap.repeat(40), closed=closed)) == expected


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nearest(np.ones((3, 4)), np.ones((3, 5))), FeatureError, r"\(3, 4\) and \(3, 5\)"),
        (lambda: nearest(np.ones((3, 4)), np.ones((0, 4))), FeatureError, "at least one row"),
        (lambda: nearest_other(np.ones((1, 4))), UnavailableError, "at least 2 pictures.*got 1"),
        (lambda: kth_distance(np.ones((3, 4)), k=3), UnavailableError, "at least 4.*got 3"),
        (lambda: kth_distance(np.ones((3, 4)), k=0), FeatureError, "k is 0"),
        (lambda: kth_distance(np.ones(4), k=1), FeatureError, r"\(4,\)"),
        (
            lambda: require_pictures(np.ones((2, 4)), 4, purpose="X with k 3", side="reference"),
            UnavailableError,
            "X with k 3: at least 4 reference pictures are needed, got 2",
        ),
    ],
)
def test_refuses_what_has_no_neighbours(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_memory_stays_bounded_by_blocks():
    features = np.random.RandomState(0).rand(6_000, 50).astype(np.float32)
    tracemalloc.start()
    kth_distance(features, k=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < features.size * 8 + 2 * (64 << 20)  # a matrix of all pairs has 288 MB
