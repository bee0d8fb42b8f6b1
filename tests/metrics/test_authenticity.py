"""AuthPct: dgm-eval's code with all distances at once, and the edges."""

import numpy as np
import pytest
import torch

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.authenticity import authentic, authentic_percent


def percent(generated, training):
    return authentic_percent(generated=generated, training=training)["authpct"]


def published(generated, training):
    """dgm-eval's metrics/authpct.py with distances from differences, in float64."""
    g, t = (torch.tensor(np.asarray(x, dtype=np.float64)) for x in (generated, training))
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    among = torch.cdist(t, t, **exact).fill_diagonal_(float("inf")).min(dim=0).values
    there = torch.cdist(t, g, **exact).min(dim=0)
    return 100 * (among[there.indices] < there.values).double().mean().item()


@pytest.mark.parametrize(("n", "t", "width"), [(200, 50, 3), (50, 200, 24), (1, 2, 5), (80, 80, 1)])
def test_equals_dgm_eval(random, n, t, width):
    generated, training = random.rand(n, width), random.rand(t, width)
    assert percent(generated, training) == pytest.approx(published(generated, training), rel=1e-12)


def test_equals_dgm_eval_on_genuine_features(data):
    roses = np.load(data / "pool3_roses.npz")["features"]
    tulips = np.load(data / "pool3_tulips.npz")["features"]
    assert percent(tulips[:150], roses[:150]) == pytest.approx(
        published(tulips[:150], roses[:150]), rel=1e-12
    )


def test_copies_are_not_authentic_and_strangers_are(random):
    training = random.rand(40, 6)
    near = training[random.randint(40, size=30)]
    assert percent(near, training) == 0.0
    assert percent(near + 1e-9, training) == 0.0
    assert percent(near + 100.0, training) == 100.0
    mixed = np.concatenate([near, near[:10] + 100.0])
    assert percent(mixed, training) == 25.0
    assert authentic(generated=mixed, training=training).tolist() == [False] * 30 + [True] * 10


def test_equal_distances_do_not_count():
    line = np.array([[0.0], [1.0], [9.0]])
    assert percent(np.array([[-1.0]]), line) == 0.0
    assert percent(np.array([[-1.0 - 1e-12]]), line) == 100.0


def test_a_training_picture_that_occurs_twice_protects_nothing(random):
    training = np.repeat(random.rand(1, 4), 2, axis=0)
    assert percent(training[:1], training) == 0.0
    assert percent(training[:1] + 1e-6, training) == 100.0


def test_place_scale_and_order_do_not_matter(random):
    generated, training = random.rand(60, 5), random.rand(40, 5)
    expected = percent(generated, training)
    assert 0 < expected < 100
    assert percent(generated[::-1] * 3 + 1, training[::-1] * 3 + 1) == expected


def test_says_what_is_missing():
    with pytest.raises(UnavailableError, match=r"at least 2 training .* got 1"):
        percent(np.ones((5, 3)), np.ones((1, 3)))
    with pytest.raises(UnavailableError, match="at least 1 generated"):
        percent(np.ones((0, 3)), np.ones((5, 3)))
    with pytest.raises(FeatureError, match=r"\(5, 3\) and \(5, 4\)"):
        percent(np.ones((5, 3)), np.ones((5, 4)))
