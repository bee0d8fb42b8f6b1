"""The network against torch-fidelity's own extractor on the same weights, and against float64."""

import hashlib

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from mifid.demo import landscape, painting
from mifid.extractors import open_extractor
from mifid.extractors.backends import BACKENDS
from mifid.extractors.inception import SHA256, RandomInception, weights_sha256
from mifid.extractors.inception_network import _TRUNK
from mifid.extractors.network import resize
from mifid.metrics.frechet import frechet_distance

pytestmark = pytest.mark.network


@pytest.fixture(scope="module", params=BACKENDS)
def extractor(request, network):
    """Every backend is held to the same bounds."""
    ours = open_extractor("inception-random", backend=request.param)
    assert ours.load("cpu") == "cpu"
    assert ours.backend == request.param
    return ours


@pytest.fixture(scope="module")
def pictures():
    draw = [landscape, painting]
    return np.stack([draw[seed % 2](np.random.RandomState(seed), 256) for seed in range(16)])


@pytest.fixture(scope="module")
def stock(network):
    """torch-fidelity's extractor, loading the weights from a file by its own code."""
    path = str(network / "weights.pth")
    return FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=path
    )


@pytest.fixture(scope="module")
def features(extractor, pictures):
    """Of the first eight: a picture takes half a second."""
    return extractor(pictures[:8])


@pytest.fixture(scope="module")
def stock_features(stock, pictures):
    with torch.inference_mode():
        return stock(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous())[0].numpy()


@pytest.fixture(scope="module")
def exact_features(stock_features, stock, pictures):
    """A true float64 run of torch-fidelity's layers (its own option for it means float32).

    Of the first four pictures: one takes a second.
    """
    del stock_features  # computed before its network is turned into float64
    network = stock.double()
    with torch.inference_mode():
        x = resize(torch.from_numpy(pictures[:4]).permute(0, 3, 1, 2).double())
        x = (x - 128) / 128
        for name in _TRUNK:
            x = getattr(network, name)(x)
    assert x.dtype == torch.float64
    return x.flatten(1).numpy()


def error(features, exact):
    return np.linalg.norm(features - exact) / np.linalg.norm(exact)


def test_equal_to_torch_fidelitys_within_rounding(features, stock_features):
    assert features.dtype == np.float32
    assert features.shape == (8, 2048)
    assert error(features, stock_features[:8]) < 5e-5


def test_no_further_from_float64_than_torch_fidelity(features, stock_features, exact_features):
    """Both round to float32, in orders that differ by processor; TF32 would be a hundred times."""
    ours, theirs = (error(each[:4], exact_features) for each in (features, stock_features))
    assert ours <= 3 * theirs
    assert ours < 5e-5


def test_fid_is_torch_fidelitys(features, stock_features):
    ours = frechet_distance(generated=features[::2], reference=features[1::2])
    theirs = frechet_distance(generated=stock_features[:8:2], reference=stock_features[1:8:2])
    assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_batch_size_does_not_matter(extractor, pictures, features, size):
    parts = [extractor(pictures[i : i + size]) for i in range(0, 3, size)]
    assert error(np.concatenate(parts), features[:3]) < 5e-5


def test_precision_survives_a_callers_lower_one(extractor, pictures, features):
    """A training loop's bfloat16 setting must not reach the score, nor the score's the loop."""
    torch.set_float32_matmul_precision("medium")
    try:
        again = extractor(pictures[:2])
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    # Another batch size is another order of sums; bfloat16 or TF32 would show in the third digit.
    assert error(again, features[:2]) < 1e-5


def test_no_feature_is_dead_and_pictures_differ(stock_features):
    """So the random weights are worth something: what computes with them does not matter."""
    features = stock_features
    assert (features.max(axis=0) > 0).all()
    assert (features.std(axis=0) > 1e-4 * features.mean()).all()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert (1 - unit @ unit.T)[~np.eye(16, dtype=bool)].min() > 0.005


def test_random_weights_are_the_same_everywhere():
    weights = {key: value.numpy() for key, value in RandomInception().state_dict().items()}
    assert SHA256 == "1e78531b9a9f218c12b2ed1ff1ebc900742b9ade038a5d6e644f2f41a2736005"
    assert weights_sha256(weights) == SHA256
    # One layer by hand, so that the hash function itself is checked.
    first = next(iter(weights))
    assert hashlib.sha256(first.encode() + weights[first].tobytes()).hexdigest() == weights_sha256(
        {first: weights[first]}
    )


def test_other_sizes(extractor, random):
    for shape in ((2, 64, 48, 3), (1, 300, 400, 3), (1, 1, 1, 3)):
        assert extractor(random.randint(0, 256, shape, dtype=np.uint8)).shape == (shape[0], 2048)
