"""Whole runs: to the end, interrupted and gone on with, refused before they begin."""

import io
import json
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from patience import wait_for
from PIL import Image
from small import SMALL, changed
from toys import Counting, colours, drawn, write_pictures

import mifid.baseline.run.loop as loop_module
from mifid.baseline.config.file import read_run_file
from mifid.baseline.distributed import ALONE
from mifid.baseline.figures.sheets import save_picture
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.loop import DivergedError
from mifid.baseline.run.records import read_metrics
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, MifidError, MifidWarning, OutputError
from mifid.submission.writer import MONET

PHOTOS, PAINTINGS = 24, 6
RULES = replace(MONET, competition="a toy", at_least=PHOTOS, at_most=PHOTOS, size=(16, 16))


# Untrained toys paint little else than one colour; plots are tested where they are made.
pytestmark = [
    pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "photos", drawn("photo", PHOTOS))
    write_pictures(folder / "monets", drawn("painting", PAINTINGS, seed=100))
    write_pictures(folder / "held_out", drawn("painting", PAINTINGS, seed=200))
    return folder


def train(pictures, out, config=SMALL, **options):
    given = {"held_out": pictures / "held_out", "extractor": colours, "rules": RULES}
    return train_baseline(
        pictures / "photos", pictures / "monets", out, config=config, **{**given, **options}
    )


@pytest.fixture(scope="module")
def trained(pictures, undrawn, tmp_path_factory):
    """What a whole run returned: for tests that leave its folder as it is, or copy it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "generated. .*fail", MifidWarning)
        return train(pictures, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the whole run's folder."""
    return shutil.copytree(trained.folder, tmp_path / "copied")


def weights_at(out, step):
    return Checkpoints(out / "checkpoints", ALONE).load(step)


def assert_same(one, other, path="state"):
    """Compare nested states bit for bit."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            if key not in ("elapsed", "prepared", "looking"):  # times
                assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def test_a_run_leaves_a_scored_submission(trained):
    assert trained.step == 6
    assert trained.interrupted is None
    assert trained.check.accepted
    assert trained.report.n_generated == PHOTOS
    assert trained.report.n_reference == PAINTINGS
    found = {path.relative_to(trained.folder).as_posix() for path in trained.folder.rglob("*")}
    assert {
        "config.toml",
        "metrics.jsonl",
        "metrics.csv",
        "augmented.png",
        "losses.png",
        "score.png",
        "rgb_histograms.png",
        "report.html",
        "score.json",
        "images.zip",
        "best.safetensors",
        "samples/step-00000006.jpg",
    } <= found
    score = json.loads((trained.folder / "score.json").read_text())
    assert score["fid"] == trained.report.fid


def test_raw_and_averaged_weights_are_scored_and_the_best_is_kept(trained):
    rows = [row for row in read_metrics(trained.folder) if row["kind"] == "score"]
    assert [(row["step"], row["weights"]) for row in rows] == [
        (0, "photos"),
        (2, "raw"),
        (2, "ema"),
        (4, "raw"),
        (4, "ema"),
        (6, "raw"),
        (6, "ema"),
    ]
    lowest = min(rows[1:], key=lambda row: row["mifid"])
    assert trained.best.scores["mifid"] == lowest["mifid"]
    assert (trained.best.step, trained.best.weights) == (lowest["step"], lowest["weights"])
    assert [row["step"] for row in rows if row["best"]][-1] == trained.best.step


def test_the_score_is_of_held_back_photos_as_they_would_be_handed_in(pictures, tmp_path):
    seen = []

    def watching(batch):
        seen.append(tuple(batch.shape))
        return colours(batch)

    config = changed(training={"steps": 2, "ema": 0.0}, score={"points": 1})
    train(pictures, tmp_path / "run", config, extractor=watching)
    # Both sides of paintings; photos twice (a trial, then all); one snapshot; then, to score the
    # submission, the paintings once more, as an extractor without a fingerprint is never cached.
    sides = [PAINTINGS, PAINTINGS]
    assert [shape[0] for shape in seen] == [*sides, 2, 4, 4, *sides, PHOTOS]
    assert {shape[2:] for shape in (*seen[2:5], seen[-1])} == {(16, 16)}


def test_no_held_out_paintings_are_warned_of(pictures, tmp_path):
    config = changed(training={"steps": 1})
    with pytest.warns(MifidWarning, match="score well"):
        train(pictures, tmp_path / "run", config, held_out=None)


def test_held_out_paintings_that_are_trained_on_are_refused(pictures, tmp_path):
    copies = tmp_path / "copies"
    write_pictures(copies, drawn("painting", PAINTINGS, seed=100), names="fedcba")
    with pytest.raises(
        InputError, match=r"all held-out pictures \(folder .*copies\) are trained on"
    ):
        train(pictures, tmp_path / "run", held_out=copies)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_some_held_out_paintings_that_are_trained_on_are_told_on_the_page_too(pictures, tmp_path):
    mixed = [*drawn("painting", 2, seed=100), *drawn("painting", 3, seed=200)]
    write_pictures(tmp_path / "mixed", mixed)
    config = changed(training={"steps": 1})
    with pytest.warns(MifidWarning, match="2 of 5 held-out pictures are trained on"):
        train(pictures, tmp_path / "run", config, held_out=tmp_path / "mixed")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "2 of 5 held-out pictures are trained on" in page


def test_paintings_that_were_not_selected_are_held_out(pictures, tmp_path):
    train(
        pictures,
        tmp_path / "run",
        changed(training={"steps": 1}, data={"limit_paintings": 3}),
        held_out=write_pictures(tmp_path / "rest", drawn("painting", PAINTINGS, seed=100)[3:]),
    )


def preset_line(out):
    page = (out / "report.html").read_text()
    return page.partition('<p class="soft">')[2].partition(" ·")[0]


def test_the_page_names_the_preset_of_a_run_that_went_on(pictures, tmp_path):
    run, sides = tmp_path / "run", (pictures / "photos", pictures / "monets")
    small = ["training.steps=1", "training.budget=", "data.size=16", "generator.width=4"]
    train_baseline(*sides, run, preset="tiny", settings=small, score=False, rules=RULES)
    assert preset_line(run) == "Preset <strong>tiny</strong>"
    train_baseline(out=run, resume=True, score=False, rules=RULES)
    assert preset_line(run) == "Preset <strong>tiny</strong>"


def test_settings_of_no_preset_are_called_so(pictures, tmp_path):
    train(pictures, tmp_path / "run", changed(training={"steps": 1}), score=False)
    assert preset_line(tmp_path / "run") == "Settings from <code>config.toml</code>"


def test_a_short_run_logs_at_least_ten_times(pictures, tmp_path):
    config = changed(training={"steps": 20, "log_steps": 50}, score={"points": 1})
    train(pictures, tmp_path / "run", config, score=False)
    rows = [row["step"] for row in read_metrics(tmp_path / "run") if row["kind"] == "train"]
    assert rows == list(range(2, 21, 2))


def test_without_scores_the_last_snapshot_is_painted_with(pictures, tmp_path):
    trained = train(pictures, tmp_path / "run", score=False)
    assert trained.report is None
    assert (trained.best.step, trained.best.weights) == (6, "ema")
    assert trained.check.accepted


def test_two_runs_are_equal(trained, pictures, tmp_path):
    again = train(pictures, tmp_path / "again")
    assert_same(weights_at(trained.folder, 6), weights_at(again.folder, 6))
    assert trained.archive.read_bytes() == again.archive.read_bytes()


def test_another_seed_is_another_run(trained, pictures, tmp_path):
    other = train(pictures, tmp_path / "other", changed(training={"seed": 1}))
    assert trained.archive.read_bytes() != other.archive.read_bytes()


def interrupt_at(step, monkeypatch, number=signal.SIGTERM):
    """Send a signal while a step runs."""
    original = loop_module.Trainer._step

    def stepping(self):
        losses = original(self)
        if self.step == step:
            signal.raise_signal(number)
        return losses

    monkeypatch.setattr(loop_module.Trainer, "_step", stepping)


DRAWING = {
    "generator": {"dropout": 0.5, "norm": "batch"},
    "loss": {"label_noise": 0.1, "flip": 0.2, "input_noise": 0.1},
    "diffaugment": {"color": 0.5, "translation": 0.5, "cutout": 0.5},
    "optimiser": {"name": "adam_sgd"},
    "augment": {"turns": True, "vary": True, "static": 3},
}


MAPS = {
    "generator": {"network": "map_resnet"},
    "training": {"method": "bayes_cyclegan", "mc_samples": 1},
}


@pytest.mark.parametrize(
    ("sections", "number"),
    [({}, signal.SIGINT), (DRAWING, signal.SIGTERM), (MAPS, signal.SIGTERM)],
    ids=["none", "all", "maps"],
)
def test_an_interrupted_run_equals_an_uninterrupted_one(
    sections, number, pictures, tmp_path, monkeypatch
):
    config = changed(changed(**sections), training={"steps": 10})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(pictures, whole, config)
    with monkeypatch.context() as patch:
        interrupt_at(3, patch, number)  # in the middle between two lines of losses
        stopped = train(pictures, parts, config)
    assert stopped.interrupted is number
    assert stopped.step == 3
    assert stopped.archive is None
    trained = train(pictures, parts, config, resume=True)
    assert trained.step == 10
    assert_same(weights_at(whole, 10), weights_at(parts, 10))
    assert (whole / "images.zip").read_bytes() == (parts / "images.zip").read_bytes()
    timed = {"seconds", "images_per_second"}
    one, two = (
        [{k: v for k, v in row.items() if k not in timed} for row in read_metrics(folder)]
        for folder in (whole, parts)
    )
    assert one == two


def test_a_compact_run_goes_on_from_its_weights(pictures, tmp_path, monkeypatch):
    compact = {"exact": False, "kept": 1}
    config = changed(training={"steps": 10}, generator={"width": 32}, checkpoint=compact)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(5, patch)
        train(pictures, run, config)
    before = weights_at(run, 5)
    with monkeypatch.context() as patch:
        interrupt_at(6, patch)
        train(pictures, run, config, resume=True)
    after = weights_at(run, 6)
    rate = config.optimiser.rate
    for name, network in before["method"]["networks"].items():
        for key, weight in network.items():
            moved = (after["method"]["networks"][name][key] - weight).abs().max()
            assert 0 < moved <= 4 * rate, (name, key)  # a step of Adam, and not of unknown size
    assert train(pictures, run, config, resume=True).step == 10
    assert len(list((run / "checkpoints").iterdir())) == 1


@pytest.mark.parametrize("both", [False, True])
def test_the_best_generator_alone_is_kept_or_both(both, pictures, tmp_path):
    from safetensors import safe_open

    from mifid.baseline.generation.weights_file import load_generator
    from mifid.errors import WeightsError

    config = changed(BRIEF, checkpoint={"keep_raw": both})
    trained = train(pictures, tmp_path / "run", config)
    file = tmp_path / "run" / "best.safetensors"
    with safe_open(file, framework="pt") as opened:
        kinds = {name.partition(".")[0] for name in opened.keys()}  # noqa: SIM118
    assert kinds == ({"raw", "ema"} if both else {trained.best.weights})
    assert load_generator(file).which == trained.best.weights
    other = ({"raw", "ema"} - {trained.best.weights}).pop()
    if both:
        assert load_generator(file, which=other).which == other
    else:
        with pytest.raises(WeightsError, match="it has: ") as caught:
            load_generator(file, which=other)
        assert "checkpoint.keep_raw" in caught.value.hint


def test_a_finished_run_is_not_trained_again(trained, copied, pictures):
    (copied / "images.zip").unlink()
    again = train(pictures, copied, resume=True)
    assert again.step == 6
    assert again.archive.read_bytes() == trained.archive.read_bytes()


KILLED = """
import sys, warnings
from pathlib import Path
from types import SimpleNamespace
sys.path[:0] = {paths!r}
import test_run, torch
torch.set_num_threads(1)
training = {{"steps": 10_000, "checkpoint_minutes": 0.0}}
config = test_run.changed(training=training, score={{"points": 1}})
test_run.train(Path({pictures!r}), Path({out!r}), config)
"""


def test_kill_9_loses_at_most_one_interval(pictures, tmp_path):
    out = tmp_path / "run"
    paths = [str(folder) for folder in Path(__file__).parents[:3]]
    code = KILLED.format(paths=paths, pictures=str(pictures), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    try:
        checkpoints = Checkpoints(out / "checkpoints", ALONE)
        wait_for(lambda: (checkpoints.last() or 0) >= 5, process=process)
        with pytest.raises(OutputError, match="another process is training in") as error:
            train(pictures, out, resume=True)
        assert "another out" in error.value.hint
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    step = checkpoints.last()
    assert checkpoints.load(step)["step"] == step >= 5
    _, config = read_run_file(out / "config.toml")
    assert config.training.steps == 10_000
    rows = [row for row in read_metrics(out) if row["kind"] == "train"]
    assert rows
    assert rows[-1]["step"] <= step + 2


def test_a_diverged_run_keeps_the_last_good_checkpoint(pictures, tmp_path):
    config = changed(
        optimiser={"name": "sgd", "rate": 1e18, "discriminator_rate": 1e18},
        training={"steps": 50, "log_steps": 50},
        score={"points": 1},
    )
    with pytest.raises(DivergedError, match=r"diverged at step \d+: .*not finite") as error:
        train(pictures, tmp_path / "run", config)
    assert "optimiser.rate" in error.value.hint
    state = weights_at(tmp_path / "run", 0)
    for network in state["method"]["networks"].values():
        assert all(torch.isfinite(weight).all() for weight in network.values())
    assert Checkpoints(tmp_path / "run" / "checkpoints", ALONE).last() == 0


def test_running_out_of_gpu_memory_says_what_to_lower(pictures, tmp_path, monkeypatch):
    def hungry(self):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(loop_module.Trainer, "_step", hungry)
    with pytest.raises(MifidError, match="out of GPU memory with batches of 2 at 16 x 16") as error:
        train(pictures, tmp_path / "run")
    assert "training.batch" in error.value.hint


def test_a_full_disk_is_told_before_the_first_step(pictures, tmp_path, monkeypatch):
    def usage(folder):
        return SimpleNamespace(free=1000 if Path(folder).name == "run" else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(OutputError, match=r"no room for the run: about \d.* needed, 1.0 kB free"):
        train(pictures, tmp_path / "run")


@pytest.mark.parametrize("side", ["photos", "monets"])
def test_too_few_pictures(side, pictures, tmp_path):
    folder = write_pictures(tmp_path / "one", drawn("photo", 1))
    given = {"photos": pictures / "photos", "monets": pictures / "monets"} | {side: folder}
    with pytest.raises(MifidError, match=r"one|1 picture|fewer"):
        train_baseline(**given, out=tmp_path / "run", config=SMALL, score=False)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_the_scorer_is_tried_before_the_first_step(pictures, tmp_path):
    def broken(batch):
        raise ValueError("no such layer")

    with pytest.raises(Exception, match="no such layer"):
        train(pictures, tmp_path / "run", extractor=broken)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_snapshot_that_cannot_be_scored_does_not_end_the_run(pictures, tmp_path):
    calls = []

    def failing(batch):
        calls.append(len(batch))
        values = colours(batch)
        return values * float("nan") if len(calls) == 5 else values

    with pytest.warns(MifidWarning, match="a snapshot could not be scored"):
        trained = train(pictures, tmp_path / "run", extractor=failing)
    assert trained.step == 6
    assert trained.report is not None


def test_a_folder_with_a_run_is_not_overwritten(copied, pictures):
    before = (copied / "images.zip").read_bytes()
    with pytest.raises(OutputError, match="already has a run") as error:
        train(pictures, copied)
    assert "resume=True" in error.value.hint
    assert (copied / "images.zip").read_bytes() == before


def test_a_folder_with_other_files_is_not_used(pictures, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match=r"is not empty: it holds thesis\.tex"):
        train(pictures, tmp_path / "run")


def test_resuming_with_another_configuration_is_refused(copied, pictures):
    with pytest.raises(InputError, match=r"another configuration: loss.cycle: 10.* -> 5"):
        train(pictures, copied, changed(loss={"cycle": 5.0}), resume=True)


def test_resuming_with_other_pictures_is_refused(pictures, tmp_path):
    for name, seed in (("photos", 6), ("monets", 60)):
        write_pictures(tmp_path / name, drawn("photo", PHOTOS, seed=seed))
    given = {"out": tmp_path / "run", "score": False, "rules": RULES}
    train_baseline(tmp_path / "photos", tmp_path / "monets", config=SMALL, **given)
    (tmp_path / "photos" / "003.png").write_bytes((tmp_path / "photos" / "004.png").read_bytes())
    with pytest.raises(InputError, match="the photos are not those that the run began with"):
        train_baseline(resume=True, **given)


def test_resuming_with_another_extractor_is_refused(copied, pictures):
    with pytest.raises(InputError, match=r"another configuration: extractor: code -> none"):
        train(pictures, copied, resume=True, score=False)
    with pytest.raises(
        InputError, match=r"the scoring network is not the one .*: colours .*, now "
    ):
        train(pictures, copied, resume=True, extractor=Counting())
    with pytest.raises(InputError, match=r"config\.toml says .*Python function"):
        train_baseline(out=copied, resume=True, rules=RULES)


def test_the_extractor_is_remembered(pictures, tmp_path):
    given = {"extractor": "toys:colours", "epsilon": 0.2}
    config = changed(training={"steps": 2}, score={"points": 1})
    one = train(pictures, tmp_path / "one", config, **given)
    (tmp_path / "one" / "images.zip").unlink()
    file = tmp_path / "one" / "config.toml"
    named = {"extractor": "toys:colours", "rules": RULES}
    again = train_baseline(out=tmp_path / "one", resume=True, **named)
    other = train_baseline(out=tmp_path / "two", config=file, **named)
    assert one.report.mifid == again.report.mifid == other.report.mifid
    assert other.report.epsilon == 0.2
    assert other.report.protocol["extractor"] == "toys:colours"
    page = (tmp_path / "two" / "report.html").read_text()
    assert "--extractor toys:colours --epsilon 0.2" in page


def test_code_that_only_a_file_names_is_not_run(pictures, tmp_path, monkeypatch):
    """Whoever shares a run folder does not get to run code where it is gone on with."""
    run = tmp_path / "shared"
    train(pictures, run, changed(training={"steps": 1}), extractor="toys:colours")
    file = run / "config.toml"
    file.write_text(file.read_text().replace('"toys:colours"', '"shared.payload:f"'))
    (run / "payload.py").write_text("raise SystemExit('it was run')")
    monkeypatch.syspath_prepend(tmp_path)
    for given in ({"out": run, "resume": True}, {"out": tmp_path / "new", "config": file}):
        with pytest.raises(InputError, match=r"config\.toml names the extractor shared\.pay") as e:
            train_baseline(**given, rules=RULES)
        assert "extractor='shared.payload:f'" in e.value.hint


def test_nothing_to_resume(pictures, tmp_path):
    with pytest.raises(InputError, match=r"no run to resume in .*run: there is no such folder"):
        train_baseline(out=tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match=r"no run to resume in .*run: .* no config\.toml"):
        train(pictures, tmp_path / "run", resume=True)


BRIEF = changed(training={"steps": 2}, score={"points": 1})


@pytest.fixture
def moved(pictures, tmp_path, monkeypatch):
    """A run that was begun in a folder of its own by relative paths; return that folder."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("photos", "monets", "held_out"):
        shutil.copytree(pictures / name, home / name)
    (home / "names.txt").write_text("001\n002\n003\n")
    monkeypatch.chdir(home)
    config = changed(BRIEF, data={"select_paintings": "names.txt"})
    given = {"held_out": "held_out", "config": config, "extractor": colours, "rules": RULES}
    train_baseline("photos", "monets", "run", **given)
    return home


def go_on(**given):
    return train_baseline(resume=True, extractor=colours, rules=RULES, **given)


def test_a_run_goes_on_from_any_working_directory(moved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs, config = read_run_file("home/run/config.toml")
    assert (inputs.photos, inputs.held_out) == (f"{moved}/photos", f"{moved}/held_out")
    assert config.data.select_paintings == f"{moved}/names.txt"
    assert go_on(out="home/run").trained_steps == 0
    # The same pictures, spelt otherwise.
    assert go_on(out="home/run", photos="home/../home/photos", monets="home/monets/").step == 2


def test_a_run_goes_on_with_the_same_pictures_in_another_place(moved):
    archive = shutil.make_archive("elsewhere", "zip", "photos")
    for name in ("photos", "monets", "held_out"):
        (moved / name).rename(moved / f"{name}2")
    with pytest.raises(InputError, match=r"photos: no such file or folder: .*/photos") as caught:
        go_on(out="run")
    assert "run/config.toml names this path" in caught.value.hint
    assert "as photos: " in caught.value.hint
    with pytest.raises(InputError, match=r"paintings: no such file or folder: .*/monets") as caught:
        go_on(out="run", photos="photos2")
    assert "as monets: " in caught.value.hint
    assert go_on(out="run", photos=archive, monets="monets2", held_out="held_out2").step == 2
    # It is noted: from now on they need not be given.
    assert read_run_file("run/config.toml")[0].photos == archive
    assert go_on(out="run").step == 2


@pytest.mark.filterwarnings("default::mifid.MifidWarning")
@pytest.mark.parametrize(
    ("side", "option", "said"),
    [
        ("photos", "photos", "the photos are not those that the run began with: 23 of 24 are"),
        ("monets", "monets", "the paintings are not those that the run began with"),
        ("held_out", "held_out", "the held-out paintings are not those that the run began with"),
    ],
)
def test_other_pictures_are_refused_and_nothing_is_noted(side, option, said, moved, pictures):
    write_pictures(pictures / "extra", drawn("painting", 1, seed=300))
    shutil.copytree(side, "other")
    first = moved / "other" / "001.png"
    if side == "photos":
        first.unlink()
    else:
        first.write_bytes((pictures / "extra" / "000.png").read_bytes())
    before = (moved / "run" / "config.toml").read_bytes()
    with pytest.raises(InputError, match=said):
        go_on(out="run", **{option: "other"})
    assert (moved / "run" / "config.toml").read_bytes() == before


@pytest.mark.parametrize("name", ["constant", "linear"])
def test_a_finished_run_is_trained_on(name, pictures, tmp_path):
    schedule = {"name": name, "start": 0.5}
    config = changed(training={"steps": 4, "log_steps": 1}, score={"points": 1}, schedule=schedule)
    run = tmp_path / "run"
    train(pictures, run, config)
    with pytest.warns(MifidWarning, match="goes on from step 4 with another length, of which 50%"):
        trained = train(pictures, run, changed(config, training={"steps": 8}), resume=True)
    assert (trained.step, trained.trained_steps) == (8, 4)
    assert read_run_file(run / "config.toml")[1].training.steps == 8
    rows = [row for row in read_metrics(run) if row["kind"] == "train"]
    assert [row["step"] for row in rows] == list(range(1, 9))
    factors = [round(row["rate"] / 2e-4, 6) for row in rows]
    if name == "constant":  # as if it had been so long from the beginning
        assert factors == [1] * 8
        train(pictures, tmp_path / "whole", changed(config, training={"steps": 8}))
        assert_same(weights_at(tmp_path / "whole", 8)["method"], weights_at(run, 8)["method"])
    else:
        assert factors == [1, 1, 1, 0.5, 1, 0.75, 0.5, 0.25]


def test_a_run_that_was_killed_after_it_got_another_length_goes_on_to_it(
    pictures, tmp_path, monkeypatch
):
    config = changed(training={"steps": 3}, score={"points": 1}, schedule={"name": "constant"})
    run = tmp_path / "run"
    train(pictures, run, config)

    def killed(self):
        raise RuntimeError("killed")

    longer = changed(config, training={"steps": 5})
    with monkeypatch.context() as patch:
        patch.setattr(loop_module.Trainer, "_step", killed)
        patch.setattr("mifid.baseline.run.length.warn", lambda _: None)
        with pytest.raises(RuntimeError, match="killed"):
            train(pictures, run, longer, resume=True)
    inputs = {"extractor": colours, "rules": RULES}
    with pytest.warns(MifidWarning, match="from step 3 with another length, of which 60%"):
        trained = train_baseline(out=run, resume=True, **inputs)
    assert (trained.step, trained.trained_steps) == (5, 2)


def test_a_run_of_epochs_is_trained_on(pictures, tmp_path):
    epochs = {"steps": 0, "epochs": 1.0, "log_steps": 1}
    config = changed(training=epochs, score={"points": 1}, schedule={"start": 0.0})
    run = tmp_path / "run"
    assert train(pictures, run, config).step == 3  # of 2 of the 6 paintings
    with pytest.warns(MifidWarning, match="from step 3 with another length, of which 50%"):
        train(pictures, run, changed(config, training={"epochs": 2.0}), resume=True)
    rows = [row for row in read_metrics(run) if row["kind"] == "train"]
    assert [row["step"] for row in rows] == list(range(1, 7))
    assert [round(row["fraction"] * 6, 6) for row in rows] == [2, 4, 6, 4, 5, 6]
    steps = changed(config, training={"epochs": 0.0, "steps": 8})
    with pytest.warns(MifidWarning, match="of which 75%"):
        assert train(pictures, run, steps, resume=True).step == 8


def test_training_on_to_less_than_there_is_is_refused(pictures, tmp_path):
    run = tmp_path / "run"
    train(pictures, run, changed(BRIEF, training={"steps": 4}))
    before = (run / "config.toml").read_bytes()
    with pytest.raises(InputError, match=r"has trained 4 steps .* nothing of the new length") as e:
        train(pictures, run, changed(BRIEF, training={"steps": 3}), resume=True)
    assert "count from the beginning" in e.value.hint
    assert (run / "config.toml").read_bytes() == before


@pytest.mark.parametrize("leftover", [".config.toml.1d8bszih.tmp", ".lock"])
def test_what_a_kill_left_does_not_block_the_next_run(leftover, pictures, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / leftover).touch()
    assert train(pictures, run, BRIEF, score=False).step == 2
    assert not list(run.glob(".*.tmp"))
    left = run / "checkpoints" / ".step-00000002.rank0.pt.abcd_123.tmp"
    left.touch()
    train(pictures, run, BRIEF, score=False, resume=True)
    assert not left.exists()


def test_what_is_refused_leaves_nothing(pictures, tmp_path):
    before = sorted(path.name for path in (pictures / "monets").iterdir())
    with pytest.raises(OutputError, match="monets is not empty"):
        train(pictures, pictures / "monets")
    assert sorted(path.name for path in (pictures / "monets").iterdir()) == before
    with pytest.raises(InputError, match="no such file"):
        train_baseline(tmp_path / "no", tmp_path / "no", tmp_path / "new" / "run", config=SMALL)
    assert not (tmp_path / "new").exists()


def test_the_same_pictures_on_both_sides_are_refused(pictures, tmp_path):
    copies = write_pictures(
        tmp_path / "copies", drawn("photo", PHOTOS), names="zyxwvutsrqponmlkjihgfedc"
    )
    given = {"out": tmp_path / "run", "config": SMALL, "score": False, "rules": RULES}
    for monets in (pictures / "photos", copies):
        with pytest.raises(InputError, match="are the same pictures") as caught:
            train_baseline(pictures / "photos", monets, **given)
        assert "photos and monets must be different" in caught.value.hint
    for path in list((tmp_path / "copies").iterdir())[4:]:
        path.unlink()
    with pytest.raises(InputError, match=r"4 of 24 photos .* and 4 of 4 paintings"):
        train_baseline(pictures / "photos", copies, **given)
    shutil.copytree(pictures / "monets", tmp_path / "mixed")
    shutil.copy(pictures / "photos" / "003.png", tmp_path / "mixed" / "x.png")
    with pytest.warns(MifidWarning, match="1 of 7 paintings are also among the photos"):
        train_baseline(pictures / "photos", tmp_path / "mixed", **{**given, "config": BRIEF})


def test_config_toml_repeats_the_run(trained, tmp_path):
    again = train_baseline(
        out=tmp_path / "again",
        config=trained.folder / "config.toml",
        extractor=colours,
        rules=RULES,
    )
    assert again.archive.read_bytes() == trained.archive.read_bytes()


def test_fewer_pictures_can_be_trained_on_and_painted(pictures, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("001\n003\n004\n")
    config = changed(
        data={"limit_photos": 10, "select_paintings": str(names)}, training={"submission": 5}
    )
    rules = replace(RULES, at_least=5, at_most=5)
    trained = train(pictures, tmp_path / "run", config, rules=rules)
    assert trained.check.accepted
    assert trained.report.n_generated == 5
    page = (tmp_path / "run" / "report.html").read_text()
    assert "10 from" in page
    assert "3 from" in page


def test_a_gan_paints_from_noise(pictures, tmp_path):
    config = changed(
        generator={"network": "dcgan", "latent": 8, "norm": "batch"},
        discriminator={"network": "dcgan", "norm": "batch", "sigmoid": True},
        loss={"adversarial": "bce"},
        training={"method": "gan"},
    )
    trained = train(pictures, tmp_path / "run", config)
    assert trained.check.accepted
    row = next(row for row in read_metrics(tmp_path / "run") if row["kind"] == "train")
    assert "cycle_photo" not in row or row["cycle_photo"] is None


def test_pretraining_comes_first(pictures, tmp_path):
    config = changed(training={"steps": 20, "pretrain": 16})
    train(pictures, tmp_path / "run", config, score=False)
    rows = [row for row in read_metrics(tmp_path / "run") if row["kind"] == "train"]
    assert [row["cycle_photo"] > 0 for row in rows] == [False] * 8 + [True] * 2
    assert all(row["identity_painting"] > 0 for row in rows)


def test_tensorboard_has_the_losses_and_the_samples_of_each_snapshot(pictures, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train(pictures, run, score=False, tensorboard=True)
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert "loss/cycle_photo" in events.Tags()["scalars"]
    assert events.Tags()["images"] == ["samples"]
    (text,) = events.Tensors("report/text_summary")
    assert text.step == 6
    assert str(run / "report.html") in text.tensor_proto.string_val[0].decode()
    samples = {
        int(path.stem.removeprefix("step-")): path for path in (run / "samples").glob("step-*.jpg")
    }
    shown = {event.step: event for event in events.Images("samples")}
    assert len(shown) > 1
    assert shown.keys() == samples.keys()
    for step, event in shown.items():
        with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            save_picture(tmp_path / "shown.jpg", np.asarray(picture.convert("RGB")))
        assert (tmp_path / "shown.jpg").read_bytes() == samples[step].read_bytes()


def test_learning_is_seen(pictures, tmp_path):
    """The cycle loss falls: a sign error anywhere in the loop would not let it."""
    config = changed(
        training={"steps": 40, "log_steps": 10, "pool": 0},
        schedule={"name": "constant"},
        optimiser={"rate": 4e-3},
        loss={"weight": 0.0},
        generator={"network": "unet", "width": 8},
    )
    train(pictures, tmp_path / "run", config, score=False)
    rows = [row for row in read_metrics(tmp_path / "run") if row["kind"] == "train"]
    cycles = [row["cycle_photo"] + row["cycle_painting"] for row in rows]
    assert cycles[-1] < 0.6 * cycles[0]
    assert np.isfinite(cycles).all()


def damaged(source, folder, number=20):
    """Return a copy of a folder of which one picture is cut short."""
    for path in source.iterdir():
        content = path.read_bytes()
        cut = len(content) // 2 if path.stem == f"{number:03}" else None
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(content[:cut])
    return folder


@pytest.mark.parametrize(
    "data", [{}, {"limit_photos": 10}], ids=["training would see it", "only painting would"]
)
def test_a_damaged_photo_is_told_before_the_first_step(data, pictures, tmp_path):
    photos = damaged(pictures / "photos", tmp_path / "photos")
    with pytest.raises(MifidError, match=r"'020\.png' is damaged"):
        train_baseline(
            photos,
            pictures / "monets",
            tmp_path / "run",
            config=changed(data=data),
            extractor=colours,
            rules=RULES,
        )
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_damaged_photo_can_be_left_out_of_everything(pictures, tmp_path):
    photos = damaged(pictures / "photos", tmp_path / "photos")
    # A damaged painting, for the scorer.
    monets = damaged(pictures / "monets", tmp_path / "monets", PAINTINGS - 1)
    rules = replace(RULES, at_least=PHOTOS - 1, at_most=PHOTOS - 1)
    with pytest.warns(MifidWarning) as warned:
        trained = train_baseline(
            photos,
            monets,
            tmp_path / "run",
            config=SMALL,
            extractor=colours,
            rules=rules,
            skip_bad=True,
        )
    assert any("1 photos cannot be painted" in str(w.message) for w in warned)
    assert trained.check.accepted
    assert trained.report.n_generated == PHOTOS - 1
    assert trained.report.n_reference == PAINTINGS - 1


def test_two_photos_of_one_name_are_told_before_the_first_step(pictures, tmp_path):
    for folder in ("a", "b"):
        write_pictures(tmp_path / "photos" / folder, drawn("photo", 3))
    with pytest.raises(InputError, match=r"two pictures would have the name 000\.jpg"):
        train_baseline(tmp_path / "photos", pictures / "monets", tmp_path / "run", config=SMALL)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_score_that_is_no_number_is_never_the_best(pictures, tmp_path, monkeypatch):
    from mifid.baseline.scorer import ReferenceScorer

    values = iter([30.0, 30.0, float("nan"), 20.0, 10.0, 15.0, 12.0, 11.0])

    def scripted(_self, pictures):
        assert sum(len(batch) for batch in pictures) in (2, 4)
        return {"mifid": next(values)}

    monkeypatch.setattr(ReferenceScorer, "__call__", scripted)
    trained = train(pictures, tmp_path / "run")
    assert trained.best.scores["mifid"] == 10.0
    assert (trained.best.step, trained.best.weights) == (4, "raw")


def test_without_tensorboard_nothing_is_begun(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MifidError, match="tensorboard: tensorboard cannot be used"):
        train(pictures, tmp_path / "run", tensorboard=True)
    assert train(pictures, tmp_path / "run", score=False).step == 6


def test_a_signal_after_the_last_step_is_heard(trained, pictures, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(6, patch)
        stopped = train(pictures, tmp_path / "run")
    assert stopped.interrupted is signal.SIGTERM
    assert stopped.archive is None
    resumed = train(pictures, tmp_path / "run", resume=True)
    assert resumed.archive.read_bytes() == trained.archive.read_bytes()
    assert resumed.best == trained.best


def test_a_run_on_another_kind_of_device_is_not_gone_on_with(copied, pictures):
    last = copied / "checkpoints" / "step-00000006.rank0.pt"
    state = torch.load(last, weights_only=True)
    state["identity"]["kind of device"] = "cuda"
    torch.save(state, last)
    with pytest.raises(InputError, match=r"the kind of device is not the one .*: cuda, now cpu"):
        train(pictures, copied, resume=True)
