"""Generators: the published shapes and counts, and parity with networks written out by hand."""

import math

import original_networks
import pytest
import torch
import torch.nn.functional as F
from original_networks import shaken
from torch import nn

from mifid.baseline.config.schema import Generator
from mifid.baseline.models import GENERATORS, build_generator, outline_generator
from mifid.baseline.models.blocks import ResidualBlock
from mifid.baseline.models.layers import upsample

SIZE = 32
CODE = ("encoder.mean", "encoder.log_variance")  # a loss sees it, no picture


def small(**options) -> Generator:
    return Generator(**{"width": 8, "blocks": 2, "latent": 6, **options})


def inputs(network: nn.Module, count: int = 2, size: int = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if not network.sees_pictures:
        return torch.randn(count, *network.noise, generator=generator)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def painted(network: nn.Module, given: torch.Tensor) -> torch.Tensor:
    """What a network makes of pictures or of noise, whatever its forward takes and returns."""
    if not network.sees_pictures:
        return network.paint(None, given).picture
    shape = network.noise
    noise = given.flatten(1)[:, : math.prod(shape)].unflatten(1, shape) if shape else None
    return network.paint(given, noise).picture


FIXED = ("ugatit", "ugatit_full")  # no setting changes their norms
NORMED = [
    (name, norm)
    for name in GENERATORS
    for norm in ("instance", "batch", "group", "layer", "none")
    if name not in FIXED or norm == "instance"
]


def shake(network: nn.Module, by: float = 0.3) -> None:
    """Make every weight matter, biases and norms too."""
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        parameter.data += by * torch.randn(parameter.shape, generator=generator)
    for name, buffer in network.named_buffers():
        if name == "examples":  # grey at first: their maps are flat
            buffer.random_(0, 256, generator=generator)


@pytest.mark.parametrize(("name", "norm"), NORMED)
def test_pictures_of_the_same_size_within_minus_one_and_one_and_all_weights_learn(name, norm):
    network = build_generator(small(network=name, norm=norm), size=SIZE, seed=0)
    # Residual blocks without norms add up, and the last tanh has no slope far from 0.
    shake(
        network, {("attention_unet", "none"): 0.04, ("uvcgan", "none"): 0.1}.get((name, norm), 0.3)
    )
    picture = painted(network, inputs(network))
    assert picture.shape == (2, 3, SIZE, SIZE)
    assert picture.dtype == torch.float32
    assert picture.abs().max() <= 1
    assert picture.std() > 0.05
    picture.square().sum().backward()
    for key, parameter in network.named_parameters():
        if key.startswith(CODE):
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize(
    "options",
    [
        {"network": "resnet", "halving": "blur", "upsample": "blur"},
        {"network": "skip_resnet", "halving": "blur", "upsample": "blur"},
        {"network": "unet", "skip_relu": True, "upsample": "blur"},
    ],
)
def test_networks_of_other_programs_keep_the_size_and_learn(options):
    network = build_generator(small(**options), size=SIZE, seed=0)
    shake(network)
    picture = network(inputs(network))
    assert picture.shape == (2, 3, SIZE, SIZE)
    picture.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, key


def test_cuts_generator_weight_by_weight():
    """With its norms without scales, and the biases before them."""
    blurs = {"halving": "blur", "upsample": "blur", "norm": "plain_instance"}
    ours = build_generator(small(network="resnet", **blurs), size=SIZE, seed=0).eval()
    theirs = shaken(original_networks.ResNet(down="blur", up="blur"))
    weights = zip(ours.parameters(), theirs.parameters(), strict=True)
    with torch.no_grad():
        for own, weight in weights:
            own.copy_(weight)
        x = inputs(ours)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    whole = outline_generator(Generator(network="resnet", **blurs), size=256)
    assert sum(p.numel() for p in whole.parameters()) == 11_378_179


@pytest.mark.parametrize(
    ("options", "millions"),
    [
        ({"network": "unet"}, 54.4),
        ({"network": "resnet", "blocks": 9}, 11.4),
        ({"network": "resnet", "blocks": 6}, 7.8),
    ],
)
def test_as_many_parameters_as_published(options, millions):
    network = build_generator(Generator(**options), size=256, seed=0)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize(("name", "norm"), NORMED)
def test_pictures_do_not_depend_on_their_batch_but_for_batch_norm(name, norm):
    network = build_generator(small(network=name, norm=norm), size=SIZE, seed=0)
    shake(network, by=0.1)
    network.double()
    x = inputs(network, count=3).double()
    alone = torch.cat([painted(network, one) for one in x.split(1)])
    same = (painted(network, x) - alone).abs().max().item() < 1e-5
    assert same == (norm != "batch" or name == "uvcgan2")  # which has no norms to choose


@pytest.mark.parametrize("name", GENERATORS)
def test_channels_last_gives_the_same_pictures_and_gradients(name):
    network = build_generator(small(network=name), size=SIZE, seed=0)
    shake(network)
    x = inputs(network)
    plain = painted(network, x)
    plain.square().sum().backward()
    seen = [p for key, p in network.named_parameters() if not key.startswith(CODE)]
    gradients = [parameter.grad.clone() for parameter in seen]
    largest = max(gradient.abs().max().item() for gradient in gradients)
    network.zero_grad()
    network.to(memory_format=torch.channels_last)
    last = painted(network, x if x.ndim == 2 else x.contiguous(memory_format=torch.channels_last))
    last.square().sum().backward()
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-4)
    for parameter, gradient in zip(seen, gradients, strict=True):
        # A bias of attention's keys has no effect, and so no gradient but of rounding.
        scale = max(gradient.abs().max().item(), 1e-5 * largest)
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=2e-3 * scale)


def test_resnet_is_the_network_of_the_paper():
    config = small(network="resnet", blocks=2)
    network = build_generator(config, size=SIZE, seed=0)
    shake(network)
    widths = [(3, 8, 7), (8, 16, 3), (16, 32, 3)]
    layers: list[nn.Module] = []
    for index, (before, after, kernel) in enumerate(widths):
        outer = index == 0
        layers += [
            *([nn.ReflectionPad2d(3)] if outer else []),
            nn.Conv2d(before, after, kernel, 1 if outer else 2, 0 if outer else 1, bias=False),
            nn.InstanceNorm2d(after, affine=True),
            nn.ReLU(),
        ]
    blocks = [
        nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(32, 32, 3, bias=False),
            nn.InstanceNorm2d(32, affine=True),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(32, 32, 3, bias=False),
            nn.InstanceNorm2d(32, affine=True),
        )
        for _ in range(2)
    ]
    decoder: list[nn.Module] = []
    for before, after in [(32, 16), (16, 8)]:
        decoder += [
            nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=False),
            nn.InstanceNorm2d(after, affine=True),
            nn.ReLU(),
        ]
    decoder += [nn.ReflectionPad2d(3), nn.Conv2d(8, 3, 7), nn.Tanh()]
    whole = nn.ModuleList([nn.Sequential(*layers), *blocks, nn.Sequential(*decoder)])
    ours = network.state_dict().values()
    whole.load_state_dict(dict(zip(whole.state_dict(), ours, strict=True)))
    x = inputs(network)
    y = whole[0](x)
    for block in whole[1:-1]:
        y = y + block(y)
    torch.testing.assert_close(network(x), whole[-1](y), rtol=1e-4, atol=1e-5)


def test_unet_is_keras_tutorials_but_for_the_norm_on_one_pixel():
    network = build_generator(small(network="unet"), size=SIZE, seed=0)
    shake(network, by=0.1)
    weights = iter(network.state_dict().values())

    def normed(x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(x, weight=next(weights), bias=next(weights))

    x = inputs(network)
    skips = []
    y = x
    for level in range(5):
        weight = next(weights)
        bias = next(weights) if level in (0, 4) else None
        y = F.conv2d(y, weight, bias, stride=2, padding=1)
        y = F.leaky_relu(y if level in (0, 4) else normed(y), 0.2)
        skips.append(y)
    assert y.shape == (2, 64, 1, 1)
    for level in (3, 2, 1, 0):
        y = normed(F.conv_transpose2d(y, next(weights), stride=2, padding=1))
        y = torch.cat([F.relu(y), skips[level]], dim=1)
    y = torch.tanh(F.conv_transpose2d(y, next(weights), next(weights), stride=2, padding=1))
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


def test_unet_has_the_tutorials_widths_and_comes_down_to_one_pixel():
    network = build_generator(Generator(width=4), size=256, seed=0)
    outputs = {
        key: w.shape for key, w in network.state_dict().items() if key.endswith("conv.weight")
    }
    down = [outputs[f"down.{n}.conv.weight"] for n in range(8)]
    up = [outputs[f"up.{n}.conv.weight"] for n in range(7)]
    assert [shape[0] // 4 for shape in down] == [1, 2, 4, 8, 8, 8, 8, 8]
    assert [shape[1] // 4 for shape in up] == [8, 8, 8, 8, 4, 2, 1]
    assert {shape[2:] for shape in [*down, *up]} == {(4, 4)}
    sides = []
    network.down[-1].register_forward_hook(lambda module, args, out: sides.append(out.shape[2:]))
    network(inputs(network, count=1, size=256))
    assert sides == [(1, 1)]


@pytest.mark.parametrize(("size", "depth"), [(16, 4), (48, 4), (96, 5), (256, 8), (512, 8)])
def test_unet_goes_as_deep_as_the_size_allows(size, depth):
    assert len(build_generator(small(), size=size, seed=0).down) == depth


def test_unet_learns_from_its_innermost_pixel():
    network = build_generator(small(), size=SIZE, seed=0)
    x = inputs(network)
    seen = []
    network.down[-1].register_forward_hook(lambda module, args, out: seen.append(out))
    network(x)
    assert (seen[0][0] - seen[0][1]).abs().max() > 1e-3  # two pictures, two values


@pytest.mark.parametrize("part", ["stem", "down1"])
def test_skip_resnet_hands_the_encoders_maps_to_the_decoder(part):
    network = build_generator(small(network="skip_resnet", norm="layer"), size=SIZE, seed=0)
    decoder = {"stem": network.out, "down1": network.up2}[part]
    made, taken = [], []
    getattr(network, part).register_forward_hook(lambda module, args, out: made.append(out.clone()))
    decoder.register_forward_hook(lambda module, args, out: taken.append(args[0]))
    network(inputs(network))
    channels = made[0].shape[1]
    assert taken[0].shape[1] == 2 * channels
    torch.testing.assert_close(taken[0][:, channels:], made[0], rtol=0, atol=0)


def test_dcgan_has_the_published_widths():
    network = build_generator(
        Generator(network="dcgan", norm="batch", width=128, latent=100), size=64, seed=0
    )
    assert network.noise == (100,)
    assert network.project.out_features == 1024 * 4 * 4
    assert [up.conv.weight.shape[1] for up in network.up] == [512, 256, 128]
    assert network.out.conv.weight.shape[:2] == (128, 3)


@pytest.mark.parametrize("size", [16, 64, 128])
def test_dcgan_paints_any_power_of_two(size):
    network = build_generator(small(network="dcgan"), size=size, seed=0)
    assert network(inputs(network)).shape == (2, 3, size, size)


def test_activation_before_the_addition():
    plain = ResidualBlock(small(), 8)
    active = ResidualBlock(small(residual_activation=True), 8)
    active.load_state_dict(plain.state_dict())
    x = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(active(x) - x, F.relu(plain(x) - x), rtol=1e-4, atol=1e-5)


def test_dropout_is_in_every_block_or_in_the_three_innermost_layers():
    def dropouts(network: str) -> list[str]:
        built = build_generator(small(network=network, dropout=0.4), size=SIZE, seed=0)
        found = [(key, m) for key, m in built.named_modules() if isinstance(m, nn.Dropout)]
        assert {module.p for _, module in found} == {0.4}
        return [key for key, _ in found]

    assert dropouts("unet") == ["up.0.dropout", "up.1.dropout", "up.2.dropout"]
    assert dropouts("resnet") == ["blocks.0.first.dropout", "blocks.1.first.dropout"]


def test_resizing_has_no_checkerboard_at_first():
    def unevenness(upsample: str) -> float:
        """How much a flat map differs between even and odd pixels once it is doubled."""
        network = build_generator(small(network="resnet", upsample=upsample), size=SIZE, seed=0)
        doubled = network.up1.conv(torch.ones(1, 32, 8, 8))
        return (doubled[..., ::2] - doubled[..., 1::2]).abs().max().item()

    assert unevenness("resize") < 1e-5
    assert unevenness("transposed") > 0.01


def test_resizing_repeats_each_pixel_and_mirrors_the_border():
    layer = upsample("resize", 3, 5, kernel=4, bias=True)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = F.conv2d(nn.ReflectionPad2d(1)(repeated), layer.conv.weight, layer.conv.bias)
    torch.testing.assert_close(layer(x), expected)
