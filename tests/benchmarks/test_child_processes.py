"""The processes that benchmarks start: what they return, and their memory."""

import sys
import zipfile
from pathlib import Path

import click
import pytest
from toys import drawn, write_pictures

from benchmarks import processes
from benchmarks.pictures import zip_pictures


def test_the_value_of_a_function_comes_back():
    value, done = processes.call("machine:markdown_table", header=["a"], rows=[["b"]])
    assert value.splitlines() == ["| a |", "| --- |", "| b |"]
    assert done.cpu_seconds > 0
    assert done.peak_mib > 5


def test_a_command_that_fails_is_told_with_its_last_words():
    command = [sys.executable, "-c", "import sys; sys.exit('no such luck')"]
    with pytest.raises(click.ClickException, match=r"failed with 1:\nno such luck"):
        processes.run(command)
    assert processes.run(command, codes=(1,)).code == 1


def test_a_score_and_its_costs_come_back(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "def mean(batch):\n    return batch.float().mean(dim=(2, 3))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one, other = (write_pictures(tmp_path / kind, drawn(kind, 3)) for kind in ("photo", "painting"))
    options = ["--extractor", "own:mean", "--metrics", "fid", "--ci", "0"]
    report, done = processes.score(one, other, *options, env={"MIFID_CACHE": str(tmp_path)})
    assert (report["n_generated"], report["n_reference"]) == (3, 3)
    assert report["fid"] > 0
    assert done.cpu_seconds > 0.3
    assert done.peak_mib > 100


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_memory_is_that_of_all_processes_together(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "PERIOD", 0.05)
    enough = tmp_path / "enough"
    pids, mib, look = processes._with_descendants, processes._mib, []

    def begin(root):
        look.clear()
        return pids(root)

    def go_on(pid):
        look.append(mib(pid))
        if sum(look) > 128:  # one process and the one that it started
            enough.touch()
        return look[-1]

    monkeypatch.setattr(processes, "_with_descendants", begin)
    monkeypatch.setattr(processes, "_mib", go_on)
    waits = "import os, time\nheld = bytearray(b'x') * (64 << 20)\n"
    waits += f"while not os.path.exists({str(enough)!r}): time.sleep(0.01)\n"
    both = f"import subprocess, sys\none = subprocess.Popen([sys.executable, '-c', {waits!r}])\n"
    done = processes.run([sys.executable, "-c", f"{both}{waits}one.wait()"], watch=True)
    assert 128 < done.together_mib < 256


def test_what_measures_others_is_small_itself():
    modules = ("growth", "submission", "training", "peers.parity", "peers.speed")
    code = "import sys\n" + "".join(f"import benchmarks.{name}\n" for name in modules)
    done = processes.run([sys.executable, "-c", f"{code}print(*sys.modules)"], env=processes.path())
    assert not {"numpy", "torch", "matplotlib"} & set(done.stdout.split())


def test_too_many_pictures_come_again_under_other_names(tmp_path):
    for name in ("a.jpg", "b.jpg", "notes.txt"):
        (tmp_path / name).write_text(name)
    assert zip_pictures(tmp_path, tmp_path / "found.zip", 5) == 5
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        assert archive.namelist() == ["a.jpg", "b.jpg", "1_a.jpg", "1_b.jpg", "2_a.jpg"]
        assert archive.read("2_a.jpg") == b"a.jpg"
