"""mifid demo, with few pictures and without a network."""

import hashlib
import shlex
import signal
from functools import partial

import pytest
from toys import colours

import mifid.baseline.scorer  # noqa: F401 - binds the real score() before a test replaces it
from mifid import baseline, demo, scoring
from mifid.baseline import training
from mifid.extractors import weights

# Two pictures, and a cheat that copies paintings: scores warn of them, in their text too.
pytestmark = pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")

BRIEFLY = [
    "training.steps=1",
    "data.size=256",
    "data.held_back=0",
    "generator.width=4",
    "generator.blocks=1",
    "discriminator.width=4",
]

# Two pictures a side, or copies, are warned of; what is said of them is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::mifid.MifidWarning")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two pictures a side, a step of training, colours for features; returns what was asked for."""
    asked = []
    real = scoring.score

    def score(images, reference, *, extractor, **settings):
        asked.append({"extractor": extractor, **settings})
        return real(images, reference, extractor=colours, **settings)

    monkeypatch.setattr(demo, "draw_demo", partial(demo.draw_demo, pictures=2))
    monkeypatch.setattr(scoring, "score", score)
    train = baseline.train_baseline

    def train_briefly(*args, extractor, **given):
        asked.append({"extractor": extractor, "epsilon": given["epsilon"]})
        return train(*args, settings=BRIEFLY, extractor=colours, **given)

    monkeypatch.setattr(baseline, "train_baseline", train_briefly)
    return asked


def test_the_demo_checks_and_scores_what_it_draws(run, folder, small):
    result = run("demo", "--out", "shown")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "Drew 2 'photos' and as many 'paintings' into shown/" in result.stdout
    assert "shown/images.zip would be accepted by 'mifid demo'." in result.stdout
    rules = result.stdout.partition("$ mifid check shown/images.zip\n")[2].splitlines()[0]
    assert "2 pictures" in rules
    assert "7,000 to 10,000" in rules
    assert result.stdout.count("MiFID") >= 2
    assert len(small) == 3
    assert {p.name for p in (folder / "shown").iterdir()} == {
        "photo_jpg",
        "monet_jpg",
        "monet_held_out",
        "images.zip",
        "copies",
        "report.html",
        "run-1",
    }
    assert result.stdout.count("would be accepted by 'mifid demo'.") == 2
    assert "The submission: shown/run-1/images.zip" in result.stdout


def test_a_second_demo_keeps_the_first_ones_run(run, folder):
    for _ in range(2):
        result = run("demo", "--out", "shown")
        assert result.exit_code == 0, result.output
    assert (folder / "shown" / "run-1" / "images.zip").is_file()
    assert (folder / "shown" / "run-2" / "images.zip").is_file()


def test_the_demo_says_what_to_type_next(run):
    out = run("demo").stdout
    for command in (
        "mifid check",
        "mifid score",
        "mifid compare",
        "mifid reference build",
        "mifid weights show",
    ):
        assert f"  {command} " in out or f"  {command}\n" in out
    assert "without a download" in out


def test_the_commands_that_the_demo_shows_are_commands(run):
    shown = [line[2:] for line in run("demo").stdout.splitlines() if line.startswith("$ ")]
    assert len(shown) == 4
    for line in shown:
        program, *arguments = shlex.split(line)
        assert program == "mifid"
        if arguments[0] == "train-baseline":  # the demo has used its folder
            arguments[arguments.index("--out") + 1] = "elsewhere"
            arguments += ["--steps", "1", "--no-score"]
        assert run(*arguments).exit_code in (0, 1)  # 2 would be a wrong command line


def test_an_interrupted_demo_says_how_to_go_on(run, folder, monkeypatch):
    def interrupted(*args, **given):
        return training.Trained(args[2], step=3, interrupted=signal.SIGTERM)

    monkeypatch.setattr(baseline, "train_baseline", interrupted)
    result = run("demo", "--out", "shown it's")
    assert result.exit_code == 143
    command = result.stderr.partition("Continue with: ")[2]
    assert shlex.split(command)[1:] == ["train-baseline", "--out", "shown it's/run-1", "--resume"]


def test_a_folder_with_a_blank_is_quoted(run):
    shown = [
        line[2:] for line in run("demo", "--out", "a b").stdout.splitlines() if line[:1] == "$"
    ]
    assert shlex.split(shown[1])[2:5] == ["a b/images.zip", "--ref", "a b/monet_jpg"]


def test_without_weights_the_random_network_is_used_and_named(run, small):
    out = run("demo").stdout
    assert "random weights" in out
    assert "--extractor inception-random --epsilon 0.03" in out
    assert {(call["extractor"], call["epsilon"]) for call in small} == {("inception-random", 0.03)}


def test_with_weights_the_trained_network_is_used_and_named(run, small, folder, monkeypatch):
    (folder / "weights.pth").write_bytes(b"weights")
    monkeypatch.setattr(weights, "PUBLISHED", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setenv("MIFID_WEIGHTS", str(folder / "weights.pth"))
    out = run("demo").stdout
    assert f"Trained Inception weights: {folder / 'weights.pth'}" in out
    assert "mifid score" in out
    assert "--extractor inception-random" not in out
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
