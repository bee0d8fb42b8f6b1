"""Numbers that others published, where their weights and pictures are at hand.

Weights: the folder MIFID_TEST_WEIGHTS, else that of mifid's cache. Pictures: below MIFID_DATA.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from mifid.extractors import open_extractor
from mifid.metrics import frechet_distance
from mifid.metrics.cmmd import clip_discrepancy


def test_torch_fidelitys_checksum_of_dinov2_b14(published):
    """Its tests/tests_feature_extractors: one picture of noise, by its own resize, seed 2023."""
    path = published("dinov2-b14")
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x as resize,
    )

    extractor = open_extractor("dinov2-b14", weights=path, backend="torch")
    generator = torch.Generator().manual_seed(2023)
    noise = torch.randint(256, (1, 3, 32, 32), dtype=torch.uint8, generator=generator)
    x = resize(noise.float(), size=(224, 224), align_corners=False)
    centre, scale = torch.tensor([extractor.how.centre, extractor.how.scale])[..., None, None]
    with torch.inference_mode():
        features = extractor.layers().eval()((x - centre) / scale)
    assert features.sum().item() == pytest.approx(-34.6249580383, abs=1e-4)


def test_dgm_evals_distance_of_cifar10(published, data):
    """Its README: FD_DINOv2 of 512 training pictures to 512 test pictures, each of seed 13579."""
    datasets = pytest.importorskip("torchvision.datasets")
    if not (data / "cifar-10-batches-py").is_dir():
        pytest.skip(f"no cifar-10-batches-py in {data}")
    extractor = open_extractor("dinov2", weights=published("dinov2"))
    sides = []
    for train in (True, False):
        pictures = datasets.CIFAR10(data, train=train).data
        random = np.random.RandomState(13579)
        chosen = np.sort(random.choice(len(pictures), 512, replace=False))
        sides.append(np.concatenate([extractor(pictures[part]) for part in np.split(chosen, 64)]))
    reference, generated = sides
    distance = frechet_distance(generated=generated, reference=reference)
    assert distance == pytest.approx(862.53745, rel=1e-4)


def test_the_pair_of_cmmd(published, data):
    """github.com/sayakpaul/cmmd-pytorch, its README; google-research's code gives the same."""
    paths = [
        data / "cmmd" / "reference_images" / "glowing_512_1.png",
        data / "cmmd" / "generated_images" / "glowing_512_2.png",
    ]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no pictures of cmmd-pytorch in {data / 'cmmd'}")
    extractor = open_extractor("clip-l14-336", weights=published("clip-l14-336"))
    reference, generated = (
        extractor(np.asarray(Image.open(path).convert("RGB"))[None]) for path in paths
    )
    found = clip_discrepancy(generated=generated, reference=reference)["cmmd"]
    assert found == pytest.approx(7.696, abs=6e-4)
