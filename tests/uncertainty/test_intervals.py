"""Intervals cover what they say they cover, and say what is approximate."""

import json

import numpy as np
import pytest

from mifid.errors import InputError, UnavailableError
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import penalized
from mifid.statistics.features import Features
from mifid.uncertainty.intervals import Uncertainty, calibrated, uncertainty

WIDTH = 6


def features(values):
    return Features(np.asarray(values, np.float32))


def gaussians(random, n, m, shift, scale):
    """Two sets with FID shift^2 + 6 (scale - 1)^2, were they infinitely large."""
    generated = random.randn(n, WIDTH) * scale + shift / np.sqrt(WIDTH)
    return {"generated": features(generated), "reference": features(random.randn(m, WIDTH))}


def arrays(sides):
    return {name: side.values for name, side in sides.items()}


def covered(intervals, value):
    return np.mean([low <= value <= high for low, high in intervals])


def intervals_of(random, repetitions, level, **sets):
    """Intervals of FID over fresh draws, moved and as they come."""
    moved, raw = [], []
    tails = [(100 - level) / 2, (100 + level) / 2]
    for seed in range(repetitions):
        found = calibrated(**gaussians(random, **sets), replicates=100, seed=seed)
        moved.append(np.percentile(found.replicates.fid, tails))
        raw.append(np.percentile(found.raw.fid, tails))
    return moved, raw


def expected(random, draws, **sets):
    """FID's mean over fresh draws of so many pictures."""
    return np.mean([frechet_distance(**arrays(gaussians(random, **sets))) for _ in range(draws)])


def test_covers_the_known_distance_of_gaussians(random):
    """80 % of intervals hold it; 50 repetitions scatter by 5.7 %."""
    sets = {"n": 300, "m": 400, "shift": 1.0, "scale": 1.3}
    moved, _ = intervals_of(random, 50, 80, **sets)
    assert 0.68 <= covered(moved, 1.0 + WIDTH * 0.3**2) <= 0.92
    assert 0.68 <= covered(moved, expected(random, 200, **sets)) <= 0.92


def test_covers_the_expected_score_of_few_pictures_which_raw_percentiles_miss(random):
    """Nearly the same distribution twice: FID is bias for the most part, a resample's twice."""
    sets = {"n": 200, "m": 300, "shift": 0.3, "scale": 1.0}
    moved, raw = intervals_of(random, 40, 95, **sets)
    truth = expected(random, 300, **sets)
    assert covered(moved, truth) >= 0.88
    assert covered(raw, truth) <= 0.8


def test_the_jackknife_covers_too(random):
    sets = {"n": 200, "m": 300, "shift": 1.0, "scale": 1.3}
    truth = expected(random, 300, **sets)
    intervals = []
    for seed in range(60):
        found = uncertainty(
            **gaussians(random, **sets), level=80, replicates=100, seed=seed, method="jackknife"
        )
        intervals.append((found.intervals["fid"].low, found.intervals["fid"].high))
    assert 0.71 <= covered(intervals, truth) <= 0.91


@pytest.fixture
def sides(random):
    generated, reference = random.rand(60, 40) ** 2, random.rand(30, 40) ** 2
    return {"generated": features(generated), "reference": features(reference)}


def test_intervals_lie_about_the_headline(sides):
    found = uncertainty(**sides, replicates=300)
    fid = frechet_distance(**arrays(sides))
    distance = memorization_distance(**arrays(sides))
    headline = {
        "fid": fid,
        "memorization_distance": distance,
        "mifid": penalized(fid=fid, memorization_distance=distance),
    }
    assert found.method == "bootstrap"
    for name, value in headline.items():
        interval = found.intervals[name]
        assert interval.low < value < interval.high
        middle = (interval.low + interval.high) / 2
        assert middle == pytest.approx(value, abs=interval.standard_error)
        assert interval.high - interval.low == pytest.approx(
            3.92 * interval.standard_error, rel=0.15
        )
    assert found.intervals["fid"].replicates_bias > found.intervals["fid"].standard_error
    assert f"{found.intervals['fid'].replicates_bias:+.3g}" in found.remark
    assert "as many as here" in found.remark


def test_distance_has_the_standard_error_of_a_mean(sides):
    found = uncertainty(**sides, replicates=1000).intervals["memorization_distance"]
    values = sides["generated"].values
    each = [
        memorization_distance(generated=row[None], reference=sides["reference"].values)
        for row in values
    ]
    assert found.standard_error == pytest.approx(np.std(each) / np.sqrt(len(each)), rel=0.1)


def test_a_wider_level_is_wider(sides):
    narrow = uncertainty(**sides, level=80, replicates=200).intervals["fid"]
    wide = uncertainty(**sides, level=99, replicates=200).intervals["fid"]
    assert wide.low < narrow.low < narrow.high < wide.high


def test_near_the_threshold_both_branches_count(sides):
    distance = memorization_distance(**arrays(sides))
    found = uncertainty(**sides, epsilon=distance, replicates=400)
    fid, score = found.intervals["fid"], found.intervals["mifid"]
    assert 0.2 < found.below_threshold < 0.8
    assert f"{found.below_threshold:.1%} of the replicates are below" in found.remark
    assert score.low < 1.01 * fid.high
    assert score.high > 0.9 * fid.low / distance
    far = uncertainty(**sides, epsilon=distance / 2, replicates=100)
    assert far.below_threshold == 0.0
    assert "threshold" not in far.remark


def test_one_side_is_narrower(sides):
    both = uncertainty(**sides, replicates=300).intervals["fid"]
    one = uncertainty(**sides, replicates=300, resample=("generated",))
    assert one.resampled == ("generated",)
    assert one.intervals["fid"].standard_error < both.standard_error


def test_two_large_sets_are_taken_to_first_order(sides, monkeypatch):
    monkeypatch.setattr("mifid.uncertainty.intervals.LARGEST", 29)
    found = uncertainty(**sides, replicates=200)
    assert found.method == "jackknife"
    assert "first order" in found.remark
    exact = uncertainty(**sides, replicates=200, method="bootstrap").intervals["fid"]
    first = found.intervals["fid"]
    assert exact.standard_error == pytest.approx(first.standard_error, rel=1e-6)


def test_without_a_reference_there_is_the_distance_alone(sides):
    found = uncertainty(
        generated=sides["generated"], reference=None, training=sides["reference"], replicates=100
    )
    assert list(found.intervals) == ["memorization_distance"]


def test_repeats_itself_and_survives_json(sides):
    found = uncertainty(**sides, replicates=100, seed=3)
    assert found == uncertainty(**sides, replicates=100, seed=3)
    assert found != uncertainty(**sides, replicates=100, seed=4)
    assert Uncertainty.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "guess"}, "unknown method 'guess'"),
        ({"resample": ("training",)}, "resample is training"),
    ],
)
def test_refuses_nonsense(sides, settings, text):
    with pytest.raises(InputError, match=text):
        uncertainty(**sides, **settings)


def test_refuses_two_pictures(sides):
    few = Features(sides["generated"].values[:2])
    with pytest.raises(UnavailableError, match="at least three"):
        uncertainty(generated=few, reference=sides["reference"])
