"""explain(): what changed, what that can do, and what is concluded from it."""

import copy
import json
import re
from random import Random

import pytest

from mifid.errors import InputError, MifidError
from mifid.explanation.explaining import explain
from mifid.inputs import Side
from mifid.metrics.base import Measured
from mifid.report.report import Report

SCORE = {
    "fid": 40.0,
    "memorization_distance": 0.2,
    "memorization_distance_thresholded": 1.0,
    "epsilon": 0.1,
    "mifid": 40.0,
    "mifid_reason": None,
    "n_generated": 7038,
    "n_reference": 300,
    "comparable_with_kaggle": True,
    "not_comparable_reason": None,
    "protocol": {
        "version": "0.1.0",
        "extractor": "inception",
        "weights_sha256": "6726825d" + "0" * 56,
        "resize": "tensorflow1-bilinear-299",
        "decoder": "pillow 11, libjpeg-turbo 3",
        "ddof": 1,
        "dtype": "float32",
        "device": "cpu",
        "backend": "openvino",
        "batch_size": 32,
        "versions": {"torch": "2.9.0", "numpy": "2.1.0", "pillow": "11.0"},
    },
    "inputs": {
        "generated": {"source": "zip a.zip", "n": 7038, "sha256": "a" * 64, "cached": False},
        "reference": {"source": "folder monet", "n": 300, "sha256": "b" * 64, "cached": True},
    },
    "skipped": {"generated": {"entries": {}, "bad": []}, "reference": {"entries": {}, "bad": []}},
    "seconds": {"total": 12.0},
}


def score(**changes):
    """SCORE with fields changed, parents before a double underscore, or REMOVED."""
    found = copy.deepcopy(SCORE)
    for path, value in changes.items():
        *parents, name = path.split("__")
        at = found
        for parent in parents:
            at = at.setdefault(parent, {})
        if value is REMOVED:
            del at[name]
        else:
            at[name] = copy.deepcopy(value)
    return found


REMOVED = object()
OTHER = {"inputs__generated__sha256": "c" * 64}
WORSE = {"fid": 44.0, "mifid": 44.0}


def interval(low, high, level=95.0):
    intervals = {"mifid": {"low": low, "high": high, "level": level}}
    return {"level": level, "seed": 0, "intervals": intervals}


def conclusion(**changes):
    return explain(SCORE, score(**changes)).conclusions


def effects(**changes):
    return {change.field: change.effect for change in explain(SCORE, score(**changes)).changes}


# Numbers and changes, side by side


def test_numbers():
    found = {pair.name: pair for pair in explain(SCORE, score(fid=44.0, mifid=None)).numbers}
    assert list(found) == ["mifid", "fid", "memorization_distance"]
    assert (found["fid"].a, found["fid"].b) == (40.0, 44.0)
    assert found["fid"].difference == pytest.approx(4)
    assert found["fid"].percent == pytest.approx(10)
    assert (found["mifid"].b, found["mifid"].difference, found["mifid"].percent) == (None,) * 3
    assert explain(score(fid=0.0), SCORE).numbers[1].percent is None


def test_other_measures_are_numbers_too():
    a = score(metrics={"kid": {"kid": 0.5, "kid_std": 0.1, "settings": {"seed": 0}}})
    b = score(metrics={"kid": {"kid": 0.75}, "vendi": {"omitted": "too few"}})
    found = {pair.name: (pair.a, pair.b) for pair in explain(a, b).numbers[3:]}
    assert found == {"kid.kid": (0.5, 0.75), "kid.kid_std": (0.1, None)}


def test_measures_are_named_as_the_score_names_them():
    measures = {
        "fld": Measured("fld", {"fld": 6.8, "fld_gap": -0.6}),
        "dc": Measured("dc", {"density": 0.7, "coverage": 0.5}),
        "authpct": Measured("authpct", {"authpct": 89.5}),
        "ct": Measured("ct", {"ct": 1.1, "ct_global": 0.1}),
    }
    found = explain(report(metrics=measures), report())
    shown = [name for name, _, _ in report(metrics=measures).rows()][-7:]
    assert [pair.title for pair in found.numbers][3:] == shown
    assert shown[-1] == "ct global"
    keys = list(found.to_dict()["numbers"])[3:]
    assert keys[0] == "fld.fld"
    assert keys[-1] == "ct.ct_global"
    assert any(line.startswith("ct global  ") for line in found.text().splitlines())


@pytest.mark.parametrize(
    ("field", "value", "effect"),
    [
        ("extractor", "mine:f", "much"),
        ("weights_sha256", "1" * 64, "much"),
        ("resize", "pytorch-bilinear-299", "much"),
        ("decoder", "pillow 12", "much"),
        ("ddof", 0, "much"),
        ("dtype", "float16", "much"),
        ("device", "cuda", "rounding"),
        ("backend", "torch", "rounding"),
        ("batch_size", 128, "rounding"),
        ("version", "0.2.0", "rounding"),
    ],
)
def test_what_a_change_of_protocol_can_do(field, value, effect):
    assert effects(**{f"protocol__{field}": value}) == {field: effect}


def test_what_other_changes_can_do():
    assert effects() == {}
    one, other = score(protocol__colours="sRGB"), score(protocol__colours="P3")
    assert [(c.field, c.effect) for c in explain(one, other).changes] == [("colours", "unknown")]
    assert effects(epsilon=0.2) == {"epsilon": "mifid"}
    assert effects(epsilon=None) == {"epsilon": "mifid"}  # null: no threshold
    assert effects(n_generated=100) == {"number of generated pictures": "much"}
    assert effects(n_reference=None) == {"number of reference pictures": "much"}
    assert effects(protocol__versions__torch="2.10") == {"version of torch": "rounding"}
    assert effects(protocol__versions__pillow="12.0") == {}  # the decoder tells it
    assert effects(protocol__versions__jax="1") == {"version of jax": "unknown"}
    bad = [{"name": "x.jpg", "reason": "damaged"}]
    assert effects(skipped__generated__bad=bad) == {"generated pictures left out": "much"}
    assert effects(seconds={"total": 1.0}, inputs__generated__cached=True) == {}


def test_settings_of_intervals_move_no_number():
    a, b = score(uncertainty=interval(1, 2)), score(uncertainty=interval(1, 2, level=90.0))
    assert [(c.field, c.effect) for c in explain(a, b).changes] == [("intervals' level", "none")]


# Inputs


@pytest.mark.parametrize(
    ("changes", "same", "why"),
    [
        ({}, True, "equal hashes of contents"),
        ({"source": "folder renamed"}, True, "equal hashes of contents"),
        ({"sha256": "c" * 64}, False, "other contents"),
        ({"sha256": None, "source": "a stream of batches"}, None, "there is no hash"),
        ({"sha256": "c" * 64, "source": "features in a.npz"}, None, "hashes are of different"),
    ],
)
def test_whether_pictures_are_the_same(changes, same, why):
    other = score(**{f"inputs__generated__{key}": value for key, value in changes.items()})
    generated, reference = explain(SCORE, other).inputs
    assert (generated.label, generated.same) == ("generated", same)
    assert why in generated.why
    assert reference.same is True


def test_what_was_trained_on_is_the_reference_unless_given_apart():
    apart = score(inputs__memorization_reference={"source": "folder x", "sha256": "d" * 64})
    assert [pair.label for pair in explain(SCORE, SCORE).inputs] == ["generated", "reference"]
    found = {pair.label: pair.same for pair in explain(SCORE, apart).inputs}
    assert found == {"generated": True, "reference": True, "training": False}
    found = {pair.label: pair.same for pair in explain(apart, apart).inputs}
    assert found["training"] is True


# Conclusions


EQUAL = "MiFID, FID and memorization distance: equal, as expected."


def verdict(found, name):
    """Return the conclusion on one number."""
    (text,) = [
        text for text in found if name in text.partition(":")[0].replace(" and", ",").split(", ")
    ]
    return text.partition(": ")[2]


def test_equal_numbers():
    assert conclusion() == (EQUAL,)
    assert conclusion(seconds={"total": 1.0}, protocol__device="cuda") == conclusion()
    (text,) = conclusion(protocol__dtype="float16", **OTHER)
    assert text.endswith("equal, although different: dtype and generated pictures.")


def test_other_pictures_alone_are_a_real_difference():
    found = conclusion(**WORSE, **OTHER)
    text = verdict(found, "FID")
    assert text.startswith("different. Cause: generated pictures.")
    assert "real difference" in text
    assert "interval" in found[-1]
    assert "unknown" in found[-1]
    # Another device changes nothing about that.
    assert conclusion(**WORSE, **OTHER, protocol__device="cuda") == found


def test_another_number_of_pictures_is_bias_too():
    text = verdict(conclusion(**WORSE, **OTHER, n_generated=1000), "MiFID")
    assert "Cause: number of generated pictures and generated pictures." in text
    assert "Fewer pictures give a higher FID" in text


@pytest.mark.parametrize(
    ("b", "said"),
    [((42.0, 46.0), "do not overlap"), ((40.5, 46.0), "overlap: this proves neither")],
)
def test_intervals(b, said):
    one = score(uncertainty=interval(38.0, 41.0))
    found = explain(one, score(**WORSE, **OTHER, uncertainty=interval(*b))).conclusions
    assert f"The 95 % intervals of MiFID, 38 to 41 and {b[0]:g} to {b[1]:g}, " in found[-1]
    assert said in found[-1]


def test_intervals_say_nothing_about_another_protocol_or_reference():
    one = score(uncertainty=interval(38.0, 41.0))
    for change in ({"protocol__resize": "x"}, {"inputs__reference__sha256": "d" * 64}):
        other = score(**WORSE, **OTHER, **change, uncertainty=interval(42.0, 46.0))
        assert not any("intervals of" in text for text in explain(one, other).conclusions)


@pytest.mark.parametrize(
    ("changes", "cause", "meaning"),
    [
        ({"protocol__resize": "x", "protocol__batch_size": 1}, "resize", "nothing about the pict"),
        (
            {**OTHER, "protocol__resize": "x", "protocol__dtype": "float16"},
            "resize, dtype and generated pictures",
            "How much each contributes is unknown",
        ),
        ({"inputs__reference__sha256": "d" * 64}, "reference pictures", "cannot be ranked"),
        (
            {"skipped__generated__bad": [{"name": "x"}], "n_generated": 7037},
            "number of generated pictures and generated pictures left out",
            "Fewer pictures",
        ),
    ],
)
def test_causes_and_what_they_mean(changes, cause, meaning):
    text = verdict(conclusion(**WORSE, **changes), "FID")
    assert text.startswith(f"different. Cause: {cause}.")
    assert meaning in text
    assert "real difference" not in text


@pytest.mark.parametrize("fid", [40.0 + 1e-6, 40.003])
def test_the_same_everything_leaves_rounding(fid):
    found = conclusion(fid=fid, mifid=fid, protocol__device="cuda")
    assert (
        verdict(found, "FID") == verdict(found, "MiFID") == "different by rounding only (device)."
    )


def test_the_same_everything_and_more_than_rounding_is_an_alarm():
    text = verdict(conclusion(**WORSE), "MiFID")
    assert "without a known cause" in text
    assert "report it" in text


def test_epsilon_alone_and_the_penalty():
    penalized = {"mifid": 200.0, "memorization_distance_thresholded": 0.2, "epsilon": 0.25}
    found = conclusion(**penalized)
    assert verdict(found, "MiFID").startswith("different. Cause: epsilon. Only the penalty")
    assert verdict(found, "FID").startswith("equal, as expected")
    assert (
        "Only b is penalized: its FID 40 is divided by its memorization distance 0.2" in found[-1]
    )
    copied = {
        "fid": 40.0,
        "mifid": 800.0,
        "memorization_distance": 0.05,
        "memorization_distance_thresholded": 0.05,
    }
    found = conclusion(**copied, **OTHER)
    assert any(
        "Only b is penalized: its FID 40 is divided by its memoriz" in text for text in found
    )


def test_streams_leave_it_open():
    text = verdict(conclusion(**WORSE, inputs__generated__sha256=None), "FID")
    assert text.startswith("different, cause unknown. Not known to be the same: generated pict")
    text = verdict(conclusion(**WORSE, **OTHER, inputs__reference__sha256=None), "FID")
    assert text.startswith("different. Cause: generated pictures.")
    assert text.endswith("Not known to be the same: reference pictures.")


# What is not known


@pytest.mark.parametrize("value", [None, "unknown", REMOVED])
@pytest.mark.parametrize(
    "field", ["extractor", "weights_sha256", "resize", "decoder", "ddof", "dtype"]
)
def test_a_real_difference_needs_every_field_that_moves_numbers(field, value):
    without = score(**{f"protocol__{field}": value})
    other = score(**{f"protocol__{field}": value}, **WORSE, **OTHER)
    told = (SCORE, score(**WORSE, **OTHER))
    for a, b in ((without, other), (told[0], other), (without, told[1])):
        found = explain(a, b)
        assert field in found.untold
        text = verdict(found.conclusions, "FID")
        assert "Not known to be the same: " in text
        assert field.replace("_", " ") in text
        assert "real difference" not in text
        assert not any(change.told for change in found.changes)
    assert explain(*told).untold == ()


def test_a_score_that_records_nothing_but_its_number():
    one, other = ({"fid": fid, "protocol": {}, "inputs": {}} for fid in (40.0, 44.0))
    for pair, said in (((one, other), "different, cause unknown"), ((one, one), "equal. Not")):
        (text,) = explain(*pair).conclusions
        assert said in text
        assert "ddof, extractor, weights sha256" in text
        assert "generated pictures and reference pictures" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs__generated__sha256": None},
        {"inputs__reference__sha256": None},
        {"protocol__dtype": "unknown"},
        {"epsilon": REMOVED},
    ],
)
def test_equal_as_expected_needs_everything_known(changes):
    found = explain(score(**changes), score(**changes)).conclusions
    assert verdict(found, "MiFID").startswith("equal. Not known to be the same: ")


def features(**changes):
    """A score of files of features that do not say what made them."""
    protocol = {"version": "0.1.0", "extractor": "unknown", "weights_sha256": None, "ddof": 1}
    protocol |= dict.fromkeys(("resize", "decoder", "dtype", "device", "backend"), "unknown")
    inputs = {
        "inputs__generated__source": "features in g.npz",
        "inputs__reference__source": "features in r.npz",
    }
    return score(**({"protocol": protocol} | inputs | changes))


def test_features_of_unknown_making():
    assert explain(features(), features()).conclusions == (EQUAL,)
    found = explain(features(), features(**WORSE, **OTHER))
    text = verdict(found.conclusions, "FID")
    assert text.startswith("different. Cause: generated pictures. Not known to be the same: ")
    assert found.inputs[0].why.endswith("the same ones encoded again or reordered")
    moved = explain(features(), features(**WORSE)).conclusions
    assert "without a known cause" in verdict(moved, "FID")


def test_intervals_apart_prove_less_at_other_numbers_of_pictures():
    one = score(uncertainty=interval(38.0, 41.0))
    other = score(**WORSE, **OTHER, n_generated=1000, uncertainty=interval(42.0, 46.0))
    assert "leave out the bias of other numbers" in explain(one, other).conclusions[-1]


def test_fingerprints():
    mine = {"protocol__extractor": "mine:f", "protocol__weights_sha256": None}
    assert explain(score(**mine), score(**mine)).untold == ("weights_sha256", "fingerprint")
    told = {**mine, "protocol__fingerprint": "mine v1"}
    assert explain(score(**told), score(**told)).untold == ()
    found = explain(score(**told), score(**{**told, "protocol__fingerprint": "mine v2"}, **WORSE))
    assert verdict(found.conclusions, "FID").startswith("different. Cause: fingerprint.")
    # Older JSONs lack it, and weights and resize tell the same of a built-in extractor.
    newer = score(**WORSE, **OTHER, protocol__fingerprint="inception one")
    assert explain(SCORE, newer).untold == ()
    assert "real difference" in verdict(explain(SCORE, newer).conclusions, "FID")
    # Another resize is another fingerprint: one cause, not two.
    resized = score(**WORSE, protocol__resize="x", protocol__fingerprint="inception x")
    found = explain(score(protocol__fingerprint="inception one"), resized).conclusions
    assert verdict(found, "FID").startswith("different. Cause: resize.")


# Other measures


def measures(**changes):
    """A score with measures, changed as ``kid__kid=0.6``."""
    sides = {"inputs__held_out": {"source": "folder held", "n": 99, "sha256": "e" * 64}}
    found = {
        "kid": {"kid": 0.5, "kid_std": 0.1, "settings": {"subsets": 100, "seed": 0}},
        "pr": {"precision": 0.7, "recall": 0.3, "settings": {"k": 3}},
        "fld": {"fld": 6.8, "fld_gap": -0.6, "settings": {"seed": 0}},
        "ct": {"ct": 1.1, "ct_global": 0.1, "settings": {"clusters": 3, "seed": 0}},
    }
    found["kid"]["settings"]["subset_size"] = 1000
    moved = {f"metrics__{k}": v for k, v in changes.items() if k.split("__")[0] in found}
    other = {k: v for k, v in changes.items() if k.split("__")[0] not in found}
    return score(**sides, metrics=found, **moved, **other)


def test_other_held_out_pictures_explain_what_needs_them():
    one = measures(bias={"floor_held_out": 122.5})
    other = measures(
        fld__fld=6.2,
        ct__ct=0.6,
        inputs__held_out__sha256="f" * 64,
        bias={"floor_held_out": 111.2},
    )
    found = explain(one, other).conclusions
    for name in ("fld", "ct"):
        assert verdict(found, name).startswith("different. Cause: held-out pictures.")
    assert verdict(found, "FID") == verdict(found, "kid") == "equal, as expected."
    assert "floor of FID moved from 122.5 to 111.2" in found[-1]
    # They do not explain what does not need them.
    found = explain(one, measures(pr__recall=0.6, inputs__held_out__sha256="f" * 64)).conclusions
    assert "without a known cause" in verdict(found, "pr")


def test_another_seed_explains_what_draws():
    seeds = {f"{name}__settings__seed": 1 for name in ("kid", "fld", "ct")}
    other = measures(kid__kid=0.51, fld__fld=6.9, ct__ct=1.0, **seeds)
    found = explain(measures(), other)
    assert {c.field: c.effect for c in found.changes} == dict.fromkeys(
        ("seed of kid", "seed of fld", "seed of ct"), "measure"
    )
    for name in ("kid", "fld", "ct"):
        assert verdict(found.conclusions, name).startswith("different. Cause: seed. This is chance")
    assert verdict(found.conclusions, "FID") == "equal, as expected."
    assert "Changed, moves that measure alone:" in found.text().splitlines()


def test_measures_alone_are_judged_too():
    core = dict.fromkeys(("fid", "mifid", "memorization_distance"))
    kid = {"kid": {"kid": 0.5, "settings": {"subsets": 9, "subset_size": 9, "seed": 0}}}
    one = score(**core, metrics=kid)
    other = score(**core, metrics=kid, metrics__kid__settings__seed=1, metrics__kid__kid=0.6)
    assert "seed" in verdict(explain(one, other).conclusions, "kid")
    assert explain(one, score(metrics=kid)).conclusions == ("kid: equal, as expected.",)
    assert explain(one, one).conclusions == ("kid: equal, as expected.",)
    another = score(**core, metrics=kid, metrics__kid__kid=0.6, **OTHER)
    (text,) = explain(one, another).conclusions
    assert "real difference" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pr__precision": 0.6, "pr__settings__k": 5}, "pr: different. Cause: k. .* compared"),
        ({"kid__kid": 0.500001, "protocol__device": "cuda"}, r"kid: .*rounding only \(device\)"),
        ({"pr__recall": 0.301, "protocol__device": "cuda"}, r"pr: .*rounding only \(device\)"),
        ({"pr__recall": 0.301}, "pr: different without a known cause"),
        ({"kid__kid": 0.6}, "kid: .*without a known cause.* drawn in another order"),
        ({"kid__kid": 0.6, "protocol__version": "0.2.0"}, "kid: .*versions of mifid"),
        ({"kid__kid": 0.6, "kid__settings": REMOVED}, "kid: .*cause unknown.* same: settings"),
        ({"kid__kid": 0.6, "kid__settings__degree": 3}, "kid: .*cause unknown.* same: settings"),
        ({"fld__fld": 6.2, "inputs__held_out__sha256": None}, "fld: .*unknown.* same: held-out"),
    ],
)
def test_why_a_measure_differs(changes, said):
    found = explain(measures(), measures(**changes)).conclusions
    assert re.match(said, found[0])
    assert verdict(found, "FID") == "equal, as expected."


def test_measures_with_the_numbers_beside_them():
    # What differs for all numbers is said once.
    other = measures(**WORSE, **OTHER, kid__kid=0.6, pr__recall=0.2)
    found = explain(measures(), other).conclusions
    assert found[0].startswith("MiFID, FID, kid and pr: different. Cause: generated pictures.")
    # What differs for one of them beside that is said as well.
    other = measures(**WORSE, **OTHER, kid__kid=0.6, kid__settings__seed=1)
    text = verdict(explain(measures(), other).conclusions, "kid")
    assert text.startswith("different. Cause: seed and generated pictures. How much each")
    # Reordered features: FID is equal, but draws are others.
    found = explain(measures(), measures(**OTHER, kid__kid=0.6)).conclusions
    assert verdict(found, "FID") == "equal, although different: generated pictures."
    assert verdict(found, "kid") == "different. Cause: generated pictures."


def test_settings_that_neither_records():
    without = {"kid__settings": REMOVED}
    found = explain(measures(**without), measures(kid__kid=0.6, **without)).conclusions
    assert "Not known to be the same: settings" in verdict(found, "kid")


def test_what_need_not_be_told():
    # A library that another version lists; numbers of pictures that are the same by their hash.
    assert conclusion(protocol__versions__jax="1", n_generated=None) == conclusion()
    # Features that are the same beside held-out features that are not.
    held = {"inputs__held_out": {"source": "features in h.npz", "sha256": "e" * 64}}
    other = features(**held, **{"inputs__held_out__sha256": "f" * 64})
    assert explain(features(**held), other).conclusions == conclusion()


def test_other_training_pictures_leave_fid():
    apart = {"inputs__memorization_reference": {"source": "folder x", "sha256": "d" * 64}}
    found = conclusion(**apart, memorization_distance=0.3)
    assert verdict(found, "memorization distance").startswith("different. Cause: training pict")
    assert verdict(found, "FID") == "equal, as expected."
    assert "without a known cause" in verdict(conclusion(**apart, **WORSE), "FID")


def test_a_mifid_that_does_not_follow_from_fid_is_an_alarm():
    text = verdict(conclusion(mifid=44.0), "MiFID")
    assert "without a known cause" in text
    assert "edits by hand" in text


def test_held_out_pictures_of_a_json_without_inputs_cannot_be_told():
    held = score(inputs__held_out={"source": "folder held", "sha256": "e" * 64})
    found = {pair.label: pair.same for pair in explain(held, score(inputs={})).inputs}
    assert found["held_out"] is None
    found = {pair.label: pair.same for pair in explain(held, SCORE).inputs}
    assert found["held_out"] is False


# What JSONs of other versions hold


def test_fields_that_one_version_lacks_are_told_and_no_crash():
    older = score(
        epsilon=REMOVED, inputs=REMOVED, protocol__decoder=REMOVED, protocol__version="0.0.9"
    )
    newer = score(bias={"fid_infinity": 1.0}, **WORSE)
    for pair in ((older, newer), (newer, older)):
        found = explain(*pair)
        assert any("Written by different versions of mifid" in note for note in found.notes)
        assert any("does not record epsilon, inputs" in note for note in found.notes)
        assert any("records bias." in note for note in found.notes)
        assert "Not known to be the same: decoder" in verdict(found.conclusions, "FID")
        assert found.untold == ("decoder",)
        assert "Recorded in only one of the two:" in found.text().splitlines()
        assert [pair.same for pair in found.inputs] == [None, None]
        assert json.loads(found.to_json())["notes"] == list(found.notes)
        assert found.text()


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs__generated": "x"},
        {"protocol__versions": None},
        {"skipped": [1]},
        {"uncertainty": "none"},
        {"uncertainty": {"intervals": {"mifid": {"low": "x", "high": None}}}},
        {"metrics": {"kid": 3}},
        {"fid": "40"},
        {"n_generated": {"a": 1}},
        {"memorization_distance_thresholded": None},
    ],
)
def test_fields_of_another_kind_are_no_crash(changes):
    odd = score(**{**OTHER, **changes})
    for pair in ((SCORE, odd), (odd, SCORE)):
        found = explain(*pair)
        assert found.conclusions
        assert json.loads(found.to_json())
        assert found.text()


def test_numbers_that_only_one_holds():
    other = score(fid=REMOVED, mifid=REMOVED)
    del other["memorization_distance"]
    other["metrics"] = {"kid": {"kid": 1.0}}
    (text,) = explain(SCORE, other).conclusions
    assert "no number in common" in text


# What is given


def report(**changes):
    values = {
        "fid": 40.0,
        "memorization_distance": 0.2,
        "memorization_distance_thresholded": 1.0,
        "epsilon": 0.1,
        "mifid": 40.0,
        "mifid_reason": None,
        "inputs": {
            "generated": Side("zip a.zip", 7038, "a" * 64),
            "reference": Side("folder monet", 300, "b" * 64),
        },
        "protocol": SCORE["protocol"],
        "not_comparable": None,
        "seconds": {"total": 1.0},
    }
    return Report(**(values | changes))


def test_reports_dicts_and_files_are_the_same(tmp_path):
    (tmp_path / "a.json").write_text(report().to_json())
    (tmp_path / "b.json").write_text("\ufeff" + report(fid=44.0, mifid=44.0).to_json())
    by_file = explain(tmp_path / "a.json", str(tmp_path / "b.json"))
    by_report = explain(report(), report(fid=44.0, mifid=44.0))
    by_dict = explain(report().to_dict(), report(fid=44.0, mifid=44.0).to_dict())
    assert (by_file.a, by_file.b) == (str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    for found in (by_report, by_dict):
        assert found.numbers == by_file.numbers
        assert found.conclusions == by_file.conclusions
        assert (found.a, found.b) == ("a", "b")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "is no JSON: Expecting value"),
        ("", "is no JSON"),
        ("[1, 2]", "holds no score: .* got a list"),
        ("{}", "got one with nothing"),
        ('{"accepted": true, "findings": []}', "got one with accepted, findings"),
        ('{"fid": 3}', "got one with fid"),
        ('{"fid": NaN, "protocol": {}}', "holds NaN, which no score does"),
        ('{"fid": 1e999, "protocol": {}}', "holds 1e999, which no score does"),
        ('{"fid": 1%s, "protocol": {}}' % ("0" * 400), "holds no score"),
        ('{"fid": null, "protocol": {}}', "holds no score"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_files_that_hold_no_score(content, said, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        explain(SCORE, tmp_path / "x.json")
    assert "x.json" in caught.value.message
    assert "mifid score" in caught.value.hint
    assert "--json -o" in caught.value.hint


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*gone\.json: No such file"):
        explain(tmp_path / "gone.json", SCORE)
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        explain(tmp_path, SCORE)
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match="is no JSON"):
        explain(tmp_path / "x.json", SCORE)


# How it is shown


def test_text():
    text = explain(SCORE, score(**WORSE, protocol__resize="x", protocol__device="cuda")).text()
    lines = text.splitlines()
    assert lines[:2] == ["a: a", "b: b"]
    rows = {line.split("  ")[0]: line.split()[-4:] for line in lines if line[:1] in "MF"}
    assert rows["MiFID"] == rows["FID"] == ["40.000000", "44.000000", "+4", "+10.00"]
    assert "generated: the same (equal hashes of contents): zip a.zip" in lines
    much = lines.index("Changed, can move the numbers much:")
    assert lines[much + 1].startswith("  resize: tensorflow1-bilinear-299 -> x (`mifid diagnose`")
    rounding = lines.index("Changed, moves them by rounding only:")
    assert lines[rounding + 1].startswith("  device: cpu -> cuda (")
    assert lines[-2].startswith("MiFID and FID: different. Cause: resize.")


def test_json_holds_everything():
    found = explain(SCORE, score(**WORSE, protocol__resize="x"))
    data = json.loads(found.to_json())
    assert data["numbers"]["fid"]["difference"] == 4.0
    assert data["inputs"]["generated"]["same"] is True
    assert data["changes"][0]["field"] == "resize"
    assert data["conclusions"] == list(found.conclusions)


def test_what_a_hostile_json_holds_is_printed_harmlessly(tmp_path):
    hostile = score(**OTHER, inputs__generated__source="a\x1b[2J\ud800.zip", protocol__resize="\r")
    (tmp_path / "h.json").write_text(json.dumps(hostile))
    found = explain(SCORE, tmp_path / "h.json")
    text = found.text()
    assert "a\\x1b[2J\\ud800.zip" in text
    assert "\x1b" not in text
    assert "\r" not in text
    assert json.loads(found.to_json().encode().decode()) == found.to_dict()


def test_a_change_of_very_many_per_cent_has_an_exponent():
    a, b = score(fid=5.0), score(fid=2.1e15)
    assert "+4.20e+16" in explain(a, b).text()


def test_numbers_whose_difference_no_float_holds():
    found = explain(*({"fid": fid, "protocol": {}, "inputs": {}} for fid in (1e308, -1e308)))
    assert json.loads(found.to_json())["numbers"]["fid"]["difference"] is None
    assert "-inf" in found.text()


def test_a_file_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.explanation.explaining._LARGEST", 1000)
    (tmp_path / "a.json").write_text('{"fid": 1, "protocol": {}}' + " " * 975)
    with pytest.raises(InputError, match=r"a\.json is larger than 1,000 bytes, as no score is"):
        explain(tmp_path / "a.json", tmp_path / "a.json")


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_json_holds_it_is_explained_or_refused(seed):
    """Values of any kind in any place, as another version or another program may write them."""
    random = Random(seed)
    values = [
        None,
        True,
        -1,
        1e308,
        10**400,
        "",
        "\ud800",
        "\x1b[2J",
        [],
        [1],
        {},
        {"a": 1},
        {2: 3},
    ]
    whole = {
        "fid": 1.5,
        "epsilon": 0.1,
        "metrics": {"kid": {"kid": 0.1, "settings": {"degree": 3}}, "own": {"x": 1}},
        "skipped": {"generated": {"bad": [{"name": "a", "reason": "b"}]}},
        "inputs": {"generated": {"source": "a", "sha256": "b"}, "reference": {"source": "c"}},
        "uncertainty": {"level": 95, "intervals": {"fid": {"low": 1, "high": 2}}},
        "protocol": {"extractor": "a", "versions": {"torch": "2"}, "ddof": 1},
    }

    def changed(value):
        if random.random() < 0.12:
            return random.choice(values)
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items() if random.random() > 0.05}
        return value

    for _ in range(100):
        try:
            found = explain(*({k: changed(v) for k, v in whole.items()} for _ in "ab"))
        except MifidError:
            continue
        json.loads(found.to_json())
        assert found.text().isprintable() or "\x1b" not in found.text()
