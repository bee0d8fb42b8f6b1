"""The tournament of presets, at toy size: a step of the smallest preset, twice."""

import json
import shutil
from importlib import import_module

import pytest
from click import ClickException
from click.testing import CliRunner
from PIL import Image
from toys import drawn, write_pictures

from benchmarks import processes, tournament


def test_the_better_weights_count_and_the_best_preset_comes_first():
    def found(preset, raw, **others):
        scores = {"photos": 0.1, "raw": raw, **others}
        by_kind = {kind: {"fid": fid, "memorization_distance": 0.5} for kind, fid in scores.items()}
        return {"preset": preset, "seed": 0, "steps": 1_000, "batch": 4, "scores": by_kind}

    runs = [found("a", 30.0), found("b", 30.0, ema=10.0), found("a", 20.0)]
    first, second = tournament.rows(runs)
    assert first == ["`b`", "1", "1,000 x 4", "4,000", "10.0", "0.500"]
    assert second[:2] == ["`a`", "2"]
    assert second[4] == "25.0 (20.0 to 30.0)"


def test_runs_of_a_seed_on_different_photos_do_not_compare():
    def found(preset, fid, seed=0):
        return {"preset": preset, "seed": seed, "scores": {"photos": {"fid": fid}}}

    runs = [found("a", 30.0), found("a", 31.0, seed=1), found("b", 30.0)]
    assert tournament.unpainted_of(runs) == [30.0, 31.0]
    with pytest.raises(ClickException, match=r"30\.0 of a.*213\.6 of b"):
        tournament.unpainted_of([found("a", 30.0), found("b", 213.6)])


@pytest.fixture
def sides(tmp_path):
    kinds = {"photos": ("photo", 8), "monets": ("painting", 4), "held-out": ("painting", 6)}
    given = []
    for name, (kind, number) in kinds.items():
        folder = write_pictures(tmp_path / name, drawn(kind, number, size=64))
        given += [f"--{name}", str(folder)]
    return given


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")  # few pictures, no training
def test_a_tournament_trains_scores_and_goes_on(tmp_path, sides, monkeypatch):
    calls = []

    def call(function, *, env=None, **given):
        calls.append(function)
        module, _, name = function.partition(":")
        return getattr(import_module(f"benchmarks.{module}"), name)(**given), env

    monkeypatch.setattr(processes, "call", call)
    docs = tmp_path / "training.md"
    given = [*sides, "--presets", "tiny", "--seconds", "0.01", "--held-back", "4", "--width", "8"]
    given += ["--work", str(tmp_path / "work"), "--docs", str(docs)]
    done = CliRunner().invoke(tournament.main, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert calls == ["tournament:measure", "tournament:train", "tournament:floor"]
    result = json.loads((tmp_path / "work" / "tiny-0" / "result.json").read_text())
    assert (result["steps"], result["batch"]) == (1, 4)
    assert set(result["scores"]) == {"photos", "raw", "ema"}
    text = docs.read_text()
    assert "| `tiny` | 1 | 1 x 4 | 4 |" in text
    assert str(tmp_path) not in text
    with Image.open(tmp_path / "tournament.jpg") as sheet:
        assert sheet.height > 256  # photos and paintings

    again = CliRunner().invoke(tournament.main, given, catch_exceptions=False)
    assert again.exit_code == 0
    assert calls[3:] == ["tournament:floor"], "a run that has ended is not repeated"
    assert docs.read_text() == text

    path = tmp_path / "work" / "other-1" / "result.json"
    path.parent.mkdir()
    path.write_text(json.dumps(result | {"preset": "other", "seed": 1}))
    shutil.copy(tmp_path / "work" / "tiny-0" / "painted.png", path.parent)
    CliRunner().invoke(tournament.main, given, catch_exceptions=False)
    assert "| `other` | 1 | 1 x 4 | 4 |" in docs.read_text(), "an earlier run is in the table"

    wider = CliRunner().invoke(tournament.main, [*given, "--width", "16"])
    assert wider.exit_code == 1
    assert "tiny-0 is of a tournament with other settings" in wider.output
