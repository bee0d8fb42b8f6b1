"""TensorBoard and Weights & Biases are given numbers, samples and page; local files show it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mifid.errors import InputError, MifidWarning, UnavailableError
from mifid.trackers import TRACKERS, MLflow, TensorBoard, Trackers, WandB, tracker_of
from mifid.trackers import trackers as module

SHEET = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def show(folder, name, *, resume_from=None, step=5):
    page = folder / "report.html"
    page.write_text("<p>The best score was 41.</p>", encoding="utf-8")
    with Trackers([name], settings={"loss": {"cycle": 10.0}}) as opened:
        opened.open(folder, resume_from=resume_from)
        opened.scalars({"loss/cycle_photo": 1.25, "train/rate": 2e-4}, step=step)
        opened.picture(SHEET, step=step)
        opened.page(page, "It copies its photos.", step=step)


def test_tensorboard_has_numbers_samples_and_text(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    show(tmp_path, "tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss/cycle_photo")] == [(5, 1.25)]
    (picture,) = events.Images("samples")
    assert (picture.step, picture.width, picture.height) == (5, 4, 4)
    (text,) = events.Tensors("report/text_summary")
    said = text.tensor_proto.string_val[0].decode()
    assert said.startswith("It copies its photos.")
    assert "report.html" in said


WANDB = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_trackers import show
show(Path({folder!r}), "wandb")
"""


def test_wandb_has_numbers_samples_and_the_page(tmp_path):
    """Offline, in a process of its own: its service lives until Python ends."""
    pytest.importorskip("wandb")
    script = WANDB.format(paths=[str(Path(__file__).parent), *sys.path], folder=str(tmp_path))
    for name in ("config", "cache", "data"):
        (tmp_path / name).mkdir()
    own = {
        f"WANDB_{name.upper()}_DIR": str(tmp_path / name) for name in ("config", "cache", "data")
    }
    environment = os.environ | own | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (log,) = folder.glob("*.wandb")
    content = log.read_bytes()
    assert b"loss/cycle_photo" in content
    assert b"1.25" in content
    (page,) = (folder / "files" / "media" / "html").iterdir()
    assert "The best score was 41." in page.read_text(encoding="utf-8")
    (sheet,) = (folder / "files" / "media" / "images").iterdir()
    with Image.open(sheet) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), SHEET)


def test_a_run_that_goes_on_is_the_same_run_of_wandb(tmp_path, monkeypatch):
    begun = []

    def init(**given):
        begun.append(given)
        return SimpleNamespace(define_metric=lambda *_, **__: None, finish=lambda: None)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=lambda **_: None))
    monkeypatch.setenv("WANDB_PROJECT", "monets")
    for resume_from in (None, 5, 0):
        with Trackers(["wandb"], settings={"loss": {"cycle": 10.0}}) as opened:
            opened.open(tmp_path / "run", resume_from=resume_from)
    first, second, third = (given["id"] for given in begun)
    assert first == second != third
    assert begun[0]["project"] is None  # wandb reads it itself
    assert begun[0]["name"] == "run"
    assert begun[0]["config"] == {"loss": {"cycle": 10.0}}


@pytest.mark.parametrize(
    ("name", "missing"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")]
)
def test_one_that_is_not_installed_is_told_before_anything_is_opened(name, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UnavailableError, match=f"{name}: {name} cannot be used") as caught:
        Trackers([name])
    assert f"pip install 'mifid[{name}]'" in caught.value.hint


def test_wandb_that_cannot_be_started_is_told(tmp_path, monkeypatch):
    def init(**given):
        assert given["project"] == "mifid"
        raise RuntimeError("api_key not configured (no-tty)")

    fake = SimpleNamespace(init=init, Settings=lambda **_: None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with Trackers(["wandb"]) as opened, pytest.raises(UnavailableError, match="no-tty") as caught:
        opened.open(tmp_path, resume_from=None)
    assert "WANDB_MODE=offline" in caught.value.hint
    assert not list(tmp_path.iterdir())  # a second try finds the folder empty


class Broken:
    """A tracker whose network is gone after the first numbers."""

    def __init__(self, folder, settings, resume_from):
        self.calls = []

    def scalars(self, values, *, step):
        self.calls.append(step)
        if len(self.calls) > 1:
            raise ConnectionError("gone")


def test_one_that_fails_while_training_is_warned_of_and_left(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(module, "TRACKERS", {**TRACKERS, "tensorboard": Broken})
    with Trackers(["tensorboard"]) as opened:
        opened.open(tmp_path, resume_from=None)
        opened.scalars({"a": 1.0}, step=1)
        with pytest.warns(MifidWarning, match="tensorboard failed .*ConnectionError: gone"):
            opened.scalars({"a": 1.0}, step=2)
        opened.scalars({"a": 1.0}, step=3)


def test_a_writer_that_a_loop_has_opened(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    for given in (writer, SimpleNamespace(experiment=writer), SimpleNamespace(tracker=writer)):
        tracker = tracker_of(given)  # Lightning's logger and accelerate's tracker hold it
        assert isinstance(tracker, TensorBoard)
    tracker.scalars({"mifid/fid": 2.5}, step=7)
    tracker.picture(SHEET, step=7, name="mifid/nearest_pairs")
    tracker.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("mifid/fid")] == [(7, 2.5)]
    assert len(events.Images("mifid/nearest_pairs")) == 1
    assert tracker_of(tracker) is tracker


def test_a_run_of_wandb_keeps_its_own_steps(monkeypatch):
    logged, defined = [], []
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Image=lambda pixels: pixels.shape))
    run = SimpleNamespace(
        log=logged.append, define_metric=lambda name, **more: defined.append((name, more))
    )
    tracker = tracker_of(SimpleNamespace(experiment=run))
    assert isinstance(tracker, WandB)
    tracker.scalars({"mifid/fid": 2.5}, step=7)
    tracker.picture(SHEET, step=7, name="mifid/nearest_pairs")
    assert defined == [("mifid/step", {}), ("mifid/*", {"step_metric": "mifid/step"})]
    assert logged == [
        {"mifid/fid": 2.5, "mifid/step": 7},
        {"mifid/nearest_pairs": (4, 4, 3), "mifid/step": 7},
    ]


class FakeClient:
    """What is used of MlflowClient."""

    def __init__(self):
        self.calls = []

    def log_metric(self, run_id, key, value, step):
        self.calls.append((run_id, key, value, step))

    def log_image(self, run_id, image, *, key, step):
        self.calls.append((run_id, key, image.shape, step))


def test_a_run_of_mlflow(monkeypatch):
    run, client = SimpleNamespace(info=SimpleNamespace(run_id="r1")), FakeClient()
    fluent = SimpleNamespace(__name__="mlflow", active_run=lambda: run, MlflowClient=lambda: client)
    monkeypatch.setitem(sys.modules, "mlflow", fluent)
    of_accelerate = type("MLflowTracker", (), {"tracker": run})()
    of_lightning = SimpleNamespace(experiment=client, run_id="r1")
    for given in (fluent, of_lightning, of_accelerate):
        tracker = tracker_of(given)
        assert isinstance(tracker, MLflow)
        tracker.scalars({"mifid/fid": 2.5}, step=7)
        tracker.picture(SHEET, step=7, name="mifid/nearest_pairs")
    assert client.calls == 3 * [
        ("r1", "mifid/fid", 2.5, 7),
        ("r1", "mifid/nearest_pairs", (4, 4, 3), 7),
    ]


@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy, below mlflow
def test_mlflow_itself_keeps_numbers_and_pictures(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    with mlflow.start_run() as run:
        tracker = tracker_of(mlflow)
        tracker.scalars({"mifid/fid": 2.5}, step=7)
        tracker.picture(SHEET, step=7, name="mifid/nearest_pairs")
        client = mlflow.MlflowClient()
        (found,) = client.get_metric_history(run.info.run_id, "mifid/fid")
        assert (found.value, found.step) == (2.5, 7)
        assert client.list_artifacts(run.info.run_id, "images")


def test_what_shows_nothing_is_refused():
    with pytest.raises(InputError, match="a dict cannot be shown anything"):
        tracker_of({})
