"""KID: torch-fidelity as the oracle, by every route of the sums, and properties."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import kernel
from mifid.metrics.kernel import METRIC, kernel_distance, standard_error


def clouds(seed=0, n=60, m=45, width=16):
    random = np.random.RandomState(seed)
    return {
        "generated": np.abs(random.randn(n, width)).astype(np.float32) + np.float32(0.1),
        "reference": np.abs(random.randn(m, width)).astype(np.float32),
    }


def torch_fidelity(sides, dtype, **settings):
    found = kid_features_to_metric(
        *(torch.from_numpy(sides[side].astype(dtype)) for side in ("generated", "reference")),
        verbose=False,
        **settings,
    )
    return found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]


def u_statistic(x, y):
    """The estimate of all pairs, in loops."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    within = [
        np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
        for s in (x, y)
    ]
    return within[0] + within[1] - 2 * np.mean([k(a, b) for a in x for b in y])


# Few small subsets have a matrix each, many or large ones share the matrix of all pictures.
@pytest.mark.parametrize(("subsets", "size"), [(3, 10), (100, 10), (10, 40), (100, 45)])
def test_equals_torch_fidelity(subsets, size):
    sides = clouds()
    found = kernel_distance(**sides, subsets=subsets, subset_size=size, seed=11)
    settings = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": 11}
    mean, std = torch_fidelity(sides, np.float64, **settings)
    assert found["kid"] == pytest.approx(mean, abs=1e-12)
    assert found["kid_std"] == pytest.approx(std, abs=1e-12)
    mean, std = torch_fidelity(sides, np.float32, **settings)
    assert found["kid"] == pytest.approx(mean, abs=1e-5)  # float32's rounding, at values of 30


def test_equals_torch_fidelity_on_genuine_features(data):
    sides = {
        "generated": np.load(data / "pool3_roses.npz")["features"],
        "reference": np.load(data / "pool3_tulips.npz")["features"],
    }
    found = kernel_distance(**sides, subsets=10, subset_size=500)
    settings = {"kid_subsets": 10, "kid_subset_size": 500}  # and its default seed, which is ours
    for dtype, bound in ((np.float32, 1e-6), (np.float64, 1e-12)):
        mean, std = torch_fidelity(sides, dtype, **settings)
        assert found["kid"] == pytest.approx(mean, abs=bound)
        assert found["kid_std"] == pytest.approx(std, abs=bound)


def test_both_routes_and_all_blocks_give_the_same_sums(monkeypatch):
    sides = clouds(1)
    settings = {"subsets": 7, "subset_size": 20}
    own = kernel_distance(**sides, **settings)
    monkeypatch.setattr(kernel, "_OWN_MATRICES", 0.0)
    shared = kernel_distance(**sides, **settings)
    monkeypatch.setattr(kernel, "_BLOCK_BYTES", 16 * 60 * 7)
    blocks = kernel_distance(**sides, **settings)
    assert shared == pytest.approx(own, rel=1e-11)
    assert blocks == pytest.approx(own, rel=1e-11)


def test_all_pictures_at_once_is_the_u_statistic():
    sides = clouds(2, n=23, m=14)
    expected = u_statistic(sides["generated"], sides["reference"])
    assert kernel_distance(**sides, subsets=None) == {"kid": pytest.approx(expected, rel=1e-12)}


def test_the_subset_is_lowered_to_the_smaller_side():
    sides = clouds(m=30)
    found = kernel_distance(**sides, subsets=20)
    assert found["kid_subset_size"] == 30
    assert found == kernel_distance(**sides, subsets=20, subset_size=30)
    assert found != kernel_distance(**sides, subsets=20, subset_size=29)


def test_seeded():
    sides = clouds()
    found = kernel_distance(**sides, subset_size=20, seed=3)
    assert kernel_distance(**sides, subset_size=20, seed=3) == found
    assert kernel_distance(**sides, subset_size=20, seed=4)["kid"] != found["kid"]


def test_unbiased_around_zero_and_growing_with_the_distance():
    """Sets of one distribution: the mean over many draws is 0 within its error, with both signs."""
    found = []
    for seed in range(200):
        rows = np.random.RandomState(seed).randn(40, 8)
        found.append(kernel_distance(generated=rows[:20], reference=rows[20:], subsets=None)["kid"])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0 < max(found)
    rows = np.random.RandomState(0).randn(400, 8)
    moved = [
        kernel_distance(generated=rows[:200] + shift, reference=rows[200:], subsets=None)["kid"]
        for shift in (0.0, 0.5, 1.0, 2.0)
    ]
    assert moved == sorted(moved)
    assert moved[3] > 100 * abs(moved[0])


def test_order_matters_only_to_the_draws():
    sides = clouds(4)
    shuffled = {name: rows[::-1] for name, rows in sides.items()}
    whole = kernel_distance(**sides, subsets=None)["kid"]
    assert kernel_distance(**shuffled, subsets=None)["kid"] == pytest.approx(whole, rel=1e-11)


def test_two_pictures_are_enough():
    found = kernel_distance(generated=[[0.0], [1.0]], reference=[[2.0], [3.0]], subsets=4)
    # k: 1 within the generated, (6 + 1)^3 within the reference; 1, 1, 27, 64 between them.
    assert found == {
        "kid": pytest.approx(1 + 343 - 2 * 93 / 4),
        "kid_subset_size": 2.0,
    }


@pytest.mark.parametrize(("m", "size", "spread"), [(8, 8, False), (8, 7, True), (9, 8, True)])
def test_subsets_that_are_all_the_same_have_no_standard_deviation(m, size, spread):
    rows = np.random.RandomState(0).randn(8 + m, 4)
    found = kernel_distance(generated=rows[:8], reference=rows[8:], subsets=5, subset_size=size)
    assert ("kid_std" in found) is spread
    assert found["kid_subset_size"] == size


@pytest.mark.parametrize(
    ("generated", "reference", "settings", "error", "text"),
    [
        ((1, 4), (9, 4), {}, UnavailableError, "KID: at least 2 generated pictures.*got 1"),
        ((9, 4), (1, 4), {}, UnavailableError, "KID: at least 2 reference pictures.*got 1"),
        ((9, 4), (9, 5), {}, FeatureError, "width 4, reference features 5"),
        ((9,), (9, 5), {}, FeatureError, r"generated features have shape \(9,\)"),
        ((9, 4), (9, 4), {"subsets": 0}, FeatureError, "0 subsets of 1000"),
        ((9, 4), (9, 4), {"subset_size": 1}, FeatureError, "100 subsets of 1 "),
    ],
)
def test_refuses_what_has_no_kid(generated, reference, settings, error, text):
    with pytest.raises(error, match=text):
        kernel_distance(generated=np.ones(generated), reference=np.ones(reference), **settings)


@pytest.mark.parametrize("subsets", [None, 3])
def test_memory_stays_bounded_by_blocks(subsets):
    features = np.random.RandomState(0).rand(6_000, 20).astype(np.float32)
    tracemalloc.start()
    kernel_distance(generated=features, reference=features, subsets=subsets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * (64 << 20)  # a kernel matrix of all pairs has 288 MB


def test_the_table_entry_tells_what_the_function_gives():
    found = METRIC.function(**clouds(), **METRIC.settings)
    assert list(found) == list(METRIC.values)
    assert found == kernel_distance(**clouds())
    assert all(type(value) is float for value in found.values())


# Standard error


@pytest.mark.parametrize(("m", "n"), [(3, 3), (7, 12), (20, 5)])
@pytest.mark.parametrize("resample", [("generated",), ("reference",), ("generated", "reference")])
def test_the_standard_error_is_that_of_leaving_pictures_out(random, m, n, resample):
    sides = {"generated": random.rand(m, 4), "reference": 2 * random.rand(n, 4)}
    variance = 0.0
    for side in resample:
        left = []
        for row in range(len(sides[side])):
            others = {**sides, side: np.delete(sides[side], row, axis=0)}
            left.append(kernel_distance(**others, subsets=None)["kid"])
        variance += (len(left) - 1) * np.var(left)
    found = standard_error(**sides, resample=resample)
    assert found == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_the_standard_error_in_blocks(random, monkeypatch):
    sides = {"generated": random.rand(30, 4), "reference": random.rand(20, 4)}
    whole = standard_error(**sides)
    monkeypatch.setattr(kernel, "_BLOCK_BYTES", 16 * 30 * 4)
    assert standard_error(**sides) == pytest.approx(whole, rel=1e-12)


def test_the_standard_error_is_about_the_deviation_over_draws(random):
    """In expectation the jackknife's variance is not below the true one."""
    draws = [(random.randn(25, 3), 1 + random.randn(20, 3)) for _ in range(200)]
    found = [kernel_distance(generated=x, reference=y, subsets=None)["kid"] for x, y in draws]
    errors = [standard_error(generated=x, reference=y) for x, y in draws]
    assert 0.9 < np.sqrt(np.mean(np.square(errors))) / np.std(found) < 1.3


def test_the_standard_error_needs_three_pictures(random):
    with pytest.raises(UnavailableError, match="at least 3 generated"):
        standard_error(generated=random.rand(2, 3), reference=random.rand(5, 3))
