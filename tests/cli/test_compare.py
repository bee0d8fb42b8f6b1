"""mifid compare: the table, the files it writes, and each bad input in plain words."""

import csv
import json

import numpy as np
import pytest
from toys import drawn, write_pictures

from mifid.comparison.comparing import compare
from mifid.statistics.features import Features
from mifid.statistics.provenance import Provenance

QUICK = ("--extractor", "toys:colours", "--replicates", "100")


pytestmark = pytest.mark.usefixtures("unrendered")  # plots are tested where they are made


@pytest.fixture(autouse=True)
def submissions(folder):
    """Beside out/ and monet/: worse/, which is darker under the same names."""
    write_pictures(folder / "worse", drawn("photo", 6) // 4)


@pytest.fixture
def run_compare(run):
    return lambda *arguments: run("compare", *arguments, *QUICK)


@pytest.fixture
def refused(run_compare):
    def invoke(*arguments, code=1):
        result = run_compare(*arguments)
        assert result.exit_code == code, result.output
        assert "bug in mifid" not in result.stderr
        return result.stderr

    return invoke


def expected(*submissions, **settings):
    return compare(submissions, "monet", extractor="toys:colours", replicates=100, **settings)


def test_the_table_the_verdicts_and_the_summary(run_compare):
    result = run_compare("worse", "out", "--ref", "monet")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = expected("worse", "out")
    words = " ".join(result.stdout.split())
    for line in found.lines():
        assert " ".join(line.split()) in words
    first, second = (words.index(f" {s.name} ") for s in found.standings)
    assert first < second
    for cell in found.standings[1].cells():
        assert all(part in words.split() for part in cell.split())
    for heading in ("pictures", "behind the best", "chance"):
        assert heading in result.stdout
    table = result.stdout[: result.stdout.index(f"\n{found.best.name}: ")]
    assert all(len(line) <= 100 for line in table.splitlines())


def test_submissions_of_different_sizes_are_judged_at_equal_ones(run_compare, folder):
    write_pictures(folder / "few", drawn("photo", 6, seed=9)[:4])
    result = run_compare("few", "out", "--ref", "monet")
    assert result.exit_code == 0, result.output
    assert "at 4 pictures each: the interval of the difference" in result.stdout
    assert "Submissions hold different numbers of pictures" in result.stdout


def test_a_damaged_file_is_named(refused, folder):
    values = np.ones((5, 3), np.float32)
    np.savez(folder / "good.npz", features=values)
    np.savez(folder / "bad.npz", features=values * np.nan)
    assert "submission bad.npz: " in refused("good.npz", "bad.npz", "--ref", "monet")


def test_json_is_the_only_thing_on_stdout(run_compare):
    result = run_compare("worse", "out", "--ref", "monet", "--json")
    assert result.stderr == ""
    told, same = json.loads(result.stdout), json.loads(expected("worse", "out").to_json())
    same["seconds"] = told["seconds"]
    assert told == same
    assert told["comparable_with_kaggle"] is False


def test_its_options_reach_the_library(run_compare):
    options = ["--ci", 80, "--ci-over", "generated", "--seed", 3, "--epsilon", 0, "--no-cache"]
    result = run_compare("worse", "out", "--ref", "monet", "--json", *options)
    told = json.loads(result.stdout)
    same = expected("worse", "out", ci=80, resample=("generated",), seed=3, epsilon=0, cache=False)
    assert told["submissions"] == json.loads(json.dumps(same.to_dict()["submissions"]))
    assert (told["level"], told["resampled"], told["seed"]) == (80, ["generated"], 3)


@pytest.mark.filterwarnings("ignore:submission worse. the generated and the memorization ref")
def test_a_separate_memorization_reference(run_compare):
    settings = ["--ref", "monet", "--memorization-ref", "worse", "--json"]
    told = json.loads(run_compare("out", "worse", *settings).stdout)
    by_name = {s["name"]: s for s in told["submissions"]}
    assert by_name["worse"]["memorization_distance"] == pytest.approx(0, abs=1e-12)
    assert by_name["out"]["memorization_distance"] > 0
    assert set(told["references"]) == {"reference", "memorization_reference"}


def test_no_intervals_on_demand(run):
    result = run("compare", "worse", "out", "--ref", "monet", "--ci", 0, *QUICK[:2])
    assert "no interval: switched off" in " ".join(result.stdout.split())
    assert "interval)" not in result.stdout


@pytest.mark.parametrize("ending", ["json", "csv", "txt"])
def test_files(ending, run_compare, folder):
    target = folder / f"found.{ending}"
    target.write_text("old")
    result = run_compare("worse", "out", "--ref", "monet", "-o", target)
    assert result.exit_code == 0, result.output
    text, same = target.read_text(), expected("worse", "out")
    if ending == "json":
        assert json.loads(text)["summary"] == same.summary
    elif ending == "txt":
        assert text == same.text() + "\n"
    else:
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["submission"] for row in rows] == [s.name for s in same.standings]
        assert [float(row["mifid"]) for row in rows] == [s.mifid for s in same.standings]
        last = same.standings[-1]
        assert float(rows[1]["difference_low"]) == last.difference_interval.low
        assert rows[0]["difference"] == ""


def test_the_page(run_compare, refused, folder):
    result = run_compare("out", "worse", "--ref", "monet", "--report", "compare.html")
    assert result.exit_code == 0, result.output
    assert "<svg" in (folder / "compare.html").read_text(encoding="utf-8")
    assert "does not end in .html" in refused(
        "out", "out", "--ref", "monet", "--report", "x.txt", code=2
    )


def test_a_history_of_scores_is_not_written_over(run, run_compare, refused, folder):
    run("score", "out", "--ref", "monet", "--extractor", "toys:colours", "-o", "scores.csv")
    history = (folder / "scores.csv").read_text()
    message = refused("nowhere", "out", "--ref", "monet", "-o", "scores.csv")
    assert "cannot replace scores.csv: it is a history of scores" in message
    assert "Give another file name, such as scores-2.csv." in message
    assert (folder / "scores.csv").read_text() == history


def test_its_own_earlier_csv_is_written_over(run_compare, folder):
    for _ in range(2):
        assert run_compare("worse", "out", "--ref", "monet", "-o", "c.csv").exit_code == 0
    assert len((folder / "c.csv").read_text().splitlines()) == 3


def test_a_file_that_cannot_be_written_is_told_before_the_work(refused):
    missing = refused("nowhere", "out", "--ref", "monet", "-o", "no/such/x.json")
    assert "cannot write no/such/x.json" in missing
    assert "mkdir -p no/such" in missing
    assert "its ending is not one of .json, .csv, .txt, .html" in refused(
        "nowhere", "out", "--ref", "monet", "-o", "x.pdf"
    )


def test_bad_inputs(refused, folder):
    alone = refused("out", "--ref", "monet")
    assert "nothing to compare: 1 submission was given" in alone
    assert "use `mifid score`" in alone
    assert "no such file or folder: nowhere" in refused("out", "nowhere", "--ref", "monet")
    assert "expected 50 to 99.9 per cent" in refused("out", "worse", "--ref", "monet", "--ci", 20)
    (folder / "worse" / "bad.png").write_bytes(b"no picture")
    damaged = refused("out", "worse", "--ref", "monet")
    assert "submission worse: " in damaged
    assert "bad.png" in damaged


def test_features_of_different_extractors(refused, folder):
    for name in ("one", "the_other"):
        made_by = Provenance(extractor=name, fingerprint=name)
        Features(np.eye(4, dtype=np.float32), provenance=made_by).save(folder / f"{name}.npz")
    message = refused("one.npz", "the_other.npz", "--ref", "one.npz")
    assert "the reference (features in one.npz) was made with extractor 'one'" in message
    assert "the submission the_other.npz with 'the_other'" in message


def test_a_missing_argument_is_2(refused):
    assert "Missing argument 'SUBMISSIONS" in refused("--ref", "monet", code=2)
    assert "Missing option '--ref'" in refused("out", "worse", code=2)
