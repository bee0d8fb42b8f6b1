"""Monitors score what a generator makes, and show value, interval and nearest pairs."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import colours, drawn, repainted

import mifid
from mifid.errors import (
    FeatureError,
    InputError,
    MifidWarning,
    UnavailableError,
)
from mifid.loops import (
    HuggingFaceMonitor,
    LightningMonitor,
    Monitor,
    hugging_face,
    lightning_monitor,
)

REAL, GENERATED = drawn("painting", 12, seed=60), repainted(10)
PAGE = Path(mifid.__file__).parents[1] / "docs" / "loops.md"


def batches(pixels=GENERATED):
    for start in range(0, len(pixels), 4):
        yield torch.from_numpy(pixels[start : start + 4]).permute(0, 3, 1, 2)


class Shown:
    """A tracker that remembers."""

    def __init__(self):
        self.numbers, self.pictures = [], []

    def scalars(self, values, *, step):
        self.numbers.append((step, dict(values)))

    def picture(self, pixels, *, step, name="samples"):
        self.pictures.append((step, name, pixels))


def test_loggers_get_value_interval_and_nearest_pairs():
    shown = Shown()
    monitor = Monitor(batches, REAL, show=shown, extractor=colours, metrics=["mifid", "kid"])
    values = monitor(step=7)
    wanted = mifid.score(GENERATED, REAL, extractor=colours, metrics=["mifid", "kid"])
    interval = wanted.uncertainty.intervals["mifid"]
    assert values["mifid/mifid"] == pytest.approx(wanted.mifid, rel=1e-12)
    assert values["mifid/mifid_low"] == pytest.approx(interval.low)
    assert values["mifid/mifid_high"] == pytest.approx(interval.high)
    assert values["mifid/kid"] == wanted.metrics["kid"].values["kid"]
    assert shown.numbers == [(7, values)]
    ((step, name, sheet),) = shown.pictures
    assert (step, name) == (7, "mifid/nearest_pairs")
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 100  # pictures are on it
    assert monitor.report.fid == pytest.approx(wanted.fid, rel=1e-12)


def test_held_out_pictures_are_those_of_a_score():
    asked = {"extractor": colours, "metrics": ["fld"], "held_out": drawn("painting", 5, seed=90)}
    values = Monitor(batches, REAL, ci=0, pairs=0, **asked)(step=1)
    wanted = mifid.score(GENERATED, REAL, ci=0, **asked).metrics["fld"].values
    assert values == {f"mifid/{name}": value for name, value in wanted.items()}


def test_how_the_network_runs_is_no_setting_without_effect(tmp_path):
    mifid.build_reference(REAL, tmp_path / "real.npz", extractor=colours)
    settings = {"device": "cpu", "batch_size": 3, "workers": 1, "skip_bad": True, "ci": 0}
    of_file = Monitor(batches, tmp_path / "real.npz", extractor=colours, **settings)
    of_pictures = Monitor(batches, REAL, extractor=colours, **settings)
    assert of_file(step=1) == pytest.approx(of_pictures(step=1))
    assert of_file.report.warnings == ()
    with pytest.raises(InputError, match="unknown metric 'fit'"):
        Monitor(batches, REAL, extractor=colours, metrics=["fit"])


def test_pairs_are_shown_without_the_pictures_of_the_reference(tmp_path, unrendered):
    mifid.build_reference(REAL, tmp_path / "real.npz", extractor=colours)
    shown = Shown()
    Monitor(batches, tmp_path / "real.npz", show=[shown], extractor=colours, ci=0)(step=1)
    assert len(shown.pictures) == 1
    statistics = mifid.Statistics.from_features(mifid.features(REAL, extractor=colours).values)
    nothing = Shown()
    of_moments = Monitor(batches, statistics, show=nothing, extractor=colours, metrics=["fid"])
    assert set(of_moments(step=1)) == {"mifid/fid"}
    assert nothing.pictures == []


def test_training_is_not_disturbed():
    layer = torch.nn.Linear(4, 3 * 8 * 8)

    def sample():
        assert not torch.is_grad_enabled()
        yield torch.sigmoid(layer(torch.randn(9, 4))).reshape(9, 3, 8, 8)

    monitor = Monitor(sample, REAL, extractor=colours, value_range=(0, 1), ci=0)
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    values = monitor(step=1)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.is_grad_enabled()
    assert "mifid/fid_low" not in values


def test_a_logger_that_fails_does_not_end_the_training(unrendered):
    class Broken(Shown):
        def scalars(self, values, *, step):
            raise ConnectionError("gone")

    shown = Shown()
    monitor = Monitor(batches, REAL, show=[Broken(), shown], extractor=colours, ci=0)
    with pytest.warns(MifidWarning, match="Broken could not show the score of step 3: Conn"):
        monitor(step=3)
    assert len(shown.numbers) == 1


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Monitor(batches, "nowhere/", extractor=colours), InputError, "nowhere"),
        (lambda: Monitor(batches, REAL, show={"a": 1}), InputError, "a dict cannot be shown"),
        (lambda: Monitor(list, REAL, extractor=colours)(1), FeatureError, "gave no pictures"),
        (
            lambda: Monitor(lambda: batches(GENERATED[:1]), REAL, extractor=colours)(1),
            FeatureError,
            "one picture",
        ),
        (
            lambda: Monitor(lambda: [np.ones((4, 8, 8, 3))], REAL, extractor=colours)(1),
            InputError,
            "its range is not known",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match=r"Monitor\(\) got .*'extracter'. Did you mean 'extractor'"):
        Monitor(batches, REAL, extracter=colours)


def test_an_engine_of_ignite_gets_metrics(unrendered):
    """Ignite calls a handler with its engine; this one has what is used of it."""
    engine = SimpleNamespace(state=SimpleNamespace(iteration=5, metrics={"loss": 1.0}))
    Monitor(batches, REAL, extractor=colours, ci=0).ignite(engine)
    assert engine.state.metrics["mifid/fid"] > 0
    assert engine.state.metrics["loss"] == 1.0


def test_an_accelerator_logs_numbers_and_its_trackers_get_pairs(unrendered):
    """accelerate has no callbacks: this has what is used of an Accelerator and its trackers."""
    writer, logged = Shown(), []
    other = SimpleNamespace(name="comet", tracker=None)
    accelerator = SimpleNamespace(
        trackers=[SimpleNamespace(tracker=writer), other],
        log=lambda values, step: logged.append((step, values)),
    )
    values = Monitor(batches, REAL, extractor=colours, ci=0).accelerate(accelerator, step=5)
    assert logged == [(5, values)]
    assert writer.numbers == []
    assert len(writer.pictures) == 1


@pytest.mark.parametrize(
    ("make", "module", "said"),
    [
        (lambda m: LightningMonitor(m), lightning_monitor, "needs Lightning"),
        (lambda m: HuggingFaceMonitor(m, None), hugging_face, "needs transformers"),
    ],
)
def test_a_library_that_is_not_installed_is_named(make, module, said, monkeypatch):
    monkeypatch.setattr(module, "_CALLBACK", None)
    with pytest.raises(UnavailableError, match=said) as error:
        make(Monitor(batches, REAL, extractor=colours))
    assert error.value.hint.startswith("pip install")


def test_epochs_between_scores():
    """Lightning and transformers call these hooks; the rest of them is not needed."""
    called = []
    logged = []
    trainer = SimpleNamespace(global_step=10, loggers=[], world_size=1)
    module = SimpleNamespace(log_dict=lambda values, sync_dist: logged.append((values, sync_dist)))

    def monitor(step, pictures_to=()):
        called.append(step)
        return {"mifid/fid": 1.0}

    if lightning_monitor._CALLBACK is not None:
        callback = LightningMonitor(monitor, every_n_epochs=2)
        for epoch in range(4):
            trainer.current_epoch = epoch
            callback.on_train_epoch_end(trainer, module)
        assert called == [10, 10]
        assert logged == 2 * [({"mifid/fid": 1.0}, False)]
        with pytest.raises(InputError, match="every_n_epochs is 0"):
            LightningMonitor(monitor, every_n_epochs=0)
    if hugging_face._CALLBACK is not None:
        called.clear()
        told = []
        callback = HuggingFaceMonitor(monitor, SimpleNamespace(log=told.append), every_n_epochs=2)
        for epoch in (1.0, 2.0, 3.0, 4.0):
            callback.on_epoch_end(None, SimpleNamespace(epoch=epoch, global_step=int(epoch)), None)
        assert called == [2, 4]
        assert told == 2 * [{"mifid/fid": 1.0}]


def snippets(title):
    """Return the Python code of a section of docs/loops.md."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture
def surroundings(tmp_path, monkeypatch, unrendered):
    """What the page takes for granted: a generator, a reference; networks are toys here."""
    import mifid.loops
    import mifid.metric

    monkeypatch.chdir(tmp_path)
    mifid.build_reference(REAL, "monet.npz", extractor=colours)
    own = partial(Monitor, extractor=colours, ci=0)
    monkeypatch.setattr(mifid.loops, "Monitor", own)
    for name in ("FID", "MiFID", "KID"):
        original = getattr(mifid.metric, name)
        monkeypatch.setattr(mifid.metric, name, partial(original, extractor=colours))
    layer = torch.nn.Linear(128, 3 * 8 * 8)

    def generator(z):
        return torch.tanh(layer(z)).reshape(-1, 3, 8, 8)

    return {
        "generator": generator,
        "layer": layer,
        "device": "cpu",
        "real_batches": [torch.from_numpy(REAL).permute(0, 3, 1, 2)],
    }


def run(title, names):
    for section in ("A monitor", title):
        for code in snippets(section):
            exec(compile(code, f"docs/loops.md, {section}", "exec"), names)
    return names


def test_the_plain_loop_of_the_page(surroundings):
    pytest.importorskip("tensorboard")
    names = run("Your own loop", surroundings)
    assert names["values"]["mifid/fid"] > 0


def test_metric_objects_of_the_page(surroundings):
    names = run("Metric objects", surroundings)
    assert names["metric"].compute() > 0


def test_snippets_of_the_page_have_ten_lines():
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        assert sum(map(bool, code.splitlines())) <= 10, code


@pytest.mark.filterwarnings("ignore")  # of the library, about workers, devices and the like
def test_lightning_on_the_page(surroundings, monkeypatch):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = surroundings["layer"]

        def training_step(self, z, index):
            return surroundings["generator"](z).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    quiet = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    trainer = partial(lightning.Trainer, enable_progress_bar=False, **quiet)
    monkeypatch.setattr(lightning, "Trainer", trainer)
    loader = torch.utils.data.DataLoader(torch.randn(32, 128), batch_size=8)
    names = run("Lightning", {**surroundings, "Module": Module, "loader": loader})
    assert names["trainer"].callback_metrics["mifid/fid"] > 0
    assert names["trainer"].callback_metrics["mifid"] > 0


@pytest.mark.filterwarnings("ignore")
def test_ignite_on_the_page(surroundings):
    pytest.importorskip("ignite")
    names = run("Ignite", surroundings)
    assert names["trainer"].state.metrics["mifid/fid"] > 0


@pytest.mark.filterwarnings("ignore")
def test_accelerate_on_the_page(surroundings):
    pytest.importorskip("accelerate")
    pytest.importorskip("tensorboard")
    names = run("Accelerate", surroundings)
    assert names["values"]["mifid/fid"] > 0
    assert list(Path("runs").rglob("events*"))


@pytest.mark.filterwarnings("ignore")
def test_hugging_face_on_the_page(surroundings):
    transformers = pytest.importorskip("transformers")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = surroundings["layer"]

        def forward(self, z):
            return {"loss": surroundings["generator"](z).square().mean()}

    quiet = {"use_cpu": True, "report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    own = {
        "model": Model(),
        "arguments": transformers.TrainingArguments("runs", num_train_epochs=2, **quiet),
        "dataset": [{"z": torch.randn(128)} for _ in range(16)],
    }
    names = run("Hugging Face Trainer", surroundings | own)
    assert any("mifid/fid" in row for row in names["trainer"].state.log_history)
