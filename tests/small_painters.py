"""Painters of a few weights, whose paintings use the whole range."""

import numpy as np
import torch
from generators import built, config
from PIL import Image

from mifid.baseline.config.schema import Generator
from mifid.baseline.generation import LoadedGenerator
from mifid.baseline.models import GeneratorNetwork, Painted

CPU = torch.device("cpu")


def photo(height, width, seed=0):
    """Blobs of all colours, (height, width, 3)."""
    random = np.random.RandomState(seed)
    few = random.randint(0, 256, (height // 20 + 2, width // 20 + 2, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC))


def picture(path):
    """Read a file whole: (format, (width, height), pixels, EXIF)."""
    with Image.open(path) as image:
        return image.format, image.size, np.asarray(image.convert("RGB")), image.getexif()


def resnet(*, size=32, norm="none", **settings):
    generator = Generator(network="resnet", width=4, blocks=1, norm=norm, init=0.3, **settings)
    chosen = config(size=size, generator=generator)
    return LoadedGenerator(built(chosen, 1).eval(), chosen, "raw", {}, "abc", origin="a small one")


def loaded(network, size=32):
    return LoadedGenerator(network.eval(), config(size=size), "raw", {}, "abc", origin="of a test")


class Negative(GeneratorNetwork):
    """Paints the negative, of any size; remembers the sizes that it was given."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        self.sizes.append(tuple(x.shape[2:]))
        return -x


class FixedNegative(Negative):
    """Paints the negative of 32 x 32 alone."""

    multiple = 0

    def forward(self, x):
        assert x.shape[2:] == (32, 32)
        return super().forward(x)


class Noise(GeneratorNetwork):
    """Paints its noise, one number for each pixel."""

    multiple = 4
    noise = (1, 32, 32)
    noise_per_pixel = True

    def paint(self, pictures, noise):
        return Painted((noise / 4).expand(-1, 3, -1, -1) + 0 * pictures)
