"""The benchmark of growth: its fit, its blocks against the whole, its words, and a toy run."""

import json
import os
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.growth import __main__ as growth
from benchmarks.growth import pictures
from benchmarks.growth.million import BASE, MIXING, REFERENCE, RunningDistance, blocks, simulate
from benchmarks.growth.pictures import Run, fit
from benchmarks.growth.report import lines_table, simulation
from benchmarks.metrics import draw
from benchmarks.pictures import zip_pictures
from benchmarks.processes import Measured, path, run
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.statistics.statistics import Statistics


def one(variant="fid", pictures=100, seconds=5.0, peak_mib=400.0):
    return Run(
        variant=variant,
        pictures=pictures,
        seconds=seconds,
        hashing=pictures / 1000,
        extracting=pictures / 20,
        cpu_seconds=2 * seconds,
        peak_mib=peak_mib,
        together_mib=None,
    )


# --- lines ----------------------------------------------------------------------------------------


def test_a_line_is_recovered_with_its_largest_relative_deviation():
    line = fit([250, 1000, 4000], [3 + 0.05 * n for n in (250, 1000, 4000)])
    assert (line.start, line.each) == (pytest.approx(3), pytest.approx(0.05))
    assert line.worst < 1e-12
    # By hand: slope (0*1 + 1*1 + 2*4 - 3*2) / 2 = 1.5, mean 2 at 1, so 0.5, 2, 3.5 on the line.
    bent = fit([0, 1, 2], [1, 1, 4])
    assert (bent.start, bent.each) == (pytest.approx(0.5), pytest.approx(1.5))
    assert bent.worst == pytest.approx(1.0)  # at 0: 1 where 0.5 was to be expected
    with pytest.raises(statistics.StatisticsError):
        fit([5, 5], [1, 2])


def test_each_variant_has_lines_of_its_own():
    runs = [one(pictures=n, seconds=2 + n / 20, peak_mib=400) for n in (100, 200, 300)]
    runs += [one("mifid", n, 3 + n / 10, 300 + n / 100) for n in (100, 200, 300)]
    rows = lines_table(runs).splitlines()
    assert "| fid, process s | 2.0 | 50.0 | 0.0% |" in rows
    assert "| fid, CPU s | 4.0 | 100.0 | 0.0% |" in rows
    assert "| fid, peak MiB | 400.0 | 0.0 | 0.0% |" in rows
    assert "| mifid, process s | 3.0 | 100.0 | 0.0% |" in rows
    assert "| mifid, peak MiB | 300.0 | 10.0 | 0.0% |" in rows


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    given = ["--photos", str(tmp_path), "--reference", str(tmp_path)]
    result = CliRunner().invoke(growth.main, given)
    assert result.exit_code == 2
    assert "0 photos, 0 reference pictures: too few" in result.output


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ("100,all", "three different numbers"),
        ("100,7038,all", "three different numbers"),
        ("1,2,3", "at least 2 pictures"),
        ("10,twenty,30", "250,1000,all"),
    ],
)
def test_sizes_that_make_no_line_are_refused_before_the_work(sizes, words):
    import click

    assert growth.numbers_of("all,250, 500,250", 7038) == [250, 500, 7038]
    with pytest.raises(click.UsageError, match=words):
        growth.numbers_of(sizes, 7038)


# --- the simulation -------------------------------------------------------------------------------


def test_no_two_blocks_are_the_same_and_all_are_like_the_base():
    base = draw(64, 24, 1)
    found = [block.copy() for block in blocks(base, 150, 3)]
    assert [len(block) for block in found] == [64, 64, 22]
    rows = np.concatenate(found)
    assert rows.dtype == np.float32
    assert len(np.unique(rows, axis=0)) == 150
    assert rows.min() >= 0
    assert np.abs(rows.mean(axis=0) - base.mean(axis=0)).max() < 0.3
    assert 0.3 < rows.var(axis=0).sum() / base.var(axis=0).sum() < 1
    assert np.linalg.matrix_rank(rows - rows.mean(axis=0)) == 24


def test_block_by_block_gives_what_the_whole_gives():
    found = simulate(n=300, references=40, width=24, rows=64)
    whole = np.concatenate([block.copy() for block in blocks(draw(64, 24, BASE), 300, MIXING)])
    reference = draw(40, 24, REFERENCE)
    assert found["fid"] == pytest.approx(frechet_distance(generated=whole, reference=reference))
    direct = memorization_distance(generated=whole, reference=reference)
    assert found["distance"] == pytest.approx(direct, rel=1e-12)
    assert 0 < direct < 1
    assert found["gflop"] == {"statistics": 300 * 24 * 25 / 1e9, "distance": 2 * 300 * 40 * 24e-9}
    assert set(found["seconds"]) == {"drawing", "statistics", "distance", "fid"}
    assert min(*found["seconds"].values(), found["product"]) > 0
    assert list(found["peak_mib"]) == ["a tenth", "all", "fid"]


def test_rows_of_zeros_do_not_count_in_a_running_distance(random):
    rows, reference = random.rand(50, 8), random.rand(6, 8)
    rows[[3, 20]] = 0
    rows[40:] = 0  # the last block has nothing else
    running = RunningDistance(reference)
    for start in range(0, 50, 10):
        running.update(rows[start : start + 10])
    direct = memorization_distance(generated=rows, reference=reference)
    assert running.value == pytest.approx(direct, rel=1e-12)


def test_statistics_of_many_blocks_are_those_of_numpy(random):
    rows = (random.rand(5000, 6) * 100).astype(np.float32)
    found = Statistics()
    for start in range(0, 5000, 700):
        found.update(rows[start : start + 700])
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(found.mu, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.sigma, np.cov(exact, rowvar=False), rtol=1e-10, atol=1e-9)


SIMULATED = {
    "n": 500_000,
    "references": 1193,
    "width": 2048,
    "rows": 4096,
    "fid": 217.5,
    "distance": 0.397,
    "seconds": {"drawing": 2.0, "statistics": 40.0, "distance": 30.0, "fid": 0.25},
    "gflop": {"statistics": 2000.0, "distance": 2400.0},
    "product": 100.0,
    "peak_mib": {"a tenth": 350.0, "all": 351.0, "fid": 360.0},
}


def test_the_simulation_is_told_with_its_rates():
    text = simulation(SIMULATED)
    assert "500,000 × 2,048 float32, in blocks of 4,096" in text
    assert "| mean and covariance | 40.00 | 2 | 50 | 50% |" in text
    assert "| memorization distance against 1,193 | 30.00 | 2.4 | 80 | 80% |" in text
    assert "| FID from them | 0.25 |  |  |  |" in text
    assert "350 MiB after a\ntenth of the rows, 351 MiB after all, and 360 MiB with FID" in text


# --- the command ----------------------------------------------------------------------------------


def test_what_measures_others_is_small_itself():
    modules = ("growth.__main__", "submission", "training", "peers.parity", "peers.speed")
    code = "import sys\n" + "".join(f"import benchmarks.{name}\n" for name in modules)
    done = run([sys.executable, "-c", f"{code}print(*sys.modules)"], env=path())
    assert not {"numpy", "torch", "matplotlib"} & set(done.stdout.split())


def test_too_many_pictures_come_again_under_other_names(tmp_path):
    for name in ("a.jpg", "b.jpg", "notes.txt"):
        (tmp_path / name).write_text(name)
    assert zip_pictures(tmp_path, tmp_path / "found.zip", 5) == 5
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        assert archive.namelist() == ["a.jpg", "b.jpg", "1_a.jpg", "1_b.jpg", "2_a.jpg"]
        assert archive.read("2_a.jpg") == b"a.jpg"


def test_each_run_finds_the_converted_network_and_no_features(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").touch()
    met = []

    def score(images, reference, *options, env, watch=False):
        """What the command leaves in its cache, and what it finds there."""
        cache = Path(env["MIFID_CACHE"])
        met.append((sorted(path.name for path in cache.rglob("*")), options))
        for kept in ("openvino", "features"):
            (cache / kept).mkdir(exist_ok=True)
            (cache / kept / str(len(met))).touch()
        seconds = {"hash generated": 0.1, "extract generated": 2.0}
        report = {"n_generated": 2, "seconds": seconds}
        return report, Measured(3.0, 4.0, 5.0, 6.0, 0, "", "")

    monkeypatch.setattr(pictures, "score", score)
    given = {"photos": tmp_path, "reference": tmp_path, "options": ["--backend", "openvino"]}
    runs = pictures.measure([2], variants=["fid", "mifid"], **given)
    assert [(one.variant, one.pictures) for one in runs] == [("fid", 2), ("mifid", 2)]
    assert met[0] == ([], ("--backend", "openvino"))
    assert all(found == ["1", "openvino"] for found, _ in met[1:])
    assert met[1][1] == ("--backend", "openvino", "--metrics", "fid", "--ci", "0")
    assert (runs[0].hashing, runs[0].extracting, runs[0].together_mib) == (0.1, 2.0, 6.0)
    with pytest.raises(click.ClickException, match="mifid used 2 pictures; the zip has 3"):
        pictures.measure([3], variants=["fid"], **given)


def test_a_run_that_fails_is_told_and_writes_nothing(tmp_path):
    docs = tmp_path / "benchmarks.md"
    given = ["--draw", "2", "2", "--sizes", "2,3,4", "--extractor", "none:such"]
    given += ["--million", "50", "--references", "5", "--entries", "50"]
    result = CliRunner().invoke(growth.main, [*given, "--docs", str(docs)])
    assert result.exit_code == 1
    assert "mifid_cli score" in result.output
    assert "none" in result.output
    assert not docs.exists()


def test_drawn_pictures_make_the_section_and_the_plot(tmp_path):
    docs = tmp_path / "benchmarks.md"
    # No network, whose conversion would take most of the time.
    (tmp_path / "toy.py").write_text(
        "def colours(batch):\n    return batch.float().mean(dim=(2, 3))\n"
    )
    docs.write_text("# Benchmarks\n\n<!-- begin other -->\nkept\n<!-- end other -->\n")
    given = ["--draw", "3", "3", "--sizes", "2,4,6", "--variants", "fid", "--million", "500"]
    given += ["--extractor", "toy:colours"]
    given += ["--references", "20", "--entries", "2000", "--docs", "benchmarks.md"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *given, "--json", "found.json"],
        cwd=tmp_path,
        env={**os.environ, **path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert [one["pictures"] for one in found["runs"]] == [2, 4, 6]
    for one in found["runs"]:
        assert 0 < one["extracting"] < one["seconds"]
        assert one["cpu_seconds"] > 0.3
        assert 100 < one["peak_mib"] < 4000
    assert found["simulated"]["n"] == 500
    assert found["archive"]["entries"] == 2000
    text = docs.read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin other -->\nkept\n<!-- end other -->\n\n")
    assert "<!-- begin growth -->\n## Growth" in text
    assert "up to 3 different photos" in text
    assert "extractor toy:colours." in text
    assert "against 3 reference pictures (photos and reference drawn by mifid)" in text
    assert text.count("\n| fid, ") == 3 + 3  # runs, and lines of seconds, CPU seconds and MiB
    assert "(growth.png)" in text
    assert "`python -m benchmarks.growth --draw 3 3 --sizes 2,4,6 --variants fid " in text
    assert "--entries 2000 --docs docs/benchmarks.md`" in text
    assert str(tmp_path) not in text
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
