"""mifid paint and mifid painters: what they print, and their exit codes."""

import json

import pytest
from generators import saved
from PIL import Image
from small_painters import photo, picture


@pytest.fixture(autouse=True)
def prepared(folder):
    """a.png, b.png and run/best.safetensors in the current folder."""
    for number, name in enumerate(["a.png", "b.png"]):
        Image.fromarray(photo(20, 30, number)).save(folder / name)
    (folder / "run").mkdir()
    facts = {"step": 700, "scores": {"mifid": 91.5}}
    saved(folder / "run" / "best.safetensors", facts=facts)


PAINT = ["paint", "a.png", "--painter", "run", "--device", "cpu"]


def test_it_paints_and_says_what(run, folder):
    result = run(*PAINT, "-o", "p.jpg")
    assert result.exit_code == 0, result.output
    assert picture(folder / "p.jpg")[1] == (30, 20)
    assert "p.jpg: 30 x 20" in result.stdout
    assert "1 photo in " in result.stdout
    assert "by run/best.safetensors, trained by mifid (averaged (EMA), step 700)" in result.stdout
    assert result.stderr == ""


def test_variants_are_named(run):
    result = run(*PAINT, "b.png", "-o", "out/", "--variants", "2", "--size", "10")
    assert "out/a-2.png: 15 x 10, mirrored, strength 1" in result.stdout
    assert "out/b-1.png: 15 x 10, strength 1" in result.stdout
    assert "2 photos in " in result.stdout


def test_a_failure_is_reported_at_the_end(run, folder):
    (folder / "c.png").write_bytes(b"text")
    result = run(*PAINT, "c.png", "b.png", "-o", "out")
    assert result.exit_code == 1
    assert (folder / "out" / "b.png").is_file()
    assert "Error: 'c.png' is not a picture" in result.stderr
    assert run(*PAINT, "-o", "out").exit_code == 1
    assert "--force" in run(*PAINT, "-o", "out").stderr
    assert run(*PAINT, "-o", "out", "--force").exit_code == 0


def test_json_says_the_same(run):
    result = run(*PAINT, "none.png", "-o", "out", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    (painted,) = found["painted"]
    assert painted["outputs"] == ["out/a.png"]
    assert painted["size"] == [30, 20]
    assert found["failed"][0]["photo"] == "none.png"
    assert found["weights"] == "ema"


def test_notes_are_on_stderr(run, folder):
    Image.new("RGBA", (30, 20), (1, 2, 3, 99)).save(folder / "a.png")
    result = run(*PAINT, "-o", "p.png")
    assert "Note: a.png: its transparency is dropped" in result.stderr


def test_errors_name_options(run, failure):
    assert "--strength is 2" in failure(*PAINT, "-o", "p.jpg", "--strength", "2")
    assert "--painter: there is no painter 'renoir'" in failure(
        "paint", "a.png", "-o", "p.jpg", "--painter", "renoir"
    )


def test_painters_are_added_listed_and_removed(run, failure):
    assert "monet" in run("painters").stdout
    added = run("painters", "add", "run", "--name", "van-gogh")
    assert added.exit_code == 0, added.output
    assert "--painter van-gogh" in added.stdout
    shown = run("painters", "--runs", "run").stdout
    for text in ("van-gogh", "added", "700", "MiFID 91.5", "resnet of", "run"):
        assert text in shown
    listed = json.loads(run("painters", "--json").stdout)
    assert all(
        ("scores_note" in each) and bool(each["scores_note"]) == bool(each["scores"])
        for each in listed
    )
    assert [each["name"] for each in listed] == ["monet", "van-gogh"]
    assert run("paint", "a.png", "-o", "p.png", "--painter", "van-gogh").exit_code == 0
    assert "--name" in failure("painters", "add", "run", "--name", "Van Gogh")
    assert "--force" in failure("painters", "add", "run", "--name", "van-gogh")
    assert run("painters", "remove", "van-gogh").exit_code == 0
    assert "no painter 'van-gogh'" in failure("painters", "remove", "van-gogh")
