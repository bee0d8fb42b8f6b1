"""The benchmark of all measures, at toy sizes."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mifid.metrics import METRICS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TOY = ["--generated", "150", "--reference", "60", "--held-out", "40", "--width", "24"]


@pytest.fixture
def measures(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import measures

    return measures


@pytest.mark.parametrize("name", METRICS)
def test_every_measure_can_be_measured(measures, name):
    found = measures.measure(name, 150, 60, 40, 24)
    assert found["seconds"] > 0
    assert found["mib"] >= 0
    assert list(found["values"]) == list(METRICS[name].values)


def test_sides_are_what_the_measure_needs(measures):
    found = measures.sides("fld", 150, 60, 40, 24)
    assert {side: rows.shape for side, rows in found.items()} == {
        "generated": (150, 24),
        "training": (60, 24),
        "held_out": (40, 24),
    }
    assert all(rows.dtype == np.float32 for rows in found.values())
    assert not np.array_equal(found["training"][:40], found["held_out"])
    assert measures.sides("is", 150, 60, 40, 24)["logits"].shape == (150, 1008)


def test_writes_a_row_a_measure_into_the_documentation(measures, tmp_path):
    docs = tmp_path / "benchmarks.md"
    given = [*TOY, "--reference", "90", "--rounds", "1", "--metrics", "vendi,authpct"]
    done = CliRunner().invoke(measures.main, [*given, "--docs", str(docs)])
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    assert "<!-- begin measures -->" in text
    assert "150 × 60: seconds | MiB | 150 × 90: seconds | MiB |" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split(" | ")[0] for row in rows] == ["| `vendi`", "| `authpct`"]
    assert rows[1].split(" | ")[1] == "generated, training"
    assert all(float(cell) >= 0 for row in rows for cell in row.strip("| ").split(" | ")[2:])


def test_a_measure_that_fails_is_told_and_writes_nothing(measures, tmp_path):
    docs = tmp_path / "benchmarks.md"
    few = ["--generated", "5", "--reference", "60", "--held-out", "40", "--width", "24"]
    given = [*few, "--rounds", "1", "--metrics", "ct", "--docs", str(docs)]
    done = CliRunner().invoke(measures.main, given)
    assert done.exit_code == 1
    assert "at least 21 generated pictures" in done.output
    assert not docs.exists()
