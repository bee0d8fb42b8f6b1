"""Where output goes: closed streams, full disks, narrow encodings, terminals, lost folders."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from mifid_cli import failures, tables

pytestmark = pytest.mark.usefixtures("few_resamples")

NEEDS_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")

ROW = {"fid": 1.0, "protocol": {}, "inputs": {}}


def shell(line, folder, **environment):
    """Run a line of sh with $MIFID; explaining two scores takes no network and no torch."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**os.environ, "MIFID": f"{sys.executable} -m mifid_cli", **environment},
        capture_output=True,
        check=False,
    )


@pytest.fixture
def scores(folder):
    for name, fid in (("a", 40.0), ("b", 44.0)):
        (folder / f"{name}.json").write_text(json.dumps({**ROW, "fid": fid}))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="sh")
def test_closed_streams_take_no_result_away(scores):
    """Daemons have none. Without a stderr the next file that is opened would be in its place."""
    whole = shell("$MIFID explain a.json b.json", scores)
    assert whole.returncode == 0
    for closed in ("2>&-", "<&- 2>&-"):
        done = shell(f"$MIFID explain a.json b.json {closed}", scores)
        assert (done.returncode, done.stdout) == (0, whole.stdout), closed
    assert shell("$MIFID explain a.json b.json >&-", scores).returncode == 0


@NEEDS_FULL
def test_a_full_disk_behind_stdout_is_told_and_is_no_bug(scores):
    done = shell("$MIFID explain a.json b.json >/dev/full", scores)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(
        "Error: cannot write to stdout: No space left on device\n"
    )
    assert b"Exception" not in done.stderr
    both = shell("$MIFID explain a.json b.json >/dev/full 2>&1", scores)
    assert both.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sh")
def test_a_reader_that_has_had_enough_is_no_error(scores):
    done = shell("$MIFID explain a.json b.json | head -c 0", scores)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use stays")
def test_a_folder_that_is_gone_is_told(scores):
    (scores / "gone").mkdir()
    line = "cd gone && rmdir ../gone && $MIFID score ../out --ref ../monet --extractor toys:f"
    done = shell(line, scores)
    assert done.returncode == 1
    assert b"Error: the current folder no longer exists" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_letters_that_stdout_does_not_have_are_spelled_out(encoding, scores):
    (scores / "生成é.json").write_text((scores / "a.json").read_text())
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for command in ("explain 生成é.json b.json", "explain 生成é.json b.json --json", "check 生成é"):
        done = subprocess.run(
            [sys.executable, "-m", "mifid_cli", *command.split()],
            cwd=scores,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        assert b"bug in mifid" not in done.stderr
        said = (done.stdout + done.stderr).decode(encoding)
        assert ("生成é" if encoding == "utf-8" else r"\u751f\u6210") in said
        if "--json" in command:
            assert json.loads(done.stdout.decode(encoding))["a"] == "生成é.json"


ESCAPE = "\x1b]0;PWNED\x07"


def test_names_cannot_command_the_terminal(folder, run, failure):
    """Wherever they come from: entries, keys, provenance, file names that the shell expanded."""
    import zipfile

    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr(f"{ESCAPE}.jpg", b"no picture")
        archive.writestr(f"{ESCAPE}.txt", b"")
    np.savez("keys.npz", **{ESCAPE: np.zeros(3)})
    strange = json.dumps({"extractor": ESCAPE, "not_comparable": ESCAPE, "fingerprint": "1"})
    features = np.random.RandomState(0).rand(8, 3)
    np.savez("made.npz", features=features, provenance=strange)
    shutil.copy("made.npz", f"{ESCAPE}.npz")
    os.rename("out", f"out{ESCAPE}")
    printed = [
        failure("score", "bad.zip", "--ref", "monet", "--extractor", "toys:colours"),
        failure("score", "keys.npz", "--ref", "monet", "--extractor", "toys:colours"),
        failure("score", "monet", ESCAPE, "--ref", "monet", code=2),
        failure("score", f"{ESCAPE}.zip", "--ref", "monet", "--extractor", "toys:colours"),
        *(
            result.output
            for result in (
                run("check", "bad.zip"),
                run("score", "made.npz", "--ref", "made.npz"),
                run("score", f"out{ESCAPE}", "--ref", "monet", "--extractor", "toys:colours"),
                run("compare", "made.npz", f"{ESCAPE}.npz", "--ref", "made.npz"),
            )
        ),
    ]
    for text in printed:
        assert text
        assert "\x1b]" not in text
        assert "\x07" not in text
    assert any(r"\x1b]0;PWNED\x07" in text for text in printed)


def test_what_is_written_is_said_and_written_though_it_cannot_be_printed(
    score, folder, monkeypatch
):
    names = ["s.csv", "r.html", "t.csv", "u.csv"]
    options = ["-o", names[0], "--report", names[1], "--table", names[2], "--training-table"]
    result = score("out", "--ref", "monet", *options, names[3])
    assert result.exit_code == 0
    said = ["A line was added to s.csv", "Wrote r.html", "Wrote t.csv", "Wrote u.csv"]
    assert result.stderr.splitlines()[-4:] == said
    assert all((folder / name).is_file() for name in names)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.click, "secho", full)
    monkeypatch.setattr(tables.click, "echo", full)
    result = score("out", "--ref", "monet", "-o", "late.json")
    assert result.exit_code == 1
    assert json.loads((folder / "late.json").read_text())["fid"] > 0


@pytest.mark.filterwarnings("always::mifid.MifidWarning")
@pytest.mark.parametrize("terminal", [True, False])
def test_a_warning_is_seen_once_on_a_terminal_and_in_both_streams_elsewhere(
    terminal, score, monkeypatch
):
    monkeypatch.setattr(failures, "_read_together", lambda: terminal)
    result = score("monet", "--ref", "monet")
    words = "Warning: "
    shown = sum(words in line for line in result.stderr.splitlines())
    printed = sum(words in line for line in result.stdout.splitlines())
    assert shown >= 1, result.output
    assert printed == (0 if terminal else shown), result.output


def test_json_in_letters_that_stdout_has(monkeypatch, capsys):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", narrow)
    tables.print_json('{"name": "生成😀é", "n": 1e-300}')
    narrow.flush()
    text = narrow.buffer.getvalue().decode("cp1252")
    assert json.loads(text) == {"name": "生成😀é", "n": 1e-300}


@pytest.mark.parametrize("together", [True, False])
def test_stdout_and_stderr_in_one_file_are_read_together(together, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / ("first" if together else "second")
    with first.open("a") as stdout, second.open("a") as stderr:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        assert failures._read_together() is together
