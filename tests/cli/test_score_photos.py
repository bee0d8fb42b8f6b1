"""mifid score --photos: the other end of the scale, and photos that cannot be it."""

import json

import numpy as np
import pytest
from toys import colours, drawn, repainted, write_pictures

import mifid

pytestmark = pytest.mark.filterwarnings("default::mifid.MifidWarning")

QUICK = ["--extractor", "toys:colours", "--ci", "0", "--no-cache"]


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "out", repainted(21, 32))
    write_pictures(tmp_path / "monet", drawn("painting", 22, 32))
    write_pictures(tmp_path / "unseen", drawn("painting", 20, 32, seed=50))
    write_pictures(tmp_path / "photos", drawn("photo", 20, 32, seed=90))


def test_levels_and_reading(run):
    sides = ["out", "--ref", "monet", "--held-out", "unseen", "--photos", "photos"]
    result = run("score", *sides, "--json", *QUICK)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["inputs"]["photos"]["n"] == 20
    fid = found["levels"]["values"]["fid"]
    alone = json.loads(run("score", "photos", "--ref", "monet", "--json", *QUICK).stdout)
    assert fid["photos"] == alone["fid"]  # 20 of 20: the same pipeline
    assert f"{fid['photos']:.1f}" in found["reading"]["scale"]
    assert found["inputs"]["photos"]["colours"]["mean"]["brightness"] > 0


def test_photos_change_no_number(run):
    one, other = (
        json.loads(run("score", "out", "--ref", "monet", "--json", *QUICK, *more).stdout)
        for more in ([], ["--photos", "photos"])
    )
    for name in ("fid", "memorization_distance", "mifid", "not_comparable_reason"):
        assert one[name] == other[name]
    assert one["levels_reason"] == "switched off"


@pytest.mark.parametrize("other", ["out", "monet", "unseen"])
def test_photos_that_are_another_side_are_named(other, failure):
    sides = ["out", "--ref", "monet", "--held-out", "unseen", "--photos", other]
    message = failure("score", *sides, *QUICK)
    title = {"out": "generated", "monet": "reference", "unseen": "held out"}[other]
    assert f"the photos are {title} pictures" in message
    assert other in message
    assert "--photos" in message


def test_photos_of_which_some_are_generated_pictures(run, tmp_path):
    write_pictures(tmp_path / "photos", repainted(3, 32), names=["x", "y", "z"])
    result = run("score", "out", "--ref", "monet", "--photos", "photos", *QUICK)
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "3 of 23 photos are generated pictures" in result.stderr


def test_photos_of_another_size(run, tmp_path):
    write_pictures(tmp_path / "large", drawn("photo", 20, 48))
    result = run("score", "out", "--ref", "monet", "--photos", "large", *QUICK)
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "48 x 48" in result.stderr
    assert "32 x 32" in result.stderr


def test_fewer_photos_than_can_be_compared(run, tmp_path):
    write_pictures(tmp_path / "few", drawn("photo", 4, 32))
    sides = ["out", "--ref", "monet", "--held-out", "unseen", "--photos", "few"]
    result = run("score", *sides, "--json", *QUICK)
    assert result.exit_code == 0, result.output + repr(result.exception)
    found = json.loads(result.stdout)
    assert found["levels"] is None
    assert "4 photos" in found["levels_reason"]
    assert "4 photos" in found["reading"]["scale"]


def test_one_photo(failure, tmp_path):
    write_pictures(tmp_path / "one", drawn("photo", 1, 32))
    message = failure("score", "out", "--ref", "monet", "--photos", "one", *QUICK)
    assert "photos: folder one holds one picture" in message


def test_a_file_of_statistics_has_no_equal_number(failure, tmp_path):
    rows = mifid.features("photos", extractor=colours)
    photos = mifid.Statistics.from_features(rows.values, provenance=rows.provenance)
    found = mifid.score("out", "monet", photos=photos, held_out="unseen", extractor=colours, ci=0)
    assert found.levels.values["fid"].photos is None
    assert "mean and covariance" in found.reading.scale
    np.savez(tmp_path / "photos.npz", mu=photos.mu, sigma=photos.sigma)
    message = failure("score", "out", "--ref", "monet", "--photos", "photos.npz", *QUICK)
    assert "photos.npz) does not say which network made it" in message
