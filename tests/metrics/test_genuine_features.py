"""Genuine Inception features of 2015-12-05 against values known to nine digits."""

import numpy as np
import pytest

from mifid import Statistics
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.memorization import memorization_distance


@pytest.fixture(scope="module")
def roses(data):
    return np.load(data / "pool3_roses.npz")["features"]


@pytest.fixture(scope="module")
def tulips(data):
    return np.load(data / "pool3_tulips.npz")["features"]


def moments(features):
    statistics = Statistics.from_features(features)
    return Moments(statistics.mu, statistics.sigma)


def test_fid_by_every_route(roses, tulips):
    for generated in (roses, moments(roses)):
        for reference in (tulips, moments(tulips)):
            distance = frechet_distance(generated=generated, reference=reference)
            assert distance == pytest.approx(111.984753748, abs=1e-8)


def test_memorization_distance_both_ways(roses, tulips):
    there = memorization_distance(generated=roses, reference=tulips)
    back = memorization_distance(generated=tulips, reference=roses)
    assert there == pytest.approx(0.249994752, abs=1e-8)
    assert back == pytest.approx(0.233706609, abs=1e-8)
