"""mifid score: the number, its report in every form, and each bad input in plain words."""

import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from pictures import encode, noise, patch_zip, png, write_folder, write_tar, write_zip
from PIL import Image
from toys import colours, drawn, write_pictures

import mifid
from mifid.errors import InputError
from mifid.extractors import THRESHOLDS
from mifid.statistics import Features
from mifid.statistics.provenance import Provenance

pytestmark = pytest.mark.usefixtures("few_resamples")

PAIR = ("out", "--ref", "monet")


def parsed(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def pngs(n, start=0):
    return [(f"{i}.png", encode(noise(i, 32, 32))) for i in range(start, start + n)]


# The number


def test_the_table_and_how_to_read_it(score):
    result = score(*PAIR)
    assert result.exit_code == 0
    assert result.stderr == ""
    report = mifid.score("out", "monet", extractor=colours)
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    rows = {cells[0]: " ".join(cells[1:]).split() for cells in lines}
    assert rows["generated"][0] == "6"
    assert rows["reference"][0] == "5"
    assert rows["FID"][0] == f"{report.fid:.6f}"
    assert rows["MiFID"][0] == f"{report.mifid:.6f}"
    assert rows["memorization distance"][0] == f"{report.memorization_distance:.6f}"
    assert "below the threshold 0.1: FID is divided by the distance" in result.stdout
    assert "folder out" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Not comparable with Kaggle: ")
    assert "toys:colours is not the network that Kaggle scores with" in result.stdout


def test_json_has_every_key_that_was_promised(score):
    found = parsed(score(*PAIR, "--json"))
    report = mifid.score("out", "monet", extractor=colours)
    assert found["fid"] == report.fid
    assert found["memorization_distance"] == report.memorization_distance
    assert found["memorization_distance_thresholded"] == report.memorization_distance
    assert found["epsilon"] == 0.1
    assert found["mifid"] == report.mifid
    assert found["mifid_reason"] is None
    assert (found["n_generated"], found["n_reference"]) == (6, 5)
    assert found["comparable_with_kaggle"] is False
    protocol = {"version", "extractor", "weights_sha256", "resize", "decoder", "ddof", "dtype"}
    protocol |= {"device", "backend", "batch_size", "versions"}
    assert protocol <= set(found["protocol"])
    assert found["protocol"]["extractor"] == "toys:colours"
    assert found["protocol"]["version"] == mifid.__version__
    assert {"torch", "numpy", "pillow"} <= set(found["protocol"]["versions"])
    assert set(found["inputs"]) == {"generated", "reference"}
    assert found["inputs"]["generated"]["source"] == "folder out"
    assert found["skipped"]["generated"] == {"entries": {}, "bad": []}
    assert {"open", "extract generated", "extract reference", "fid", "total"} <= set(
        found["seconds"]
    )


def test_json_is_the_only_thing_on_stdout(score):
    result = score(*PAIR, "--json")
    assert result.stdout[0] == "{"
    assert result.stdout[-2:] == "}\n"
    assert result.stderr == ""


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "npy", "npz", "pattern"])
def test_every_form_of_the_same_pictures_has_the_same_score(form, score):
    paths = sorted(Path("out").iterdir())
    files = [(path.name, path.read_bytes()) for path in paths]
    stack = np.stack([np.asarray(Image.open(path)) for path in paths])
    images = {
        "zip": lambda: write_zip("images.zip", files[::-1]),
        "tar": lambda: write_tar("images.tar", files[::-1]),
        "tar.gz": lambda: write_tar("images.tar.gz", files, "gz"),
        "npy": lambda: np.save("images.npy", stack) or "images.npy",
        "npz": lambda: np.savez("images.npz", stack) or "images.npz",
        "pattern": lambda: "out/*.png",
    }[form]()
    expected = parsed(score(*PAIR, "--json"))
    found = parsed(score(images, "--ref", "monet", "--json"))
    for key in ("fid", "memorization_distance", "mifid"):
        assert found[key] == pytest.approx(expected[key], rel=1e-9)


@pytest.mark.filterwarnings("ignore:the generated and the memor:mifid.errors.MifidWarning")
def test_a_separate_training_set(score):
    found = parsed(score(*PAIR, "--memorization-ref", "out", "--json"))
    assert found["memorization_distance"] == pytest.approx(0, abs=1e-6)
    assert found["fid"] == parsed(score(*PAIR, "--json"))["fid"]
    assert set(found["inputs"]) == {"generated", "reference", "memorization_reference"}


def test_the_threshold_can_be_moved(score):
    found = parsed(score(*PAIR, "--epsilon", "0", "--json"))
    assert found["memorization_distance_thresholded"] == 1.0
    assert found["mifid"] == pytest.approx(found["fid"])
    assert "at or above the threshold 0: no penalty" in score(*PAIR, "--epsilon", "0").stdout


@pytest.mark.parametrize("metrics", ["fid", " fid ,", "fid,fid"])
def test_fid_alone(metrics, score):
    found = parsed(score(*PAIR, "--metrics", metrics, "--json"))
    assert found["fid"] > 0
    assert found["memorization_distance"] is None
    assert found["mifid"] is None
    assert found["mifid_reason"] == "not asked for"


def test_the_memorization_distance_alone(score):
    found = parsed(score(*PAIR, "--metrics", "memorization", "--json"))
    assert found["fid"] is None
    assert 0 < found["memorization_distance"] < 1


def test_a_reference_of_statistics_alone_gives_fid_and_says_why_no_more(score):
    values = mifid.features("monet", extractor=colours).values.astype(np.float64)
    mifid.Statistics.from_features(values, provenance=Provenance("toys:colours")).save("monet.npz")
    found = parsed(score("out", "--ref", "monet.npz", "--json"))
    assert found["fid"] == pytest.approx(parsed(score(*PAIR, "--json"))["fid"])
    assert found["mifid"] is None
    assert "mean and covariance only" in found["mifid_reason"]
    assert found["mifid_reason"] in score("out", "--ref", "monet.npz").stdout


# Own extractors


def test_an_extractor_in_the_current_folder(score, own_extractor):
    name = own_extractor("def f(batch): return batch.float().mean((2, 3))")
    assert parsed(score(*PAIR, "--extractor", name, "--json"))["protocol"]["extractor"] == "mine:f"


def test_features_are_kept_for_a_second_run_if_the_extractor_says_what_it_is(score, own_extractor):
    text = "def f(batch): return batch.float().mean((2, 3))\nf.fingerprint = 'one'"
    name = own_extractor(text)
    first, second = (parsed(score(*PAIR, "--extractor", name, "--json")) for _ in range(2))
    assert [first["inputs"][side]["cached"] for side in first["inputs"]] == [False, False]
    assert [second["inputs"][side]["cached"] for side in second["inputs"]] == [True, True]
    assert first["fid"] == second["fid"]
    uncached = parsed(score(*PAIR, "--extractor", name, "--json", "--no-cache"))
    assert uncached["inputs"]["generated"]["cached"] is False
    assert uncached["fid"] == first["fid"]


def test_without_the_cache_nothing_is_kept(score, own_extractor, monkeypatch, folder):
    monkeypatch.setenv("MIFID_CACHE", str(folder / "cache"))
    name = own_extractor("def f(batch): return batch.float().mean((2, 3))\nf.fingerprint = 'one'")
    assert score(*PAIR, "--extractor", name, "--no-cache").exit_code == 0
    assert not (folder / "cache").exists()
    assert score(*PAIR, "--extractor", name).exit_code == 0
    assert (folder / "cache").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("incepton", ["unknown extractor 'incepton'", "Did you mean 'inception'?"]),
        ("clip", ["unknown extractor 'clip'", "Did you mean 'clip-l14-336'?", "inception-random"]),
        ("no_such_module:f", ["cannot import 'no_such_module'", "package.module:object"]),
        ("toys:colors", ["module 'toys' has no 'colors'", "Did you mean 'colours'?"]),
    ],
)
def test_an_unknown_extractor(name, said, failure):
    message = failure("score", *PAIR, "--extractor", name)
    for words in said:
        assert words in message


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("fidd", ["unknown metric 'fidd'", "Did you mean 'fid'?"]),
        ("fid,mfid", ["unknown metric 'mfid'", "Did you mean 'mifid'?", "There are: "]),
        (",", ["no metric was asked for", "There are: "]),
        ("precision,recall", ["unknown metric 'precision'", "Did you mean 'pr'?"]),
        ("fid,coverage", ["unknown metric 'coverage'", "Did you mean 'dc'?"]),
        ("Inception Score", ["Did you mean 'is'?"]),
        ("CMM", ["Did you mean 'cmmd'?"]),
    ],
)
def test_an_unknown_metric(metrics, said, failure):
    message = failure("score", *PAIR, "--metrics", metrics)
    for words in said:
        assert words in message


# Files to write


def test_the_report_as_json(score, folder):
    result = score(*PAIR, "-o", "result.json")
    assert result.exit_code == 0
    found = json.loads((folder / "result.json").read_text())
    assert f"{found['fid']:.6f}" in result.stdout
    assert score(*PAIR, "--json", "-o", "again.json").stdout == (folder / "again.json").read_text()


def test_the_report_as_text(score, folder):
    result = score(*PAIR, "-o", "result.txt")
    assert (folder / "result.txt").read_text() == result.stdout


def test_the_report_as_a_line_of_csv_after_the_lines_before(score, folder):
    score(*PAIR, "-o", "scores.csv")
    score("monet", "--ref", "out", "--metrics", "fid", "-o", "scores.csv")
    with (folder / "scores.csv").open() as file:
        first, second = csv.DictReader(file)
    report = mifid.score("out", "monet", extractor=colours)
    assert float(first["fid"]) == report.fid
    assert float(first["mifid"]) == report.mifid
    assert first["generated"] == second["reference"] == "folder out"
    assert second["mifid"] == ""
    assert second["mifid_reason"] == "not asked for"


@pytest.fixture
def no_work(own_extractor, folder):
    """An extractor that leaves a mark if it is ever run."""
    yield own_extractor("def f(batch): open('worked', 'w').close()")
    assert not (folder / "worked").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/such/result.json", ["No such file or directory", "mkdir -p no/such"]),
        ("out", ["its ending is not one of .json, .csv, .txt"]),
        ("result.yaml", ["cannot write result.yaml: its ending is not one of .json, .csv, .txt"]),
        ("result", ["The ending says which format is written"]),
        ("taken.json", ["cannot write taken.json: it is a folder"]),
        ("out/000.png/result.csv", ["Not a directory"]),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(output, said, failure, no_work, folder):
    (folder / "taken.json").mkdir()
    before = sorted(path.name for path in folder.rglob("*"))
    message = failure("score", *PAIR, "-o", output, "--extractor", no_work)
    for words in said:
        assert words in message
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("option", ["--table", "--training-table"])
def test_a_table_does_not_wipe_the_history_of_scores(option, score, failure, no_work, folder):
    assert score(*PAIR, "-o", "scores.csv").exit_code == 0
    history = (folder / "scores.csv").read_text()
    message = failure("score", *PAIR, option, "scores.csv", "--extractor", no_work)
    assert "cannot replace scores.csv: it is a history of scores" in message
    assert "Give another file name, such as scores-2.csv." in message
    assert (folder / "scores.csv").read_text() == history
    assert score(*PAIR, "-o", "scores.csv").exit_code == 0  # goes on


def test_a_number_that_cannot_be_saved_in_the_end_is_printed_all_the_same(score, monkeypatch):
    from mifid.errors import OutputError
    from mifid.report.report import Report

    def full(self, path):
        raise OutputError(f"cannot write {path}: No space left on device", hint="Make some.")

    monkeypatch.setattr(Report, "save", full)
    result = score(*PAIR, "-o", "result.json")
    assert result.exit_code == 1
    assert "MiFID" in result.stdout
    assert "cannot write result.json: No space left on device" in result.stderr


# Bad pictures


def test_a_bad_picture_names_itself_its_folder_and_the_way_round_it(failure, folder):
    content = encode(noise(0, 32, 32), "JPEG")
    write_folder(folder / "out", [("bad.jpg", content[:-200])])
    message = failure("score", *PAIR, "--extractor", "toys:colours")
    assert "folder out: 'bad.jpg' is damaged: image file is truncated" in message
    assert "--skip-bad" in message


def test_skip_bad_goes_on_and_says_how_many_and_which(score, folder):
    expected = parsed(score(*PAIR, "--json"))
    bad = [("bad.jpg", b"a text"), ("worse.png", b""), ("notes.txt", b"")]
    write_folder(folder / "out", bad)
    result = score(*PAIR, "--skip-bad")
    assert result.exit_code == 0
    assert "left out 2 bad (first: bad.jpg)" in result.stdout
    assert "skipped 1 ending in .txt" in result.stdout
    found = parsed(score(*PAIR, "--skip-bad", "--json"))
    assert found["fid"] == expected["fid"]
    assert found["n_generated"] == 6
    bad = found["skipped"]["generated"]["bad"]
    assert [entry["name"] for entry in bad] == ["bad.jpg", "worse.png"]
    assert "is not a picture: it is a text" in bad[0]["reason"]
    assert found["skipped"]["generated"]["entries"] == {"ending in .txt": 1}


def test_only_bad_pictures_cannot_be_scored(failure, folder):
    write_folder(folder / "bad", [("a.jpg", b"text"), ("b.jpg", b"")])
    message = failure("score", "bad", "--ref", "monet", "--extractor", "toys:colours", "--skip-bad")
    assert "folder bad: all 2 pictures are bad" in message
    assert "'a.jpg' is not a picture" in message


def test_pictures_that_were_converted_are_counted(score, folder):
    for i in range(3):
        Image.fromarray(noise(i, 32, 32)).convert("L").save(folder / "out" / f"grey{i}.png")
    assert "converted to RGB 3 L" in score(*PAIR).stdout
    assert parsed(score(*PAIR, "--json"))["inputs"]["generated"]["converted"] == {"L": 3}


def test_pictures_may_have_many_sizes(score, folder):
    write_pictures(folder / "out", drawn("photo", 3, size=48), names=["a", "b", "c"])
    assert parsed(score(*PAIR, "--json", "--batch-size", "2"))["n_generated"] == 9


def test_names_that_are_not_utf_8_can_be_reported(score, folder):
    try:
        (folder / "out" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"text")
    except OSError:
        pytest.skip("file names are always UTF-8 here")
    result = score(*PAIR, "--skip-bad", "-o", "result.json")
    assert result.exit_code == 0
    assert "first: caf\\udce9.png" in result.stdout
    json.loads((folder / "result.json").read_text())


# Bad inputs, on either side


def make_bad(kind, folder):
    """Write a bad input: return its path and the words that must be said of it."""
    where = folder / "bad.zip"
    if kind == "missing":
        return "monet.jgp", ["no such file or folder: monet.jgp", "Expected a folder, a .zip"]
    if kind == "empty folder":
        (folder / "empty").mkdir()
        return "empty", ["no pictures in folder empty; it is empty", "Expected files ending in"]
    if kind == "pattern":
        return "out/*.gif", ["no file matches the pattern out/*.gif"]
    if kind == "text":
        (folder / "notes.md").write_text("hello there")
        return "notes.md", ["neither pictures, nor features, nor statistics", "it is a text"]
    if kind == "text that is no list":
        (folder / "notes.txt").write_text("hello there")
        return "notes.txt", ["line 1 of notes.txt: no such file or folder: hello there", "one path"]
    if kind == "empty zip":
        return write_zip(where, []), [f"no pictures in zip {where}; it is empty"]
    if kind == "not a zip":
        where.write_bytes(b"hello")
        return where, [f"{where} is not a zip file: it is a text", "Make it again"]
    if kind == "encrypted zip":
        path = patch_zip(write_zip(where, pngs(3)), "1.png", flags=1)
        return path, [f"zip {where}: entry '1.png' is encrypted", "without a password"]
    if kind == "damaged zip":
        path = patch_zip(write_zip(where, pngs(3)), "1.png", crc=1)
        return path, [f"zip {where}: '1.png' is damaged: Bad CRC-32", "--skip-bad"]
    if kind == "zip bomb":
        path = patch_zip(write_zip(where, pngs(3)), "1.png", size=1 << 30)
        return path, ["entry '1.png' unpacks to 1,073,741,824 bytes", "decompression bomb"]
    if kind == "climbing zip":
        path = write_zip(where, [*pngs(2), ("../../etc/a.png", b"")])
        return path, ["entry '../../etc/a.png' points outside the archive", "make it again"]
    if kind == "picture bomb":
        path = write_zip(where, [*pngs(2), ("bomb.png", png(9000, 9000, 8, 2, [b""]))])
        return path, ["'bomb.png' is 9000 x 9000 pixels; expected at most 67,108,864", "--skip-bad"]
    if kind == "text called jpg":
        path = write_zip(where, [*pngs(2), ("a.jpg", b"a text")])
        return path, [f"zip {where}: 'a.jpg' is not a picture: it is a text"]
    if kind == "not a tar":
        (folder / "bad.tar.gz").write_bytes(b"hello")
        return "bad.tar.gz", ["bad.tar.gz is not a readable tar file"]
    if kind == "damaged npy":
        (folder / "bad.npy").write_bytes(b"hello")
        return "bad.npy", ["cannot read bad.npy as NumPy arrays", "cut short or damaged"]
    if kind == "five channels":
        np.save(folder / "bad.npy", np.zeros((4, 8, 8, 5), np.uint8))
        return "bad.npy", ["bad.npy", "(4, 8, 8, 5)"]
    assert kind == "one picture"
    return write_zip(where, pngs(1)), ["holds one picture; a covariance needs two"]


@pytest.mark.parametrize("side", ["generated", "reference"])
@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "empty folder",
        "pattern",
        "text",
        "text that is no list",
        "empty zip",
        "not a zip",
        "encrypted zip",
        "damaged zip",
        "zip bomb",
        "climbing zip",
        "picture bomb",
        "text called jpg",
        "not a tar",
        "damaged npy",
        "five channels",
        "one picture",
    ],
)
def test_a_bad_input_is_told_in_plain_words_on_either_side(kind, side, failure, folder):
    path, said = make_bad(kind, folder)
    pair = (path, "--ref", "monet") if side == "generated" else ("out", "--ref", path)
    message = failure("score", *pair, "--extractor", "toys:colours", "-o", "result.json")
    for words in said:
        assert words in message
    assert not (folder / "result.json").exists()


def test_features_of_another_width_are_refused(failure):
    values = np.random.RandomState(0).rand(5, 7).astype(np.float32)
    mifid.Features(values, provenance=Provenance("toys:colours")).save("other.npz")
    message = failure("score", "out", "--ref", "other.npz", "--extractor", "toys:colours")
    assert "6" in message
    assert "7" in message


def test_features_of_a_network_that_nobody_named_are_refused_beside_another_one(failure):
    np.savez("other.npz", features=np.random.RandomState(0).rand(5, 6).astype(np.float32))
    message = failure("score", "out", "--ref", "other.npz", "--extractor", "toys:colours")
    assert "other.npz) does not say which network made it" in message
    assert "mifid reference build --extractor toys:colours" in message


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_features_that_are_no_numbers_are_refused(value, failure, own_extractor):
    name = own_extractor(
        "def f(batch):\n"
        f"    values = batch.float().mean((2, 3)); values[1, 0] = float('{value}'); return values"
    )
    message = failure("score", *PAIR, "--extractor", name)
    assert "extractor mine:f gives NaN or infinite features, first for picture '001.png'" in message


def test_an_unknown_device_is_told_with_those_there_are(failure):
    message = failure("score", *PAIR, "--extractor", "toys:colours", "--device", "gpu")
    assert "device 'gpu' cannot be used here" in message
    assert "What works here: --device auto, --device cpu" in message


def test_a_weights_file_that_is_missing_is_told(failure):
    message = failure("score", *PAIR, "--weights", "no/such.pth")
    assert "--weights: no such file or folder: no/such.pth" in message
    assert "Without it the weights are looked for" in message


def test_a_side_that_is_missing_is_told_by_its_option(failure):
    for options in (["--held-out", "gone"], ["--memorization-ref", "gone"]):
        message = failure("score", *PAIR, *options)
        assert f"{options[0]}: no such file or folder: gone" in message
    assert "--ref: no such file or folder: gone" in failure("score", "out", "--ref", "gone")
    assert "IMAGES: no such file or folder: gone" in failure("score", "gone", "--ref", "monet")
    message = failure("score", *PAIR, "-o", "report.pdf")
    assert "-o: cannot write report.pdf" in message
    assert "--ci is 10; expected" in failure("score", *PAIR, "--ci", "10")


def test_a_reference_of_another_network_is_told_before_weights_are_sought(failure, monkeypatch):
    monkeypatch.setattr("mifid.extractors.weights.fetch", None)
    made = Features(np.eye(4, dtype=np.float32), provenance=Provenance("inception-random", "x"))
    made.save("ref.npz")
    for command in (["score", "out"], ["compare", "out", "monet"], ["diagnose", "out"]):
        message = failure(*command, "--ref", "ref.npz", "--extractor", "inception")
        assert "(features in ref.npz) was made with extractor 'inception-random'" in message
        assert "Use --extractor inception-random for the" in message


@pytest.mark.network
def test_a_reference_file_knows_its_network(run, failure):
    """Without --extractor the pictures go through the network that the file was made with."""
    assert run("reference", "build", "monet", "-o", "r.npz", "--extractor", "lite0").exit_code == 0
    result = run("score", "out", "--ref", "r.npz", "--json", "--quiet")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["protocol"]["extractor"] == "lite0"
    assert found["protocol"]["fingerprint"].startswith("lite0-1 ")
    assert found["epsilon"] == THRESHOLDS["lite0"]
    assert found["comparable_with_kaggle"] is False
    assert "lite0-1" in found["not_comparable_reason"]
    other = failure("score", "out", "--ref", "r.npz", "--extractor", "inception")
    assert "was made with extractor 'lite0'" in other


def test_of_one_picture_the_folder_is_named(failure):
    message = failure("score", "out/000.png", "--ref", "monet")
    assert "out/000.png holds one picture; a covariance needs two" in message
    assert "Give its folder: out" in message


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")  # not the published file
def test_weights_that_are_none_are_told(failure, folder):
    (folder / "weights.pth").write_text("hello, I am no weights file")
    message = failure("score", *PAIR, "--weights", "weights.pth")
    assert "weights.pth cannot be read as network weights" in message


# The submission check at the head


@pytest.fixture
def rules(monkeypatch):
    from mifid import submission

    monkeypatch.setattr(
        submission, "MONET", submission.Rules("small", "images.zip", 3, 9, "PNG", (32, 32), "RGB")
    )


def test_an_accepted_submission_is_scored(rules, score):
    write_zip("images.zip", pngs(4))
    result = score("images.zip", "--ref", "monet", "--submission")
    assert result.exit_code == 0
    assert "images.zip would be accepted by 'small'." in result.stdout
    assert result.stdout.index("would be accepted") < result.stdout.index("MiFID")


def test_a_refused_submission_is_not_scored(rules, score, no_work):
    write_zip("images.zip", pngs(2))
    result = score("images.zip", "--ref", "monet", "--submission", "--extractor", no_work)
    assert result.exit_code == 1
    assert "images.zip would be refused by 'small'." in result.stdout
    assert "Not scored. Leave out --submission to score it as it is." in result.stderr
    assert "MiFID" not in result.stdout


def test_with_json_the_findings_go_to_stderr(rules, score):
    write_zip("images.zip", pngs(4))
    result = score("images.zip", "--ref", "monet", "--submission", "--json")
    assert parsed(result)["n_generated"] == 4
    assert "would be accepted" in result.stderr


def test_with_json_the_findings_about_a_refused_submission_are_the_json(rules, score, no_work):
    write_zip("images.zip", pngs(2))
    refused = ("images.zip", "--ref", "monet", "--submission", "--json", "--extractor", no_work)
    result = score(*refused, "-o", "result.json")
    assert result.exit_code == 1
    assert "would be refused" in result.stderr
    told = json.loads(result.stdout)
    assert told["accepted"] is False
    assert {"level": "refused", "rule": "number"}.items() <= told["findings"][1].items()
    assert not Path("result.json").exists()  # which would hold a score


# When it goes wrong


@pytest.mark.parametrize("flags", [[], ["--json"], ["--debug"]])
def test_ctrl_c_is_told_and_leaves_nothing_half_written(flags, run, own_extractor, folder):
    name = own_extractor("def f(batch): raise KeyboardInterrupt")
    before = sorted(path.name for path in folder.iterdir())
    result = run("score", *PAIR, "--extractor", name, "-o", "result.json", *flags)
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") == before
    assert list(Path(os.environ["MIFID_CACHE"]).rglob("*.tmp")) == []


def test_ctrl_c_while_saving_leaves_the_older_file(score, folder, monkeypatch):
    (folder / "result.json").write_text("old")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    result = score(*PAIR, "-o", "result.json")
    assert result.exit_code == 130
    assert (folder / "result.json").read_text() == "old"
    assert [path.name for path in folder.glob(".*")] == []


def test_too_little_memory_is_told_with_what_helps(run, own_extractor):
    name = own_extractor("def f(batch): raise MemoryError")
    result = run("score", *PAIR, "--extractor", name)
    assert result.exit_code == 1
    assert "out of memory" in result.stderr
    assert "--batch-size" in result.stderr


def test_an_error_that_nobody_thought_of_asks_to_be_reported(run, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr("mifid.scoring.score", broken)
    result = run("score", *PAIR)
    assert result.exit_code == 1
    assert "Error: ZeroDivisionError: a slip of ours" in result.stderr
    assert "This is a bug in mifid. --debug shows where it happened" in result.stderr
    assert "Traceback" not in result.stderr
    with pytest.raises(ZeroDivisionError):
        run("score", *PAIR, "--debug")


def test_debug_lets_our_own_errors_through_too(run):
    assert run("score", "nothing", "--ref", "monet").exit_code == 1
    with pytest.raises(InputError, match="no such file or folder: nothing"):
        run("score", "nothing", "--ref", "monet", "--debug")


def test_warnings_are_one_line_on_stderr(score, own_extractor, folder, monkeypatch):
    """A cache that cannot be written is no reason to stop."""
    (folder / "file").touch()
    monkeypatch.setenv("MIFID_CACHE", str(folder / "file"))
    name = own_extractor("def f(batch): return batch.float().mean((2, 3))\nf.fingerprint = 'one'")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = score(*PAIR, "--extractor", name, "--json")
    assert parsed(result)["fid"] > 0
    assert "Warning: results could not be cached" in result.stderr
    assert ".py:" not in result.stderr
