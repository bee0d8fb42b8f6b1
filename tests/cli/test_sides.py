"""Ranges, limits and several references on the command line: as in Python, by option names."""

import json
import warnings

import numpy as np
import pytest
from toys import colours, drawn, write_pictures

import mifid
from mifid.images.source import sampled

pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture
def floats(folder):
    """gen.npy in -1..1 and real.npy in 0..1: what tanh and ToTensor give."""
    np.save(folder / "gen.npy", (drawn("photo", 8) / 127.5 - 1).astype(np.float32))
    np.save(folder / "real.npy", (drawn("painting", 9) / 255).astype(np.float32))


def found(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


RANGES = {"generated": (-1, 1), "reference": (0, 1)}
BY_SIDE = ("--value-range", "generated=-1,1", "--value-range", "reference=0,1")


@pytest.mark.parametrize(
    "options",
    [BY_SIDE, ("--value-range", "-1,1", "--value-range", "reference=0,1")],
)
def test_a_range_a_side(options, score, floats):
    report = mifid.score("gen.npy", "real.npy", value_range=RANGES, extractor=colours)
    got = found(score("gen.npy", "--ref", "real.npy", *options, "--json"))
    assert got["fid"] == report.fid
    assert [w for w in got["warnings"] if "Few" not in w] == []


def test_one_range_for_all(score, run, floats, tmp_path):
    result = found(score("out", "--ref", "real.npy", "--value-range", "0,1", "--json"))
    assert result["n_reference"] == 9
    named = ("--value-range", "0,1", "--extractor", "toys:colours")
    assert run("reference", "build", "real.npy", "-o", "r.npz", *named).exit_code == 0
    assert np.load("r.npz")["n"] == 9
    assert run("diagnose", "out", "--ref", "real.npy", *named).exit_code == 0
    assert run("compare", "out", "monet", "--ref", "real.npy", "--ci", "0", *named).exit_code == 0


@pytest.mark.parametrize(
    "command", [("score", "out"), ("compare", "out", "monet"), ("diagnose", "out")]
)
def test_a_range_that_folders_do_not_need(command, run, failure):
    toy = ("--extractor", "toys:colours", "--ref", "monet")
    message = failure(*command, *toy, "--value-range", "1,0")
    assert "--value-range 1,0 is not a range" in message
    message = failure(*command, *toy, "--value-range", "reference=1,0")
    assert "--value-range reference=1,0 is not a range" in message
    said = " ".join(run(*command, *toy, "--value-range", "0,1").stderr.split())
    assert "--value-range 0,1 has no effect: there are no arrays of floats" in said
    said = " ".join(run(*command, *toy, "--value-range", "reference=0,1").stderr.split())
    assert "reference=0,1 has no effect: the reference side has no arrays of floats" in said


def test_a_range_that_one_set_of_files_does_not_need(run, failure):
    toy = ("--extractor", "toys:counting", "-o", "made")
    for command in (("features", "out"), ("reference", "build", "out")):
        assert "1,0 is not a range" in failure(*command, *toy, "--value-range", "1,0")
        said = run(*command, *toy, "--value-range", "0,1").stderr
        assert "--value-range 0,1 has no effect" in said


def test_hints_speak_of_the_option(score, floats):
    result = score("gen.npy", "--ref", "real.npy")
    assert result.exit_code == 1
    assert "real.npy is float32, and its range is not known" in result.stderr
    assert "or state their range: --value-range 0,1." in " ".join(result.stderr.split())
    assert "value_range" not in result.stderr
    result = score("gen.npy", "--ref", "real.npy", "--value-range", "0,1")
    assert "-1 to 1 fits them: --value-range -1,1; for this side only: " in result.stderr
    assert "--value-range generated=-1,1." in result.stderr
    result = score("gen.npy", "--ref", "real.npy", "--value-range", "1,0")
    assert "--value-range 1,0 is not a range; expected" in result.stderr


def test_the_side_that_does_not_fit_is_the_one_that_is_named(score, run, floats):
    named = ("--extractor", "toys:colours")
    for command in (("score", "real.npy"), ("compare", "real.npy", "out"), ("diagnose", "out")):
        result = run(*command, "--ref", "gen.npy", *named, "--value-range", "0,1")
        assert "for this side only: --value-range reference=-1,1." in result.stderr
    result = score("real.npy", "--ref", "gen.npy", "--value-range", "generated=0,1")
    assert "state their range: --value-range reference=-1,1." in result.stderr
    result = run("compare", "real.npy", "gen.npy", "--ref", "monet", *named, "--value-range", "0,1")
    assert "for this side only: --value-range generated=-1,1." in result.stderr


def test_a_doubt_names_the_range_that_fits(score, floats):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = score("real.npy", "--ref", "monet", "--value-range", "0,255", "--json")
    (doubt,) = [text for text in found(result)["warnings"] if "stated range" in text]
    assert "0 to 1 fits them: --value-range 0,1; for this side only: --value-range gen" in doubt


def test_a_range_of_a_side_that_is_not_given_is_refused(run, floats):
    for command in (("score", "real.npy"), ("compare", "real.npy", "out"), ("diagnose", "out")):
        result = run(*command, "--ref", "monet", "--value-range", "held_out=0,1")
        assert result.exit_code == 1
        assert "--value-range is given for 'held_out', but no such side" in result.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["1"], "1 is not a range; expected LOW,HIGH"),
        (["a,b"], "a,b is not a range"),
        (["0,1,2"], "0,1,2 is not a range"),
        (["real=0,1"], "real=0,1 does not begin with the name of a side"),
        (["reference=0,1", "reference=-1,1"], "is a second range for reference"),
        (["0,1", "-1,1"], "-1,1 is a second range for all sides"),
    ],
)
def test_what_is_no_range_is_a_usage_error(given, said, score, floats):
    options = [word for text in given for word in ("--value-range", text)]
    result = score("gen.npy", "--ref", "real.npy", *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["score", "compare", "diagnose"])
def test_several_references_are_one_set_and_the_result_says_so(command, run, folder):
    write_pictures(folder / "more", drawn("painting", 4, seed=90))
    write_pictures(folder / "second", drawn("photo", 4, seed=90))
    named = ("--extractor", "toys:colours", "--ref", "monet", "--ref", "more", "--json")
    images = ("out", "second") if command == "compare" else ("out",)
    result = run(command, *images, *named)
    assert result.exit_code == 0, result.output
    assert "folder monet and folder more" in result.stdout
    if command == "score":
        report = json.loads(result.stdout)
        assert report["n_reference"] == 9
        assert report["fid"] == mifid.score("out", ["monet", "more"], extractor=colours).fid


def test_one_reference_given_twice_is_refused(score):
    result = score("out", "--ref", "monet", "--ref", "./monet")
    assert result.exit_code == 1
    assert "is given twice" in result.stderr


def test_limit_and_seed(score, run, folder):
    expected = [
        side[sampled(len(side), 3, 4)]
        for side in (drawn("photo", 6), drawn("painting", 5, seed=50))
    ]
    fid = mifid.score(*expected, extractor=colours, ci=0).fid
    options = ("--limit", "3", "--seed", "4")
    got = found(score("out", "--ref", "monet", *options, "--ci", "0", "--json"))
    assert got["fid"] == pytest.approx(fid)
    assert got["inputs"]["generated"]["available"] == 6
    named = ("--extractor", "toys:colours")
    assert run("reference", "build", "monet", "-o", "r", *options, *named).exit_code == 0
    assert np.load("r.npz")["n"] == 3
    got = found(score("out", "--ref", "r.npz", *options, "--ci", "0", "--json"))
    assert got["fid"] == pytest.approx(fid)
    diagnosed = found(run("diagnose", "out", "--ref", "monet", *options, *named, "--json"))
    assert diagnosed["variants"][0]["fid"] == pytest.approx(fid)


def test_the_page_repeats_it_with_the_same_options(score, floats, folder):
    score(
        "gen.npy", "--ref", "real.npy", "--ref", "monet", *BY_SIDE, "--limit", "5", "-o", "p.html"
    )
    page = (folder / "p.html").read_text(encoding="utf-8")
    assert "--ref real.npy --ref monet" in page
    assert "--value-range generated=-1,1 --value-range reference=0,1" in page
    assert "--limit 5" in page
