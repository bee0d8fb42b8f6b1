"""A further method is a file and a line: this file, and what the fixture ``_registered`` adds."""

import csv
import re
import signal
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small import changed
from torch import nn
from toys import colours, drawn, write_pictures

import mifid.baseline.run.loop as loop_module
from mifid.baseline.config.settings import override
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.figures.curves import draw_losses
from mifid.baseline.gan.method import METHODS, Method, frozen
from mifid.baseline.gan.states import check_state
from mifid.baseline.gan.terms import ADVERSARIAL, Panel, Term
from mifid.baseline.models.generator import GeneratorNetwork, Painted
from mifid.baseline.models.networks import GENERATORS
from mifid.baseline.rules import check
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.records import read_metrics
from mifid.baseline.training import train_baseline
from mifid.errors import InputError
from mifid.progress import Silent
from mifid.submission.writer import MONET

RULES = replace(MONET, competition="a toy", at_least=12, at_most=12, size=(16, 16))
WATCHED = Panel("Watched losses", 4.0)


class Rho(nn.Module):
    """A layer with a weight of its own kind, as AdaLIN has."""

    def __init__(self):
        super().__init__()
        self.rho = nn.Parameter(torch.empty(1, 1, 1, 1))

    def initialise(self, generator):
        nn.init.constant_(self.rho, 0.9)

    def forward(self, x):
        return x * self.rho


class Looking(GeneratorNetwork):
    """Sees a picture and a noise for each pixel; returns a picture, logits and a map."""

    signature = "picture, noise -> picture, logits, map"

    def __init__(self, config, *, size):
        super().__init__()
        self.noise = (1, size, size)
        self.inner = nn.Conv2d(4, config.width, 3, padding=1)
        self.rho = Rho()
        self.gate = nn.Linear(config.width, 2, bias=False)
        self.out = nn.Conv2d(config.width, 3, 3, padding=1)

    def forward(self, pictures, noise):
        inner = self.rho(torch.relu(self.inner(torch.cat([pictures, noise], dim=1))))
        logits = self.gate(inner.mean(dim=(2, 3)))
        look = (inner * self.gate.weight[0].view(1, -1, 1, 1)).sum(dim=1)
        return torch.tanh(self.out(inner)), logits, look

    def paint(self, pictures, noise):
        picture, _, look = self.forward(pictures, noise)
        return Painted(picture, {"looks at": look})


class Sightings:
    """What was seen so far: a state that is neither a network's nor an optimiser's."""

    def __init__(self, processes):
        self._processes = processes
        self.mean, self.steps = torch.zeros(()), 0

    def add(self, value):
        value = self._processes.average(value.detach().float())
        self.mean = torch.lerp(self.mean, value, 1 / (self.steps + 1))
        self.steps += 1

    def state_dict(self):
        return {"mean": self.mean.clone(), "steps": self.steps}

    def load_state_dict(self, state):
        check_state(state, self.state_dict(), name="sightings")
        self.mean, self.steps = state["mean"].clone(), state["steps"]


class Toy(Method):
    """One generator with two outputs, a projection, and a bare weight; three optimisers."""

    terms = (
        Term("fooled", "generator", ADVERSARIAL, total="G"),
        Term("watched", "attention", WATCHED, "photo", ":", "CAM"),
        Term("projected", "projection", WATCHED, style="-."),
        Term("judged", "discriminator", ADVERSARIAL, style="--", total="D"),
    )
    generators = Looking.signature
    sides = ("paintings",)

    def __init__(self, config, **given):
        super().__init__(config, **given)
        projection = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        self.networks = {
            "painter": self._generator(0),
            "painting_discriminator": self._discriminator(2),
            "projection": self._drawn(projection, 4),
            "weights": self._placed(nn.ParameterDict({"balance": nn.Parameter(torch.ones(()))})),
        }
        painter, judge, *others = self.networks.values()
        self._painters = self._group("painters", [painter])
        self._judges = self._group("judges", [judge], judges=True)
        self._others = self._group("others", others)
        self.sightings = Sightings(self.processes)

    def parts(self):
        return {**super().parts(), "sightings": self.sightings}

    def columns(self, painter, photos, show):
        columns = super().columns(painter, photos, show)
        return {**columns, "painted twice": show(painter, columns["painting"]).picture}

    def step(self, photos, paintings, *, fraction, factor):
        judge = self.networks["painting_discriminator"]
        balance = self.networks["weights"]["balance"]
        noise = self.draws.normal_like(photos[:, :1])
        with frozen(self._judges.weights), self.autocast():
            painted, logits, look = self.networks["painter"](photos, noise)
            fooled = (judge(painted).float() - 1).square().mean()
            watched = logits.float().square().mean()
        self.sightings.add(look.mean())
        self._update(self._painters, fooled + watched, fraction, factor)
        with self.autocast():
            judged = (judge(paintings).float() - 1).square().mean()
            judged = judged + judge(painted.detach()).float().square().mean()
            guess = self.networks["projection"](paintings.mean(dim=(2, 3)))
            projected = (balance * guess.float() - 1).square().mean()
        self._update(self._judges, judged, fraction, factor)
        self._update(self._others, projected, fraction, factor)
        return torch.stack([t.detach() for t in (fooled, watched, projected, judged)])


CONFIG = changed(
    generator={"network": "looking"},
    training={"method": "toy", "steps": 3, "log_steps": 1, "ema": 0.5},
    score={"points": 1},
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(METHODS._paths, "toy", f"{__name__}:Toy")
    monkeypatch.setitem(GENERATORS._paths, "looking", f"{__name__}:Looking")


@pytest.fixture
def train(tmp_path, undrawn):
    for name, seed in (("photo", 0), ("painting", 100)):
        write_pictures(tmp_path / name, drawn(name, 12, seed=seed))

    def run(out, config=CONFIG, **options):
        given = {"extractor": colours, "rules": RULES, "config": config, "progress": False}
        sides = tmp_path / "photo", tmp_path / "painting"
        return train_baseline(*sides, tmp_path / out, **{**given, **options})

    return run


class Statuses(Silent):
    """Remembers what a bar would show."""

    def __init__(self):
        self.seen = []

    @contextmanager
    def task(self, label, total, unit):
        yield SimpleNamespace(advance=lambda steps=1: None, status=self.seen.append)


def state(folder, step=3):
    return Checkpoints(folder / "checkpoints", ALONE).load(step)["method"]


def flat(tree, path=""):
    if not isinstance(tree, dict | list):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {k: v for key, part in items for k, v in flat(part, f"{path}.{key}").items()}


@pytest.mark.filterwarnings("ignore:.*(score well|fail|worse):mifid.errors.MifidWarning")
def test_it_trains_is_interrupted_goes_on_and_is_shown(train, tmp_path, monkeypatch):
    shown = Statuses()
    whole = train("whole", progress=shown)
    assert whole.check.accepted
    assert re.match(r"step 1 G \d\.\d+ CAM \d\.\d+ D \d\.\d+", shown.seen[0])

    start, end = (flat(state(tmp_path / "whole", step)) for step in (0, 3))
    assert {".networks.weights.balance", ".sightings.mean", ".sightings.steps"} <= end.keys()
    assert end[".sightings.steps"] == 3
    for name in (".networks.painter.rho.rho", ".networks.weights.balance"):
        assert start[name] != end[name]
    assert {f".{group}.adam" for group in ("painters", "judges", "others")} <= {
        ".".join(name.split(".")[:3]) for name in end
    }

    original = loop_module.Trainer._step

    def interrupted(self):
        losses = original(self)
        if self.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(loop_module.Trainer, "_step", interrupted)
        assert train("parts").step == 2
    parts = train("parts", resume=True)
    again = flat(state(tmp_path / "parts"))
    assert end.keys() == again.keys()
    for name, value in end.items():
        same = torch.equal(value, again[name]) if torch.is_tensor(value) else value == again[name]
        assert same, name
    assert parts.archive.read_bytes() == whole.archive.read_bytes()

    rows = [row for row in read_metrics(whole.folder) if row["kind"] == "train"]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(set(Toy.losses) <= row.keys() for row in rows)
    (header, *_) = csv.reader((whole.folder / "metrics.csv").read_text().splitlines())
    assert header[7:11] == list(Toy.losses)
    assert "cycle_painting" not in header

    with Image.open(whole.folder / "samples" / "step-00000003.jpg") as sheet:
        # Four columns of 96 pixels: photo, painting, looks at, painted twice.
        assert sheet.width == 4 + 4 * 100
        maps = np.asarray(sheet)[-100:-4, 204:300].astype(int)
    assert maps[..., 2].max() > 90  # the blue and the red of a heat map
    assert maps[..., 0].max() > 90
    page = (whole.folder / "report.html").read_text()
    assert "samples/step-00000003.jpg" in page
    assert (whole.folder / "losses.png").is_file()


def test_a_checkpoint_without_the_methods_own_state_is_refused():
    method = Toy(CONFIG, device=torch.device("cpu"), draws=Draws(0), processes=ALONE)
    held = method.state_dict()
    method.load_state_dict(held)
    del held["sightings"]
    with pytest.raises(InputError, match="no state of sightings; it has networks, painters"):
        method.load_state_dict(held)


def test_its_losses_are_drawn_as_it_says():
    rows = [{"kind": "train", "step": i, **dict.fromkeys(Toy.losses, 1.0 + i)} for i in (1, 2)]
    figure = draw_losses(rows, terms=Toy.terms)
    panels = {
        axes.get_title(loc="left"): [text.get_text() for text in axes.get_legend().get_texts()]
        for axes in figure.axes
    }
    assert panels == {
        ADVERSARIAL.title: ["generator", "discriminator"],
        WATCHED.title: ["projection", "attention"],
    }


def test_networks_that_do_not_fit_it_are_refused_in_words():
    check(CONFIG)
    with pytest.raises(InputError) as caught:
        check(override(CONFIG, "generator.network=unet"))
    assert f"needs {Looking.signature}, and this network is picture -> picture" in str(caught.value)
    assert "generator.network=looking" in caught.value.hint
    with pytest.raises(InputError, match="method is cyclegan, but generator"):
        check(override(CONFIG, "training.method=cyclegan"))
    with pytest.raises(InputError, match="pretrain is 2, but training"):
        check(override(CONFIG, "training.pretrain=2"))
    with pytest.raises(InputError) as caught:
        check(override(CONFIG, "training.method=cyclgan"))
    assert "Did you mean 'cyclegan'?" in caught.value.hint
