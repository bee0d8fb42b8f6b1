"""Intervals and bias of a score, or the reason why there are none."""

import numpy as np
import pytest

from mifid.cache import Cache
from mifid.errors import InputError
from mifid.progress import Silent
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics
from mifid.uncertainty import assessment
from mifid.uncertainty.assessment import Resampling, assess
from mifid.uncertainty.bias import estimate_bias
from mifid.uncertainty.intervals import uncertainty

ALL = frozenset({"fid", "memorization_distance", "mifid"})
FEW = Resampling(replicates=100)


def features(n, seed=0, width=6):
    return Features(np.random.RandomState(seed).rand(n, width).astype(np.float32) + 0.5)


def statistics(n, seed=0):
    return Statistics.from_features(features(n, seed).values)


def assessed(
    generated=None, reference=None, training=None, held_out=None, values=ALL, how=FEW, cache=None
):
    seconds = {}
    generated = features(30, 1) if generated is None else generated
    reference = features(20, 2) if reference is None else reference
    found = assess(
        generated=generated,
        reference=reference,
        training=reference if training is None else training,
        held_out=held_out,
        photos=None,
        metrics=frozenset(),
        values=values,
        epsilon=0.1,
        resampling=how,
        cache=cache,
        seconds=seconds,
        progress=Silent(),
    )
    return found, seconds


def test_it_is_what_the_two_computations_say():
    g, r, h = features(30, 1), features(20, 2), features(10, 3)
    found, seconds = assessed(g, r, held_out=h)
    expected = uncertainty(generated=g, reference=r, replicates=100, seed=2020)
    assert found.uncertainty.to_dict() == expected.to_dict()
    assert (
        found.bias.to_dict()
        == estimate_bias(generated=g, reference=r, held_out=h, seed=2020).to_dict()
    )
    assert found.uncertainty_reason is None
    assert found.bias_reason is None
    assert set(seconds) == {"uncertainty", "bias", "levels"}


def test_settings_reach_the_bootstrap():
    how = Resampling(ci=80, resample=("reference",), replicates=120, seed=5)
    found = assessed(how=how)[0].uncertainty
    assert (found.level, found.resampled, found.replicates, found.seed) == (
        80.0,
        ("reference",),
        120,
        5,
    )


def test_training_pictures_of_their_own_are_what_the_distance_is_to():
    training = features(15, 9)
    found = assessed(training=training)[0].uncertainty
    expected = uncertainty(
        generated=features(30, 1),
        reference=features(20, 2),
        training=training,
        replicates=100,
        seed=2020,
    )
    assert found.to_dict() == expected.to_dict()
    assert found.to_dict() != assessed()[0].uncertainty.to_dict()


@pytest.mark.parametrize(
    "values", [{"fid"}, {"memorization_distance"}, {"fid", "memorization_distance"}]
)
def test_only_numbers_that_the_score_has_get_an_interval(values):
    found = assessed(values=frozenset(values))[0]
    whole = assessed()[0].uncertainty
    assert found.uncertainty.intervals == {name: whole.intervals[name] for name in sorted(values)}
    assert (found.bias is None) == ("fid" not in values)
    assert found.bias_reason == (None if "fid" in values else "FID was not asked for")


def test_training_statistics_leave_fid_its_interval_alone():
    found = assessed(training=statistics(20), values=frozenset({"fid"}))[0].uncertainty
    assert set(found.intervals) == {"fid"}
    assert found.intervals["fid"] == assessed()[0].uncertainty.intervals["fid"]
    # ... and nothing is said of a threshold of distances to some other set.
    assert "threshold" not in found.remark
    assert found.below_threshold == 0.0


def test_the_threshold_is_told_where_there_is_a_mifid(monkeypatch):
    g, r = features(30, 1), features(20, 2)
    middle = uncertainty(generated=g, reference=r, replicates=100, seed=2020)
    distance = middle.intervals["memorization_distance"]
    monkeypatch.setattr(
        assessment,
        "uncertainty",
        lambda real=uncertainty, **given: real(
            **given | ({"epsilon": (distance.low + distance.high) / 2} if given["epsilon"] else {})
        ),
    )
    assert "MiFID jumps there" in assessed(g, r)[0].uncertainty.remark
    assert "MiFID" not in assessed(g, r, values=frozenset({"fid"}))[0].uncertainty.remark


def test_nothing_computed_has_nothing_to_assess():
    found, seconds = assessed(values=frozenset())
    assert found.uncertainty is None
    assert found.bias is None
    reason = "neither FID nor memorization distance was computed"
    assert (found.uncertainty_reason, found.bias_reason) == (reason, reason)
    assert seconds == {}


def test_switched_off(monkeypatch):
    monkeypatch.setattr(assessment, "uncertainty", None)
    monkeypatch.setattr(assessment, "estimate_bias", None)
    found, seconds = assessed(how=Resampling(ci=0))
    assert (found.uncertainty, found.bias) == (None, None)
    assert (found.uncertainty_reason, found.bias_reason) == ("switched off", "switched off")
    assert seconds == {}


@pytest.mark.parametrize("side", ["generated", "reference"])
def test_statistics_cannot_be_resampled(side):
    found = assessed(**{side: statistics(20)}, values=frozenset({"fid"}))[0]
    reason = f"the {side} side is mean and covariance only, without pictures to resample"
    assert (found.uncertainty, found.bias) == (None, None)
    assert (found.uncertainty_reason, found.bias_reason) == (reason, reason)


@pytest.mark.parametrize("side", ["generated", "reference"])
def test_very_many_pictures_are_resampled_only_on_demand(side, monkeypatch):
    monkeypatch.setattr(assessment, "MOST_PICTURES", 40)
    many = {side: features(41)}
    found = assessed(**many)[0]
    assert (found.uncertainty, found.bias) == (None, None)
    assert found.uncertainty_reason == ("more than 40 pictures: computed only if a level is given")
    assert assessed(**{side: features(40)})[0].uncertainty is not None
    assert assessed(**many, how=Resampling(ci=95, replicates=100))[0].uncertainty is not None


@pytest.mark.parametrize("n", [2, 3])
def test_few_pictures_are_no_crash(n):
    found = assessed(features(n, 1), features(n, 2))[0]
    assert found.bias is None
    assert found.bias_reason == (
        f"FID cannot be extrapolated from {n} generated pictures; expected at least 20"
    )
    if n == 2:
        assert found.uncertainty is None
        assert "at least three" in found.uncertainty_reason
    else:
        interval = found.uncertainty.intervals["fid"]
        assert 0 <= interval.low <= interval.high < np.inf


def test_few_reference_pictures_have_no_halves_but_an_interval():
    found = assessed(reference=features(3, 2))[0]
    assert found.uncertainty is not None
    assert found.bias_reason.startswith("a reference of 3 pictures has no halves")


def test_rows_of_zeros_are_a_reason_and_no_crash():
    zeros = Features(np.zeros((20, 6), np.float32))
    found = assessed(reference=zeros, values=frozenset({"fid"}))[0]
    assert found.uncertainty is None
    assert (
        found.uncertainty_reason
        == "there is no memorization distance: all reference features are zero"
    )
    assert found.bias is not None


def test_some_rows_of_zeros_count_in_fid_and_not_in_the_distance():
    values = features(30, 1).values.copy()
    values[:4] = 0
    intervals = assessed(Features(values))[0].uncertainty.intervals
    kept = assessed(Features(values[4:]))[0].uncertainty.intervals
    assert intervals["fid"].high > 2 * kept["fid"].high
    assert intervals["memorization_distance"].high < 2 * kept["memorization_distance"].high


def test_identical_sets():
    same = features(30)
    found = assessed(same, same)[0]
    for name in ("fid", "memorization_distance"):
        interval = found.uncertainty.intervals[name]
        assert 0 <= interval.low <= 1e-9
        assert interval.high < 0.1
    assert 0 <= found.bias.fid < 1e-9


def test_held_out_pictures_give_a_floor_and_their_statistics_none():
    assert assessed(held_out=features(10, 3))[0].bias.floor_held_out > 0
    assert assessed(held_out=features(10, 3))[0].bias.n_held_out == 10
    without = assessed(held_out=statistics(10, 3))[0].bias
    assert without.floor_held_out is None
    assert "held-out side is mean and covariance only" in without.sentence
    assert assessed()[0].bias.floor_held_out is None


def test_a_second_run_computes_nothing_and_says_the_same(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    first = assessed(cache=cache, held_out=features(10, 3))[0]
    monkeypatch.setattr(assessment, "uncertainty", None)
    monkeypatch.setattr(assessment, "estimate_bias", None)
    second = assessed(cache=cache, held_out=features(10, 3))[0]
    assert second.uncertainty == first.uncertainty
    assert second.bias.to_dict() == first.bias.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"how": Resampling(replicates=100, seed=1)},
        {"how": Resampling(replicates=101)},
        {"how": Resampling(replicates=100, ci=90)},
        {"how": Resampling(replicates=100, resample=("generated",))},
        {"generated": features(30, 8)},
        {"reference": features(20, 8)},
        {"training": features(20, 8)},
    ],
    ids=["seed", "replicates", "level", "side", "generated", "reference", "training"],
)
def test_whatever_intervals_depend_on_makes_another_entry(change, tmp_path):
    cache = Cache(tmp_path)
    assessed(cache=cache)
    assert assessed(cache=cache, **change)[0].uncertainty == assessed(**change)[0].uncertainty


def test_the_order_in_which_sides_are_named_does_not_matter(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    orders = [("generated", "reference"), ("reference", "generated")]
    first = assessed(cache=cache, how=Resampling(resample=orders[0], replicates=100))[0]
    monkeypatch.setattr(assessment, "uncertainty", None)
    second = assessed(cache=cache, how=Resampling(resample=orders[1], replicates=100))[0]
    assert first.uncertainty == second.uncertainty


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ci": 49.9}, r"ci is 49\.9; expected 50 to 99\.9 per cent, or 0 for none"),
        ({"ci": 100}, r"ci is 100; expected"),
        ({"ci": -5}, r"ci is -5; expected"),
        ({"ci": float("nan")}, r"ci is nan; expected"),
        ({"resample": ()}, "resample is empty"),
        ({"resample": ("generated", "training")}, "resample is generated, training"),
        ({"replicates": 99}, "replicates is 99; expected at least 100"),
        ({"seed": -1}, "seed is -1; expected 0 to 4294967295"),
        ({"seed": 2**32}, "seed is 4294967296; expected"),
    ],
)
def test_settings_without_a_meaning(settings, said):
    with pytest.raises(InputError, match=said):
        Resampling(**settings)


@pytest.mark.parametrize("ci", [None, 0, 50, 90, 99.9])
def test_settings_with_a_meaning(ci):
    assert Resampling(ci=ci, seed=2**32 - 1).ci == ci
