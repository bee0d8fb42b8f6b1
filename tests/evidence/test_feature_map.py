"""The map's axes against a plain eigendecomposition, and what it promises to readers."""

import tracemalloc

import numpy as np
import pytest

from mifid.errors import FeatureError, UnavailableError
from mifid.evidence.feature_map import feature_map
from mifid.statistics.features import Features


def side(values):
    return Features(np.asarray(values, np.float32))


def mapped(generated, reference):
    return feature_map(generated=side(generated), reference=side(reference))


def oracle(generated, reference):
    """Shares, coordinates up to sign: from the (D, D) matrix, in three lines."""
    one, other = (np.asarray(x, np.float32).astype(float) for x in (generated, reference))
    centre = (one.mean(axis=0) + other.mean(axis=0)) / 2
    one, other = one - centre, other - centre
    values, vectors = np.linalg.eigh((one.T @ one / len(one) + other.T @ other / len(other)) / 2)
    axes = vectors[:, :-3:-1]
    return values[:-3:-1] / values.sum(), one @ axes, other @ axes


def assert_equals_oracle(generated, reference, *, atol):
    found = mapped(generated, reference)
    share, one, other = oracle(generated, reference)
    signs = np.sign((found.generated * one).sum(axis=0))
    np.testing.assert_allclose(found.explained, share, rtol=1e-9)
    np.testing.assert_allclose(found.generated, one * signs, rtol=0, atol=atol)
    np.testing.assert_allclose(found.reference, other * signs, rtol=0, atol=atol)


@pytest.mark.parametrize("shape", [(30, 20, 5), (9, 300, 40), (2500, 60, 90), (10, 12, 200)])
def test_equals_a_plain_eigendecomposition(random, shape):
    n, m, width = shape
    scales = 1.0 / (1.0 + np.arange(width))
    generated = random.randn(n, width) * scales + 10.0  # an offset must not cost digits
    reference = random.randn(m, width) * scales * 2.0 + 11.0
    assert_equals_oracle(generated, reference, atol=1e-6)


def test_finds_the_axes_where_none_stands_out(random):
    """All directions vary nearly alike: the slowest case of the iteration."""
    assert_equals_oracle(random.randn(400, 120), random.randn(90, 120), atol=1e-5)


def test_genuine_features(data):
    generated = np.load(data / "pool3_roses.npz")["features"]
    reference = np.load(data / "pool3_tulips.npz")["features"]
    assert_equals_oracle(generated[:, :400], reference[:, :400], atol=1e-5)


def test_both_sides_count_equally(random):
    """Pictures of one side given twelve times over change nothing."""
    generated, reference = random.rand(40, 30), random.rand(25, 30) + 0.2
    once = mapped(generated, reference)
    often = mapped(np.tile(generated, (12, 1)), reference)
    np.testing.assert_allclose(often.explained, once.explained, rtol=1e-6)
    np.testing.assert_allclose(often.reference, once.reference, rtol=0, atol=1e-5)
    # Pooled by numbers, as is often done, the axes would be others.
    stacked = np.concatenate([np.tile(generated, (12, 1)), reference])
    values = np.linalg.eigvalsh(np.cov(stacked.T))
    assert abs(values[-1] / values.sum() - once.explained[0]) > 0.01


def test_swapping_the_sides_swaps_the_clouds(random):
    generated, reference = random.rand(40, 12), random.rand(25, 12)
    there, back = mapped(generated, reference), mapped(reference, generated)
    np.testing.assert_allclose(there.generated, back.reference, rtol=0, atol=1e-6)
    np.testing.assert_allclose(there.reference, back.generated, rtol=0, atol=1e-6)


def test_is_the_same_every_time_and_its_signs_are_fixed(random):
    generated, reference = random.rand(200, 64), random.rand(100, 64)
    one, other = mapped(generated, reference), mapped(generated, reference)
    assert (one.generated == other.generated).all()
    assert one.explained == other.explained
    # Features along the first two coordinates: to the right and up is more of them.
    cross = [[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
    found = mapped(cross, cross)
    np.testing.assert_allclose(found.generated, np.asarray(cross)[:, :2], rtol=0, atol=1e-12)
    assert found.explained == pytest.approx((0.9, 0.1), abs=1e-12)


def test_distances_on_the_map_are_never_larger_than_the_true_ones(random):
    generated, reference = side(random.rand(50, 20)), side(random.rand(30, 20))
    found = feature_map(generated=generated, reference=reference)
    for i in range(50):
        true = np.linalg.norm(generated.values[i].astype(float) - reference.values, axis=1)
        drawn = np.linalg.norm(found.generated[i] - found.reference, axis=1)
        assert (drawn <= true + 1e-9).all()


def test_single_pictures_lie_on_either_side_of_the_origin():
    found = mapped([[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]])
    np.testing.assert_allclose(found.generated, [[0.5, 0.0]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.reference, [[-0.5, 0.0]], rtol=0, atol=1e-12)
    assert found.explained == pytest.approx((1.0, 0.0), abs=1e-12)
    assert max(found.explained) <= 1.0


@pytest.mark.parametrize(
    ("generated", "reference", "error", "text"),
    [
        (np.ones((3, 4)), np.ones((3, 5)), FeatureError, r"\(3, 4\), reference features \(3, 5\)"),
        (np.ones((0, 4)), np.ones((3, 4)), FeatureError, r"\(0, 4\)"),
        (np.ones((3, 4)), np.ones((5, 4)), UnavailableError, "all pictures have the same features"),
        (np.eye(3)[:, :1], np.ones((3, 1)), UnavailableError, "no second axis"),
    ],
)
def test_refuses_what_has_no_map(generated, reference, error, text):
    with pytest.raises(error, match=text):
        mapped(generated, reference)


def test_memory_stays_bounded_by_blocks():
    """20,000 pictures are never copied as a whole, and nothing is (D, D)."""
    random = np.random.RandomState(0)
    values = random.rand(20_000, 256).astype(np.float32) * (0.9 ** np.arange(256, dtype=np.float32))
    generated, reference = Features(values), Features(values[:100])
    tracemalloc.start()
    feature_map(generated=generated, reference=reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 2  # 20 MB of features
