"""The sides of a score, kept: their tables, and their pictures opened again."""

import shutil

import numpy as np
import pytest
import torch
from toys import colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import UnavailableError
from mifid.evidence.evidence import Evidence
from mifid.evidence.tables import picture_table, training_table
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

GENERATED, REFERENCE = repainted(7, 32), drawn("painting", 5, 32)


def features(pixels, names=None):
    found = mifid.features(pixels, extractor=colours)
    return Features(found.values, names)


@pytest.fixture(scope="module")
def sides():
    return {"generated": features(GENERATED), "reference": features(REFERENCE)}


def test_the_tables_are_those_of_the_sides(sides):
    evidence = Evidence(sides, epsilon=0.02)
    g, r = sides["generated"], sides["reference"]
    expected = picture_table(generated=g, training=r, reference=r, epsilon=0.02)
    for name, column in expected.columns().items():
        np.testing.assert_array_equal(evidence.pictures.columns()[name], column)
    expected = training_table(generated=g, training=r, epsilon=0.02)
    for name, column in expected.columns().items():
        np.testing.assert_array_equal(evidence.training_pictures.columns()[name], column)
    assert evidence.pictures is evidence.pictures  # computed once
    assert evidence.pictures.epsilon == evidence.training_pictures.epsilon == 0.02


def test_distances_are_to_what_was_trained_on_and_influence_is_on_fid(sides):
    training = features(drawn("painting", 4, 32, seed=70), ("a", "b", "c", "d"))
    evidence = Evidence({**sides, "memorization_reference": training})
    assert evidence.training_label == "memorization_reference"
    assert Evidence(sides).training_label == "reference"
    assert set(evidence.pictures.nearest) <= {"a", "b", "c", "d"}
    assert len(evidence.training_pictures) == 4
    np.testing.assert_array_equal(evidence.pictures.influence, Evidence(sides).pictures.influence)


def test_a_reference_of_statistics_has_no_influence_and_no_distances_to_it(sides):
    r = sides["reference"]
    evidence = Evidence({**sides, "reference": Statistics.from_features(r.values)})
    with pytest.raises(UnavailableError, match="the reference side is mean and covariance only"):
        _ = evidence.pictures
    evidence = Evidence(
        {
            **sides,
            "reference": Statistics.from_features(r.values),
            "memorization_reference": r,
        }
    )
    assert evidence.pictures.influence is None
    assert "mean and covariance only" in evidence.pictures.influence_reason
    np.testing.assert_array_equal(evidence.pictures.distance, Evidence(sides).pictures.distance)


def test_features_of_a_side_or_why_not(sides):
    evidence = Evidence({**sides, "held_out": Statistics.from_features(sides["reference"].values)})
    assert evidence.features("generated") is sides["generated"]
    with pytest.raises(UnavailableError) as caught:
        evidence.features("held_out")
    assert caught.value.message == (
        "the held out side is mean and covariance only, without single pictures"
    )
    assert "a file of features" in caught.value.hint
    with pytest.raises(UnavailableError, match="no memorization reference pictures were given"):
        evidence.features("memorization_reference")


def as_folder(folder):
    return write_pictures(folder / "out", GENERATED)


def as_text(folder):
    return str(as_folder(folder))


def as_pattern(folder):
    return str(as_folder(folder) / "*.png")


def as_zip(folder):
    return shutil.make_archive(str(folder / "images"), "zip", as_folder(folder))


def as_array(_):
    return GENERATED


def as_tensor(_):
    return torch.from_numpy(GENERATED).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "form",
    [as_folder, as_text, as_pattern, as_zip, as_array, as_tensor],
    ids=lambda form: form.__name__,
)
def test_pictures_are_opened_again_by_the_row_of_their_features(form, tmp_path):
    given = form(tmp_path)
    report = mifid.score(given, REFERENCE, extractor=colours, ci=0)
    with report.evidence.album("generated") as album:
        assert len(album) == 7
        for row, picture in enumerate(GENERATED):
            np.testing.assert_array_equal(album.show(row).pixels, picture)


def test_floats_are_opened_with_their_range(tmp_path):
    floats = torch.from_numpy(GENERATED).permute(0, 3, 1, 2).float() / 127.5 - 1
    report = mifid.score(floats, REFERENCE, extractor=colours, ci=0, value_range=(-1, 1))
    with report.evidence.album("generated") as album:
        np.testing.assert_array_equal(album.show(3).pixels, GENERATED[3])


def test_rows_are_right_where_a_bad_picture_was_left_out(tmp_path):
    folder = write_pictures(tmp_path / "out", GENERATED)
    (folder / "002.png").write_bytes(b"no picture")
    report = mifid.score(folder, REFERENCE, extractor=colours, ci=0, skip_bad=True)
    with report.evidence.album("generated") as album:
        assert len(album) == 6
        assert album.show(2).name == "003.png"
        np.testing.assert_array_equal(album.show(2).pixels, GENERATED[3])


def features_file(folder):
    features(GENERATED).save(folder / "f.npz")
    return folder / "f.npz"


def statistics_file(folder):
    np.savez(folder / "s.npz", mu=np.zeros(6), sigma=np.eye(6))
    return str(folder / "s.npz")


def features_object(_):
    return features(GENERATED)


def statistics_object(_):
    return Statistics.from_features(features(GENERATED).values)


@pytest.mark.parametrize(
    "form",
    [features_file, statistics_file, features_object, statistics_object],
    ids=lambda form: form.__name__,
)
def test_there_are_no_pictures_in_features_and_statistics(form, tmp_path, sides):
    evidence = Evidence(sides, {"memorization_reference": form(tmp_path)})
    with (
        pytest.raises(UnavailableError) as caught,
        evidence.open("memorization_reference"),
    ):
        pass
    assert caught.value.message == (
        "the memorization reference side is only features: its pictures cannot be shown"
    )


def test_pictures_that_are_gone_or_never_were(tmp_path, sides):
    folder = as_folder(tmp_path)
    evidence = Evidence(sides, {"generated": folder, "reference": iter([REFERENCE])})
    with evidence.open("generated") as source:
        assert len(source) == 7
    shutil.rmtree(folder)
    with (
        pytest.raises(UnavailableError, match="pictures cannot be opened again: no such") as caught,
        evidence.album("generated"),
    ):
        pass
    assert "out" in caught.value.message
    with (
        pytest.raises(UnavailableError, match="a stream, which can be read only once"),
        evidence.open("reference"),
    ):
        pass
    with pytest.raises(UnavailableError, match="no held out pictures"), evidence.open("held_out"):
        pass


def test_files_are_closed_even_after_an_error(tmp_path, sides):
    archive = as_zip(tmp_path)
    evidence = Evidence(sides, {"generated": archive})
    with pytest.raises(KeyError), evidence.open("generated") as source:
        raise KeyError
    with pytest.raises(Exception, match=r".*"):
        source.read(0)
