"""Sides that must not meet, sides that are the same, and numbers that mean nothing."""

import numpy as np
import pytest

import mifid
from mifid import Features, Statistics
from mifid.errors import CompatibilityError, FeatureError, MifidWarning
from mifid.extractors.base import Identity
from mifid.images import open_images
from mifid.inputs import GivenSide, open_side, refuse_mixtures
from mifid.statistics.provenance import Provenance

PICTURES = np.random.RandomState(0).randint(0, 256, (6, 8, 8, 3), dtype=np.uint8)
INCEPTION = Identity("inception", "the trained one")
RANDOM = Identity("inception-random", "seeded")
OWN = Identity("colours", None)


def side_of_pictures(label="generated"):
    return GivenSide(label, "pictures", open_images(PICTURES))


@pytest.fixture(autouse=True)
def _narrow_inception(monkeypatch):
    monkeypatch.setattr("mifid.inputs._INCEPTION_WIDTH", 16)


def side_of_file(folder, *, width=16, **more):
    values = np.random.RandomState(1).rand(4, width).astype(np.float32)
    if more.pop("moments", False):
        np.savez(folder / "a.npz", mu=values.mean(0), sigma=np.eye(width))
    else:
        np.savez(folder / "a.npz", features=values, **more)
    return open_side("reference", str(folder / "a.npz"))


@pytest.mark.parametrize("moments", [False, True])
def test_a_file_of_an_unknown_network_is_taken_beside_inception_alone(moments, tmp_path):
    file = side_of_file(tmp_path, moments=moments)
    refuse_mixtures([side_of_pictures(), file], INCEPTION)
    for identity in (RANDOM, OWN):
        with pytest.raises(
            CompatibilityError, match="does not say which network made it"
        ) as caught:
            refuse_mixtures([side_of_pictures(), file], identity)
        assert "a.npz" in caught.value.message
        assert f"build_reference(pictures, path, extractor='{identity.name}')" in caught.value.hint


def test_an_unknown_file_beside_features_of_another_network_is_refused(tmp_path):
    file = side_of_file(tmp_path, width=4)
    for name, refused in (("inception-random", True), ("inception", False), ("unknown", False)):
        made = Features(np.eye(4, dtype=np.float32), provenance=Provenance(name, "x"))
        sides = [GivenSide("generated", "features", made), file]
        if refused:
            with pytest.raises(CompatibilityError, match="inception-random"):
                refuse_mixtures(sides, None)
        else:
            refuse_mixtures(sides, None)


def test_an_unknown_file_of_another_width_is_no_inceptions(tmp_path):
    """Found before the pictures are run through the network."""
    with pytest.raises(CompatibilityError, match=r"width 7, those of extractor 'inception' have"):
        refuse_mixtures([side_of_pictures(), side_of_file(tmp_path, width=7)], INCEPTION)
    with pytest.raises(CompatibilityError, match=r"width 7, those of extractor 'inception-random'"):
        refuse_mixtures([side_of_pictures(), side_of_file(tmp_path, width=7)], RANDOM)


def test_what_is_handed_over_in_python_is_the_callers_to_know():
    values = np.random.RandomState(1).rand(9, 3).astype(np.float32)
    for given in (Features(values), Statistics.from_features(values)):
        report = mifid.score(PICTURES, given, extractor=lambda b: b.float().mean((2, 3)), ci=0)
        assert report.fid > 0


def test_a_file_made_by_the_same_function_is_taken(tmp_path):
    def colours(batch):
        return batch.float().mean(dim=(2, 3))

    mifid.features(PICTURES, extractor=colours).save(tmp_path / "a.npz")
    report = mifid.score(PICTURES[::-1] // 2, tmp_path / "a.npz", extractor=colours, ci=0)
    assert report.fid > 0


def test_dgm_evals_other_networks_are_refused_beside_inception(tmp_path):
    np.savez(tmp_path / "b.npz", model="dinov2", reps=np.ones((4, 16), np.float32))
    file = open_side("reference", str(tmp_path / "b.npz"))
    with pytest.raises(CompatibilityError, match="is of dgm-eval dinov2"):
        refuse_mixtures([side_of_pictures(), file], INCEPTION)


def features(n=40, seed=0, scale=1.0):
    return (np.random.RandomState(seed).rand(n, 6) * scale).astype(np.float32)


def test_the_same_features_in_another_order_are_the_same_set():
    """Rounding divided by a distance of 0 was an MiFID of 0.85, without a word."""
    one = Features(features())
    other = Features(features()[np.random.RandomState(1).permutation(40)])
    assert one.same_set(other)
    assert not one.same_set(Features(features(seed=2)))
    assert not one.same_set(Features(np.where(features() > 0.99, 0, features())[::-1]))
    with pytest.warns(MifidWarning, match="the generated and the reference pictures are the same"):
        mifid.score(one, other, ci=0, cache=False)


def test_moments_that_are_equal_but_for_rounding_are_said_to_be():
    rows = features()
    given = [
        Statistics.from_features(rows[order]) for order in (slice(None), slice(None, None, -1))
    ]
    assert not np.array_equal(given[0].sigma, given[1].sigma)
    with pytest.warns(MifidWarning, match=r"no more than rounding: .* MiFID means nothing"):
        report = mifid.score(*given, metrics=["fid"], ci=0, cache=False)
    assert any("no more than rounding" in warning for warning in report.warnings)


def test_an_fid_that_overflows_is_an_error(tmp_path):
    sigma = np.cov(features(), rowvar=False)
    np.savez(tmp_path / "a.npz", mu=np.full(6, 1e160), sigma=sigma * 1e300, n=20)
    np.savez(tmp_path / "b.npz", features=features())
    with pytest.raises(FeatureError, match="FID overflows"):
        mifid.score(tmp_path / "b.npz", tmp_path / "a.npz", ci=0, cache=False)
    np.savez(tmp_path / "a.npz", mu=np.zeros(6), sigma=np.full((6, 6), 1e308), n=20)
    with pytest.raises(FeatureError, match="overflow"):
        mifid.score(tmp_path / "b.npz", tmp_path / "a.npz", ci=0, cache=False)


def test_measures_that_overflow_are_left_out_with_the_reason():
    one, other = (Features(features(seed=seed).astype(np.float64) * 1e60) for seed in (0, 1))
    report = mifid.score(one, other, metrics=["fid", "kid", "pr"], cache=False, ci=0)
    report.to_json()
    assert report.fid > 1e118
    assert "overflows" in report.metrics["kid"].omitted


@pytest.mark.parametrize("kind", ["array", "tensor", "float64"])
def test_floats_of_pictures_by_width_are_features(kind):
    torch = pytest.importorskip("torch")
    made, real = (np.random.RandomState(seed).rand(9, 4).astype(np.float32) for seed in (0, 1))
    form = {"array": np.asarray, "tensor": torch.from_numpy, "float64": np.float64}[kind]
    report = mifid.score(form(made), form(real), ci=0)
    assert report.fid == mifid.score(Features(made), Features(real), ci=0).fid
    assert report.inputs["generated"].source == "features"


def test_floats_with_a_range_are_a_grey_picture():
    with pytest.raises(FeatureError, match="holds one picture"):
        open_side("generated", np.zeros((9, 4), np.float32), value_range=(0, 1))
