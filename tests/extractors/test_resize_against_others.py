"""Other tools' resizes: the matrices against the functions those tools call, and the extractors."""

import numpy as np
import pytest
import torch
from PIL import Image

from mifid.demo import landscape, painting
from mifid.errors import InputError
from mifid.extractors.backends import BACKENDS
from mifid.extractors.base import EXACT
from mifid.extractors.inception import SHA256, RandomInception, TrainedInception
from mifid.extractors.inception_network import inception_layers
from mifid.extractors.network import Network, resize
from mifid.extractors.resize import (
    CLEAN_FID,
    PYTORCH_FID,
    RESIZES,
    TF1_BILINEAR,
    pillow_bicubic_matrix,
    pytorch_bilinear_matrix,
    two_taps,
)
from mifid.extractors.weights import PUBLISHED, Weights

SIZES = [(256, 256), (299, 299), (32, 32), (300, 512), (512, 100), (1, 7), (2, 1), (900, 427)]
GREY_LEVELS = 1e-2  # torch rounds its own positions to float32, the more with one thread


def pictures(height, width):
    random = np.random.RandomState(3)
    return random.randint(0, 256, (2, 3, height, width)).astype(np.float32)


def by_pillow(planes):
    """clean-fid's mode "clean": each channel as floats, then cut to 0..255."""
    resized = [
        np.asarray(Image.fromarray(plane).resize((299, 299), Image.Resampling.BICUBIC))
        for plane in planes.reshape(-1, *planes.shape[2:])
    ]
    return np.stack(resized).clip(0, 255).reshape(*planes.shape[:2], 299, 299)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pytorch_bilinear_is_pytorchs(height, width):
    planes = torch.from_numpy(pictures(height, width))
    expected = torch.nn.functional.interpolate(
        planes, size=(299, 299), mode="bilinear", align_corners=False, antialias=False
    )
    assert (resize(planes, RESIZES[PYTORCH_FID]) - expected).abs().max() < GREY_LEVELS


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pillow_bicubic_is_pillows(height, width):
    planes = pictures(height, width)
    ours = resize(torch.from_numpy(planes), RESIZES[CLEAN_FID]).numpy()
    assert np.abs(ours - by_pillow(planes)).max() < GREY_LEVELS


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("mode", "name"), [("clean", CLEAN_FID), ("legacy_pytorch", PYTORCH_FID)])
def test_equals_clean_fids_own_function(mode, name):
    cleanfid = pytest.importorskip("cleanfid.resize")
    planes = pictures(256, 320)[:1]
    theirs = cleanfid.build_resizer(mode)(planes[0].transpose(1, 2, 0).astype(np.uint8))
    ours = resize(torch.from_numpy(planes), RESIZES[name])[0].numpy().transpose(1, 2, 0)
    assert np.abs(ours - theirs).max() < GREY_LEVELS


def test_overshoot_is_cut_only_where_the_tool_cuts_it():
    edge = torch.zeros(1, 3, 64, 64)
    edge[:, :, :, 32:] = 255.0
    assert (edge.min(), edge.max()) == (0, 255)
    clean = resize(edge, RESIZES[CLEAN_FID])
    assert (clean.min(), clean.max()) == (0, 255)
    uncut = torch.tensor(pillow_bicubic_matrix(64, 299)) @ edge[0, 0].T
    assert uncut.min() < -5
    assert uncut.max() > 260


@pytest.mark.parametrize("matrix", [pytorch_bilinear_matrix, pillow_bicubic_matrix])
@pytest.mark.parametrize("size", [1, 5, 256, 299, 700])
def test_rows_are_weights_and_half_pixels_are_symmetric(matrix, size):
    weights = matrix(size, 299)
    assert weights.shape == (299, size)
    assert not weights.flags.writeable
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=2e-4)


@pytest.mark.parametrize("name", RESIZES)
def test_a_picture_of_the_networks_size_stays_as_it_is(name):
    np.testing.assert_allclose(RESIZES[name].matrix(299, 299), np.eye(299), atol=1e-6)


def test_the_resizes_differ_on_pictures():
    planes = torch.from_numpy(pictures(256, 256))
    tf1, pytorch, clean = (resize(planes, RESIZES[name]) for name in RESIZES)
    assert (tf1 - pytorch).abs().mean() > 1
    assert (pytorch - clean).abs().mean() > 1


def test_an_unknown_resize_is_told_with_the_nearest():
    with pytest.raises(InputError, match="unknown resize 'pytorch-bilinear'") as caught:
        RandomInception().with_resize("pytorch-bilinear")
    assert f"Did you mean '{PYTORCH_FID}'?" in caught.value.hint


# The extractors


def trained(tmp_path, published=True):
    return TrainedInception(
        Weights(tmp_path / "w.pth", "here", PUBLISHED if published else "0" * 64)
    )


def test_the_default_is_kaggles_and_its_fingerprint_that_of_earlier_versions(tmp_path):
    """Features cached by earlier versions stay valid."""
    identity = RandomInception().identity
    assert identity.fingerprint == f"inception-random {TF1_BILINEAR} float32 {SHA256}"
    identity = trained(tmp_path).identity
    sha256 = identity.weights_sha256
    assert identity.fingerprint == f"inception-2015-12-05 {TF1_BILINEAR} float32 {sha256}"
    assert identity.not_comparable is None


@pytest.mark.parametrize("name", [PYTORCH_FID, CLEAN_FID])
def test_another_resize_is_another_extractor(name, tmp_path):
    ours = trained(tmp_path)
    other = ours.with_resize(name)
    assert type(other) is type(ours)
    assert other.identity.resize == name
    assert name in other.identity.fingerprint
    assert other.identity.not_comparable == (
        f"pictures are resized by {name}, not by {TF1_BILINEAR} as Kaggle does"
    )
    assert ours.identity.resize == TF1_BILINEAR  # it is not changed itself
    assert other.with_resize(TF1_BILINEAR).identity == ours.identity


def test_other_weights_are_told_before_another_resize(tmp_path):
    with pytest.warns(match="is not the published weights file"):
        ours = trained(tmp_path, published=False)
    other = ours.with_resize(CLEAN_FID)  # without warning again
    assert "the weights are not the published ones" in other.identity.not_comparable


@pytest.fixture(scope="module")
def drawn():
    draw = [landscape, painting]
    return np.stack([draw[seed % 2](np.random.RandomState(seed), 200) for seed in range(4)])


def error(features, exact):
    return np.linalg.norm(features - exact) / np.linalg.norm(exact)


@pytest.fixture(scope="module")
def weights():
    return dict(RandomInception().state_dict())


@pytest.fixture(scope="module")
def by_resize(drawn, weights, network):
    """Features by both backends."""
    pytest.importorskip("openvino")
    return {
        (backend, name): BACKENDS[backend](
            lambda: inception_layers(weights),
            key=SHA256,
            device="cpu",
            resize=RESIZES[name],
            precision=EXACT,
        )(drawn)
        for backend in BACKENDS
        for name in (PYTORCH_FID, CLEAN_FID)
    }


@pytest.mark.network
def test_backends_agree_on_every_resize(by_resize):
    for name in (PYTORCH_FID, CLEAN_FID):
        assert error(by_resize["openvino", name], by_resize["torch", name]) < 5e-5
    assert error(by_resize["torch", CLEAN_FID], by_resize["torch", PYTORCH_FID]) > 1e-3


@pytest.mark.network
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_features_are_pytorch_fids_on_the_same_weights(by_resize, drawn, weights, monkeypatch):
    """Its resize and its scaling to -1..1, through its own network."""
    theirs = pytest.importorskip("pytorch_fid.inception")
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: weights)
    network = theirs.InceptionV3([3]).eval()
    with torch.inference_mode():
        batch = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255
        expected = network(batch)[0].flatten(1).numpy()
    assert error(by_resize["torch", PYTORCH_FID], expected) < 5e-5


@pytest.mark.network
def test_features_are_those_of_what_pillow_resized(by_resize, drawn, weights):
    """clean-fid: floats as Pillow gives them, (x - 128) / 128, the same layers."""
    trunk = Network(inception_layers(weights)).trunk
    resized = by_pillow(drawn.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = trunk((torch.from_numpy(resized) - 128) / 128).flatten(1).numpy()
    assert error(by_resize["torch", CLEAN_FID], expected) < 5e-5


@pytest.mark.parametrize("size", [1, 2, 64, 256, 299, 400])
@pytest.mark.parametrize("name", RESIZES)
def test_two_taps_are_the_matrix(name, size):
    matrix = RESIZES[name].matrix(size, 299)
    taps = two_taps(matrix)
    assert (taps is None) == (np.count_nonzero(matrix, axis=1).max() > 2)
    if taps is not None:
        whole = np.zeros_like(matrix)
        for rows, weights in taps:
            np.add.at(whole, (np.arange(299), rows), weights)
        np.testing.assert_array_equal(whole, matrix)
