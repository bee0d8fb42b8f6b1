"""Bayesian CycleGAN's networks: the originals' numbers of weights, and the maps they paint with."""

import pytest
import torch

from mifid.baseline.config.schema import Generator
from mifid.baseline.models import GENERATORS, build_generator, outline_generator

AUTHORS = Generator(
    network="map_resnet", norm="plain_instance", width=32, blocks=6, residual_activation=True
)
SMALL = Generator(network="map_resnet", width=4, blocks=1)


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_as_many_weights_as_the_originals():
    """Factsheet: 1,966,627 in a generator of 4 channels, 816,065 in an encoder at 256."""
    network = outline_generator(AUTHORS, size=256)
    assert (count(network.resnet), count(network.encoder)) == (1_966_627, 816_065)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_an_encoder_makes_a_map_of_the_pictures_size_and_32_numbers_twice(size):
    encoder = outline_generator(AUTHORS, size=size).encoder
    map_, mean, log_variance = encoder(torch.empty(2, 3, size, size, device="meta"))
    assert map_.shape == (2, 1, size, size)
    assert mean.shape == log_variance.shape == (2, 32)


def network_with_examples():
    network = build_generator(SMALL, size=16, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    network.examples.random_(0, 256, generator=generator)
    return network


def pictures(number):
    return torch.rand(number, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_largest_number_names_the_example_whose_map_is_painted_with():
    network, given = network_with_examples(), pictures(3)
    noise = torch.zeros(3, *network.noise)
    for place, example in enumerate((5, 0, 5)):
        noise[place, example] = 2.0
    with torch.no_grad():
        painted = network.paint(given, noise)
        examples = network.examples[[5, 0, 5]].double().float() / 127.5 - 1
        maps, _, _ = network.encoder(examples)
        torch.testing.assert_close(painted.maps["map"], maps[:, 0])
        torch.testing.assert_close(painted.picture, network(given, maps))
    assert not torch.allclose(maps[0], maps[1], atol=1e-3)


def test_like_a_picture_it_paints_with_that_pictures_map_and_stays_as_it_was():
    network, given = network_with_examples(), pictures(2)
    before = network.examples.clone()
    picture = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    like = network.like(picture)
    with torch.no_grad():
        maps, _, _ = network.encoder(picture[None] / 127.5 - 1)
        expected = network(given, maps.expand(2, -1, -1, -1))
        torch.testing.assert_close(like.paint(given, None).picture, expected)
    assert like.noise == ()
    assert like.resnet is network.resnet
    assert network.noise == (16,)
    assert torch.equal(network.examples, before)


def test_who_has_maps():
    assert {name for name in GENERATORS if GENERATORS[name].has_maps} == {"map_resnet"}
