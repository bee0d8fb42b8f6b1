"""timm:NAME against timm's own transform and pooling, on random weights; what cannot be had."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_transformers import BOUND, error, randomized

import mifid
from mifid.errors import CompatibilityError, InputError, WeightsError
from mifid.extractors import entry, open_extractor, threshold, timm_backbone

timm = pytest.importorskip("timm")
data = pytest.importorskip("timm.data")

CREATE = timm.create_model
NAMES = ["test_vit.r160_in1k", "test_efficientnet.r160_in1k", "test_resnet.r160_in1k"]


def network_of(name, seed=0):
    with torch.random.fork_rng([]):
        return randomized(CREATE(name, pretrained=False), seed)


@pytest.fixture
def seeds(monkeypatch):
    """In place of timm's downloads: networks with random weights, each of the seed given."""
    given = {"seed": 0, "made": []}

    def create(name, *, pretrained):
        assert pretrained
        given["made"].append(name)
        return network_of(name, given["seed"])

    monkeypatch.setattr(timm, "create_model", create)
    return given


@pytest.fixture(scope="module")
def pictures():
    return np.random.RandomState(3).randint(0, 256, (3, 200, 260, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_timms(name, seeds, pictures):
    config = data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    transform = data.create_transform(**config, is_training=False)
    x = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
    network = network_of(name).double()
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features(x.double()), pre_logits=True)
    extractor = open_extractor(f"timm:{name}")
    features = extractor(pictures)
    assert extractor.backend == "torch"
    assert features.dtype == np.float32
    assert features.shape == (3, network.num_features)
    assert error(features, expected.numpy()) < 10 * BOUND
    assert seeds["made"] == [name]


def test_other_backends_are_refused():
    with pytest.raises(InputError, match="runs in torch, not in openvino") as caught:
        open_extractor("timm:test_vit", backend="openvino")
    assert "backend" in caught.value.hint
    with pytest.raises(InputError, match="unknown backend 'onnx'"):
        open_extractor("timm:test_vit", backend="onnx")


def identity(name):
    return open_extractor(f"timm:{name}").identity


def test_identity_is_of_name_input_and_weights(seeds):
    first = identity("test_vit.r160_in1k")
    assert first.name == "timm:test_vit.r160_in1k"
    assert first.resize == "timm-bicubic-160-center-0.95"
    assert "Kaggle" in first.not_comparable
    assert identity("test_vit") == first  # timm's default
    assert identity("test_vit2").fingerprint != first.fingerprint
    seeds["seed"] = 1
    other = identity("test_vit")
    assert other.fingerprint != first.fingerprint
    assert other.weights_sha256 != first.weights_sha256
    fast = open_extractor("timm:test_vit", precision="fast").identity
    assert fast.fingerprint != other.fingerprint


def test_the_identity_is_the_same_after_the_network_ran(seeds, pictures):
    extractor = open_extractor("timm:test_vit")
    before = extractor.identity
    extractor(pictures[:1])
    assert extractor.identity == before
    assert seeds["made"] == ["test_vit.r160_in1k"]


def test_random_numbers_are_the_callers(seeds):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    _ = open_extractor("timm:test_vit").identity
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("given", "text", "suggestion"),
    [
        ("resnet5O", "no network 'resnet5O'", "resnet50"),
        ("resnet50.a1_in1", "no trained network", "resnet50.a1_in1k"),
        ("hf-hub:someone/resnet50", "no network", ""),
        ("local-dir:/tmp", "no network", ""),
        ("", "no network ''", ""),
    ],
)
def test_unknown_networks(given, text, suggestion):
    with pytest.raises(InputError, match=text) as caught:
        open_extractor(f"timm:{given}")
    assert suggestion in caught.value.hint
    assert "list_pretrained" in caught.value.hint


def test_timm_without_a_name():
    with pytest.raises(InputError, match="unknown extractor 'timm'") as caught:
        open_extractor("timm")
    assert "Did you mean 'timm:NAME'?" in caught.value.hint


def test_a_network_without_trained_weights():
    untrained = sorted(
        set(timm.list_models()) - {n.partition(".")[0] for n in timm.list_pretrained()}
    )
    with pytest.raises(InputError, match=f"no trained network '{untrained[0]}'"):
        open_extractor(f"timm:{untrained[0]}")


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def offline(name, **_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    extractor = open_extractor("timm:test_vit")
    with pytest.raises(WeightsError, match="no route to host") as caught:
        _ = extractor.identity
    assert "timm/test_vit.r160_in1k" in caught.value.message
    for way in ("create_model('test_vit.r160_in1k', pretrained=True)", "HF_HOME", "lite0"):
        assert way in caught.value.hint


def test_timm_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(timm_backbone, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"timm:test_vit.* needs the package timm") as caught:
        open_extractor("timm:test_vit")
    assert "pip install 'mifid[timm]'" in caught.value.hint


def test_no_weights_file_is_taken(tmp_path):
    with pytest.raises(InputError, match="no weights file"):
        open_extractor("timm:test_vit", weights=tmp_path / "w.pth")


def test_its_names_stand_for_one_entry():
    assert entry("timm:resnet50") == entry("timm:resnet50.a1_in1k") == "timm:NAME"
    assert entry("tim:resnet50") is None
    assert entry("inception:NAME") is None
    assert threshold("timm:resnet50") is None


def test_a_reference_knows_its_network(seeds, random, tmp_path):
    """A score takes the network from the file; other networks are refused."""
    pictures = random.randint(0, 256, (2, 6, 40, 50, 3), dtype=np.uint8)
    settings = {"progress": False, "cache": False}
    mifid.build_reference(pictures[0], tmp_path / "r.npz", extractor="timm:test_vit", **settings)
    found = mifid.score(pictures[1], tmp_path / "r.npz", ci=0, **settings)
    named = mifid.score(pictures[1], pictures[0], ci=0, extractor="timm:test_vit", **settings)
    assert found.fid == pytest.approx(named.fid, rel=1e-5)
    assert found.to_dict()["comparable_with_kaggle"] is False
    assert "timm:test_vit.r160_in1k" in found.text()
    assert found.mifid == pytest.approx(found.fid)  # there is no threshold
    with pytest.raises(CompatibilityError, match=r"timm:test_vit\.r160_in1k"):
        mifid.score(pictures[1], tmp_path / "r.npz", ci=0, extractor="lite0", **settings)
