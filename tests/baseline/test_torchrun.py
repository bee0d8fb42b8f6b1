"""gpus=2: torchrun is started, listened to, stopped, and refused where it cannot work."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import called
import pytest
import torch
from patience import PATIENCE, wait_for
from small import last_step
from toys import drawn, write_pictures

from mifid.baseline import torchrun
from mifid.baseline.distributed import ALONE
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.torchrun import call_in_processes, check_processes
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, MifidError
from mifid.submission.writer import MONET


@pytest.fixture
def alone(monkeypatch):
    """Start the process that is called without torchrun around it, which takes seconds."""

    def command(number, call):
        assert number == 2
        return [sys.executable, "-m", "mifid.baseline.torchrun", "call", str(call)]

    monkeypatch.setattr(torchrun, "_command", command)


def test_what_the_processes_say_and_return_comes_back(alone, capsys):
    given = {"settings": ["loss.cycle=5"], "rules": MONET, "out": Path("run")}
    assert call_in_processes(called.told, given, number=2) == given
    said = capsys.readouterr()
    assert said.out == "on stdout\n"
    assert said.err == "on stderr\nWarning: a warning\n"


def test_processes_that_die_are_told(alone):
    with pytest.raises(MifidError, match="without a result, with exit code 7"):
        call_in_processes(called.gone, {}, number=2)


@pytest.mark.parametrize("function", [called.refused, called.broken, called.failed_elsewhere])
def test_what_fails_there_fails_here(function, monkeypatch, capsys, tmp_path):
    """Without a process of its own."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(command, number):
        torchrun.work(command[-1])
        return 1, None

    monkeypatch.setattr(torchrun, "_run", run)
    with pytest.raises((MifidError, ZeroDivisionError)) as caught:
        call_in_processes(function, {}, number=2)
    traceback = "in broken" in capsys.readouterr().err
    if function is called.refused:
        assert (caught.value.message, caught.value.hint) == ("it is wrong", "Mend it.")
    elif function is called.broken:
        assert caught.type is ZeroDivisionError
    else:  # the process that failed would have told more
        assert "without a result" in caught.value.message
    assert traceback == (function is called.broken)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, InterruptedError)]
)
def test_a_signal_before_anything_was_saved_is_this_process_own(number, raised):
    def heard(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGTERM, heard)
    try:
        with pytest.raises(raised):
            raise torchrun._without_outcome(1, number)
    finally:
        signal.signal(signal.SIGTERM, before)


def local():
    pass


@pytest.mark.parametrize("value", [lambda batch: batch, (n for n in ()), "of a notebook"])
def test_what_cannot_be_sent_is_named(value, monkeypatch):
    if value == "of a notebook":
        value = local
        monkeypatch.setattr(local, "__module__", "__main__")
    with pytest.raises(InputError, match="extractor cannot be sent to the processes") as caught:
        call_in_processes(called.told, {"out": "run", "extractor": value}, number=2)
    assert "'my_module:function'" in caught.value.hint


@pytest.mark.parametrize(
    ("gpus", "device", "there", "said"),
    [
        (0, "auto", 2, "gpus is 0; expected a whole number, 1 or more"),
        (True, "auto", 2, "gpus is True"),
        (2, "auto", 0, "gpus is 2, but this machine has no GPU with CUDA"),
        (4, "auto", 2, "gpus is 4, but this machine has 2 GPUs with CUDA"),
        (2, "cuda", 1, "gpus is 2, but this machine has 1 GPU with CUDA"),
        (2, "cuda:1", 2, "gpus is 2, but device is cuda:1"),
        (2, "mps", 0, "this machine has no GPU with CUDA"),
    ],
)
def test_gpus_that_are_not_there_are_refused(gpus, device, there, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(InputError, match=said):
        check_processes(gpus, device)


def test_gpus_that_are_there_and_processes_on_the_processor_pass(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_processes(2, "auto")
    check_processes(1, "cuda:1")
    check_processes(3, "cpu")


@pytest.mark.parametrize("name", ["TORCHELASTIC_RUN_ID", "WORLD_SIZE"])
def test_within_torchrun_it_is_refused(name, monkeypatch):
    monkeypatch.setenv(name, "2")
    with pytest.raises(InputError, match="already one of several processes") as caught:
        check_processes(2, "cpu")
    assert "below torchrun" in caught.value.hint


def test_only_the_first_signal_is_passed_on():
    sent = []
    process = SimpleNamespace(send_signal=sent.append)
    received = []
    with torchrun._passed_on(process, received):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert sent == received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SMALL = "data.size=16 generator.width=4 generator.blocks=1 discriminator.width=4"
SMALL += " discriminator.layers=1 training.log_steps=1 training.checkpoint_minutes=0"


def sides(folder):
    return [
        write_pictures(folder / "photos", drawn("photo", 8)),
        write_pictures(folder / "monets", drawn("painting", 4, seed=100)),
    ]


def test_the_result_of_a_run_comes_back(alone, tmp_path, capsys):
    run = tmp_path / "run"
    given = {"preset": "tiny", "settings": (*SMALL.split(), "training.steps=2")}
    trained = train_baseline(
        *sides(tmp_path), run, device="cpu", gpus=2, extractor="toys:colours", **given
    )
    assert (trained.folder, trained.step, trained.is_first) == (run, 2, True)
    assert trained.archive.is_file()
    assert trained.check.findings
    assert trained.report.fid > 0
    assert "Warning: images.zip will hold 8 pictures" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="no SIGINT to send")
def test_ctrl_c_stops_all_processes_that_torchrun_started(tmp_path):
    photos, monets = sides(tmp_path)
    run = tmp_path / "run"
    options = ["--photos", photos, "--monets", monets, "--no-score", "--out", run]
    options += ["--preset", "tiny", "--steps", "100000", "--device", "cpu", "--gpus", "2"]
    for setting in SMALL.split():
        options += ["--set", setting]
    process = subprocess.Popen(
        [sys.executable, "-m", "mifid_cli", "train-baseline", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for(lambda: last_step(run) >= 3, process=process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate(timeout=PATIENCE)[0].decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    step = last_step(run)
    assert said.count(f"Stopped at step {step:,} and saved.") == 1
    assert "Traceback" not in said
    assert "--resume --device cpu --gpus 2" in " ".join(said.split())
    with pytest.raises(InputError, match="written by 2 processes; there are 1") as caught:
        Checkpoints(run / "checkpoints", ALONE).load(step)
    assert "gpus=2" in caught.value.hint
