"""The benchmark of the metrics, at toy sizes."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import metrics
from mifid.metrics import METRICS

TOY = ["--generated", "150", "--reference", "60", "--held-out", "40", "--width", "24"]
TOY += ["--large", "30", "--rounds", "1"]


@pytest.mark.parametrize("name", METRICS)
def test_every_measure_can_be_measured(name):
    found = metrics.measure(metric=name, sizes=(150, 60, 40, 24))
    assert found["seconds"] > 0
    assert found["mib"] >= 0
    assert list(found["values"]) == list(METRICS[name].values)


def test_sides_are_what_the_measure_needs():
    found = metrics.sides("fld", 150, 60, 40, 24)
    assert {side: rows.shape for side, rows in found.items()} == {
        "generated": (150, 24),
        "training": (60, 24),
        "held_out": (40, 24),
    }
    assert all(rows.dtype == np.float32 for rows in found.values())
    assert not np.array_equal(found["training"][:40], found["held_out"])
    assert metrics.sides("is", 150, 60, 40, 24)["logits"].shape == (150, 1008)


def test_writes_a_row_a_measure_into_the_documentation(tmp_path, here):
    docs = tmp_path / "benchmarks.md"
    given = [*TOY, "--reference", "90", "--metrics", "vendi,authpct"]
    done = CliRunner().invoke(metrics.main, [*given, "--docs", str(docs)])
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    assert "<!-- begin measures -->" in text
    assert "| FID of 150 x 60 x 24 |" in text
    assert "| scipy.linalg.sqrtm (as pytorch-fid) |" in text
    assert "Memorization distance of 30 x 30 x 24: " in text
    assert "150 × 60: seconds | MiB | 150 × 90: seconds | MiB |" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split(" | ")[0] for row in rows] == ["| `vendi`", "| `authpct`"]
    assert rows[1].split(" | ")[1] == "generated, training"
    assert all(float(cell) >= 0 for row in rows for cell in row.strip("| ").split(" | ")[2:])


def test_a_measure_that_fails_is_told_and_writes_nothing(tmp_path, here):
    docs = tmp_path / "benchmarks.md"
    few = ["--generated", "5", "--reference", "60", "--held-out", "40", "--width", "24"]
    given = [*few, "--rounds", "1", "--metrics", "ct", "--docs", str(docs)]
    done = CliRunner().invoke(metrics.main, given)
    assert done.exit_code == 1
    assert "at least 21 generated pictures" in done.output
    assert not docs.exists()
