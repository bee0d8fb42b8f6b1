"""Report C's enhanced networks: counts, attention written out, what is trained of it."""

from dataclasses import replace

import pytest
import torch
from small import changed
from torch import nn

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.models import build_discriminator, build_generator
from mifid.baseline.models.attention_unet import SelfAttention
from mifid.baseline.models.networks import outline_generator

ENHANCED = Generator(network="attention_unet", norm="group")


def size_of(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(("attention", "count"), [("trained", 149_454_211), ("none", 148_715_331)])
def test_as_many_weights_as_the_notebooks(attention, count):
    assert size_of(outline_generator(replace(ENHANCED, attention=attention), size=256)) == count


def test_the_discriminator_has_as_many_weights_and_scores_as_the_notebooks():
    config = Discriminator(network="double_patchgan", norm="group")
    network = build_discriminator(config, size=256, seed=0)
    assert size_of(network) == 3_541_185
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_attention_is_a_softmax_over_all_pixels_without_a_scale():
    torch.manual_seed(0)
    layer, x = SelfAttention(16), torch.randn(2, 16, 3, 5)
    pixels = [conv(x).flatten(2) for conv in (layer.query, layer.key, layer.value)]
    query, key, value = pixels
    assert query.shape[1] == 2
    weights = torch.softmax(torch.einsum("bci,bcj->bij", query, key), dim=2)
    expected = x + torch.einsum("bij,bcj->bci", weights, value).reshape(x.shape)
    torch.testing.assert_close(layer(x), expected)


def test_attention_stands_where_the_notebook_has_it():
    network = outline_generator(ENHANCED, size=256)
    channels = {number: layer.query.in_channels for number, layer in network.see_down.items()}
    assert channels == {"2": 256, "5": 512}
    assert [*network.see_up] == ["2"]


@pytest.mark.parametrize("attention", ["trained", "fixed"])
def test_fixed_attention_keeps_its_first_weights(attention):
    config = changed(
        generator={"network": "attention_unet", "norm": "group", "attention": attention}
    )
    method = CycleGan(config, device=torch.device("cpu"), draws=Draws(0), processes=ALONE)
    layers = [layer for layer in method.painter.modules() if isinstance(layer, SelfAttention)]
    before = [layer.value.weight.detach().clone() for layer in layers]
    pictures = torch.rand(2, 2, 3, config.data.size, config.data.size) * 2 - 1
    for _ in range(2):
        method.step(*pictures, fraction=0.5, factor=1.0)
    moved = [not torch.equal(b, a.value.weight) for b, a in zip(before, layers, strict=True)]
    assert moved == [attention == "trained"] * len(layers)
    assert layers


def test_every_map_of_the_encoder_reaches_the_picture():
    network = build_generator(replace(ENHANCED, width=8), size=32, seed=0).eval()
    pictures = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        whole = network(pictures)
        for down in network.down:
            hook = down.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
            assert not torch.equal(network(pictures), whole)
            hook.remove()
    assert isinstance(network.out.tanh, nn.Tanh)
