"""FID at several numbers of pictures, its floor, and the sentence about them."""

import json

import numpy as np
import pytest

from mifid.errors import UnavailableError
from mifid.metrics.extrapolation import extrapolate
from mifid.metrics.frechet import frechet_distance
from mifid.statistics.features import Features
from mifid.uncertainty.bias import Bias, estimate_bias


@pytest.fixture
def sides(random):
    return {
        name: Features((random.randn(n, 10) * scale).astype(np.float32))
        for name, n, scale in [("generated", 200, 1.5), ("reference", 81, 1.0)]
    }


def test_holds_the_line_and_the_floor(sides):
    found = estimate_bias(**sides, seed=3)
    values = {name: side.values for name, side in sides.items()}
    line = extrapolate(**values, seed=3)
    assert found.fid == frechet_distance(**values)
    assert found.fid == pytest.approx(found.fids[-1], rel=1e-6)
    assert (found.fid_infinity, found.slope) == (line.infinity, line.slope)
    assert found.fid_infinity < found.fid
    assert found.sizes.tolist() == line.sizes.tolist()
    random = np.random.RandomState(3)
    halves = []
    for _ in range(10):
        order = random.permutation(81)
        one, other = values["reference"][order[:40]], values["reference"][order[40:80]]
        halves.append(frechet_distance(generated=one, reference=other))
    assert found.floor_halves == pytest.approx(np.mean(halves), rel=1e-9)
    assert found.floor_halves_std == pytest.approx(np.std(halves, ddof=1), rel=1e-9)
    assert (found.halves_n, found.splits) == (40, 10)
    assert found.floor_held_out is None


def test_the_sentence_gives_every_number_with_its_pictures(sides, random):
    held_out = Features(random.randn(60, 10).astype(np.float32))
    found = estimate_bias(**sides, held_out=held_out)
    assert f"With 200 generated and 81 reference pictures FID is {found.fid:.4g}" in found.sentence
    assert f"would be about {found.fid_infinity:.4g}" in found.sentence
    assert f"40 real pictures each, is {found.floor_halves:.4g}" in found.sentence
    assert "not a bound" in found.sentence
    floor = frechet_distance(generated=held_out.values, reference=sides["reference"].values)
    assert found.floor_held_out == pytest.approx(floor, rel=1e-12)
    # What fewer pictures cost is taken out: both are told at 60 each.
    assert found.equal_n == 60
    assert found.held_out_at_equal == found.floor_held_out
    generated, reference = sides["generated"].values, sides["reference"].values
    firsts = [generated[i : i + 60] for i in range(0, 180, 60)]
    likely = [frechet_distance(generated=some, reference=reference) for some in firsts]
    assert found.generated_at_equal == pytest.approx(np.mean(likely), rel=0.15)
    assert found.generated_at_equal > found.fid
    assert f"trained on score {floor:.4g}" in found.sentence
    assert "With 60 pictures each" in found.sentence
    assert f"ones {found.generated_at_equal:.4g}: the difference" in found.sentence


def test_more_held_out_pictures_than_generated_ones(sides, random):
    held_out = Features(random.randn(400, 10).astype(np.float32))
    found = estimate_bias(**sides, held_out=held_out)
    assert found.equal_n == 200
    assert found.generated_at_equal == found.fid
    assert found.held_out_at_equal > found.floor_held_out


def test_generated_pictures_better_than_held_out_ones(sides, random):
    far = Features((random.randn(30, 10) + 9).astype(np.float32))
    assert "nearer than real ones" in estimate_bias(**sides, held_out=far).sentence


def test_a_single_held_out_picture_is_told_of(sides):
    found = estimate_bias(**sides, held_out=Features(sides["reference"].values[:1]))
    assert found.floor_held_out is None
    assert "only 1 held-out picture; its FID needs at least two" in found.sentence


def test_an_intercept_below_zero_is_said_to_be_zero(random):
    same = Features(random.randn(60, 12).astype(np.float32))
    found = estimate_bias(generated=same, reference=same)
    assert found.fid_infinity < 0
    assert "about 0 (the line" in found.sentence


def test_large_references_are_halved_less_often(sides, monkeypatch):
    monkeypatch.setattr("mifid.uncertainty.bias._COSTLY", 9)
    assert estimate_bias(**sides).splits == 2


def test_repeats_itself_and_survives_json(sides):
    found = estimate_bias(**sides, seed=3)
    again = Bias.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict() == estimate_bias(**sides, seed=3).to_dict()
    assert again.sizes.dtype == np.int64
    assert again.fids.dtype == np.float64


def test_refuses_what_has_no_halves_or_no_line(sides):
    few = Features(sides["reference"].values[:3])
    with pytest.raises(UnavailableError, match="3 pictures has no halves"):
        estimate_bias(generated=sides["generated"], reference=few)
    with pytest.raises(UnavailableError, match="at least 20"):
        estimate_bias(generated=few, reference=sides["reference"])
