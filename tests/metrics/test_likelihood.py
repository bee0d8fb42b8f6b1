"""FLD against the authors' procedure written out in torch, and what its value has to do."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import likelihood
from mifid.metrics.likelihood import feature_likelihood_divergence as fld
from mifid.metrics.likelihood import log_likelihoods


def published(*, generated, training, held_out):
    """Run github.com/marcojira/fld step by step: autograd, torch's Adam, all terms of all sums."""
    sides = [torch.tensor(np.asarray(x, dtype=np.float64)) for x in (generated, training, held_out)]
    mean, deviation = sides[2].mean(0), sides[2].std(0)
    g, t, h = ((x - mean) / deviation for x in sides)
    width = g.shape[1]

    def squared(x, y):
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2

    def log_density(distances, log_variance):
        constant = width / 2 * math.log(2 * math.pi)
        return -0.5 * distances / log_variance.exp() - width / 2 * log_variance - constant

    def fit(x, centres):
        distances, far = squared(x, centres), 0.9**2 * squared(x, x.mean(0, keepdim=True))
        log_s = ((distances.min(0).values + 1e-3) / width).log().requires_grad_()
        log_broad = torch.zeros((), dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([log_s, log_broad], lr=0.5)
        for _ in range(50):
            optimiser.zero_grad()
            near = log_density(distances, log_s) - math.log(len(centres))
            terms = torch.cat([near, log_density(far, log_broad)], 1)
            (-torch.logsumexp(terms, 1).mean() / width).backward()
            optimiser.step()
            with torch.no_grad():
                log_s.clamp_(-40, 20)
        return log_s.detach()

    def nll(x, centres, log_s):
        terms = log_density(squared(x, centres), log_s) - math.log(len(centres))
        return -(torch.logsumexp(terms, 1).mean() / width).item()

    halves = torch.tensor(np.random.default_rng(0).permutation(len(t)))
    size = min(len(g), len(t) // 2)
    one, other = t[halves[:size]], t[halves[size:]]
    fitted = fit(t, g)
    unseen = nll(h, g, fitted)
    baseline = nll(h, one, fit(other, one))
    return {"fld": 100 * (unseen - baseline), "fld_gap": 100 * (nll(t, g, fitted) - unseen)}


def pictures(random, n, width, shift=0.0):
    mixing = np.random.RandomState(3).randn(8, width)
    return np.maximum(random.randn(n, 8) @ mixing + 0.5 * random.randn(n, width) + shift, 0) + 0.01


def some(random, n=60, t=50, h=40, width=24, shift=0.3):
    return {
        "generated": pictures(random, n, width, shift),
        "training": pictures(random, t, width),
        "held_out": pictures(random, h, width),
    }


@pytest.mark.parametrize(
    ("n", "t", "h", "width"),
    [(60, 50, 40, 24), (10, 50, 40, 24), (200, 31, 20, 64), (60, 80, 40, 3), (1, 4, 20, 5)],
)
def test_equals_the_published_procedure(random, n, t, h, width):
    sides = some(random, n, t, h, width)
    assert fld(**sides) == pytest.approx(published(**sides), rel=1e-5, abs=1e-4)


def test_equals_the_published_procedure_with_copies(random):
    sides = some(random)
    sides["generated"][:20] = sides["training"][:20]
    found = fld(**sides)
    assert found == pytest.approx(published(**sides), rel=1e-5, abs=1e-4)
    assert found["fld_gap"] < -100


def test_equals_the_published_procedure_on_genuine_features(data, monkeypatch):
    random = np.random.RandomState(1)
    roses, tulips = (
        np.load(data / f"pool3_{name}.npz")["features"].astype(np.float64)[:, ::4]
        for name in ("roses", "tulips")
    )
    roses = roses[random.permutation(len(roses))]
    sides = {"generated": tulips[:200], "training": roses[:150], "held_out": roses[150:300]}
    expected = published(**sides)
    assert fld(**sides) == pytest.approx(expected, abs=1e-3)
    # What is left is the rounding of the distances that are kept.
    monkeypatch.setattr(likelihood, "_STORED", np.float64)
    assert fld(**sides) == pytest.approx(expected, abs=1e-6)


def test_densities_equal_scipys(random):
    centres, rows, log_s = random.randn(7, 5), random.randn(9, 5), random.randn(7)
    terms = [
        multivariate_normal(c, np.exp(s)).logpdf(rows) for c, s in zip(centres, log_s, strict=True)
    ]
    squared = ((rows[:, None] - centres) ** 2).sum(axis=2)
    assert log_likelihoods(squared, log_variances=log_s, width=5) == pytest.approx(
        logsumexp(terms, axis=0) - np.log(7), rel=1e-12
    )


def test_nothing_but_copies_is_beyond_any_scale(random):
    sides = some(random)
    found = fld(**{**sides, "generated": sides["training"][random.randint(50, size=200)]})
    assert found["fld"] > 1000
    assert found["fld_gap"] < -1000


def test_worse_pictures_and_fewer_kinds_are_larger(random):
    sides = some(random, 300, 300, 300, shift=0.0)
    good = fld(**sides)["fld"]
    generated = sides["generated"]
    noisy = fld(**{**sides, "generated": generated + 1.5 * random.randn(*generated.shape)})["fld"]
    one_kind = fld(**{**sides, "generated": generated[random.randint(3, size=300)]})["fld"]
    assert abs(good) < 10  # unseen pictures like the training ones: about 0
    assert noisy > good + 10
    assert one_kind > good + 10


def test_scale_and_place_of_a_feature_do_not_matter(random):
    sides = some(random)
    scale, place = np.exp(random.randn(24)), random.randn(24)
    moved = {name: side * scale + place for name, side in sides.items()}
    assert fld(**moved) == pytest.approx(fld(**sides), abs=1e-4)


def test_order_of_generated_and_held_out_pictures_does_not_matter(random):
    sides = some(random)
    turned = {**sides, "generated": sides["generated"][::-1], "held_out": sides["held_out"][::-1]}
    assert fld(**turned) == pytest.approx(fld(**sides), rel=1e-9)


def test_features_that_are_constant_over_the_held_out_pictures_are_left_out(random):
    sides = some(random)
    wider = {name: np.insert(side, 4, 0.1, axis=1) for name, side in sides.items()}
    wider["generated"][:, 4] = random.rand(60)
    assert fld(**wider) == fld(**sides)


def test_seed_draws_the_halves_and_only_they_differ(random):
    sides = some(random)
    found = [fld(**sides, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0]["fld"] != found[2]["fld"]
    assert found[0]["fld_gap"] == found[2]["fld_gap"]


def test_blocks_do_not_matter(random, monkeypatch):
    sides = some(random)
    whole = fld(**sides)
    monkeypatch.setattr(likelihood, "_BLOCK_BYTES", 1 << 13)
    monkeypatch.setattr(likelihood, "_MIXTURE_BLOCK_BYTES", 1 << 11)
    assert fld(**sides) == pytest.approx(whole, rel=1e-9)


def test_large_sides_are_sampled(random, monkeypatch):
    sides = some(random, n=60, t=50)
    whole = fld(**sides)
    monkeypatch.setattr(likelihood, "_LARGEST", 40)
    found = fld(**sides)
    assert found == fld(**sides)
    assert found["fld_gap"] != whole["fld_gap"]
    sizes = []
    monkeypatch.setattr(
        likelihood,
        "fit_log_variances",
        lambda squared, **more: sizes.append(squared.shape) or np.zeros(squared.shape[1]),
    )
    fld(**sides)
    assert sizes == [(40, 40), (20, 20)]


def test_memory_is_the_distances_in_float32_and_blocks(random, monkeypatch):
    monkeypatch.setattr(likelihood, "_BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(likelihood, "_MIXTURE_BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(likelihood, "_STEPS", 2)
    sides = {
        name: side.astype(np.float32) for name, side in some(random, 1500, 1500, 1500, 64).items()
    }
    tracemalloc.start()
    fld(**sides)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    distances, copies = 4 * 1500 * 1500, 3 * 8 * 1500 * 64
    assert peak < distances + copies + (4 << 20)  # in float64 they would be another 9 MB


def test_inputs_are_left_as_they_are(random):
    sides = some(random)
    before = {name: side.copy() for name, side in sides.items()}
    fld(**sides)
    assert all((side == before[name]).all() for name, side in sides.items())


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"generated": np.ones((5, 3))}, FeatureError, "generated .* width 3, held-out .* 24"),
        ({"generated": np.ones(24)}, FeatureError, r"\(24,\)"),
        ({"generated": np.ones((0, 24))}, UnavailableError, "at least 1 generated"),
        ({"training": np.ones((3, 24))}, UnavailableError, "at least 4 training .* got 3"),
        ({"held_out": np.ones((1, 24))}, UnavailableError, "at least 2 held-out .* got 1"),
        ({"held_out": np.full((9, 24), 0.1)}, UnavailableError, "all equal"),
    ],
)
def test_says_what_is_missing(random, changed, error, text):
    with pytest.raises(error, match=text):
        fld(**{**some(random), **changed})
