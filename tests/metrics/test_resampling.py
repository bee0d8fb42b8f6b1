"""Replicates equal the scores of the resampled arrays, and share their draws."""

import numpy as np
import pytest

from mifid.errors import FeatureError, InputError, UnavailableError
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import penalized
from mifid.metrics.resampling import WeightedFrechet, bootstrap, counts, linearized

# The reference is the small side, the generated, the width (covariances), none.
SHAPES = [(200, 30, 64), (30, 200, 64), (90, 80, 20), (40, 40, 40)]


def samples(random, n, width):
    mixing = random.randn(width, width) / np.sqrt(width)
    return np.maximum(random.randn(n, width) @ mixing + random.rand(width), 0) + 0.05


def drawn(features, side, number, seed):
    times = counts(len(features), side, range(number, number + 1), seed=seed)[0]
    return np.repeat(features, times.astype(int), axis=0)


@pytest.mark.parametrize(("n", "m", "width"), SHAPES)
def test_a_replicate_is_the_score_of_the_resampled_arrays(random, n, m, width):
    generated, reference = samples(random, n, width), samples(random, m, width)
    generated[3] = reference[2] = 0.0  # Kaggle drops rows of zeros, from the distance alone
    found = bootstrap(generated=generated, reference=reference, epsilon=0.2, replicates=5, seed=3)
    for number in range(5):
        g, r = drawn(generated, "generated", number, 3), drawn(reference, "reference", number, 3)
        fid = frechet_distance(generated=g, reference=r)
        distance = memorization_distance(generated=g, reference=reference)
        assert found.fid[number] == pytest.approx(fid, rel=1e-9)
        assert found.memorization_distance[number] == pytest.approx(distance, rel=1e-12)
        score = penalized(fid=fid, memorization_distance=distance, epsilon=0.2)
        assert found.mifid[number] == pytest.approx(score, rel=1e-9)


def test_large_offsets_cost_no_digits(random):
    """All centred once: a constant added to both sides changes nothing."""
    generated, reference = samples(random, 60, 100), samples(random, 20, 100)
    near = bootstrap(generated=generated, reference=reference, replicates=4).fid
    far = bootstrap(generated=generated + 1e4, reference=reference + 1e4, replicates=4).fid
    assert far == pytest.approx(near, rel=1e-8)


def test_training_apart_is_what_distances_are_measured_to(random):
    generated, reference, training = (samples(random, n, 16) for n in (30, 20, 25))
    found = bootstrap(generated=generated, reference=reference, training=training, replicates=3)
    expected = memorization_distance(
        generated=drawn(generated, "generated", 1, 0), reference=training
    )
    assert found.memorization_distance[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", [bootstrap, linearized])
def test_sides_are_switched_separately(random, method):
    sides = {"generated": samples(random, 40, 12), "reference": samples(random, 30, 12)}
    both = method(**sides, replicates=200)
    generated = method(**sides, replicates=200, resample=["generated"])
    reference = method(**sides, replicates=200, resample=["reference"])
    assert (generated.memorization_distance == both.memorization_distance).all()
    assert np.ptp(reference.memorization_distance) < 1e-15
    parts = generated.fid.var() + reference.fid.var()
    assert both.fid.var() == pytest.approx(parts, rel=0.4)
    assert min(generated.fid.std(), reference.fid.std()) > 0.02 * both.fid.std()


@pytest.mark.parametrize("method", [bootstrap, linearized])
def test_draws_depend_on_seed_side_and_size_alone(random, method, monkeypatch):
    sides = {"generated": samples(random, 40, 12), "reference": samples(random, 30, 12)}
    whole = method(**sides, replicates=30, seed=5)
    assert (method(**sides, replicates=30, seed=5).fid == whole.fid).all()
    assert (method(**sides, replicates=12, seed=5).fid == whole.fid[:12]).all()
    assert (method(**sides, replicates=30, seed=6).fid != whole.fid).all()
    monkeypatch.setattr("mifid.metrics.resampling._MOST_THREADS", 1)
    monkeypatch.setattr("mifid.metrics.resampling._MOST_AT_ONCE", 7)
    assert method(**sides, replicates=30, seed=5).fid == pytest.approx(whole.fid, rel=1e-12)
    draws = counts(40, "generated", range(3), seed=5)
    assert (draws.sum(axis=1) == 40).all()
    assert not np.array_equal(draws, counts(40, "reference", range(3), seed=5))
    assert not np.array_equal(draws[0], draws[1])


def test_two_submissions_are_paired(random):
    """The same pictures, slightly brighter: their difference hardly scatters."""
    generated, reference = samples(random, 60, 16), samples(random, 40, 16)
    one = bootstrap(generated=generated, reference=reference, replicates=100).fid
    other = bootstrap(generated=generated * 1.01, reference=reference, replicates=100).fid
    assert (other - one).std() < 0.1 * one.std()


def test_to_first_order_equals_the_bootstrap_where_pictures_are_many(random):
    reference = samples(random, 1500, 4)
    mixed = {"generated": samples(random, 2000, 4) * 1.3, "reference": reference}
    exact = bootstrap(**mixed, replicates=200)
    first = linearized(**mixed, replicates=200)
    assert np.corrcoef(exact.fid, first.fid)[0, 1] > 0.995
    assert first.fid.std() == pytest.approx(exact.fid.std(), rel=0.05)
    assert first.memorization_distance == pytest.approx(exact.memorization_distance, rel=1e-12)


def test_subsets_are_multiplicities_too(random):
    generated, reference = samples(random, 50, 30), samples(random, 20, 30)
    weights = np.zeros((1, 50))
    weights[0, :35] = 1.0
    distance = WeightedFrechet(generated=generated, reference=reference)(
        generated=weights, reference=np.ones((1, 20))
    )
    expected = frechet_distance(generated=generated[:35], reference=reference)
    assert distance[0] == pytest.approx(expected, rel=1e-10)


def test_without_a_reference_there_is_the_distance_alone(random):
    found = bootstrap(
        generated=samples(random, 9, 4), reference=None, training=samples(random, 8, 4)
    )
    assert found.fid is None
    assert found.mifid is None
    assert len(found.memorization_distance) == 1000


def test_progress_adds_up(random):
    done = []
    bootstrap(
        generated=samples(random, 9, 4),
        reference=samples(random, 8, 4),
        replicates=150,
        advance=done.append,
    )
    assert sum(done) == 150
    assert len(done) > 1


def test_says_what_cannot_be_resampled(random):
    rows = samples(random, 9, 4)
    with pytest.raises(InputError, match="resample is training"):
        bootstrap(generated=rows, reference=rows, resample=["training"])
    with pytest.raises(InputError, match="resample is empty"):
        bootstrap(generated=rows, reference=rows, resample=[])
    with pytest.raises(UnavailableError, match="no training pictures"):
        bootstrap(generated=rows, reference=None)
    with pytest.raises(FeatureError, match="width 4, reference features 3"):
        bootstrap(generated=rows, reference=rows[:, :3], training=rows)
    black = np.zeros((9, 4))
    black[0] = 1.0
    with pytest.raises(UnavailableError, match="only 1 of 9"):
        bootstrap(generated=black, reference=rows)
