"""Inception Score: torch-fidelity as the oracle, closed forms, and the edges."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.inception_score import METRIC, inception_score


def torch_fidelity(logits, **settings):
    found = isc_features_to_metric(torch.from_numpy(logits), **settings)
    return {"is": found["inception_score_mean"], "is_std": found["inception_score_std"]}


@pytest.mark.parametrize("splits", [1, 3, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_torch_fidelity(random, splits, dtype):
    logits = (random.randn(137, 50) * 3).astype(dtype)
    found = inception_score(logits=logits, splits=splits, seed=5)
    assert found == pytest.approx(torch_fidelity(logits, splits=splits, rng_seed=5), rel=1e-12)
    assert found["is"] > 2
    assert (found["is_std"] > 1e-3) == (splits > 1)


def test_the_defaults_are_torch_fidelitys(random):
    logits = random.randn(64, 1008)
    assert inception_score(logits=logits) == pytest.approx(torch_fidelity(logits), rel=1e-12)


def test_seeded(random):
    logits = random.randn(64, 20)
    found = inception_score(logits=logits, seed=1)
    assert inception_score(logits=logits, seed=1) == found
    assert inception_score(logits=logits, seed=2)["is"] != found["is"]


@pytest.mark.parametrize("classes", [2, 7])
def test_sure_and_diverse_is_the_number_of_classes(classes):
    logits = 2000.0 * np.eye(classes)[np.arange(3 * classes) % classes]
    assert inception_score(logits=logits, splits=1)["is"] == pytest.approx(classes, rel=1e-12)


def test_all_alike_or_all_unsure_is_one(random):
    alike = random.randn(1, 9).repeat(30, axis=0)
    unsure = np.full((30, 9), 4.2)
    assert inception_score(logits=alike)["is"] == pytest.approx(1, abs=1e-12)
    assert inception_score(logits=unsure)["is"] == pytest.approx(1, abs=1e-12)


def test_a_class_that_underflows_everywhere_adds_nothing():
    """torch-fidelity has NaN here: 0 times infinity."""
    logits = np.zeros((6, 3))
    logits[:3, 0], logits[3:, 1] = 50.0, 50.0
    logits[:, 2] = -1e4
    assert inception_score(logits=logits, splits=1)["is"] == pytest.approx(2, rel=1e-12)


def test_a_constant_beside_the_logits_changes_nothing(random):
    logits = random.randn(40, 12)
    moved = logits + random.randn(40, 1) * 100
    assert inception_score(logits=moved) == pytest.approx(inception_score(logits=logits), rel=1e-9)


def test_one_picture_a_split_is_just_enough(random):
    found = inception_score(logits=random.randn(10, 5))
    assert found == {"is": pytest.approx(1), "is_std": pytest.approx(0, abs=1e-12)}


@pytest.mark.parametrize(
    ("shape", "splits", "error", "text"),
    [
        ((9, 5), 10, UnavailableError, "10 splits: at least 10 generated pictures.*got 9"),
        ((0, 5), 1, UnavailableError, "at least 1 generated.*got 0"),
        ((9,), 3, FeatureError, r"shape \(9,\)"),
        ((9, 5), 0, FeatureError, "splits is 0"),
    ],
)
def test_refuses_what_has_no_score(shape, splits, error, text):
    with pytest.raises(error, match=text):
        inception_score(logits=np.ones(shape), splits=splits)


def test_the_table_entry_tells_what_the_function_gives(random):
    logits = random.randn(30, 8)
    found = METRIC.function(logits=logits, **METRIC.settings)
    assert METRIC.needs == ("logits",)
    assert list(found) == list(METRIC.values)
    assert found == inception_score(logits=logits)
