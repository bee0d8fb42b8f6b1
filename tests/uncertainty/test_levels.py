"""Levels: photos, generated and real pictures by the same metric, at equal numbers."""

import numpy as np
import pytest

from mifid.errors import UnavailableError
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.vendi import vendi_score
from mifid.statistics.features import Features
from mifid.uncertainty.bias import estimate_bias
from mifid.uncertainty.levels import Level, Levels, find_levels


def cloud(n, seed, shift=0.0, width=6):
    values = np.random.RandomState(seed).standard_normal((n, width)) + shift
    return Features(values.astype(np.float32))


REFERENCE, GENERATED = cloud(60, 0), cloud(40, 1, 1.0)
HELD_OUT, PHOTOS = cloud(40, 2, 0.1), cloud(40, 3, 3.0)
SIDES = {"generated": GENERATED, "reference": REFERENCE}


def test_of_equally_many_pictures_nothing_is_drawn():
    found = find_levels(**SIDES, held_out=HELD_OUT, photos=PHOTOS)
    assert (found.n, found.n_reference, found.held_out) == (40, 60, True)
    assert list(found.values) == ["fid", "memorization_distance", "vendi"]
    for name, of in {
        "fid": lambda side: frechet_distance(generated=side, reference=REFERENCE.values),
        "memorization_distance": lambda side: memorization_distance(
            generated=side, reference=REFERENCE.values
        ),
        "vendi": lambda side: vendi_score(generated=side)["vendi"],
    }.items():
        sides = (PHOTOS, GENERATED, HELD_OUT)
        assert found.values[name] == pytest.approx([of(side.values) for side in sides], rel=1e-12)


def test_levels_are_those_of_the_bias():
    """Both describe the same: halves of the reference, and equal numbers of pictures."""
    bias = estimate_bias(**SIDES, seed=5)
    levels = find_levels(**SIDES, seed=5)
    assert levels.n == bias.halves_n == 30
    assert levels.values["fid"].real == pytest.approx(bias.floor_halves, rel=1e-9)
    more = cloud(75, 9)
    bias = estimate_bias(**SIDES, held_out=more, seed=5)
    fid = find_levels(**SIDES, held_out=more, seed=5).values["fid"]
    assert fid.real == pytest.approx(bias.held_out_at_equal, rel=1e-12)
    assert fid.generated == pytest.approx(bias.generated_at_equal, rel=1e-12)


def test_halves_are_not_compared_with_themselves():
    """A half of the reference is as far from the other half as new pictures are from it."""
    found = find_levels(**SIDES, photos=PHOTOS)
    assert (found.n, found.n_reference, found.held_out) == (30, 30, False)
    fid, distance = found.values["fid"], found.values["memorization_distance"]
    assert 0 < fid.real < fid.generated < fid.photos
    assert distance.real > 0.05


def test_a_training_set_of_its_own():
    training = cloud(25, 7, 1.0)
    found = find_levels(**SIDES, held_out=HELD_OUT, training=training)
    expected = memorization_distance(generated=HELD_OUT.values, reference=training.values)
    assert found.values["memorization_distance"].real == pytest.approx(expected)
    assert found.values["fid"].photos is None
    assert found.values["fid"].share is None


def test_metrics_that_were_asked_for():
    found = find_levels(**SIDES, held_out=HELD_OUT, metrics=["pr", "kid", "fld", "is"])
    assert {"precision", "recall", "kid"} <= found.values.keys()
    assert not {"fld", "is", "kid_std", "kid_subset_size"} & found.values.keys()


@pytest.mark.parametrize(
    ("level", "share"),
    [
        (Level(137.0, 107.0, 70.0), 30 / 67),
        (Level(137.0, 150.0, 70.0), -13 / 67),
        (Level(0.2, 0.5, 0.8), 0.5),
        (Level(None, 1.0, 2.0), None),
        (Level(2.0, 1.0, 2.0), None),
    ],
)
def test_share_of_the_way(level, share):
    assert level.share == (share if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("few", "said"),
    [
        ({"photos": cloud(19, 1)}, "19 photos; expected 20"),
        ({"generated": cloud(3, 1)}, "3 generated pictures"),
        ({"held_out": cloud(19, 1)}, "19 held-out pictures"),
        ({"reference": cloud(39, 1)}, "19 pictures in a half of the reference"),
    ],
)
def test_too_few_pictures(few, said):
    with pytest.raises(UnavailableError, match=said):
        find_levels(**(SIDES | few))


def test_what_json_keeps_is_the_same_again():
    found = find_levels(**SIDES, photos=PHOTOS, metrics=["pr"])
    values = found.to_dict()
    assert values["values"]["fid"]["share"] == found.values["fid"].share
    assert Levels.from_dict(values) == found
