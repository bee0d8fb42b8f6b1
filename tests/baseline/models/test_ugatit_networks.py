"""U-GAT-IT's networks: the published counts, and parity with the formulas of its paper and code."""

import pytest
import torch
import torch.nn.functional as F
from original_networks import UGATITNorm

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.models import DISCRIMINATORS, build_discriminator, outline_generator
from mifid.baseline.models.cam import ClassActivation
from mifid.baseline.models.norms import spectral_norm
from mifid.baseline.models.ugatit_generator import LayerInstanceNorm
from mifid.errors import InputError


def numbers(network):
    return sum(weight.numel() for weight in network.parameters())


def outlined_discriminator(config, size=256):
    with torch.device("meta"):
        return DISCRIMINATORS["ugatit"](config, size=size)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_as_many_weights_as_the_authors_code():
    light, full = (
        outline_generator(Generator(network=name, blocks=4), size=256)
        for name in ("ugatit", "ugatit_full")
    )
    judge = outlined_discriminator(Discriminator(network="ugatit"))
    assert numbers(light) == 10_589_888
    assert numbers(full) == 278_959_808
    assert numbers(judge.local_scale) == 3_290_560
    assert numbers(judge.global_scale) == 53_130_176
    assert round(2 * (numbers(full) + numbers(judge)) / 1e6, 1) == 670.8
    assert round(2 * (numbers(light) + numbers(judge)) / 1e6, 1) == 134.0


def test_patches_and_maps_of_both_scales():
    judge = outlined_discriminator(Discriminator(network="ugatit", width=4))
    made = judge(torch.empty(2, 3, 256, 256, device="meta"))
    assert [each.shape[2:] for each in made] == [(30, 30), (1, 2), (6, 6), (1, 2)]


@pytest.mark.parametrize(("size", "halvings"), [(256, 5), (128, 5), (64, 4), (512, 5)])
def test_the_global_scale_halves_twice_more_as_far_as_the_size_allows(size, halvings):
    judge = outlined_discriminator(Discriminator(network="ugatit", width=4), size)
    assert len(judge.local_scale.stages) == 3 + 1
    assert len(judge.global_scale.stages) == halvings + 1


@pytest.mark.parametrize(("layers", "size"), [(3, 32), (3, 60 // 4 * 2), (6, 256), (2, 16)])
def test_a_size_that_leaves_no_second_scale_is_refused_with_what_fits(layers, size):
    with pytest.raises(
        InputError, match=f"discriminator.layers is {layers}; .*{size} x {size}"
    ) as e:
        build_discriminator(Discriminator(network="ugatit", layers=layers), size=size, seed=0)
    allowed = int(e.value.hint.split("layers to ")[1].split(",")[0])
    enough = int(e.value.hint.split("data.size to ")[1].split(" ")[0])
    outlined_discriminator(Discriminator(network="ugatit", layers=allowed, width=4), size)
    outlined_discriminator(Discriminator(network="ugatit", layers=layers, width=4), enough)


@pytest.mark.parametrize("size", [30, 66])
@pytest.mark.parametrize("name", ["ugatit", "ugatit_full"])
def test_a_size_that_cannot_be_halved_twice_is_refused(name, size):
    with pytest.raises(InputError, match=f"data.size is {size}; expected a multiple of 4") as error:
        outline_generator(Generator(network=name), size=size)
    assert str(size + 2) in error.value.hint


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_layer_instance_norm_and_its_gradients_are_those_of_the_definition(own, rho):
    ours = LayerInstanceNorm(6, rho=rho, eps=1e-5, own=own).double()
    ours.initialise(torch.Generator())
    theirs = UGATITNorm(6, own=own).double()
    theirs.rho.data.fill_(rho)
    scale, shift = (normal(2, 6, seed=n).requires_grad_() for n in (1, 2))
    if own:
        for module, names in ((ours, ("weight", "bias")), (theirs, ("gamma", "beta"))):
            for n, name in enumerate(names):
                getattr(module, name).data.copy_(
                    normal(6, seed=n + 1).view_as(getattr(module, name))
                )
    given = [] if own else [scale, shift]
    x = (100 + normal(2, 6, 5, 7) * torch.arange(1, 7).view(1, 6, 1, 1)).requires_grad_()
    up = normal(2, 6, 5, 7, seed=3)
    found = []
    for module in (ours, theirs):
        made = module(x, *given)
        weights = [x, *given, *module.parameters()]
        found.append([made, *torch.autograd.grad((made * up).sum(), weights)])
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted.view_as(mine), rtol=1e-9, atol=1e-9)


def test_layer_instance_norm_of_bf16_is_computed_in_float32():
    layer = LayerInstanceNorm(4, rho=0.5, eps=1e-5, own=True)
    layer.initialise(torch.Generator())
    x = (200 + normal(1, 4, 8, 8)).bfloat16()
    made, exact = layer(x), layer(x.float())
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made, exact.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("spectral", [False, True])
def test_class_activation_weighs_each_channel_and_joins_both(spectral):
    layer = ClassActivation(5, spectral=spectral).double()
    x = normal(2, 5, 4, 3)
    weighed, logits = layer.eval()(x)
    two = [
        linear.parametrizations.weight.original if spectral else linear.weight
        for linear in (layer.average, layer.maximum)
    ]
    products = torch.cat([x * weight[..., None, None] for weight in two], dim=1)
    torch.testing.assert_close(weighed, layer.join(products))
    seen = [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]
    normed = [weight / weight.norm() for weight in two] if spectral else two
    expected = torch.cat([s @ w.T for s, w in zip(seen, normed, strict=True)], dim=1)
    torch.testing.assert_close(logits, expected)


def test_spectral_norm_is_exact_under_autocast():
    torch.manual_seed(0)
    layer = spectral_norm(torch.nn.Conv2d(20, 30, 3, bias=False)).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = layer.weight
    assert made.dtype == torch.float32
    torch.testing.assert_close(made, layer.weight, rtol=0, atol=0)
    given = torch.randn(1, 20, 8, 8)
    largest = torch.linalg.matrix_norm(layer.parametrizations.weight.original.flatten(1), 2)
    expected = F.conv2d(given, layer.parametrizations.weight.original / largest)
    torch.testing.assert_close(layer(given), expected, rtol=0.05, atol=0.01)
