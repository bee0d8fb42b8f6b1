"""Logits from features: torch-fidelity's network as the oracle; what is kept on disk."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from mifid.cache import Cache
from mifid.demo import landscape, painting
from mifid.errors import FeatureError, MifidWarning, WeightsError
from mifid.extractors import open_extractor
from mifid.extractors.callables import CallableExtractor
from mifid.extractors.classifier import classifier_of, logits
from mifid.extractors.inception import SHA256

KEY = "ab" * 32


class Weights:
    """A state dict, and how often it was read."""

    def __init__(self, **entries):
        self.entries = entries
        self.reads = 0

    def __call__(self):
        self.reads += 1
        return self.entries


@pytest.fixture
def weights(random):
    return Weights(**{"fc.weight": torch.from_numpy(random.randn(5, 7).astype(np.float32))})


@pytest.mark.network
def test_logits_are_those_of_torch_fidelitys_network(network):
    draw = [landscape, painting]
    pictures = np.stack([draw[i](np.random.RandomState(i), 64) for i in range(2)])
    path = str(network / "weights.pth")
    stock = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["logits_unbiased"], feature_extractor_weights_path=path
    )
    with torch.inference_mode():
        expected = stock(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous())[0].numpy()
    ours = open_extractor("inception-random", backend="torch")
    found = logits(ours(pictures), ours.classifier())
    assert found.shape == (2, 1008)
    assert found.dtype == np.float64
    assert np.linalg.norm(found - expected) < 5e-5 * np.linalg.norm(expected)
    # Biases, or another layer, would show: pictures differ in far more than rounding.
    assert np.linalg.norm(found[0] - found[1]) > 1e-2 * np.linalg.norm(expected[0])


def test_read_once_then_from_the_cache(weights):
    first = classifier_of(weights, key=KEY)
    (entry,) = Cache().entries()  # which `mifid cache` shows and clears
    again = classifier_of(weights, key=KEY)
    assert weights.reads == 1
    assert first.dtype == again.dtype == np.float32
    assert (first == weights.entries["fc.weight"].numpy()).all()
    assert (again == first).all()
    assert classifier_of(weights, key="another's").shape == (5, 7)
    assert weights.reads == 2
    entry.path.write_bytes(entry.path.read_bytes()[:-40])
    with pytest.warns(MifidWarning, match="damaged"):
        mended = classifier_of(weights, key=KEY)
    assert (mended == first).all()
    assert weights.reads == 3


def test_a_kept_one_needs_neither_weights_nor_torch():
    """A run from cached features: no weights are drawn, torch is not imported."""
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    classifier_of(lambda: {"fc.weight": torch.from_numpy(weight)}, key=SHA256)
    code = """
import json, sys
from mifid.extractors import open_extractor
weight = open_extractor("inception-random").classifier()
print(json.dumps([weight.tolist(), "torch" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [weight.tolist(), False]


@pytest.mark.parametrize("entries", [{}, {"fc.weight": torch.zeros(7)}])
def test_weights_without_a_classifier(entries):
    with pytest.raises(WeightsError, match=r"no matrix 'fc\.weight'"):
        classifier_of(Weights(**entries), key=KEY)


def test_another_extractor_has_none():
    assert CallableExtractor(lambda batch: batch).classifier() is None


@pytest.mark.parametrize("shape", [(3, 6), (7,)])
def test_logits_of_another_networks_features(shape):
    with pytest.raises(FeatureError, match="another network"):
        logits(np.ones(shape), np.ones((5, 7), np.float32))
