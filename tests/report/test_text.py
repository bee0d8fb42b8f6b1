"""What is said of a score is true of it."""

from types import SimpleNamespace

from mifid.inputs import Side
from mifid.metrics import NOT_ASKED
from mifid.report.report import Report
from mifid.report.text import reading_aid, verdict
from mifid.uncertainty.intervals import Interval, Uncertainty


def scored(*, near_copies=None, interval=None, n=120, **changes):
    values = {
        "fid": 60.0,
        "memorization_distance": 0.25,
        "epsilon": 0.1,
        "mifid": 60.0,
        "mifid_reason": None,
        "inputs": {"generated": Side("a", n), "reference": Side("b", 300)},
        "protocol": {},
        "not_comparable": None,
        "seconds": {},
    } | changes
    distance = values["memorization_distance"]
    if distance is not None:
        distance = distance if distance < values["epsilon"] else 1.0
    values["memorization_distance_thresholded"] = distance
    if interval:
        intervals = {"mifid": Interval(*interval, 1.0, 0.0)}
        values["uncertainty"] = Uncertainty(intervals, 95, 100, 0, (), "bootstrap", 0.0, "")
    if near_copies is not None:
        pictures = SimpleNamespace(near_copies=near_copies)
        values["evidence"] = SimpleNamespace(pictures=pictures)
    return Report(**values)


def said(**changes):
    return verdict(scored(**changes))


def read(**changes):
    return reading_aid(scored(**changes))


def test_no_penalty():
    assert said() == (
        "MiFID is 60.00, the same as FID: the memorization distance 0.2500 reaches the threshold "
        "0.1, so there is no penalty."
    )
    # The threshold itself is not below it.
    assert "no penalty" in said(memorization_distance=0.1)


def test_a_penalty():
    sentence = said(mifid=1200.0, memorization_distance=0.05)
    assert "MiFID is 1,200.00, 20.0 times FID" in sentence
    assert "divided by their memorization distance, 0.0500" in sentence
    assert "below the threshold 0.1" in sentence
    assert "larger than FID" in said(mifid=0.0, fid=0.0, memorization_distance=0.05)
    assert "1.00e+16, 1.67e+14 times FID" in said(mifid=1e16, memorization_distance=0.0)


def test_no_mifid():
    found = said(
        mifid=None, memorization_distance=None, mifid_reason="the reference is moments only"
    )
    assert found == "FID is 60.00. There is no MiFID: the reference is moments only."
    assert (
        said(mifid=None, mifid_reason=NOT_ASKED) == ""
    )  # FID alone was asked for: its number says it


def test_near_copies_and_interval():
    copies, interval = read(near_copies=1, n=7038, interval=(58.0, 1063.5, 95))
    assert copies.startswith("1 of 7,038 generated pictures is nearer than 0.1")
    assert "95% interval, 58.00 to 1,063.50" in interval
    assert read(near_copies=0)[0].startswith("No generated picture is nearer")


def test_a_few_near_copies_do_not_count_and_many_do():
    few = read(near_copies=3)[0]
    assert "The penalty depends on the mean distance: a few do not count." in few
    many = read(near_copies=117, memorization_distance=0.064)[0]
    assert "117 of 120 generated pictures are nearer than 0.1" in many
    assert "a few" not in many
    assert "so many, or so near, that it is below the threshold" in many
    at = read(near_copies=1, n=2, memorization_distance=0.1)[0]
    assert "a few do not count" in at  # the threshold itself is not below it


def test_what_is_not_there_is_not_read():
    assert read(memorization_distance=None, mifid=None, near_copies=3) == ()
