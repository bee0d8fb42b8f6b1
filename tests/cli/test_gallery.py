"""mifid gallery: what was shown, as text and as JSON, and how bad input is answered."""

import json

import pytest
from generators import config, saved
from pictures import encode, noise, write_folder


@pytest.fixture(autouse=True)
def prepared(folder):
    """photos/ and a.safetensors in the current folder."""
    entries = [(f"{i}.png", encode(noise(i, 16, 16))) for i in range(4)]
    write_folder(folder / "photos", entries)
    facts = {"step": 1200, "scores": {"mifid": 51.5, "fid": 40.25}}
    saved(folder / "a.safetensors", config(size=16), facts=facts)


def test_it_says_what_it_shows(run, folder):
    result = run("gallery", "ours=a.safetensors", "--photos", "photos", "-o", "sheet.html")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == "sheet.html: 4 photos"
    assert second.startswith("ours: a.safetensors, trained by mifid")
    assert second.endswith("step 1,200), at 16 x 16; MiFID 51.50, FID 40.25")
    assert (folder / "sheet.html").is_file()


def test_json_says_the_same(run):
    asked = ("--photos", "photos/0.png", "--photos", "photos/2.png", "--json", "-q")
    found = json.loads(run("gallery", "a.safetensors", *asked, "-o", "s.png").stdout)
    (model,) = found.pop("models")
    assert found == {"path": "s.png", "photos": ["0.png", "2.png"], "of": 2, "seed": 2020}
    assert model["label"] == "a"
    assert model["scores"] == {"mifid": 51.5, "fid": 40.25}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("a.safetensors", "-o", "s.gif"), 1, "cannot write s.gif"),
        (("a.safetensors", "a.safetensors", "-o", "s.png"), 1, "two models have the label 'a'"),
        (("a.safetensors", "-o", "s.png", "--size", "64"), 1, "--size is 64"),
        (("a.safetensors", "-o", "s.png", "--limit", "0"), 2, "0 is not in the range 1<=x<=100"),
        (("-o", "s.png"), 2, "Missing argument"),
        (("a.safetensors",), 2, "Missing option"),
    ],
)
def test_bad_input_is_answered_in_the_commands_words(arguments, code, said, run, folder):
    result = run("gallery", "--photos", "photos", *arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert not list(folder.glob("s.*"))
