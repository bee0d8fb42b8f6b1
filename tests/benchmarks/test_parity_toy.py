"""The parity benchmark: its gate and its report, and a toy run with the one peer mifid needs."""

import json

import pytest
from click.testing import CliRunner

from benchmarks.peers import parity
from benchmarks.peers.job import prepare as prepare_job


def row(**more):
    numbers = {"fid": 10.0, "distance": None, "reversed": None, "mifid": None}
    seconds = dict.fromkeys(("import", "load", "extract", "distance"), 2.0)
    costs = {"seconds": seconds, "total_seconds": 9.0, "cpu_seconds": 10.0, "peak_mib": 100.0}
    return {**numbers, "pictures": [6, 6], "workers": 2, **costs, **more}


@pytest.mark.parametrize(
    ("tool", "theirs", "words"),
    [
        ("torch-fidelity", row(), ""),
        ("torch-fidelity", row(fid=10.0009), ""),
        ("torch-fidelity", row(fid=10.0011), "fid is +1.1e-04 from mifid's"),
        ("torch-fidelity", row(fid=9.9989), "fid is -1.1e-04 from mifid's"),
        ("torch-fidelity", row(fid=float("nan")), "fid is +nan"),
        ("torchmetrics-mifid", row(reversed=0.3), "reversed is +5.0e-01"),
        ("pytorch-fid", row(fid=12.0), ""),  # its resize is another one
        ("pytorch-fid", row(pictures=[6, 5]), "pytorch-fid used [6, 5] pictures, mifid [6, 6]"),
    ],
)
def test_a_disagreement_is_told_if_the_resize_is_the_same(tool, theirs, words):
    said = parity.disagreements({"mifid": row(reversed=0.2), tool: theirs})
    assert len(said) == bool(words)
    assert words in "".join(said)


def run(monkeypatch, docs, **numbers):
    found = {"mifid": row(), "torch-fidelity": row(**numbers)}
    monkeypatch.setattr(parity, "_run_all", lambda *_: [found, found])
    given = ["--tools", "torch-fidelity", "--rounds", "2", "--docs", str(docs)]
    return CliRunner().invoke(parity.main, given)


def test_a_disagreement_fails_and_leaves_the_documentation_alone(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("as it was")
    result = run(monkeypatch, docs, fid=10.1)
    assert result.exit_code == 1
    assert "torch-fidelity: fid is +1.0e-02 from mifid's" in result.output
    assert docs.read_text() == "as it was"


def test_the_report_replaces_its_own_section_only(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("before\n<!-- begin parity -->\noutdated\n<!-- end parity -->\nafter\n")
    costs = {"total_seconds": 18.0, "cpu_seconds": 5.0, "peak_mib": 150.0}
    result = run(monkeypatch, docs, fid=10.0001, **costs)
    assert result.exit_code == 0, result.output
    text = docs.read_text()
    assert text.startswith("before\n<!-- begin parity -->\n## ")
    assert text.endswith("\n<!-- end parity -->\nafter\n")
    assert "outdated" not in text
    assert "| TensorFlow 1 | 10.0001 | +1.0e-05 |" in text
    stages = "| torch-fidelity | 2 | 2.00 | 2.00 | 2.00 | 2.00 |"
    assert f"{stages} 18.0 | 2.00 | 5.0 | 0.50 | 150 | 1.50 |" in text
    assert "--rounds 2" in text


def test_an_unknown_tool_is_refused():
    result = CliRunner().invoke(parity.main, ["--tools", "mifid,torchfidelity"])
    assert result.exit_code == 2
    assert "unknown: torchfidelity. There are: mifid, mifid-torch, torch-fidelity," in result.output


def test_a_file_that_could_not_be_written_is_refused_before_the_work(tmp_path):
    options = ["--tools", "mifid", "--docs", str(tmp_path / "docs" / "b.md")]
    result = CliRunner().invoke(parity.main, options)
    assert result.exit_code == 2
    assert "does not exist" in result.output


@pytest.mark.network
def test_mifid_and_torch_fidelity_agree_on_drawn_pictures(tmp_path, network, monkeypatch):
    def prepare(job, *, convert, **given):
        """The network is converted already: it takes ten seconds."""
        assert convert
        prepare_job(job, convert=False, **given)
        (job.peers / "openvino").symlink_to(network / "openvino")

    monkeypatch.setattr(parity, "prepare", prepare)
    monkeypatch.chdir(tmp_path)
    options = ["--tools", "mifid,torch-fidelity", "--draw", "3", "3"]
    options += ["--weights", str(network / "weights.pth")]
    options += ["--docs", "benchmarks.md", "--json", "found.json"]
    done = CliRunner().invoke(parity.main, options)
    assert done.exit_code == 0, done.output
    [found] = json.loads((tmp_path / "found.json").read_text())["rounds"]
    ours, theirs = found["mifid"], found["torch-fidelity"]
    assert ours["pictures"] == theirs["pictures"] == [3, 3]
    assert ours["fid"] == pytest.approx(theirs["fid"], rel=1e-4)
    assert ours["fid"] > 1
    assert 0 < ours["distance"] < 1
    for tool in (ours, theirs):
        assert all(seconds > 0 for seconds in tool["seconds"].values())
        assert sum(tool["seconds"].values()) < tool["total_seconds"]
        assert tool["cpu_seconds"] > 1
        assert 200 < tool["peak_mib"] < 8000
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin parity -->\n")
    assert "| torch-fidelity |" in text
    assert str(tmp_path) not in text
