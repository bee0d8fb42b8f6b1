"""Shards of a set, computed one by one into a store that scores like the pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.distributed import compute_shards
from mifid.errors import (
    CompatibilityError,
    FeatureError,
    InputError,
    MifidWarning,
    OutputError,
    PictureError,
    UnavailableError,
)
from mifid.statistics import FeatureStore


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("shards") / "generated", repainted(23))


@pytest.fixture(scope="module")
def real():
    return drawn("painting", 12)


def fill(store, pictures, count=4, only=None, **options):
    options.setdefault("extractor", Counting())
    for number in only or range(1, count + 1):
        compute_shards(pictures, store, shard=f"{number}/{count}", **options)
    return store


def test_a_store_holds_what_features_gives_in_the_order_of_the_set(tmp_path):
    # Batches of 4 and shards of 8 pictures: the batches are those of the whole set.
    wide = write_pictures(tmp_path / "24", repainted(24))
    whole = mifid.features(wide, extractor=Counting(), batch_size=4, cache=False)
    found = FeatureStore.open(fill(tmp_path / "s", wide, 3, only=[3, 1, 2], batch_size=4))
    np.testing.assert_array_equal(found.values, whole.values)
    assert found.names == whole.names
    assert found.provenance == whole.provenance
    assert len(found) == 24
    assert not found.values.flags.writeable


def test_a_store_scores_like_the_pictures(pictures, real, tmp_path, few_resamples):
    extractor = Counting()
    direct = mifid.score(pictures, real, extractor=extractor)
    stored = mifid.score(fill(tmp_path / "s", pictures), real, extractor=extractor)
    assert stored.fid == pytest.approx(direct.fid, rel=1e-12)
    assert stored.mifid == pytest.approx(direct.mifid, rel=1e-12)
    assert stored.uncertainty.intervals["mifid"].low == pytest.approx(
        direct.uncertainty.intervals["mifid"].low, rel=1e-9
    )
    one, other = direct.inputs["generated"], stored.inputs["generated"]
    assert other.sha256 == one.sha256  # of the pictures' contents
    assert other.colours.to_dict()["mean"] == pytest.approx(one.colours.to_dict()["mean"])
    assert other.n == one.n
    assert stored.not_comparable == direct.not_comparable


def test_the_evidence_shows_the_pictures_of_the_store(pictures, real, tmp_path):
    report = mifid.score(fill(tmp_path / "s", pictures), real, extractor=Counting(), ci=0)
    names = [path.name for path in sorted(pictures.iterdir())]
    assert list(report.pictures.names) == names
    with report.evidence.album("generated") as album:
        shown = album.show(5)
    assert (shown.name, shown.missing) == (names[5], "")


def test_a_store_of_pictures_in_memory_has_no_pictures_to_show(real, tmp_path):
    report = mifid.score(fill(tmp_path / "s", repainted(9), 2), real, extractor=Counting(), ci=0)
    with pytest.raises(UnavailableError, match="does not say where its pictures are"):
        report.evidence.open("generated").__enter__()


def test_copies_are_found_as_with_pictures(tmp_path):
    pixels = drawn("painting", 12)
    real = write_pictures(tmp_path / "r", pixels)
    copies = write_pictures(tmp_path / "g", np.concatenate([pixels[:3], repainted(5)]))
    with pytest.warns(mifid.MifidWarning, match="3 of 8 generated pictures are reference"):
        mifid.score(fill(tmp_path / "s", copies), real, extractor=Counting(), ci=0)


def test_a_killed_job_goes_on_with_what_is_missing(pictures, tmp_path):
    extractor = Counting()
    fill(tmp_path / "s", pictures, only=[1, 3], extractor=extractor)
    done = extractor.pictures
    (tmp_path / "s" / ".part-00002-half.tmp").write_bytes(b"half")  # as a killed job leaves it
    fill(tmp_path / "s", pictures, extractor=extractor)
    assert (done, extractor.pictures) == (11, 23)
    assert len(FeatureStore.open(tmp_path / "s")) == 23


def test_what_is_returned_says_whether_it_was_there(pictures, tmp_path):
    for computed in (True, False):
        (found,) = compute_shards(pictures, tmp_path / "s", shard="2/4", extractor=Counting())
        assert found.computed is computed
        assert (found.part.n, found.part.width, str(found.part.shard)) == (6, 6, "2/4")
        assert re.fullmatch("part-00002-[0-9a-f]{16}.npz", found.part.path.name)


def test_missing_shards_are_named_or_marked(pictures, real, tmp_path):
    store = fill(tmp_path / "s", pictures, only=[1, 4])
    with pytest.raises(InputError, match=r"without 2 of 4 shards: 2/4, 3/4") as caught:
        mifid.score(store, real, extractor=Counting(), ci=0)
    assert "--shard 2/4" in caught.value.hint
    assert "incomplete=True" in caught.value.hint
    report = mifid.score(store, real, extractor=Counting(), incomplete=True)
    assert report.n_generated == 11
    assert "without 2 of the 4 shards" in report.not_comparable
    assert "without 2 of the 4 shards" in report.text()
    assert "without 2 of the 4 shards" in json.loads(report.to_json())["not_comparable_reason"]


def test_a_comparison_marks_the_submission_without_all_shards(pictures, real, tmp_path):
    store = fill(tmp_path / "s", pictures, only=[1, 4])
    with pytest.warns(MifidWarning, match=r"submission s is not comparable: .* 2 of the 4 shards"):
        found = mifid.compare(
            [repainted(9), store], real, extractor=Counting(), ci=0, incomplete=True
        )
    assert len(found.warnings) == 1
    assert "2 of the 4 shards" in "".join(found["s"].warnings)


def test_fid_of_many_needs_one_part_in_memory(pictures, real, tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.pipeline.sides._KEEP_FEATURES", 5)
    store = fill(tmp_path / "s", pictures)
    whole = FeatureStore.open(store)
    expected = mifid.score(whole.values, real, extractor=Counting(), metrics=["fid"], ci=0)
    monkeypatch.setattr(FeatureStore, "values", property(lambda self: 1 / 0))
    report = mifid.score(store, real, extractor=Counting(), metrics=["fid"])
    assert report.fid == pytest.approx(expected.fid, rel=1e-9)
    assert report.inputs["generated"].n == 23


def test_a_store_may_be_any_side(pictures, real, tmp_path):
    own = {"extractor": Counting()}
    store = fill(tmp_path / "s", real, 3)
    direct = mifid.score(pictures, real, extractor=Counting(), ci=0)
    assert mifid.score(pictures, store, extractor=Counting(), ci=0).mifid == pytest.approx(
        direct.mifid
    )
    ranked = mifid.compare([pictures, fill(tmp_path / "t", repainted(9), 2)], store, ci=0, **own)
    assert ranked["generated"].mifid == pytest.approx(direct.mifid)
    assert FeatureStore.open(store).statistics().n == 12


def test_a_limit_draws_the_same_rows(pictures, real, tmp_path):
    store = fill(tmp_path / "s", pictures)
    drawn_later = mifid.score(store, real, extractor=Counting(), limit=9)
    direct = mifid.score(pictures, real, extractor=Counting(), limit=9)
    before = mifid.score(
        fill(tmp_path / "t", pictures, 2, limit=9), real[:9], extractor=Counting(), ci=0
    )
    assert drawn_later.fid == pytest.approx(direct.fid)
    assert before.inputs["generated"].available == 23
    assert before.fid == pytest.approx(
        mifid.score(pictures, real[:9], extractor=Counting(), limit=9).fid
    )


def test_bad_pictures_are_left_out_or_named(tmp_path, real):
    folder = write_pictures(tmp_path / "g", repainted(8))
    for bad in ("002.png", "003.png", "006.png"):
        (folder / bad).write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(PictureError, match=r"002\.png"):
        fill(tmp_path / "s", folder, only=[2])
    assert not (tmp_path / "s").exists()
    # Shard 2 of 4 holds no other: it is a part without features.
    found = FeatureStore.open(fill(tmp_path / "s", folder, skip_bad=True))
    assert [name for name, _ in found.bad] == ["002.png", "003.png", "006.png"]
    direct = mifid.features(folder, extractor=colours, skip_bad=True)
    np.testing.assert_array_equal(found.values, direct.values)
    assert found.names == direct.names
    report = mifid.score(found, real, extractor=Counting(), ci=0)
    assert "left out 3 bad" in report.text()


def test_a_store_without_any_picture_and_a_part_alone(tmp_path, real):
    folder = write_pictures(tmp_path / "g", repainted(4))
    for path in folder.iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    store = fill(tmp_path / "none", folder, 2, skip_bad=True)
    with pytest.raises(FeatureError, match="holds no pictures; a covariance needs two"):
        mifid.score(store, real, extractor=Counting(), ci=0)
    store = fill(tmp_path / "s", write_pictures(folder, repainted(16)), 2)
    (tmp_path / "above").mkdir()
    store.rename(tmp_path / "above" / "s")
    with pytest.raises(InputError, match=r"it holds 2 files ending in \.npz") as caught:
        mifid.score(tmp_path / "above", real, extractor=Counting(), ci=0)
    assert "the folder of its parts" in caught.value.hint
    part = min((tmp_path / "above" / "s").iterdir())
    with pytest.warns(MifidWarning, match=f"{part.name} is one part of a feature store"):
        report = mifid.score(part, real, extractor=Counting(), ci=0)
    assert report.n_generated == 8


def test_pictures_that_changed_are_another_part(tmp_path):
    folder = write_pictures(tmp_path / "g", repainted(8))
    fill(tmp_path / "s", folder, 2)
    write_pictures(folder, drawn("photo", 1))
    fill(tmp_path / "s", folder, 2, only=[2])  # as it was
    with pytest.raises(InputError, match="of other pictures than those of shard 1/2"):
        fill(tmp_path / "s", folder, 2, only=[1])


@pytest.mark.parametrize(
    ("other", "kind", "says"),
    [
        ({"extractor": Counting("other 2")}, CompatibilityError, "different networks"),
        ({"count": 3}, InputError, "numbers of shards: .* of 4, .* of 3"),
        ({"limit": 20}, InputError, "numbers of pictures of the set: .* of 23, .* of 20"),
    ],
)
def test_a_store_of_something_else_is_refused_before_the_work(
    other, kind, says, pictures, tmp_path
):
    store = fill(tmp_path / "s", pictures, only=[1])
    extractor = other.setdefault("extractor", Counting())
    extractor.pictures = 0
    with pytest.raises(kind, match=says):
        fill(store, pictures, only=[2], **other)
    assert extractor.pictures == 0


@pytest.mark.parametrize(
    ("shard", "says"),
    [
        ("0/4", "1/4 to 4/4"),
        ("5/4", "1/4 to 4/4"),
        ("1/0", "no such shard"),
        ("3", "NUMBER/COUNT"),
        ("a/b", "NUMBER/COUNT"),
        ("1/24", "at most 23: shard='1/23'"),
    ],
)
def test_no_such_shard(shard, says, pictures, tmp_path):
    with pytest.raises(InputError, match=re.escape(says)):
        compute_shards(pictures, tmp_path / "s", shard=shard, extractor=Counting())
    assert not list((tmp_path).rglob("part-*"))


def test_what_cannot_be_divided_or_recognized_is_refused(pictures, tmp_path):
    with pytest.raises(InputError, match="passes by once"):
        compute_shards(iter(repainted(3)), tmp_path / "s", extractor=Counting())
    with pytest.raises(InputError, match="no fingerprint"):
        compute_shards(pictures, tmp_path / "s", extractor=colours)
    Path(tmp_path / "file").write_text("")
    for place in ("file", "file/s"):
        with pytest.raises(OutputError, match=r"cannot make the folder .*file is no folder"):
            compute_shards(pictures, tmp_path / place, extractor=Counting())
    store = fill(tmp_path / "s", pictures)
    with pytest.raises(InputError, match="holds features or statistics already"):
        compute_shards(store, tmp_path / "t", extractor=Counting())


def test_a_job_that_fails_leaves_no_empty_store(pictures, tmp_path):
    broken = write_pictures(tmp_path / "g", repainted(4))
    (broken / "002.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(PictureError, match=r"002\.png"):
        compute_shards(broken, tmp_path / "a" / "s", shard="2/2", extractor=Counting())
    assert not (tmp_path / "a").exists()
    compute_shards(broken, tmp_path / "a" / "s", shard="1/2", extractor=Counting())
    with pytest.raises(PictureError, match=r"002\.png"):
        compute_shards(broken, tmp_path / "a" / "s", shard="2/2", extractor=Counting())
    assert len(list((tmp_path / "a" / "s").iterdir())) == 1


@pytest.mark.parametrize("ended", [KeyboardInterrupt, RuntimeError])
def test_a_job_that_fails_takes_no_store_from_another(ended, pictures, tmp_path):
    def failing(batch):
        (tmp_path / "s").mkdir()  # by another job, which is about to write its part
        raise ended

    failing.fingerprint = "failing"
    with pytest.raises((FeatureError, KeyboardInterrupt)):
        compute_shards(pictures, tmp_path / "s", shard="1/2", extractor=failing)
    assert (tmp_path / "s").is_dir()


@pytest.mark.parametrize(
    ("store", "says"),
    [("", "no path given"), ("s3://bucket/s", "s3://bucket/s is a URL; expected a path on disk")],
)
def test_a_store_lies_at_a_path(store, says, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        compute_shards(pictures, store, extractor=Counting())
    assert not list(tmp_path.iterdir())


def test_a_large_store_is_scored_part_by_part(pictures, real, tmp_path, monkeypatch):
    metrics = ["mifid", "dc", "authpct", "kid", "mind"]
    store = fill(tmp_path / "s", pictures)
    held = mifid.score(store, real, extractor=Counting(), metrics=metrics, ci=0)
    monkeypatch.setattr("mifid.pipeline.sides._MOST_HELD", 100)
    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "values", property(lambda self: pytest.fail("held")))
        parted = mifid.score(store, real, extractor=Counting(), metrics=metrics)
    assert parted.fid == pytest.approx(held.fid, rel=1e-9)
    assert parted.memorization_distance == pytest.approx(held.memorization_distance, rel=1e-12)
    assert parted.mifid == pytest.approx(held.mifid, rel=1e-9)
    for name in metrics[1:]:
        assert parted.metrics[name].values == pytest.approx(held.metrics[name].values)
    assert "more features than are held in memory" in parted.uncertainty_reason
    with pytest.raises(UnavailableError, match="more features than are held in memory") as caught:
        _ = parted.pictures
    assert "ci=95" in caught.value.hint
    # What compares generated pictures with each other holds them all.
    every = mifid.score(store, real, extractor=Counting(), metrics=["mifid", "pr"], ci=0)
    assert every.metrics["pr"].values["recall"] >= 0
    assert every.uncertainty is None
    assert mifid.score(store, real, extractor=Counting(), ci=95, replicates=100).uncertainty
