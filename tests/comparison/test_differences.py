"""Replicates of differences: shared draws, ties, and intervals that hold what they promise."""

from dataclasses import asdict

import numpy as np
import pytest

from mifid.cache import Cache
from mifid.comparison.differences import at_fewer, draw, gap, interval, naming
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import penalized
from mifid.metrics.resampling import counts
from mifid.progress import Silent
from mifid.statistics.features import Features
from mifid.uncertainty.assessment import Resampling
from mifid.uncertainty.intervals import uncertainty

NAMES = tuple(f"{i:03}.jpg" for i in range(1000))


def features(values, *, names=True):
    return Features(np.asarray(values, np.float32), NAMES[: len(values)] if names else None)


def drawn(generated, reference, *, training=None, replicates=200, seed=0, **settings):
    training = reference if training is None else training
    fid = frechet_distance(generated=generated.values, reference=reference.values)
    distance = memorization_distance(generated=generated.values, reference=training.values)
    usual = {
        "epsilon": 0.1,
        "naming": naming(NAMES[: len(generated)]),
        "shuffled": False,
        "cache": None,
    }
    settings = usual | settings
    score = penalized(fid=fid, memorization_distance=distance, epsilon=settings["epsilon"])
    return draw(
        generated=generated,
        reference=reference,
        training=training,
        headline={"fid": fid, "memorization_distance": distance, "mifid": score},
        resampling=Resampling(replicates=replicates, seed=seed),
        progress=Silent(),
        **settings,
    )


@pytest.fixture
def sides(random):
    """Two submissions that are nearly the same picture by picture, and a reference."""
    one = random.randn(60, 4)
    return (
        features(one + 1),
        features(one + 1.02 + 0.02 * random.randn(60, 4)),
        features(random.randn(40, 4)),
    )


def test_replicates_are_scores_of_the_resampled_arrays(sides):
    one, other, reference = sides
    rows = [
        np.repeat(np.arange(n), counts(n, side, range(7, 8), seed=0)[0].astype(int))
        for n, side in ((60, "generated"), (40, "reference"))
    ]
    for side in (one, other):
        found = drawn(side, reference, replicates=100)
        fid = frechet_distance(generated=side.values[rows[0]], reference=reference.values[rows[1]])
        assert found.moved["fid"][7] + found.bias["fid"] == pytest.approx(fid, rel=1e-9)


def test_replicates_are_moved_onto_the_value(sides):
    one, _, reference = sides
    found = drawn(one, reference)
    fid = frechet_distance(generated=one.values, reference=reference.values)
    assert found.moved["fid"].mean() == pytest.approx(fid, rel=1e-9)
    assert found.bias["fid"] > 0  # repeated pictures


def test_the_interval_of_a_single_score_is_that_of_uncertainty(sides):
    one, _, reference = sides
    found = drawn(one, reference, epsilon=0.2)
    same = uncertainty(
        generated=one, reference=reference, epsilon=0.2, level=90, replicates=200, seed=0
    )
    for name, expected in same.intervals.items():
        assert asdict(interval(found, name, level=90)) == pytest.approx(asdict(expected))


def test_mifid_jumps_where_the_distance_crosses_the_threshold(sides):
    one, _, reference = sides
    middle = memorization_distance(generated=one.values, reference=reference.values)
    found = drawn(one, reference, epsilon=middle)
    distance = found.moved["memorization_distance"]
    assert 0.3 < (distance < middle).mean() < 0.7
    divisor = np.where(distance < middle, distance, 1.0)
    np.testing.assert_allclose(found.moved["mifid"], found.moved["fid"] / divisor, rtol=1e-12)


def test_one_submission_twice_is_a_tie(sides):
    one, _, reference = sides
    found = gap(*(drawn(one, reference) for _ in range(2)), "mifid", level=95)
    assert (found.interval.low, found.interval.high, found.interval.standard_error) == (0, 0, 0)
    assert found.probability_below == 0.5
    assert found.paired


def test_pairing_tells_apart_what_single_intervals_cannot(sides):
    one, other, reference = sides
    draws = [drawn(side, reference) for side in (one, other)]
    alone = [interval(d, "fid", level=95) for d in draws]
    paired = gap(draws[1], draws[0], "fid", level=95)
    assert alone[0].high > alone[1].low  # the intervals overlap ...
    assert paired.interval.low > 0  # ... the submissions do not
    assert paired.probability_below < 0.025
    shuffled = drawn(other, reference, naming=naming(["another"]), shuffled=True)
    apart = gap(shuffled, draws[0], "fid", level=95)
    assert not apart.paired
    assert apart.interval.standard_error > 3 * paired.interval.standard_error


def test_a_gap_is_the_other_way_round_the_other_way_round(sides):
    one, other, reference = sides
    draws = [drawn(side, reference) for side in (one, other)]
    there, back = gap(*draws, "fid", level=90), gap(*draws[::-1], "fid", level=90)
    # Percentiles lie between two replicates: a + t (b - a) one way, b - (1 - t) (b - a) the other.
    assert there.interval.low == pytest.approx(-back.interval.high, rel=1e-12)
    assert there.interval.high == pytest.approx(-back.interval.low, rel=1e-12)
    assert there.probability_below == pytest.approx(1 - back.probability_below)
    assert there.interval.level == 90


@pytest.mark.parametrize(
    ("width", "real", "made", "least", "most"),
    [
        pytest.param(4, 60, 90, 0.85, 1.15, id="more pictures than dimensions"),
        # FID's own bootstrap is too wide there; a difference of narrowed ones would be too narrow.
        pytest.param(60, 30, 80, 0.95, 1.6, id="fewer pictures than dimensions"),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_the_spread_is_that_over_fresh_draws(paired, width, real, made, least, most):
    scale = 1 / np.sqrt(np.arange(1, width + 1))

    def fresh(seed):
        random = np.random.RandomState(seed)
        one, other = random.randn(2, made, width)
        if paired:  # two models paint the same photos
            photos = random.randn(made, width)
            one, other = 0.8 * photos + 0.6 * one, 0.8 * photos + 0.6 * other
        sides = (one * scale + 0.3, 1.05 * other * scale + 0.3, random.randn(real, width) * scale)
        return [features(side) for side in sides]

    def difference(*sides):
        one, other, reference = (side.values for side in sides)
        return frechet_distance(generated=one, reference=reference) - frechet_distance(
            generated=other, reference=reference
        )

    truth = np.std([difference(*fresh(seed)) for seed in range(200)])
    told = []
    for seed in range(1000, 1006):
        one, other, reference = fresh(seed)
        renamed = {} if paired else {"naming": naming(["x"]), "shuffled": True}
        draws = [drawn(one, reference, replicates=100)]
        draws.append(drawn(other, reference, replicates=100, **renamed))
        told.append(gap(*draws, "fid", level=95).interval.standard_error)
    assert least * truth < np.mean(told) < most * truth


def test_draws_are_kept(sides, monkeypatch):
    one, other, reference = sides
    first = drawn(one, reference, cache=Cache())
    monkeypatch.setattr("mifid.comparison.differences.calibrated", None)
    again = drawn(one, reference, cache=Cache())
    np.testing.assert_array_equal(again.moved["mifid"], first.moved["mifid"])
    for change in ({"seed": 1}, {"shuffled": True}, {"replicates": 300}, {"training": other}):
        with pytest.raises(TypeError, match="not callable"):
            drawn(one, reference, cache=Cache(), **change)


def test_two_large_sets_are_resampled_to_first_order(sides, monkeypatch):
    one, other, reference = sides
    exact = [drawn(side, reference, replicates=300) for side in (one, other)]
    monkeypatch.setattr("mifid.uncertainty.intervals.LARGEST", 3)
    near = [drawn(side, reference, replicates=300) for side in (one, other)]
    assert {d.method for d in exact} == {"bootstrap"}
    assert {d.method for d in near} == {"jackknife"}
    for name in ("fid", "memorization_distance"):
        one_way, other_way = (gap(*draws, name, level=95).interval for draws in (exact, near))
        assert other_way.standard_error == pytest.approx(one_way.standard_error, rel=0.3)


def test_names_pair_whatever_the_folder_and_the_format():
    assert naming(["a/1.jpg", "a/2.jpg"]) == naming(["1.png", "2.png"])
    assert naming(["1.jpg", "2.jpg"]) != naming(["1.jpg", "3.jpg"])
    assert naming(["a/1.jpg", "b/1.jpg"]) != naming(["a/1.jpg", "c/1.jpg"])


def test_single_intervals_do_not_depend_on_the_shuffling(sides):
    one, _, reference = sides
    plain = drawn(one, reference, epsilon=0.2)
    shuffled = drawn(one, reference, epsilon=0.2, naming=naming(["another"]), shuffled=True)
    for name in plain.calibrated:
        assert interval(shuffled, name, level=90) == interval(plain, name, level=90)
    assert (shuffled.moved["fid"] != plain.moved["fid"]).any()
    assert shuffled.below_threshold == plain.below_threshold


def test_replicates_at_fewer_pictures_are_moved_and_penalized_anew(sides):
    one, _, reference = sides
    middle = memorization_distance(generated=one.values, reference=reference.values)
    found = drawn(one, reference, epsilon=middle)
    fewer = at_fewer(found, fid=2.0, fid_at_fewer=2.5, epsilon=middle)
    np.testing.assert_allclose(fewer.moved["fid"], found.moved["fid"] + 0.5)
    distance = found.moved["memorization_distance"]
    np.testing.assert_array_equal(fewer.moved["memorization_distance"], distance)
    divisor = np.where(distance < middle, distance, 1.0)
    np.testing.assert_allclose(fewer.moved["mifid"], fewer.moved["fid"] / divisor)
    assert fewer.calibrated is found.calibrated


def test_a_tail_widens_the_interval_alone(sides):
    one, other, reference = sides
    draws = [drawn(side, reference) for side in (one, other)]
    alone, together = gap(*draws, "fid", level=90), gap(*draws, "fid", level=90, tail=0.01)
    assert gap(*draws, "fid", level=90, tail=0.05).interval == alone.interval
    assert together.interval.low < alone.interval.low
    assert together.interval.high > alone.interval.high
    assert together.probability_below == alone.probability_below
