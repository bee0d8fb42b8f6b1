"""Improved precision and recall: prdc and torch-fidelity as oracles, and properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_prc import prc_features_to_metric

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import neighbours
from mifid.metrics.precision_recall import METRIC, precision_recall


def clouds(seed, n=60, m=45, width=5, shift=1.5):
    random = np.random.RandomState(seed)
    generated = random.randn(n, width) * random.uniform(0.5, 1.5) + shift
    return {"generated": generated, "reference": random.randn(m, width)}


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_equals_prdc_and_torch_fidelity(seed, k, capsys):
    sides = clouds(seed)
    found = precision_recall(**sides, k=k)
    prdc = pytest.importorskip("prdc")
    authors = prdc.compute_prdc(sides["reference"], sides["generated"], nearest_k=k)
    assert found == {name: authors[name] for name in ("precision", "recall")}
    theirs = prc_features_to_metric(
        *(torch.from_numpy(sides[side]) for side in ("generated", "reference")),
        prc_neighborhood=k,
        verbose=False,
    )
    assert found == pytest.approx({name: theirs[name] for name in found}, abs=1e-7)
    assert 0 < found["precision"] < 1
    assert 0 < found["recall"] < 1


def test_equals_prdc_on_genuine_features(data, capsys):
    roses = np.load(data / "pool3_roses.npz")["features"]
    tulips = np.load(data / "pool3_tulips.npz")["features"]
    found = precision_recall(generated=roses, reference=tulips)
    prdc = pytest.importorskip("prdc")
    authors = prdc.compute_prdc(tulips.astype(np.float64), roses.astype(np.float64), nearest_k=3)
    assert found == {name: authors[name] for name in ("precision", "recall")}


def test_blocks_do_not_matter(monkeypatch):
    sides = clouds(3)
    whole = precision_recall(**sides)
    monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 20_000)
    assert precision_recall(**sides) == whole


def test_identical_sets_have_all_and_disjoint_sets_nothing(random):
    one = random.randn(30, 6)
    assert precision_recall(generated=one, reference=one) == {"precision": 1.0, "recall": 1.0}
    far = precision_recall(generated=one + 1e3, reference=one)
    assert far == {"precision": 0.0, "recall": 0.0}


def test_a_generator_of_one_picture_is_precise_and_recalls_nothing_but_it(random):
    reference = random.randn(40, 6)
    collapsed = reference[:1].repeat(50, axis=0)
    found = precision_recall(generated=collapsed, reference=reference)
    assert found == {"precision": 1.0, "recall": 1 / 40}


def test_a_ball_includes_its_border():
    """The generated picture is as far from the first picture as its nearest neighbour is."""
    reference = [[0.0], [1.0], [2.0]]
    generated = [[-1.0], [-100.0]]
    assert precision_recall(generated=generated, reference=reference, k=1)["precision"] == 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_order_does_not_matter_and_the_sides_mirror_each_other(seed):
    sides = clouds(seed, n=20, m=15, width=3)
    found = precision_recall(**sides)
    shuffled = {name: rows[::-1].copy() for name, rows in sides.items()}
    assert precision_recall(**shuffled) == found
    mirrored = precision_recall(generated=sides["reference"], reference=sides["generated"])
    assert mirrored == {"precision": found["recall"], "recall": found["precision"]}


def test_a_larger_k_never_lowers_a_value():
    values = [precision_recall(**clouds(1), k=k) for k in (1, 2, 4, 8, 16, 32)]
    for name in ("precision", "recall"):
        found = [value[name] for value in values]
        assert found == sorted(found)
        assert found[0] < found[-1]


@pytest.mark.parametrize(
    ("generated", "reference", "k", "error", "text"),
    [
        ((3, 4), (9, 4), 3, UnavailableError, "k 3: at least 4 generated pictures.*got 3"),
        ((9, 4), (3, 4), 3, UnavailableError, "k 3: at least 4 reference pictures.*got 3"),
        ((1, 4), (1, 4), 3, UnavailableError, "got 1"),
        ((9, 4), (9, 5), 3, FeatureError, r"\(9, 4\) and \(9, 5\)"),
        ((9, 4), (9, 4), 0, FeatureError, "k is 0"),
    ],
)
def test_refuses_what_has_no_neighbours(generated, reference, k, error, text, random):
    with pytest.raises(error, match=text):
        precision_recall(generated=random.rand(*generated), reference=random.rand(*reference), k=k)


def test_the_table_entry_tells_what_the_function_gives(random):
    found = METRIC.function(**clouds(0), **METRIC.settings)
    assert list(found) == list(METRIC.values)
    assert found == precision_recall(**clouds(0))
