"""A run's arithmetic: chosen, said, recorded, kept; float16 through overflows and interruptions."""

import signal
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from small import changed
from toys import drawn, write_pictures

import mifid.baseline.gan.precision as precision_module
import mifid.baseline.run.loop as loop_module
import mifid.baseline.run.run as run_module
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.precision import Precision
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.loop import DivergedError
from mifid.baseline.run.records import read_metrics
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, MifidWarning
from mifid.submission.writer import MONET

pytestmark = [
    pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),
]
RULES = replace(MONET, competition="a toy", at_least=12, at_most=12, size=(16, 16))
T4 = Precision("float16", "Tesla T4 (compute capability 7.5)", "tensor cores for float16")
A100 = Precision("bf16", "NVIDIA A100 (compute capability 8.0)", "it computes bfloat16")
CONFIG = changed(
    training={"precision": "auto", "steps": 8, "log_steps": 1},
    score={"points": 1},
)


class Notes:
    """A display that keeps what is noted."""

    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)

    @contextmanager
    def task(self, label, total, unit):
        yield self

    def advance(self, steps=1):
        pass

    def status(self, text):
        pass


@pytest.fixture
def train(tmp_path):
    write_pictures(tmp_path / "photos", drawn("photo", 12))
    write_pictures(tmp_path / "monets", drawn("painting", 6, seed=100))

    def run(out, config=CONFIG, **options):
        sides = tmp_path / "photos", tmp_path / "monets"
        given = {"config": config, "score": False, "rules": RULES, **options}
        return train_baseline(*sides, tmp_path / out, **given)

    return run


@pytest.fixture
def on(monkeypatch):
    """Let runs be on a GPU, as far as they ask; they compute on the CPU, whose float16 is one."""

    def use(gpu, *, scale=None):
        def choose(asked, _device):
            name = gpu.name if asked == "auto" else asked
            return Precision(name, gpu.device, gpu.reason)

        monkeypatch.setattr(run_module, "choose_precision", choose)
        monkeypatch.setattr(precision_module, "choose_precision", choose)
        if scale is not None:
            scaler = torch.amp.GradScaler
            monkeypatch.setattr(torch.amp, "GradScaler", lambda kind: scaler(kind, scale))

    return use


def rows(folder, kind):
    return [row for row in read_metrics(folder) if row["kind"] == kind]


def state(folder, step):
    return Checkpoints(folder / "checkpoints", ALONE).load(step)


def flat(tree, path=""):
    if not isinstance(tree, dict | list):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {k: v for key, part in items for k, v in flat(part, f"{path}.{key}").items()}


def test_what_is_chosen_is_said_once_recorded_and_shown(train, tmp_path):
    notes = Notes()
    train("run", changed(CONFIG, training={"steps": 2}), progress=notes)
    assert sum("float32 on the CPU" in text for text in notes.texts) == 1
    (row,) = rows(tmp_path / "run", "precision")
    assert (row["step"], row["precision"], row["device"]) == (0, "float32", "the CPU")
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"precision", "device", "reason"} <= set(header)
    assert "float32 on the CPU: auto" in (tmp_path / "run" / "report.html").read_text()
    assert "loss_scale" not in rows(tmp_path / "run", "train")[0]


def test_float16_goes_on_bit_for_bit_in_the_middle_of_overflows(train, on, tmp_path, monkeypatch):
    on(T4, scale=2.0**18)  # above what the toy's gradients allow: the first steps are left out
    whole = train("whole")
    steps = rows(whole.folder, "train")
    left_out = [row["skipped_steps"] for row in steps]
    assert left_out[:2] == [1, 1]
    assert 0 in left_out
    scales = [row["loss_scale"] for row in steps]
    assert scales[0] == 2.0**16  # halved for each kind of network
    assert scales == sorted(scales, reverse=True)
    for row in steps:
        assert ("cycle_photo" in row) == (row["skipped_steps"] == 0)
    page = (whole.folder / "report.html").read_text()
    assert "float16 on Tesla T4 (compute capability 7.5)" in page
    assert f"{sum(left_out)} steps were left out" in page
    assert all(w.isfinite().all() for w in flat(state(whole.folder, 8)).values() if _floats(w))
    assert whole.archive.is_file()

    real = loop_module.Trainer._step

    def interrupted(self):
        losses = real(self)
        if self.step == 2:
            assert losses is None
            signal.raise_signal(signal.SIGTERM)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(loop_module.Trainer, "_step", interrupted)
        assert train("parts").step == 2
    parts = train("parts", resume=True)
    one, two = (flat(state(run.folder, 8)) for run in (whole, parts))
    times = (".elapsed", ".prepared", ".looking.all", ".looking.longest")
    assert one.keys() == two.keys()
    for name, value in one.items():
        same = torch.equal(value, two[name]) if torch.is_tensor(value) else value == two[name]
        assert same or name in times, name
    timed = {"seconds", "images_per_second"}
    lines = [
        [{k: v for k, v in row.items() if k not in timed} for row in read_metrics(run.folder)]
        for run in (whole, parts)
    ]
    assert lines[0] == lines[1]
    assert whole.archive.read_bytes() == parts.archive.read_bytes()


def _floats(value):
    return torch.is_tensor(value) and value.is_floating_point()


def test_too_many_overflows_in_a_row_are_a_divergence(train, on, tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "_MOST_SKIPPED", 3)
    on(T4, scale=2.0**40)
    with pytest.raises(DivergedError, match=r"step 3: in 3 steps in a row .* scale of") as caught:
        train("run")
    assert "training.precision float32" in caught.value.hint
    kept = Checkpoints(tmp_path / "run" / "checkpoints", ALONE)
    assert kept.last() == 0


def test_a_run_keeps_its_arithmetic_on_other_hardware_and_says_so(train, on, tmp_path):
    on(T4, scale=2.0**8)
    short = changed(CONFIG, training={"steps": 1})
    longer = changed(CONFIG, training={"steps": 2})
    train("run", short)
    on(A100)
    notes = Notes()
    with (
        pytest.warns(MifidWarning, match="another length"),
        pytest.warns(MifidWarning, match=r"began in float16 on Tesla T4.*goes on in float16") as w,
    ):
        train("run", longer, resume=True, progress=notes)
    assert any("would choose bf16: it computes bfloat16" in str(each.message) for each in w)
    assert any("float16 on NVIDIA A100" in text for text in notes.texts)
    assert [
        (r["step"], r["precision"], r["device"][:9]) for r in rows(tmp_path / "run", "precision")
    ] == [
        (0, "float16", "Tesla T4 "),
        (1, "float16", "NVIDIA A1"),
    ]
    assert "loss_scale" in state(tmp_path / "run", 2)["method"]


@pytest.mark.filterwarnings("ignore:the run goes on from step 1 with another length")
def test_a_checkpoint_of_before_there_was_a_choice_goes_on(train, tmp_path):
    train("run", changed(CONFIG, training={"steps": 1, "precision": "float32"}))
    kept = Checkpoints(tmp_path / "run" / "checkpoints", ALONE)
    held = kept.load(1)
    for name in ("precision", "skipped"):
        del held[name]
    kept.save(1, {k: v for k, v in held.items() if k not in ("version", "world", "step")})
    longer = changed(CONFIG, training={"steps": 2, "precision": "float32"})
    assert train("run", longer, resume=True).step == 2


@pytest.mark.filterwarnings("ignore:the run goes on from step 1 with another length")
def test_a_checkpoint_with_another_arithmetic_than_there_is_is_refused(train, tmp_path):
    train("run", changed(CONFIG, training={"steps": 1}))
    kept = Checkpoints(tmp_path / "run" / "checkpoints", ALONE)
    held = kept.load(1)
    held["precision"]["name"] = "float8"
    kept.save(1, {k: v for k, v in held.items() if k not in ("version", "world", "step")})
    with pytest.raises(InputError, match="precision is 'float8'; expected bf16 or float16 or"):
        train("run", resume=True)


def test_float16_on_a_cpu_is_refused_before_anything_is_written(train, tmp_path):
    with pytest.raises(InputError, match="needs a GPU with CUDA; the device is the CPU"):
        train("run", changed(CONFIG, training={"precision": "float16"}))
    assert not (tmp_path / "run").exists()
