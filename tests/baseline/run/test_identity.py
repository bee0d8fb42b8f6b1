"""Runs go on with the same pictures, wherever they are and whatever they are called."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import changed
from toys import colours, drawn, write_pictures

import mifid.baseline.run.loop as loop_module
from mifid.baseline.config.file import read_run_file
from mifid.baseline.data.picture_fingerprints import common, fingerprints, in_order
from mifid.baseline.data.store import PixelStore
from mifid.baseline.distributed import ALONE
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.identity import Side, compare_sides
from mifid.baseline.run.records import read_metrics
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, MifidWarning
from mifid.submission.writer import MONET

PHOTOS, PAINTINGS, HELD_OUT = (
    drawn("photo", 12),
    drawn("painting", 5, seed=50),
    drawn("painting", 8),
)
RULES = replace(MONET, competition="a toy", at_least=12, at_most=12, size=(16, 16))
CONFIG = changed(training={"steps": 5, "log_steps": 1}, score={"points": 2}, augment={"static": 2})
pytestmark = [
    pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture
def home(tmp_path):
    write_pictures(tmp_path / "photos", PHOTOS)
    write_pictures(tmp_path / "monets", PAINTINGS)
    write_pictures(tmp_path / "held_out", HELD_OUT)
    return tmp_path


def begin(home, out="run", config=CONFIG, **given):
    sides = {name: home / name for name in ("photos", "monets", "held_out")} | given
    return train_baseline(out=home / out, config=config, extractor=colours, rules=RULES, **sides)


def go_on(home, **given):
    return train_baseline(out=home / "run", resume=True, extractor=colours, rules=RULES, **given)


def stop_at(step, monkeypatch):
    original = loop_module.Trainer._step

    def stepping(self):
        losses = original(self)
        if self.step == step:
            signal.raise_signal(signal.SIGTERM)
        return losses

    monkeypatch.setattr(loop_module.Trainer, "_step", stepping)


def moved(home):
    """Move all pictures: other names, in another order, in other folders, and as an array."""
    for name, pictures in (("photos", PHOTOS), ("monets", PAINTINGS)):
        write_pictures(home / "elsewhere" / name / "jpg", pictures[::-1])
        for path in (home / name).iterdir():
            path.unlink()
        (home / name).rmdir()
    np.save(home / "held.npy", np.stack(HELD_OUT[::-1]))
    for path in (home / "held_out").iterdir():
        path.unlink()
    given = {"photos": home / "elsewhere/photos", "monets": home / "elsewhere/monets"}
    return {**given, "held_out": home / "held.npy"}


def last_state(home, out):
    state = Checkpoints(home / out / "checkpoints", ALONE).load(5)
    return {name: state[name] for name in ("method", "average", "feed", "draws", "best")}


def flat(value, path=""):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from flat(each, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from flat(each, f"{path}[{number}]")
    else:
        yield path, value.tolist() if isinstance(value, torch.Tensor) else value


def scores(home, out):
    rows = [row for row in read_metrics(home / out) if row["kind"] == "score"]
    return [(row["step"], row["weights"], row["mifid"]) for row in rows]


def test_a_run_goes_on_as_if_its_pictures_had_not_moved(home, monkeypatch):
    begin(home, "whole")
    with monkeypatch.context() as patch:
        stop_at(2, patch)
        assert begin(home).step == 2
    given = moved(home)
    assert go_on(home, **given).step == 5
    assert dict(flat(last_state(home, "run"))) == dict(flat(last_state(home, "whole")))
    assert scores(home, "run") == scores(home, "whole")
    # From now on they need not be given, and go on from there.
    assert read_run_file(home / "run" / "config.toml")[0].photos == str(given["photos"])
    assert go_on(home).trained_steps == 0
    with pytest.warns(MifidWarning, match="with another length"):
        assert go_on(home, settings=["training.steps=6"]).trained_steps == 1


BRIEF = changed(CONFIG, training={"steps": 1}, score={"points": 1}, augment={"static": 0})


@pytest.mark.filterwarnings("default::mifid.MifidWarning")
@pytest.mark.parametrize(
    ("side", "said"),
    [
        ("photos", "the photos are not .*: 11 of 12 are among them"),
        ("monets", "the paintings are not .*: 4 of 5 are among them"),
        ("held_out", "the held-out paintings are not .*: 7 of 8 are among them"),
    ],
)
def test_other_pictures_are_counted(side, said, home):
    begin(home, config=BRIEF)
    first = min((home / side).iterdir())
    write_pictures(home / "extra", drawn("painting", 1, seed=300))
    first.write_bytes((home / "extra" / "000.png").read_bytes())
    with pytest.raises(InputError, match=said) as caught:
        go_on(home)
    assert "names and order may be others" in caught.value.hint


def test_held_out_paintings_that_have_moved_are_named_with_the_file_that_names_them(home):
    begin(home, config=BRIEF)
    (home / "held_out").rename(home / "other")
    with pytest.raises(InputError, match=r"held-out paintings: no such file .*held_out") as caught:
        go_on(home)
    assert "run/config.toml names this path" in caught.value.hint
    assert "as held_out" in caught.value.hint
    assert go_on(home, held_out=home / "other").step == 1


def test_a_run_of_an_earlier_version_compares_names_too(home):
    begin(home, config=BRIEF)
    checkpoints = Checkpoints(home / "run" / "checkpoints", ALONE)
    state = checkpoints.load(1)
    for what in ("photos", "paintings", "held-out paintings"):
        del state["identity"][f"contents of the {what}"]
    checkpoints.save(1, {key: state[key] for key in state.keys() - {"version", "world", "step"}})
    assert go_on(home).trained_steps == 0
    (home / "photos" / "000.png").rename(home / "photos" / "999.png")
    with pytest.raises(InputError, match="the photos are not those") as caught:
        go_on(home)
    assert "names and number must be the same" in caught.value.hint


def store(pixels, indices=None):
    names = tuple(str(number) for number in range(len(pixels)))
    return PixelStore(names, pixels, "hash", indices=indices)


def test_equal_pictures_keep_their_number():
    random = np.random.RandomState(0)
    a, b, c = random.randint(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    then, now = store(np.stack([a, b, a, c])), store(np.stack([c, a, a, b]))
    found = in_order(now, now=fingerprints(now), then=fingerprints(then))
    assert sorted(found.order) == [0, 1, 2, 3]
    assert np.array_equal(now.pixels[found.order], then.pixels)
    assert fingerprints(found) == fingerprints(then)
    assert common(fingerprints(store(np.stack([a, a, a]))), fingerprints(then)) == 2


def test_fingerprints_are_computed_only_if_they_are_needed():
    calls = []

    def slow():
        calls.append(1)
        return "b a"

    begun, moved_then = compare_sides([Side("photos", "x", slow)], then=None)
    assert (begun, moved_then) == ({"photos": "x", "contents of the photos": "b a"}, {})
    assert compare_sides([Side("photos", "x", slow)], then=begun) == (begun, {})
    assert len(calls) == 1
    other = {"photos": "y", "contents of the photos": "a b"}
    assert compare_sides([Side("photos", "x", slow)], then=other) == (other, {"photos": "b a"})
    other["contents of the photos"] = "a a"  # as often, too
    found, moved_then = compare_sides([Side("photos", "x", slow)], then=other)
    assert (found["photos"], moved_then) == ("x", {})
