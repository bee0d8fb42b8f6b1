"""The speed benchmark: what it computes and reports, and a toy run with one peer."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.peers import speed, speed_report, tools
from mifid.images.loader import default_workers


def result(seconds, **more):
    costs = {"seconds": seconds, "cpu_seconds": 1.5 * seconds, "peak_mib": 100.0}
    given = {"together_mib": None, "batch_size": 8, "workers": 2, "pictures": (1000, 300), **costs}
    return tools.Result(**{"fid": 10.0, **given, **more})


def one_round(seconds, peers, **more):
    ours = {
        "first run ever": result(seconds + 10),
        "cold": result(seconds, distance=0.1),
        "cached": result(1.2, distance=0.1),
    }
    states = {tool: {"cold": result(s, pictures=None)} for tool, s in peers.items()}
    return {"mifid": ours, **states, **more}


def make_speed(rounds):
    return speed_report.Speed(rounds, {"mifid --help": [0.1, 0.1, 9.0], "import mifid": [0.1]})


def test_ratios_are_taken_within_a_round():
    rounds = [
        one_round(ours, {"torch-fidelity": theirs})
        for ours, theirs in ((10, 50), (20, 30), (30, 60))
    ]
    found = make_speed(rounds)
    assert found.ratios("torch-fidelity") == [5.0, 1.5, 2.0]
    assert found.ratios("torch-fidelity", over=("mifid", "first run ever")) == [2.5, 1.0, 1.5]
    assert found.ratios("pytorch-fid") == []
    assert found.busy("mifid") == pytest.approx([1.5 / (os.cpu_count() or 1)] * 3)


def test_another_number_is_told_where_the_resize_is_the_same():
    off = {"cold": result(9, fid=10.1, pictures=None)}
    found = one_round(9, {}, **{"torch-fidelity": off, "pytorch-fid": off})
    said = speed_report.disagreements(found)
    assert said == ["torch-fidelity (cold): fid is +1.0e-02 from mifid's, relative"]
    found["mifid"]["cached"] = result(1, fid=9.0, pictures=(1000, 299))
    assert len(speed_report.disagreements(found)) == 3


def run_main(monkeypatch, docs, rounds):
    monkeypatch.setattr(speed, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(speed, "measure", lambda *_, **__: make_speed(rounds))
    given = ["--tools", "torch-fidelity", "--docs", str(docs)]
    return CliRunner().invoke(speed.main, given)


def test_the_report_says_it_all_and_replaces_its_own_section_only(
    monkeypatch, tmp_path, unrendered
):
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
    assert "`mifid --help` takes 0.10 s" in text
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_disagreement_fails_and_leaves_the_documentation_alone(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    found = one_round(9, {"torch-fidelity": 27})
    theirs = found["torch-fidelity"]
    theirs["cold"] = replace(theirs["cold"], fid=float("nan"))
    done = run_main(monkeypatch, docs, [found])
    assert done.exit_code == 1
    assert "torch-fidelity (cold): fid is +nan" in done.output
    assert not list(tmp_path.iterdir())


def test_every_other_round_goes_backwards(monkeypatch):
    went = []
    monkeypatch.setattr(speed, "run_states", lambda tool, *_: went.append(tool) or {})
    monkeypatch.setattr(speed, "STARTS", {})
    names = ["mifid", "mifid-torch", "torchmetrics-fid", "pytorch-fid"]
    found = speed.measure(names, None, rounds=2)
    assert went == [*names, *reversed(names)]
    assert [list(one) for one in found.rounds] == [names, names]


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
    assert tools.TOOLS["mifid"].workers == default_workers()


def test_every_peer_has_a_batch_size_and_one_way_to_run():
    for name, tool in tools.TOOLS.items():
        ways = [tool.command, tool.function]
        assert (tool.batch_size > 0, ways.count(None)) == (
            (False, 2) if tool.package == "mifid" else (True, 1)
        ), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tools", "torchfidelity"], "unknown: torchfidelity. There are: mifid, mifid-torch,"),
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
    tmp_path, network, monkeypatch, here, unrendered
):
    measure = tools.run_mifid

    def ours(tool, job, cache, env=None):
        """The network is converted already, even at the first run: it takes ten seconds."""
        if not Path(cache, "openvino").exists():
            Path(cache, "openvino").symlink_to(network / "openvino")
        return measure(tool, job, cache, env)

    monkeypatch.setattr(tools, "run_mifid", ours)
    monkeypatch.setattr(speed, "STARTED", 1)
    monkeypatch.chdir(tmp_path)
    options = ["--tools", "torch-fidelity", "--draw", "2", "2", "--rounds", "1"]
    options += ["--weights", str(network / "weights.pth")]
    options += ["--docs", "benchmarks.md", "--json", "found.json"]
    done = CliRunner().invoke(speed.main, options)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    [one] = found["rounds"]
    ours, theirs = one["mifid"], one["torch-fidelity"]["cold"]
    assert list(ours) == ["first run ever", "cold", "cached"]
    assert ours["cold"]["pictures"] == [2, 2]
    assert ours["cold"]["fid"] == ours["cached"]["fid"] == ours["first run ever"]["fid"] > 1
    assert ours["cold"]["fid"] == pytest.approx(theirs["fid"], rel=1e-4)
    assert min(run["seconds"] for run in ours.values()) > 0
    assert theirs["batch_size"] == 64
    assert list(found["starts"]) == ["mifid --help", "import mifid"]
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin speed -->\n")
    assert str(tmp_path) not in text
    assert (tmp_path / "speed.png").exists()
