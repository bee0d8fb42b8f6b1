"""FID by every route: closed forms, invariances, and two independent oracles."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from mifid.errors import FeatureError
from mifid.metrics.frechet import Moments, frechet_distance


def moments(features):
    features = np.asarray(features, dtype=np.float64)
    return Moments(features.mean(axis=0), np.cov(features, rowvar=False))


# Which side is given as features (f) and which as moments (m): each is another route.
ROUTES = {
    "features both": lambda g, r: (g, r),
    "features generated": lambda g, r: (g, moments(r)),
    "features reference": lambda g, r: (moments(g), r),
    "moments both": lambda g, r: (moments(g), moments(r)),
}
every_route = pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())
# More pictures than features on both sides, on one, on none.
SHAPES = [(200, 150, 20), (30, 200, 64), (200, 30, 64), (25, 40, 64)]


def samples(random, n, width):
    mixing = random.randn(width, width) / np.sqrt(width)
    return np.maximum(random.randn(n, width) @ mixing + random.rand(width), 0) + 0.05


def sqrtm_oracle(generated, reference):
    """The formula as it is written, with SciPy's general matrix square root."""
    g, r = moments(generated), moments(reference)
    root = scipy.linalg.sqrtm(g.sigma @ r.sigma)
    difference = g.mu - r.mu
    return difference @ difference + np.trace(g.sigma + r.sigma - 2 * np.real(root))


@every_route
def test_equals_scipys_square_root_on_full_rank(random, route):
    generated, reference = samples(random, 200, 20), samples(random, 150, 20)
    one, other = route(generated, reference)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(
        sqrtm_oracle(generated, reference), rel=1e-9
    )


@every_route
def test_equals_torch_fidelity_on_full_rank(random, route):
    generated, reference = samples(random, 300, 24), samples(random, 200, 24)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (generated, reference)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    one, other = route(generated, reference)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(expected, rel=1e-9)


@every_route
@pytest.mark.parametrize(("n", "m", "width"), SHAPES)
def test_all_routes_agree(random, route, n, m, width):
    generated, reference = samples(random, n, width), samples(random, m, width)
    one, other = route(generated, reference)
    expected = frechet_distance(generated=generated, reference=reference)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(generated=other, reference=one) == pytest.approx(expected, rel=1e-9)


def gaussian_with(random, mu, sigma, n=400):
    """Features whose sample mean and covariance are exactly mu and sigma."""
    x = random.randn(n, len(mu))
    x -= x.mean(axis=0)
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ whiten @ np.linalg.cholesky(sigma).T + mu


@every_route
def test_equal_covariances_leave_the_distance_of_the_means(random, route):
    sigma = np.cov(random.randn(50, 6), rowvar=False)
    shift = np.array([3.0, 0, 0, 4.0, 0, 0])
    generated = gaussian_with(random, np.zeros(6) + shift, sigma)
    reference = gaussian_with(random, np.zeros(6), sigma)
    one, other = route(generated, reference)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(25.0, rel=1e-10)


@every_route
def test_commuting_covariances_have_a_closed_form(random, route):
    """Same eigenvectors: the sum of (sqrt a - sqrt b)^2."""
    basis = np.linalg.qr(random.randn(5, 5))[0]
    a, b = np.array([1.0, 4, 9, 16, 25]), np.array([4.0, 1, 16, 9, 1])
    generated = gaussian_with(random, np.zeros(5), basis @ np.diag(a) @ basis.T)
    reference = gaussian_with(random, np.zeros(5), basis @ np.diag(b) @ basis.T)
    one, other = route(generated, reference)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(generated=one, reference=other) == pytest.approx(expected, rel=1e-10)


@every_route
@pytest.mark.parametrize(("n", "width"), [(200, 20), (20, 64), (2, 8)])
def test_identical_sets_are_at_distance_zero_never_below(random, route, n, width):
    features = samples(random, n, width)
    one, other = route(features, features)
    distance = frechet_distance(generated=one, reference=other)
    assert 0.0 <= distance < 1e-9


@every_route
def test_rotation_invariance(random, route):
    generated, reference = samples(random, 40, 30), samples(random, 25, 30)
    turn = np.linalg.qr(random.randn(30, 30))[0]
    expected = frechet_distance(generated=generated, reference=reference)
    one, other = route(generated @ turn, reference @ turn)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(expected, rel=1e-9)


@every_route
def test_duplicates_and_constant_features_add_no_noise(random, route):
    """Rank far below every size: hundreds of zero eigenvalues, whose rounding must not count."""
    generated = np.repeat(samples(random, 4, 300), 50, axis=0)
    reference = np.repeat(samples(random, 3, 300), 60, axis=0)
    generated[:, 100:] = reference[:, 100:] = 1.0
    small = frechet_distance(generated=generated, reference=reference)
    one, other = route(generated, reference)
    assert frechet_distance(generated=one, reference=other) == pytest.approx(small, rel=1e-10)


def test_blocks_do_not_matter(random, monkeypatch):
    generated, reference = samples(random, 333, 50), samples(random, 41, 50)
    whole = frechet_distance(generated=generated, reference=reference)
    monkeypatch.setattr("mifid.metrics.frechet._BLOCK_ROWS", 10)
    assert frechet_distance(generated=generated, reference=reference) == pytest.approx(
        whole, rel=1e-12
    )


def test_float32_features_are_computed_in_float64(random):
    features = samples(random, 50, 20).astype(np.float32)
    other = samples(random, 60, 20).astype(np.float32)
    assert frechet_distance(generated=features, reference=other) == frechet_distance(
        generated=features.astype(np.float64), reference=other.astype(np.float64)
    )


@pytest.mark.parametrize(
    ("generated", "reference", "text"),
    [
        (np.ones((1, 4)), np.ones((3, 4)), "at least two"),
        (np.ones((3, 4)), np.ones((3, 5)), "width 4, reference features 5"),
        (np.ones(4), np.ones((3, 4)), r"\(4,\)"),
        (Moments(np.ones(3), np.eye(4)), np.ones((3, 4)), r"sigma \(4, 4\)"),
    ],
)
def test_refuses_what_has_no_distance(generated, reference, text):
    with pytest.raises(FeatureError, match=text):
        frechet_distance(generated=generated, reference=reference)
