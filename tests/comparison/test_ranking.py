"""FID at fewer pictures: its expectation, its repeatability, and the balance of its subsets."""

import numpy as np
import pytest

from mifid.cache import Cache
from mifid.comparison import ranking
from mifid.comparison.ranking import SUBSETS, fid_at
from mifid.metrics.frechet import frechet_distance
from mifid.progress import Silent
from mifid.statistics.features import Features


def features(random, n, width=10, shift=0.0):
    return Features((random.randn(n, width) + shift).astype(np.float32))


def at(n, generated, reference, *, seed=0, cache=None):
    return fid_at(
        n,
        generated=generated,
        reference=reference,
        seed=seed,
        cache=cache,
        progress=Silent(),
    )


def test_its_mean_is_that_of_sets_of_that_size(random):
    reference = features(random, 60)
    ours = [at(25, features(random, 150), reference, seed=seed) for seed in range(25)]
    fresh = [
        frechet_distance(generated=features(random, 25).values, reference=reference.values)
        for _ in range(400)
    ]
    noise = np.hypot(np.std(ours) / 5, np.std(fresh) / 20)
    assert abs(np.mean(ours) - np.mean(fresh)) < 3 * noise
    whole = [
        frechet_distance(generated=features(random, 150).values, reference=reference.values)
        for _ in range(20)
    ]
    assert np.mean(ours) > np.mean(whole) + 10 * noise


def test_all_pictures_are_fid_itself(random):
    generated, reference = features(random, 30), features(random, 40)
    whole = frechet_distance(generated=generated.values, reference=reference.values)
    assert at(30, generated, reference) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(("total", "n"), [(700, 100), (500, 400), (101, 100), (10, 3)])
def test_pictures_count_equally_often_and_once_a_subset(total, n):
    rows = list(ranking._laid_around(total, n, SUBSETS, seed=1))
    assert all(len(set(subset)) == n for subset in rows)
    often = np.bincount(np.concatenate(rows), minlength=total)
    assert often.max() - often.min() <= 1


def test_the_seed_decides_and_the_cache_keeps(random, monkeypatch):
    generated, reference = features(random, 50), features(random, 40)
    first = at(20, generated, reference, cache=Cache())
    assert first == at(20, generated, reference)
    assert first != at(20, generated, reference, seed=1)
    monkeypatch.setattr(ranking, "frechet_distance", None)
    assert at(20, generated, reference, cache=Cache()) == first
    for change in ({"seed": 1}, {"n": 21}, {"generated": reference}):
        settings = {"n": 20, "generated": generated, "reference": reference} | change
        with pytest.raises(TypeError, match="not callable"):
            at(**settings, cache=Cache())
