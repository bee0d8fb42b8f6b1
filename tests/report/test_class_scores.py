"""Scores of classes as text, table, columns and page."""

import json

import numpy as np
import pytest

from mifid.evidence import write_table
from mifid.metrics import Measured
from mifid.report.class_scores import ClassScore, ClassScores
from mifid.uncertainty import Interval


def score(label, fid, **changes):
    ends = Interval(fid - 1, fid + 2, 95.0, 0.5, 0.0)
    values = {
        "mifid": 2 * fid,
        "fid": fid,
        "memorization_distance": 0.25,
        "metrics": {"kid": Measured("kid", {"kid": 0.01, "kid_std": 0.1, "kid_subset_size": 9.0})},
        "intervals": {"fid": ends},
    } | changes
    return ClassScore(label, 30, 20, **values)


def table(*scores, whole=None, remarks=("Read it so.",)):
    return ClassScores(scores, "folder", "mifid", whole, remarks)


NONE = ClassScore("=cmd()", 1, 20, omitted="one generated picture; a covariance needs two")
TWO = table(score("\x1b[31mowl", 60.0), NONE)


def test_text():
    lines = TWO.text()
    assert lines[0] == (
        "2 classes by folder, worst MiFID first, each against the reference pictures of its class."
    )
    assert lines[1].split() == [
        "class",
        "generated",
        "reference",
        "MiFID",
        "FID",
        "distance",
        "kid",
        "remark",
    ]
    assert "120.00" in lines[2]
    assert "60.000 (59.000 to 62.000)" in lines[2]
    assert "\\x1b[31mowl" in lines[2]
    assert lines[3].endswith("one generated picture; a covariance needs two")
    assert lines[-1] == "Read it so."
    assert "the whole reference: it has none." in table(score("a", 1.0), whole="it has none").lead


def test_text_shows_the_worst_and_counts_the_rest():
    lines = table(*(score(f"c{i}", 50.0 - i) for i in range(45))).text()
    assert sum(line.startswith("c") for line in lines) == 21  # with the headings
    assert "... and 25 more" in lines


def test_columns_and_files(tmp_path):
    columns = TWO.columns()
    assert list(columns) == [
        *("class", "n_generated", "n_reference", "mifid", "fid", "fid_low", "fid_high"),
        *("memorization_distance", "kid", "kid_std", "kid_subset_size", "remark"),
    ]
    assert columns["fid_high"][0] == 62.0
    assert np.isnan(columns["fid"][1])
    assert columns["n_generated"].tolist() == [30, 1]
    write_table(tmp_path / "classes.csv", TWO)
    heading, first, second = (tmp_path / "classes.csv").read_text().splitlines()
    assert heading.startswith("class,n_generated,n_reference,mifid,fid,fid_low")
    assert ",30,20,120.0,60.0,59.0,62.0,0.25,0.01,0.1,9.0," in first
    assert second.startswith("'=cmd(),1,20,,,")  # nothing that a spreadsheet computes


def test_columns_where_statistics_do_not_say_how_many():
    unknown = ClassScore("a", 3, None, fid=1.0)
    assert np.isnan(table(unknown).columns()["n_reference"][0])
    assert table(unknown).rows()[0][2] == "unknown"


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "classes.parquet", TWO)
    read = parquet.read_table(tmp_path / "classes.parquet").to_pydict()
    assert read["fid"] == [60.0, None]
    assert read["n_reference"] == [20, 20]


def test_plain_values():
    found = json.loads(json.dumps(TWO.to_dict()))
    assert found["headline"] == "mifid"
    first, second = found["scores"]
    assert first["intervals"]["fid"]["low"] == 59.0
    assert first["metrics"]["kid"]["kid"] == 0.01
    assert second["omitted"] == NONE.omitted
    assert second["fid"] is None
