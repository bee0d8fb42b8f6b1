"""Bundles: what is in them, what is refused, and what is never overwritten."""

import json

import nbformat
import pytest
from generators import config, saved
from kaggle_sandbox import code_of

from mifid.errors import InputError, MifidWarning, OutputError, WeightsError
from mifid.extractors import FILES
from mifid.kaggle import open_bundle, pack, pack_training, packing

pytestmark = pytest.mark.filterwarnings("ignore:the weights of Kaggle's Inception")


@pytest.fixture(autouse=True)
def few_wheels(request, monkeypatch):
    """Write a wheel of next to nothing; tests/kaggle/test_wheels.py tests the real ones."""

    def wheels(folder, extra):
        (folder / "mifid-0.1.0-py3-none-any.whl").write_bytes(b"wheel")

    monkeypatch.setattr(packing, "pack_wheels", wheels)


@pytest.fixture
def generator(tmp_path):
    return saved(tmp_path / "best.safetensors", config())


@pytest.fixture
def bundle(generator, tmp_path):
    return pack(generator, tmp_path / "bundle", user="jane")


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_data_set_is_as_kaggle_wants_it(bundle, generator):
    metadata = read(bundle.dataset / "dataset-metadata.json")
    assert metadata["id"] == "jane/mifid-monet"
    assert 6 <= len(metadata["title"]) <= 50
    assert [*metadata["licenses"]] == [{"name": "other"}]
    assert (bundle.dataset / "generator.safetensors").read_bytes() == generator.read_bytes()
    assert not [path for path in bundle.dataset.iterdir() if path.is_dir()]  # would not be uploaded


@pytest.mark.parametrize("train", [False, True])
def test_the_notebook_is_as_kaggle_wants_it(train, bundle, tmp_path):
    if train:
        bundle = pack_training(tmp_path / "other", user="jane")
    metadata = read(bundle.notebook / "kernel-metadata.json")
    assert metadata["id"] == "jane/mifid-monet"
    assert metadata["title"].lower().replace(" ", "-") == "mifid-monet"  # else another address
    assert metadata["enable_internet"] is False
    assert metadata["enable_gpu"] is True
    assert metadata["machine_shape"] == "NvidiaTeslaT4" + ("Highmem" if train else "")
    assert metadata["dataset_sources"] == ["jane/mifid-monet"]
    assert metadata["competition_sources"] == ["gan-getting-started"]
    path = bundle.notebook / metadata["code_file"]
    nbformat.validate(nbformat.read(path, nbformat.NO_CONVERT))
    sources = code_of(bundle)
    for number, source in enumerate(sources):
        compile(source, f"cell {number}", "exec")
    lines = "\n".join(sources).splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) < 60
    assert max(map(len, lines)) <= 100


def test_a_run_is_packed_by_its_folder_and_other_programs_keep_their_ending(tmp_path):
    saved(tmp_path / "best.safetensors")
    bundle = pack(tmp_path, tmp_path / "bundle", user="jane")
    assert (bundle.dataset / "generator.safetensors").is_file()


def test_kaggles_weights_are_packed_if_they_are_at_hand(generator, tmp_path, monkeypatch):
    with pytest.warns(MifidWarning, match="not in the bundle"):
        bundle = pack(generator, tmp_path / "bundle", user="jane")
    assert not list(bundle.dataset.glob("*.pth"))
    weights = tmp_path / "mine.pth"
    weights.write_bytes(b"weights")
    monkeypatch.setenv("MIFID_WEIGHTS", str(weights))
    with pytest.warns(MifidWarning, match="not in the bundle"):  # they are not the published ones
        pack(generator, tmp_path / "bundle", user="jane")
    found = packing.find()
    monkeypatch.setattr(
        packing, "find", lambda: type(found)(weights, "", found.sha256, found.sha256)
    )
    bundle = pack(generator, tmp_path / "bundle", user="jane")
    (copied,) = bundle.dataset.glob("*.pth")
    assert copied.read_bytes() == b"weights"
    assert copied.name in FILES["inception"].names
    assert copied.match("*inception-2015-12-05-6726825d.pth")  # as the notebook looks for them


def test_an_unchanged_bundle_is_replaced_and_nothing_else(bundle, generator):
    before = contents(bundle.folder)
    assert pack(generator, bundle.folder, user="jane") == bundle
    assert contents(bundle.folder) == before
    other = pack(generator, bundle.folder, user="jane", name="another")
    assert other.handle == "jane/another"
    assert not list(other.notebook.glob("mifid*"))  # what was packed before is gone


def test_a_link_in_the_place_of_a_file_is_not_followed(bundle, generator, tmp_path):
    (bundle.dataset / "generator.safetensors").unlink()
    (bundle.dataset / "generator.safetensors").symlink_to(tmp_path)
    with pytest.raises(OutputError, match=r"dataset/generator\.safetensors"):
        pack(generator, bundle.folder, user="jane")


@pytest.mark.parametrize("change", ["mine.txt", "dataset/mine.txt", "notebook/mifid-monet.ipynb"])
def test_foreign_and_changed_files_are_not_overwritten(change, bundle, generator):
    (bundle.folder / change).write_text("mine")
    with pytest.raises(OutputError, match=change):
        pack(generator, bundle.folder, user="jane")
    assert (bundle.folder / change).read_text() == "mine"


def test_a_folder_of_other_files_and_a_file_are_refused(generator, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        pack(generator, tmp_path / "full", user="jane")
    with pytest.raises(OutputError, match="not a folder"):
        pack(generator, generator, user="jane")


def test_a_failure_leaves_nothing(generator, tmp_path, monkeypatch):
    def fail(folder, extra):
        raise InputError("no wheel")

    monkeypatch.setattr(packing, "pack_wheels", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="no wheel"):
        pack(generator, tmp_path / "bundle", user="jane")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        ({"user": None}, ["user name", "kaggle.com/NAME"]),
        ({"user": "Jane Doe"}, ["user", "Jane Doe"]),
        ({"user": "jane/x"}, ["user", "jane/x"]),
        ({"name": "monet"}, ["name", "monet", "6 to 50"]),
        ({"name": "Monet-paintings"}, ["name", "Monet-paintings"]),
        ({"name": "monet_paintings"}, ["monet_paintings"]),
        ({"name": "-monet-paintings"}, ["-monet-paintings"]),
        ({"name": "m" * 51}, ["6 to 50"]),
    ],
)
def test_names_that_kaggle_refuses_are_refused(names, facts, generator, tmp_path):
    with pytest.raises(InputError) as refused:
        pack(generator, tmp_path / "bundle", **{"user": "jane", **names})
    assert all(fact in str(refused.value) for fact in facts)
    assert not (tmp_path / "bundle").exists()


def test_what_is_no_generator_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    (tmp_path / "text.pth").write_text("text")
    for source, fact in (("run", "best.safetensors"), ("nowhere", "no such"), ("text.pth", "text")):
        with pytest.raises(WeightsError, match=fact):
            pack(tmp_path / source, tmp_path / "bundle", user="jane")


def test_a_training_has_its_settings_and_less_than_five_hours(tmp_path):
    settings = ["cycle=5", "generator.width=32"]
    bundle = pack_training(tmp_path / "bundle", user="jane", preset="tiny", settings=settings)
    code = "\n".join(code_of(bundle))
    assert '"loss.cycle": "5"' in code
    assert '"generator.width": "32"' in code
    assert '"training.budget": "280m"' in code
    assert '"preset": "tiny"' in code
    assert not list(bundle.dataset.glob("generator*"))
    bundle = pack_training(tmp_path / "bundle", user="jane", settings=["training.budget=1h"])
    assert '"training.budget": "1h"' in "\n".join(code_of(bundle))
    assert "280m" not in "\n".join(code_of(bundle))


def test_a_batch_that_two_gpus_cannot_share_gets_one(tmp_path):
    with pytest.warns(MifidWarning, match=r"training\.batch is 1.*one.*training\.batch=2"):
        bundle = pack_training(tmp_path / "bundle", user="jane", preset="cyclegan-paper")
    assert bundle.accelerator == "NvidiaTeslaT4"
    assert "min(1, " in "\n".join(code_of(bundle))


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ({"preset": "kaggle-5"}, "kaggle-5h"),
        ({"settings": ["loss.cycl=5"]}, "cycle"),
        ({"settings": ["training.batch=0"]}, "batch"),
        ({"settings": ["data.select_photos=mine.txt"]}, "mine.txt"),
        ({"preset": "raviv-pretrained"}, "raviv-pretrained"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_the_upload(given, fact, tmp_path):
    with pytest.raises(InputError) as refused:
        pack_training(tmp_path / "bundle", user="jane", **given)
    assert fact in str(refused.value)
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_is_read_again(bundle):
    assert open_bundle(bundle.folder) == bundle
    assert bundle.wheels == ("mifid-0.1.0-py3-none-any.whl",)
    assert bundle.size == sum(
        len(content) for name, content in contents(bundle.folder).items() if name != "bundle.json"
    )


def test_what_is_no_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(InputError, match="no such"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a bundle"):
        open_bundle(tmp_path)
    with pytest.raises(InputError, match="not a bundle"):
        open_bundle(tmp_path / "best.safetensors")
    wheel = bundle.dataset / "mifid-0.1.0-py3-none-any.whl"
    content = wheel.read_bytes()
    wheel.unlink()
    with pytest.raises(InputError, match=r"not complete.*mifid-0"):
        open_bundle(bundle.folder)
    wheel.write_bytes(content)
    (bundle.notebook / "kernel-metadata.json").write_text("[")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        open_bundle(bundle.folder)
    (bundle.notebook / "kernel-metadata.json").write_text('{"id": "joe/mifid-monet"}')
    with pytest.raises(InputError, match="joe/mifid-monet"):
        open_bundle(bundle.folder)


def test_a_bundle_without_a_wheel_for_kaggles_python_is_refused(generator, tmp_path, monkeypatch):
    def other(folder, extra):
        (folder / "mifid-0.1.0-cp311-cp311-linux_x86_64.whl").write_bytes(b"wheel")

    monkeypatch.setattr(packing, "pack_wheels", other)
    with pytest.raises(InputError, match=r"3\.12.*cp311"):
        pack(generator, tmp_path / "bundle", user="jane")
