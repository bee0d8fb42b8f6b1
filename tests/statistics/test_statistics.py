"""Mean and covariance in one pass: however batches are cut, ordered or merged."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid import Statistics
from mifid.errors import CompatibilityError, FeatureError, InputError
from mifid.statistics.provenance import Provenance


def features(seed, n, width=5):
    random = np.random.RandomState(seed)
    return (random.rand(n, width) * 3 + random.rand(width)).astype(np.float32)


def assert_equal(statistics, expected, rel=1e-12):
    expected = expected.astype(np.float64)
    assert statistics.n == len(expected)
    np.testing.assert_allclose(statistics.mu, expected.mean(axis=0), rtol=rel)
    np.testing.assert_allclose(
        statistics.sigma, np.cov(expected, rowvar=False), rtol=rel, atol=1e-14
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_batches_equal_the_whole(seed, sizes):
    whole = features(seed, sum(sizes) + 1)
    statistics = Statistics()
    for batch in np.split(whole, np.cumsum([1, *sizes])[:-1]):
        statistics.update(batch)
    assert_equal(statistics, whole)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 30))
def test_merge_equals_the_whole_either_way(seed, n, m):
    one, other = features(seed, n), features(seed + 1, m)
    for first, second in ((one, other), (other, one)):
        merged = Statistics.from_features(first)
        merged.merge(Statistics.from_features(second))
        assert_equal(merged, np.concatenate([one, other]))


def test_more_than_a_flush(monkeypatch):
    monkeypatch.setattr("mifid.statistics.statistics._FLUSH_ROWS", 8)
    whole = features(1, 61)
    statistics = Statistics()
    for batch in np.array_split(whole, 7):
        statistics.update(batch)
        assert statistics._pending_rows < 8
    assert_equal(statistics, whole)


def test_a_large_mean_loses_no_digits():
    """The textbook E[x^2] - E[x]^2 would lose all of them here."""
    whole = features(2, 100).astype(np.float64) + 1e8
    statistics = Statistics()
    for batch in np.array_split(whole, 9):
        statistics.update(batch)
    assert_equal(statistics, whole, rel=1e-6)


def test_merging_nothing_changes_nothing():
    statistics = Statistics.from_features(features(3, 10))
    statistics.merge(Statistics())
    assert_equal(statistics, features(3, 10))


def test_the_callers_buffer_may_be_reused():
    buffer = features(4, 6)
    kept = buffer.copy()
    statistics = Statistics.from_features(buffer)
    buffer[:] = 0
    assert_equal(statistics, kept)


def test_round_trip(tmp_path):
    provenance = Provenance(extractor="inception", fingerprint="abc", resize="tf1")
    statistics = Statistics.from_features(features(5, 20), provenance=provenance)
    statistics.save(tmp_path / "s.npz")
    loaded = Statistics.load(tmp_path / "s.npz")
    assert loaded.n == 20
    assert loaded.provenance == provenance
    np.testing.assert_array_equal(loaded.mu, statistics.mu)
    np.testing.assert_allclose(loaded.sigma, statistics.sigma, rtol=1e-15)
    loaded.update(features(6, 7))
    assert_equal(loaded, np.concatenate([features(5, 20), features(6, 7)]))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.ones(3), r"shape \(3,\)"),
        (np.array([[1.0, np.nan], [np.inf, 1.0], [1.0, 1.0]]), "in 2 of 3 rows, first in row 0"),
    ],
)
def test_refuses_bad_features(values, text):
    with pytest.raises(FeatureError, match=text):
        Statistics().update(values)


def test_refuses_another_width():
    statistics = Statistics.from_features(np.ones((3, 4)))
    with pytest.raises(FeatureError, match="width 5 cannot be added to features of width 4"):
        statistics.update(np.ones((3, 5)))


def test_one_picture_has_no_covariance():
    with pytest.raises(FeatureError, match="at least two pictures, got 1"):
        _ = Statistics.from_features(np.ones((1, 4))).sigma


def test_statistics_of_unknown_n_cannot_grow():
    known = Statistics.from_features(features(7, 9))
    unknown = Statistics.from_moments(mu=known.mu, sigma=known.sigma)
    assert unknown.n is None
    np.testing.assert_array_equal(unknown.sigma, known.sigma)
    with pytest.raises(FeatureError, match="number of pictures is not known"):
        unknown.update(features(8, 3))
    with pytest.raises(FeatureError, match="number of pictures is not known"):
        known.merge(unknown)


@pytest.mark.parametrize(
    ("mu", "sigma", "text"),
    [
        (np.ones(3), np.eye(4), r"\(4, 4\); mu of width 3"),
        (np.ones(3), np.full((3, 3), np.nan), "sigma hold NaN"),
        (np.array([1, np.inf, 1]), np.eye(3), "mu hold NaN or infinity"),
    ],
)
def test_refuses_bad_moments(mu, sigma, text):
    with pytest.raises(FeatureError, match=text):
        Statistics.from_moments(mu=mu, sigma=sigma)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*missing\.npz"):
        Statistics.load(tmp_path / "missing.npz")


def test_moments_are_the_callers_to_change():
    mean = np.ones(3)
    statistics = Statistics.from_moments(mu=mean, sigma=np.eye(3), n=5)
    mean[:] = 7
    assert statistics.mu.tolist() == [1, 1, 1]


def made_by(extractor="inception", dtype="float32"):
    return Provenance(extractor, f"{extractor} {dtype}", dtype=dtype, resize="tf")


def test_statistics_of_several_extractors_or_precisions_are_not_merged(random):
    one = Statistics.from_features(random.rand(6, 3), provenance=made_by())
    for other in (made_by(dtype="bfloat16"), made_by("own")):
        with pytest.raises(CompatibilityError, match=r"cannot be added to those from inception"):
            one.merge(Statistics.from_features(random.rand(5, 3), provenance=other))
    assert one.n == 6
    one.merge(Statistics.from_features(random.rand(5, 3), provenance=made_by()))
    assert (one.n, one.provenance) == (11, made_by())


def test_a_merge_knows_what_both_know(random):
    known = Statistics.from_features(random.rand(6, 3), provenance=made_by())
    empty = Statistics()
    empty.merge(known)
    assert empty.provenance == made_by()
    known.merge(Statistics.from_features(random.rand(6, 3)))
    assert known.provenance == Provenance()


def test_a_merged_covariance_is_symmetric(random):
    one, other = (Statistics.from_features(random.rand(20, 9) * k) for k in (1, 3))
    one.merge(other)
    np.testing.assert_array_equal(one.sigma, one.sigma.T)


def out_of_band(statistics):
    """Pickle with protocol 5, and read with buffers that may not be written to, as Ray does."""
    buffers = []
    content = pickle.dumps(statistics, protocol=5, buffer_callback=buffers.append)
    assert buffers
    return pickle.loads(content, buffers=[bytes(each.raw()) for each in buffers])


@pytest.mark.parametrize("rows", [5, 1024, 1030])
def test_statistics_go_on_after_pickling_with_read_only_buffers(rows, random):
    values, more = random.rand(rows, 4), random.rand(7, 4)
    whole = Statistics.from_features(np.concatenate([values, more, values]))
    again = out_of_band(Statistics.from_features(values))
    assert np.array_equal(again.mu, Statistics.from_features(values).mu)
    assert np.array_equal(again.sigma, Statistics.from_features(values).sigma)
    again.update(more)
    again.merge(out_of_band(Statistics.from_features(values)))
    assert again.n == whole.n
    assert np.allclose(again.mu, whole.mu, rtol=1e-12)
    assert np.allclose(again.sigma, whole.sigma, rtol=1e-12)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_statistics_in_a_memory_map_go_on_and_leave_the_file_as_it_is(mode, random, tmp_path):
    joblib = pytest.importorskip("joblib")
    values, more = random.rand(9, 4), random.rand(7, 4)
    joblib.dump(Statistics.from_features(values), tmp_path / "shared")
    before = (tmp_path / "shared").read_bytes()
    mapped = joblib.load(tmp_path / "shared", mmap_mode=mode)
    assert mapped.mu.tolist() == Statistics.from_features(values).mu.tolist()
    mapped.update(more)
    mapped.merge(joblib.load(tmp_path / "shared", mmap_mode=mode))
    whole = Statistics.from_features(np.concatenate([values, more, values]))
    assert np.allclose(mapped.sigma, whole.sigma, rtol=1e-12)
    assert (tmp_path / "shared").read_bytes() == before


def test_scatter_is_read_only_and_makes_the_same_statistics(random):
    values = random.rand(9, 4)
    given = Statistics.from_features(values)
    with pytest.raises(ValueError, match="read-only"):
        given.scatter[0, 0] = 1
    again = Statistics.from_scatter(n=9, mean=given.mu, scatter=given.scatter)
    again.update(values)
    assert given.n == 9
    assert np.array_equal(given.sigma, Statistics.from_features(values).sigma)
    assert np.allclose(again.sigma, Statistics.from_features(np.tile(values, (2, 1))).sigma)
