"""The arithmetic that each kind of device is given, by doubles of torch's questions to it."""

import pytest
import torch

from mifid.baseline.gan.precision import DTYPES, choose_precision
from mifid.errors import InputError

CUDA = torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    def be(name, major, minor, *, hip=None, imitates=True):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: (major, minor))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: name)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: imitates)
        monkeypatch.setattr(torch.version, "hip", hip)

    return be


@pytest.mark.parametrize(
    ("name", "capability", "chosen", "why"),
    [
        ("NVIDIA H200", (9, 0), "bf16", "computes bfloat16"),
        ("NVIDIA A100-SXM4-40GB", (8, 0), "bf16", "computes bfloat16"),
        ("NVIDIA GeForce RTX 4090", (8, 9), "bf16", "computes bfloat16"),
        ("NVIDIA L4", (8, 9), "bf16", "computes bfloat16"),
        ("Tesla T4", (7, 5), "float16", "not for bfloat16"),
        ("NVIDIA GeForce RTX 2080 Ti", (7, 5), "float16", "not for bfloat16"),
        ("Tesla V100-SXM2-16GB", (7, 0), "float16", "not for bfloat16"),
        ("NVIDIA GeForce GTX 1660 Ti", (7, 5), "float32", "no tensor cores"),
        ("Quadro T2000", (7, 5), "float32", "no tensor cores"),
        ("Tesla P100-PCIE-16GB", (6, 0), "float32", "no tensor cores"),
        ("NVIDIA GeForce GTX 1080", (6, 1), "float32", "no tensor cores"),
    ],
)
def test_auto_on_gpus(gpu, name, capability, chosen, why):
    gpu(name, *capability)
    found = choose_precision("auto", CUDA)
    assert (found.name, found.device) == (
        chosen,
        f"{name} (compute capability {capability[0]}.{capability[1]})",
    )
    assert why in found.reason
    assert str(found).startswith(f"{chosen} on {name}")


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_auto_elsewhere_is_float32(kind):
    assert choose_precision("auto", torch.device(kind)).name == "float32"


def test_auto_on_an_amd_gpu_is_float32(gpu):
    gpu("AMD Instinct MI250X", 9, 0, hip="6.0")
    assert choose_precision("auto", CUDA).name == "float32"


@pytest.mark.parametrize("asked", DTYPES)
def test_what_is_asked_for_is_chosen(gpu, asked):
    gpu("Tesla T4", 7, 5)
    found = choose_precision(asked, CUDA)
    assert found.name == asked
    assert "asks for it" in found.reason
    assert ("imitates it slowly" in found.reason) == (asked == "bf16")


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_float16_needs_a_gpu_with_cuda(kind):
    with pytest.raises(InputError) as caught:
        choose_precision("float16", torch.device(kind))
    assert "training.precision is float16" in caught.value.message
    assert kind in caught.value.message.lower()
    assert "auto" in caught.value.hint


def test_bf16_on_a_gpu_that_cannot_even_imitate_it(gpu):
    gpu("Tesla K80", 3, 7, imitates=False)
    with pytest.raises(InputError, match=r"bf16, which Tesla K80 .* cannot compute"):
        choose_precision("bf16", CUDA)


@pytest.mark.parametrize("computes", [False, True])
def test_bf16_on_a_cpu_that_may_have_to_imitate_it(monkeypatch, computes):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: computes)
    found = choose_precision("bf16", torch.device("cpu"))
    assert found.name == "bf16"
    assert ("imitates it slowly" in found.reason) is not computes
