"""Step 4: the direction, the edges, and a plain loop as the oracle."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mifid.errors import FeatureError
from mifid.metrics.memorization import memorization_distance, nearest_reference


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
    nearest_reference(generated=features, reference=features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A float64 copy of the reference, and blocks of 64 MiB: nothing of 10,000 x 10,000 (800 MB).
    assert peak < features.size * 8 + 4 * (64 << 20)
