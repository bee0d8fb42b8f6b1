"""Where weights are found, and what is refused."""

import hashlib
import re
import zipfile

import numpy as np
import pytest
import torch

from mifid.errors import InputError, MifidWarning, WeightsError
from mifid.extractors import open_extractor, weights
from mifid.extractors.inception import TrainedInception
from mifid.extractors.inception_network import build_network, parameter_shapes
from mifid.extractors.weights import load_state_dict
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
        ("mifid's cache", put(cache_folder() / "weights" / weights.INCEPTION.names[0], b"3")),
        ("torch hub's cache", put(hub / weights.INCEPTION.names[0], b"4")),
        ("torch hub's cache", put(hub / weights.INCEPTION.names[1], b"5")),
        ("/kaggle/input", put(weights.KAGGLE_INPUT / "a" / "b" / weights.INCEPTION.names[1], b"6")),
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
    put(tmp_path / "torch" / "hub" / "checkpoints" / weights.INCEPTION.names[0])
    assert weights.find().place == "torch hub's cache"


def test_both_published_names_and_the_hash():
    assert weights.INCEPTION.names == (
        "weights-inception-2015-12-05-6726825d.pth",
        "pt_inception-2015-12-05-6726825d.pth",
    )
    published = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    assert published == weights.PUBLISHED


@pytest.mark.parametrize("variable", [True, False])
def test_a_named_file_that_is_missing(variable, tmp_path, monkeypatch, offline):
    named = tmp_path / "gone.pth"
    if variable:
        monkeypatch.setenv("MIFID_WEIGHTS", str(named))
    with pytest.raises(WeightsError, match=r"no such file or folder: .*gone\.pth"):
        weights.find(None if variable else named)


def test_without_a_network_every_way_out_is_listed(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "KAGGLE_INPUT", tmp_path / "none")
    with pytest.raises(WeightsError) as caught:
        open_extractor("inception")
    text = str(caught.value)
    for way in (
        *weights.INCEPTION.urls,
        "weights",
        "MIFID_WEIGHTS",
        "/kaggle/input",
        "lite0",
        "hub",
        str(cache_folder() / "weights"),
    ):
        assert way in text


@pytest.mark.parametrize("name", list(weights.FILES)[1:])
def test_every_networks_file_is_found_by_its_name_and_variable(name, tmp_path, monkeypatch):
    file = weights.FILES[name]
    assert weights.find(file=file) is None
    monkeypatch.setenv("MIFID_WEIGHTS", str(tmp_path / "of-inception.pth"))
    kept = put(cache_folder() / "weights" / file.names[0], b"1")
    assert weights.find(file=file).path == kept
    named = put(tmp_path / "named.pth", b"2")
    monkeypatch.setenv(f"MIFID_WEIGHTS_{name.upper().replace('-', '_')}", str(named))
    found = weights.find(file=file)
    assert (found.path, found.expected) == (named, file.sha256)
    named.unlink()
    with pytest.raises(WeightsError, match=r"MIFID_WEIGHTS_.*no such file or folder"):
        weights.find(file=file)


@pytest.mark.parametrize("name", list(weights.FILES)[1:])
def test_every_networks_missing_file_has_its_ways_out(name, offline, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "KAGGLE_INPUT", tmp_path / "none")
    file = weights.FILES[name]
    with pytest.raises(WeightsError, match="no network in tests") as caught:
        open_extractor(name)
    assert file.title in caught.value.message
    for way in (
        *file.urls,
        "weights='FILE'",
        file.variable,
        "extractor='lite0'",
        f"not {file.title}'s number",
        str(cache_folder() / "weights"),
        "/kaggle/input",
    ):
        assert way in caught.value.hint


def test_clips_own_cache_is_searched(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / ".cache" / "clip" / "ViT-L-14-336px.pt")
    assert weights.find(file=weights.FILES["clip-l14-336"]).place == "CLIP's cache"


def test_published_hashes():
    """OpenAI's address holds its file's."""
    for file in weights.FILES.values():
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert all(url.startswith("https://") for url in file.urls)
    clip = weights.FILES["clip-l14-336"]
    assert clip.sha256 in clip.urls[0]
    assert weights.FILES["dinov2"].sha256.startswith("d5383ea8f487")


def test_another_hash_works_with_a_warning(tmp_path):
    path = put(tmp_path / "other.pth")
    sha = hashlib.sha256(b"weights").hexdigest()
    with pytest.warns(MifidWarning, match=f"not the published weights.*{sha}"):
        extractor = open_extractor("inception", weights=path)
    assert extractor.identity.weights_sha256 == sha
    assert sha in extractor.identity.fingerprint
    assert "not the published ones" in extractor.identity.not_comparable


def test_the_published_file_is_comparable(tmp_path):
    published = weights.Weights(tmp_path, "x", weights.PUBLISHED)
    assert TrainedInception(published).identity.not_comparable is None


def test_a_file_that_shares_the_first_digits_is_another(tmp_path):
    other = weights.Weights(tmp_path, "x", weights.PUBLISHED[:-1] + "3")
    assert not other.published
    with pytest.warns(MifidWarning, match="not the published weights"):
        assert "not the published ones" in TrainedInception(other).identity.not_comparable


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


def saved(path, **options):
    torch.save({"a": torch.arange(3000.0), "b": torch.ones(7)}, path, **options)
    return path.read_bytes()


@pytest.mark.parametrize("legacy", [False, True])
def test_both_formats_of_torch_are_read(legacy, tmp_path):
    saved(tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    assert load_state_dict(tmp_path / "w.pth")["a"].tolist() == list(range(3000))


def test_any_flipped_bit_of_a_weights_file_is_noticed_or_harmless(tmp_path, random):
    path = tmp_path / "w.pth"
    whole = saved(path)
    for _ in range(300):
        bit = random.randint(8 * len(whole))
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = load_state_dict(path)
        except WeightsError:
            continue
        assert found["a"].tolist() == list(range(3000))
        assert found["b"].tolist() == [1] * 7


@pytest.mark.parametrize("content", [b"\x80\x02.", b"\x80\x02X\1\0\0\0\xff.", b"\x80\x02K\1."])
@pytest.mark.parametrize("zipped", [False, True])
def test_any_pickle_that_is_none_is_a_weights_error(content, zipped, tmp_path):
    path = tmp_path / "w.pth"
    if zipped:
        saved(path)
        with zipfile.ZipFile(path) as old:
            entries = {info.filename: old.read(info) for info in old.infolist()}
        with zipfile.ZipFile(path, "w") as new:
            for name, value in entries.items():
                new.writestr(name, content if name.endswith("data.pkl") else value)
    else:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth"):
        load_state_dict(path)


def test_an_npz_is_told_as_what_it_is(tmp_path):
    path = tmp_path / "monet.npz"
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(WeightsError, match=r"npz\) that torch did not write: mu.npy, sigma.npy"):
        load_state_dict(path)


def test_weights_that_change_after_they_were_found_are_refused(tmp_path):
    """What is computed with them would be kept under the hash of the others."""
    saved(tmp_path / "w.pth")
    found = weights.find(tmp_path / "w.pth")
    with pytest.warns(MifidWarning, match="not the published"):
        extractor = TrainedInception(found)
    assert extractor.state_dict()["b"].tolist() == [1] * 7
    torch.save({"a": torch.zeros(2)}, found.path)
    with pytest.raises(WeightsError, match=r"w\.pth changed while it was read"):
        extractor.state_dict()


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

    def fake(url, target, *, sha256, progress):
        assert (url, sha256) == (weights.INCEPTION.urls[0], weights.PUBLISHED)
        put(target)

    monkeypatch.setattr(weights, "download", fake)
    obtained = weights.obtain(None, Silent())
    assert obtained.path == cache_folder() / "weights" / weights.INCEPTION.names[0]
    assert obtained.place == "downloaded"
    assert weights.obtain(None, Silent()).place == "mifid's cache"
