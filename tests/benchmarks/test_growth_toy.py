"""The benchmark of growth: its lines, its words, and a toy run."""

import statistics
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import growth
from benchmarks.growth import Run, fit, lines_table
from benchmarks.processes import Measured


def one(variant="fid", pictures=100, seconds=5.0, peak_mib=400.0):
    times = {"hashing": pictures / 1000, "extracting": pictures / 20, "cpu_seconds": 2 * seconds}
    return Run(variant, pictures, seconds, **times, peak_mib=peak_mib, together_mib=None)


def line_of(points):
    return fit([one(pictures=x, seconds=y) for x, y in points], "fid", lambda run: run.seconds)


def test_a_line_is_recovered_with_its_largest_relative_deviation():
    line = line_of([(n, 3 + 0.05 * n) for n in (250, 1000, 4000)])
    assert (line.start, line.each) == (pytest.approx(3), pytest.approx(0.05))
    assert line.worst < 1e-12
    # By hand: slope (0*1 + 1*1 + 2*4 - 3*2) / 2 = 1.5, mean 2 at 1, so 0.5, 2, 3.5 on the line.
    bent = line_of([(0, 1), (1, 1), (2, 4)])
    assert (bent.start, bent.each) == (pytest.approx(0.5), pytest.approx(1.5))
    assert bent.worst == pytest.approx(1.0)  # at 0: 1 where 0.5 was to be expected
    with pytest.raises(statistics.StatisticsError):
        line_of([(5, 1), (5, 2)])


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


@pytest.mark.parametrize("sizes", ["100,all", "100,7038,all", "1,2,3", "10,twenty,30"])
def test_sizes_that_make_no_line_are_refused_before_the_work(sizes):
    assert growth.numbers_of("all,250, 500,250", 7038) == [250, 500, 7038]
    with pytest.raises(click.UsageError, match="three different numbers of at least 2"):
        growth.numbers_of(sizes, 7038)


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

    monkeypatch.setattr(growth, "score", score)
    given = {"photos": tmp_path, "reference": tmp_path, "options": ["--backend", "openvino"]}
    runs = growth.measure([2], variants=["fid", "mifid"], **given)
    assert [(one.variant, one.pictures) for one in runs] == [("fid", 2), ("mifid", 2)]
    assert met[0] == ([], ("--backend", "openvino"))
    assert all(found == ["1", "openvino"] for found, _ in met[1:])
    assert met[1][1] == ("--backend", "openvino", "--metrics", "fid", "--ci", "0")
    assert (runs[0].hashing, runs[0].extracting, runs[0].together_mib) == (0.1, 2.0, 6.0)
    with pytest.raises(click.ClickException, match="mifid used 2 pictures; the zip has 3"):
        growth.measure([3], variants=["fid"], **given)


def test_a_run_that_fails_is_told_and_writes_nothing(tmp_path, here):
    docs = tmp_path / "benchmarks.md"
    given = ["--draw", "2", "2", "--sizes", "2,3,4", "--extractor", "none:such"]
    result = CliRunner().invoke(growth.main, [*given, "--docs", str(docs)])
    assert result.exit_code == 1
    assert "mifid_cli score" in result.output
    assert "none" in result.output
    assert not docs.exists()


def test_drawn_pictures_make_the_section(tmp_path, here):
    docs = tmp_path / "benchmarks.md"
    docs.write_text("# Benchmarks\n\n<!-- begin other -->\nkept\n<!-- end other -->\n")
    given = ["--draw", "3", "3", "--sizes", "2,4,6", "--variants", "fid"]
    given += ["--extractor", "toys:colours", "--docs", str(docs)]
    done = CliRunner().invoke(growth.main, given)
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin other -->\nkept\n<!-- end other -->\n\n")
    assert "<!-- begin growth -->\n## Growth" in text
    assert "up to 3 different photos" in text
    assert "against 3 reference pictures, drawn by mifid" in text
    assert "extractor toys:colours." in text
    assert text.count("\n| fid, ") == 3 + 3  # runs, and lines of seconds, CPU seconds and MiB
    assert "`python -m benchmarks.growth --draw 3 3 --sizes 2,4,6 --variants fid " in text
    assert str(tmp_path) not in text
