"""Small vision transformers for tests: random weights, and extractors that read them."""

import hashlib

import numpy as np
import torch

from mifid.extractors import weights

GRID = 3
WIDTH, DEPTH = 128, 2


def randomized(module, seed=0):
    """Draw all weights, so that no part of the network is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return module.eval()


def written(extractor, path, **options):
    """Return an extractor that reads this file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return extractor(weights.Weights(path, "test", sha256, sha256), **options)


def error(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


# float32 over a few layers; bfloat16 or TF32 would be a hundred times more.
BOUND = 2e-6
