"""The GPU's benchmark: all its stages at toy size on the CPU, and what it makes of failures."""

import json
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks_here import make_shallow, run_here
from click.testing import CliRunner
from patience import PATIENCE, wait_for

from benchmarks import processes, training
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import network as networks
from benchmarks.gpu import parity, pipeline, report, stage
from benchmarks.gpu import processes as whole
from benchmarks.gpu.stage import Plan, Recorder

FOUND = {
    "parity": {
        "feature_error",
        "feature_error_of_torch_fidelity",
        "bit_identical_when_repeated",
        "fid",
        "memorization_distance",
        "precisions",
        "graphs",
    },
    "network": {"matrix_tflop_per_second", "copy_gb_per_second", "gflop_a_picture", "variants"},
    "pipeline": {"pictures", "pictures_per_second", "extraction_over_bare_network"},
    "submission": {"import_seconds", "runs"},
    "peers": {"tools"},
    "training": {"ways", "peak_flop_per_second"},
    "generation": {"networks"},
    "train-short": {"float32"},
}

STAGES = """
import os, signal, subprocess, sys, time

def passing(plan, recorder):
    recorder.record("device", plan.device)
    recorder.at_most("a number", 1.0, 2.0)

def failing(plan, recorder):
    recorder.record("kept_number", 7)
    recorder.at_most("a number", 3.0, 2.0)

def raising(plan, recorder):
    with recorder.part("first"):
        import there_is_no_such_module
    recorder.record("second_part_number", 2)
    raise ValueError("nothing in it")

def hanging(plan, recorder):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    recorder.record("child", child.pid)
    time.sleep(3600)

def stopping(plan, recorder):
    recorder.record("before", 1)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(3600)

def dying(plan, recorder):
    print("about to die", flush=True)
    os._exit(9)

def machine(plan, recorder):
    recorder.record("described", "a machine")
    recorder.holds("there is the device", plan.device == "cpu")
"""


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path / "found.json")


@pytest.fixture
def plan(tmp_path):
    folders = {name: tmp_path / name for name in ("photos", "paintings", "work", "out")}
    return Plan(device="cpu", toy=False, **folders)


def run_gpu(*words):
    return CliRunner().invoke(gpu.main, list(map(str, words)))


def results_in(out):
    return json.loads((out / "results.json").read_text())["stages"]


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """Run stages of our own in the places of others; return the exit code, results, report."""
    (tmp_path / "own_stages.py").write_text(STAGES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "out"

    def run(*names, limit=float(PATIENCE), device="cpu"):
        table = {name: (f"own_stages:{name}", "") for name in ("machine", *names)}
        monkeypatch.setattr(gpu, "STAGES", table)
        monkeypatch.setattr(report, "STAGES", table)
        monkeypatch.setattr(gpu, "WITHOUT_INPUTS", set(table))
        done = run_gpu("--toy", "--device", device, "--out", out, "--limit", limit)
        return done.exit_code, results_in(out), (out / "results.md").read_text()

    return run


# --- failures ------------------------------------------------------------------------------------


def test_a_stage_that_fails_is_kept_and_the_next_ones_run(stages):
    code, found, text = stages("failing", "raising", "dying", "passing")
    assert code == 1
    kept = {name: one["status"] for name, one in found.items() if name != "machine"}
    failed = dict.fromkeys(["failing", "raising", "dying"], "failed")
    assert kept == {**failed, "passing": "passed"}
    assert found["failing"]["why"] == "a number is 3.0, expected at most 2"
    assert found["failing"]["found"] == {"kept_number": 7}
    assert found["raising"]["found"] == {"second_part_number": 2}
    first, second = found["raising"]["errors"]
    assert "there_is_no_such_module" in first["error"]
    assert second["error"].strip().endswith("ValueError: nothing in it")
    assert found["dying"]["why"] == "about to die"
    assert found["passing"]["found"] == {"device": "cpu"}
    assert "| failing | failed | " in text
    assert "| failing | a number | 3 | at most 2 | **no** |" in text
    assert "| passing | a number | 1 | at most 2 | yes |" in text


def test_a_run_whose_stages_all_pass_exits_with_0_and_adds_to_earlier_results(stages, tmp_path):
    assert stages("failing")[0] == 1
    code, found, _ = stages("passing")
    assert code == 0
    assert set(found) == {"machine", "failing", "passing"}
    refused = run_gpu("--device", "cuda", "--out", tmp_path / "out")  # not mixed
    assert refused.exit_code == 2
    assert "another --out" in " ".join(refused.output.split())


def has_child(records):
    return records.is_file() and "child" in json.loads(records.read_text())["found"]


class Impatient(subprocess.Popen):
    """Takes the time to be over as soon as the stage has started a child, not by the clock."""

    def wait(self, timeout=None):
        if timeout is None:
            return super().wait()
        records = Path(json.loads(self.args[-1])["file"])
        wait_for(lambda: self.poll() is not None or has_child(records))
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode


def test_a_stage_that_takes_too_long_is_stopped_with_all_that_it_started(stages, monkeypatch):
    popen = SimpleNamespace(**vars(subprocess) | {"Popen": Impatient})
    monkeypatch.setattr(gpu, "subprocess", popen)
    code, found, text = stages("hanging", "passing", limit=4.0)
    assert code == 1
    assert found["hanging"]["status"] == "timed out"
    assert "stopped after 4 s" in text
    assert found["passing"]["status"] == "passed"
    child = Path(f"/proc/{found['hanging']['found']['child']}/stat")
    wait_for(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_without_the_device_nothing_is_run(stages):
    code, found, text = stages("passing", device="cuda")
    assert code == 1
    assert set(found) == {"machine"}
    assert "| passing | not measured |" in text


def test_what_a_stopped_run_found_is_kept(tmp_path):
    (tmp_path / "own_stages.py").write_text(STAGES)
    table = {name: (f"own_stages:{name}", "") for name in ("machine", "stopping")}
    code = "import signal, sys\nfrom benchmarks.gpu import __main__ as gpu, report\n"
    code += f"gpu.STAGES = report.STAGES = {table!r}\ngpu.WITHOUT_INPUTS = set(gpu.STAGES)\n"
    code += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
    code += "gpu.main(['--device', 'cpu', '--out', 'out'])\n"
    env = {**os.environ, "PYTHONPATH": f"{processes.ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    found = results_in(tmp_path / "out")["stopping"]
    assert (found["status"], found["found"]) == ("stopped", {"before": 1})
    assert "| stopping | stopped |" in (tmp_path / "out" / "results.md").read_text()


@pytest.mark.parametrize(
    ("check", "value", "passed"),
    [
        ("at_most", 2, True),
        ("at_most", 2.1, False),
        ("at_least", 2, True),
        ("at_least", 1.9, False),
    ],
)
def test_bounds(recorder, tmp_path, check, value, passed):
    getattr(recorder, check)("it", value, 2)
    [kept] = json.loads((tmp_path / "found.json").read_text())["checks"]
    assert kept["passed"] is passed
    assert recorder.sound is passed


@pytest.mark.parametrize("check", ["at_most", "at_least"])
def test_what_is_no_number_passes_no_check(recorder, tmp_path, check):
    getattr(recorder, check)("it", float("nan"), 2)
    assert not recorder.sound
    assert json.loads((tmp_path / "found.json").read_text())["checks"][0]["passed"] is False


# --- goals ---------------------------------------------------------------------------------------


def result(fid, seconds):
    return whole.Result(fid, seconds, seconds, 1.0, None, 1, 1)


@pytest.mark.parametrize(("times", "passed"), [(5.1, True), (4.9, False)])
def test_goal_of_the_peers(plan, recorder, times, passed):
    ours, theirs = result(10.0, 2.0), result(10.0, 2.0 * times)
    found = {"mifid": [ours, ours], "torch-fidelity": [theirs, theirs]}
    whole.judge(plan, recorder, found, {"torch-fidelity": replace(theirs, fid=10.0009)})
    assert recorder.sound is passed


@pytest.mark.parametrize(("fid", "passed"), [(10.0009, True), (9.9989, False)])
def test_peers_with_our_resize_must_agree(plan, recorder, fid, passed):
    found = {"mifid": [result(10.0, 1.0)]}
    whole.judge(plan, recorder, found, {"torch-fidelity": result(fid, 9.0)})
    assert recorder.sound is passed


@pytest.mark.parametrize(("rate", "passed"), [(81.0, True), (79.0, False)])
def test_goal_of_the_extraction(plan, recorder, rate, passed):
    rates = {pipeline.BARE: 100.0, "whole extraction, cuda, exact": rate}
    pipeline.judge(replace(plan, device="cuda"), recorder, rates)
    assert recorder.sound is passed


def test_every_variant_of_the_network_is_timed_on_cuda(plan):
    sizes = plan.sizes(networks.REAL, networks.TOY)
    variants = list(networks.variants(sizes, tuple(networks.ARITHMETICS), cuda=True))
    whole = [one for one in variants if one["batch"] == 128]
    assert variants[: len(whole)] == whole
    assert len(whole) == 4 * 2 * 2 * 2  # arithmetics, layouts, launches, cuDNN's choice
    assert {one["batch"] for one in variants} == {32, 64, 128, 256}
    others = [one for one in variants if one["batch"] != 128]
    assert {(one["layout"], one["launch"]) for one in others} == {("channels last", "graph")}


def test_the_report_shows_numbers_rows_and_what_is_missing():
    found = {"fid": 1.0, "rates": {"a": 2.5, "b": 30_000.0}, "rows": [{"x": 1, "y": {"c": None}}]}
    outcome = {"status": "passed", "seconds": 9.0, "why": "", "checks": [], "found": found}
    text = report.describe({"device": "cuda", "toy": False, "stages": {"parity": outcome}})
    assert "| parity | passed | 9 |" in text
    assert "| peers | not measured |" in text
    for row in ("| fid | 1 |", "| rates: a | 2.5 |", "| rates: b | 30,000 |", "| 0 | 1 | c  |"):
        assert row in text
    assert "python -m benchmarks.gpu --device cuda" in text


# --- the stages ----------------------------------------------------------------------------------


SHALLOW = ("parity", "network", "pipeline")
"""Stages that run a network of four layers here; the others compare whole processes."""


class Here:
    """Stands for a stage's process, which would import torch again: the stage runs in this one."""

    pid = 1 << 22  # of no process: Linux's are below

    def __init__(self, command, *, env, **_):
        self.returncode = 0
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest makes errors of them
            for name, value in env.items():
                patch.setenv(name, value)
            given = json.loads(command[-1])
            if given["function"].endswith(SHALLOW):
                make_stages_shallow(patch)
            stage.run_stage(**given)

    def wait(self, _=None):
        return self.returncode


def make_stages_shallow(patch):
    make_shallow(patch)
    stock, unfolded = networks.build_stock, networks._unfolded

    def shallow_stock(device):
        network = stock(device)
        network.features_list = ["64"]
        return network

    patch.setattr(parity, "build_stock", shallow_stock)
    patch.setattr(networks, "_unfolded", lambda: unfolded()[:4].append(unfolded()[-1]))


run_cold = whole.run_cold


@cache
def run_mifid_only(job):
    """Stand for run_cold(): torch-fidelity takes ten seconds; test_speed_toy.py runs it."""
    return run_cold("mifid-torch", job)


class Pool:
    """Stands for the process of a way to train: the only one runs in this process."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *given):
        return SimpleNamespace(result=lambda: function(*given))


@pytest.fixture(scope="module")
def toy(tmp_path_factory, network):
    """All stages, in order, as a user runs them, but in this process except for Ctrl-C's run."""
    out, work = tmp_path_factory.mktemp("toy"), tmp_path_factory.mktemp("work")
    (work / "mifid_cache").mkdir()
    (work / "mifid_cache" / "openvino").symlink_to(network / "openvino")
    (work / "weights.pth").symlink_to(network / "weights.pth")
    with pytest.MonkeyPatch.context() as patch:
        popen = SimpleNamespace(**vars(subprocess) | {"Popen": Here})
        patch.setattr(gpu, "subprocess", popen)
        patch.setattr(processes, "measured", run_here)
        patch.setattr(training, "own_process", Pool)
        patch.setattr(whole, "run_cold", lambda _, job: run_mifid_only(job))
        done = run_gpu("--toy", "--device", "cpu", "--out", out, "--work", work)
    for kept in (networks._weights, networks._folded, parity.open_on):  # hundreds of MB
        kept.cache_clear()
    return done, out


@pytest.mark.network
def test_all_stages_pass_at_toy_size(toy):
    done, out = toy
    assert done.exit_code == 0, done.output
    passed = dict.fromkeys(["machine", "inputs", *FOUND], "passed")
    assert {name: one["status"] for name, one in results_in(out).items()} == passed
    text = (out / "results.md").read_text()
    assert "Toy sizes" in text
    assert all(f"\n### {name}\n" in text for name in passed)
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "results.md",
        "train-short-float32.jpg",
    }


@pytest.mark.network
@pytest.mark.parametrize("name", FOUND)
def test_every_stage_tells_what_it_found(toy, name):
    found = results_in(toy[1])[name]["found"]
    assert FOUND[name] <= found.keys()
    rates = [found.get("pictures_per_second", {}), *found.get("variants", [])]
    assert all(value > 0 for row in rates for value in row.values() if isinstance(value, float))


@pytest.mark.network
def test_parity_checks_what_cannot_be_seen(toy):
    outcome = results_in(toy[1])["parity"]
    checks = {one["name"]: one for one in outcome["checks"]}
    assert {
        "features: error over torch-fidelity's",
        "features in batches of 1: error",
        "features taken last first: error",
        "features on two workers: error",
        "a caller's TF32 is as it was",
        "fid against torch on the CPU: difference",
    } <= checks.keys()
    precisions = outcome["found"]["precisions"]
    assert precisions["fast"]["feature_error"] > 100 * precisions["exact"]["feature_error"] > 0
