"""The GPU's benchmark: all its stages at toy size on the CPU, and what it makes of failures."""

import configparser
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from patience import PATIENCE, wait_for

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

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
    "training": {"table", "ways", "peak_flop_per_second"},
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


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def recorder(tmp_path):
    from gpu_recorder import Recorder

    return Recorder(tmp_path / "found.json")


@pytest.fixture
def plan(tmp_path):
    from gpu_plan import Plan

    folders = {name: tmp_path / name for name in ("photos", "paintings", "work", "out")}
    for folder in folders.values():
        folder.mkdir()
    return Plan(device="cpu", toy=True, **folders)


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """Run `gpu.py run` with stages of our own in their places; return code, results, report."""
    import gpu
    import gpu_child

    (tmp_path / "own_stages.py").write_text(STAGES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(gpu_child, "PREPARATIONS", {})
    for table in (gpu_child.STAGES, gpu_child.PREPARATIONS):
        monkeypatch.setitem(table, "machine", "own_stages:machine")
    monkeypatch.setattr("gpu_runner.PREPARATIONS", gpu_child.PREPARATIONS)
    without = gpu_child.WITHOUT_PICTURES

    def run(*names, limit=float(PATIENCE)):
        for name in names:
            monkeypatch.setitem(gpu_child.STAGES, name, f"own_stages:{name}")
        monkeypatch.setattr("gpu_runner.WITHOUT_PICTURES", without | set(names))
        out = tmp_path / "out"
        options = ["--toy", "--device", "cpu", "--out", str(out), "--limit", str(limit)]
        code = gpu.main(["run", *names, *options])
        results = json.loads((out / "results.json").read_text())
        return code, results["stages"], (out / "results.md").read_text()

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
    import gpu_runner

    now = SimpleNamespace(seconds=0.0)
    real = gpu_runner._outcome

    def outcome(found, status, start, limit):
        told = real(found, status, start, limit)
        if "child" in told["found"]:
            now.seconds = limit
        return told

    monkeypatch.setattr(gpu_runner, "_outcome", outcome)
    monkeypatch.setattr(gpu_runner, "time", SimpleNamespace(monotonic=lambda: now.seconds))


def test_a_stage_that_takes_too_long_is_stopped_with_all_that_it_started(stages, clock):
    code, found, text = stages("hanging", "passing", limit=4.0)
    assert code == 1
    assert found["hanging"]["status"] == "timed out"
    assert found["hanging"]["error"] == "stopped after 4 s"
    assert "| hanging | timed out | 4 | stopped after 4 s |" in text
    assert found["passing"]["status"] == "passed"
    child = Path(f"/proc/{found['hanging']['found']['child']}/stat")
    wait_for(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_without_the_device_nothing_is_run(stages, tmp_path, capsys):
    import gpu

    work = ["--work", str(tmp_path / "no device")]
    out = ["--out", str(tmp_path / "other")]
    assert gpu.main(["run", "network", "--device", "cuda", *work, *out]) == 1
    assert "**Not measured.**" in capsys.readouterr().out


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
    import gpu

    monkeypatch.setattr(gpu, "run_stages", lambda names, plan, *_, **__: seen.append(plan) or True)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("deep/1.jpg", b"one")
        archive.writestr("2.txt", b"two")
    seen = []
    work = tmp_path / "work"
    given = ["--photos", str(tmp_path / "photos.zip"), "--work", str(work)]
    assert gpu.main(["run", "--device", "cpu", "--out", str(tmp_path / "o"), *given]) == 0
    assert [path.name for path in seen[0].photos.iterdir()] == ["1.jpg"]
    assert not seen[0].paintings.exists()  # to be drawn


def test_an_unknown_stage_is_refused(capsys):
    import gpu

    with pytest.raises(SystemExit):
        gpu.main(["run", "parityy", "--out", "x"])
    assert "unknown: parityy. There are: parity, network," in capsys.readouterr().err


# --- goals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "passed"), [(5.1, True), (4.9, False)])
def test_goal_of_the_peers(plan, recorder, times, passed):
    from dataclasses import replace

    from gpu_peers import Found, _judge

    ours, theirs = Found(10.0, 2.0, 1.0), Found(10.0, 2.0 * times, 1.0)
    found = {"mifid": [ours, ours], "torch-fidelity": [theirs, theirs]}
    exact = {"torch-fidelity": replace(theirs, fid=10.0009)}
    _judge(replace(plan, toy=False), recorder, found, exact)
    assert recorder.sound is passed


@pytest.mark.parametrize(("fid", "passed"), [(10.0009, True), (9.9989, False)])
def test_peers_with_our_resize_must_agree(plan, recorder, fid, passed):
    from gpu_peers import Found, _judge

    found = {"mifid": [Found(10.0, 1.0, 1.0)]}
    _judge(plan, recorder, found, {"torch-fidelity": Found(fid, 9.0, 1.0)})
    assert recorder.sound is passed


@pytest.mark.parametrize(("whole", "passed"), [(81.0, True), (79.0, False)])
def test_goal_of_the_extraction(plan, recorder, whole, passed):
    from dataclasses import replace

    from gpu_pipeline import BARE, _judge

    rates = {BARE: 100.0, "whole extraction, cuda, exact": whole}
    _judge(replace(plan, toy=False, device="cuda"), recorder, rates)
    assert recorder.sound is passed


def test_every_variant_of_the_network_is_timed_on_cuda(plan):
    from dataclasses import replace

    from gpu_network import _variants

    variants = list(_variants(replace(plan, toy=False, device="cuda")))
    whole = [one for one in variants if one["batch"] == 128]
    assert variants[: len(whole)] == whole
    assert len(whole) == 4 * 2 * 2 * 2  # arithmetics, layouts, launches, cuDNN's choice
    assert {one["batch"] for one in variants} == {32, 64, 128, 256}
    others = [one for one in variants if one["batch"] != 128]
    assert {(one["layout"], one["launch"]) for one in others} == {("channels last", "graph")}


# --- results and their telling ------------------------------------------------------------------


def test_without_results_the_section_says_so(tmp_path):
    import gpu

    docs = tmp_path / "benchmarks.md"
    assert gpu.main(["report", "--docs", str(docs)]) == 0
    text = docs.read_text()
    assert "<!-- begin gpu -->\n## On a GPU\n\n**Not measured.**" in text
    assert "python benchmarks/gpu.py run --device cuda" in text


def test_a_folder_that_no_run_wrote_is_refused_by_name(tmp_path):
    import gpu

    docs = tmp_path / "benchmarks.md"
    with pytest.raises(SystemExit, match=r"none holds no results\.json: name folders"):
        gpu.main(["report", str(tmp_path / "none"), "--docs", str(docs)])
    assert not docs.exists()


def results(folder, **stages):
    from gpu_results import Results

    folder.mkdir()
    kept = Results(folder, device="cuda", toy=False)
    kept.describe({"gpus": ["NVIDIA H200"], "driver": "580", "described": "CPU, 16 cores"})
    for name, found in stages.items():
        outcome = {"status": "passed", "seconds": 9.0, "limit_seconds": 540, "error": ""}
        kept.keep(name, {**outcome, "checks": [], "errors": [], "found": found})
    return folder


def test_results_of_several_runs_are_told_as_one(tmp_path):
    from gpu_report import describe
    from gpu_results import merged

    first = results(
        tmp_path / "a", training={"table": ["outdated"]}, generation={"table": ["| x |"]}
    )
    second = results(tmp_path / "b", training={"table": ["new"]}, parity={"fid": 1.0})
    text = describe(merged([first, tmp_path / "none", second]))
    assert "1 x NVIDIA H200, driver 580; CPU, 16 cores." in text
    assert "### A training step\n\nnew\n" in text
    assert "outdated" not in text
    assert "| x |" in text
    assert "| peers | not measured |" in text
    assert "### Features, FID and distance against the CPU's\n\nNot complete" in text


def test_results_of_another_device_are_not_mixed_in(tmp_path):
    import gpu

    results(tmp_path / "a")
    with pytest.raises(SystemExit, match="its device is cuda, not cpu; give another --out"):
        gpu.main(["run", "--device", "cpu", "--out", str(tmp_path / "a")])


# --- wheels --------------------------------------------------------------------------------------


def test_wheels_are_what_mifid_needs_and_never_torch(monkeypatch, tmp_path):
    import gpu_wheels

    called = []
    monkeypatch.setattr(gpu_wheels, "_pip", lambda *arguments: called.append(arguments))
    gpu_wheels.download(tmp_path, python="3.12", leave_out=("matplotlib",))
    [arguments] = called
    assert {"download", "--no-deps", "--only-binary=:all:"} <= set(arguments)
    fetched = {re.split("[=<>]", word)[0] for word in arguments[arguments.index("--dest") + 2 :]}
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].strip().splitlines()
    needed = {re.split("[ ;]", line)[0] for line in lines if "python_version" not in line}
    assert needed - fetched == {"torch", "numpy", "pillow", "matplotlib"}
    assert not [name for name in fetched if name in {"torch", "torchvision", "triton", "scipy"}]


def test_no_wheels_are_not_installed(tmp_path):
    from gpu_wheels import install

    with pytest.raises(FileNotFoundError, match="holds no wheels: fetch them"):
        install(tmp_path)


# --- the stages ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """All stages, in order, as a user runs them."""
    out = tmp_path_factory.mktemp("toy")
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "run", "--toy", "--device", "cpu"]
    done = subprocess.run(
        [*command, "--out", str(out)],
        # Threads that wait for each other lose much time where tests run side by side.
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, json.loads((out / "results.json").read_text()), out


@pytest.mark.network
def test_all_stages_pass_at_toy_size(toy):
    done, told, _ = toy
    assert done.returncode == 0, done.stderr
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
    assert precisions["fast"] == pytest.approx(precisions["bfloat16"], rel=0.5, abs=1e-3)


@pytest.mark.network
def test_the_report_has_a_section_a_stage_and_no_paths(toy):
    from gpu_sections import SECTIONS

    _, told, out = toy
    text = (out / "results.md").read_text()
    assert [title for title, _ in SECTIONS.values()] == re.findall("### (.*)", text)
    assert "Toy sizes" in text
    assert "Not complete" not in text
    for kept in (text, json.dumps(told)):
        assert str(ROOT) not in kept
        assert "/tmp" not in kept
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "results.md",
        "train-short-float32.jpg",
    }
