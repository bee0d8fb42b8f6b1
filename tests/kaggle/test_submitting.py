"""Submission through a program ``kaggle`` that records its calls and answers as Kaggle's does."""

import json
import os
import shlex
import sys

import pytest
from generators import config, saved

from mifid.errors import InputError, MifidError
from mifid.kaggle import commands, open_bundle, pack, packing, submit, submitting

pytestmark = pytest.mark.filterwarnings("ignore:the weights of Kaggle's Inception")

FAKE = """#!{python} -IS
import json, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
answers = json.loads((folder / "answers").read_text())
key = " ".join(words[:2])
told = answers.get(key, [])
code, text = told.pop(0) if len(told) > 1 else told[0] if told else (0, "")
(folder / "answers").write_text(json.dumps(answers))
print(text)
sys.exit(code)
"""
READY, RUNNING = [0, "ready"], [0, 'jane/mifid-monet has status "KernelWorkerStatus.RUNNING"']
COMPLETE = [0, 'jane/mifid-monet has status "KernelWorkerStatus.COMPLETE"']
PUSHED = [0, "Kernel version 3 successfully pushed.  Please check progress at https://x"]
GOOD = {
    "datasets status": [[1, "404 Client Error: Not Found"], [0, "blobs_received"], READY],
    "kernels push": [PUSHED],
    "kernels status": [[0, 'j has status "queued"'], RUNNING, COMPLETE],
}


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    wheel = "mifid-0.1.0-py3-none-any.whl"
    monkeypatch.setattr(packing, "pack_wheels", lambda folder, _: (folder / wheel).touch())
    monkeypatch.setattr(submitting, "_POLL", 0)
    monkeypatch.setattr(submitting, "_FAILURES_IN_A_ROW", 5)
    return pack(saved(tmp_path / "g.safetensors", config()), tmp_path / "a b", user="jane")


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """Put a program on the path that answers as told; return its calls."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "kaggle"
    program.write_text(FAKE.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def answer(**changes):
        told = GOOD | {key.replace("_", " "): value for key, value in changes.items()}
        (tmp_path / "answers").write_text(json.dumps(told))

    def calls():
        return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]

    answer()
    calls.answer = answer
    return calls


def names(calls):
    return [" ".join(words[:2]) for words in calls]


def test_the_commands_are_printed_for_a_shell(bundle):
    text = commands(bundle, message='say "$HOME"').text()
    lines = [shlex.split(line) for line in text.splitlines() if not line.startswith("#")]
    assert lines == [
        ["kaggle", "datasets", "create", "-p", str(bundle.dataset)],
        ["kaggle", "datasets", "version", "-p", str(bundle.dataset), "-m", 'say "$HOME"'],
        ["kaggle", "datasets", "status", "jane/mifid-monet"],
        [
            *("kaggle", "kernels", "push", "-p", str(bundle.notebook)),
            *("--accelerator", "NvidiaTeslaT4", "--timeout", "18000"),
        ],
        ["kaggle", "kernels", "status", "jane/mifid-monet"],
        [
            *("kaggle", "competitions", "submit", "gan-getting-started", "-k", "jane/mifid-monet"),
            *("-v", "N", "-f", "images.zip", "-m", 'say "$HOME"'),
        ],
        ["kaggle", "competitions", "submissions", "gan-getting-started"],
    ]
    assert "-v 7 " in commands(bundle, version=7).text()


def test_without_an_accelerator_none_is_asked_for(bundle):
    path = bundle.notebook / "kernel-metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine_shape": ""}))
    assert "--accelerator" not in commands(open_bundle(bundle.folder)).text()


def test_everything_is_called_in_order_and_the_version_is_submitted(bundle, kaggle):
    said = []
    assert submit(bundle, message="first", say=said.append) == 3
    assert names(kaggle()) == [
        "competitions submissions",
        "datasets status",
        "datasets create",
        *["datasets status"] * 2,
        "kernels push",
        *["kernels status"] * 3,
        "competitions submit",
    ]
    assert kaggle()[-1] == [
        *("competitions", "submit", "gan-getting-started", "-k", "jane/mifid-monet"),
        *("-v", "3", "-f", "images.zip", "-m", "first"),
    ]
    assert kaggle()[2][-1] == str(bundle.dataset)
    shown = "\n".join(said)
    for words in ("$ kaggle datasets create", "blobs_received", "ready", "version 3", "complete"):
        assert words in shown


def test_a_data_set_that_is_there_gets_a_new_version(bundle, kaggle):
    kaggle.answer(datasets_status=[READY])
    submit(bundle, say=lambda _: None)
    assert "datasets version" in names(kaggle())
    assert "datasets create" not in names(kaggle())


def test_a_notebook_that_was_pushed_is_waited_for_and_submitted(bundle, kaggle):
    assert submit(bundle, version=2, say=lambda _: None) == 2
    assert set(names(kaggle())) == {
        *("competitions submissions", "kernels status", "competitions submit")
    }
    assert kaggle()[-1][5:7] == ["-v", "2"]
    with pytest.raises(InputError, match="version is 0"):
        submit(bundle, version=0, say=lambda _: None)


@pytest.mark.parametrize(
    ("answers", "facts", "last"),
    [
        (
            {"competitions_submissions": [[1, "Authentication required\nto call"]]},
            ["to call", "kaggle auth login", "accept the rules"],
            "competitions submissions",
        ),
        (
            {"datasets_create": [[0, "Dataset creation error: the title is in use"]]},
            ["the title is in use"],
            "datasets create",
        ),
        (
            {"datasets_status": [[1, ""], [0, "failed"]]},
            ["datasets status jane/mifid-monet", "'failed'"],
            "datasets status",
        ),
        (
            {"kernels_push": [[0, "Kernel push error: Maximum weekly GPU quota"]]},
            ["weekly GPU quota"],
            "kernels push",
        ),
        (
            {"kernels_push": [[0, f"The following are not valid dataset sources x\n{PUSHED[1]}"]]},
            ["not valid dataset sources"],
            "kernels push",
        ),
        (
            {"kernels_push": [[0, "Kernel version successfully pushed."]]},
            ["no version", "version='N'"],
            "kernels push",
        ),
        (
            {"kernels_status": [RUNNING, [0, 'j has status "KernelWorkerStatus.ERROR"']]},
            ["'error'", "kaggle kernels logs jane/mifid-monet"],
            "kernels status",
        ),
        (
            {"kernels_status": [[1, "Connection refused"]]},
            ["failed 5 times", "Connection refused"],
            "kernels status",
        ),
        (
            {"competitions_submit": [[1, "400: Submission not allowed"]]},
            ["400: Submission not allowed"],
            "competitions submit",
        ),
    ],
)
def test_a_failure_ends_it_with_kaggles_words(answers, facts, last, bundle, kaggle):
    kaggle.answer(**answers)
    with pytest.raises(MifidError) as failed:
        submit(bundle, say=lambda _: None)
    for fact in facts:
        assert fact in str(failed.value)
    assert names(kaggle())[-1] == last


def test_a_short_loss_of_the_network_does_not_end_it(bundle, kaggle):
    kaggle.answer(kernels_status=[[1, "Connection refused"]] * 3 + [COMPLETE])
    assert submit(bundle, say=lambda _: None) == 3


def test_without_the_program_it_is_named(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="not installed") as refused:
        submit(bundle, say=lambda _: None)
    assert "pip install kaggle" in refused.value.hint


def test_waiting_ends(bundle, kaggle, monkeypatch):
    monkeypatch.setattr(submitting, "_PATIENCE", -1)
    with pytest.raises(MifidError, match="datasets status"):
        submit(bundle, say=lambda _: None)
