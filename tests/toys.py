"""Small extractors and pictures that need no network."""

from functools import cache

import numpy as np
import torch
from PIL import Image

from mifid.demo import brush_strokes, landscape, painting
from mifid.extractors.base import SPATIAL_WIDTH, Extractor, Identity


def colours(batch):
    """Mean and spread of each channel: (N, 6)."""
    values = batch.double()
    return torch.cat([values.mean(dim=(2, 3)), values.std(dim=(2, 3))], dim=1)


class Tapped(Extractor):
    """colours(), with or without spatial features behind them; counts its pictures.

    Each use of the network adds a trifle, as other orders of sums do.
    """

    identity = Identity("toy", "toy spatial")

    def __init__(self, width=SPATIAL_WIDTH, trifle=0.0, spatial=False, seen=None):
        self.width, self.trifle = width, trifle
        self.spatial, self.seen = spatial, [] if seen is None else seen

    def load(self, device="auto"):
        del device
        return "cpu"

    def __call__(self, pixels):
        self.seen.append((self.spatial, len(pixels)))
        own = colours(torch.from_numpy(pixels).permute(0, 3, 1, 2)).float().numpy()
        own = own + np.float32(self.trifle * len(self.seen))
        return np.concatenate([own, places(pixels, self.width)], axis=1) if self.spatial else own

    def with_spatial(self):
        return Tapped(self.width, self.trifle, spatial=True, seen=self.seen)


def places(pixels, width):
    """The first values of each picture, again and again: (N, width)."""
    values = pixels.reshape(len(pixels), -1)
    return values[:, np.arange(width) % values.shape[1]].astype(np.float32) / np.float32(255)


class Counting:
    """colours(), which counts its pictures and may be cached."""

    def __init__(self, fingerprint="toy 1"):
        self.fingerprint = fingerprint
        self.pictures = 0

    def __call__(self, batch):
        self.pictures += len(batch)
        return colours(batch)


counting = Counting()
"""One that a command line can name: its features have a fingerprint."""


@cache
def _drawn(kind, size, seed):
    draw = {"photo": landscape, "painting": painting}[kind]
    return draw(np.random.RandomState(seed), size)


def drawn(kind, n, size=32, seed=0):
    return np.stack([_drawn(kind, size, seed + i) for i in range(n)])


def repainted(n, size=32, seed=0):
    photos = drawn("photo", n, size, seed)
    return np.stack([brush_strokes(p, np.random.RandomState(i)) for i, p in enumerate(photos)])


def savefig(_figure, file, *_, format, **__):
    """Stand for Figure.savefig, whose rendering takes most of a toy run's time."""
    if format == "svg":
        file.write('<svg viewBox="0 0 1 1"></svg>')
    else:
        Image.new("RGB", (1, 1)).save(file, format)


def write_pictures(folder, pixels, ending="png", names=None):
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pixels):
        name = f"{i:03}" if names is None else names[i]
        Image.fromarray(picture).save(folder / f"{name}.{ending}")
    return folder
