"""mifid diagnose: the table, the plot, and each bad input in plain words."""

import json

import pytest
from PIL import Image
from toys import colours

from mifid.diagnosis.diagnosing import diagnose

PAIR = ("diagnose", "out", "--ref", "monet")
TOY = ("--extractor", "toys:colours")


def test_the_table_and_what_to_do(run, folder):
    result = run(*PAIR, *TOY)
    assert result.exit_code == 0
    assert result.stderr == ""
    expected = diagnose("out", "monet", extractor=colours)
    lines = result.stdout.splitlines()
    assert lines[0] == "generated: 6 from folder out (PNG)"
    assert lines[1] == "reference: 5 from folder monet (PNG)"
    assert result.stdout.count("omitted") == 2
    assert result.stdout.count("inception's") == 2  # alone can be resized otherwise
    for variant in expected.variants:
        if variant.fid is not None:
            assert f"{variant.fid:.4f}" in result.stdout
    assert expected.notes[0] in lines
    assert lines[-1] == expected.notes[-1]
    assert any(line.startswith("Not comparable with Kaggle: toys:colours") for line in lines)


def test_json_and_nothing_else(run, folder):
    result = run(*PAIR, *TOY, "--json", "--limit", "4")
    assert result.stderr == ""
    found = json.loads(result.stdout)
    expected = diagnose("out", "monet", extractor=colours, limit=4)
    assert found["fid"] == expected.fid
    assert found["generated"]["n"] == found["reference"]["n"] == 4
    assert [row["fid"] for row in found["variants"]] == [v.fid for v in expected.variants]


def test_the_plot_and_the_json_file(run, folder):
    result = run(*PAIR, *TOY, "-o", "diagnose.png")
    assert result.exit_code == 0
    with Image.open("diagnose.png") as image:
        assert image.format == "PNG"
    again = run(*PAIR, *TOY, "-o", "diagnose.json", "-q")
    assert again.stdout == result.stdout
    assert json.loads((folder / "diagnose.json").read_text())["fid"] > 0


@pytest.fixture
def no_work(own_extractor, folder):
    """An extractor that leaves a mark if it is ever run."""
    yield own_extractor("def f(batch): open('worked', 'w').close()")
    assert not (folder / "worked").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("diagnose.pdf", "cannot write diagnose.pdf: its ending is not one of .png, .json"),
        ("no/such/d.png", "cannot write no/such/d.png: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(output, said, failure, no_work):
    assert said in failure(*PAIR, "-o", output, "--extractor", no_work)


def test_features_hold_no_pictures_to_encode(failure, run, folder):
    run("reference", "build", "out", "-o", "out.npz", *TOY)
    message = failure("diagnose", "out.npz", "--ref", "monet", *TOY)
    assert "generated: features in out.npz has no pictures to resize or encode" in message
    assert "Give the pictures themselves." in message


def test_a_file_of_features_as_the_reference(run, folder):
    run("reference", "build", "monet", "-o", "monet.npz", "--extractor", "toys:colours")
    found = json.loads(run("diagnose", "out", "--ref", "monet.npz", *TOY, "--json").stdout)
    expected = diagnose("out", "monet", extractor=colours)
    assert found["fid"] == pytest.approx(expected.fid)
    assert found["reference"]["n"] == 5


def test_bad_pictures_are_named_or_left_out(failure, run, folder):
    (folder / "out" / "bad.png").write_bytes(b"text")
    assert "folder out: 'bad.png' is not a picture" in failure(*PAIR, *TOY)
    result = run(*PAIR, *TOY, "--skip-bad")
    assert result.stdout.startswith("generated: 6 of 7 from folder out (")


@pytest.mark.parametrize("limit", ["1", "0", "x"])
def test_a_limit_below_two_is_a_wrong_command_line(limit, run):
    assert run(*PAIR, *TOY, "--limit", limit).exit_code == 2
