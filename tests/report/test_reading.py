"""What a report says about its numbers: good or not, what limits them, what to do."""

import json
from dataclasses import fields

import pytest

from mifid.images.inspection import QUALITIES, Colours
from mifid.inputs import Side
from mifid.metrics.base import Measured
from mifid.report.report import Report
from mifid.uncertainty.bias import Bias
from mifid.uncertainty.intervals import Interval, Uncertainty
from mifid.uncertainty.levels import Level, Levels

REAL = Colours(dict.fromkeys(QUALITIES, 100.0), dict.fromkeys(QUALITIES, 20.0))
LEVELS = {
    "fid": Level(137.0, 107.0, 70.0),
    "memorization_distance": Level(0.45, 0.3, 0.31),
    "vendi": Level(40.0, 30.0, 31.0),
}


def tinted(**levels):
    return Colours({**REAL.mean, **levels}, REAL.deviation)


def report(levels=LEVELS, colours=REAL, held_out=True, drift=None, photos=True, **changes):
    inputs = {
        "generated": Side("zip images.zip", 400, colours=colours),
        "reference": Side("folder monet_jpg", 300, colours=REAL),
    }
    values = {
        "fid": 107.0,
        "memorization_distance": 0.3,
        "memorization_distance_thresholded": 1.0,
        "epsilon": 0.12,
        "mifid": 107.0,
        "mifid_reason": None,
        "inputs": inputs | ({"photos": Side("folder photos", 400)} if photos else {}),
        "protocol": {"extractor": "lite0"},
        "not_comparable": None,
        "seconds": {},
        "levels": None if levels is None else Levels(400, 300, held_out, levels),
        "levels_reason": "too few" if levels is None else None,
    }
    if drift is not None:
        interval = Interval(97.0, 117.0, 95.0, 5.0, 0.0)
        found = {"fid": interval}
        values["uncertainty"] = Uncertainty(found, 95.0, 100, 0, ("generated",), "bootstrap", 0, "")
        values["bias"] = Bias(
            **dict.fromkeys(field.name for field in fields(Bias))
            | {"fid": 107.0, "fid_infinity": 107.0 - drift, "n_generated": 400}
        )
    return Report(**(values | changes))


def aspects(reading):
    return {one.name: one for one in reading.aspects}


def test_the_scale_names_its_ends_and_the_share_of_the_way():
    reading = report().reading
    for part in ("137.0", "107.0", "70.0", "45% of the way", "held-out", "400 pictures"):
        assert part in reading.scale
    assert reading.share == pytest.approx(30 / 67)


def test_without_held_out_pictures_it_is_the_other_half_of_the_reference():
    scale = report(held_out=False).reading.scale
    assert "other half of the reference" in scale
    assert "held-out" not in scale
    assert "fewer pictures score higher" in scale  # it is another number than the score's
    assert "fewer pictures" not in report().reading.scale


def test_without_photos_nothing_is_invented():
    levels = {"fid": Level(None, 107.0, 70.0)}
    reading = report(levels, photos=False).reading
    assert reading.share is None
    assert "photos" in reading.scale
    assert "%" not in reading.scale
    assert "mean and covariance" in report(levels).reading.scale


@pytest.mark.parametrize(
    ("level", "said", "share"),
    [
        (Level(137.0, 150.0, 70.0), "worse than the untouched photos", -13 / 67),
        (Level(137.0, 50.0, 70.0), "better than real ones", 87 / 67),
        (Level(60.0, 50.0, 70.0), "cannot tell them apart", None),
    ],
)
def test_scores_beyond_the_ends(level, said, share):
    reading = report({"fid": level}).reading
    assert said in reading.scale
    assert reading.share == (share if share is None else pytest.approx(share))


@pytest.mark.parametrize(("drift", "enough"), [(4.0, True), (40.0, False), (None, None)])
def test_enough_pictures(drift, enough):
    reading = report(drift=drift).reading
    assert reading.enough is enough
    assert reading.number.startswith({True: "Yes", False: "No", None: "Not known"}[enough])
    if drift is not None:
        assert f"{drift:g}" in reading.number
        assert "10.0 to each side" in reading.number
    if enough is False:
        assert "400 pictures" in reading.number


def test_nothing_limits_a_good_score():
    reading = report().reading
    assert [one.limits for one in reading.aspects] == [False] * 3
    assert "rain longer" in reading.advice


def test_copies():
    near = report({"memorization_distance": Level(None, 0.24, 0.31)})
    assert aspects(near.reading)["copies"].limits
    penalized = report(None, memorization_distance=0.05, memorization_distance_thresholded=0.05)
    found = penalized.reading
    assert aspects(found)["copies"].limits
    assert "0.0500" in aspects(found)["copies"].sentence
    assert found.advice.startswith("Copy less")
    nothing = report(None, memorization_distance=None, mifid_reason="no features").reading
    assert aspects(nothing)["copies"].limits is None
    assert "no features" in aspects(nothing)["copies"].sentence


def test_colours():
    reading = report(colours=tinted(warmth=111.0, brightness=80.0, saturation=108.0)).reading
    found = aspects(reading)["colours"]
    assert found.limits
    assert found.sentence.index("darker (brightness -20") < found.sentence.index("redder")
    assert "colourful" not in found.sentence  # 0.4 of a deviation
    assert "colours" in reading.advice


def test_colours_of_few_pictures_differ_by_chance():
    few = {
        "generated": Side("folder a", 20, colours=tinted(warmth=115.0)),
        "reference": Side("folder b", 20, colours=REAL),
    }
    assert aspects(report(inputs=few).reading)["colours"].limits is False  # 0.75 < 3 * 0.32


def test_colours_of_features_are_not_known():
    found = aspects(report(colours=None).reading)["colours"]
    assert found.limits is None
    assert "generated" in found.sentence


def test_another_metric_has_its_title_and_its_digits():
    small = {"kid": Level(0.536, -0.00041, 0.002)}
    measured = {"kid": Measured("kid", {"kid": -0.00041})}
    scale = report(levels=small, fid=None, mifid=None, metrics=measured).reading.scale
    assert "Your photos score 0.536, these pictures -0.00041" in scale
    assert "Kernel Inception Distance of 400 pictures" in scale


def test_a_score_without_intervals_and_photos_is_not_read():
    assert report(levels=None, levels_reason="switched off").reading is None
    assert report(levels=None, levels_reason="of other reasons").reading is not None


def test_without_anything_known_no_cause_is_ruled_out():
    found = report(
        levels=None, colours=None, memorization_distance=None, epsilon=None, mifid=None
    ).reading
    assert {aspect.limits for aspect in found.aspects} == {None}
    assert "not known" in found.advice
    assert "rain longer" not in found.advice


def test_little_diversity():
    reading = report({"vendi": Level(40.0, 24.0, 31.0)}).reading
    assert aspects(reading)["little diversity"].limits
    assert "various" in reading.advice
    assert aspects(report(None).reading)["little diversity"].limits is None


def test_a_reading_is_in_text_and_json_and_none_where_there_is_nothing_to_read():
    found = report()
    data = json.loads(found.to_json())
    assert data["reading"]["share"] == pytest.approx(30 / 67)
    assert data["levels"]["values"]["fid"]["photos"] == 137.0
    for question, answer in found.reading.rows():
        assert question in found.text()
        assert answer in found.text()
    nothing = report(None, fid=None, mifid=None)
    assert nothing.reading is None
    assert json.loads(nothing.to_json())["reading"] is None
