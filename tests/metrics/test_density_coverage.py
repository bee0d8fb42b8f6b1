"""Density and coverage: the authors' package as the oracle, and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import neighbours
from mifid.metrics.density_coverage import METRIC, density_coverage


def clouds(seed, n=60, m=45, width=5, shift=1.5):
    random = np.random.RandomState(seed)
    generated = random.randn(n, width) * random.uniform(0.5, 1.5) + shift
    return {"generated": generated, "reference": random.randn(m, width)}


def authors(sides, k):
    prdc = pytest.importorskip("prdc")
    found = prdc.compute_prdc(sides["reference"], sides["generated"], nearest_k=k)
    return pytest.approx({name: found[name] for name in ("density", "coverage")}, rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_authors_package(seed, k, capsys):
    sides = clouds(seed)
    found = density_coverage(**sides, k=k)
    assert found == authors(sides, k)
    assert 0 < found["coverage"] < 1


def test_equals_the_authors_package_on_genuine_features(data, capsys):
    roses = np.load(data / "pool3_roses.npz")["features"].astype(np.float64)
    tulips = np.load(data / "pool3_tulips.npz")["features"].astype(np.float64)
    sides = {"generated": roses, "reference": tulips}
    assert density_coverage(**sides) == authors(sides, 5)


def test_blocks_do_not_matter(monkeypatch):
    sides = clouds(3)
    whole = density_coverage(**sides)
    monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 20_000)
    assert density_coverage(**sides) == whole


def test_identical_sets_have_exactly_one_and_disjoint_sets_nothing(random):
    """A ball holds its centre and its k - 1 nearest: k in all, the k-th lies on the border."""
    one = random.randn(300, 40)
    assert density_coverage(generated=one, reference=one) == {"density": 1.0, "coverage": 1.0}
    far = density_coverage(generated=one + 1e3, reference=one)
    assert far == {"density": 0.0, "coverage": 0.0}


def test_one_distribution_has_density_and_coverage_as_in_the_paper():
    """Its equation: expected density 1, coverage 1 - (M-1)...(M-k) / ((M+N-1)...(M+N-k))."""
    n, m = 300, 450
    k = 5
    found = [density_coverage(**clouds_of_one(seed, n, m), k=k) for seed in range(10)]
    steps = np.arange(1, k + 1)
    expected = 1 - np.prod((m - steps) / (m + n - steps))
    assert np.mean([f["density"] for f in found]) == pytest.approx(1.0, abs=0.03)
    assert np.mean([f["coverage"] for f in found]) == pytest.approx(expected, abs=0.01)


def clouds_of_one(seed, n, m):
    rows = np.random.RandomState(seed).randn(n + m, 4)
    return {"generated": rows[:n], "reference": rows[n:]}


def test_one_outlier_of_the_reference_does_not_lift_density(random):
    """What the measure is for: its huge ball counts once, where precision would be 1."""
    reference = np.concatenate([random.randn(50, 4), [[100.0] * 4]])
    noise = random.uniform(20, 90, (40, 4))
    found = density_coverage(generated=noise, reference=reference)
    assert found["density"] <= 1 / 5
    assert found["coverage"] == 1 / 51


def test_a_single_generated_picture_has_values(random):
    reference = random.randn(20, 3)
    found = density_coverage(generated=reference[:1], reference=reference)
    assert 0 < found["coverage"] < 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_order_does_not_matter(seed):
    sides = clouds(seed, n=20, m=15, width=3)
    shuffled = {name: rows[::-1].copy() for name, rows in sides.items()}
    assert density_coverage(**shuffled) == density_coverage(**sides)


@pytest.mark.parametrize(
    ("generated", "reference", "k", "error", "text"),
    [
        ((9, 4), (5, 4), 5, UnavailableError, "k 5: at least 6 reference pictures.*got 5"),
        ((0, 4), (9, 4), 5, UnavailableError, "at least 1 generated pictures.*got 0"),
        ((9, 4), (9, 5), 5, FeatureError, r"\(9, 4\) and \(9, 5\)"),
        ((9, 4), (9, 4), 0, FeatureError, "k is 0"),
    ],
)
def test_refuses_what_has_no_neighbours(generated, reference, k, error, text, random):
    with pytest.raises(error, match=text):
        density_coverage(generated=random.rand(*generated), reference=random.rand(*reference), k=k)


def test_the_table_entry_tells_what_the_function_gives():
    found = METRIC.function(**clouds(0), **METRIC.settings)
    assert list(found) == list(METRIC.values)
    assert found == density_coverage(**clouds(0))
