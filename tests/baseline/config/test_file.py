"""config.toml: written, explained, read back."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifid.baseline.config.file import read_run_file, write_run_file
from mifid.baseline.config.schema import Config, Inputs
from mifid.baseline.config.settings import changed, describe, override
from mifid.errors import InputError, OutputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INPUTS = Inputs(photos="photo_jpg/", monets="../monet jpg", held_out="")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config.toml"


def test_what_is_written_is_read_back(file):
    config = override(override(Config(), "until=0.1,0.3333333333333333"), "training.budget=5h")
    config = override(config, "data.select_photos=a # \"quoted\" 'name'.txt")
    write_run_file(file, INPUTS, config, version="1.2.3")
    assert read_run_file(file) == (INPUTS, config)
    named = replace(INPUTS, preset="agarwal-static")
    write_run_file(file, named, config, version="1.2.3")
    assert read_run_file(file) == (named, config)


@given(text=st.text(st.characters(exclude_categories=["Cs"])), number=st.floats(0, 1e300))
def test_any_text_and_number_is_read_back(tmp_path_factory, text, number):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    values = {"data.select_photos": text, "loss.cycle": number, "schedule.factors": (number, 1)}
    config = changed(Config(), values, where="here")
    write_run_file(file, Inputs(photos=text), config, version="1")
    assert read_run_file(file) == (Inputs(photos=text), config)


def test_every_setting_stands_below_its_meaning(file):
    write_run_file(file, INPUTS, Config(), version="1.2.3")
    lines = file.read_text().splitlines()
    assert "mifid 1.2.3" in lines[0]
    assert "mifid train-baseline --config config.toml" in lines[1]
    assert all(len(line) <= 100 for line in lines)
    text = " ".join(line.removeprefix("#").strip() for line in lines)
    for setting in describe(Config()):
        assert f"{setting.meaning} ({setting.expected}) {setting.key} = " in text
    parsed = tomllib.loads(file.read_text())
    assert list(parsed) == ["inputs", *dict.fromkeys(s.section for s in describe(Config()))]
    assert parsed["inputs"] == {
        "photos": "photo_jpg/",
        "monets": "../monet jpg",
        "held_out": "",
        "extractor": "",
        "weights": "",
        "epsilon": -1.0,
        "init": "",
        "init_painter": "",
        "init_photographer": "",
        "preset": "",
    }


def test_a_file_by_hand_needs_only_what_differs(file):
    file.write_text("[loss]\ncycle = 5\n")
    assert read_run_file(file) == (Inputs(), override(Config(), "loss.cycle=5"))


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"[loss\n", "is not a TOML file: ", "cycle = 10.0 below [loss]"),
        (b"[loss]\ncycle = ten\n", "(at line 2, column 9)", "in quotes"),
        (b"\xff\xfe", "is not a TOML file: ", ""),
        (b"inputs = 5", "'inputs' must be a table, got 5", "[inputs]"),
        (b"[inputs]\nphoto = 'x'", "there is no setting 'inputs.photo'", "'photos'?"),
        (b"[inputs]\nphotos = 5", "inputs.photos must be text; got 5", "photos to learn from"),
        (
            b"[inputs]\nepsilon = 'x'",
            "inputs.epsilon must be a number, at least -1 and at most 1; got 'x'",
            "penalized",
        ),
        (b"[los]\n", "there is no section 'los'", "'loss'?"),
        (b"[loss]\ncycle = '5'", "loss.cycle must be a number", "default is 10"),
    ],
)
def test_a_file_that_cannot_be_is_told(file, content, message, hint):
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_run_file(file)
    assert str(file) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_missing_or_a_folder_is_told(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError, match=r"cannot read .*") as caught:
            read_run_file(path)
        assert str(path) in caught.value.message
        assert "config.toml" in caught.value.hint


def test_a_name_that_is_no_text_is_told(file):
    with pytest.raises(InputError, match=r"cannot write .*udcff.* in a file name") as caught:
        write_run_file(file, Inputs(photos="photo\udcff"), Config(), version="1")
    assert "UTF-8" in caught.value.hint
    assert not file.exists()


def test_a_folder_that_is_missing_is_told(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_run_file(tmp_path / "no" / "config.toml", INPUTS, Config(), version="1")


def test_a_file_without_end_is_not_read_to_its_end(tmp_path):
    """As --config /dev/zero would be."""
    path = tmp_path / "config.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: no disk space
    with pytest.raises(InputError, match=r"config\.toml is longer than 1,048,576 bytes"):
        read_run_file(path)
