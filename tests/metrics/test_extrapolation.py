"""FID of infinitely many pictures: against a plain fit, and a limit that is known."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from mifid.errors import UnavailableError
from mifid.metrics.extrapolation import extrapolate
from mifid.metrics.frechet import frechet_distance


def torch_fidelitys(generated, reference):
    one, other = (fid_features_to_statistics(torch.from_numpy(x)) for x in (generated, reference))
    return fid_statistics_to_metric(one, other, verbose=False)["frechet_inception_distance"]


def test_equals_a_plain_fit_through_another_tools_distances(random):
    generated, reference = random.rand(400, 12) * 1.2, random.rand(150, 12)
    found = extrapolate(generated=generated, reference=reference, seed=4)
    draws = np.random.RandomState(4)
    sizes = np.linspace(100, 400, 15).astype(int)
    distances = [
        torch_fidelitys(generated[draws.permutation(400)[:size]], reference) for size in sizes
    ]
    # Least squares as a statistics book has it.
    x = 1 / sizes
    slope = ((x - x.mean()) * (distances - np.mean(distances))).sum() / ((x - x.mean()) ** 2).sum()
    assert found.sizes.tolist() == sizes.tolist()
    assert found.distances == pytest.approx(distances, rel=1e-6)
    assert found.slope == pytest.approx(slope, rel=1e-5)
    assert found.infinity == pytest.approx(np.mean(distances) - slope * x.mean(), rel=1e-6)


def test_comes_near_the_limit(random):
    """Against infinitely many: |mu|^2 + D (s - 1)^2 plus the reference's own bias."""
    reference = random.randn(20_000, 16)
    generated = random.randn(1000, 16) * 1.3 + 0.2
    found = extrapolate(generated=generated, reference=reference)
    limit = 16 * (0.2**2 + 0.3**2)
    at_hand = frechet_distance(generated=generated, reference=reference)
    assert found.distances[-1] == pytest.approx(at_hand, rel=1e-9)
    quarter = found.distances[:3].mean()
    assert abs(found.infinity - limit) < 0.25 * (quarter - limit)


@pytest.mark.parametrize(("n", "smallest"), [(20, 5), (7000, 1750), (40_000, 5000), (90_000, 9000)])
def test_sizes(random, n, smallest):
    generated = random.rand(n, 2)
    sizes = extrapolate(generated=generated, reference=random.rand(9, 2)).sizes
    assert (sizes[0], sizes[-1], len(sizes)) == (smallest, n, 15)


def test_costly_sets_get_fewer_points(random, monkeypatch):
    monkeypatch.setattr("mifid.metrics.extrapolation._COSTLY", 5)
    sides = {"generated": random.rand(60, 6), "reference": random.rand(50, 6)}
    assert len(extrapolate(**sides).sizes) == 5
    assert len(extrapolate(**sides, points=8).sizes) == 8


def test_seeded(random):
    sides = {"generated": random.rand(60, 6), "reference": random.rand(50, 6)}
    assert extrapolate(**sides).infinity == extrapolate(**sides).infinity
    assert extrapolate(**sides, seed=1).infinity != extrapolate(**sides).infinity


def test_refuses_too_few(random):
    with pytest.raises(UnavailableError, match="from 19 generated pictures; expected at least 20"):
        extrapolate(generated=random.rand(19, 3), reference=random.rand(9, 3))
