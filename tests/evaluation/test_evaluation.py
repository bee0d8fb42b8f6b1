"""Which measures are computed, from what, and what is said of those that cannot be."""

import numpy as np
import pytest

from mifid.errors import FeatureError, InputError
from mifid.evaluation.evaluation import check_metrics, check_widths, measure, measure_more
from mifid.metrics import CORE, GROUPS, METRICS
from mifid.metrics.authenticity import METRIC as AUTHPCT
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.kernel import METRIC as KID
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import penalized
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

EVERY = frozenset(METRICS)


def features(n, seed=0, width=6):
    random = np.random.RandomState(seed)
    values = random.rand(n, width).astype(np.float32) + 0.5
    return Features(values, spatial=random.rand(n, 9).astype(np.float32))


def statistics(n, seed=0, width=6):
    return Statistics.from_features(features(n, seed, width).values)


G, R, T, H = features(40, 1), features(30, 2), features(25, 3), features(28, 4)


def more(wanted, logits=None, seed=2020, **sides):
    seconds = {}
    given = {"generated": G, "reference": R, "training": R} | sides
    found = measure_more(
        frozenset(wanted), sides=given, logits=lambda: logits, seed=seed, seconds=seconds
    )
    assert list(seconds) == list(found)
    return found


# Names


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("fid", {"fid"}),
        (["fid", "kid", "fid"], {"fid", "kid"}),
        (["prdc"], {"pr", "dc"}),
        (["prdc", "pr", "mifid"], {"pr", "dc", "mifid"}),
        (["all"], set(METRICS)),
        ((name for name in ("ct", "is")), {"ct", "is"}),
    ],
)
def test_groups_are_spelled_out(given, wanted):
    assert check_metrics(given, 0.1) == wanted


def test_groups_hold_known_names():
    assert all(set(members) <= set(METRICS) for members in GROUPS.values())
    assert set(GROUPS["all"]) >= set(CORE)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("kdi", "Did you mean 'kid'?"), ("prcd", "Did you mean 'prdc'?"), ("xyz", "all")],
)
def test_an_unknown_name_is_told_with_the_nearest_group_or_measure(given, hint):
    with pytest.raises(InputError, match=f"unknown metric '{given}'") as caught:
        check_metrics(["fid", given], 0.1)
    assert hint in caught.value.hint


@pytest.mark.parametrize("given", [[], "", [""]])
def test_nothing_asked_for(given):
    with pytest.raises(InputError):
        check_metrics(given, 0.1)


# Widths


def test_equal_widths_pass_whatever_holds_them():
    check_widths({"generated": G, "reference": statistics(9), "held_out": H})


@pytest.mark.parametrize("other", [features(9, width=7), statistics(9, width=7)], ids=["f", "s"])
@pytest.mark.parametrize("label", ["generated", "memorization_reference", "held_out"])
def test_a_side_of_another_width_is_named(label, other):
    with pytest.raises(FeatureError) as caught:
        check_widths({"generated": G, "reference": R, label: other})
    words = label.replace("_", " ")
    assert caught.value.message == f"{words} features have width 7, reference features 6"
    assert "different extractors" in caught.value.hint


# FID, distance, MiFID


def measured(wanted, generated=G, reference=R, training=T, epsilon=0.1):
    seconds = {}
    found = measure(
        generated=generated,
        reference=reference,
        training=training,
        wanted=frozenset(wanted),
        epsilon=epsilon,
        seconds=seconds,
    )
    return found, seconds


def test_the_core_is_what_the_formulas_say():
    found, seconds = measured({"mifid"})
    assert found.fid == frechet_distance(generated=G.values, reference=R.values)
    assert found.memorization_distance == memorization_distance(
        generated=G.values, reference=T.values
    )
    assert found.mifid == penalized(
        fid=found.fid, memorization_distance=found.memorization_distance, epsilon=0.1
    )
    assert found.mifid_reason is None
    assert set(seconds) == {"fid", "memorization"}
    assert found.found == {"fid", "memorization_distance", "mifid"}


@pytest.mark.parametrize(
    ("wanted", "there", "reason"),
    [
        ({"fid"}, {"fid"}, "not asked for"),
        ({"memorization"}, {"memorization_distance"}, "not asked for"),
        (
            {"fid", "memorization", "kid"},
            {"fid", "memorization_distance"},
            "not asked for",
        ),
        ({"kid", "dc"}, set(), "not asked for"),
    ],
)
def test_only_what_was_asked_for(wanted, there, reason):
    found, _ = measured(wanted)
    assert found.found == there
    assert found.mifid_reason == reason


@pytest.mark.parametrize(
    ("changes", "side"),
    [
        ({"generated": statistics(40)}, "generated side"),
        ({"training": statistics(9)}, "memorization reference"),
    ],
)
def test_statistics_have_no_distance_and_the_reason_is_told(changes, side):
    why = (
        f"the {side} is mean and covariance only; the memorization distance needs pictures or "
        "their features"
    )
    found, _ = measured({"mifid"}, **changes)
    assert found.found == {"fid"}
    assert found.mifid_reason == why
    # ... also where the distance, but not MiFID, was asked for.
    found, _ = measured({"memorization"}, **changes)
    assert found.found == frozenset()
    assert found.mifid_reason == why
    # ... and not where it was not.
    assert measured({"fid"}, **changes)[0].mifid_reason == "not asked for"


# All others


def test_others_come_in_the_tables_order_and_the_core_is_not_among_them():
    found = more(EVERY, logits=np.random.RandomState(0).rand(40, 10), held_out=H)
    assert list(found) == [name for name in METRICS if name not in CORE]
    left_out = {name for name, one in found.items() if one.omitted}
    assert left_out <= {"ct"}  # so few pictures fill no cell
    for name, one in found.items():
        assert one.name == name
        assert one.omitted or set(one.values) == set(METRICS[name].values)
        assert all(np.isfinite(value) for value in one.values.values())


def test_each_gets_its_own_sides():
    found = more({"kid", "authpct"}, training=T)
    assert found["kid"].values == KID.function(
        generated=G.values, reference=R.values, **dict(KID.settings) | {"seed": 2020}
    )
    expected = AUTHPCT.function(generated=G.values, training=T.values, **AUTHPCT.settings)
    assert found["authpct"].values == expected
    assert expected != AUTHPCT.function(generated=G.values, training=R.values, **AUTHPCT.settings)


def test_the_seed_reaches_those_that_draw_and_is_told(random):
    many = {"generated": features(1100, 1), "reference": features(1050, 2)}
    one, again, other = (more({"kid", "pr"}, seed=seed, **many) for seed in (1, 1, 2))
    assert one["kid"] == again["kid"]
    assert one["kid"].values["kid"] != other["kid"].values["kid"]
    assert one["kid"].settings["seed"] == 1
    assert "seed" not in one["pr"].settings
    assert one["pr"] == other["pr"]


def test_settings_of_the_table_are_not_changed():
    before = dict(KID.settings)
    more({"kid"}, seed=77)
    assert dict(KID.settings) == before


@pytest.mark.parametrize("n", [2, 3])
def test_fewer_pictures_than_neighbours_leave_the_others(n):
    found = more(EVERY, generated=features(n, 1), reference=features(n, 2), training=features(n, 2))
    for name, k in (("pr", 3), ("dc", 5)):
        assert f"k {k}: at least {k + 1} " in found[name].omitted
        assert f"pictures are needed, got {n}" in found[name].omitted
        assert found[name].values == {}
    assert found["kid"].values
    assert found["vendi"].values


def test_what_is_needed_and_was_not_given_is_named():
    found = more(EVERY)
    for name in ("fld", "ct"):
        assert found[name].omitted == (
            "needs pictures that nobody trained on: give them with held_out"
        )
    assert found["is"].omitted == (
        "needs the network's classifier, which these features come without"
    )
    assert not found["kid"].omitted


def test_spatial_features_are_compared_as_arrays_or_as_moments():
    expected = frechet_distance(generated=G.spatial, reference=R.spatial)
    assert more({"sfid"})["sfid"].values == {"sfid": expected}
    moments = statistics(30)
    moments.spatial = Statistics.from_features(R.spatial)
    found = more({"sfid"}, reference=moments)["sfid"].values["sfid"]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("side", ["generated", "reference"])
@pytest.mark.parametrize("without", [Features(G.values), statistics(30)], ids=["f", "s"])
def test_a_side_without_spatial_features_is_named(side, without):
    found = more({"sfid", "kid"}, **{side: without})
    assert f"the {side} side has no spatial features" in found["sfid"].omitted


@pytest.mark.parametrize("side", ["generated", "reference", "training", "held_out"])
def test_statistics_leave_out_what_needs_features_and_nothing_else(side):
    logits = np.random.RandomState(0).rand(40, 10)
    found = more(EVERY, logits=logits, **{"held_out": H, side: statistics(30)})
    why = f"the {side.replace('_', ' ')} side is mean and covariance only; it needs features"
    for name, one in found.items():
        assert (one.omitted == why) == (side in METRICS[name].needs), name


@pytest.mark.parametrize("side", ["generated", "reference", "training", "held_out"])
def test_rows_of_zeros_keep_no_other_measure_from_being(side):
    zeros = Features(np.zeros((30, 6), np.float32))
    found = more(EVERY, **{"held_out": H, side: zeros})
    assert list(found) == [name for name in METRICS if name not in CORE]
    assert found["kid"].values
    if side == "generated":
        assert found["vendi"].omitted == "there is no Vendi score: all generated features are zero"


def test_logits_are_computed_only_where_they_are_needed():
    def fail():
        raise AssertionError

    sides = {"generated": G, "reference": R, "training": R}
    assert measure_more(frozenset({"kid"}), sides=sides, logits=fail, seed=0, seconds={})
    with pytest.raises(AssertionError):
        measure_more(frozenset({"is"}), sides=sides, logits=fail, seed=0, seconds={})


def test_identical_sets():
    found = more(EVERY, generated=R, reference=R, training=R, held_out=R)
    assert found["pr"].values == {"precision": 1.0, "recall": 1.0}
    assert found["authpct"].values["authpct"] == 0.0
    assert found["kid"].values["kid"] < 0  # unbiased: below zero for copies


def test_constant_features():
    same = Features(np.ones((30, 6), np.float32))
    found = more(EVERY, generated=same, reference=same, training=same, held_out=same)
    assert found["vendi"].values["vendi"] == pytest.approx(1)
    for one in found.values():
        assert one.omitted or all(np.isfinite(value) for value in one.values.values())
