"""What speaks against a score: warned of in few words, in every form of the result."""

import csv
import itertools
import json
import re
import warnings

import numpy as np
import pytest
import torch
from pictures import encode, noises, write_folder, write_zip
from PIL import Image
from toys import Counting, colours, write_pictures

import mifid
from mifid.errors import InputError, MifidWarning, recorded_warnings
from mifid.evaluation.plausibility import check_numbers, check_submission, check_threshold
from mifid.extractors.callables import CallableExtractor
from mifid.images.source import sampled
from mifid.inputs import open_side
from mifid.pipeline.options import Options
from mifid.pipeline.pipeline import Pipeline
from mifid.pipeline.sides import compute_side

ONE, OTHER = np.stack(noises(9, 24, 24)), np.stack(noises(20, 24, 24)[9:])
QUICK = {"extractor": colours, "ci": 0}


def told(*sides, **settings):
    """The warnings of a score but for the one on few pictures."""
    with pytest.warns(MifidWarning) as met:
        report = mifid.score(*sides, **(QUICK | settings))
    assert sorted({str(warning.message) for warning in met}) == sorted(report.warnings)
    return [text for text in report.warnings if not text.startswith("Few pictures")]


# Numbers


def features(n, width=6):
    return mifid.Features(np.random.RandomState(n).rand(n, width).astype(np.float32))


@pytest.mark.parametrize(
    ("n_generated", "n_reference", "few"),
    [
        (7, 7, None),
        (6, 7, "6 generated against"),
        (7, 5, "5 reference against"),
        (2, 6, "2 generated and 6 reference against"),
    ],
)
def test_covariances_need_one_picture_more_than_features(n_generated, n_reference, few):
    with recorded_warnings() as met:
        computed = {"generated": features(n_generated), "reference": features(n_reference)}
        if few is None:
            check_numbers(computed, competition=False, wanted={"mifid"})
            assert met == []
            return
        with pytest.warns(MifidWarning, match=f"Few pictures: {few} 6 features.*fewer than 7 are"):
            check_numbers(computed, competition=False, wanted={"fid"})
        check_numbers(computed, competition=False, wanted={"is"})  # needs none
    assert len(met) == 1


@pytest.mark.parametrize("n", [6_999, 10_001])
def test_the_competition_takes_so_many(n):
    computed = {"generated": features(n), "reference": features(20)}
    with pytest.warns(MifidWarning, match=f"7,000 to 10,000 generated pictures; these are {n:,}"):
        check_numbers(computed, competition=True, wanted={"mifid"})
    check_numbers(computed, competition=False, wanted={"mifid"})


@pytest.mark.parametrize(
    ("size", "form", "found"),
    [
        ((256, 256), "JPEG", None),
        ((256, 256), "PNG", "these pictures are PNG."),
        ((24, 20), "JPEG", "these pictures are of 24 x 20."),
        ((24, 20), "PNG", "these pictures are PNG, of 24 x 20."),
    ],
)
def test_the_competition_takes_jpeg_of_256_pixels(tmp_path, size, form, found):
    pictures = [Image.fromarray(noise).resize(size) for noise in ONE[:3]]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.{form.lower()}", form)
    side = open_side("generated", tmp_path)
    computed = compute_side(side, Pipeline(CallableExtractor(colours), Options(cache=False)))
    with recorded_warnings() as met, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_submission(computed)
    assert [text.endswith(f"{found} `mifid check` looks at each.") for text in met] == (
        [True] if found else []
    )


def test_few_pictures_are_told_in_every_form_of_the_report(tmp_path):
    with pytest.warns(MifidWarning, match="Few pictures"):
        report = mifid.score(ONE[:5], OTHER, **QUICK)
    (text,) = report.warnings
    assert text in report.text()
    assert json.loads(report.to_json())["warnings"] == [text]
    report.save(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as lines:
        assert json.loads(next(csv.DictReader(lines))["warnings"]) == [text]


# What the pictures look like


def test_pictures_that_are_all_the_same_are_told_also_of_streams():
    copies = np.stack([ONE[0]] * 9)
    assert told(copies, OTHER) == [
        "generated: all 9 pictures are the same. Did what made or saved them fail?"
    ]
    assert told(iter([copies]), OTHER)[0].startswith("generated: all 9 pictures have the same feat")
    assert told(ONE[1:], iter([copies]))[0].startswith(
        "reference: all 9 pictures have the same feat"
    )


def test_black_pictures_are_one_warning():
    (text,) = told(np.full((9, 24, 24, 3), 1, np.uint8), OTHER)
    assert text.startswith("generated: all 9 pictures are the same; all 9 are of one colour. Did")
    few = np.concatenate([ONE, np.full((2, 24, 24, 3), [1, 2, 3], np.uint8) + ONE[:2, :1, :1]])
    (text,) = told(few, OTHER)
    assert "2 of 11 are of one colour" in text


def test_what_was_cast_before_it_was_scaled_is_told_and_cached_runs_say_the_same(tmp_path):
    folder = write_pictures(tmp_path / "dark", (ONE / 255).round().astype(np.uint8))
    extractor = Counting()
    first, second = (told(folder, OTHER, extractor=extractor) for _ in range(2))
    assert first == second
    assert first[0].startswith("generated: the pictures use only the levels 0 to 1 of 0 to 255")
    assert extractor.pictures == len(ONE) + len(OTHER)


# The same pictures on both sides


def test_results_below_the_data_set_are_counted_and_the_paths_named(tmp_path):
    real = write_folder(tmp_path / "nest", [(f"{i}.png", encode(x)) for i, x in enumerate(OTHER)])
    write_folder(real / "out", [(f"{i}.png", encode(x)) for i, x in enumerate(ONE)])
    (text,) = told(real / "out", real)
    assert text.startswith("9 of 9 generated pictures are reference pictures, byte for byte")
    assert f"({real / 'out'} lies below {real})" in text
    (text,) = told(real, real / "out")
    assert text.startswith("9 of 20 generated pictures are reference pictures")
    assert f"({real / 'out'} lies below {real})" in text


def test_copies_are_found_in_another_container(tmp_path):
    files = [(f"{i}.png", encode(x)) for i, x in enumerate(ONE)]
    archive = write_zip(tmp_path / "a.zip", files[:3])
    folder = write_folder(tmp_path / "b", files)
    assert (
        "3 of 3 generated pictures are reference pictures, byte for byte"
        in told(archive, folder)[0]
    )
    memorized = told(OTHER, ONE // 2, memorization_reference=list(OTHER[:4]))
    assert "4 of 11 generated pictures are memorization reference pictures" in memorized[0]


def test_compare_says_whose_pictures_are_copies():
    given = {"new": ONE, "stolen": np.concatenate([ONE[:5], OTHER[:4]])}
    with pytest.warns(MifidWarning, match="submission stolen: 4 of 9 generated pictures are ref"):
        comparison = mifid.compare(given, OTHER, **QUICK)
    assert sum("reference pictures" in text for text in comparison.warnings) == 1


# Ranges


def floats(pictures, low, high):
    return (pictures / 255 * (high - low) + low).astype(np.float32)


def test_a_side_may_have_a_range_of_its_own():
    expected = mifid.score(ONE, OTHER, **QUICK).fid
    tanh, unit = floats(ONE, -1, 1), floats(OTHER, 0, 1)
    ranges = {"generated": (-1, 1), "reference": (0, 1)}
    assert mifid.score(tanh, unit, value_range=ranges, **QUICK).fid == expected
    assert mifid.score(iter([tanh]), iter(unit), value_range=ranges, **QUICK).fid == pytest.approx(
        expected
    )
    report = mifid.score(tanh, unit, value_range=ranges, **QUICK)
    assert report.pictures.names  # opened again with the same ranges
    report.plot("pairs")


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: iter([x]), list])
@pytest.mark.parametrize(
    ("generated", "reference", "value_range", "message"),
    [
        ((0, 255), (0, 1), (0, 1), "generated: .* from 0 to 255; 99.* range of 0 to 1"),
        ((0, 1), (-1, 1), (0, 1), "reference: .* from -1 to 1; "),
        ((0, 1), (0, 1), None, "reference: .* is float32, and its range is not known"),
        ((0, 1), (0, 1), {"reference": (0, 1)}, "generated: .* its range is not known"),
        ((0, 1), (0, 1), {"real": (0, 1)}, "given for 'real', but no such side"),
    ],
)
def test_another_range_is_refused_by_side(wrap, generated, reference, value_range, message):
    sides = wrap(floats(ONE, *generated)), wrap(floats(OTHER, *reference))
    with pytest.raises(InputError, match=message):
        mifid.score(*sides, value_range=value_range, **QUICK)


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: iter([x]), list])
def test_a_range_that_is_hardly_right_is_told_by_side(wrap, limit):
    sides = wrap(floats(ONE, -1, 1)), wrap(floats(OTHER, 0, 1))
    settings = {"value_range": (-1, 1), "limit": limit}
    (text,) = told(*sides, **settings)
    assert re.match(r"reference: values go from 0 to 1 in a stated range of -1 to 1: none is", text)
    with pytest.warns(MifidWarning, match="none is below 0"):
        mifid.features(wrap(floats(OTHER, 0, 1)), extractor=colours, **settings)


# Sides


@pytest.mark.parametrize(
    ("images", "reference", "message"),
    [(None, ONE, "images is None"), (ONE, None, "reference is None"), (None, None, "reference is")],
)
def test_none_is_named(images, reference, message):
    with pytest.raises(InputError, match=message):
        mifid.score(images, reference, **QUICK)


def test_a_side_that_python_holds_is_named_in_its_error():
    with pytest.raises(InputError, match=r"^generated: item 1 is None"):
        mifid.score([ONE[0], None], OTHER, **QUICK)
    with pytest.raises(InputError, match=r"^reference: item 1 is None"):
        mifid.score(ONE, iter([OTHER[0], None]), **QUICK)


def test_several_folders_are_one_reference(tmp_path):
    a = write_pictures(tmp_path / "a", OTHER[:6])
    b = write_pictures(tmp_path / "b", OTHER[6:])
    report = mifid.score(ONE, [a, b], **QUICK)
    assert report.fid == pytest.approx(mifid.score(ONE, OTHER, **QUICK).fid)
    assert report.inputs["reference"].source == f"folder {a} and folder {b}"
    assert report.n_reference == 11


def test_features_are_not_put_together_with_pictures(tmp_path):
    mifid.build_reference(ONE, tmp_path / "a.npz", extractor=colours)
    with pytest.raises(InputError, match=r"a\.npz holds features or statistics; only sets of pic"):
        mifid.score(ONE, [tmp_path / "a.npz", tmp_path], **QUICK)


# Limits


def test_a_limit_scores_the_same_pictures_of_every_form(tmp_path):
    seed = 5
    some = [side[sampled(len(side), 7, seed)] for side in (ONE, OTHER)]
    expected = mifid.score(*some, **QUICK)
    folder = write_pictures(tmp_path / "a", ONE)
    whole = mifid.features(OTHER, extractor=colours)
    for generated, reference in [(ONE, OTHER), (list(ONE), OTHER), (folder, whole)]:
        report = mifid.score(generated, reference, limit=7, seed=seed, **QUICK)
        assert report.fid == pytest.approx(expected.fid, rel=1e-9)
        assert (report.n_generated, report.n_reference) == (7, 7)
        assert report.inputs["generated"].available == 9
        assert "drawn from 11" in report.text()
        assert report.to_dict()["inputs"]["reference"]["available"] == 11
        assert report.pictures.distance.shape == (7,)
    assert mifid.score(ONE, OTHER, limit=7, seed=6, **QUICK).fid != expected.fid
    assert mifid.score(ONE, OTHER, limit=99, **QUICK).inputs["generated"].available is None


def test_features_and_references_take_the_same_pictures(tmp_path):
    rows = sampled(9, 4, 3)
    found = mifid.features(ONE, extractor=colours, limit=4, seed=3)
    assert found.names == tuple(f"[{row}]" for row in rows)
    built = mifid.build_reference(ONE, tmp_path / "a", extractor=colours, limit=4, seed=3)
    np.testing.assert_array_equal(built.values, found.values)


def test_compare_takes_the_same_pictures_of_submissions_of_the_same_names():
    comparison = mifid.compare({"a": ONE, "b": ONE // 2}, OTHER, limit=8, seed=1, **QUICK)
    assert {standing.side.n for standing in comparison.standings} == {8}
    alone = mifid.score(ONE, OTHER, limit=8, seed=1, **QUICK)
    assert comparison["a"].fid == pytest.approx(alone.fid)


def test_a_limit_ends_an_endless_generator():
    asked = []

    def endless():
        for number in itertools.count():
            asked.append(number)
            yield torch.from_numpy(ONE[number % 9]).permute(2, 0, 1)

    report = mifid.score(endless(), OTHER, limit=8, **QUICK)
    assert report.n_generated == 8
    assert asked == list(range(8))


def test_a_limit_does_not_reach_into_statistics():
    statistics = mifid.Statistics.from_features(mifid.features(OTHER, extractor=colours).values)
    with pytest.warns(MifidWarning, match="the reference side is mean and covariance only"):
        mifid.score(ONE, statistics, limit=8, **QUICK)


@pytest.mark.parametrize("limit", [1, 0, -3])
def test_a_limit_that_leaves_nothing_is_refused(limit):
    with pytest.raises(InputError, match=r"limit is .*; expected 2 or more"):
        mifid.score(ONE, OTHER, limit=limit, **QUICK)


# Devices


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "tpu"])
def test_a_device_that_is_not_there_is_refused_also_where_all_is_kept(device):
    extractor = Counting()
    mifid.score(ONE, OTHER, extractor=extractor, ci=0)
    with pytest.raises(InputError, match=f"device '{device}'"):
        mifid.score(ONE, OTHER, extractor=extractor, ci=0, device=device)


@pytest.mark.parametrize(
    ("extractor", "distance", "epsilon", "warned"),
    [
        ("inception-random", 0.05, 0.1, True),
        ("inception-random", 0.2, 0.1, False),
        ("inception-random", 0.0, 0.1, True),
        ("inception-random", 0.02, 0.03, False),
        ("inception-random", None, 0.1, False),
        ("inception-random", 0.05, None, False),
        ("inception", 0.05, 0.1, False),
        ("lite0", 0.05, 0.1, False),
    ],
)
def test_a_penalty_that_only_comes_of_the_network(extractor, distance, epsilon, warned):
    with recorded_warnings() as found, warnings.catch_warnings():
        warnings.simplefilter("ignore", MifidWarning)
        check_threshold(extractor, distance, epsilon)
    assert ["leave out epsilon" in text for text in found] == [True] * warned
