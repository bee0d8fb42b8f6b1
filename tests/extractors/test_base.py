"""What `fast` changes, and that it is said."""

import warnings

import numpy as np
import pytest
import torch

from mifid.demo import landscape
from mifid.errors import InputError, MifidWarning
from mifid.extractors import open_extractor
from mifid.extractors.backends import BACKENDS
from mifid.extractors.backends.openvino_backend import obtain_core


def test_identity_says_that_it_is_not_exact():
    exact = open_extractor("inception-random").identity
    fast = open_extractor("inception-random", precision="fast").identity
    assert (exact.dtype, fast.dtype) == ("float32", "bfloat16")
    assert exact.fingerprint != fast.fingerprint
    assert exact.not_comparable == "inception-random has seeded, not trained weights"
    assert fast.not_comparable == (
        "inception-random has seeded, not trained weights; the network ran in bfloat16, "
        "not in float32"
    )


def test_unknown_precision():
    with pytest.raises(InputError, match="unknown precision 'fats'") as caught:
        open_extractor("inception-random", precision="fats")
    assert "Did you mean 'fast'?" in caught.value.hint


def test_a_users_own_extractor_has_no_precision():
    with pytest.raises(InputError, match="precision 'fast' is for mifid's own networks"):
        open_extractor(lambda batch: batch, precision="fast")


@pytest.mark.network
@pytest.mark.parametrize("backend", BACKENDS)
def test_fast_is_near_exact_but_not_it(backend):
    """bfloat16 has 8 bits: relative errors of per cents, not of 1e-6 and not of 1."""
    pictures = np.stack([landscape(np.random.RandomState(seed), 128) for seed in range(2)])
    fast = open_extractor("inception-random", backend=backend, precision="fast")
    capabilities = "CPU", "OPTIMIZATION_CAPABILITIES"
    if backend == "openvino" and "BF16" not in obtain_core().get_property(*capabilities):
        with pytest.raises(InputError, match="has no bfloat16"):
            fast.load("cpu")
        return
    exact = open_extractor("inception-random", backend=backend)(pictures)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this processor has no bfloat16", MifidWarning)
        found = fast(pictures)
    assert found.dtype == np.float32
    assert 1e-3 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.2


def test_torch_says_where_bfloat16_is_emulated(monkeypatch):
    from mifid.extractors.backends import torch_backend as with_torch

    cpu = torch.device("cpu")
    monkeypatch.setattr(with_torch.platform, "machine", lambda: "x86_64")
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    with pytest.warns(MifidWarning, match="no bfloat16 arithmetic: .* would not be faster"):
        with_torch._check_bfloat16([cpu])
    monkeypatch.setattr(torch.cpu, names[1], lambda: True)
    with_torch._check_bfloat16([cpu])
    monkeypatch.delattr(torch.cpu, names[1])  # a torch that cannot tell
    with_torch._check_bfloat16([cpu])


def test_openvino_without_bfloat16_is_refused(monkeypatch):
    """It would quietly compute in float32, while the report says bfloat16."""

    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    from mifid.extractors.backends import openvino_backend as with_openvino

    backend = object.__new__(with_openvino.OpenVinoBackend)
    backend._core = Core()
    assert backend._hint("exact") == "f32"
    with pytest.raises(InputError, match="no bfloat16 arithmetic"):
        backend._hint("fast")
