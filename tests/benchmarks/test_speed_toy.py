"""The speed benchmark: what it computes and reports, and a toy run with one peer."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import processes
from benchmarks.peers import job, roof, speed, speed_report, tools
from mifid.images.loader import default_workers


def result(seconds, **more):
    costs = {"seconds": seconds, "cpu_seconds": 1.5 * seconds, "peak_mib": 100.0}
    given = {"together_mib": None, "batch_size": 8, "workers": 2, "pictures": (1000, 300), **costs}
    return tools.Result(**{"fid": 10.0, **given, **more})


def one_round(seconds, peers, *, product=228.4, rate=20.0, **more):
    ours = {
        "first run ever": result(seconds + 10),
        "cold": result(seconds, rate=rate, distance=0.1),
        "cached": result(1.2, distance=0.1),
    }
    states = {tool: {"cold": result(s, pictures=None)} for tool, s in peers.items()}
    networks = {"mifid": 25.0, "mifid-torch": 12.0, "torch-fidelity": 6.0}
    products = {"numpy": 100.0, "openvino": product}
    return speed_report.Round({"mifid": ours, **states, **more}, products, networks)


def make_speed(rounds, start=0.1):
    starts = {"mifid --help": [start, start, 9.0], "import mifid": [0.1]}
    return speed_report.Speed(rounds, starts, gflop=11.42)


def test_ratios_are_taken_within_a_round():
    rounds = [
        one_round(ours, {"torch-fidelity": theirs})
        for ours, theirs in ((10, 50), (20, 30), (30, 60))
    ]
    found = make_speed(rounds)
    assert found.ratio("torch-fidelity") == 2.0  # the medians' ratio is 2.5
    assert found.ratio("torch-fidelity", over=("mifid", "first run ever")) == 1.5
    assert found.ratio("pytorch-fid") is None
    assert found.busy("mifid") == pytest.approx(1.5 / (os.cpu_count() or 1))


def test_the_roof_is_the_fastest_product_and_shares_are_of_the_same_round():
    rounds = [
        one_round(10, {}, product=product, rate=rate)
        for product, rate in ((114.2, 9.0), (228.4, 18.0), (342.6, 15.0))
    ]
    found = make_speed(rounds)
    assert found.roof == pytest.approx(20.0)
    assert found.share_of_roof("mifid") == pytest.approx(0.9)
    assert found.share_of_network("mifid") == pytest.approx(15 / 25)
    assert found.over_stock == 2.0


@pytest.mark.parametrize(
    ("seconds", "peers", "start", "met"),
    [
        (50, {"torch-fidelity": 140, "pytorch-fid": 100}, 0.3, [True, True, True, True, True]),
        (50, {"torch-fidelity": 139, "pytorch-fid": 99}, 0.31, [False, False, True, True, False]),
        (50, {"torch-fidelity": 140}, 0.3, [True, None, True, True, True]),
    ],
)
def test_goals_are_met_or_not_by_what_was_measured(seconds, peers, start, met):
    goals = make_speed([one_round(seconds, peers)], start).goals()
    assert [goal.met for goal in goals[:5]] == met
    assert goals[2].reached == pytest.approx(1.0)  # 20 of 228.4 / 11.42 pictures/s


def test_goals_can_be_missed_by_extraction_by_the_cache_and_by_torch():
    slow = one_round(50, {}, rate=16.9)
    slow.runs["mifid"]["cached"] = result(1.51)
    slow.networks["mifid-torch"] = 8.9
    goals = {goal.what.split(":")[0]: goal.met for goal in make_speed([slow]).goals()}
    assert not any(goals[name] for name in ("extraction", "cached", "backend torch"))


def test_another_number_is_told_where_the_resize_is_the_same():
    off = {"cold": result(9, fid=10.1, pictures=None)}
    found = one_round(9, {}, **{"torch-fidelity": off, "pytorch-fid": off})
    said = speed_report.disagreements(found)
    assert said == ["torch-fidelity (cold): fid is +1.0e-02 from mifid's, relative"]
    found.runs["mifid"]["cached"] = result(1, fid=9.0, pictures=(1000, 299))
    assert len(speed_report.disagreements(found)) == 3


def run_main(monkeypatch, docs, rounds):
    monkeypatch.setattr(speed, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(speed, "measure", lambda *_, **__: make_speed(rounds))
    given = ["--tools", "torch-fidelity", "--docs", str(docs)]
    return CliRunner().invoke(speed.main, given)


def test_the_report_says_it_all_and_replaces_its_own_section_only(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("before\n<!-- begin speed -->\noutdated\n<!-- end speed -->\nafter\n")
    rounds = [one_round(s, {"torch-fidelity": 3 * s}) for s in (40, 50)]
    done = run_main(monkeypatch, docs, rounds)
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    assert text.startswith("before\n<!-- begin speed -->\n## ")
    assert text.endswith("\n<!-- end speed -->\nafter\n")
    assert "1,000 generated pictures against 300, drawn by mifid" in text
    assert "| 135.0 (120.0–150.0) | 3.00 | 9.6 |" in text
    assert "| mifid, cached | 1.20 (1.20–1.20) |" in text
    assert "| openvino | 228 (228–228) | 20.0 |" in text
    assert "| mifid | 25.0 (25.0–25.0) | 20.0 (20.0–20.0) | 100 % | 80 % |" in text
    assert "torch-fidelity's speed | at least 2.8 | 3.00 | yes |" in text
    assert "pytorch-fid's speed | at least 2 |  | not measured |" in text
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_disagreement_fails_and_leaves_the_documentation_alone(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    found = one_round(9, {"torch-fidelity": 27})
    theirs = found.runs["torch-fidelity"]
    theirs["cold"] = replace(theirs["cold"], fid=float("nan"))
    done = run_main(monkeypatch, docs, [found])
    assert done.exit_code == 1
    assert "torch-fidelity (cold): fid is +nan" in done.output
    assert not list(tmp_path.iterdir())


def test_every_other_round_goes_backwards_and_the_better_product_around_it_counts(monkeypatch):
    went, products = [], iter([30.0, 20.0, 40.0])
    monkeypatch.setattr(speed, "run_states", lambda tool, *_: went.append(tool) or {})
    monkeypatch.setattr(speed, "product_rate", lambda *_: next(products))
    monkeypatch.setattr(speed, "network_rate", lambda *_: 1.0)
    monkeypatch.setattr(speed, "cost_of_a_picture", lambda _: 11.4)
    monkeypatch.setattr(speed, "_starts", dict)
    names = ["mifid", "mifid-torch", "torchmetrics-fid", "pytorch-fid"]
    given = {"libraries": ["numpy"], "roof_seconds": 1}
    found = speed.measure(names, None, rounds=2, **given)
    assert went == [*names, *reversed(names)]
    assert [one.products["numpy"] for one in found.rounds] == [30.0, 40.0]
    assert list(found.rounds[1].runs) == names
    assert "torch-fidelity" in found.rounds[0].networks


def test_the_faster_size_of_a_product_counts(monkeypatch):
    monkeypatch.setattr(roof, "LIBRARIES", {"toy": lambda size: size})
    monkeypatch.setattr(roof, "_median_seconds", lambda size, _: {1024: 0.1, 2048: 0.4}[size])
    assert roof.product(library="toy", seconds=1) == pytest.approx(2 * 2048**3 / 0.4 / 1e9)


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


def test_only_the_first_pictures_are_taken(tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("c.jpg", "a.jpg", "b.png", "readme.txt"):
        (folder / name).write_text(name)
    linked = speed._first(folder, 2, tmp_path / "first")
    assert {file.name: file.read_text() for file in linked.iterdir()} == {
        "a.jpg": "a.jpg",
        "b.png": "b.png",
    }


def test_workers_are_mifids_own():
    assert job.WORKERS["mifid"] == default_workers()


def test_every_peer_has_a_batch_size():
    assert {name for name, tool in tools.TOOLS.items() if tool.batch_size is None} == {
        "mifid",
        "mifid-torch",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tools", "torchfidelity"], "unknown: torchfidelity. There are: mifid, mifid-torch,"),
        (
            ["--tools", "torch-fidelity", "--libraries", "blis"],
            "--libraries: unknown: blis. There are: numpy, openvino,",
        ),
        (
            ["--tools", "torch-fidelity", "--docs", "nowhere/b.md"],
            "the folder nowhere does not exist",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(options, words):
    done = CliRunner().invoke(speed.main, options)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())


@pytest.mark.network
def test_a_toy_run_measures_mifid_and_torch_fidelity_from_start_to_number(
    tmp_path, network, monkeypatch
):
    measure = tools._ours

    def ours(tool, job, cache, env=None):
        """The network is converted already, even at the first run: it takes ten seconds."""
        if not Path(cache, "openvino").exists():
            Path(cache, "openvino").symlink_to(network / "openvino")
        return measure(tool, job, cache, env)

    monkeypatch.setattr(tools, "_ours", ours)
    monkeypatch.setattr(speed, "STARTED", 1)
    monkeypatch.chdir(tmp_path)
    options = ["--tools", "torch-fidelity", "--draw", "3", "3", "--rounds", "1"]
    options += ["--weights", str(network / "weights.pth")]
    options += ["--libraries", "numpy", "--roof-seconds", "0.01"]
    options += ["--docs", "benchmarks.md", "--json", "found.json"]
    done = CliRunner().invoke(speed.main, options)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    [one] = found["rounds"]
    ours, theirs = one["runs"]["mifid"], one["runs"]["torch-fidelity"]["cold"]
    assert list(ours) == ["first run ever", "cold", "cached"]
    assert ours["cold"]["pictures"] == [3, 3]
    assert ours["cold"]["fid"] == ours["cached"]["fid"] == ours["first run ever"]["fid"] > 1
    assert ours["cold"]["fid"] == pytest.approx(theirs["fid"], rel=1e-4)
    assert min(run["seconds"] for run in ours.values()) > 0
    assert ours["cold"]["rate"] > 0
    assert ours["cached"]["rate"] is None
    assert theirs["batch_size"] == 64
    assert 200 < theirs["peak_mib"] < 8000
    assert found["gflop"] == pytest.approx(11.42, rel=1e-3)
    assert one["products"]["numpy"] > 1
    assert one["networks"]["mifid"] > 0
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin speed -->\n")
    assert str(tmp_path) not in text
    assert (tmp_path / "speed.png").exists()
