"""metrics.jsonl and metrics.csv: whole after a kill, and the same as of an unbroken run."""

import csv
import json
import math

import numpy as np
import pytest
import torch

from mifid.baseline.figures.curves import plot_losses, plot_scores
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.run.records import Recorder, columns_of, read_metrics
from mifid.errors import InputError, OutputError
from mifid.trackers import Trackers

NAMES = ("metrics.jsonl", "metrics.csv")
LOSSES = CycleGan.losses
COLUMNS = columns_of(LOSSES)


def train(step, **changes):
    losses = {name: step / 8 + i for i, name in enumerate(LOSSES)}
    return {"step": step, "epoch": step / 3, "rate": 2e-4, **losses, **changes}


def score(step, weights="ema", **changes):
    return {"step": step, "weights": weights, "mifid": 40 + 1 / 3, "best": True, **changes}


def write(folder, steps, **options):
    with Recorder.open(folder, losses=LOSSES, **options) as recorder:
        for step in steps:
            recorder.write("train", train(step))
            if step % 2 == 0:
                recorder.write("score", score(step))


def contents(folder):
    return [(folder / name).read_bytes() for name in NAMES]


def test_lines_come_back(tmp_path):
    write(tmp_path, [1, 2])
    rows = read_metrics(tmp_path)
    assert [(row["kind"], row["step"]) for row in rows] == [
        ("train", 1),
        ("train", 2),
        ("score", 2),
    ]
    assert rows[1] == {"kind": "train", **train(2)}
    assert rows[2]["best"] is True
    assert rows[2]["mifid"] == 40 + 1 / 3  # every digit


def test_csv_has_one_header_for_both_kinds(tmp_path):
    write(tmp_path, [2])
    first, second = csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines())
    names = list(first)
    assert names == list(
        dict.fromkeys(["kind", *(name for names in COLUMNS.values() for name in names)])
    )
    assert first["cycle_photo"] == "3.25"
    assert first["mifid"] == ""
    assert float(second["mifid"]) == 40 + 1 / 3
    assert (second["weights"], second["best"], second["cycle_photo"]) == ("ema", "True", "")


def test_each_line_is_out_at_once(tmp_path):
    recorder = Recorder.open(tmp_path, losses=LOSSES)
    recorder.write("train", train(1))
    assert len(read_metrics(tmp_path)) == 1
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 2
    recorder.close()


def test_interrupted_equals_uninterrupted(tmp_path):
    """Killed in the middle of a line after step 5, with the checkpoint of step 3."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    write(whole, range(1, 9))
    write(broken, range(1, 6))
    for name in NAMES:
        with open(broken / name, "ab") as file:
            file.write(b'{"kind": "train", "st')
    write(broken, range(4, 9), resume_from=3)
    assert contents(broken) == contents(whole)
    assert b"nan" not in contents(whole)[1]


@pytest.mark.parametrize(
    "torn", [b'{"kind": "tr', b'{"kind": "train"}', b"\0\0\0", b"\xff\xfe", b"7"]
)
def test_a_torn_last_line_is_healed(torn, tmp_path):
    write(tmp_path, [1, 2])
    before = contents(tmp_path)
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(torn)
    assert len(read_metrics(tmp_path)) == 3
    Recorder.open(tmp_path, losses=LOSSES).close()
    assert contents(tmp_path) == before


def test_a_whole_line_without_its_end_is_kept(tmp_path):
    write(tmp_path, [1, 2])
    before = contents(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(before[0][:-1])
    write(tmp_path, [])
    assert contents(tmp_path) == before


def test_a_lost_csv_is_made_again(tmp_path):
    write(tmp_path, [1, 2, 3])
    before = contents(tmp_path)
    (tmp_path / "metrics.csv").unlink()
    write(tmp_path, [])
    assert contents(tmp_path) == before


def test_a_damaged_line_within_is_told(tmp_path):
    write(tmp_path, [1, 2])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join([lines[0], '{"oops\n', lines[1]]))
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"line 2 of .*metrics\.jsonl is damaged.*oops") as caught:
        Recorder.open(tmp_path, losses=LOSSES)
    assert "Remove that line" in caught.value.hint
    assert contents(tmp_path) == before


def test_not_finite_numbers_are_valid_json(tmp_path):
    values = {"cycle_photo": math.nan, "cycle_painting": math.inf, "rate": -math.inf}
    with Recorder.open(tmp_path, losses=LOSSES) as recorder:
        recorder.write("train", {"step": 1, **values})

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    line = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    assert (line["cycle_photo"], line["cycle_painting"]) == ("NaN", "Infinity")
    (row,) = read_metrics(tmp_path)
    assert math.isnan(row["cycle_photo"])
    assert (row["cycle_painting"], row["rate"]) == (math.inf, -math.inf)
    before = contents(tmp_path)
    write(tmp_path, [])
    assert contents(tmp_path) == before


def test_numpy_numbers_are_numbers_and_none_is_left_out(tmp_path):
    with Recorder.open(tmp_path, losses=LOSSES) as recorder:
        recorder.write("score", {"step": 1, "mifid": None, "fid": np.float64(1.5)})
        recorder.write("score", {"step": 2, "photos": np.int64(3), "fid": np.float32(0.5)})
    assert read_metrics(tmp_path) == [
        {"kind": "score", "step": 1, "fid": 1.5},
        {"kind": "score", "step": 2, "fid": 0.5, "photos": 3},
    ]
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert [row["fid"] for row in rows] == ["1.5", "0.5"]


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        ("scores", {"step": 1}, "unknown kind of line 'scores'.*\n.*Did you mean 'score'"),
        (
            "train",
            {"step": 1, "cycle_phto": 1.0},
            "'train' line has no column 'cycle_phto'.*\n.*'cycle_photo'",
        ),
        ("score", {"step": 1, "rate": 1.0}, "'score' line has no column 'rate'"),
        ("train", {"rate": 1.0}, "needs a whole 'step', got None"),
        ("train", {"step": 1.0}, "needs a whole 'step', got 1.0"),
        (
            "train",
            {"step": 1, "rate": torch.ones(())},
            "'rate' takes a number or a text, got Tensor",
        ),
    ],
)
def test_lines_that_are_refused(kind, values, text, tmp_path):
    with Recorder.open(tmp_path, losses=LOSSES) as recorder, pytest.raises(InputError, match=text):
        recorder.write(kind, values)
    assert read_metrics(tmp_path) == []


def test_no_folder(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        Recorder.open(tmp_path / "missing")
    assert read_metrics(tmp_path / "missing") == []


class Full:
    """A file on a full disk: a part of a line still fits."""

    def __init__(self, file):
        self._file, self._room = file, 7

    def write(self, content):
        if not self._room:
            raise OSError(28, "No space left on device")
        written = self._file.write(content[: self._room])
        self._room -= written
        return written

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_full_disk_leaves_no_half_line(tmp_path):
    write(tmp_path, [1])
    before = contents(tmp_path)
    recorder = Recorder.open(tmp_path, losses=LOSSES)
    recorder._files = tuple(Full(file) for file in recorder._files)
    with pytest.raises(OutputError, match=r"metrics\.jsonl: No space left") as caught:
        recorder.write("train", train(2))
    assert "space on the disk" in caught.value.hint
    recorder.close()
    assert contents(tmp_path) == before


class Shown(Trackers):
    """A tracker that remembers."""

    def __init__(self):
        super().__init__()
        self.curves = []

    def scalars(self, values, *, step):
        self.curves += [(step, name, value) for name, value in values.items()]


def test_what_trackers_are_given(tmp_path):
    shown = Shown()
    write(tmp_path, [1, 2], trackers=shown)
    names = {name for _, name, _ in shown.curves}
    assert {"loss/cycle_photo", "train/rate", "score/mifid/ema"} <= names
    cycles = [(step, value) for step, name, value in shown.curves if name == "loss/cycle_photo"]
    assert cycles == [(1, 3.125), (2, 3.25)]
    assert not any("weights" in name or "best" in name for name in names)


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 1}',
        '{"kind": 5, "step": 1}',
        '{"kind": "train", "step": true}',
        '{"kind": "train", "step": -1}',
        '{"kind": "train", "step": 1' + "0" * 400 + "}",
        '{"kind": "train", "step": 1, "rate": 1' + "0" * 400 + "}",
        '{"kind": "train", "step": 1, "cycle_photo": [1]}',
        '{"kind": "score", "step": 1, "weights": 2}',
        '{"kind": "score", "step": 1, "mifid": "low"}',
        '{"kind": "score", "step": 1, "extra": {}}',
        "[" * 100_000,
    ],
)
def test_a_line_that_nobody_wrote_is_told(line, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(line + '\n{"kind": "train", "step": 2}\n')
    with pytest.raises(InputError, match=r"line 1 of .*metrics\.jsonl is damaged"):
        Recorder.open(tmp_path, losses=LOSSES)


def test_half_a_surrogate_is_kept(tmp_path):
    line = b'{"kind": "score", "step": 1, "weights": "\\ud800"}\n'
    (tmp_path / "metrics.jsonl").write_bytes(line)
    Recorder.open(tmp_path, losses=LOSSES).close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == line
    assert b"\\ud800" in (tmp_path / "metrics.csv").read_bytes()


def test_lines_that_lack_all_but_their_step_are_drawn(tmp_path):
    text = "".join(f'{{"kind": "{kind}", "step": 1}}\n' for kind in ("train", "score"))
    (tmp_path / "metrics.jsonl").write_text(text + '{"kind": "score", "step": 2, "mifid": 1}\n')
    rows = read_metrics(tmp_path)
    plot_losses(rows, tmp_path / "losses.png", terms=CycleGan.terms)
    plot_scores(rows, tmp_path / "score.png")
