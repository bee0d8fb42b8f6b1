"""Norms: against float64, in both memory formats, and what each is taken over."""

import pytest
import torch
from torch import nn

from mifid.baseline.models import norm_is_per_sample
from mifid.baseline.models.norms import InstanceNorm, erases_one_pixel, keeps_bias, norm

NAMES = ["instance", "batch", "group", "layer"]
FORMATS = [torch.contiguous_format, torch.channels_last]
OVER = {"instance": (2, 3), "plain_instance": (2, 3), "batch": (0, 2, 3), "layer": (1, 2, 3)}


def features(*, mean: float, channels: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = torch.rand(3, channels, 1, 1, generator=generator) + 0.5
    return mean + scale * torch.randn(3, channels, 24, 24, generator=generator)


def expected(name: str, x: torch.Tensor) -> torch.Tensor:
    """The definition, in float64."""
    x = x.double()
    if name == "group":
        return expected("layer", x.reshape(-1, x.shape[1] // 8, *x.shape[2:])).reshape(x.shape)
    mean = x.mean(OVER[name], keepdim=True)
    variance = (x - mean).square().mean(OVER[name], keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_exact_even_where_the_mean_is_large(name, memory_format, mean):
    x = features(mean=mean)
    exact = x.double().requires_grad_()
    output_gradient = features(mean=0.0)
    expected(name, exact).backward(output_gradient.double())
    ours = x.clone(memory_format=memory_format).requires_grad_()
    y = norm(name, 16)(ours)
    y.backward(output_gradient)
    torch.testing.assert_close(y.double(), expected(name, x), rtol=0, atol=1e-3)
    torch.testing.assert_close(ours.grad.double(), exact.grad, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", [*NAMES, "plain_instance"])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_statistics_stay_float32_under_autocast(name, memory_format):
    x = features(mean=20.0).bfloat16().to(memory_format=memory_format)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = norm(name, 16)(x)
    assert y.dtype == torch.bfloat16
    # A mean in bfloat16 would be off by up to 1/16, an output by as much; rounding it, by 1/256.
    torch.testing.assert_close(y.double(), expected(name, x), rtol=1 / 128, atol=1e-3)


def test_instance_norm_keeps_channels_last():
    x = features(mean=0.0).contiguous(memory_format=torch.channels_last)
    assert norm("instance", 16)(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("memory_format", FORMATS)
def test_scale_and_shift_per_channel(name, memory_format):
    layer = norm(name, 16)
    plain = layer(features(mean=0.0))
    layer.weight.data = torch.arange(16.0)
    layer.bias.data = torch.arange(16.0, 0.0, -1.0)
    x = features(mean=0.0).contiguous(memory_format=memory_format)
    by_hand = plain * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), by_hand, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*NAMES, "none"])
def test_per_sample_and_bias_as_they_are_said_to_be(name):
    layer = norm(name, 16)
    x = features(mean=0.0)
    alone = torch.cat([layer(one) for one in x.split(1)])
    assert norm_is_per_sample(layer) == torch.allclose(layer(x), alone, atol=1e-5)
    bias = torch.linspace(-1, 1, 16).view(1, -1, 1, 1)
    assert keeps_bias(name) != torch.allclose(layer(x), layer(x + bias), atol=1e-4)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_plain_instance_norm_has_no_weights_and_networks_keep_their_biases(memory_format):
    layer = norm("plain_instance", 16)
    x = features(mean=3.0).to(memory_format=memory_format)
    assert not list(layer.parameters())
    torch.testing.assert_close(layer(x).double(), expected("instance", x), rtol=0, atol=1e-5)
    assert norm_is_per_sample(layer)
    assert keeps_bias("plain_instance")


@pytest.mark.parametrize("name", [*NAMES, "plain_instance", "none"])
def test_what_erases_a_map_of_one_pixel(name):
    """Torch refuses one pixel in training; a flat map of one picture is the same to a norm."""
    one, other = (
        norm(name, 16)(features(mean=0.0)[n, :, :1, :1].expand(1, 16, 4, 4)) for n in (0, 1)
    )
    assert erases_one_pixel(name) == torch.allclose(one, other, atol=1e-2)


@pytest.mark.parametrize(
    ("channels", "groups"), [(4, 4), (12, 6), (16, 8), (64, 8), (7, 7), (11, 1)]
)
def test_eight_groups_or_the_most_below_that_divide(channels, groups):
    layer = norm("group", channels)
    assert isinstance(layer, nn.GroupNorm)
    assert layer.num_groups == groups


@pytest.mark.parametrize("memory_format", FORMATS)
def test_instance_norm_without_scales_has_no_weights(memory_format):
    plain = InstanceNorm(16, affine=False)
    assert not [*plain.parameters()]
    x = features(mean=1.0).clone(memory_format=memory_format)
    torch.testing.assert_close(plain(x), expected("instance", x).float(), rtol=1e-4, atol=1e-4)
