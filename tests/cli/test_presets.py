"""mifid presets, and the page made of the same tables."""

import json
from pathlib import Path

import pytest
from mifid_cli.document import presets_text
from mifid_cli.presets import best_first

from mifid.baseline.config.settings import describe, from_dict
from mifid.baseline.presets import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "presets.md"


@pytest.fixture
def run(run):
    return lambda *arguments: run("presets", *arguments)


def test_every_preset_is_listed_with_its_score_and_source(run):
    result = run()
    assert result.exit_code == 0
    for name, preset in PRESETS.items():
        line = next(line for line in result.stdout.splitlines() if line.split()[:1] == [name])
        assert preset.title.split()[0] in line
        assert preset.source.split()[0] in line
        assert preset.reported is None or f"{preset.reported:g}" in line
    assert "mifid presets NAME" in result.stdout


def test_the_best_of_a_report_stands_first():
    names = [p.name for p in best_first(PRESETS.values())]
    assert names[0] == "kaggle-5h"
    assert names.index("agarwal-stepped") < names.index("agarwal-static")
    assert names.index("derunets-dcgan") < names.index("derunets-instance")  # without a score
    assert names.index("derunets-dcgan") < names.index("agarwal-stepped")  # of another report
    assert sorted(names) == sorted(PRESETS)


def test_settings_are_shown_with_our_choices_marked(run):
    result = run("agarwal-static")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    marked = {words[1]: words[2] for words in lines if words[:1] == ["*"] and "." in words[1]}
    plain = {words[0]: words[1] for words in lines if len(words) > 1 and "." in words[0]}
    assert set(marked) == PRESETS["agarwal-static"].ours
    assert marked["loss.generator_label"] == "0.9"
    assert plain["loss.identity"] == "10"
    assert plain["training.batch"] == "4"
    assert "optimiser.momentum" not in result.stdout  # of no use to Adam
    assert "39.73; repeated: 42.2" in result.stdout
    assert "our choice" in result.stdout
    assert PRESETS["agarwal-static"].note in result.stdout


def test_our_own_has_no_marks(run):
    result = run("kaggle-5h")
    assert "*" not in result.stdout
    assert "All are our choice." in result.stdout


def test_json_holds_everything(run):
    listed = json.loads(run("--json").stdout)
    assert {entry["name"]: entry["reported"] for entry in listed} == {
        name: preset.reported for name, preset in PRESETS.items()
    }
    one = json.loads(run("raviv-final", "--json").stdout)
    preset = PRESETS["raviv-final"]
    assert from_dict(one["settings"], where="here") == preset.config
    assert set(one["ours"]) == preset.ours
    assert set(one["stated"]) == preset.stated
    assert one["result"] == "not given"


def test_an_unknown_name_is_told(run):
    result = run("agarwal")
    assert result.exit_code == 1
    assert "there is no preset 'agarwal'" in result.stderr
    assert "Did you mean 'agarwal-" in result.stderr


# The page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == presets_text(), "run: make docs"


def test_the_page_tells_every_preset_and_setting():
    text = presets_text()
    for preset in PRESETS.values():
        assert f"### {preset.name}\n" in text
        assert preset.note in text
        section = text.partition(f"### {preset.name}\n")[2].partition("\n#")[0]
        for setting in describe(preset.config):
            if setting.name in preset.stated:
                assert f"`{setting.name}=" in section.partition("Ours: ")[0]
    for setting in describe(PRESETS["tiny"].config):
        assert f"| `{setting.key}` | `" in text
        assert setting.meaning in text


def test_no_cell_breaks_the_page():
    blocks = [block.splitlines() for block in presets_text().split("\n\n")]
    tables = [lines for lines in blocks if lines[0].startswith("|")]
    assert len(tables) > 5
    for lines in tables:
        assert len({line.count(" | ") for line in lines}) == 1
