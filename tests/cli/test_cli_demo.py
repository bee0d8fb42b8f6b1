"""mifid demo, with few pictures and without a network."""

import shlex
from functools import partial

import pytest
from toys import colours

from mifid import demo, scoring
from mifid.extractors import weights


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two pictures a side, and colours for features; returns what score() was asked for."""
    asked = []
    real = scoring.score

    def score(images, reference, *, extractor, **settings):
        asked.append({"extractor": extractor, **settings})
        return real(images, reference, extractor=colours, **settings)

    monkeypatch.setattr(demo, "draw_demo", partial(demo.draw_demo, pictures=2))
    monkeypatch.setattr(scoring, "score", score)
    return asked


def test_the_demo_checks_and_scores_what_it_draws(run, folder, small):
    result = run("demo", "--out", "shown")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "Drew 2 'photos' and as many 'paintings' into shown/" in result.stdout
    assert "shown/images.zip would be accepted by 'mifid demo'." in result.stdout
    assert result.stdout.count("MiFID") >= 2
    assert len(small) == 2
    assert {p.name for p in (folder / "shown").iterdir()} == {
        "photo_jpg",
        "monet_jpg",
        "images.zip",
        "copies",
    }


def test_the_demo_says_what_to_type_next(run):
    out = run("demo").stdout
    for command in ("mifid check", "mifid score", "mifid reference build", "mifid weights show"):
        assert f"  {command} " in out or f"  {command}\n" in out
    assert "without any download" in out


def test_the_commands_that_the_demo_shows_are_commands(run):
    shown = [line[2:] for line in run("demo").stdout.splitlines() if line.startswith("$ ")]
    assert len(shown) == 3
    for line in shown:
        program, *arguments = shlex.split(line)
        assert program == "mifid"
        assert run(*arguments).exit_code in (0, 1)  # 2 would be a wrong command line


def test_without_weights_the_random_network_is_used_and_named(run, small):
    out = run("demo").stdout
    assert "The trained Inception weights are not here" in out
    assert "--extractor inception-random --epsilon 0.03" in out
    assert {(call["extractor"], call["epsilon"]) for call in small} == {("inception-random", 0.03)}


def test_with_weights_the_trained_network_is_used_and_named(run, small, folder, monkeypatch):
    (folder / "weights.pth").write_bytes(b"weights")
    monkeypatch.setattr(weights, "PUBLISHED", "")
    monkeypatch.setenv("MIFID_WEIGHTS", str(folder / "weights.pth"))
    out = run("demo").stdout
    assert f"Trained Inception weights: {folder / 'weights.pth'}" in out
    assert "--extractor" not in out
    assert {(call["extractor"], call["epsilon"]) for call in small} == {("inception", 0.1)}


def test_a_file_in_the_place_of_the_folder_is_a_wrong_command_line(run, folder):
    (folder / "taken").touch()
    result = run("demo", "--out", "taken")
    assert result.exit_code == 2
    assert "'taken' is a file" in result.stderr


def test_ctrl_c_leaves_no_half_written_zip(run, folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "brush_strokes", interrupt)
    result = run("demo", "--out", "shown")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert list((folder / "shown").rglob("*.zip")) == []
    assert list((folder / "shown").rglob(".*")) == []
