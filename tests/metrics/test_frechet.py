"""FID by every route: closed forms, invariances, and two independent oracles."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from mifid.errors import FeatureError
from mifid.metrics.frechet import Moments, frechet_distance, rounding


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
    monkeypatch.setattr("mifid.metrics.linalg._BLOCK_ROWS", 10)
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


def to_40_digits(generated, reference):
    """The definition at 40 digits, from the features, so that nothing of their moments is lost."""
    with mpmath.workdps(40):
        moments_of = []
        for features in (generated, reference):
            rows = mpmath.matrix(features.tolist())
            n, width = features.shape
            mu = [mpmath.fsum(rows[:, j]) / n for j in range(width)]
            centred = mpmath.matrix(n, width)
            for i in range(n):
                for j in range(width):
                    centred[i, j] = rows[i, j] - mu[j]
            moments_of.append((mu, centred.T * centred / (n - 1)))
        return of_moments(*moments_of)


def of_moments(generated, reference):
    (mu_g, g), (mu_r, r) = generated, reference
    values, vectors = mpmath.eigsy(r)
    root = vectors * mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values])
    overlap = mpmath.eigsy(root.T * g * root, eigvals_only=True)
    apart = mpmath.fsum((a - b) ** 2 for a, b in zip(mu_g, mu_r, strict=True))
    traces = mpmath.fsum(g[i, i] + r[i, i] for i in range(g.rows))
    return apart + traces - 2 * mpmath.fsum(mpmath.sqrt(max(value, 0)) for value in overlap)


def conditioned(random, condition, kind, width=10, n=25):
    """Features whose columns, or directions, have spreads from 1 to 1 / condition."""
    spreads = np.logspace(0, -np.log10(condition), width)
    sides = [random.randn(n, width) * spreads, random.randn(n + 4, width) * spreads * 1.1]
    if kind == "directions":
        sides = [side @ np.linalg.qr(random.randn(width, width))[0] for side in sides]
    return sides


@pytest.mark.parametrize("kind", ["columns", "directions"])
@pytest.mark.parametrize("condition", [1, 1e3, 1e6, 1e9, 1e12])
def test_features_give_the_exact_distance_whatever_their_condition(random, kind, condition):
    """Dropping eigenvalues of the product below rounding cost 1e-5 at a condition of 1e9."""
    generated, reference = conditioned(random, condition, kind)
    found = frechet_distance(generated=generated, reference=reference)
    error = abs(found - to_40_digits(generated, reference))
    assert error <= rounding(generated=generated, reference=reference)


@pytest.mark.parametrize("condition", [1, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)])
def test_moments_of_any_scale_of_columns_give_the_exact_distance(random, condition, which):
    """Cholesky's factor keeps the digits of small columns."""
    sides = conditioned(random, condition, "columns")
    expected = to_40_digits(*sides)
    one, other = (
        moments(side) if given else side for side, given in zip(sides, which, strict=True)
    )
    # Their entries are rounded themselves, relative to the columns' own spreads.
    bound = 10 * rounding(generated=sides[0], reference=sides[1])
    assert abs(frechet_distance(generated=one, reference=other) - expected) <= bound


@pytest.mark.parametrize("condition", [1, 1e3, 1e6, 1e9])
def test_moments_are_taken_as_they_are(random, condition):
    """The bound of the docstring: eigenvalues below D 2u |S| are not in the entries of S."""
    one, other = (moments(side) for side in conditioned(random, condition, "directions"))
    with mpmath.workdps(40):
        exact = of_moments(
            *(
                (list(map(mpmath.mpf, m.mu.tolist())), mpmath.matrix(m.sigma.tolist()))
                for m in (one, other)
            )
        )
    width = len(one.mu)
    singular = condition**2 * width * 2.3e-16 > 1
    lost = np.sqrt(width * 2.3e-16 * np.linalg.norm(one.sigma, 2) * np.linalg.norm(other.sigma, 2))
    first_order = 1e-12 * np.trace(one.sigma + other.sigma)
    found = frechet_distance(generated=one, reference=other)
    assert abs(found - exact) <= (2 * width * lost if singular else first_order)


@pytest.mark.parametrize("condition", [1, 1e5, 1e9])
def test_few_features_against_moments_lose_no_digits(random, condition):
    """Fewer pictures than features: the product's eigenvalues, or the factors if they lose any."""
    generated, reference = conditioned(random, condition, "columns", width=12, n=30)
    few = generated[:7]
    expected = to_40_digits(few, reference)
    found = frechet_distance(generated=few, reference=moments(reference))
    assert abs(found - expected) <= 1e-10 * (few.var() + reference.var()) * 12


def test_identical_sets_are_within_rounding(random):
    features = samples(random, 60, 20)
    shuffled = features[random.permutation(60)]
    for one, other in ((features, shuffled), (moments(features), moments(shuffled))):
        assert frechet_distance(generated=one, reference=other) <= rounding(
            generated=one, reference=other
        )
    near = frechet_distance(generated=features, reference=features + 1e-5)
    assert near == pytest.approx(20 * 1e-10, rel=1e-3)
    assert near > rounding(generated=features, reference=features + 1e-5)


@every_route
@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_numbers_too_large_are_said_to_be(random, route, scale):
    generated, reference = samples(random, 9, 4) * scale, samples(random, 8, 4) * scale
    with np.errstate(over="ignore", invalid="ignore"):
        one, other = route(generated, reference)
    with pytest.raises(FeatureError, match="too large for float64"):
        frechet_distance(generated=one, reference=other)
