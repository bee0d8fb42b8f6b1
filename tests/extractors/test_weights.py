"""Where weights are found, and what is refused."""

import hashlib
import re

import pytest
import torch

from mifid.errors import InputError, MifidWarning, WeightsError
from mifid.extractors import open_extractor, weights
from mifid.extractors.inception import load_state_dict
from mifid.extractors.inception_network import build_network, parameter_shapes
from mifid.files import cache_folder
from mifid.progress import Silent


@pytest.fixture
def offline(monkeypatch):
    """No test asks the net, whatever happens."""

    def refuse(url, *_args, **_kwargs):
        raise weights.DownloadError("no network in tests")

    monkeypatch.setattr(weights, "download", refuse)


def put(path, content=b"weights"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_order_of_places(tmp_path, monkeypatch):
    """Each place in turn is found when all later ones hold a file too."""
    monkeypatch.setattr(weights, "KAGGLE_INPUT", tmp_path / "kaggle" / "input")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    expected = [
        ("weights", put(tmp_path / "explicit.pth", b"1")),
        ("MIFID_WEIGHTS", put(tmp_path / "variable.pth", b"2")),
        ("mifid's cache", put(cache_folder() / "weights" / weights.FILE_NAMES[0], b"3")),
        ("torch hub's cache", put(hub / weights.FILE_NAMES[0], b"4")),
        ("torch hub's cache", put(hub / weights.FILE_NAMES[1], b"5")),
        ("/kaggle/input", put(weights.KAGGLE_INPUT / "a" / "b" / weights.FILE_NAMES[1], b"6")),
    ]
    monkeypatch.setenv("MIFID_WEIGHTS", str(tmp_path / "variable.pth"))
    explicit = tmp_path / "explicit.pth"
    for place, path in expected:
        found = weights.find(explicit)
        assert (found.place, found.path) == (place, path)
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        path.unlink()
        if place == "weights":
            explicit = None
        if place == "MIFID_WEIGHTS":
            monkeypatch.delenv("MIFID_WEIGHTS")
    assert weights.find() is None


def test_torch_hub_follows_xdg(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(tmp_path / "torch" / "hub" / "checkpoints" / weights.FILE_NAMES[0])
    assert weights.find().place == "torch hub's cache"


def test_both_published_names_and_the_prefix():
    assert weights.FILE_NAMES == (
        "weights-inception-2015-12-05-6726825d.pth",
        "pt_inception-2015-12-05-6726825d.pth",
    )
    assert weights.PUBLISHED == "6726825d"


@pytest.mark.parametrize("variable", [True, False])
def test_a_named_file_that_is_missing(variable, tmp_path, monkeypatch, offline):
    named = tmp_path / "gone.pth"
    if variable:
        monkeypatch.setenv("MIFID_WEIGHTS", str(named))
    with pytest.raises(WeightsError, match=r"no such file: .*gone\.pth"):
        weights.find(None if variable else named)


def test_without_a_network_every_way_out_is_listed(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "KAGGLE_INPUT", tmp_path / "none")
    with pytest.raises(WeightsError) as caught:
        open_extractor("inception")
    text = str(caught.value)
    for way in (
        *weights.URLS,
        "weights",
        "MIFID_WEIGHTS",
        "/kaggle/input",
        "inception-random",
        "hub",
        str(cache_folder() / "weights"),
    ):
        assert way in text


def test_another_hash_works_with_a_warning(tmp_path):
    path = put(tmp_path / "other.pth")
    sha = hashlib.sha256(b"weights").hexdigest()
    with pytest.warns(MifidWarning, match=f"not the published weights.*{sha[:8]}"):
        extractor = open_extractor("inception", weights=path)
    assert extractor.identity.weights_sha256 == sha
    assert sha in extractor.identity.fingerprint
    assert "not the published ones" in extractor.identity.not_comparable


def test_the_published_file_is_comparable(tmp_path):
    published = weights.Weights(tmp_path, "x", "6726825d" + "0" * 56)
    from mifid.extractors.inception import TrainedInception

    assert TrainedInception(published).identity.not_comparable is None


class Code:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"not weights at all", "cannot be read as network weights"),
        (b"", "cannot be read as network weights"),
        ([1, 2], "no state dict: it holds a list"),
        ({"epoch": 3}, "no state dict: it holds a dict"),
        ({"x": Code()}, "cannot be read as network weights"),
    ],
)
def test_files_that_are_no_state_dict(content, text, tmp_path, capsys):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=f"w.pth.*{text}"):
        load_state_dict(path)
    assert "code ran" not in capsys.readouterr().out


def shaped(**changes):
    state = {key: torch.zeros(shape) for key, shape in parameter_shapes().items()}
    state.update(changes)
    return state


def test_another_networks_weights():
    """torchvision's Inception has the same layer names, but for its classes and auxiliary head."""
    torchvisions = shaped(
        **{"fc.weight": torch.zeros(1000, 2048), "AuxLogits.fc.bias": torch.zeros(9)}
    )
    with pytest.raises(WeightsError) as caught:
        build_network(torchvisions)
    assert "another network's" in caught.value.message
    assert "AuxLogits.fc.bias" in caught.value.message
    assert re.search(r"fc\.weight is \(1000, 2048\), not \(1008, 2048\)", caught.value.message)
    assert "torchvision" in caught.value.hint


def test_missing_layers():
    state = shaped()
    del state["fc.bias"]
    with pytest.raises(WeightsError, match=r"1 layers are missing \(such as fc.bias\)"):
        build_network(state)


def test_weights_without_training_counters_load():
    state = {k: v for k, v in shaped().items() if not k.endswith("num_batches_tracked")}
    build_network(state)


def test_random_takes_no_file(tmp_path):
    with pytest.raises(InputError, match="takes no weights file"):
        open_extractor("inception-random", weights=tmp_path)


def test_obtain_downloads_into_our_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "KAGGLE_INPUT", tmp_path / "none")

    def fake(url, target, *, sha256_prefix, progress):
        assert (url, sha256_prefix) == (weights.URLS[0], "6726825d")
        put(target)

    monkeypatch.setattr(weights, "download", fake)
    obtained = weights.obtain(None, Silent())
    assert obtained.path == cache_folder() / "weights" / weights.FILE_NAMES[0]
    assert obtained.place == "downloaded"
    assert weights.obtain(None, Silent()).place == "mifid's cache"
