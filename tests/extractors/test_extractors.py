"""The table, users' own extractors, devices and memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from mifid.errors import FeatureError, InputError
from mifid.extractors import EXTRACTORS, THRESHOLDS, Extractor, open_extractor, threshold
from mifid.extractors.devices import choose_device, exact_float32, in_parts
from mifid.metrics import EPSILON

PIXELS = np.random.RandomState(0).randint(0, 256, (6, 8, 10, 3), dtype=np.uint8)


def colours(batch):
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous()
    return batch.float().mean(dim=(2, 3))


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_entry_can_be_found(name):
    assert callable(EXTRACTORS[name])


@pytest.mark.network
def test_every_entry_without_weights_conforms():
    extractor = open_extractor("inception-random")
    identity = extractor.identity
    assert isinstance(extractor, Extractor)
    assert identity.name == "inception-random"
    assert identity.fingerprint
    assert identity.not_comparable
    assert extractor.load("cpu") == "cpu"
    features = extractor(PIXELS)
    assert features.shape == (6, 2048)
    assert features.dtype == np.float32


def test_every_entry_has_a_threshold_and_inceptions_is_kaggles():
    assert set(THRESHOLDS) == set(EXTRACTORS)
    assert threshold("inception") == threshold("my:own") == EPSILON
    assert threshold("inception-random") is None
    assert threshold("inception-random", 0.0) == 0.0


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="unknown extractor 'inceptoin'") as caught:
        open_extractor("inceptoin")
    assert "Did you mean 'inception'?" in caught.value.hint


def test_a_function(random):
    extractor = open_extractor(colours)
    assert extractor.identity.name == "colours"
    assert extractor.identity.fingerprint is None
    assert "not the network that Kaggle" in extractor.identity.not_comparable
    np.testing.assert_allclose(extractor(PIXELS), PIXELS.mean(axis=(1, 2)), rtol=1e-5)
    assert extractor(PIXELS).dtype == np.float32


def test_a_function_may_return_numpy_and_float64():
    extractor = open_extractor(lambda batch: batch.numpy().mean(axis=(2, 3)).astype(np.float64))
    assert extractor(PIXELS).dtype == np.float32


def test_a_module_is_put_into_evaluation():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.9))
    module.forward = lambda batch: module[1](batch.float().mean(dim=(2, 3)))
    extractor = open_extractor(module)
    extractor.load("cpu")
    assert not module.training
    np.testing.assert_array_equal(extractor(PIXELS), extractor(PIXELS))


def test_by_path(tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(
        "def means(batch):\n    return batch.float().mean(dim=(2, 3))\nmeans.fingerprint = 'v1'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    extractor = open_extractor("my_features:means")
    assert extractor.identity.fingerprint == "my_features:means v1"
    assert extractor(PIXELS).shape == (6, 3)
    with pytest.raises(InputError, match="has no 'maens'") as caught:
        open_extractor("my_features:maens")
    assert "'means'" in caught.value.hint
    with pytest.raises(InputError, match="cannot import 'my_feature'"):
        open_extractor("my_feature:means")


@pytest.mark.parametrize("wrong", [lambda b: b.float(), lambda b: b.float().mean((2, 3))[:-1]])
def test_a_function_of_another_shape_is_told_so(wrong):
    with pytest.raises(FeatureError, match=r"turned pictures \(6, 3, 8, 10\) into"):
        open_extractor(wrong)(PIXELS)


def test_a_function_that_fails_is_told_as_the_users(random):
    def broken(batch):
        raise KeyError("layer9")

    with pytest.raises(FeatureError, match=r"broken failed: KeyError: 'layer9'") as caught:
        open_extractor(broken)(PIXELS)
    assert "(6, 3, 8, 10)" in caught.value.hint


def test_what_is_no_function(tmp_path, monkeypatch):
    (tmp_path / "my_number.py").write_text("thing = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="extractor my_number:thing is no function, but int"):
        open_extractor("my_number:thing")


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}
    for bad in ("gpu", "cuda:99"):
        with pytest.raises(InputError, match=f"device '{bad}' cannot be used here"):
            choose_device(bad)


def test_out_of_memory_halves_the_batch_and_goes_on():
    sizes = []

    def run(part):
        sizes.append(len(part))
        if len(part) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return part.float() * 2

    batch = torch.arange(10.0).reshape(10, 1)
    result, limit = in_parts(run, batch, None)
    torch.testing.assert_close(result, batch * 2)
    assert limit == 3
    assert sizes == [10, 5, 3, 3, 3, 1]
    sizes.clear()
    in_parts(run, batch, limit)
    assert sizes == [3, 3, 3, 1]  # the limit is remembered


def test_out_of_memory_for_one_picture_is_an_error():
    def run(part):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        in_parts(run, torch.zeros(4, 1), None)


def test_float32_is_exact_inside_and_restored_after():
    conv, matmul = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = conv.fp32_precision, matmul.fp32_precision
    with exact_float32():
        assert conv.fp32_precision == matmul.fp32_precision == "ieee"
    assert (conv.fp32_precision, matmul.fp32_precision) == before
    with pytest.raises(RuntimeError), exact_float32():
        raise RuntimeError
    assert (conv.fp32_precision, matmul.fp32_precision) == before


def test_what_followed_a_callers_choice_still_follows_it():
    """Read, a setting tells what is in force; written back, it would be its own for good."""
    code = """
import torch.backends as b
from mifid.extractors.devices import exact_float32
b.fp32_precision = "tf32"
with exact_float32():
    pass
b.fp32_precision = "ieee"
print(b.cuda.matmul.fp32_precision, b.mkldnn.conv.fp32_precision)
b.cuda.matmul.fp32_precision = "tf32"
with exact_float32():
    pass
b.fp32_precision = "none"
print(b.cuda.matmul.fp32_precision, b.mkldnn.conv.fp32_precision, b.cudnn.allow_tf32)
"""
    # Of their own process: what was once set cannot be set back to how it begins.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ieee", "ieee", "tf32", "none", "True"]


@pytest.mark.parametrize("device", ["cpu,cpu", "cuda:all"])
def test_a_function_runs_on_one_device(device):
    with pytest.raises(InputError, match=f"runs on one device, not on '{device}'"):
        open_extractor(lambda batch: batch).load(device)
