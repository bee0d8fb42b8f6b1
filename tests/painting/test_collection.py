"""Painters at hand: added and removed whole, listed with what is known, found by name or path."""

import shutil

import numpy as np
import pytest
import torch
from generators import config, saved
from original_networks import ResNet

from mifid.baseline.config.schema import Generator
from mifid.baseline.generation import load_generator
from mifid.demo import landscape
from mifid.errors import InputError, WeightsError
from mifid.painting import collection
from mifid.painting.collection import (
    add_painter,
    open_painter,
    painters,
    painters_folder,
    remove_painter,
)
from mifid.painting.painting import paint

FACTS = {"step": 700, "scores": {"mifid": 91.5, "fid": 80.25, "other": None}}


def added(*given):
    """The painters that are listed after those that come with mifid."""
    return [each for each in painters(*given) if each.kind != "shipped"]


@pytest.fixture
def run(tmp_path):
    """A run's folder."""
    (tmp_path / "runs" / "one").mkdir(parents=True)
    saved(tmp_path / "runs" / "one" / "best.safetensors", facts=FACTS)
    return tmp_path / "runs" / "one"


def test_an_added_painter_is_a_copy_and_is_listed(run):
    entry = add_painter(run, "van-gogh")
    shutil.copy(run / "best.safetensors", run / "before")
    assert entry.path == painters_folder() / "van-gogh.safetensors"
    assert entry.path.read_bytes() == (run / "before").read_bytes()
    assert added() == [entry]
    assert (entry.name, entry.kind, entry.step) == ("van-gogh", "added", 700)
    assert entry.scores == {"mifid": 91.5, "fid": 80.25}
    assert entry.source == "trained by mifid, resnet of width 4, 16 pixels"
    shutil.rmtree(run)
    opened = open_painter("van-gogh")
    assert opened.which == "ema"
    assert len(repr(opened)) < 300  # it names its file and network, not every layer
    assert str(entry.path) in repr(opened)
    assert open_painter(opened) is opened
    assert remove_painter("van-gogh") == entry.path
    assert added() == []


def test_another_programs_weights_are_kept_in_our_format(tmp_path):
    torch.save(ResNet().state_dict(), tmp_path / "latest_net_G_B.pth")
    entry = add_painter(tmp_path / "latest_net_G_B.pth", "theirs")
    assert "latest_net_G_B.pth, the ResNet generator of the CycleGAN repository" in entry.source
    theirs, ours = load_generator(tmp_path / "latest_net_G_B.pth"), open_painter("theirs")
    assert "trained by mifid" not in ours.origin
    assert "CycleGAN" in ours.origin
    assert [note.partition(": ")[2] for note in ours.notes] != [""]
    for name, tensor in theirs.network.state_dict().items():
        assert torch.equal(tensor, ours.network.state_dict()[name])


def test_runs_are_listed_if_their_folder_is_given(run, tmp_path):
    for folder in (run, run.parent):
        (found,) = added([folder])
        assert (found.name, found.kind, found.step) == (str(run), "run", 700)
    with pytest.raises(WeightsError, match=r"best\.safetensors"):
        painters([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        painters([tmp_path / "nowhere"])


def test_a_damaged_painter_is_listed_as_such(run):
    entry = add_painter(run, "a")
    entry.path.write_bytes(b"no weights")
    (found,) = added()
    assert "cannot be read" in found.problem
    with pytest.raises(WeightsError):
        open_painter("a")


def test_a_name_that_is_taken_is_kept(run):
    entry = add_painter(run, "a")
    saved(run / "best.safetensors", facts={"step": 9})
    with pytest.raises(InputError, match="already"):
        add_painter(run, "a")
    assert added()[0].step == entry.step
    assert add_painter(run, "a", force=True).step == 9


@pytest.mark.parametrize(
    "name", ["", "Van Gogh", "../a", "a/b", ".a", "-a", "a" * 65, "ä", "a\n", "a."]
)
def test_names_are_plain(run, name):
    with pytest.raises(InputError, match="expected small letters"):
        add_painter(run, name)
    assert added() == []


def test_what_is_no_painter_is_not_added(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"text")
    with pytest.raises(WeightsError):
        add_painter(tmp_path / "a.safetensors", "a")
    noise = saved(tmp_path / "b.safetensors", config(generator=Generator("dcgan", width=4)))
    with pytest.raises(InputError, match="of noise"):
        add_painter(noise, "b")
    assert added() == []


def test_an_unknown_name_is_refused_with_those_that_are_there(run):
    add_painter(run, "renoir")
    for wrong, meant in (("monnet", "monet"), ("renor", "renoir")):
        with pytest.raises(InputError, match=f"no painter '{wrong}'") as caught:
            open_painter(wrong)
        assert f"Did you mean '{meant}'?" in caught.value.hint
        assert "There are: monet, renoir." in caught.value.hint
    with pytest.raises(InputError, match="no painter 'x' was added"):
        remove_painter("x")


def test_a_name_goes_before_a_folder_of_that_name(run, tmp_path, monkeypatch):
    add_painter(run, "one")
    saved(run / "best.safetensors", facts={"step": 9})
    monkeypatch.chdir(run.parent)
    assert open_painter("one").facts["step"] == 700
    assert open_painter("./one").facts["step"] == 9
    with pytest.raises(InputError, match="no such file"):
        open_painter(tmp_path / "none.safetensors")


def test_the_first_painter_that_comes_with_mifid_paints_if_none_is_named():
    monet = painters()[0]
    assert (monet.name, monet.kind, monet.problem) == ("monet", "shipped", "")
    assert monet.path.stat().st_size <= 8 << 20
    assert "recipe" in (monet.path.parent / "README.md").read_text().lower()
    assert open_painter().sha256 == open_painter("monet").sha256
    given = landscape(np.random.RandomState(3), 256)
    painted = np.asarray(paint(given, device="cpu"))
    assert painted.shape == given.shape
    apart = painted.astype(float) - given
    assert 5 < np.abs(apart).mean() < 60  # neither the photo nor another picture
    assert np.corrcoef(painted.ravel(), given.ravel())[0, 1] > 0.8


def test_a_shipped_painter_is_a_file_and_a_line(run, tmp_path, monkeypatch):
    shutil.copy(run / "best.safetensors", tmp_path / "ours.safetensors")
    monkeypatch.setattr(collection, "SHIPPED", {"ours": "trained by somebody, on Monets"})
    monkeypatch.setattr(collection, "_SHIPPED_FOLDER", tmp_path)
    (found,) = painters()
    assert (found.name, found.kind) == ("ours", "shipped")
    assert found.source.startswith("trained by somebody, on Monets")
    assert open_painter().sha256 == open_painter("ours").sha256
    for change in (lambda: add_painter(run, "ours"), lambda: remove_painter("ours")):
        with pytest.raises(InputError, match="comes with mifid"):
            change()


def test_other_weights_of_an_open_painter_are_refused(run):
    assert open_painter(run, which="raw").which == "raw"
    with pytest.raises(InputError, match="'raw'"):
        open_painter(open_painter(run), which="raw")
