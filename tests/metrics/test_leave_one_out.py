"""Influence against recomputation without each picture."""

import numpy as np
import pytest

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.leave_one_out import influence


def samples(random, n, width):
    mixing = random.randn(width, width) / np.sqrt(width)
    return np.maximum(random.randn(n, width) @ mixing + random.rand(width), 0) + 0.05


def recomputed(generated, reference, rows):
    whole = frechet_distance(generated=generated, reference=reference)
    return np.array(
        [
            frechet_distance(generated=np.delete(generated, row, axis=0), reference=reference)
            - whole
            for row in rows
        ]
    )


# Few reference pictures, few generated ones (each takes a dimension along), few features; equal.
@pytest.mark.parametrize(
    ("n", "m", "width"), [(120, 30, 64), (25, 60, 64), (90, 80, 20), (40, 40, 40), (3, 9, 5)]
)
def test_equals_recomputation(random, n, m, width):
    generated, reference = samples(random, n, width) * 1.1, samples(random, m, width)
    found = influence(generated=generated, reference=reference)
    expected = recomputed(generated, reference, range(n))
    assert found.total == pytest.approx(expected, abs=1e-6 * np.abs(expected).max())


def test_parts_are_of_the_mean_and_of_the_rest(random):
    generated, reference = samples(random, 50, 8), samples(random, 30, 8)
    found = influence(generated=generated, reference=reference)
    gap = generated.mean(axis=0) - reference.mean(axis=0)
    without = np.delete(generated, 7, axis=0).mean(axis=0) - reference.mean(axis=0)
    assert found.mean[7] == pytest.approx(without @ without - gap @ gap, rel=1e-9)
    assert found.total == pytest.approx(found.mean + found.covariance, abs=1e-15)


def test_reference_pictures_by_swapping(random):
    generated, reference = samples(random, 80, 24), samples(random, 20, 24)
    found = influence(generated=reference, reference=generated).total
    assert found[4] == pytest.approx(recomputed(reference, generated, [4])[0], rel=1e-6)


def test_blocks_do_not_matter(random, monkeypatch):
    sides = {"generated": samples(random, 100, 16), "reference": samples(random, 12, 16)}
    whole = influence(**sides).total
    monkeypatch.setattr("mifid.metrics.linalg._BLOCK_BYTES", 8 * 16 * 9)
    assert influence(**sides).total == pytest.approx(whole, rel=1e-9, abs=1e-12)


def test_an_outlier_is_the_worst(random):
    generated, reference = samples(random, 100, 8), samples(random, 60, 8)
    generated[17] += 9.0
    found = influence(generated=generated, reference=reference).total
    assert found.argmin() == 17
    assert found[17] < 0


def test_sides_without_spread_overlap_nowhere():
    flat, generated = np.ones((5, 3)), np.arange(12.0).reshape(4, 3) % 5
    found = influence(generated=generated, reference=flat)
    assert found.total == pytest.approx(recomputed(generated, flat, range(4)), abs=1e-10)


def test_duplicates_and_constant_features(random):
    """Rank far below every size, rows that are equal, zeros among the eigenvalues."""
    generated = np.repeat(samples(random, 6, 40), 5, axis=0)
    reference = np.repeat(samples(random, 4, 40), 3, axis=0)
    generated[:, 20:] = reference[:, 20:] = 1.0
    found = influence(generated=generated, reference=reference).total
    expected = recomputed(generated, reference, range(30))
    assert found == pytest.approx(expected, abs=1e-6 * np.abs(expected).max())


def test_genuine_features(data):
    roses = np.load(data / "pool3_roses.npz")["features"]
    tulips = np.load(data / "pool3_tulips.npz")["features"]
    rows = [0, 100, 700]
    found = influence(generated=tulips, reference=roses[:300]).total[rows]
    assert found == pytest.approx(recomputed(tulips, roses[:300], rows), rel=1e-6)


def test_refuses_too_few(random):
    with pytest.raises(UnavailableError, match="at least three generated pictures, got 2"):
        influence(generated=samples(random, 2, 4), reference=samples(random, 5, 4))
    with pytest.raises(FeatureError, match="at least two"):
        influence(generated=samples(random, 4, 4), reference=samples(random, 1, 4))
