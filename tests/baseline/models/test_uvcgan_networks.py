"""UVCGAN's networks against versions written with functional calls, and their published counts."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.models import build_discriminator, build_generator, outline_generator
from mifid.baseline.models.networks import DISCRIMINATORS
from mifid.baseline.presets import PRESETS
from mifid.errors import InputError

SMALL = Generator(width=8, blocks=2, depth=3, activation="leaky_relu", slope=0.01)
V1 = replace(SMALL, network="uvcgan", norm="plain_instance")
V2 = replace(SMALL, network="uvcgan2")
JUDGE = Discriminator(network="batch_patchgan", norm="plain_instance", width=4, layers=2)


def numbers(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("name", "count"), [("uvcgan", 31_360_239), ("uvcgan2", 32_192_231)])
def test_generators_have_as_many_parameters_as_the_authors(name, count):
    network = outline_generator(PRESETS[name].config.generator, size=256)
    assert numbers(network) == count
    assert numbers(network.inner) == 21_738_252 - 384 * (name == "uvcgan")  # v1 has no style token


def test_the_discriminator_has_as_many_parameters_as_the_authors():
    config = PRESETS["uvcgan2"].config.discriminator
    with torch.device("meta"):
        network = DISCRIMINATORS["batch_patchgan"](config, size=256)
        assert network(torch.empty(1, 3, 256, 256)).shape == (1, 1, 31, 31)
        other = DISCRIMINATORS["batch_patchgan"](replace(config, batch_head="deviation"), size=256)
    assert numbers(network.body) == 2_756_544
    assert numbers(network.head) == 2_365_441
    assert numbers(other.head) == numbers(network.head) - 2 * 512 + 9 * 512  # one map more
    assert network.body_shape == (512, 31, 31)


def shaken(network, by=0.1):
    """Open the gates, and give every weight an effect."""
    generator = torch.Generator().manual_seed(2)
    for weight in network.parameters():
        weight.data += by * torch.randn(weight.shape, generator=generator)
    return network


def pictures(number=2, size=32):
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def attend(tokens, w, heads):
    """Scaled dot-product attention from its formula."""
    batch, length, channels = tokens.shape
    joined = F.linear(tokens, w["in_proj_weight"], w["in_proj_bias"])
    q, k, v = (
        part.reshape(batch, length, heads, -1).transpose(1, 2) for part in joined.chunk(3, dim=2)
    )
    scores = (q @ k.transpose(2, 3) / (channels / heads) ** 0.5).softmax(dim=3)
    return F.linear(
        (scores @ v).transpose(1, 2).flatten(2), w["out_proj.weight"], w["out_proj.bias"]
    )


def part(weights, prefix):
    return {k[len(prefix) + 1 :]: v for k, v in weights.items() if k.startswith(f"{prefix}.")}


def transformed(x, w, *, blocks, heads, has_style):
    batch, _, height, width = x.shape
    rows = torch.linspace(-1, 1, height).repeat_interleave(width)
    columns = torch.linspace(-1, 1, width).repeat(height)
    places = torch.stack([rows, columns], dim=1)
    places = torch.sin(F.linear(places, w["position.weight"], w["position.bias"]))
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    tokens = torch.cat([places[None].repeat(batch, 1, 1), pixels], dim=2)
    tokens = F.linear(tokens, w["enter.weight"], w["enter.bias"])
    if has_style:
        tokens = torch.cat([tokens, w["style.token"].repeat(batch, 1, 1)], dim=1)
    for number in range(blocks):
        b = part(w, f"blocks.{number}")
        normed = F.layer_norm(tokens, tokens.shape[2:], b["norm1.weight"], b["norm1.bias"])
        tokens = tokens + b["gate.alpha"] * attend(normed, part(b, "attention"), heads)
        normed = F.layer_norm(tokens, tokens.shape[2:], b["norm2.weight"], b["norm2.bias"])
        wide = F.gelu(F.linear(normed, b["widen.weight"], b["widen.bias"]))
        tokens = tokens + b["gate.alpha"] * F.linear(wide, b["narrow.weight"], b["narrow.bias"])
    style = tokens[:, -1] if has_style else None
    pixels = F.linear(tokens[:, : height * width], w["leave.weight"], w["leave.bias"])
    return pixels.reshape(batch, height, width, -1).permute(0, 3, 1, 2), style


def modulated(x, w, style):
    """StyleGAN2's convolution, a kernel for each picture; the authors demodulate the bias, too."""
    scales = 1 + w["modulation.alpha.alpha"] * F.linear(
        style, w["modulation.linear.weight"], w["modulation.linear.bias"]
    )
    made = []
    for one, scale in zip(x, scales, strict=True):
        kernel = w["conv.weight"] * scale[None, :, None, None]
        demodulation = 1 / torch.sqrt(kernel.square().sum(dim=(1, 2, 3)) + 1e-6)
        kernel = kernel * demodulation[:, None, None, None]
        made.append(F.conv2d(one[None], kernel, w["conv.bias"] * demodulation, padding=1))
    return torch.cat(made)


def convolved(x, w, style, normed):
    if normed:
        x = F.instance_norm(x)
    if style is None:
        x = F.conv2d(x, w["conv.weight"], w["conv.bias"], padding=1)
    else:
        x = modulated(x, w, style)
    return F.leaky_relu(x, 0.01)


def plain_generator(x, w, *, depth, blocks, heads, has_style):
    normed = not has_style
    x = F.leaky_relu(F.conv2d((x + 1) / 2, w["stem.weight"], w["stem.bias"], padding=1), 0.01)
    skips = []
    for level in range(depth):
        d = part(w, f"down.{level}")
        x = convolved(x, part(d, "first"), None, normed)
        x = convolved(x, part(d, "second"), None, normed)
        skips.append(x)
        x = F.conv2d(x, d["halve.weight"], d["halve.bias"], stride=2)
    x, style = transformed(x, part(w, "inner"), blocks=blocks, heads=heads, has_style=has_style)
    for level in range(depth):
        u = part(w, f"up.{level}")
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = torch.cat([F.conv2d(x, u["conv.weight"], u["conv.bias"], padding=1), skips.pop()], 1)
        x = convolved(x, part(u, "first"), style, normed)
        x = convolved(x, part(u, "second"), style, normed)
    return 2 * torch.sigmoid(F.conv2d(x, w["out.weight"], w["out.bias"])) - 1


@pytest.mark.parametrize("config", [V1, V2], ids=["v1", "v2"])
def test_a_generator_equals_one_of_functional_calls(config):
    network = shaken(build_generator(config, size=32, seed=0))
    x = pictures()
    expected = plain_generator(
        x, network.state_dict(), depth=3, blocks=2, heads=1, has_style=config is V2
    )
    assert expected.std() > 0.005
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_heads_have_64_channels_where_they_share_evenly():
    heads = {
        width: outline_generator(replace(V2, width=width, depth=4), size=64)
        .inner.blocks[0]
        .attention.num_heads
        for width in (4, 8, 16, 28, 48)
    }
    assert heads == {4: 1, 8: 1, 16: 2, 28: 2, 48: 6}


@pytest.mark.parametrize("config", [V1, V2], ids=["v1", "v2"])
def test_gates_are_closed_at_first_so_that_pixels_do_not_see_each_other(config):
    network = build_generator(config, size=32, seed=0)
    gates = {key: value for key, value in network.state_dict().items() if key.endswith("alpha")}
    assert len(gates) == 2 + 6 * (config is V2)
    assert not any(value.any() for value in gates.values())
    if config is V2:
        assert network.inner.style.token.std() > 0.7  # N(0, 1), as the authors draw it


def test_a_map_of_one_pixel_has_finite_coordinates():
    network = build_generator(replace(V2, depth=4), size=16, seed=0)
    assert torch.isfinite(network(pictures(size=16))).all()


@pytest.mark.parametrize(("size", "fitting"), [(40, "32 or 48"), (24, "16 or 32")])
def test_sizes_that_cannot_be_halved_so_often_are_refused(size, fitting):
    with pytest.raises(
        InputError, match=f"data.size is {size}; expected a multiple of 16"
    ) as error:
        outline_generator(replace(V2, depth=0), size=size)
    assert fitting in error.value.hint


def plain_body(x, w):
    """Spectral norms are largest singular values, by another algorithm than power iteration."""
    x = (x + 1) / 2
    for number, stride in enumerate((2, 2, 1)):
        prefix = f"stages.{number}.conv"
        weight = w[f"{prefix}.parametrizations.weight.original"]
        weight = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
        x = F.conv2d(x, weight, w[f"{prefix}.bias"], stride=stride, padding=1)
        x = F.leaky_relu(x if number == 0 else F.instance_norm(x), 0.2)
    return x


def plain_head(bodies, earlier, w):
    both = bodies if earlier is None else torch.cat([bodies, earlier])
    if "compare.weight" in w:
        mean = both.mean(dim=(0, 2, 3), keepdim=True)
        variance = both.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
        scale, shift = (w[f"compare.{name}"][:, None, None] for name in ("weight", "bias"))
        compared = (bodies - mean) / torch.sqrt(variance + 1e-5) * scale + shift
    else:
        deviation = torch.sqrt(both.var(dim=0, unbiased=False) + 1e-6).mean()
        compared = torch.cat([bodies, deviation.expand_as(bodies[:, :1])], dim=1)
    inner = F.leaky_relu(F.conv2d(compared, w["conv.weight"], w["conv.bias"], padding=1), 0.01)
    return F.conv2d(inner, w["out.conv.weight"], w["out.conv.bias"], padding=1)


@pytest.mark.parametrize("batch_head", ["norm", "deviation"])
@pytest.mark.parametrize("number", [0, 3])
def test_a_discriminator_equals_one_of_functional_calls(batch_head, number):
    network = shaken(
        build_discriminator(replace(JUDGE, batch_head=batch_head), size=32, seed=0), 0.5
    )
    with torch.no_grad():
        for _ in range(100):  # until power iteration has converged
            network.body(pictures())
    weights = network.state_dict()
    earlier = None
    if number:
        earlier = torch.randn(number, *network.body_shape)
    expected = plain_head(
        plain_body(pictures(), part(weights, "body")), earlier, part(weights, "head")
    )
    torch.testing.assert_close(network(pictures(), earlier), expected, rtol=1e-4, atol=1e-5)


def test_the_head_begins_with_torchs_default_weights():
    network = build_discriminator(replace(JUDGE, width=16), size=32, seed=0)
    conv = network.head.conv
    assert conv.weight.abs().max().item() == pytest.approx((9 * conv.in_channels) ** -0.5, rel=0.01)
    assert not any(
        isinstance(m, nn.utils.parametrize.ParametrizationList) for m in network.head.modules()
    )
