"""A signal while a snapshot is scored: nothing is lost, and the run goes on with that snapshot."""

import signal

import pytest
import torch
from small import changed
from toys import colours, drawn, write_pictures
from two_processes import leave_out_pictures

import mifid.baseline.run.snapshots as snapshots_module
import mifid.baseline.training as training_module
from mifid.baseline.data.augment import Augmenter
from mifid.baseline.distributed import ALONE
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.records import read_metrics

CONFIG = changed(training={"steps": 4}, score={"points": 2})


@pytest.fixture
def train(tmp_path, monkeypatch):
    write_pictures(tmp_path / "photos", drawn("photo", 12))
    write_pictures(tmp_path / "monets", drawn("painting", 4, seed=100))
    write_pictures(tmp_path / "held_out", drawn("painting", 4, seed=200))
    leave_out_pictures(monkeypatch.setattr)

    def run(out, **options):
        given = {"held_out": tmp_path / "held_out", "extractor": colours, "config": CONFIG}
        places = tmp_path / "photos", tmp_path / "monets", tmp_path / out
        return training_module.train_baseline(*places, **{**given, **options})

    return run


def scores(folder):
    rows = [row for row in read_metrics(folder) if row["kind"] == "score"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.filterwarnings("ignore:images.zip will hold")
@pytest.mark.parametrize("step", [2, 4])
def test_a_snapshot_that_a_signal_ended_is_taken_later(step, train, tmp_path, monkeypatch):
    whole = train("whole")
    real = snapshots_module.Snapshots.take

    def interrupted(self, **given):
        if given["step"] == step:
            signal.raise_signal(signal.SIGTERM)
        return real(self, **given)

    with monkeypatch.context() as patch:
        patch.setattr(snapshots_module.Snapshots, "take", interrupted)
        stopped = train("parts")
        assert stopped.interrupted is signal.SIGTERM
        assert stopped.step == step
        assert all(row["step"] < step for row in scores(tmp_path / "parts"))
        again = train("parts", resume=True)  # as soon as it goes on
        assert (again.interrupted, again.step) == (signal.SIGTERM, step)
    trained = train("parts", resume=True)
    assert trained.interrupted is None
    assert trained.best == whole.best
    assert scores(tmp_path / "parts") == scores(tmp_path / "whole")
    kept = Checkpoints(tmp_path / "parts" / "checkpoints", ALONE)
    assert kept.last() == 4
    assert kept.load(4)["best"]["step"] == whole.best.step
    one, two = (tmp_path / name / "best.safetensors" for name in ("whole", "parts"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.filterwarnings("ignore:images.zip will hold")
def test_a_run_of_cut_goes_on_bit_for_bit_and_ends_with_whole_pictures(
    train, tmp_path, monkeypatch
):
    config = changed(
        CONFIG,
        augment={"enlarge_until": 0.5},
        loss={"flip_equivariance": True},
        training={"method": "cut", "epochs": 0.0},
    )
    real, parts = Augmenter.__call__, []

    def noting(self, pixels, indices, draws, *, fraction=0.0):
        parts.append(fraction)
        return real(self, pixels, indices, draws, fraction=fraction)

    monkeypatch.setattr(Augmenter, "__call__", noting)
    train("whole", config=config)
    assert parts[-8:] == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]  # photos and paintings
    take = snapshots_module.Snapshots.take

    def interrupted(self, **given):
        signal.raise_signal(signal.SIGTERM)
        return take(self, **given)

    with monkeypatch.context() as patch:
        patch.setattr(snapshots_module.Snapshots, "take", interrupted)
        assert train("parts", config=config).step == 2
    assert train("parts", config=config, resume=True).step == 4
    assert parts[-4:] == [0.5, 0.5, 0.75, 0.75]
    whole, again = (
        Checkpoints(tmp_path / name / "checkpoints", ALONE).load(4)["method"]["networks"]
        for name in ("whole", "parts")
    )
    assert list(whole) == ["painter", "painting_discriminator", "heads"]
    for name, network in whole.items():
        assert all(torch.equal(value, again[name][key]) for key, value in network.items())
