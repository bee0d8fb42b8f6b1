"""mifid score: intervals, other measures, pages and tables; and each of them where it cannot be."""

import csv
import html
import json
import re
import shlex
import warnings

import numpy as np
import pytest
from pictures import encode, noise, write_zip
from PIL import Image
from toys import colours, drawn, write_pictures

import mifid
from mifid.formatting import text_cell

pytestmark = pytest.mark.usefixtures("unrendered")  # plots are tested where they are made

PAIR = ("out", "--ref", "monet")
QUICK = ("--replicates", "100")


def parsed(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def apart_from_time(found):
    rest = {key: value for key, value in found.items() if key not in ("seconds", "date")}
    for side in rest["inputs"].values():
        side.pop("cached")
    return rest


def save_features(path, pixels, names=None):
    made = mifid.features(pixels, extractor=colours)
    mifid.Features(made.values, names, made.provenance).save(path)


def save_statistics(path, folder):
    made = mifid.features(folder, extractor=colours)
    mifid.Statistics.from_features(made.values, provenance=made.provenance).save(path)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Intervals


def test_intervals_are_there_by_default_and_change_no_number(score):
    on, off = parsed(score(*PAIR, "--json")), parsed(score(*PAIR, "--json", "--ci", "0"))
    for key in ("fid", "memorization_distance", "memorization_distance_thresholded", "mifid"):
        assert on[key] == off[key]
    found = on["uncertainty"]
    assert (found["level"], found["replicates"], found["seed"]) == (95.0, 1000, 2020)
    assert found["resampled"] == ["generated", "reference"]
    assert set(found["intervals"]) == {"fid", "memorization_distance", "mifid"}
    assert off["uncertainty"] is None
    assert off["uncertainty_reason"] == "switched off"


def test_the_table_shows_them(score):
    result = score(*PAIR, *QUICK)
    report = mifid.score("out", "monet", extractor=colours, replicates=100)
    interval = report.uncertainty.intervals["fid"]
    assert f"95% interval {interval.low:.2f} to {interval.high:.2f}; lower is better" in (
        result.stdout
    )
    assert result.stderr == ""
    assert "interval" not in score(*PAIR, "--ci", "0").stdout


def test_the_level_is_a_choice(score):
    narrow, wide = (
        parsed(score(*PAIR, "--json", *QUICK, "--ci", level))["uncertainty"]
        for level in ("60", "99")
    )
    assert (narrow["level"], wide["level"]) == (60.0, 99.0)
    assert narrow["intervals"]["fid"]["low"] > wide["intervals"]["fid"]["low"]
    assert "60% interval" in score(*PAIR, *QUICK, "--ci", "60").stdout


@pytest.mark.parametrize(
    ("over", "resampled"),
    [
        ("both", ["generated", "reference"]),
        ("generated", ["generated"]),
        ("reference", ["reference"]),
    ],
)
def test_either_side_can_be_held_fixed(over, resampled, score):
    found = parsed(score(*PAIR, "--json", *QUICK, "--ci-over", over))["uncertainty"]
    assert found["resampled"] == resampled


def test_one_seed_one_interval(score):
    one, again, other = (
        parsed(score(*PAIR, "--json", "--no-cache", *QUICK, "--seed", seed)) for seed in "112"
    )
    assert apart_from_time(one) == apart_from_time(again)
    assert one["uncertainty"]["intervals"] != other["uncertainty"]["intervals"]
    assert one["mifid"] == other["mifid"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--ci", "100"), 1, "ci is 100; expected 50 to 99.9"),
        (("--ci", "-1"), 1, "ci is -1; expected 50 to 99.9"),
        (("--ci", "nan"), 1, "ci is nan; expected 50 to 99.9"),
        (("--ci", "99.95"), 1, "ci is 99.95; expected 50 to 99.9 per cent, or 0 for none"),
        (("--ci", "30"), 1, "ci is 30; expected 50 to 99.9 per cent, or 0 for none"),
        (("--ci-over", "training"), 2, "--ci-over"),
        (("--replicates", "99"), 2, "--replicates"),
        (("--seed", "-1"), 2, "--seed"),
    ],
)
def test_settings_without_a_meaning_are_told_before_the_work(
    arguments, code, said, failure, own_extractor, folder
):
    name = own_extractor("def f(batch): open('worked', 'w').close()")
    assert said in failure("score", *PAIR, "--extractor", name, *arguments, code=code)
    assert not (folder / "worked").exists()


def test_two_pictures_have_a_number_and_no_interval(score, folder):
    write_pictures(folder / "two", drawn("photo", 2))
    result = score("two", "--ref", "monet")
    assert result.exit_code == 0
    assert "MiFID" in result.stdout
    assert "No interval: intervals need at least three generated pictures" in result.stdout
    found = parsed(score("two", "--ref", "monet", "--json"))
    assert "at least three" in found["uncertainty_reason"]
    assert "2 generated pictures" in found["bias_reason"]


def test_identical_sets(score, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = score("monet", "--ref", "monet", "--report", "r.html", "--table", "t.csv")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: the generated and the reference pictures are the ")
    assert result.stderr.splitlines()[-2:] == ["Wrote r.html", "Wrote t.csv"]
    assert float(rows("t.csv")[0]["distance"]) < 1e-12
    assert {row["near_copy"] for row in rows("t.csv")} == {"true"}
    assert "5 of 5 generated pictures are nearer" in (folder / "r.html").read_text()


def test_a_training_set_of_statistics_leaves_fid_its_interval(score):
    save_statistics("trained.npz", "monet")
    found = parsed(score(*PAIR, "--memorization-ref", "trained.npz", "--json", *QUICK))
    assert found["mifid"] is None
    assert set(found["uncertainty"]["intervals"]) == {"fid"}


def test_held_out_pictures(score, folder):
    write_pictures(folder / "many", drawn("photo", 22))
    found = parsed(
        score("many", "--ref", "monet", "--held-out", "out", "--metrics", "mifid,fld", "--json")
    )
    assert found["inputs"]["held_out"]["n"] == 6
    assert found["bias"]["floor_held_out"] > 0
    assert "fld" in found["metrics"]["fld"]
    assert found["bias"]["n_held_out"] == 6


# Other measures


def test_fewer_pictures_than_neighbours_are_a_stated_omission(score, folder):
    write_pictures(folder / "few", drawn("photo", 3))
    arguments = ("few", "--ref", "monet", "--metrics", "mifid,kid,prdc,vendi", "--ci", "0")
    found = parsed(score(*arguments, "--json"))
    assert "at least 4 generated pictures are needed, got 3" in found["metrics"]["pr"]["omitted"]
    assert "at least 6 reference pictures are needed, got 5" in found["metrics"]["dc"]["omitted"]
    assert found["metrics"]["kid"]["kid"] > 0
    assert found["metrics"]["vendi"]["vendi"] >= 1
    assert found["mifid"] > 0
    told = score(*arguments).stdout
    assert "precision and recall with k 3: at least 4 generated pictures are needed, got 3" in told
    assert "lower is better" in told


def test_one_measure_alone(score):
    found = parsed(score(*PAIR, "--metrics", "kid", "--json"))
    assert (found["fid"], found["mifid"], found["uncertainty"], found["bias"]) == (None,) * 4
    assert set(found["metrics"]) == {"kid"}
    told = score(*PAIR, "--metrics", "kid").stdout
    assert "kid" in told
    assert "MiFID" not in told.split("\n\n")[0]


def test_all_measures_of_statistics(score):
    for side in ("out", "monet"):
        save_statistics(f"{side}.npz", side)
    found = parsed(score("out.npz", "--ref", "monet.npz", "--metrics", "all", "--json"))
    assert found["fid"] == pytest.approx(parsed(score(*PAIR, "--ci", "0", "--json"))["fid"])
    assert all("omitted" in one for one in found["metrics"].values())
    assert len(found["metrics"]) >= 8


def test_all_measures_of_features_of_an_unknown_network_need_no_weights(score):
    save_features("out.npz", "out")
    save_features("monet.npz", "monet")
    found = parsed(
        score("out.npz", "--ref", "monet.npz", "--metrics", "all", "--json", "--extractor",
              "inception", "--ci", "0")
    )  # fmt: skip
    assert "classifier" in found["metrics"]["is"]["omitted"]
    assert "kid" in found["metrics"]["kid"]


def test_features_of_different_extractors(failure, folder):
    from toys import Counting

    mifid.features("monet", extractor=Counting("v1")).save("monet.npz")
    mifid.features("out", extractor=Counting("v2")).save("out.npz")
    message = failure("score", "out.npz", "--ref", "monet.npz", "--report", "r.html")
    assert "was made with extractor 'Counting'" in message
    assert not (folder / "r.html").exists()


# Tables


def test_the_tables_hold_what_the_report_holds(score):
    result = score(*PAIR, "--ci", "0", "--table", "t.csv", "--training-table", "r.csv")
    assert result.exit_code == 0
    report = mifid.score("out", "monet", extractor=colours, ci=0)
    table = report.pictures
    found = rows("t.csv")
    assert [row["name"] for row in found] == [f"{i:03}.png" for i in range(6)]
    assert [float(row["distance"]) for row in found] == table.distance.tolist()
    assert [row["nearest"] for row in found] == list(table.nearest)
    assert [float(row["influence"]) for row in found] == table.influence.tolist()
    found = rows("r.csv")
    assert [int(row["copied"]) for row in found] == report.training_pictures.copied.tolist()
    assert sum(int(row["copied"]) for row in found) == 6


def test_parquet(score, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert score(*PAIR, "--ci", "0", "--table", "t.parquet").exit_code == 0
    assert parquet.read_table(folder / "t.parquet").num_rows == 6


def test_features_without_names_are_numbered(score):
    np.savez("f.npz", features=mifid.features("out", extractor=colours).values)
    np.savez("r.npz", features=mifid.features("monet", extractor=colours).values)
    result = score("f.npz", "--ref", "r.npz", "--ci", "0", "--table", "t.csv", "--report", "p.html")
    assert result.exit_code == 0
    assert [row["name"] for row in rows("t.csv")] == list("012345")


def test_a_table_of_what_has_no_pictures_is_refused_after_the_number(score, folder):
    save_statistics("monet.npz", "monet")
    for option in ("--table", "--training-table"):
        result = score("out", "--ref", "monet.npz", "--metrics", "fid", option, "t.csv")
        assert result.exit_code == 1
        assert "FID" in result.stdout
        assert "Error: the reference side is mean and covariance only" in result.stderr
        assert "a file of features" in result.stderr
        assert not (folder / "t.csv").exists()


@pytest.mark.parametrize(
    ("option", "path", "code", "said"),
    [
        ("--report", "no/r.html", 1, ["cannot write no/r.html", "mkdir -p no"]),
        ("--report", "r.json", 2, ["r.json does not end in .html"]),
        ("--report", "page", 2, ["page does not end in .html"]),
        ("--report", "taken.html", 1, ["cannot write taken.html: it is a folder"]),
        ("--table", "no/t.csv", 1, ["cannot write no/t.csv", "mkdir -p no"]),
        ("--table", "t.txt", 1, ["cannot write t.txt", ".csv, .parquet"]),
        ("--table", "taken.csv", 1, ["cannot write taken.csv: it is a folder"]),
        ("--training-table", "no/t.parquet", 1, ["cannot write no/t.parquet", "mkdir -p no"]),
        ("--training-table", "t.xlsx", 1, ["cannot write t.xlsx"]),
        ("--output", "no/s.csv", 1, ["cannot write no/s.csv"]),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(
    option, path, code, said, failure, own_extractor, folder
):
    for name in ("taken.html", "taken.csv"):
        (folder / name).mkdir()
    name = own_extractor("def f(batch): open('worked', 'w').close()")
    before = sorted(str(found) for found in folder.rglob("*"))
    first = () if option == "--output" else ("-o", "first.json")
    message = failure("score", *PAIR, "--extractor", name, *first, option, path, code=code)
    for words in said:
        assert words in message
    assert sorted(str(found) for found in folder.rglob("*")) == before


def test_csv_of_scores_has_the_ends(score):
    for level in (("--ci", "95", *QUICK), ("--ci", "0")):
        assert score(*PAIR, *level, "-o", "scores.csv").exit_code == 0
    with_ends, without = rows("scores.csv")
    found = parsed(score(*PAIR, *QUICK, "--json"))["uncertainty"]["intervals"]
    for name in ("fid", "mifid"):
        for end in ("low", "high"):
            assert float(with_ends[f"{name}_{end}"]) == found[name][end]
            assert without[f"{name}_{end}"] == ""
    assert with_ends["fid"] == without["fid"]


# Pages


def commands(path):
    source = path.read_text(encoding="utf-8")
    found = re.findall(r"(mifid score .*?)</", source, re.DOTALL)
    return [shlex.split(html.unescape(line)) for line in found]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--metrics", "fid", *QUICK),
        ("--metrics", "memorization", *QUICK),
        ("--metrics", "kid,prdc", "--seed", "5"),
        ("--ci", "0", "--metrics", "mifid,kid", "--seed", "3"),
        ("--ci", "80", "--ci-over", "generated", *QUICK, "--epsilon", "0.0123456789"),
        ("--memorization-ref", "trained", "--held-out", "unseen", *QUICK),
        ("--batch-size", "4", "--skip-bad", "--device", "cpu", "--ci", "0"),
    ],
    ids=" ".join,
)
def test_the_command_on_the_page_repeats_the_score(arguments, score, run, folder):
    (folder / "out" / "bad.png").write_bytes(b"" if "--skip-bad" in arguments else noise_png())
    write_pictures(folder / "unseen", drawn("painting", 5, seed=70))
    write_pictures(folder / "trained", drawn("painting", 5, seed=30))
    first = parsed(score(*PAIR, *arguments, "--json", "--report", "r.html"))
    (command,) = commands(folder / "r.html")
    assert command[:2] == ["mifid", "score"]
    again = parsed(run(*command[1:], "--json"))
    assert apart_from_time(again) == apart_from_time(first)


def noise_png():
    return encode(noise(0, 32, 32))


def test_odd_paths_are_quoted_so_that_the_command_works(score, run, folder):
    write_pictures(folder / "-o $(touch pwned); 'x'", drawn("photo", 4))
    write_pictures(folder / "--json", drawn("painting", 4))
    first = parsed(
        score("./-o $(touch pwned); 'x'", "--ref", "--json", "--json", "--ci", "0",
              "--report", "r.html")
    )  # fmt: skip
    (command,) = commands(folder / "r.html")
    again = parsed(run(*command[1:], "--json"))
    assert again["fid"] == first["fid"]
    assert not (folder / "pwned").exists()


def test_a_page_of_features_alone_says_what_it_cannot_show(score, folder):
    save_features("out.npz", "out")
    save_statistics("monet.npz", "monet")
    for reference in ("monet", "monet.npz"):
        result = score("out.npz", "--ref", reference, "--ci", "0", "--report", "r.html")
        assert result.exit_code == 0
        page = html.unescape((folder / "r.html").read_text())
        assert "the generated side is only features: its pictures cannot be shown" in page
    assert "the reference side is mean and covariance only" in page


def test_the_page_tells_the_check(score, folder, monkeypatch):
    from mifid import submission

    rules = submission.Rules("small", "images.zip", 3, 9, "PNG", (32, 32), "RGB")
    monkeypatch.setattr(submission, "MONET", rules)
    write_zip("images.zip", [(f"{i}.png", encode(noise(i, 32, 32))) for i in range(4)])
    arguments = ("images.zip", "--ref", "monet", "--ci", "0", "--report", "r.html")
    assert score(*arguments, "--submission").exit_code == 0
    assert "it was not checked" not in (folder / "r.html").read_text()
    (command,) = commands(folder / "r.html")
    assert "--submission" in command
    assert score(*arguments).exit_code == 0
    assert "it was not checked" in (folder / "r.html").read_text()


HOSTILE = [
    "<script>alert(1)<\u2215script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http:\u2215\u2215evil")',
    "a,b;c\td",
    "\u202egnp.exe",
    "{{7*7}}",
    "two\nlines",
]


def test_hostile_names_are_names_everywhere(score, folder):
    write_pictures(folder / "evil", drawn("photo", len(HOSTILE)), names=HOSTILE)
    write_pictures(folder / "real", drawn("painting", 4), names=HOSTILE[:4])
    (folder / "evil" / "<b>bad\n.png").write_bytes(b"text")
    found = parsed(
        score("evil", "--ref", "real", "--skip-bad", "--ci", "0", "--json",
              "--report", "r.html", "--table", "t.csv", "--training-table", "u.csv")
    )  # fmt: skip
    assert [bad["name"] for bad in found["skipped"]["generated"]["bad"]] == ["<b>bad\n.png"]
    called = [text_cell(f"{name}.png") for name in HOSTILE]  # of a spreadsheet no formulas
    assert {row["name"] for row in rows("t.csv")} == set(called)
    assert {row["nearest"] for row in rows("t.csv")} <= set(called[:4])
    assert {row["name"] for row in rows("u.csv")} == set(called[:4])
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>bad" not in page
    assert "\u202e" not in page
    assert "{{7*7}}" in html.unescape(page)


def test_a_page_that_fails_in_the_end_loses_no_number(score, monkeypatch, folder):
    from mifid.errors import OutputError

    def full(*_):
        raise OutputError("cannot write r.html: No space left on device", hint="Make some.")

    monkeypatch.setattr("mifid.report.page.write_page", full)
    result = score(*PAIR, "--ci", "0", "--report", "r.html")
    assert result.exit_code == 1
    assert "MiFID" in result.stdout
    assert "No space left on device" in result.stderr
    assert not (folder / "r.html").exists()


# Between versions


def test_scores_of_another_version_are_explained(score, run, folder):
    score(*PAIR, *QUICK, "-o", "new.json")
    old = json.loads((folder / "new.json").read_text())
    for key in ("uncertainty", "uncertainty_reason", "bias", "bias_reason", "metrics"):
        del old[key]  # as before there were any
    old["protocol"]["version"] = "0.0.1"
    (folder / "old.json").write_text(json.dumps(old))
    result = run("explain", "old.json", "new.json")
    assert result.exit_code == 0
    assert "0.0.1" in result.stdout
    new = old | {"invented": {"later": True}, "uncertainty": {"unknown": 1}}
    new["protocol"] = old["protocol"] | {"version": "9.9"}
    (folder / "later.json").write_text(json.dumps(new))
    result = run("explain", "later.json", "new.json")
    assert result.exit_code == 0
    assert "9.9" in result.stdout


def test_pictures_of_any_mode_are_shown(score, folder):
    grey = Image.fromarray(noise(1, 32, 32)).convert("L")
    grey.save(folder / "out" / "grey.png")
    assert score(*PAIR, "--ci", "0", "--report", "r.html").exit_code == 0
    assert "grey.png" in (folder / "r.html").read_text()


def write_bytes(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.filterwarnings("default::mifid.MifidWarning")
def test_some_held_out_pictures_of_the_reference_are_told_of(score, folder):
    for path in sorted((folder / "monet").iterdir())[:2]:
        write_bytes(folder / "mixed" / path.name, path.read_bytes())
    write_pictures(folder / "mixed", drawn("painting", 3, seed=70), names=["x", "y", "z"])
    result = score(*PAIR, "--held-out", "mixed", "--ci", "0")
    assert result.exit_code == 0
    assert "2 of 5 held-out pictures are reference pictures" in result.stderr


def test_held_out_pictures_that_are_the_reference_hold_nothing_out(failure, folder):
    named = ("--extractor", "toys:colours")
    for number, path in enumerate(sorted((folder / "monet").iterdir(), reverse=True)):
        write_bytes(folder / "renamed" / f"{number}.png", path.read_bytes())
    message = failure("score", "out", "--ref", "monet", "--held-out", "renamed", *named)
    assert "all held-out pictures are reference pictures" in message
    assert "--held-out" in message


def test_one_file_is_not_written_twice(score):
    result = score(*PAIR, "--report", "r.html", "-o", "./r.html")
    assert result.exit_code == 2
    assert "r.html is also the file of -o" in result.stderr
    for one, other in (("-o", "--table"), ("--table", "--training-table")):
        result = score(*PAIR, one, "x.csv", other, "./x.csv")
        assert result.exit_code == 2
        assert f"x.csv is also the file of {one}" in result.stderr
