"""The GPU's benchmark: all its stages at toy size on the CPU, and what it makes of failures."""

import json
import re
import subprocess
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from patience import PATIENCE, wait_for

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import pipeline, processes, stage
from benchmarks.gpu.network import _folded, _variants, _weights
from benchmarks.gpu.parity import open_on
from benchmarks.gpu.report import TITLES
from benchmarks.gpu.stage import Plan, Recorder
from benchmarks.processes import ROOT

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
    "generation": {"table"},
    "train-short": {"float32"},
}

STAGES = """
import subprocess, sys, time

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
    raise ValueError(f"nothing in {plan.work}/here")

def hanging(plan, recorder):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    recorder.record("child", child.pid)
    time.sleep(3600)

def dying(plan, recorder):
    import os
    print("about to die", flush=True)
    os._exit(9)

def machine(plan, recorder):
    recorder.record("described", "a machine")
    recorder.record("ready", plan.work.name != "no device")
"""


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path / "found.json")


@pytest.fixture
def plan(tmp_path):
    folders = {name: tmp_path / name for name in ("photos", "paintings", "work", "out")}
    for folder in folders.values():
        folder.mkdir()
    return Plan(device="cpu", toy=True, **folders)


def run_gpu(*words):
    return CliRunner().invoke(gpu.main, list(map(str, words)))


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """Run stages of our own in the places of others; return code, results, report."""
    (tmp_path / "own_stages.py").write_text(STAGES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(gpu.PREPARATIONS, "machine", "own_stages:machine")

    def run(*names, limit=float(PATIENCE)):
        table = {name: f"own_stages:{name}" for name in names}
        monkeypatch.setattr(gpu, "STAGES", table)
        monkeypatch.setattr("benchmarks.gpu.report.STAGES", table)
        monkeypatch.setattr(gpu, "WITHOUT_PICTURES", set(names))
        options = ["--toy", "--device", "cpu", "--out", tmp_path / "out", "--limit", limit]
        code = run_gpu(*options).exit_code
        results = json.loads((tmp_path / "out" / "results.json").read_text())
        return code, results["stages"], (tmp_path / "out" / "results.md").read_text()

    return run


# --- failures ------------------------------------------------------------------------------------


def test_a_stage_that_fails_is_kept_and_the_next_ones_run(stages):
    code, found, text = stages("failing", "raising", "dying", "passing")
    assert code == 1
    assert [found[name]["status"] for name in found] == ["failed", "failed", "failed", "passed"]
    assert found["failing"]["error"] == "a number is 3.0, expected at most 2"
    assert found["failing"]["found"] == {"kept_number": 7}
    assert found["raising"]["found"] == {"second_part_number": 2}
    first, second = found["raising"]["errors"]
    assert "package of module 'there_is_no_such_module' is missing" in first["error"]
    assert second["error"].endswith("ValueError: nothing in WORK/here")
    assert found["dying"]["error"] == "about to die"
    assert found["passing"]["found"] == {"device": "cpu"}
    assert "| failing | failed | " in text
    assert "| failing | a number | 3 | at most 2 | **no** |" in text
    assert "| passing | a number | 1 | at most 2 | yes |" in text


def test_a_run_whose_stages_all_pass_exits_with_0(stages):
    assert stages("passing")[0] == 0


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until the stage that hangs has started its child."""
    now = SimpleNamespace(seconds=0.0)
    real = gpu._outcome

    def outcome(found, status, start, limit):
        told = real(found, status, start, limit)
        if "child" in told["found"]:
            now.seconds = limit
        return told

    monkeypatch.setattr(gpu, "_outcome", outcome)
    monkeypatch.setattr(gpu, "time", SimpleNamespace(monotonic=lambda: now.seconds))


def test_a_stage_that_takes_too_long_is_stopped_with_all_that_it_started(stages, clock):
    code, found, text = stages("hanging", "passing", limit=4.0)
    assert code == 1
    assert found["hanging"]["status"] == "timed out"
    assert found["hanging"]["error"] == "stopped after 4 s"
    assert "| hanging | timed out | 4 | stopped after 4 s |" in text
    assert found["passing"]["status"] == "passed"
    child = Path(f"/proc/{found['hanging']['found']['child']}/stat")
    wait_for(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_without_the_device_nothing_is_run(stages, tmp_path):
    work = tmp_path / "no device"
    done = run_gpu("network", "--device", "cuda", "--work", work, "--out", tmp_path / "other")
    assert done.exit_code == 1
    assert "**Not measured.**" in done.stdout


def test_later_runs_add_to_a_folders_results(stages):
    stages("failing")
    _, found, _ = stages("passing")
    assert list(found) == ["failing", "passing"]


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
    assert json.loads((tmp_path / "found.json").read_text())["checks"][0]["value"] == "nan"


def test_pictures_may_come_in_a_zip(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(gpu, "run_stages", lambda names, plan, *_, **__: seen.append(plan) or True)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("deep/1.jpg", b"one")
        archive.writestr("2.txt", b"two")
    given = ["--photos", tmp_path / "photos.zip", "--work", tmp_path / "work"]
    assert run_gpu("--device", "cpu", "--out", tmp_path / "o", *given).exit_code == 0
    assert [path.name for path in seen[0].photos.iterdir()] == ["1.jpg"]
    assert not seen[0].paintings.exists()  # to be drawn


# --- goals ---------------------------------------------------------------------------------------


def result(fid, seconds):
    return processes.Result(fid, seconds, seconds, 1.0, None, 1, 1)


@pytest.mark.parametrize(("times", "passed"), [(5.1, True), (4.9, False)])
def test_goal_of_the_peers(plan, recorder, times, passed):
    ours, theirs = result(10.0, 2.0), result(10.0, 2.0 * times)
    found = {"mifid": [ours, ours], "torch-fidelity": [theirs, theirs]}
    exact = {"torch-fidelity": replace(theirs, fid=10.0009)}
    processes._judge(replace(plan, toy=False), recorder, found, exact)
    assert recorder.sound is passed


@pytest.mark.parametrize(("fid", "passed"), [(10.0009, True), (9.9989, False)])
def test_peers_with_our_resize_must_agree(plan, recorder, fid, passed):
    found = {"mifid": [result(10.0, 1.0)]}
    processes._judge(plan, recorder, found, {"torch-fidelity": result(fid, 9.0)})
    assert recorder.sound is passed


@pytest.mark.parametrize(("whole", "passed"), [(81.0, True), (79.0, False)])
def test_goal_of_the_extraction(plan, recorder, whole, passed):
    rates = {pipeline.BARE: 100.0, "whole extraction, cuda, exact": whole}
    pipeline._judge(replace(plan, toy=False, device="cuda"), recorder, rates)
    assert recorder.sound is passed


def test_every_variant_of_the_network_is_timed_on_cuda(plan):
    variants = list(_variants(replace(plan, toy=False, device="cuda")))
    whole = [one for one in variants if one["batch"] == 128]
    assert variants[: len(whole)] == whole
    assert len(whole) == 4 * 2 * 2 * 2  # arithmetics, layouts, launches, cuDNN's choice
    assert {one["batch"] for one in variants} == {32, 64, 128, 256}
    others = [one for one in variants if one["batch"] != 128]
    assert {(one["layout"], one["launch"]) for one in others} == {("channels last", "graph")}


# --- results and their telling ------------------------------------------------------------------


def test_without_results_the_section_says_so(tmp_path):
    docs = tmp_path / "benchmarks.md"
    done = run_gpu("--report", "--out", tmp_path / "out", "--docs", docs)
    assert done.exit_code == 0
    text = docs.read_text()
    assert "<!-- begin gpu -->\n## On a GPU\n\n**Not measured.**" in text
    assert "python -m benchmarks.gpu --device cuda" in text


def test_results_are_reported_again(tmp_path):
    kept = gpu.Results(tmp_path, device="cuda", toy=False)
    kept.describe({"gpus": ["NVIDIA H200"], "driver": "580", "described": "CPU, 16 cores"})
    for name, found in {
        "generation": {"table": ["| x |"]},
        "parity": {"fid": 1.0, "of": {"a": "b", "c": 2}},
    }.items():
        outcome = {"status": "passed", "seconds": 9.0, "limit_seconds": 540, "error": ""}
        kept.keep(name, {**outcome, "checks": [], "errors": [], "found": found})
    text = run_gpu("--report", "--out", tmp_path).output
    assert "1 x NVIDIA H200, driver 580; CPU, 16 cores." in text
    assert "### Generating a submission\n\n| x |\n" in text
    assert "| peers | not measured |" in text
    assert "### Features, FID and distance compared with the CPU\n\nErrors of" in text
    assert "| fid | 1 |" in text
    assert "| a | b |\n| c | 2 |" in text
    refused = run_gpu("--device", "cpu", "--out", tmp_path)  # another device is not mixed in
    assert "its device is cuda, not cpu; give another --out" in " ".join(refused.output.split())


# --- the stages ----------------------------------------------------------------------------------


class Here:
    """Stands for a stage's process, which would import torch again: the stage runs in this one."""

    pid = 1 << 22  # of no process: Linux's are below
    returncode = 0

    def __init__(self, command, *, env, **_):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest makes errors of them
            for name, value in env.items():
                patch.setenv(name, value)
            stage.run_stage(**json.loads(command[-1]))

    def poll(self):
        return self.returncode

    wait = poll


@pytest.fixture(scope="module")
def toy(tmp_path_factory, network):
    """All stages, in order, as a user runs them, but without their imports and the network's."""
    out, work = tmp_path_factory.mktemp("toy"), tmp_path_factory.mktemp("work")
    (work / "cache").mkdir()
    (work / "cache" / "openvino").symlink_to(network / "openvino")
    (work / stage.WEIGHTS).symlink_to(network / "weights.pth")
    with pytest.MonkeyPatch.context() as patch:
        processes = SimpleNamespace(**vars(subprocess) | {"Popen": Here})
        patch.setattr(gpu, "subprocess", processes)
        done = run_gpu("--toy", "--device", "cpu", "--out", out, "--work", work)
    for kept in (_weights, _folded, open_on):  # hundreds of MB
        kept.cache_clear()
    return done, json.loads((out / "results.json").read_text()), out


@pytest.mark.network
def test_all_stages_pass_at_toy_size(toy):
    done, told, _ = toy
    assert done.exit_code == 0, done.output
    assert {name: one["status"] for name, one in told["stages"].items()} == dict.fromkeys(
        ["pictures", *FOUND], "passed"
    )


@pytest.mark.network
@pytest.mark.parametrize("name", FOUND)
def test_every_stage_tells_what_it_found(toy, name):
    found = toy[1]["stages"][name]["found"]
    assert FOUND[name] <= found.keys()
    rates = [found.get("pictures_per_second", {}), *found.get("variants", [])]
    assert all(value > 0 for row in rates for value in row.values() if isinstance(value, float))


@pytest.mark.network
def test_parity_checks_what_cannot_be_seen(toy):
    checks = {one["name"]: one for one in toy[1]["stages"]["parity"]["checks"]}
    assert {
        "features: error over torch-fidelity's",
        "features in batches of 1: error",
        "features taken last first: error",
        "features on two workers: error",
        "a caller's TF32 is as it was",
        "FID against torch on the CPU: difference",
    } <= checks.keys()
    precisions = toy[1]["stages"]["parity"]["found"]["precisions"]
    assert precisions["fast"]["feature_error"] > 100 * precisions["exact"]["feature_error"] > 0


@pytest.mark.network
def test_the_report_has_a_section_a_stage_and_no_paths(toy):
    _, told, out = toy
    text = (out / "results.md").read_text()
    assert list(TITLES.values()) == re.findall("### (.*)", text)
    assert "Toy sizes" in text
    for kept in (text, json.dumps(told)):
        assert str(ROOT) not in kept
        assert "/tmp" not in kept
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "results.md",
        "train-short-float32.jpg",
    }
