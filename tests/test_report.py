"""What a report says, in text, JSON, CSV and HTML."""

import csv
import json

import pytest

from mifid import Report
from mifid.errors import OutputError
from mifid.report import Side, check_output

KEYS = {
    "fid",
    "memorization_distance",
    "memorization_distance_thresholded",
    "epsilon",
    "mifid",
    "n_generated",
    "n_reference",
    "comparable_with_kaggle",
    "protocol",
    "inputs",
    "skipped",
    "seconds",
}
PROTOCOL = {
    "version",
    "extractor",
    "weights_sha256",
    "resize",
    "decoder",
    "ddof",
    "dtype",
    "device",
    "backend",
    "batch_size",
    "versions",
}


def report(**changes):
    values = {
        "fid": 42.5,
        "memorization_distance": 0.21,
        "memorization_distance_thresholded": 1.0,
        "epsilon": 0.1,
        "mifid": 42.49999999999996,
        "mifid_reason": None,
        "inputs": {
            "generated": Side(
                "zip <b>images</b>.zip",
                7038,
                "ab" * 32,
                skipped={"hidden or __MACOSX": 3},
                converted={"L": 2},
                bad=(("x.jpg", "'x.jpg' is damaged"),),
            ),
            "reference": Side("folder monet_jpg", 300, "cd" * 32, cached=True),
        },
        "protocol": dict.fromkeys(PROTOCOL) | {"extractor": "inception"},
        "not_comparable": None,
        "seconds": {"total": 1.23456},
    }
    return Report(**(values | changes))


def test_json_has_the_promised_keys():
    data = json.loads(report().to_json())
    assert data.keys() >= KEYS
    assert data["protocol"].keys() >= PROTOCOL
    assert data["fid"] == 42.5
    assert data["mifid"] == 42.49999999999996  # every digit
    assert data["n_generated"] == 7038
    assert data["comparable_with_kaggle"] is True
    assert data["skipped"]["generated"] == {
        "entries": {"hidden or __MACOSX": 3},
        "bad": [{"name": "x.jpg", "reason": "'x.jpg' is damaged"}],
    }
    assert data["inputs"]["reference"]["cached"] is True
    assert data["seconds"] == {"total": 1.2346}


def test_missing_mifid_is_null_with_its_reason():
    data = json.loads(report(mifid=None, mifid_reason="no features").to_json())
    assert data["mifid"] is None
    assert data["mifid_reason"] == "no features"
    assert "no features" in report(mifid=None, mifid_reason="no features").text()


def test_text():
    text = report().text()
    assert text.splitlines()[:5] == [
        "generated                  7,038  zip <b>images</b>.zip; skipped 3 hidden or __MACOSX; "
        "left out 1 bad (first: x.jpg); converted to RGB 2 L",
        "reference                    300  folder monet_jpg",
        "FID                    42.500000  lower is better",
        "memorization distance   0.210000  not below the threshold 0.1: no penalty",
        "MiFID                  42.500000  lower is better",
    ]
    assert "never published" in text
    assert str(report()) == text


def test_text_of_a_penalty():
    penalized = report(
        memorization_distance=0.05, memorization_distance_thresholded=0.05, mifid=850.0
    )
    assert penalized.penalized
    assert "below the threshold 0.1: FID is divided by it" in penalized.text()


def test_text_of_an_astronomical_score():
    assert "2.501595e+16" in report(mifid=2.5015954905734624e16).text()


def test_not_comparable_is_said():
    told = report(not_comparable="inception-random has seeded weights")
    assert "Not comparable with Kaggle: inception-random has seeded weights." in told.text()
    assert json.loads(told.to_json())["comparable_with_kaggle"] is False


def test_html_escapes_file_names():
    html = report()._repr_html_()
    assert "&lt;b&gt;images&lt;/b&gt;.zip" in html
    assert "<b>" not in html


def test_save_json_and_text(tmp_path):
    report().save(tmp_path / "r.json")
    report().save(tmp_path / "r.txt")
    assert json.loads((tmp_path / "r.json").read_text())["fid"] == 42.5
    assert (tmp_path / "r.txt").read_text() == report().text() + "\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "r.txt"]


def test_csv_is_appended_to(tmp_path):
    for fid in (1.5, 2.5):
        report(fid=fid).save(tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [row["fid"] for row in rows] == ["1.5", "2.5"]
    assert rows[0]["mifid"] == "42.49999999999996"
    assert rows[0]["generated"] == "zip <b>images</b>.zip"
    assert rows[0]["extractor"] == "inception"


def test_csv_without_a_last_newline(tmp_path):
    report().save(tmp_path / "s.csv")
    text = (tmp_path / "s.csv").read_text()
    (tmp_path / "s.csv").write_text(text.rstrip("\n"))
    report().save(tmp_path / "s.csv")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3


def test_another_programs_csv_is_left_alone(tmp_path):
    (tmp_path / "s.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match=r"s\.csv: its columns are not this version's"):
        report().save(tmp_path / "s.csv")
    # ... and found out before the long job.
    with pytest.raises(OutputError, match=r"its columns are not this version's"):
        check_output(tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.xml", r"r\.xml: its ending is not one of \.json, \.csv, \.txt"),
        ("r", "its ending is not one of"),
        ("missing/r.json", "No such file or directory"),
    ],
)
def test_places_that_cannot_be_written(name, text, tmp_path):
    with pytest.raises(OutputError, match=text):
        report().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
