"""Logits from features: torch-fidelity's network as the oracle; what is kept on disk."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from mifid.demo import landscape, painting
from mifid.errors import FeatureError, MifidWarning, WeightsError
from mifid.extractors import open_extractor
from mifid.extractors.callables import CallableExtractor
from mifid.extractors.classifier import classifier_of, logits
from mifid.extractors.inception import SHA256, RandomInception
from mifid.files import cache_folder

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


@pytest.fixture
def kept():
    return cache_folder() / "classifiers" / f"{KEY}.npz"


@pytest.mark.network
def test_logits_are_those_of_torch_fidelitys_network(tmp_path, monkeypatch):
    draw = [landscape, painting]
    pictures = np.stack([draw[i](np.random.RandomState(i), 64) for i in range(2)])
    path = tmp_path / "random.pth"
    state = dict(RandomInception().state_dict())
    monkeypatch.setattr(RandomInception, "state_dict", lambda self: state)  # drawn once: seconds
    torch.save(state, path)
    stock = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["logits_unbiased"], feature_extractor_weights_path=str(path)
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


def test_read_once_then_from_disk(weights, kept):
    first = classifier_of(weights, key=KEY)
    assert kept.is_file()
    again = classifier_of(weights, key=KEY)
    assert weights.reads == 1
    assert first.dtype == again.dtype == np.float32
    assert (first == weights.entries["fc.weight"].numpy()).all()
    assert (again == first).all()


def test_a_kept_one_needs_neither_weights_nor_torch(kept):
    """A run from cached features: no weights are drawn, torch is not imported."""
    kept.parent.mkdir(parents=True)
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(kept.with_name(f"{SHA256}.npz"), weight=weight, key=np.array(SHA256))
    code = """
import json, sys
from mifid.extractors import open_extractor
weight = open_extractor("inception-random").classifier()
print(json.dumps([weight.tolist(), "torch" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [weight.tolist(), False]


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b"no archive"),
        lambda path: np.savez(path, weight=np.ones((5, 7), np.float32), key=np.array("other")),
        lambda path: np.savez(path, weight=np.ones(5, np.float32), key=np.array(KEY)),
    ],
)
def test_damage_is_noticed_told_and_mended(damage, weights, kept):
    expected = classifier_of(weights, key=KEY)
    damage(kept)
    with pytest.warns(MifidWarning, match="classifier .* is damaged and is read again"):
        found = classifier_of(weights, key=KEY)
    assert (found == expected).all()
    assert weights.reads == 2
    assert (classifier_of(weights, key=KEY) == expected).all()
    assert weights.reads == 2


def test_where_nothing_can_be_kept_the_run_goes_on(weights, kept):
    kept.parent.parent.mkdir(exist_ok=True)
    kept.parent.write_text("a file in the way")
    with pytest.warns(MifidWarning, match="could not be kept"):
        found = classifier_of(weights, key=KEY)
    assert (found == weights.entries["fc.weight"].numpy()).all()


def test_what_cannot_be_read_is_not_removed(weights, kept):
    kept.mkdir(parents=True)  # a folder where the file would be
    with pytest.warns(MifidWarning) as caught:
        found = classifier_of(weights, key=KEY)
    assert ["cannot be read" in str(w.message) for w in caught] == [True, False]
    assert found.shape == (5, 7)
    assert kept.is_dir()


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


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_any_flipped_bit_of_its_header_is_noticed_or_harmless(kept, random):
    expected = random.randn(50, 70).astype(np.float32)
    large = Weights(**{"fc.weight": torch.from_numpy(expected)})
    classifier_of(large, key=KEY)
    whole = kept.read_bytes()
    start = whole.index(b"\x93NUMPY")
    for bit in range(8 * start, 8 * whole.index(b"}"), 3):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(classifier_of(large, key=KEY), expected)
