"""What a report says, in text, JSON, CSV and HTML."""

import csv
import dataclasses
import json
from datetime import datetime

import numpy as np
import pytest

from mifid import Report
from mifid.errors import OutputError, UnavailableError
from mifid.evidence.evidence import Evidence
from mifid.inputs import Side
from mifid.metrics.base import Measured
from mifid.report.report import check_output
from mifid.statistics.features import Features
from mifid.uncertainty.bias import estimate_bias
from mifid.uncertainty.intervals import Interval, Uncertainty

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


def test_names_cannot_move_a_terminals_cursor():
    side = Side("folder a", 2, bad=(("\x1b[2J\nx.jpg", "it is damaged"),))
    text = report(inputs={"generated": side, "reference": Side("folder b", 2)}).text()
    assert "\x1b" not in text
    assert r"first: \x1b[2J\nx.jpg)" in text


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
        "memorization distance   0.210000  at or above the threshold 0.1: no penalty",
        "MiFID                  42.500000  lower is better",
    ]
    assert "never published" in text
    assert str(report()) == text


def test_text_of_a_penalty():
    penalized = report(
        memorization_distance=0.05, memorization_distance_thresholded=0.05, mifid=850.0
    )
    assert penalized.penalized
    assert "below the threshold 0.1: FID is divided by the distance" in penalized.text()


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
    with pytest.raises(OutputError, match=r"s\.csv: its columns are not those of a history"):
        report().save(tmp_path / "s.csv")
    # ... and found out before the long job.
    with pytest.raises(OutputError, match=r"its columns are not those of a history"):
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


# Intervals, bias and other measures


def interval(low, high, level=95.0):
    return Interval(low, high, level, 1.0, 0.5)


def uncertain(**intervals):
    found = {name: interval(*ends) for name, ends in intervals.items()}
    return Uncertainty(found, 95.0, 1000, 7, ("generated",), "bootstrap", 0.25, "as drawn")


WITH_INTERVALS = {
    "uncertainty": uncertain(
        fid=(40.123, 45.678), memorization_distance=(0.19, 0.2345678), mifid=(40.1, 45.6)
    )
}


def test_intervals_stand_beside_their_numbers():
    lines = report(**WITH_INTERVALS).text().splitlines()
    assert lines[2].endswith("42.500000  95% interval 40.12 to 45.68; lower is better")
    assert lines[3].endswith(
        "95% interval 0.1900 to 0.2346; at or above the threshold 0.1: no penalty"
    )
    assert lines[4].endswith(
        "42.500000  95% interval 40.10 to 45.60; lower is better; "
        "25.0% of the resamples are below the threshold"
    )


def test_a_number_without_an_interval_has_none_beside_it():
    lines = report(uncertainty=uncertain(fid=(40.0, 45.0))).text().splitlines()
    assert "interval" in lines[2]
    assert "interval" not in lines[3]
    assert "interval" not in lines[4]


def test_an_astronomical_interval():
    told = report(uncertainty=uncertain(mifid=(0.0, 1.292047e13))).text()
    assert "95% interval 0.00 to 1.29e+13" in told


def test_intervals_change_no_number():
    with_ends, without = (json.loads(report(**c).to_json()) for c in (WITH_INTERVALS, {}))
    for name in ("fid", "memorization_distance", "mifid"):
        assert with_ends[name] == without[name]


def test_json_of_intervals_and_bias():
    values = np.random.RandomState(0).rand(70, 4).astype(np.float32)
    curve = estimate_bias(generated=Features(values[:40]), reference=Features(values[40:]))
    data = json.loads(report(**WITH_INTERVALS, bias=curve).to_json())
    assert data["uncertainty"]["intervals"]["fid"] == {
        "low": 40.123,
        "high": 45.678,
        "level": 95.0,
        "standard_error": 1.0,
        "replicates_bias": 0.5,
    }
    assert data["uncertainty"]["resampled"] == ["generated"]
    assert data["uncertainty_reason"] is None
    assert data["bias"] == curve.to_dict()
    assert data["bias"]["fids"] == curve.fids.tolist()
    assert data["bias"]["sizes"][-1] == 40
    without = json.loads(report(uncertainty_reason="off", bias_reason="no").to_json())
    assert (without["uncertainty"], without["uncertainty_reason"]) == (None, "off")
    assert (without["bias"], without["bias_reason"]) == (None, "no")


def test_other_measures_are_told_with_spread_direction_and_reason():
    measures = {
        "kid": Measured("kid", {"kid": 0.0123, "kid_std": 0.001}, {"seed": 1}),
        "pr": Measured("pr", {"precision": 0.5, "recall": 0.25}, {"k": 3}),
        "fld": Measured("fld", omitted="needs <others>"),
    }
    told = report(metrics=measures)
    rows = {row[0]: row[1:] for row in told.rows()}
    assert rows["kid"] == ("0.012300", "lower is better; its parts' standard deviation is 0.001000")
    assert rows["precision"] == ("0.500000", "higher is better")
    assert rows["recall"] == ("0.250000", "higher is better")
    assert rows["fld"] == ("none", "needs <others>")
    data = json.loads(told.to_json())["metrics"]
    assert data["kid"] == {"kid": 0.0123, "kid_std": 0.001, "settings": {"seed": 1}}
    assert data["fld"] == {"omitted": "needs <others>"}
    assert "needs &lt;others&gt;" in told._repr_html_()
    whole = report(metrics={"kid": Measured("kid", {"kid": 0.0123, "kid_subset_size": 64.0})})
    assert "; no standard deviation: every subset holds all pictures of both" in whole.text()


def test_other_measures_alone_need_no_word_on_mifid():
    measures = {"kid": Measured("kid", {"kid": 0.0123})}
    nothing = dict.fromkeys(
        ("fid", "memorization_distance", "memorization_distance_thresholded", "mifid")
    )
    alone = report(**nothing, mifid_reason="not asked for", metrics=measures)
    assert "MiFID" not in alone.text().split("\n\n")[0]
    assert not alone.penalized


def test_limit_seed_and_what_there_was_are_in_json_and_csv(tmp_path):
    inputs = {
        "generated": Side("folder a", 32, available=64),
        "reference": Side("folder b", 30),
    }
    limited = report(inputs=inputs, limit=32, seed=7)
    limited.save(tmp_path / "s.csv")
    (line,) = csv.DictReader((tmp_path / "s.csv").read_text().splitlines())
    assert (line["limit"], line["seed"]) == ("32", "7")
    assert (line["generated_available"], line["reference_available"]) == ("64", "")
    told = json.loads(limited.to_json())
    assert (told["limit"], told["seed"]) == (32, 7)


def test_csv_holds_the_ends_of_intervals(tmp_path):
    report(**WITH_INTERVALS).save(tmp_path / "s.csv")
    report().save(tmp_path / "s.csv")
    first, second = csv.DictReader((tmp_path / "s.csv").read_text().splitlines())
    assert (first["fid_low"], first["fid_high"]) == ("40.123", "45.678")
    assert (first["mifid_low"], first["mifid_high"]) == ("40.1", "45.6")
    assert [second[f"{name}_{end}"] for name in ("fid", "mifid") for end in ("low", "high")] == [
        ""
    ] * 4


def test_a_report_without_evidence_says_what_would_have_it():
    for ask in (
        lambda r: r.pictures,
        lambda r: r.training_pictures,
        lambda r: r.plot("distances"),
    ):
        with pytest.raises(UnavailableError, match="keeps no features") as caught:
            ask(report())
        assert "folder, zip, array or features file" in caught.value.hint


def test_evidence_is_neither_printed_nor_compared(tmp_path):
    kept = Evidence({"generated": Features(np.ones((3, 2), np.float32))})
    assert report(evidence=kept) == report()
    assert repr(report(evidence=kept)) == repr(report())
    assert json.loads(report(evidence=kept).to_json()) == json.loads(report().to_json())


def test_save_html_writes_a_whole_page_or_nothing(tmp_path):
    report(**WITH_INTERVALS).save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert "&lt;b&gt;images&lt;/b&gt;.zip" in page
    assert "<b>images" not in page
    assert "40.12" in page
    with pytest.raises(OutputError, match="No such file or directory"):
        report().save(tmp_path / "no" / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_repr_tells_what_there_is():
    """Of a score of other measures alone, too, and nothing that is None."""
    only = report(mifid=None, fid=None, memorization_distance=None)
    kid = Measured("kid", {"kid": 0.25, "kid_std": 0.5})
    told = repr(dataclasses.replace(only, metrics={"kid": kid}))
    assert told == "Report(kid=0.25, kid_std=0.5, n_generated=7038, n_reference=300)"
    assert repr(report()).startswith("Report(mifid=42.49999999999996, fid=42.5, memor")


def test_a_label_is_in_every_format(tmp_path):
    report(label="lambda <5>").save(tmp_path / "s.html")
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "<h1>lambda &lt;5&gt;: zip &lt;b&gt;images" in page
    assert "<title>lambda &lt;5&gt;: zip" in page
    report().save(tmp_path / "s.csv", label="lambda 5")
    report(label="=1").save(tmp_path / "s.csv")
    lines = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [line["label"] for line in lines] == ["lambda 5", "'=1"]
    assert lines[0]["generated_sha256"] == "ab" * 32
    assert lines[0]["reference_sha256"] == "cd" * 32
    when = datetime.fromisoformat(lines[0]["date"])
    assert when.utcoffset() is not None
    named = report(label="lambda 5\x1b")
    assert json.loads(named.to_json())["label"] == "lambda 5\x1b"
    assert named.text().splitlines()[0].split(maxsplit=1) == ["label", r"lambda 5\x1b"]
