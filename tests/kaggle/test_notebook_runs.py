"""The notebook, executed: it finds inputs, installs offline, rehearses, paints, checks, scores."""

import zipfile

import pytest
import torch
from generators import config, saved
from kaggle_sandbox import code_of, execute, image, mount
from toys import colours

import mifid
from mifid.kaggle import pack, pack_training, packing
from mifid.submission import MONET

pytestmark = [
    pytest.mark.filterwarnings("ignore:the weights of Kaggle's Inception"),
    pytest.mark.filterwarnings("ignore:the generator makes pictures:mifid.errors.MifidWarning"),
    pytest.mark.filterwarnings("ignore:images.zip will hold:mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("unrendered", "few_resamples"),
]


@pytest.fixture
def few(monkeypatch):
    """Let 20 pictures be enough for Kaggle."""
    most = MONET.at_least
    object.__setattr__(MONET, "at_least", 20)
    yield
    object.__setattr__(MONET, "at_least", most)


@pytest.fixture
def quick(monkeypatch):
    """Leave out the wheels, where cells run in an environment that has mifid."""
    wheel = "mifid-0.1.0-py3-none-any.whl"
    monkeypatch.setattr(packing, "pack_wheels", lambda folder, _: (folder / wheel).touch())


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """Folders in the place of /kaggle/input and /kaggle/working."""
    (tmp_path / "input").mkdir()
    (tmp_path / "working").mkdir()
    monkeypatch.setenv("MIFID_INPUT", str(tmp_path / "input"))
    monkeypatch.setenv("MIFID_WORKING", str(tmp_path / "working"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    return tmp_path


@pytest.fixture
def scored(monkeypatch):
    """Score with an extractor that needs no network; return how the notebook chose its own."""
    chosen = []

    def score(archive, reference, **given):
        chosen.append(given)
        return real(archive, reference, extractor=colours)

    real = mifid.score
    monkeypatch.setattr(mifid, "score", score)
    return chosen


def painting(folder):
    generator = saved(folder / "best.safetensors", config(size=16, fit="stretch"))
    return pack(generator, folder / "bundle", user="jane")


def run(bundle, count=6):
    """Execute the first cells, except the second one, which installs; return their names."""
    names = {"__name__": "__main__", "mifid": mifid}
    for number, source in enumerate(code_of(bundle)[:count], 1):
        if number != 2:
            exec(compile(source, f"cell {number}", "exec"), names)
    return names


@pytest.mark.parametrize("layout", ["flat", "competitions", "datasets"])
def test_inputs_are_found_however_kaggle_mounts_them(layout, kaggle, quick):
    bundle = painting(kaggle)
    mount(kaggle / "input", bundle, layout, photos=1, paintings=1, size=32)
    names = run(bundle, 1)
    assert (names["BUNDLE"] / "generator.safetensors").is_file()
    assert (names["PHOTOS"] / "000.jpg").is_file()
    assert (names["MONETS"] / "000.jpg").is_file()
    assert names["WEIGHTS"] is None
    for name in ("weights", "pt"):  # the file has two names, and may be in anybody's data set
        other = kaggle / "input" / name / f"{name}_x" / f"{name}_inception-2015-12-05-6726825d.pth"
        other.parent.mkdir(parents=True)
        other.touch()
        assert run(bundle, 1)["WEIGHTS"] == other
        other.unlink()


def test_a_missing_input_is_named_with_what_to_do(kaggle, quick):
    bundle = painting(kaggle)
    with pytest.raises(FileNotFoundError, match=r"gan-getting-started.*Add Input"):
        run(bundle, 1)
    (kaggle / "input" / "gan-getting-started").mkdir()
    with pytest.raises(FileNotFoundError, match=r"datasets/jane/mifid-monet.*Add Input"):
        run(bundle, 1)


def test_mifid_is_installed_without_a_network(tmp_path):
    pytest.importorskip("pip")
    bundle = painting(tmp_path)
    mount(tmp_path / "input", bundle, "datasets", photos=1, paintings=1, size=32)
    done = execute(image(tmp_path / "image"), bundle, tmp_path, cells=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path / "image"))


def test_it_rehearses_paints_checks_and_scores(kaggle, quick, few, scored, capsys):
    bundle = painting(kaggle)
    mount(kaggle / "input", bundle, "flat", photos=22, paintings=4, size=32)
    names = run(bundle)
    assert names["rehearsal"].pictures == 20
    with zipfile.ZipFile(kaggle / "working" / "images.zip") as archive:
        assert archive.namelist() == [f"{number:03}.jpg" for number in range(22)]
    assert names["check"].accepted
    assert scored == [{"extractor": "lite0"}]
    assert (kaggle / "working" / "score.json").is_file()
    shown = capsys.readouterr().out
    assert "would be accepted" in shown
    assert "not comparable with Kaggle" in shown
    assert {path.name for path in (kaggle / "working").iterdir()} == {"images.zip", "score.json"}


def test_a_score_that_fails_does_not_fail_the_version(kaggle, quick, few, monkeypatch, capsys):
    def fail(*_, **given):
        raise mifid.MifidError(f"no network: {given}")

    monkeypatch.setattr(mifid, "score", fail)
    bundle = painting(kaggle)
    mount(kaggle / "input", bundle, "flat", photos=20, paintings=2, size=32)
    weights = kaggle / "input" / "mine" / "pt_inception-2015-12-05-6726825d.pth"
    weights.parent.mkdir()
    weights.touch()
    run(bundle)
    shown = capsys.readouterr().out
    assert "No score: no network" in shown
    assert str(weights) in shown


def test_too_few_photos_fail_the_version_before_it_is_submitted(kaggle, quick):
    bundle = painting(kaggle)
    mount(kaggle / "input", bundle, "flat", photos=20, paintings=1, size=32)
    with pytest.raises(AssertionError, match="refused"):
        run(bundle)


def test_a_training_is_rehearsed_then_trains_paints_and_checks(
    kaggle, quick, few, scored, monkeypatch
):
    settings = ["training.steps=2", "generator.width=4", "discriminator.width=4", "data.size=32"]
    bundle = pack_training(kaggle / "bundle", user="jane", preset="tiny", settings=settings)
    mount(kaggle / "input", bundle, "flat", photos=24, paintings=21, size=32)
    calls = []

    def train(*paths, **given):
        calls.append(given)
        return real(*paths, **given, score=False, device="cpu", progress=False)

    real = mifid.train_baseline
    monkeypatch.setattr(mifid, "train_baseline", train)
    names = run(bundle)
    first, second = (dict(each.split("=") for each in call["settings"]) for call in calls)
    assert first["data.limit_photos"] == "20"
    assert first["training.budget"] == second["training.budget"] == "280m"
    assert second["training.steps"] == "2"
    assert "data.limit_photos" not in second
    assert [call["gpus"] for call in calls] == [1, 1]
    with zipfile.ZipFile(kaggle / "working" / "images.zip") as archive:
        assert len(archive.namelist()) == 24
    assert names["check"].accepted
    assert (kaggle / "working" / "run" / "best.safetensors").is_file()


@pytest.mark.parametrize(("batch", "taken"), [(4, 2), (3, 1)])
@pytest.mark.filterwarnings("ignore:training.batch is 3:mifid.errors.MifidWarning")
def test_a_training_takes_the_gpus_that_can_share_its_batch(
    batch, taken, kaggle, quick, monkeypatch
):
    settings = [f"training.batch={batch}"]
    bundle = pack_training(kaggle / "bundle", user="jane", preset="tiny", settings=settings)
    mount(kaggle / "input", bundle, "flat", photos=1, paintings=1, size=32)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def train(*_, gpus, **__):
        raise InterruptedError(gpus)

    monkeypatch.setattr(mifid, "train_baseline", train)
    with pytest.raises(InterruptedError, match=str(taken)):
        run(bundle, 3)
