"""mifid demo, with few pictures and without a network."""

import shlex
import signal
import sys
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from mifid_cli.main import cli
from toys import colours

import mifid.baseline.scorer  # noqa: F401 - binds the real score() before a test replaces it
from mifid import baseline, demo, scoring
from mifid.baseline import training
from mifid.errors import MifidWarning
from mifid.progress import Lines

BRIEFLY = [
    "training.steps=1",
    "data.size=256",
    "data.held_back=0",
    "generator.width=4",
    "generator.blocks=1",
    "discriminator.width=4",
]

# Two pictures a side, or copies, are warned of; what is said of them is tested elsewhere.
pytestmark = [
    pytest.mark.filterwarnings("ignore::mifid.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(autouse=True, scope="module")
def small():
    """Two pictures a side, a step of training, colours for features; gives what was asked for."""
    asked = []
    real = scoring.score

    def score(images, reference, *, extractor, **settings):
        asked.append({"extractor": extractor, **settings})
        return real(images, reference, extractor=colours, **settings)

    train = baseline.train_baseline

    def train_briefly(*args, extractor, **given):
        asked.append({"extractor": extractor, **given})
        return train(*args, settings=BRIEFLY, extractor=colours, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "draw_demo", partial(demo.draw_demo, pictures=2))
        patch.setattr(scoring, "score", score)
        patch.setattr(baseline, "train_baseline", train_briefly)
        yield asked


@pytest.fixture(scope="module")
def shown(small, undrawn, tmp_path_factory):
    """A demo without weights in shown/, below a folder of its own: most tests look at it."""
    folder = tmp_path_factory.mktemp("demo")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", MifidWarning)
        patch.chdir(folder)
        patch.setitem(Lines.__init__.__kwdefaults__, "first", 3600.0)  # however slow the machine
        patch.setattr(sys, "path", sys.path.copy())  # commands add the current folder
        result = CliRunner().invoke(cli, ["demo", "--out", "shown"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    # Of the training the arithmetic is noted, which is another on another device.
    assert [line for line in result.stderr.splitlines() if "Arithmetic: " not in line] == []
    return SimpleNamespace(folder=folder, asked=[*small], out=result.stdout)


def test_the_demo_checks_and_scores_what_it_draws(shown):
    assert "Drew 2 'photos' and as many 'paintings' into shown/" in shown.out
    assert "shown/images.zip would be accepted by 'mifid demo'." in shown.out
    rules = shown.out.partition("$ mifid check shown/images.zip\n")[2].splitlines()[0]
    assert "2 pictures" in rules
    assert "7,000 to 10,000" in rules
    assert shown.out.count("MiFID") >= 2
    assert len(shown.asked) == 3
    assert {p.name for p in (shown.folder / "shown").iterdir()} >= {
        "photo_jpg",
        "monet_jpg",
        "monet_held_out",
        "images.zip",
        "copies",
        "painting.jpg",
        "report.html",
        "run-1",
    }
    assert shown.out.count("would be accepted by 'mifid demo'.") == 2
    assert "The submission: shown/run-1/images.zip" in shown.out


def test_the_demo_says_what_to_type_next(shown):
    for command in (
        "mifid paint",
        "mifid check",
        "mifid score",
        "mifid compare",
        "mifid reference build",
        "mifid weights show",
    ):
        assert f"  {command} " in shown.out or f"  {command}\n" in shown.out
    assert "without a download" in shown.out


def test_the_commands_that_the_demo_shows_are_commands(shown, run, monkeypatch):
    monkeypatch.chdir(shown.folder)
    lines = [line[2:] for line in shown.out.splitlines() if line.startswith("$ ")]
    assert len(lines) == 5
    for line in lines:
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


def test_the_trained_network_that_needs_no_download_is_used_and_named(shown):
    assert "not comparable with Kaggle" in " ".join(shown.out.split())
    assert shown.out.count("--extractor lite0") == 3
    assert [(call["extractor"], call.get("epsilon")) for call in shown.asked] == [
        ("lite0", None)
    ] * 3


def test_a_second_demo_with_weights_in_a_folder_with_a_blank(
    shown, run, small, folder, monkeypatch
):
    """It keeps the first one's run, shows the same network, and quotes the folder."""
    (folder / "weights.pth").write_bytes(b"weights")
    monkeypatch.setenv("MIFID_WEIGHTS", str(folder / "weights.pth"))
    (shown.folder / "a b").symlink_to("shown")
    monkeypatch.chdir(shown.folder)
    first = Path("shown/run-1/images.zip").read_bytes()
    small.clear()
    result = run("demo", "--out", "a b")
    assert result.exit_code == 0, result.output
    assert Path("shown/run-1/images.zip").read_bytes() == first
    assert Path("shown/run-2/images.zip").is_file()
    lines = [line[2:] for line in result.stdout.splitlines() if line.startswith("$ ")]
    assert shlex.split(lines[2])[2:5] == ["a b/images.zip", "--ref", "a b/monet_jpg"]
    assert [(call["extractor"], call.get("epsilon")) for call in small] == [("lite0", None)] * 3


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
