"""mifid train-baseline: what it prints, what it leaves, what it says to mistakes."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mifid_cli.failures import SHORTHANDS
from mifid_cli.train import train_baseline
from patience import PATIENCE, wait_for
from pictures import encode, noise, noises, write_folder, write_tfrecord
from toys import drawn, write_pictures

from mifid.baseline.config import Config, describe
from mifid.baseline.config.file import read_run_file
from mifid.baseline.distributed import ALONE
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.records import read_metrics
from mifid.baseline.run.symptoms import Symptom
from mifid.errors import name_options, setting, warn

_SMALL = (
    "data.size=16",
    "data.held_back=4",
    "generator.width=4",
    "generator.blocks=1",
    "discriminator.width=4",
    "discriminator.layers=1",
    "training.batch=2",
    "score.points=1",
)
TINY = ["--preset", "tiny", *(word for setting in _SMALL for word in ("--set", setting))]
SIDES = ["--photos", "photos", "--monets", "monet"]
COLOURS = ["--extractor", "toys:colours"]

pytestmark = [
    pytest.mark.filterwarnings("default::mifid.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),  # plots are tested where they are made
]


@pytest.fixture(autouse=True)
def photos(folder):
    """photos/ beside monet/ in the current folder; toy networks need one thread."""
    write_pictures(folder / "photos", drawn("photo", 10))
    np.savez(folder / "stats.npz", mu=np.zeros(2), sigma=np.eye(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder / "photos"
    torch.set_num_threads(threads)


def merged(options, arguments):
    """Leave out of the options what the arguments give: each option and setting is given once."""
    given = {word for word in arguments if str(word).startswith("--")} - {"--set"}
    settings = {str(word).partition("=")[0] for word in arguments if "=" in str(word)}
    kept, words = [], iter(options)
    for word in words:
        value = next(words)  # all of these options have one
        if word not in given and value.partition("=")[0] not in settings:
            kept += [word, value]
    return [*kept, *arguments]


@pytest.fixture
def train(run):
    """Run `mifid train-baseline` with a toy network; the folder of the run is run/."""

    def invoke(*arguments):
        return run("train-baseline", *merged([*SIDES, *TINY, *COLOURS], arguments))

    return invoke


@pytest.fixture
def refused(failure):
    """Train what must be refused before anything is lost; return what is said."""

    def invoke(*arguments, code=1, options=(*SIDES, *TINY, *COLOURS, "--steps", "2")):
        said = failure("train-baseline", *merged(options, arguments), code=code)
        assert not Path("run/config.toml").exists()
        return " ".join(said.split())

    return invoke


def test_a_run_is_told_and_can_be_repeated(train, folder, run):
    write_pictures(folder / "others", drawn("painting", 5, seed=90))
    result = train("--steps", "4", "--limit", "8", "--held-out", "others")
    assert result.exit_code == 0, result.output
    warned = " ".join(result.stderr.split())
    assert "images.zip will hold 10 pictures; 'I'm Something" in warned  # told before training
    assert "takes 7,000 to 10,000 and would refuse it" in warned
    words = " ".join(result.stdout.split())
    assert "refused number 10 pictures" in words
    assert "ok size all 256x256" in words
    assert "MiFID" in words
    assert f"The submission: {Path('run/images.zip')}" in words
    assert f" {Path('run/report.html')} " in words
    assert "The folder run holds" in words
    assert "checkpoints/" in words
    assert (folder / "run" / "report.html").is_file()
    inputs, config = read_run_file("run/config.toml")
    sides = tuple(str(folder / name) for name in ("photos", "monet", "others"))
    assert (inputs.photos, inputs.monets, inputs.held_out) == sides
    assert (config.training.steps, config.training.budget) == (4, "")
    assert (config.data.limit_photos, config.data.limit_paintings) == (8, 8)

    again = run("train-baseline", *COLOURS, "--config", "run/config.toml", "--out", "again")
    assert again.exit_code == 0, again.output
    first, second = (folder / name / "images.zip" for name in ("run", "again"))
    assert first.read_bytes() == second.read_bytes()

    finished = run("train-baseline", *COLOURS, "--resume")
    assert finished.exit_code == 0, finished.output
    assert "Nothing was left to train: the run was complete at step 4" in finished.stdout
    other = run("train-baseline", *COLOURS, "--resume", "--set", "loss.cycle=9")
    assert other.exit_code == 1
    assert "loss.cycle: 10 -> 9" in other.stderr
    longer = run("train-baseline", *COLOURS, "--resume", "--steps", "8")
    assert longer.exit_code == 0, longer.output
    assert "the learning rate changes from 0 to 0.0002" in longer.stderr
    assert "Nothing was left" not in longer.stdout
    assert read_run_file("run/config.toml")[1].training.steps == 8


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--lr", "--set optimiser.rate=VALUE"),
        ("--learning-rate", "'--set optimiser.rate=VALUE' or '--set optimiser.discriminator_rate="),
        ("--batch-size", "--set training.batch=VALUE"),
        ("--lambda_cycle", "--set loss.cycle=VALUE"),
        ("--n-epochs", "--epochs"),
        ("--num-epochs", "'--epochs'"),
    ],
)
def test_options_of_other_projects_are_answered_by_meaning(refused, given, meant):
    assert meant in refused(given, "3", code=2)


def test_each_length_says_what_it_counts(run):
    told = " ".join(run("train-baseline", "--help").stdout.split())
    found = {
        option: told.partition(f"--{option} ")[2].partition(" --")[0].partition(" ")[2]
        for option in ("budget", "epochs", "steps")
    }
    assert len(set(found.values())) == 3
    for option, word in (("budget", "5h"), ("epochs", "passes"), ("steps", "training.batch")):
        assert word in found[option]


@pytest.mark.parametrize("name", ["run", "a run's"])
def test_what_is_printed_at_the_end_works_as_printed(train, run, name, folder):
    options = ("--device", "cpu", "--steps", "1", "--out", name)
    result = train(*options)
    assert result.exit_code == 0, result.output
    said = result.stdout.partition("report.html")[2].splitlines()
    commands = [shlex.split(line)[1:] for line in said if line.startswith("  mifid ")]
    longer, paint, score, again = commands
    assert longer == [
        *("train-baseline", "--out", name, "--resume", "--steps", "2"),
        *("--extractor", "toys:colours", "--device", "cpu"),
    ]
    done = run(*longer)
    assert done.exit_code == 0, done.output
    assert read_run_file(Path(name) / "config.toml")[1].training.steps == 2
    assert run(*paint).exit_code == 1  # ten photos are too few for the competition
    assert Path("images.zip").read_bytes() == (Path(name) / "images.zip").read_bytes()
    scored = run(*score)
    assert scored.exit_code == 0, scored.output
    assert "MiFID" in scored.stdout
    done = run(*again)
    assert done.exit_code == 0, done.output


def test_what_got_worse_is_said_once_and_first(train, monkeypatch):
    told = "training made things worse: 9"
    monkeypatch.setattr("mifid.baseline.training._made_worse", lambda *_: told)
    symptom = Symptom("copies", 1, "the generator copies its photos")
    monkeypatch.setattr("mifid.baseline.run.lasting", lambda *_, **__: (symptom,))
    said = train("--steps", "1").stdout
    first, symptom, *_ = [line for line in said.splitlines() if line]
    assert first == "Training made things worse: 9."
    assert symptom == "The generator copies its photos."
    assert said.count("made things worse") == said.count("copies its photos") == 1


def test_a_submission_broken_otherwise_is_1(train, monkeypatch):
    from mifid.baseline.generation import generating as library
    from mifid.submission.checking import Finding

    real = library.check

    def strict(path, **settings):
        found = real(path, **settings)
        bad = Finding("refused", "damaged", "1: 000.jpg", "Write these again.")
        return type(found)(found.path, found.rules, (*found.findings, bad))

    monkeypatch.setattr(library, "check", strict)
    assert train("--steps", "1", "--no-score").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "length"),
    [
        ([], (30, 0, "")),
        (["--steps", "7"], (7, 0, "")),
        (["--epochs", "1.5"], (0, 1.5, "")),
        (["--budget", "9s"], (0, 0, "9s")),
        (["--budget", "1h", "--steps", "5"], (5, 0, "1h")),
        (["--set", "training.steps=5"], (5, 0, "")),  # --set adds to the preset's
    ],
)
def test_a_length_that_is_given_replaces_the_presets(arguments, length, train, monkeypatch):
    chosen = []

    def stop(*, settings, preset, config, **_):
        from mifid.baseline.choosing import choose_config
        from mifid.baseline.training import Trained

        given = {"photos": "p", "monets": "m", "held_out": None, "out": Path("run")}
        _, found = choose_config(
            **given, preset_name=preset, config=config, settings=settings, resume=False
        )
        chosen.append(found.training)
        return Trained(Path("run"), 0)

    monkeypatch.setattr("mifid.baseline.train_baseline", stop)
    assert train(*arguments).exit_code == 0
    assert (chosen[0].steps, chosen[0].epochs, chosen[0].budget) == length


def test_settings_with_options_of_their_own_are_named_by_these():
    own = {option for parameter in train_baseline.params for option in parameter.opts}
    assert set(SHORTHANDS.values()) <= own
    assert set(SHORTHANDS) <= {setting.name for setting in describe(Config())}
    before = name_options({"submission": "--submission", "settings": "--set"} | SHORTHANDS)
    try:
        assert setting("training.budget", "7m") == "--budget 7m"
        # `mifid score --submission` is another command's.
        assert setting("training.submission", 32) == "--set training.submission=32"
    finally:
        name_options(before)


def test_what_every_score_warns_of_is_said_once(train, monkeypatch):
    monkeypatch.setattr("mifid.scoring.check_threshold", lambda *_: warn("so near"))
    monkeypatch.setattr("mifid_cli.failures._read_together", lambda: True)
    result = train("--steps", "4", "--set", "score.points=2")
    assert result.exit_code == 0, result.output
    assert len([row for row in read_metrics(Path("run")) if row["kind"] == "score"]) > 2
    assert (result.stderr.count("so near"), result.stdout.count("so near")) == (1, 0)
    assert "so near" in Path("run/report.html").read_text()


def test_paintings_can_be_selected(train, folder):
    (folder / "names.txt").write_text("000\n002\n003.png\n")
    assert train("--steps", "1", "--no-score", "--select", "names.txt").exit_code == 0
    page = Path("run/report.html").read_text()
    assert "3 from monet" in page
    assert "10 from photos" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "tinny"], "Did you mean 'tiny'?"),
        (["--set", "loss.cicle=5"], "Did you mean 'cycle'?"),
        (["--set", "cycle=lots"], "loss.cycle must be a number, at least 0; got 'lots'"),
        (["--set", "cycle"], "Expected section.key=value"),
        (["--config", "other.toml"], "both --preset and --config are given"),
        (["--budget", "soon"], "--budget (training.budget): 'soon' is not"),
        (["--budget", "1s"], "a budget of 1 s is too short here"),
        (["--budget", "1s"], "To see only whether it works: leave out --budget."),
        (["--set", "loss.cycle=5", "--set", "cycle=6"], "loss.cycle is set twice"),
        (["--steps", "3", "--set", "training.steps=4"], "training.steps is set twice"),
        (["--select", "nobody.txt"], "--select (data.select_paintings): cannot read nobody.txt"),
        (["--photos", "nowhere"], "--photos: no such file or folder: nowhere"),
        (["--monets", "stats.npz"], "paintings: stats.npz has features or statistics"),
        (["--held-out", "nowhere"], "--held-out: no such file or folder: nowhere"),
        (["--held-out", "monet"], "all held-out pictures (folder monet) are trained on Give"),
        (["--extractor", "toys:no"], "toys"),
        (["--extractor", "inceptoin"], "inception"),
        (["--weights", "no.pth", "--extractor", "inception"], "no.pth"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
        (["--resume"], "no run to resume in run: there is no such folder"),
        (["--monets", "photos"], "--photos and --monets must be different pictures"),
        (["--out", "monet"], "monet is not empty: it holds 000.png, 001.png, 002.png and 2 more"),
        (["--set", "data.fit=exact"], "16 x 16"),
        (["--set", "generator.network=unett"], "Did you mean 'unet'?"),
        (["--init", "nowhere.pth"], "--init: no such file: nowhere.pth"),
        (["--init", "stats.npz"], "stats.npz: it is a zip, but none of torch.save"),
        (
            ["--init", "painter=a.pth", "--init", "painter=b.pth"],
            "--init gives the painter twice: a.pth and b.pth",
        ),
        (["--preset", "raviv-pretrained"], "begins with a partly trained generator"),
    ],
)
def test_a_mistake_is_one_message(arguments, said, refused):
    assert said in refused(*arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (SIDES[2:], "no photos are given Give --photos (a folder, zip, tar or TFRecords)."),
        (SIDES[:2], "no monets are given Give --monets (a folder, zip, tar or TFRecords)."),
    ],
)
def test_both_sides_must_be_given(options, said, refused):
    assert said in refused(options=[*options, *TINY, "--steps", "1"])


@pytest.mark.parametrize("option", ["--steps=0", "--epochs=0", "--limit=1", "--workers=0"])
def test_a_number_out_of_its_range_is_a_wrong_command_line(option, refused):
    assert option[:7] in refused(option, code=2)


def test_mixed_sizes_are_counted(refused, folder):
    sizes = [noise(i, 32, 32) for i in range(3)] + [noise(9, 32, 24)]
    entries = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(sizes)]
    write_folder(folder / "mixed", entries)
    said = refused("--monets", "mixed", "--set", "data.fit=exact", "--set", "data.size=32")
    assert "1 of 4 paintings in folder mixed are not 32 x 32 pixels: 1 is 24 x 32" in said
    assert "data.fit=crop" in said


def test_tiny_pictures_are_named(refused, folder):
    entries = [(f"{i}.png", encode(p)) for i, p in enumerate(noises(3, 1, 1))]
    write_folder(folder / "specks", entries)
    assert "0.png" in refused("--photos", "specks")


def test_one_picture_is_too_few(refused, folder):
    write_pictures(folder / "lone", drawn("photo", 1))
    assert "too few photos to train on" in refused("--photos", "lone")


def test_a_damaged_tfrecord_is_told(refused, folder):
    path = write_tfrecord(
        folder / "monet.tfrec", [(str(i), encode(p)) for i, p in enumerate(noises(4, 20, 20))]
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    said = refused("--monets", "monet.tfrec")
    assert "CRC" in said
    assert "monet.tfrec" in said


def test_a_run_that_diverges_is_told(train):
    result = train(
        *("--steps", "50", "--no-score", "--set", "optimiser.name=sgd"),
        *("--set", "optimiser.rate=1e18", "--set", "optimiser.discriminator_rate=1e18"),
    )
    assert result.exit_code == 1
    words = " ".join(result.stderr.split())
    assert "training diverged at step" in words
    assert "Lower optimiser.rate" in words
    assert Checkpoints(Path("run/checkpoints"), ALONE).last() is not None


def test_a_full_disk_is_told(refused, monkeypatch):
    from types import SimpleNamespace

    def usage(folder):
        return SimpleNamespace(free=1000 if Path(folder).name == "run" else 1 << 40)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert "1.0 kB free" in refused("--no-score")


def test_debug_shows_where(train):
    with pytest.raises(Exception, match="no such file or folder: nowhere"):
        train("--photos", "nowhere", "--steps", "1", "--debug")


def test_help_shows_every_option(run):
    text = run("train-baseline", "--help").output
    for option in train_baseline.params:
        assert option.opts[-1] in text
    assert {"0", "1", "130", "143"} <= set(re.findall(r"\d+", text.partition("Exit codes")[2]))


def _rows():
    return read_metrics(Path("run")) if Path("run/metrics.jsonl").is_file() else []


@pytest.mark.skipif(os.name != "posix", reason="no SIGINT to send")
def test_ctrl_c_saves_and_the_command_that_is_shown_goes_on(folder, run, failure):
    """A real process, as only that can be interrupted."""
    (folder / "toys.py").write_bytes(Path(drawn.__code__.co_filename).read_bytes())
    options = [*SIDES, *TINY, *COLOURS, "--epsilon", "0.2"]
    length = ["--steps", "100000", "--set", "training.log_steps=1"]  # it won't be done before
    process = subprocess.Popen(
        [sys.executable, "-m", "mifid_cli", "train-baseline", *options, *length],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    kept = Checkpoints(Path("run/checkpoints"), ALONE)
    try:
        wait_for(lambda: any(row["kind"] == "train" for row in _rows()), process=process)
        in_use = failure("train-baseline", *options, *length)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert "another process is training in run" in in_use
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    command = "mifid train-baseline --out run --resume --extractor toys:colours"
    assert f"step {kept.last():,} and saved" in err
    assert f": {command}\n" in err
    soon = kept.last() + 2
    assert run(*command.split()[1:], "--steps", soon).exit_code == 0
    assert kept.last() == soon


def test_ctrl_c_before_the_first_step_says_that_nothing_was_lost(train, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mifid.baseline.scorer.features", interrupted)
    result = train("--steps", "1")
    assert result.exit_code == 130
    assert "give the same command again" in result.stderr


def test_ctrl_c_while_painting_says_how_to_go_on(train, run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mifid.baseline.generation.generate", interrupted)
        result = train("--steps", "2", "--no-score")
    assert result.exit_code == 130
    assert "Interrupted. Continue with: mifid train-baseline --out run --resume" in result.stderr
    command = result.stderr.partition("Continue with: mifid ")[2].split()
    resumed = run(*command)
    assert resumed.exit_code == 0, resumed.output


def test_a_module_of_the_current_folder_stands_in_for_no_library(folder, run):
    """Beside pictures from elsewhere may lie anything."""
    (folder / "safetensors.py").write_text("raise SystemExit('run')")
    (folder / "mine.py").write_text("from toys import colours")
    assert run("train-baseline", *SIDES, *TINY, "--steps", "1", "--no-score").exit_code == 0
    assert str(folder) not in sys.path
    options = ["--steps", "1", "--out", "own", "--extractor", "mine:colours"]
    assert run("train-baseline", *SIDES, *TINY, *options).exit_code == 0
    assert sys.path[-1] == str(folder)


def test_a_folder_of_pictures_is_left_as_it_was(refused, folder):
    before = sorted(path.name for path in (folder / "monet").iterdir())
    assert "monet is not empty" in refused("--out", "monet")
    assert sorted(path.name for path in (folder / "monet").iterdir()) == before


def test_pretraining_says_how_to_begin_a_training_with_it(run, failure):
    small = (*_SMALL, "data.fit=crop", "inpainting.tile=4")
    options = [*SIDES, "--generator-of", "tiny", *(w for each in small for w in ("--set", each))]
    done = run("pretrain", *options, "--steps", "2", "--out", "first one")
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "The generator, after 2 steps: first one/best.safetensors" in words
    assert "--init 'first one'" in words
    assert not Path("first one/images.zip").exists()
    again = run("pretrain", "--out", "first one", "--resume", "--steps", "3")
    assert "after 3 steps" in again.stdout
    said = failure("generate", "--checkpoint", "first one", *SIDES[:2], "-o", "images.zip")
    assert "not to paint" in said
    assert "--init" in said
    said = failure("pretrain", *SIDES, "--preset", "tiny")
    assert "training.method" in said
    assert "--generator-of" in said
    begun = run(
        "train-baseline", *SIDES, *TINY, "--no-score", "--steps", "1", "--init", "first one"
    )
    assert begun.exit_code == 0, begun.output
