"""Small extractors and pictures that need no network."""

from functools import cache

import numpy as np
import torch
from PIL import Image

from mifid.demo import brush_strokes, landscape, painting


def colours(batch):
    """Mean and spread of each channel: (N, 6)."""
    values = batch.double()
    return torch.cat([values.mean(dim=(2, 3)), values.std(dim=(2, 3))], dim=1)


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
