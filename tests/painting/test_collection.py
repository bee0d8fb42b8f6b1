"""Painters at hand: added and removed whole, listed with what is known, found by name or path."""

import shutil

import pytest
import torch
from generators import config, saved
from original_networks import ResNet

from mifid.baseline.config.schema import Generator
from mifid.baseline.generation import load_generator
from mifid.errors import InputError, WeightsError
from mifid.painting import collection
from mifid.painting.collection import (
    add_painter,
    open_painter,
    painters,
    painters_folder,
    remove_painter,
)

FACTS = {"step": 700, "scores": {"mifid": 91.5, "fid": 80.25, "other": None}}


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
    assert painters() == [entry]
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
    assert painters() == []


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
        (found,) = painters([folder])
        assert (found.name, found.kind, found.step) == (str(run), "run", 700)
    with pytest.raises(WeightsError, match=r"best\.safetensors"):
        painters([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        painters([tmp_path / "nowhere"])


def test_a_damaged_painter_is_listed_as_such(run):
    entry = add_painter(run, "a")
    entry.path.write_bytes(b"no weights")
    (found,) = painters()
    assert "cannot be read" in found.problem
    with pytest.raises(WeightsError):
        open_painter("a")


def test_a_name_that_is_taken_is_kept(run):
    entry = add_painter(run, "a")
    saved(run / "best.safetensors", facts={"step": 9})
    with pytest.raises(InputError, match="already"):
        add_painter(run, "a")
    assert painters()[0].step == entry.step
    assert add_painter(run, "a", force=True).step == 9


@pytest.mark.parametrize(
    "name", ["", "Van Gogh", "../a", "a/b", ".a", "-a", "a" * 65, "ä", "a\n", "a."]
)
def test_names_are_plain(run, name):
    with pytest.raises(InputError, match="expected small letters"):
        add_painter(run, name)
    assert painters() == []


def test_what_is_no_painter_is_not_added(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"text")
    with pytest.raises(WeightsError):
        add_painter(tmp_path / "a.safetensors", "a")
    noise = saved(tmp_path / "b.safetensors", config(generator=Generator("dcgan", width=4)))
    with pytest.raises(InputError, match="of noise"):
        add_painter(noise, "b")
    assert painters() == []


def test_an_unknown_name_is_refused_with_those_that_are_there(run):
    with pytest.raises(InputError, match="no painter 'monet'") as caught:
        open_painter("monet")
    assert "mifid painters add" in caught.value.hint
    add_painter(run, "monet")
    with pytest.raises(InputError) as caught:
        open_painter("monnet")
    assert "Did you mean 'monet'?" in caught.value.hint
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


def test_without_any_painter_it_is_said_what_to_do(run):
    with pytest.raises(InputError, match="no painter is given, and none comes with") as caught:
        open_painter()
    assert "train-baseline" in caught.value.hint
    assert "latest_net_G_A.pth" in caught.value.hint


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
