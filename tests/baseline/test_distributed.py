"""Two processes on gloo do what one does, fail together, and stop together."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from patience import PATIENCE, wait_for
from small import last_step
from toys import drawn, write_pictures
from two_processes import CONFIG, METHODS, leave_out_pictures, train

from mifid.baseline.distributed import ALONE, Processes, start_processes
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.records import read_metrics
from mifid.errors import InputError, MifidWarning

HERE = Path(__file__).parent
TRAININGS = 15 + len(METHODS)


def free_ports(number):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "photos", drawn("photo", 20))
    write_pictures(folder / "monets", drawn("painting", 8, seed=100))
    changed = folder.parent / "changed"
    shutil.copytree(folder, changed)
    write_pictures(changed / "monets", drawn("painting", 1, seed=7))
    return folder


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    """Train as one process (in this one) and as two; return where the runs are."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIFID_CACHE", str(out / "cache"))
        leave_out_pictures(patch.setattr)
        torch.set_num_threads(1)
        alone = {"one": CONFIG, **{f"{name}-one": config for name, config in METHODS.items()}}
        for name, config in alone.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MifidWarning)  # of the few and small pictures
                train(pictures, out / name, config)
    ports = ",".join(map(str, free_ports(TRAININGS)))
    command = [sys.executable, str(HERE / "two_processes.py"), str(pictures), str(out), ports]
    environment = os.environ | {
        "MIFID_CACHE": str(out / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "WORLD_SIZE": "2",
    }
    both = [
        subprocess.Popen(
            command,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=PATIENCE)[0].decode() for process in both]
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    return out


@pytest.fixture(scope="module")
def told(folder):
    """What each of the two said of each run."""
    return [json.loads((folder / f"told{rank}.json").read_text()) for rank in (0, 1)]


def state(folder, rank=0, world=1, step=6):
    return Checkpoints(folder / "checkpoints", Processes(rank, world)).load(step)


def weights(loaded):
    return {
        f"{name}.{key}": tensor
        for name, network in loaded["method"]["networks"].items()
        for key, tensor in network.items()
    }


def test_messages_between_processes(told):
    for found in (each["exchanges"] for each in told):
        assert found["gradients"] == [[6, 7], [0.5, 0.5, 0.5], None]
        assert found["average"] == [0.5, 4]
        assert found["from first"] == [0.1, 0]
        assert found["highest"] == [15, 0]


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("()", ["went on", "went on"]),
        ("(0,)", ["ValueError: of 0", "PeerError: process 0 failed; its own message says why"]),
        ("(1,)", ["PeerError: process 1 failed; its own message says why", "ValueError: of 1"]),
        ("(0, 1)", ["ValueError: of 0", "PeerError: process 0 failed; its own message says why"]),
    ],
)
def test_what_fails_on_one_fails_on_all_and_one_tells(failing, said, told):
    assert [each["exchanges"][f"together {failing}"] for each in told] == said


def apart(one, other):
    """The length of all differences between two networks' weights."""
    return sum(float((one[name] - other[name]).double().square().sum()) for name in one) ** 0.5


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [("whole", "one", "two"), *((name, f"{name}-one", f"{name}-two") for name in METHODS)],
)
def test_two_processes_train_as_one(name, one, two, folder, told):
    """Sums are in another order: the last of float32's 24 bits differ, 6e-8 of the values.

    Without norms six steps make some 4e-6 of the weights' way of that. A wrong gradient leads
    them elsewhere, about as far apart as they have moved at all.
    """
    assert [each[name] for each in told] == ["complete at 6", "complete at 6"]
    of_one, of_two = (
        [row for row in read_metrics(folder / run) if row["kind"] == "train"] for run in (one, two)
    )
    assert len(of_one) == len(of_two) == 6
    for alone, shared in zip(of_one, of_two, strict=True):
        for loss in alone.keys() - {"kind", "seconds", "images_per_second"}:
            assert shared[loss] == pytest.approx(alone[loss], rel=1e-4), (shared["step"], loss)
    start, alone = (weights(state(folder / one, step=step)) for step in (0, 6))
    shared = weights(state(folder / two, 0, 2))
    assert alone.keys() == shared.keys()
    assert apart(alone, shared) < 1e-3 * apart(alone, start)


def test_both_end_with_the_same_weights(folder):
    first, second = (weights(state(folder / "two", rank, 2)) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    moved = weights(state(folder / "two", 0, 2, step=0))
    assert not all(torch.equal(first[name], moved[name]) for name in first)


def test_float16_has_one_scale_and_leaves_out_the_same_steps_on_both(folder, told):
    assert [each["half"] for each in told] == ["complete at 6", "complete at 6"]
    first, second = (state(folder / "half", rank, 2) for rank in (0, 1))
    one, two = weights(first), weights(second)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert first["method"]["loss_scale"] == second["method"]["loss_scale"]
    assert first["method"]["loss_scale"]["scaler"]["scale"] < 2.0**20
    rows = [row for row in read_metrics(folder / "half") if row["kind"] == "train"]
    assert sum(row["skipped_steps"] for row in rows) > 0


def test_a_signal_to_one_stops_all_and_they_go_on_as_if_nothing_had_happened(folder, told):
    assert [each["stopped"] for each in told] == ["SIGTERM at 3", "SIGTERM at 3"]
    assert [each["resumed"] for each in told] == ["complete at 6", "complete at 6"]
    for rank in (0, 1):
        whole, parts = (weights(state(folder / name, rank, 2)) for name in ("two", "parts"))
        assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_two_machines_without_a_common_disk_train_as_one_machine(folder, told):
    assert [each["machines stopped"] for each in told] == ["SIGTERM at 3", "SIGTERM at 3"]
    assert [each["machines resumed"] for each in told] == ["complete at 6", "complete at 6"]
    for rank in (0, 1):
        own = folder / f"machine-{rank}"
        written = {path.name for path in (own / "checkpoints").iterdir()}
        assert written == {f"step-0000000{step}.rank{rank}.pt" for step in (3, 6)}
        one, two = (weights(state(out, rank, 2)) for out in (folder / "two", own))
        assert all(torch.equal(one[name], two[name]) for name in one)
        decoded = (folder / f"cache-{rank}" / "pixels").glob("*.npy")
        assert len(list(decoded)) == 2 + rank  # the second has the "other pictures", too
    assert (folder / "machine-0" / "best.safetensors").is_file()
    left = {path.name for path in (folder / "machine-1").iterdir()}
    assert left == {"config.toml", "checkpoints", ".lock"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("machines exchanged", "step-00000003.rank1.pt is there, but no step has a checkpoint"),
        ("one resumes", "process 1 was started with other settings than process 0: resume"),
        ("other pictures", "the paintings of process 1 are not those of process 0: 8 there"),
        ("other settings", "with other settings than process 0: optimiser.rate, training.seed"),
    ],
)
def test_what_differs_between_machines_is_refused_by_the_first(name, message, told):
    assert message in told[0][name]
    assert told[1][name].startswith("PeerError")


def test_a_refused_run_leaves_nothing_on_any_machine(folder, told):
    assert told[0]["used folder"].startswith("PeerError: process 1 failed")
    assert told[1]["used folder"].endswith("already has a run")
    left = {path.name for path in folder.iterdir()}
    assert not left & {"unused", "settings-0", "settings-1", "pictures-0", "pictures-1"}


def test_a_batch_that_cannot_be_shared_evenly(folder, told):
    assert told[0]["odd"].startswith("InputError: training.batch is 3; expected a multiple of 2")
    assert told[1]["odd"].startswith("PeerError")
    assert not (folder / "odd").exists()


def test_another_number_of_processes_cannot_go_on(folder, pictures, told):
    assert told[0]["other"].startswith("InputError")
    assert told[0]["other"].endswith("was written by 1 process; there are 2")
    assert told[1]["other"].startswith("PeerError")
    with (
        pytest.warns(MifidWarning, match="will hold|score well|of one colour"),
        pytest.raises(InputError, match="written by 2 processes; there are 1") as error,
    ):
        train(pictures, folder / "two", resume=True)
    assert "--nproc-per-node 2" in error.value.hint


def test_a_typo_is_told_once(folder, told):
    assert "there is no setting 'loss.cicle'" in told[0]["typo"]
    assert told[1]["typo"].startswith("PeerError")
    assert not (folder / "typo").exists()


def test_the_first_alone_warns_and_writes(folder, told):
    assert told[0]["warned"]
    assert told[1]["warned"] == []
    rows = [row for row in read_metrics(folder / "parts") if row["kind"] == "train"]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_no_thread_outlives_its_group(told):
    """One that does may abort the process when Python ends, and torchrun then ends the others."""
    for names in (each["threads"] for each in told):
        assert not [name for name in names if "gloo" in name]


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with start_processes() as processes:
        assert processes is ALONE
        assert not torch.distributed.is_initialized()
        assert processes.place(torch.device("cpu")) == torch.device("cpu")
        with pytest.raises(ValueError, match="mine"), processes.together():
            raise ValueError("mine")


def test_half_an_environment_is_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(InputError, match="WORLD_SIZE is 2, but the other processes") as error,
        start_processes(),
    ):
        pass
    assert "torchrun" in error.value.hint


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="process 1 has no GPU"):
        Processes(1, 2, local=1).place(torch.device("cuda"))


@pytest.mark.skipif(os.name != "posix", reason="no process groups")
def test_ctrl_c_below_torchrun_saves_once_and_says_so_once(pictures, tmp_path):
    """The terminal sends SIGINT to all, and torchrun sends it on: each process gets two."""
    options = ["--photos", pictures / "photos", "--monets", pictures / "monets", "--no-score"]
    options += ["--preset", "tiny", "--steps", "100000", "--out", tmp_path / "run"]
    settings = "data.size=16 generator.width=4 generator.blocks=1 discriminator.width=4"
    settings += " discriminator.layers=1 training.checkpoint_minutes=0"
    for setting in settings.split():
        options += ["--set", setting]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    process = subprocess.Popen(
        [sys.executable, *torchrun, "-m", "mifid_cli", "train-baseline", *map(str, options)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for(lambda: last_step(tmp_path / "run") >= 3, process=process)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=PATIENCE)[0].decode()
    finally:
        process.kill()
        process.wait()
    assert said.count("Stopped at step") == 1, said
    assert "Interrupted" not in said
    step = last_step(tmp_path / "run")
    assert f"Stopped at step {step:,} and saved." in said
    assert state(tmp_path / "run", 1, 2, step)["step"] == step
