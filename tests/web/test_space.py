"""The folder of a Space: complete, configured as Hugging Face reads it, and written whole."""

import configparser
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from generators import saved
from mifid_cli.main import cli
from original_networks import ResNet
from packaging.requirements import Requirement
from toys import drawn

import mifid
from mifid.errors import InputError, MifidError, OutputError, WeightsError
from mifid.painting import open_painter
from mifid.web import write_space

ROOT = Path(mifid.__file__).parents[1]


def run(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)])


@pytest.fixture
def painter(tmp_path):
    (tmp_path / "run").mkdir()
    return saved(tmp_path / "run" / "best.safetensors", best="raw")


def test_a_folder_to_upload(painter, tmp_path, gradio):
    done = run("space", painter.parent, "-o", tmp_path / "a" / "space")
    folder = tmp_path / "a" / "space"
    assert done.exit_code == 0, done.stderr
    assert f"hf upload USER/NAME {folder} --repo-type space" in done.stdout
    assert [path.name for path in folder.parent.iterdir()] == ["space"]
    _, settings, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert dict(line.split(": ") for line in settings.splitlines()) == {
        **{"title": "mifid", "emoji": "🎨", "colorFrom": "blue", "colorTo": "green"},
        **{"sdk": "gradio", "sdk_version": gradio, "app_file": "app.py"},
        "python_version": f'"{sys.version_info.major}.{sys.version_info.minor}"',
        "license": "apache-2.0",
        "short_description": "Paint photos, check submissions",
    }
    assert "paints photos with run and monet," in text
    compile((folder / "app.py").read_text(), "app.py", "exec")
    for name in ("__init__.py", "web/page.css", "web/judgement.html", "painting/tiles.py"):
        assert (folder / "mifid" / name).read_bytes() == (ROOT / "mifid" / name).read_bytes()
    (weights,) = (folder / "painters").iterdir()
    assert weights.name == "run.safetensors"
    photo = drawn("photo", 1)[0]
    ours, theirs = (mifid.paint(photo, painter=given) for given in (weights, painter))
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    loaded = open_painter(weights)
    assert (loaded.which, loaded.facts["step"]) == ("raw", 7)


def test_requirements_are_those_of_mifid_and_its_page(painter, tmp_path, gradio):
    folder = write_space([painter], tmp_path / "space").folder
    lines = (folder / "requirements.txt").read_text().splitlines()
    found = {Requirement(line).name for line in lines if not line.startswith("#")}
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    wanted = map(Requirement, filter(None, parser["options"]["install_requires"].split("\n")))
    fitting = {each.name for each in wanted if each.marker is None or each.marker.evaluate()}
    assert found == fitting | {"gradio"}
    assert f"gradio=={gradio}" in lines


def test_weights_of_another_program_are_ours_in_a_space(tmp_path, gradio):
    torch.save(ResNet().state_dict(), tmp_path / "latest_net_G_B.pth")
    folder = write_space([tmp_path / "latest_net_G_B.pth"], tmp_path / "space").folder
    (weights,) = (folder / "painters").iterdir()
    loaded = open_painter(weights)
    assert not loaded.foreign
    assert loaded.facts["origin"].startswith("latest_net_G_B.pth, the ResNet generator")
    assert str(tmp_path) not in weights.read_bytes().decode("latin-1")


def test_a_folder_that_holds_something_is_left(painter, tmp_path, gradio):
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.txt").write_text("mine")
    done = run("space", painter, "-o", tmp_path / "space")
    assert done.exit_code == 1
    assert "is not empty: it holds mine.txt" in done.stderr
    assert "--output" in done.stderr
    assert [path.name for path in (tmp_path / "space").iterdir()] == ["mine.txt"]
    with pytest.raises(OutputError, match="is not a folder"):
        write_space([painter], tmp_path / "space" / "mine.txt")


def test_an_empty_folder_is_filled(painter, tmp_path, gradio):
    (tmp_path / "space").mkdir()
    made = write_space([painter], tmp_path / "space")
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert (made.files, made.size) == (len(files), sum(path.stat().st_size for path in files))
    assert made.painters == ("run", "monet")


def test_the_painter_that_comes_with_mifid_is_there_in_any_case(tmp_path, gradio):
    made = write_space([], tmp_path / "space")
    assert made.painters == ("monet",)
    monet = "mifid/painting/shipped/monet.safetensors"
    assert (made.folder / monet).read_bytes() == (ROOT / monet).read_bytes()


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (["run/best.safetensors", "run"], InputError, "two painters are called 'run'"),
        (["no-such"], InputError, "there is no painter 'no-such'"),
        (["text.safetensors"], WeightsError, "text.safetensors"),
    ],
)
def test_painters_that_are_none(painter, tmp_path, gradio, monkeypatch, given, error, said):
    monkeypatch.chdir(tmp_path)
    Path("text.safetensors").write_text("no weights")
    with pytest.raises(error, match=said):
        write_space(given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "text.safetensors"]


def test_what_fails_leaves_nothing(painter, tmp_path, gradio, monkeypatch):
    def fail(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mifid.web.space.write_own_wheel", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_space([painter], tmp_path / "space")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.skipif(find_spec("gradio") is not None, reason="gradio is installed")
def test_without_gradio(painter, tmp_path):
    with pytest.raises(MifidError, match="gradio, whose version a Space must name") as caught:
        write_space([painter], tmp_path / "space")
    assert "mifid[web]" in caught.value.hint
