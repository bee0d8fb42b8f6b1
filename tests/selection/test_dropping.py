"""Criteria: what goes, why, and which words are taken."""

from dataclasses import replace

import numpy as np
import pytest
from toys import drawn

from mifid.errors import InputError
from mifid.selection.dropping import CRITERIA, drop_by, thresholds_of
from mifid.selection.measures import PixelMeasures, measure
from mifid.statistics.features import Features


@pytest.fixture(scope="module")
def measures():
    """Six pictures that no criterion drops."""
    names = tuple("abcdef")
    pixels = Features(PixelMeasures()(drawn("painting", 6, size=64)), names)
    found = measure(Features(np.random.RandomState(0).rand(6, 4).astype(np.float32), names), pixels)
    hashes = np.zeros((6, 64), bool)
    for row in range(6):
        hashes[row, 10 * row : 10 * row + 10] = True  # 20 bits apart
    return replace(
        found,
        hashes=hashes,
        brightness=np.full(6, 60.0),
        sharpness=np.full(6, 100.0),
        outlier_score=np.full(6, 3.0),
    )


ALL = thresholds_of(",".join(CRITERIA))


def test_values_at_the_threshold_stay(measures):
    assert drop_by(measures, ALL) == {}


@pytest.mark.parametrize(
    ("column", "value", "criterion"),
    [
        ("brightness", 59.9, "dark"),
        ("sharpness", 99.9, "blurred"),
        ("outlier_score", 3.1, "outliers"),
    ],
)
def test_values_beyond_it_go_with_the_value(measures, column, value, criterion):
    values = getattr(measures, column).copy()
    values[2] = value
    found = drop_by(replace(measures, **{column: values}), ALL)
    assert list(found) == [2]
    assert found[2].criterion == criterion
    assert str(value) in found[2].reason
    others = {name: t for name, t in ALL.items() if name != criterion}
    assert drop_by(replace(measures, **{column: values}), others) == {}


def test_of_duplicates_the_first_one_that_is_there_stays(measures):
    hashes = measures.hashes.copy()
    hashes[1] = hashes[3] = hashes[5] = hashes[0]
    hashes[3, 20:26] ^= True  # 6 bits: still a duplicate
    hashes[5, 20:27] ^= True  # 7 bits of 0, and 1 bit of 3, which goes itself
    found = drop_by(replace(measures, hashes=hashes), ALL)
    assert {row: (each.beside, each.value) for row, each in found.items()} == {
        1: (0, 0),
        3: (0, 6),
    }
    assert "6 of 64 bits differ from 'a'" in found[3].reason
    dark = replace(measures, hashes=hashes, brightness=np.array([0.0, *[99.0] * 5]))
    assert {row: each.criterion for row, each in drop_by(dark, ALL).items()} == {
        0: "dark",
        3: "duplicates",
    }


def test_all_equal_pictures_but_one_go(measures):
    same = replace(measures, hashes=np.zeros((6, 64), bool))
    assert sorted(drop_by(same, {"duplicates": 0})) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", {}),
        ((), {}),
        ("outliers, dark", {"dark": 60, "outliers": 3}),
        (["blurred=80.5", "dark"], {"dark": 60, "blurred": 80.5}),
        ({"duplicates": None, "dark": 40}, {"dark": 40, "duplicates": 6}),
    ],
)
def test_words_and_thresholds(given, expected):
    assert list(thresholds_of(given).items()) == list(expected.items())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("blured", "Did you mean 'blurred'"),
        ("dark,dark=5", "'dark' is given twice"),
        ("dark=", "threshold of 'dark' is ''"),
        ("dark=x", "'x'"),
        ({"dark": -1}, "-1"),
        ({"dark": float("nan")}, "nan"),
        ("dark=inf", "'inf'"),
    ],
)
def test_bad_words_are_refused(given, named):
    with pytest.raises(InputError) as caught:
        thresholds_of(given)
    assert named in str(caught.value)
    assert caught.value.message.startswith("drop: ")
