"""Step 4: the direction, the edges, and a plain loop as the oracle."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mifid.errors import FeatureError
from mifid.metrics import memorization
from mifid.metrics.memorization import (
    memorization_distance,
    nearest_both_ways,
    nearest_reference,
)


def oracle(generated, reference):
    """Kaggle's code, in loops."""
    generated = [row for row in generated.astype(float) if row.sum() != 0]
    reference = [row for row in reference.astype(float) if row.sum() != 0]
    nearest = []
    for g in generated:
        distances = [
            1 - abs(np.dot(g, r) / np.linalg.norm(g) / np.linalg.norm(r)) for r in reference
        ]
        nearest.append(min(distances))
    return np.mean(nearest)


def reversed_form(*, generated, reference):
    """torchmetrics' direction: mean over the real pictures of the minimum over the generated."""
    return memorization_distance(generated=reference, reference=generated)


def test_equals_a_plain_loop(random):
    generated, reference = random.rand(40, 12), random.rand(25, 12)
    assert memorization_distance(generated=generated, reference=reference) == pytest.approx(
        oracle(generated, reference), abs=1e-15
    )


def test_everything_a_copy_of_one_training_picture_is_found(random):
    """All generated pictures equal one training picture: Kaggle's distance is about 0."""
    training = random.rand(50, 16) * np.eye(16)[random.randint(16, size=50)]
    generated = np.repeat(training[:1], 30, axis=0)
    assert memorization_distance(generated=generated, reference=training) < 1e-12
    assert reversed_form(generated=generated, reference=training) > 0.5


def test_novel_pictures_beside_copies_of_the_training_set_are_not_punished(random):
    """Novel pictures plus one copy of each training picture: Kaggle's distance stays large."""
    training = np.abs(random.randn(20, 256)) * (random.rand(20, 256) < 0.1)
    novel = np.abs(random.randn(400, 256)) * (random.rand(400, 256) < 0.1)
    generated = np.concatenate([novel, training])
    assert memorization_distance(generated=generated, reference=training) > 0.4
    assert reversed_form(generated=generated, reference=training) < 1e-12


def test_rows_of_zeros_are_left_out_on_both_sides(random):
    generated, reference = random.rand(9, 5), random.rand(7, 5)
    with_zeros = np.insert(generated, [0, 4], 0.0, axis=0)
    reference_with_zeros = np.insert(reference, 3, 0.0, axis=0)
    both = {"generated": with_zeros, "reference": reference_with_zeros}
    assert memorization_distance(**both) == memorization_distance(
        generated=generated, reference=reference
    )
    nearest = nearest_reference(**both)
    assert np.isnan(nearest.distance[[0, 5]]).all()
    assert nearest.row[[0, 5]].tolist() == [-1, -1]
    assert 3 not in nearest.row


def test_names_the_nearest_row(random):
    reference = random.rand(30, 8)
    order = random.permutation(30)
    nearest = nearest_reference(generated=reference[order] * 3.0, reference=reference)
    assert nearest.row.tolist() == order.tolist()
    assert (nearest.distance >= 0).all()
    assert nearest.distance.max() < 1e-12


def test_an_exact_copy_is_clamped_at_zero():
    # 0.1 + 0.2 and the like make 1 - cos of a copy about -2e-16.
    rows = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.1], [0.9, 0.2, 0.2]]) / 3
    distance = nearest_reference(generated=rows, reference=rows).distance
    assert (distance >= 0).all()
    assert distance.max() < 1e-15


def test_opposite_features_count_as_near():
    """The absolute cosine, as Kaggle takes it."""
    row = np.array([[1.0, 2.0, 3.0]])
    assert memorization_distance(generated=-row, reference=row) < 1e-15


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, (6, 4), elements=st.floats(0.125, 8, width=32)),
    arrays(np.float32, (5, 4), elements=st.floats(0.125, 8, width=32)),
    st.floats(0.5, 4),
)
def test_scale_and_order_do_not_matter(generated, reference, scale):
    distance = memorization_distance(generated=generated, reference=reference)
    assert 0 <= distance <= 1
    other = memorization_distance(
        generated=generated[::-1].astype(float) * scale, reference=reference[::-1]
    )
    assert other == pytest.approx(distance, abs=1e-12)


@pytest.mark.parametrize(
    ("generated", "reference", "text"),
    [
        (np.ones((3, 4)), np.ones((3, 5)), r"\(3, 4\), reference features \(3, 5\)"),
        (np.ones(4), np.ones((3, 4)), r"\(4,\)"),
        (np.ones((3, 4)), np.zeros((3, 4)), "all reference features are zero"),
        (np.zeros((3, 4)), np.ones((3, 4)), "all generated features are zero"),
    ],
)
def test_refuses_what_has_no_distance(generated, reference, text):
    with pytest.raises(FeatureError, match=text):
        memorization_distance(generated=generated, reference=reference)


def test_memory_stays_bounded_by_blocks():
    """10,000 x 10,000 needs less than 1 GiB above the features (here at a tenth of the width)."""
    random = np.random.RandomState(0)
    features = random.rand(10_000, 205).astype(np.float32)
    tracemalloc.start()
    nearest_both_ways(generated=features, reference=features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A float64 copy of the reference, and blocks of 64 MiB: nothing of 10,000 x 10,000 (800 MB).
    assert peak < features.size * 8 + 4 * (64 << 20)


def loop_neighbours(generated, reference):
    """Distances (N, M) in loops, NaN where a side's row is all zeros."""
    distances = np.full((len(generated), len(reference)), np.nan)
    for i, g in enumerate(generated):
        for j, r in enumerate(reference):
            if g.sum() != 0 and r.sum() != 0:
                cosine = np.dot(g, r) / np.linalg.norm(g) / np.linalg.norm(r)
                distances[i, j] = max(0.0, 1 - abs(cosine))
    return distances


@pytest.fixture(params=[64 << 20, 1], ids=["one block", "a row a block"])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(memorization, "_BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("_blocks")
def test_two_nearest_and_the_reverse_equal_a_plain_loop(random):
    generated, reference = random.rand(40, 6), random.rand(25, 6)
    generated[[0, 7]] = 0.0
    reference[3] = 0.0
    distances = loop_neighbours(generated, reference)
    live = np.setdiff1d(np.arange(40), [0, 7])
    there, back = nearest_both_ways(generated=generated, reference=reference)

    order = np.argsort(distances[live], axis=1)  # NaN last
    assert there.row[live].tolist() == order[:, 0].tolist()
    assert there.second_row[live].tolist() == order[:, 1].tolist()
    ranked = np.sort(distances[live], axis=1)
    np.testing.assert_allclose(there.distance[live], ranked[:, 0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(there.second_distance[live], ranked[:, 1], rtol=0, atol=1e-14)
    for value in (there.distance, there.second_distance):
        assert np.flatnonzero(np.isnan(value)).tolist() == [0, 7]
    assert there.row[[0, 7]].tolist() == there.second_row[[0, 7]].tolist() == [-1, -1]

    met = np.setdiff1d(np.arange(25), [3])
    assert back.row[met].tolist() == np.nanargmin(distances[:, met], axis=0).tolist()
    np.testing.assert_allclose(
        back.distance[met], np.nanmin(distances[:, met], axis=0), rtol=0, atol=1e-14
    )
    assert np.isnan(back.distance[3])
    assert back.row[3] == -1
    assert back.copied.tolist() == [int((order[:, 0] == j).sum()) for j in range(25)]
    assert back.copied.sum() == 38


def test_both_ways_finds_what_each_way_finds(random):
    generated, reference = random.rand(50, 9), random.rand(30, 9)
    there, back = nearest_both_ways(generated=generated, reference=reference)
    alone = nearest_reference(generated=generated, reference=reference)
    for one, other in zip(there, alone, strict=True):
        assert (one == other).all()
    reverse = nearest_reference(generated=reference, reference=generated)
    assert back.row.tolist() == reverse.row.tolist()
    np.testing.assert_allclose(back.distance, reverse.distance, rtol=0, atol=1e-15)
    assert memorization_distance(generated=generated, reference=reference) == there.distance.mean()


@pytest.mark.usefixtures("_blocks")
def test_of_equally_near_pictures_the_first_counts():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    there, back = nearest_both_ways(generated=rows, reference=rows)
    assert there.row.tolist() == [0, 0, 2]
    assert there.second_row.tolist() == [1, 1, 0]
    assert there.second_distance.tolist() == [0.0, 0.0, 1.0]
    assert back.row.tolist() == [0, 0, 2]
    assert back.copied.tolist() == [2, 0, 1]


def test_one_reference_picture_has_no_second(random):
    reference = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])  # one that is not all zeros
    there = nearest_reference(generated=random.rand(4, 3), reference=reference)
    assert there.row.tolist() == [1] * 4
    assert np.isnan(there.second_distance).all()
    assert there.second_row.tolist() == [-1] * 4


def test_generated_rows_of_zeros_approach_nothing(random):
    there, back = nearest_both_ways(generated=np.zeros((3, 4)), reference=random.rand(5, 4))
    assert np.isnan(there.distance).all()
    assert np.isnan(back.distance).all()
    assert back.row.tolist() == [-1] * 5
    assert back.copied.tolist() == [0] * 5
