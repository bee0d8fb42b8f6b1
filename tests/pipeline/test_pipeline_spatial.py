"""Spatial features: of the same pass as the others, kept beside them; in score(), by class."""

from functools import partial

import numpy as np
import pytest
import toys
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import OutputError, UnavailableError
from mifid.metrics.frechet import frechet_distance
from mifid.pipeline import pipeline
from mifid.statistics.statistics import Statistics

WIDTH = 20  # of the network's 2023, whose covariance takes seconds
Tapped = partial(toys.Tapped, WIDTH, 1e-4)
spatial = partial(toys.places, width=WIDTH)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(pipeline, "SPATIAL_WIDTH", WIDTH)


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "generated", repainted(12))


REAL = drawn("painting", 9)


def score(*sides, network=None, metrics=("fid", "sfid"), **settings):
    return mifid.score(*sides, extractor=network or Tapped(), metrics=metrics, ci=0, **settings)


def test_both_come_of_one_pass_and_the_second_run_needs_none(folder):
    network = Tapped()
    first = score(folder, REAL, network=network)
    assert {wide for wide, _ in network.seen} == {True}
    assert sum(n for _, n in network.seen) == 21
    expected = frechet_distance(generated=spatial(repainted(12)), reference=spatial(REAL))
    assert first.metrics["sfid"].values["sfid"] == pytest.approx(expected, rel=1e-5)
    again = score(folder, REAL, network=network)
    assert sum(n for _, n in network.seen) == 21
    assert (again.fid, again.metrics) == (first.fid, first.metrics)


def test_what_was_kept_before_stays_to_the_last_bit(folder):
    network = Tapped()
    plain = score(folder, REAL, network=network, metrics=("fid",))
    assert {wide for wide, _ in network.seen} == {False}
    both = score(folder, REAL, network=network)
    assert sum(n for _, n in network.seen) == 42
    assert both.fid == plain.fid
    assert both.inputs["generated"].cached is False


def test_other_sides_are_looked_at_without(folder):
    network = Tapped()
    score(folder, REAL, network=network, memorization_reference=drawn("painting", 5, seed=70))
    assert sum(n for wide, n in network.seen if not wide) == 5


def test_names_order_and_bad_pictures(folder):
    """Kept features are in the order of contents: spatial ones come back in that of the names."""
    (folder / "000.png").rename(folder / "zzz.png")
    (folder / "005.png").write_bytes(b"no picture")
    network = Tapped()
    runs = [score(folder, REAL, network=network, skip_bad=True) for _ in range(2)]
    sides = [run.evidence.sides["generated"] for run in runs]
    kept = [1, 2, 3, 4, *range(6, 12), 0]
    for side in sides:
        assert side.names[-1] == "zzz.png"
        np.testing.assert_array_equal(side.spatial, spatial(repainted(12)[kept]))


def test_a_stream(folder):
    whole = score(folder, REAL).metrics["sfid"].values["sfid"]
    stream = iter(np.split(repainted(12), 4))
    assert score(stream, REAL).metrics["sfid"].values["sfid"] == pytest.approx(whole, rel=1e-9)


def test_a_file_of_statistics(folder, tmp_path):
    made = score(folder, REAL)
    real = made.evidence.sides["reference"]
    own, beside = (Statistics.from_features(each) for each in (real.values, real.spatial))
    path = tmp_path / "adm.npz"
    np.savez(path, mu=own.mu, sigma=own.sigma, mu_s=beside.mu, sigma_s=beside.sigma)
    stated = mifid.Statistics.load(path)
    found = score(folder, stated).metrics["sfid"].values["sfid"]
    assert found == pytest.approx(made.metrics["sfid"].values["sfid"], rel=1e-9)


def test_a_network_without_them_and_a_file_without_them(folder):
    report = mifid.score(folder, REAL, extractor=colours, metrics=("fid", "sfid"), ci=0)
    assert report.fid
    assert "no spatial features" in report.metrics["sfid"].omitted
    features = mifid.features(REAL, extractor=Tapped())
    assert "the reference side" in score(folder, features).metrics["sfid"].omitted


def test_by_class(tmp_path):
    for number, label in enumerate("ab"):
        write_pictures(tmp_path / "generated" / label, repainted(5, seed=9 * number))
        write_pictures(tmp_path / "real" / label, drawn("painting", 6, seed=9 * number))
    network = Tapped()
    found = score(tmp_path / "generated", tmp_path / "real", network=network, by="folder").classes
    alone = score(tmp_path / "generated" / "b", tmp_path / "real" / "b")
    values = {one.label: one.values["sfid"] for one in found.scores}
    assert values["b"] == pytest.approx(alone.metrics["sfid"].values["sfid"], rel=1e-9)
    assert sum(n for _, n in network.seen) == 22


def test_a_limit_draws_rows_of_features_with_their_spatial_ones(folder):
    made = score(folder, REAL).evidence.sides["generated"]
    report = score(made, REAL, limit=6)
    drawn_side = report.evidence.sides["generated"]
    rows = [made.names.index(name) for name in drawn_side.names]
    np.testing.assert_array_equal(drawn_side.spatial, made.spatial[rows])


def test_a_reference_file_holds_them_if_asked(folder, tmp_path):
    direct = mifid.score(folder, REAL, extractor=Tapped(), metrics=["sfid"], ci=0)
    with_them, without = tmp_path / "with.npz", tmp_path / "without.npz"
    mifid.build_reference(REAL, with_them, extractor=Tapped(), spatial=True)
    mifid.build_reference(REAL, without, extractor=Tapped())
    by_file = mifid.score(folder, with_them, extractor=Tapped(), metrics=["sfid"], ci=0)
    assert by_file.metrics["sfid"].values["sfid"] == pytest.approx(
        direct.metrics["sfid"].values["sfid"], rel=1e-3
    )
    refused = mifid.score(folder, without, extractor=Tapped(), metrics=["sfid"], ci=0)
    assert "spatial=True" in refused.metrics["sfid"].omitted
    with pytest.raises(OutputError, match="with spatial features"):
        mifid.build_reference(REAL, with_them, extractor=Tapped())
    mifid.build_reference(REAL, without, extractor=Tapped(), spatial=True)
    with pytest.raises(UnavailableError, match="has no spatial features"):
        mifid.build_reference(REAL, tmp_path / "c.npz", extractor=Counting(), spatial=True)
    assert not (tmp_path / "c.npz").exists()
