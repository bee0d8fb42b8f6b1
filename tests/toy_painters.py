"""Generators that paint by a rule, and submissions that they paint."""

import zipfile

import numpy as np
import torch
from generators import config
from pictures import noises

from mifid.baseline.generation.generating import generate
from mifid.baseline.generation.weights_file import LoadedGenerator
from mifid.baseline.models import GeneratorNetwork, Painted
from mifid.images.decoding import decode
from mifid.submission.writer import Rules

RULES = Rules("a small one", "images.zip", 2, 50, "PNG", (16, 16), "RGB")
BATCH = 3


class Identity(GeneratorNetwork):
    """Paints the photo itself; remembers how many came at a time."""

    def __init__(self, most=99):
        super().__init__()
        self.batches = []
        self.most = most

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(x))
        return x


def loaded(network, settings=None, sha256="abc"):
    return LoadedGenerator(network.eval(), settings or config(), "raw", {}, sha256)


def photos(n=8, size=16):
    return np.stack(noises(n, size, size))


def run(generator, given, folder, **options):
    folder.mkdir(exist_ok=True)
    options = {"rules": RULES, "batch_size": BATCH, "device": "cpu", "workers": 2} | options
    return generate(generator, given, folder / "images.zip", **options)


def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pixels_of(path):
    return np.stack([decode(content, name).pixels for name, content in entries(path).items()])


class FromNoise(GeneratorNetwork):
    """Shows its latent numbers as grey levels."""

    sees_pictures = False
    noise = (256,)

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, z):
        self.given.append(z)
        return (z / 4).clamp(-1, 1).reshape(-1, 1, 16, 16).expand(-1, 3, -1, -1)

    def paint(self, pictures, noise):
        assert pictures is None
        return Painted(self.forward(noise))


class Dropping(Identity):
    """Paints the photo with parts dropped twice."""

    def __init__(self, p=0.5):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Dropout(p), torch.nn.Dropout(p))

    def forward(self, x):
        return self.layers((super().forward(x) + 1) / 2) * 2 - 1


WHITE = np.full((8, 16, 16, 3), 255, np.uint8)
