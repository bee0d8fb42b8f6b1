"""Spatial features against torch-fidelity's own layer on the same weights, on every backend."""

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from mifid.demo import landscape, painting
from mifid.extractors import SPATIAL_WIDTH, open_extractor
from mifid.extractors.backends import BACKENDS

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def pictures():
    draw = [landscape, painting]
    return np.stack([draw[seed % 2](np.random.RandomState(seed), 64) for seed in range(3)])


@pytest.fixture(scope="module")
def expected(network, pictures):
    """Pooled features, and what Mixed_6d's single 1 x 1 convolution gives, channels last."""
    stock = FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048"],
        feature_extractor_weights_path=str(network / "weights.pth"),
    )
    found = []
    stock.Mixed_6d.branch1x1.register_forward_hook(lambda *given: found.append(given[-1]))
    with torch.inference_mode():
        pooled = stock(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous())[0].numpy()
    (branch,) = found
    assert branch.shape == (3, 192, 17, 17)
    return pooled, branch.numpy().transpose(0, 2, 3, 1)[..., :7].reshape(3, -1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_they_are_torch_fidelitys_and_the_others_stay(
    backend, pictures, expected, tmp_path, monkeypatch
):
    # What is converted for them is a network of its own, which others do not share.
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path))
    plain = open_extractor("inception-random", backend=backend)
    both = plain.with_spatial()
    found = both(pictures)
    assert found.dtype == np.float32
    assert found.shape == (3, 2048 + SPATIAL_WIDTH)
    for ours, theirs in zip(np.split(found, [2048], axis=1), expected, strict=True):
        assert np.linalg.norm(ours - theirs) < 5e-5 * np.linalg.norm(theirs)
    _, spatial = expected
    assert (spatial >= 0).all()
    assert (spatial == 0).any()  # after ReLU
    # Another order of places, or other channels, would show.
    assert np.linalg.norm(spatial[0] - spatial[1]) > 0.05 * np.linalg.norm(spatial[0])
    assert both.identity == plain.identity
    assert both.key != plain.key


def test_networks_without_them():
    assert open_extractor(lambda batch: batch).with_spatial() is None
    assert open_extractor("lite0").with_spatial() is None
