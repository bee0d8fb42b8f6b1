"""C_T with its parts: against SciPy's Mann-Whitney U, scikit-learn's k-means, and copies."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.linalg import principal_axes
from mifid.metrics.three_sample import assign, copying_z, data_copying, kmeans

KMeans = pytest.importorskip("sklearn.cluster").KMeans
PCA = pytest.importorskip("sklearn.decomposition").PCA
NearestNeighbors = pytest.importorskip("sklearn.neighbors").NearestNeighbors


def published_z(theirs, ours):
    """Compute the authors' ``Zu`` from distances."""
    u = mannwhitneyu(ours, theirs, alternative="less").statistic
    n, m = len(theirs), len(ours)
    return (u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12)


def published(*, generated, training, held_out, centres=None):
    """dgm-eval's metrics/ct.py; its k-means with these centres, where one has to be sure of it."""
    sides = [np.asarray(side, dtype=np.float64) for side in (generated, training, held_out)]
    if sides[0].shape[1] > 64:
        axes = PCA(64, svd_solver="full").fit(sides[1])
        sides = [axes.transform(side) for side in sides]
    start = {"n_init": 3, "random_state": 0} if centres is None else {"init": centres, "n_init": 1}
    cells = KMeans(3, **start).fit(sides[1])
    labels = [cells.predict(side) for side in sides]

    def z(g, t, h):
        among = NearestNeighbors(n_neighbors=1).fit(t)
        return published_z(among.kneighbors(h)[0].ravel(), among.kneighbors(g)[0].ravel())

    scores, weights = [], []
    for cell in range(3):
        g, t, h = (side[of == cell] for side, of in zip(sides, labels, strict=True))
        if len(g) > 20:
            scores.append(z(g, t, h))
            weights.append(len(h))
    return {"ct": np.average(scores, weights=weights), "ct_global": z(*sides)}


def three(random, n, width, sizes=(0.5, 0.3, 0.2)):
    """Pictures of three kinds far apart."""
    kind = np.repeat(np.eye(3, width) * 30, [round(n * size) for size in sizes], axis=0)
    return kind + random.randn(len(kind), width) * np.linspace(1.5, 0.5, width)


def some(random, width=10):
    return {
        "generated": three(random, 200, width, (0.2, 0.2, 0.6)) * 1.01,
        "training": three(random, 150, width),
        "held_out": three(random, 100, width),
    }


@pytest.mark.parametrize("width", [5, 64, 65, 300])
def test_equals_dgm_eval(random, width):
    """On three plain kinds both k-means find the same cells."""
    sides = some(random, width)
    assert data_copying(**sides) == pytest.approx(published(**sides), rel=1e-9)


def test_equals_dgm_eval_on_genuine_features(data):
    random = np.random.RandomState(1)
    roses = np.load(data / "pool3_roses.npz")["features"]
    tulips = np.load(data / "pool3_tulips.npz")["features"]
    roses = roses[random.permutation(len(roses))]
    sides = {"generated": tulips, "training": roses[:300], "held_out": roses[300:]}
    # The cells of genuine features depend on the start: the same centres, then, in its own axes.
    axes = principal_axes(roses[:300], count=64)
    ours = kmeans(axes.project(roses[:300]), clusters=3, starts=10, random=np.random.default_rng(0))
    full = PCA(64, svd_solver="full").fit(roses[:300].astype(np.float64))
    signs = np.sign((full.components_.T * axes.directions).sum(axis=0))
    expected = published(**sides, centres=ours * signs)
    assert data_copying(**sides) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("levels", [2, 10, 10**9])
def test_z_equals_scipys_u_with_and_without_ties(random, levels):
    ours, theirs = (
        random.randint(levels, size=70) / levels,
        random.randint(levels, size=40) / levels,
    )
    assert copying_z(generated=ours, held_out=theirs) == pytest.approx(
        published_z(theirs, ours), abs=1e-12
    )


def test_z_of_separated_distances_is_the_extreme():
    near, far = np.zeros(30), np.ones(20)
    deviation = np.sqrt(30 * 20 * 51 / 12)
    assert copying_z(generated=near, held_out=far) == pytest.approx((-300 + 0.5) / deviation)
    assert copying_z(generated=far, held_out=near) == pytest.approx((300 + 0.5) / deviation)


def test_copies_are_far_below_strangers_far_above_unseen_near_zero(random):
    sides = some(random)
    unseen = data_copying(**{**sides, "generated": three(random, 200, 10)})
    copies = data_copying(**{**sides, "generated": sides["training"] + 1e-3})
    strangers = data_copying(**{**sides, "generated": three(random, 200, 10) + 2.0})
    for name in ("ct", "ct_global"):
        assert abs(unseen[name]) < 3
        assert copies[name] < -5
        assert strangers[name] > 5


def test_null_distribution_has_mean_zero_and_deviation_one():
    """Pictures like the unseen ones: z of one cell is about standard normal."""
    random = np.random.RandomState(11)
    found = [
        data_copying(
            generated=random.randn(60, 4),
            training=random.randn(400, 4),
            held_out=random.randn(60, 4),
        )["ct_global"]
        for _ in range(60)
    ]
    assert abs(np.mean(found)) < 0.4
    assert 0.75 < np.std(found) < 1.3


def test_cells_find_copies_that_the_whole_hides(random):
    """A tight kind and a wide one: where a kind is rarer than it should be does not hide copies."""
    kinds = np.array([[0.0] * 6, [100.0] * 6]), np.array([[0.1], [3.0]])

    def draw(*counts):
        centre, spread = (np.repeat(of, counts, axis=0) for of in kinds)
        return centre + spread * random.randn(sum(counts), 6)

    training, held_out = draw(100, 100), draw(160, 40)
    copies = training[np.r_[:40, 100:200]]
    generated = copies + np.repeat([0.02, 0.6], [40, 100])[:, None] * random.randn(140, 6)
    sides = {"generated": generated, "training": training, "held_out": held_out}
    found = data_copying(**sides, clusters=2)
    assert found["ct"] < -5
    assert found["ct_global"] > 2


def test_a_cell_with_few_generated_pictures_does_not_count(random):
    sides = some(random)
    without = three(random, 200, 10, (0.5, 0.5, 0.0))
    few = np.concatenate([without, three(random, 200, 10, (0, 0, 0.1))])
    assert data_copying(**{**sides, "generated": few})["ct"] == pytest.approx(
        data_copying(**{**sides, "generated": without})["ct"], rel=1e-12
    )
    one_more = np.concatenate([few, few[-1:]])
    assert data_copying(**{**sides, "generated": one_more})["ct"] != pytest.approx(
        data_copying(**{**sides, "generated": without})["ct"], rel=1e-6
    )


def test_a_cell_without_held_out_pictures_has_no_weight(random):
    sides = some(random)
    sides["held_out"] = three(random, 100, 10, (0.5, 0.5, 0.0))
    assert np.isfinite(list(data_copying(**sides).values())).all()


def test_one_cluster_is_the_global_test(random):
    found = data_copying(**some(random, 100), clusters=1)
    assert found["ct"] == found["ct_global"]


def test_same_numbers_on_every_run_and_in_any_order_of_plain_kinds(random):
    sides = some(random)
    found = data_copying(**sides)
    assert data_copying(**sides) == found
    turned = {name: side[::-1] for name, side in sides.items()}
    assert data_copying(**turned) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("clusters", [1, 2, 5])
def test_kmeans_is_as_good_as_scikit_learns(random, clusters):
    points = random.rand(300, 4)
    centres = kmeans(points, clusters=clusters, starts=10, random=np.random.default_rng(0))
    inertia = ((points - centres[assign(points, centres)]) ** 2).sum()
    theirs = KMeans(clusters, n_init=5, random_state=0).fit(points).inertia_
    assert inertia == pytest.approx(theirs, rel=0.01)
    assert np.allclose(
        centres, [points[assign(points, centres) == i].mean(axis=0) for i in range(clusters)]
    )


def test_kmeans_of_fewer_points_than_clusters(random):
    points = np.repeat(random.rand(2, 3), 5, axis=0)
    centres = kmeans(points, clusters=4, starts=3, random=np.random.default_rng(0))
    assert np.sort(centres, axis=0) == pytest.approx(np.sort(points[[0, 5]], axis=0))


@pytest.mark.parametrize(("n", "width"), [(30, 100), (100, 30), (3, 50)])
def test_axes_equal_scikit_learns_up_to_sign(random, n, width):
    x = random.randn(n, width) * np.linspace(3, 0.5, width)
    axes = principal_axes(x.astype(np.float32), count=7)
    count = min(7, n - 1)
    theirs = PCA(count, svd_solver="full").fit(x.astype(np.float32).astype(np.float64))
    assert axes.directions.shape == (width, count)
    assert np.abs((axes.directions * theirs.components_.T).sum(axis=0)) == pytest.approx(
        1, abs=1e-9
    )
    assert np.abs(axes.project(x)) == pytest.approx(np.abs(theirs.transform(x)), abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"generated": np.ones((50, 3))}, FeatureError, "generated .* width 3, training .* 10"),
        ({"generated": np.ones((20, 10))}, UnavailableError, "at least 21 generated .* got 20"),
        ({"training": np.ones((1, 10))}, UnavailableError, "at least 2 training"),
        ({"held_out": np.ones((0, 10))}, UnavailableError, "at least 1 held-out"),
        ({"training": np.full((9, 10), 0.1)}, UnavailableError, "all are equal"),
        ({"clusters": 0}, FeatureError, "0 clusters"),
        ({"clusters": 140}, UnavailableError, "none of .* cells"),
    ],
)
def test_says_what_is_missing(random, changed, error, text):
    with pytest.raises(error, match=text):
        data_copying(**{**some(random), **changed})
