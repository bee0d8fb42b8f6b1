"""The benchmark of --precision fast, at toy size."""

import pytest
from benchmarks_here import make_shallow
from click.testing import CliRunner

from benchmarks import precision


def test_what_moved(random):
    generated, reference = random.rand(30, 5), random.rand(20, 5)
    exact = precision.Found(generated, reference, 10.0)
    same = precision.moved(exact, exact)
    assert (same["features"], same["fid"], same["distance"], same["rate"]) == (0, 0, 0, 1)
    fast = precision.Found(generated * 2, reference, 30.0)
    told = precision.moved(fast, exact)
    assert told["features"] == pytest.approx(1)
    assert told["fid"] > 0.1
    assert told["distance"] == pytest.approx(0, abs=1e-9)  # of directions, not of lengths
    assert told["rate"] == pytest.approx(3)


def test_writes_a_row_a_backend(tmp_path, monkeypatch, here):
    make_shallow(monkeypatch)
    docs = tmp_path / "benchmarks.md"
    given = ["--draw", "2", "2", "--backend", "torch", "--rounds", "1", "--docs", str(docs)]
    done = CliRunner().invoke(precision.main, given)
    assert done.exit_code == 0, done.output
    (row,) = [line for line in docs.read_text().splitlines() if line.startswith("| torch on cpu")]
    error = float(row.split("|")[3])
    assert 1e-3 < error < 0.5
    assert "2 drawn photos against 2 drawn paintings" in docs.read_text()
