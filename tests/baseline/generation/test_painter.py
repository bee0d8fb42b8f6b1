"""A painter's noise: of pictures of any size, of variants, and of parts of a picture."""

import numpy as np
import torch

from mifid.baseline.generation.painter import Painter, seed_of
from mifid.baseline.models import GeneratorNetwork, Painted

CPU = torch.device("cpu")


class Noisy(GeneratorNetwork):
    """Paints the first channel of its noise, a number for each pixel, over the photo's."""

    multiple = 4
    noise = (2, 16, 16)
    noise_per_pixel = True

    def paint(self, pictures, noise):
        return Painted(torch.cat([noise[:, :1], pictures[:, 1:]], dim=1))


class OneNumber(Noisy):
    noise = (1,)
    noise_per_pixel = False

    def paint(self, pictures, noise):
        return Painted(pictures * 0 + noise[..., None, None])


def photos(n, height, width):
    return torch.zeros(n, height, width, 3, dtype=torch.uint8)


def test_noise_of_each_pixel_grows_with_the_picture():
    painter = Painter(Noisy(), device=CPU, seed=3)
    made = painter.run(photos(2, 8, 20), first=5).picture.numpy()
    for number in (5, 6):
        drawn = np.random.default_rng([3, number]).standard_normal((2, 8, 20), dtype=np.float32)
        np.testing.assert_array_equal(made[number - 5, 0], drawn[0])
    assert painter.noise(5, 16, 16).shape == Noisy.noise


def test_other_noise_does_not():
    painter = Painter(OneNumber(), device=CPU, seed=3)
    made = painter.run(photos(1, 8, 20), first=0).picture
    drawn = np.random.default_rng([3, 0]).standard_normal(1, dtype=np.float32)
    assert (made == torch.from_numpy(drawn)).all()


def test_noise_may_be_given():
    painter = Painter(Noisy(), device=CPU, seed=3)
    whole = painter.noise(0, 8, 24)
    part = painter.run(photos(1, 8, 8), first=0, noise=whole[None, :, :, 16:]).picture
    np.testing.assert_array_equal(part[0, 0], whole[0, :, 16:])


def test_a_variant_is_what_its_seed_paints():
    assert [seed_of(variant, seed=7) for variant in (1, 2, 3)] == [7, 8, 9]
