"""Discriminators: receptive field, shapes, counts, and parity with PatchGAN written out by hand."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mifid.baseline.config.schema import Discriminator
from mifid.baseline.models import DISCRIMINATORS, build_discriminator
from mifid.baseline.models.blocks import halving
from mifid.baseline.models.patchgan import PatchGAN

SIZE = 64
STAGED = ("patchgan", "dcgan")
PLAIN = [n for n in DISCRIMINATORS if DISCRIMINATORS[n].signature == "picture -> scores"]


def small(**options) -> Discriminator:
    return Discriminator(**{"width": 8, **options})


def pictures(count: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("norm", ["instance", "batch", "group", "layer", "none"])
def test_one_channel_of_scores_and_all_weights_learn(name, norm):
    network = build_discriminator(small(network=name, norm=norm), size=SIZE, seed=0)
    scores = network(pictures())
    assert scores.shape[:2] == (2, 1)
    assert scores.ndim == 4
    scores.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


def test_patchgan_has_as_many_parameters_as_published():
    network = build_discriminator(Discriminator(), size=256, seed=0)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 2.8


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [("patchgan", 256, (30, 30)), ("patchgan", 64, (6, 6)), ("dcgan", 64, (1, 1))],
)
def test_shape_of_the_scores(name, size, shape):
    network = build_discriminator(small(network=name), size=size, seed=0)
    assert network(pictures(1, size)).shape == (1, 1, *shape)


def test_wide_padding_is_that_of_pix2pixhd():
    config = Discriminator(wide_padding=True)
    with torch.device("meta"):
        outline = PatchGAN(config, size=256)
        assert outline(torch.empty(1, 3, 256, 256)).shape == (1, 1, 35, 35)
    network = build_discriminator(replace(config, width=8), size=SIZE, seed=0)
    weights = iter(network.state_dict().values())
    x = pictures()
    y = F.leaky_relu(F.conv2d(x, next(weights), next(weights), stride=2, padding=2), 0.2)
    for stride in (2, 2, 1):
        y = F.conv2d(y, next(weights), stride=stride, padding=2)
        y = F.leaky_relu(F.instance_norm(y, weight=next(weights), bias=next(weights)), 0.2)
    y = F.conv2d(y, next(weights), next(weights), padding=2)
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_score_sees_so_many_pixels(layers, field):
    config = small(norm="none", layers=layers, width=4)
    network = build_discriminator(config, size=128, seed=0)
    for parameter in network.parameters():
        parameter.data.abs_()  # so that nothing cancels out
    x = torch.ones(1, 3, 128, 128, requires_grad=True)
    scores = network(x)
    middle = scores.shape[2] // 2
    scores[0, 0, middle, middle].backward()
    seen = x.grad[0].abs().sum(0) > 0
    assert (seen.any(0).sum(), seen.any(1).sum()) == (field, field)


def test_patchgan_is_the_network_of_the_paper():
    network = build_discriminator(small(), size=SIZE, seed=0)
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    weights = iter(network.state_dict().values())
    x = pictures()
    y = F.leaky_relu(F.conv2d(x, next(weights), next(weights), stride=2, padding=1), 0.2)
    for stride in (2, 2, 1):
        y = F.conv2d(y, next(weights), stride=stride, padding=1)
        y = F.leaky_relu(F.instance_norm(y, weight=next(weights), bias=next(weights)), 0.2)
    y = F.conv2d(y, next(weights), next(weights), padding=1)
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


def blurred(x):
    """3 taps in each direction with a mirrored border, then every second pixel."""
    taps = torch.tensor([1.0, 2, 1]) / 4
    weight = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, stride=2, groups=x.shape[1])


def test_the_blurred_patchgan_is_cuts():
    config = small(halving="blur", norm="plain_instance")
    network = build_discriminator(config, size=SIZE, seed=0)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(2)
        )
    weights = iter(network.state_dict().values())
    x = pictures()
    y = blurred(F.leaky_relu(F.conv2d(x, next(weights), next(weights), padding=1), 0.2))
    for halves in (True, True, False):
        y = F.instance_norm(F.conv2d(y, next(weights), next(weights), padding=1))
        y = F.leaky_relu(y, 0.2)
        y = blurred(y) if halves else y
    y = F.conv2d(y, next(weights), next(weights), padding=1)
    assert next(weights, None) is None
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


def test_the_blurred_patchgan_has_as_many_weights_and_scores_as_cuts():
    with torch.device("meta"):
        config = Discriminator(halving="blur", norm="plain_instance")
        network = DISCRIMINATORS["patchgan"](config, size=256)
        assert network(torch.empty(1, 3, 256, 256)).shape == (1, 1, 30, 30)
    assert sum(p.numel() for p in network.parameters()) == 2_764_737


@pytest.mark.parametrize("kernel", [3, 4, 5, 6])
@pytest.mark.parametrize("size", [63, 64, 67])
def test_blurs_leave_as_many_scores_as_strides(kernel, size):
    shapes = [
        build_discriminator(small(kernel=kernel, halving=how, layers=2), size=size, seed=0)(
            pictures(1, size)
        ).shape
        for how in ("stride", "blur")
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("norm", ["instance", "group", "layer", "none", "batch"])
def test_scores_do_not_depend_on_the_batch_but_for_batch_norm(name, norm):
    network = build_discriminator(small(network=name, norm=norm), size=SIZE, seed=0).double()
    x = pictures(3).double()
    alone = torch.cat([network(one) for one in x.split(1)])
    same = (network(x) - alone).abs().max().item() < 1e-5
    assert same == (norm != "batch" and name != "batch_patchgan")


@pytest.mark.parametrize("name", PLAIN)
def test_sigmoid_of_the_same_scores(name):
    plain = build_discriminator(small(network=name), size=SIZE, seed=0)
    squashed = build_discriminator(small(network=name, sigmoid=True), size=SIZE, seed=0)
    torch.testing.assert_close(squashed(pictures()), torch.sigmoid(plain(pictures())))


@pytest.mark.parametrize("name", STAGED)
def test_no_norm_on_the_first_layer(name):
    network = build_discriminator(small(network=name, norm="batch"), size=SIZE, seed=0)
    norms = [key for key, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [f"stages.{n}.norm" for n in range(1, len(network.stages))]


@pytest.mark.parametrize("name", STAGED)
def test_dropout_after_each_activation_but_the_first(name):
    network = build_discriminator(small(network=name, dropout=0.3), size=SIZE, seed=0)
    found = {key: m.p for key, m in network.named_modules() if isinstance(m, nn.Dropout)}
    assert found == {f"stages.{n}.dropout": 0.3 for n in range(1, len(network.stages))}
    assert list(dict(network.stages[1].named_children()))[-2:] == ["activation", "dropout"]


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "batch_patchgan"])
def test_noise_in_training_only_and_of_the_deviation_asked_for(name):
    network = build_discriminator(small(network=name, noise=0.25), size=SIZE, seed=0)
    x = pictures()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        first = network(x)
        noise = network.noise(x) - x
        torch.manual_seed(5)
        again = network(x)
    assert noise.std().item() == pytest.approx(0.25, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert torch.equal(first, again)  # torch's own random state, which a checkpoint holds
    assert not torch.allclose(first, network.eval()(x))
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("kernel", [3, 4, 5, 6])
def test_any_kernel(kernel):
    for name in PLAIN:
        network = build_discriminator(small(network=name, kernel=kernel), size=SIZE, seed=0)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        assert first.kernel_size == (kernel, kernel)
        assert network(pictures()).shape[:2] == (2, 1)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_pooling_is_the_mean_of_all_patches(sigmoid):
    config = Discriminator(width=4, pooling=True, sigmoid=sigmoid)
    pooled = build_discriminator(config, size=64, seed=0)
    patches = build_discriminator(replace(config, pooling=False, sigmoid=False), size=64, seed=0)
    mean = patches(pictures()).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(pooled(pictures()), torch.sigmoid(mean) if sigmoid else mean)


@pytest.mark.parametrize("kernel", [3, 4])
def test_halving_by_an_average_convolves_every_pixel_and_averages_two_by_two(kernel):
    layer = halving(3, 5, kernel=kernel, bias=True, how="average")
    x = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    before, after = (kernel - 1) // 2, kernel // 2
    padded = F.pad(x, (before, after, before, after))
    whole = F.conv2d(padded, layer.conv.weight, layer.conv.bias)
    assert whole.shape[2:] == (8, 8)
    expected = whole.reshape(2, 5, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(layer(x), expected)
