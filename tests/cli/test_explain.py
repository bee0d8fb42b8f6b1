"""mifid explain: two files in, what differs and what follows from it on stdout."""

import json

import pytest

from mifid.inputs import Side
from mifid.report.report import Report

PROTOCOL = {
    "version": "0.1.0",
    "extractor": "inception",
    "weights_sha256": "6" * 64,
    "resize": "one",
    "decoder": "pillow 11",
    "ddof": 1,
    "dtype": "float32",
}


def written(path, fid, generated="a", **protocol):
    sides = {
        "generated": Side("zip images.zip", 7038, generated * 64),
        "reference": Side("folder monet", 300, "b" * 64),
    }
    Report(
        fid=fid,
        memorization_distance=0.2,
        memorization_distance_thresholded=1.0,
        epsilon=0.1,
        mifid=fid,
        mifid_reason=None,
        inputs=sides,
        protocol={**PROTOCOL, **protocol},
        not_comparable=None,
        seconds={"total": 1.0},
    ).save(path)
    return path


@pytest.fixture
def pair(folder):
    return written(folder / "a.json", 40.0), written(folder / "b.json", 44.0, resize="other")


def test_the_page(run, pair):
    result = run("explain", "a.json", "b.json")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[:2] == ["a: a.json", "b: b.json"]
    assert any(line.split() == ["FID", "40.000000", "44.000000", "+4", "+10.00"] for line in lines)
    assert "generated: the same (equal hashes of contents): zip images.zip" in lines
    assert "  resize: one -> other (`mifid diagnose` measures how far)" in lines
    assert lines[-2].startswith("MiFID and FID: different. Cause: resize.")


def test_json_and_nothing_else(run, pair):
    result = run("explain", "a.json", "b.json", "--json", "-q")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["numbers"]["fid"]["difference"] == 4.0
    assert [change["field"] for change in found["changes"]] == ["resize"]
    assert result.stderr == ""


def test_other_pictures(run, folder):
    written(folder / "a.json", 40.0)
    written(folder / "b.json", 44.0, generated="c")
    result = run("explain", "a.json", "b.json")
    assert "generated: different (other contents" in result.stdout
    assert "a real difference between the two sets" in result.stdout


def test_an_older_versions_json_is_no_crash(run, pair, folder):
    (folder / "old.json").write_text('{"fid": 41.5, "mifid": 41.5, "protocol": {}}')
    result = run("explain", "old.json", "a.json")
    assert result.exit_code == 0
    assert "a does not record epsilon, inputs, n_generated, n_reference" in result.stdout
    assert "Written by different versions of mifid: a by unknown, b by 0.1.0." in result.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read x.json: No such file or directory"),
        ("text", "x.json is no JSON"),
        ('{"accepted": true}', "x.json holds no score: expected an object with 'fid'"),
    ],
)
def test_what_is_no_score(content, said, failure, pair, folder):
    if content is not None:
        (folder / "x.json").write_text(content)
    message = failure("explain", "a.json", "x.json")
    assert said in message
    assert "mifid score IMAGES --ref REF --json -o score.json" in message


def test_two_files_are_needed(run, pair):
    assert run("explain", "a.json").exit_code == 2
