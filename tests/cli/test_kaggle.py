"""mifid kaggle: bundles are packed and shown, commands are printed, nothing is called unasked."""

import json

import pytest
from generators import saved

from mifid.kaggle import packing, submitting

pytestmark = pytest.mark.filterwarnings("ignore:the weights of Kaggle's Inception")


@pytest.fixture(autouse=True)
def prepared(folder, monkeypatch):
    """best.safetensors in the current folder, quick wheels, and no program kaggle."""
    wheel = "mifid-0.1.0-py3-none-any.whl"
    monkeypatch.setattr(packing, "pack_wheels", lambda to, _: (to / wheel).touch())
    monkeypatch.setattr(submitting.shutil, "which", lambda _: None)
    saved(folder / "best.safetensors")


def test_pack_then_submit(run):
    result = run("kaggle", "pack", "best.safetensors", "--user", "jane", "-o", "b c")
    assert result.exit_code == 0, result.output
    assert "jane/mifid-monet on NvidiaTeslaT4" in result.stdout
    assert "Next: mifid kaggle submit 'b c'" in result.stdout
    result = run("kaggle", "submit", "b c", "-m", "my model")
    assert result.exit_code == 0, result.output
    assert "kaggle kernels push -p 'b c/notebook'" in result.stdout
    assert "-k jane/mifid-monet -v N -f images.zip -m 'my model'" in result.stdout


def test_json_has_the_facts(run):
    text = run("kaggle", "pack", "best.safetensors", "--user", "jane", "--json").stdout
    found = json.loads(text)
    assert found["id"] == "jane/mifid-monet"
    assert found["wheels"] == ["mifid-0.1.0-py3-none-any.whl"]


def test_a_training_is_packed_without_a_generator(run, failure):
    result = run("kaggle", "pack", "--train", "--preset", "tiny", "--user", "jane")
    assert "NvidiaTeslaT4Highmem" in result.stdout
    assert "best.safetensors" in failure("kaggle", "pack", "best.safetensors", "--train", code=2)
    message = failure("kaggle", "pack", "--train", "--user", "jane", "--set", "loss.cycl=1")
    assert "loss.cycl" in message


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["pack", "--user", "jane"], 2, ["SOURCE", "--train"]),
        (["pack", "best.safetensors"], 1, ["--user NAME", "kaggle.com/NAME"]),
        (["pack", "best.safetensors", "--user", "Jane Doe"], 1, ["--user is 'Jane Doe'"]),
        (["pack", "best.safetensors", "--user", "j", "--name", "M"], 1, ["--name is 'M'"]),
        (["pack", "best.safetensors", "--user", "jane", "--preset", "tiny"], 2, ["--train"]),
        (["pack", "best.safetensors", "--user", "jane", "-o", "monet"], 1, ["--output"]),
        (["pack", "monet", "--user", "jane"], 1, ["monet", "best.safetensors"]),
        (["submit", "monet"], 1, ["monet is not a bundle", "mifid kaggle pack"]),
        (["submit", "nowhere"], 1, ["nowhere", "mifid kaggle pack"]),
    ],
)
def test_errors_say_how_to_go_on(arguments, code, facts, failure):
    message = " ".join(failure("kaggle", *arguments, code=code).split())
    for fact in facts:
        assert fact in message


def test_run_needs_kaggles_program(run, failure):
    run("kaggle", "pack", "best.safetensors", "--user", "jane")
    message = failure("kaggle", "submit", "bundle", "--run")
    assert "pip install kaggle" in message
    assert "--run" in message


def test_run_reports_and_ctrl_c_says_how_to_go_on(run, monkeypatch):
    run("kaggle", "pack", "best.safetensors", "--user", "jane")

    def submitted(bundle, *, say, **_):
        say("$ kaggle kernels push")
        return 4

    monkeypatch.setattr("mifid.kaggle.submit", submitted, raising=False)
    result = run("kaggle", "submit", "bundle", "--run")
    assert "$ kaggle kernels push" in result.stdout
    assert "Submitted version 4 of jane/mifid-monet" in result.stdout
    assert "$ kaggle" not in run("kaggle", "submit", "bundle", "--run", "--quiet").stdout

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mifid.kaggle.submit", interrupted, raising=False)
    result = run("kaggle", "submit", "bundle", "--run")
    assert result.exit_code == 130
    assert "mifid kaggle submit bundle --run --version N" in result.stderr
