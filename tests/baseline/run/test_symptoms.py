"""What goes wrong in known ways is warned of: in the log, the records, the text and the page."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import changed
from toys import colours, drawn, write_pictures

from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.models.resnet import ResNet
from mifid.baseline.run.records import read_metrics
from mifid.baseline.run.symptoms import COPIED, Watch, difference, lasting
from mifid.baseline.training import train_baseline
from mifid.errors import MifidWarning
from mifid.submission.writer import MONET

LOSSES = ("generator", "discriminator_painting")
RULES = replace(MONET, competition="a toy", at_least=6, at_most=6, size=(16, 16))


def seen(rows):
    """Return (name, step) of every symptom of these rows: of training, (generator, D, epoch)."""
    watch, found = Watch(LOSSES, LOSSES[1:]), []
    for step, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            row = dict(zip((*LOSSES, "epoch"), row, strict=True)) | {"kind": "train"}
        found += [(each.name, each.step) for each in watch.see({"step": step, **row})]
    return found


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([0.4, 0.5, 399, 401, 900], 4),  # a thousand times the first, once
        ([-0.4, 0.5, -401], 3),
        ([0.0, 0.4, 399, 401], 4),  # 0 is no first value: it was not computed yet
        ([1e-6, 0.5, 99, 101], 4),  # a loss that begins near 0 may have any value at first
        ([3.0, 2999.0], None),
        ([3.0, float("nan")], None),  # is an error elsewhere
    ],
)
def test_a_loss_a_thousand_times_its_first(losses, step):
    rows = [(loss, 0.5, number) for number, loss in enumerate(losses)]
    assert seen(rows) == ([] if step is None else [("exploded", step)])


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([0.5, 9e-4, 0.0, 0.0, 0.0], 3),  # from epoch 0.5 on: at 1.5 for an epoch
        ([0.5, 9e-4, 0.1, 0.0, 0.0], 5),  # not on end
        ([0.5, 9e-4, 1e-3, 0.0], None),
        ([0.0, 0.0, 0.0, 0.0], None),  # is not computed while the generator learns to copy
        ([0.0, 0.0, 0.0, 0.5, 0.0, 0.0], 6),
    ],
)
def test_a_discriminator_at_0_for_an_epoch(losses, step):
    rows = [(0.5, loss, 0.5 * number) for number, loss in enumerate(losses, 1)]
    assert seen(rows) == ([] if step is None else [("won", step)])


def test_a_line_over_several_epochs_is_an_epoch():
    assert seen([(0.5, 0.5, 6.0), (0.5, 1e-4, 12.0)]) == [("won", 2)]


def sample(step, copied, fraction=0.7):
    return {"kind": "sample", "step": step, "fraction": fraction, "difference": copied}


def test_a_generator_that_copies_is_warned_of_from_half_the_run_on():
    assert seen([sample(1, 1.0, 0.4), sample(2, COPIED), sample(3, 1.0), sample(4, 1.0)]) == [
        ("copies", 3)
    ]
    assert seen([{"kind": "sample", "step": 1, "fraction": 1.0}]) == []  # it sees no photos


def test_at_the_end_the_best_snapshot_counts():
    warned = {"kind": "warning", "step": 3, "symptom": "copies", "text": "copies at 3"}
    won = {"kind": "warning", "step": 2, "symptom": "won", "text": "won at 2"}
    rows = [sample(2, 30.0), won, sample(3, 1.0), warned]
    assert [each.name for each in lasting(rows, step=2)] == ["won"]
    assert [each.name for each in lasting(rows, step=3)] == ["copies", "won"]
    assert [each.name for each in lasting(rows, step=None)] == ["won"]
    early = [sample(2, 1.0, 0.1)]  # the best of a run that got worse
    assert [each.name for each in lasting(early, step=2)] == ["copies"]


def test_what_a_run_that_goes_on_was_warned_of_is_not_said_again():
    rows = [{"kind": "train", "step": 1, "generator": 0.5, "epoch": 1.0}]
    exploded = {"kind": "train", "step": 3, "generator": 600.0, "epoch": 3.0}
    assert [each.name for each in Watch(LOSSES, (), rows).see(exploded)] == ["exploded"]
    rows.append({"kind": "warning", "step": 2, "symptom": "exploded", "text": "it is large"})
    assert Watch(LOSSES, (), rows).see(exploded) == []


def test_the_difference_is_the_mean_of_all_values():
    photos = np.full((2, 3, 3, 3), 250, np.uint8)
    painted = photos.copy()
    painted[0] += 5
    painted[1] -= 9
    assert difference(photos, painted) == difference(painted, photos) == 7


@pytest.fixture
def train(tmp_path, undrawn, monkeypatch):
    """Train by a double of a step, which is given the number of the step."""
    write_pictures(tmp_path / "photos", drawn("photo", 6))
    write_pictures(tmp_path / "monets", drawn("painting", 4, seed=100))

    def begin(step):
        steps = iter(range(1, 100))
        monkeypatch.setattr(CycleGan, "step", lambda *_, **__: torch.tensor(step(next(steps))))
        config = changed(
            training={"steps": 8, "log_steps": 1, "ema": 0.0}, score={"points": 2, "metric": "fid"}
        )
        return train_baseline(
            tmp_path / "photos",
            tmp_path / "monets",
            tmp_path / "run",
            config=config,
            extractor=colours,
            rules=RULES,
        )

    return begin


def losses(generators=0.5, discriminators=0.5):
    return [generators] * 6 + [discriminators] * 2


@pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning")
@pytest.mark.filterwarnings("ignore:.*training made|.*score well|.*are too few")
@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("exploded", lambda n: losses(5000.0 if n >= 4 else 0.5), "at step 4 and was 0.5 at first"),
        ("won", lambda n: losses(0.5, 0.0 if n >= 4 else 0.5), "is below 0.001 for an epoch, unti"),
        ("copies", lambda _: losses(), "the generator copies its photos: at step"),
    ],
)
def test_it_is_said_in_the_log_the_records_the_text_and_the_page(
    name, step, said, train, monkeypatch
):
    if name == "copies":
        monkeypatch.setattr(ResNet, "forward", lambda _self, pictures: pictures)
    with pytest.warns(MifidWarning, match=said):
        trained = train(step)
    rows = [row for row in read_metrics(trained.folder) if row["kind"] == "warning"]
    (row,) = (row for row in rows if row["symptom"] == name)
    assert said in row["text"]
    (symptom,) = (text for text in trained.symptoms if said in text)
    report = json.loads((trained.folder / "score.json").read_text(encoding="utf-8"))
    assert symptom in report["warnings"]
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    assert said in page
    if name == "copies":  # painted photos are photos
        samples = [row for row in read_metrics(trained.folder) if row["kind"] == "sample"]
        assert [row["difference"] for row in samples] == [0, 0]
