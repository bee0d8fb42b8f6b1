"""Picture by picture: against plain loops and recomputed distances, and where there is nothing."""

import numpy as np
import pytest

from mifid.errors import FeatureError, UnavailableError
from mifid.evidence.tables import picture_table, training_table
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.statistics.features import Features


def side(values, names=None):
    return Features(np.asarray(values, np.float32), names)


def named(values, letter):
    return side(values, tuple(f"{letter}{row}.jpg" for row in range(len(values))))


def cosine_distances(generated, training):
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (generated, training))
    return 1 - np.abs(one @ other.T)


@pytest.fixture
def sides(random):
    """40 generated, of which g3 and g5 nearly copy t2, and g8 t4; 12 training, 20 reference."""
    generated, training = random.rand(40, 8) ** 3, random.rand(12, 8) ** 3
    for row, of in ((3, 2), (5, 2), (8, 4)):
        generated[row] = training[of] * 2.0 + 1e-3 * row
    return named(generated, "g"), named(training, "t"), named(random.rand(20, 8) ** 3, "r")


def pictures(sides, *, epsilon=0.01):
    return picture_table(generated=sides[0], training=sides[1], reference=sides[2], epsilon=epsilon)


def trained(sides, *, epsilon=0.01):
    return training_table(generated=sides[0], training=sides[1], epsilon=epsilon)


def test_each_picture_has_its_two_nearest(sides):
    table = pictures(sides)
    distances = cosine_distances(*(s.values.astype(float) for s in sides[:2]))
    order = distances.argsort(axis=1)
    assert table.names[:2] == ("g0.jpg", "g1.jpg")
    assert table.nearest == tuple(f"t{row}.jpg" for row in order[:, 0])
    assert table.second_nearest == tuple(f"t{row}.jpg" for row in order[:, 1])
    assert table.nearest_row.tolist() == order[:, 0].tolist()
    assert table.second_row.tolist() == order[:, 1].tolist()
    ranked = np.sort(distances, axis=1)
    np.testing.assert_allclose(table.distance, ranked[:, 0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(table.second_distance, ranked[:, 1], rtol=0, atol=1e-14)
    assert table.distance.mean() == pytest.approx(
        memorization_distance(generated=sides[0].values, reference=sides[1].values), abs=1e-15
    )


def test_near_copies_are_counted_picture_by_picture(sides):
    table = pictures(sides, epsilon=1e-3)
    assert np.flatnonzero(table.near_copy).tolist() == [3, 5, 8]
    assert table.near_copies == 3
    assert sorted(table.nearest_pairs(3).tolist()) == [3, 5, 8]
    assert table.nearest_pairs(99).tolist() == table.distance.argsort(kind="stable").tolist()
    # Strictly below: a picture at the threshold is none, as in the score.
    at = float(table.distance[table.nearest_pairs(3)[-1]])
    assert pictures(sides, epsilon=at).near_copies == 2


def test_influence_is_what_leaving_a_picture_out_does_to_fid(sides):
    table = pictures(sides)
    generated, reference = sides[0].values.astype(float), sides[2].values.astype(float)
    fid = frechet_distance(generated=generated, reference=reference)
    change = np.array(
        [
            frechet_distance(generated=np.delete(generated, i, axis=0), reference=reference) - fid
            for i in range(len(generated))
        ]
    )
    assert np.corrcoef(table.influence, change)[0, 1] > 0.999
    np.testing.assert_allclose(
        table.influence_mean + table.influence_covariance, table.influence, rtol=0, atol=1e-12
    )
    assert table.influence_reason is None
    assert table.worst(3).tolist() == change.argsort()[:3].tolist()
    assert table.best(3).tolist() == change.argsort()[::-1][:3].tolist()


def test_worst_is_the_picture_that_lies_far_off(sides):
    values = sides[0].values.copy()
    values[17] = 9.0
    table = pictures((named(values, "g"), *sides[1:]))
    assert table.worst(1).tolist() == [17]
    assert table.influence[17] < 0
    assert 17 not in table.best(39)


@pytest.mark.parametrize(
    ("generated", "reference", "reason"),
    [
        (np.eye(4), None, "mean and covariance only"),
        (np.eye(4)[:2], np.eye(4), "at least three generated pictures, got 2"),
        (np.eye(4)[:1], np.eye(4), "with at least two"),
    ],
)
def test_without_influence_the_rest_is_there_and_says_why(generated, reference, reason):
    table = picture_table(
        generated=side(generated),
        training=side(np.eye(4)),
        reference=None if reference is None else side(reference),
        epsilon=0.1,
    )
    assert table.influence is table.influence_mean is table.influence_covariance is None
    assert reason in table.influence_reason
    assert table.near_copies == len(generated)
    assert "influence" not in table.columns()
    for ranking in (table.worst, table.best):
        with pytest.raises(UnavailableError, match=reason):
            ranking(3)


def test_columns_keep_their_order(sides):
    table = pictures(sides)
    assert list(table.columns()) == [
        "name",
        "nearest",
        "distance",
        "second_nearest",
        "second_distance",
        "near_copy",
        "influence",
        "influence_mean",
        "influence_covariance",
    ]
    assert list(trained(sides).columns()) == [
        "name",
        "copied",
        "near_copies",
        "nearest",
        "distance",
        "approached",
    ]
    assert {len(column) for column in table.columns().values()} == {len(table)} == {40}
    assert {len(column) for column in trained(sides).columns().values()} == {12}


def test_the_reverse_view(sides):
    table, there = trained(sides, epsilon=1e-3), pictures(sides, epsilon=1e-3)
    distances = cosine_distances(*(s.values.astype(float) for s in sides[:2]))
    assert table.nearest == tuple(f"g{row}.jpg" for row in distances.argmin(axis=0))
    np.testing.assert_allclose(table.distance, distances.min(axis=0), rtol=0, atol=1e-14)
    assert table.copied.tolist() == [there.nearest.count(name) for name in table.names]
    assert table.copied.sum() == 40
    assert table.near_copies.tolist() == [0, 0, 2, 0, 1] + [0] * 7
    assert table.approached.tolist() == [name in there.nearest for name in table.names]
    assert table.coverage == len(set(there.nearest)) / 12


def test_one_picture_painted_over_and_over_is_found(random):
    """Every generated picture is nearest to the same training picture; the others are left."""
    training = np.eye(5)
    generated = np.tile(training[2], (30, 1)) + 0.01 * random.rand(30, 5)
    table = trained((named(generated, "g"), named(training, "t")))
    assert table.most_copied(3).tolist() == [2]  # the others are nearest to none
    assert table.copied[2] == table.near_copies[2] == 30
    assert sorted(table.never_approached.tolist()) == [0, 1, 3, 4]
    left = table.distance[table.never_approached]
    assert (np.diff(left) <= 0).all()  # farthest first
    assert table.coverage == 1 / 5


def test_most_copied_are_in_order():
    # Copies of t0, near copies of t1 and pictures between: two, two, and three of t2.
    generated = [[1, 0, 0], [1, 0, 0.9], [0, 1, 0], [0, 1, 0.01], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    table = trained((side(generated), side(np.eye(3))))
    assert table.copied.tolist() == [2, 2, 3]
    assert table.most_copied(3).tolist() == [2, 1, 0]  # t1 has two near copies, t0 one
    assert table.most_copied(1).tolist() == [2]


def test_names_are_numbers_where_there_are_none():
    features = side(np.eye(3))
    table = picture_table(generated=features, training=features, reference=None, epsilon=0.1)
    assert table.names == table.nearest == ("0", "1", "2")
    assert table.second_nearest == ("1", "0", "0")
    assert training_table(generated=features, training=features, epsilon=0.1).nearest[2] == "2"


def test_rows_of_zeros_have_no_distance_but_an_influence(random):
    generated, training = random.rand(6, 4), random.rand(5, 4)
    generated[[1, 4]] = 0.0
    training[3] = 0.0
    sides = named(generated, "g"), named(training, "t"), named(random.rand(9, 4), "r")
    table = pictures(sides, epsilon=1.0)
    assert np.isnan(table.distance).sum() == 2
    assert table.near_copies == 4
    assert [table.nearest[row] for row in (1, 4)] == [None, None]
    assert sorted(table.nearest_pairs(6).tolist()) == [0, 2, 3, 5]
    assert np.isfinite(table.influence).all()  # FID counts them
    reverse = trained(sides)
    assert reverse.nearest[3] is None
    assert 3 not in reverse.never_approached
    assert reverse.coverage == reverse.approached.sum() / 4


def test_nothing_generated_has_a_distance(random):
    sides = side(np.zeros((4, 3))), side(random.rand(5, 3)), side(random.rand(5, 3))
    table, reverse = pictures(sides), trained(sides)
    assert np.isnan(table.distance).sum() == 4
    assert table.nearest_pairs(4).tolist() == []
    assert reverse.most_copied(5).tolist() == reverse.never_approached.tolist() == []
    assert np.isnan(reverse.coverage)


def test_one_training_picture_has_no_second(random):
    table = pictures((side(random.rand(4, 3)), side(random.rand(1, 3)), side(random.rand(5, 3))))
    assert table.nearest == ("0",) * 4
    assert table.second_nearest == (None,) * 4
    assert np.isnan(table.second_distance).all()


def test_refuses_other_widths_and_empty_training(random):
    for training, text in ((random.rand(3, 5), r"\(6, 4\)"), (np.zeros((3, 4)), "are zero")):
        sides = side(random.rand(6, 4)), side(training), side(random.rand(6, 4))
        for table in (pictures, trained):
            with pytest.raises(FeatureError, match=text):
                table(sides)


def test_genuine_features(data):
    roses, tulips = (np.load(data / f"pool3_{name}.npz") for name in ("roses", "tulips"))
    generated = Features(roses["features"], tuple(roses["names"].tolist()))
    training = Features(tulips["features"], tuple(tulips["names"].tolist()))
    table = picture_table(generated=generated, training=training, reference=None, epsilon=0.1)
    assert table.distance.mean() == pytest.approx(0.249994752, abs=1e-8)
    reverse = training_table(generated=generated, training=training, epsilon=0.1)
    assert reverse.distance.mean() == pytest.approx(0.233706609, abs=1e-8)
    assert reverse.copied.sum() == 641
    assert 0 < reverse.coverage < 1
