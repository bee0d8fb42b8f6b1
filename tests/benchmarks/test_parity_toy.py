"""The parity benchmark: its gate and its report, and a toy run with the one peer mifid needs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.peers import parity, tools


def result(**more):
    costs = {"seconds": 9.0, "cpu_seconds": 10.0, "peak_mib": 100.0, "together_mib": None}
    given = {"fid": 10.0, "pictures": (6, 6), "batch_size": 32, "workers": 2, **costs}
    return tools.Result(**{**given, **more})


@pytest.mark.parametrize(
    ("tool", "theirs", "words"),
    [
        ("torch-fidelity", result(pictures=None), ""),
        ("torch-fidelity", result(fid=10.0009), ""),
        ("torch-fidelity", result(fid=10.0011), "fid is +1.1e-04 from mifid's"),
        ("torch-fidelity", result(fid=9.9989), "fid is -1.1e-04 from mifid's"),
        ("torch-fidelity", result(fid=float("nan")), "fid is +nan"),
        ("torchmetrics-mifid", result(reversed=0.3), "reversed is +5.0e-01"),
        ("pytorch-fid", result(fid=12.0), ""),  # its resize is another one
        ("pytorch-fid", result(pictures=[6, 5]), "pytorch-fid used [6, 5] pictures, mifid (6, 6)"),
    ],
)
def test_a_disagreement_is_told_if_the_resize_is_the_same(tool, theirs, words):
    said = tools.differences({tool: theirs}, result(reversed=0.2))
    assert len(said) == bool(words)
    assert words in "".join(said)


def run(monkeypatch, docs, **numbers):
    found = {"mifid": result(distance=0.25), "torch-fidelity": result(**numbers)}
    monkeypatch.setattr(parity, "run_all", lambda *_: found)
    given = ["--tools", "torch-fidelity", "--batch-size", "16", "--docs", str(docs)]
    return CliRunner().invoke(parity.main, given)


def test_a_disagreement_fails_and_leaves_the_documentation_alone(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("as it was")
    done = run(monkeypatch, docs, fid=10.1)
    assert done.exit_code == 1
    assert "torch-fidelity: fid is +1.0e-02 from mifid's" in done.output
    assert docs.read_text() == "as it was"


def test_the_report_replaces_its_own_section_only(monkeypatch, tmp_path):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("before\n<!-- begin parity -->\noutdated\n<!-- end parity -->\nafter\n")
    done = run(monkeypatch, docs, fid=10.0001)
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    assert text.startswith("before\n<!-- begin parity -->\n## ")
    assert text.endswith("\n<!-- end parity -->\nafter\n")
    assert "outdated" not in text
    assert "| TensorFlow 1 | 10 |  | 0.25 |  |  |" in text
    assert "| TensorFlow 1 | 10.0001 | +1.0e-05 |" in text
    assert "--batch-size 16" in text


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
def test_mifid_runs_both_ways_and_the_others_once(tmp_path, network, monkeypatch, here):
    """The other tool is a double: test_speed_toy.py runs torch-fidelity."""
    measure, asked = tools.run_mifid, []

    def ours(tool, job, cache, env=None):
        """The network is converted already: it takes ten seconds."""
        if not Path(cache, "openvino").exists():
            Path(cache, "openvino").symlink_to(network / "openvino")
        return measure(tool, job, cache, env)

    monkeypatch.setattr(parity, "run_mifid", ours)
    monkeypatch.setattr(parity, "run_cold", lambda tool, job: asked.append(job) or result(fid=7.0))
    monkeypatch.chdir(tmp_path)
    options = ["--tools", "torch-fidelity", "--draw", "3", "2"]
    options += ["--weights", str(network / "weights.pth")]
    options += ["--docs", "benchmarks.md", "--json", "found.json"]
    done = CliRunner().invoke(parity.main, options)
    assert done.exit_code == 1, done.output
    assert "torch-fidelity used (6, 6) pictures, mifid (3, 2)" in done.output
    [job] = asked
    assert (job.generated.name, job.reference.name) == ("generated", "reference")
    found = json.loads((tmp_path / "found.json").read_text())["mifid"]
    assert found["pictures"] == [3, 2]
    assert found["fid"] > 1
    assert 0 < found["distance"] < 1
    assert 0 < found["reversed"] < 1
    assert found["reversed"] != found["distance"]
    assert "| mifid | " in done.output
    assert "3 generated pictures against 2, drawn by mifid" in done.output
    assert str(tmp_path) not in done.output
