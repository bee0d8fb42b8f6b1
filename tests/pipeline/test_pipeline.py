"""Pictures to features through the cache."""

import errno
import warnings

import numpy as np
import pytest
from PIL import Image
from toys import Counting, colours, drawn, write_pictures

import mifid
from mifid.cache import Cache
from mifid.errors import FeatureError, InputError, MifidWarning, PictureError
from mifid.extractors import open_extractor
from mifid.images import open_images
from mifid.pipeline.options import Options
from mifid.pipeline.pipeline import Pipeline


def test_features_come_in_the_order_of_names(tmp_path):
    pixels = drawn("photo", 5)
    folder = write_pictures(tmp_path / "p", pixels, names=["e", "b", "d", "a", "c"])
    features = mifid.features(folder, extractor=colours)
    assert features.names == ("a.png", "b.png", "c.png", "d.png", "e.png")
    np.testing.assert_allclose(features.values[:, :3], pixels[[3, 1, 4, 2, 0]].mean(axis=(1, 2)))
    assert features.values.dtype == np.float32


def test_mixed_sizes(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 3, 32), names="aec")
    write_pictures(folder, drawn("painting", 3, 48), names="bdf")
    features = mifid.features(folder, extractor=colours, batch_size=2)
    for name, value in zip(features.names, features.values, strict=True):
        pixels = np.asarray(Image.open(folder / name))
        np.testing.assert_allclose(value[:3], pixels.mean(axis=(0, 1)), rtol=1e-6)


def test_the_second_run_needs_no_network(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 6))
    counting = Counting()
    first = mifid.features(folder, extractor=counting)
    second = mifid.features(folder, extractor=counting)
    assert counting.pictures == 6
    np.testing.assert_array_equal(first.values, second.values)
    assert first.names == second.names
    assert first.provenance == second.provenance


def test_renamed_pictures_are_the_same_pictures(tmp_path):
    pixels = drawn("photo", 6)
    counting = Counting()
    first = mifid.features(write_pictures(tmp_path / "p", pixels), extractor=counting)
    renamed = write_pictures(tmp_path / "q", pixels, names="fadbec")
    second = mifid.features(renamed, extractor=counting)
    assert counting.pictures == 6
    order = np.argsort(list("fadbec"))
    np.testing.assert_array_equal(second.values, first.values[order])
    assert second.names == tuple(f"{c}.png" for c in "abcdef")


def test_another_picture_under_the_same_name_is_another_picture(tmp_path):
    counting = Counting()
    folder = write_pictures(tmp_path / "p", drawn("photo", 4))
    first = mifid.features(folder, extractor=counting)
    write_pictures(folder, drawn("painting", 4)[:1])
    second = mifid.features(folder, extractor=counting)
    assert counting.pictures == 8
    assert not np.array_equal(first.values[0], second.values[0])
    np.testing.assert_array_equal(first.values[1:], second.values[1:])


def test_another_fingerprint_is_another_extractor(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 4))
    one, other = Counting("1"), Counting("2")
    mifid.features(folder, extractor=one)
    mifid.features(folder, extractor=other)
    assert (one.pictures, other.pictures) == (4, 4)


def test_without_a_fingerprint_nothing_is_kept(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 4))
    mifid.features(folder, extractor=colours)
    assert Cache().entries() == []


def test_no_cache(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 4))
    counting = Counting()
    for _ in range(2):
        mifid.features(folder, extractor=counting, cache=False)
    assert counting.pictures == 8
    assert Cache().entries() == []


def test_a_damaged_entry_is_computed_anew(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 4))
    counting = Counting()
    first = mifid.features(folder, extractor=counting)
    path = Cache().entries()[0].path
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.warns(MifidWarning, match="computed again"):
        second = mifid.features(folder, extractor=counting)
    assert counting.pictures == 8
    np.testing.assert_array_equal(first.values, second.values)


def test_byte_identical_pictures(tmp_path):
    pixels = drawn("photo", 3)[[0, 1, 0, 2, 1, 0]]
    folder = write_pictures(tmp_path / "p", pixels)
    first = mifid.features(folder, extractor=Counting())
    second = mifid.features(folder, extractor=Counting())
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.values[0], first.values[5])


def bad_folder(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 5), "jpg")
    content = (folder / "002.jpg").read_bytes()
    (folder / "002.jpg").write_bytes(content[: len(content) // 2])
    return folder


def test_a_bad_picture_names_itself(tmp_path):
    with pytest.raises(PictureError, match=r"'002.jpg' is damaged"):
        mifid.features(bad_folder(tmp_path), extractor=Counting())
    assert Cache().entries() == []


def test_skip_bad_goes_on_and_tells_cached_or_not(tmp_path):
    folder = bad_folder(tmp_path)
    counting = Counting()
    for _ in range(2):
        features = mifid.features(folder, extractor=counting, skip_bad=True)
        assert features.names == ("000.jpg", "001.jpg", "003.jpg", "004.jpg")
        assert [name for name, _ in features.bad] == ["002.jpg"]
        assert "damaged" in features.bad[0][1]
    assert counting.pictures == 4
    (folder / "002.jpg").rename(folder / "renamed.jpg")
    renamed = mifid.features(folder, extractor=counting, skip_bad=True)
    assert renamed.bad[0][0] == "renamed.jpg"
    assert "'renamed.jpg' is damaged" in renamed.bad[0][1]
    (folder / "renamed.jpg").rename(folder / "002.jpg")
    # What was kept with skip_bad must not hide the bad picture from a run without it.
    with pytest.raises(PictureError, match=r"'002.jpg'"):
        mifid.features(folder, extractor=counting)


def test_all_bad(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.jpg").write_text("hello")
    with pytest.raises(
        InputError, match=r"all 2 pictures are bad; the first: 'a.jpg' is not a pic"
    ):
        mifid.features(folder, extractor=colours, skip_bad=True)


def test_conversions_are_counted_cached_or_not(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 3))
    Image.fromarray(drawn("photo", 1)[0]).convert("L").save(folder / "grey.png")
    for _ in range(2):
        assert mifid.features(folder, extractor=Counting()).converted == {"L": 1}


def test_streams_are_neither_kept_nor_counted_ahead():
    batches = (drawn("photo", 3, seed=s) for s in (0, 3, 6))
    features = mifid.features(batches, extractor=Counting(), batch_size=2)
    expected = mifid.features(drawn("photo", 9), extractor=Counting())
    np.testing.assert_allclose(features.values, expected.values)
    assert features.names is None


def test_statistics_of_a_stream_hold_no_features():
    pipeline = Pipeline(open_extractor(Counting()), Options())
    batches = (drawn("photo", 3, seed=s) for s in (0, 3, 6))
    statistics = pipeline.statistics(open_images(batches), "generated")
    rows = mifid.features(drawn("photo", 9), extractor=colours).values.astype(np.float64)
    assert statistics.n == 9
    np.testing.assert_allclose(statistics.mu, rows.mean(axis=0))
    np.testing.assert_allclose(statistics.sigma, np.cov(rows, rowvar=False))


def test_statistics_are_cached(tmp_path):
    counting = Counting()
    source = open_images(drawn("photo", 9))
    for _ in range(2):
        pipeline = Pipeline(open_extractor(counting), Options())
        statistics = pipeline.statistics(source, "generated")
        assert statistics.n == 9
        assert statistics.provenance.extractor.endswith("Counting")
    assert counting.pictures == 9


def test_nan_features_name_the_picture():
    def broken(batch):
        values = colours(batch)
        values[2, 1] = float("nan")
        return values

    with pytest.raises(FeatureError, match=r"NaN or infinite features, first for picture '\[2\]'"):
        mifid.features(drawn("photo", 4), extractor=broken)


@pytest.mark.parametrize("setting", ["batch_size", "workers"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "4"])
def test_options_below_one_or_no_whole_numbers(setting, value):
    with pytest.raises(InputError, match=f"{setting} is {value!r}; expected 1 or more"):
        mifid.features(drawn("photo", 2), extractor=colours, **{setting: value})


def test_interrupted_work_leaves_nothing(tmp_path):
    folder = write_pictures(tmp_path / "p", drawn("photo", 8))

    def interrupted(batch):
        raise KeyboardInterrupt

    interrupted.fingerprint = "x"
    with pytest.raises(KeyboardInterrupt):
        mifid.features(folder, extractor=interrupted, batch_size=2)
    assert Cache().entries() == []


def test_nothing_is_printed(tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mifid.features(drawn("photo", 4), extractor=colours)
    assert capfd.readouterr() == ("", "")


def test_progress_is_told():
    told = []

    class Told:
        def task(self, label, total, unit):
            told.append((label, total, unit))
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            told.append("end")

        def advance(self, steps=1):
            told.append(steps)

    mifid.features(drawn("photo", 5), extractor=colours, batch_size=2, progress=Told())
    hashing = [("hash features", None, ""), "end"]
    assert told == [*hashing, ("features", 5, "picture"), 2, 2, 1, "end"]


def test_an_archive_read_before_is_known_by_its_hash(tmp_path, monkeypatch):
    """The second run does not read its entries; another archive's are read."""
    import shutil

    folder = write_pictures(tmp_path / "p", drawn("photo", 5))
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", folder)
    counting = Counting()
    first = mifid.features(archive, extractor=counting)
    read = []
    monkeypatch.setattr(
        "mifid.images.zip.read_entry", lambda archive, info: read.append(info) or b""
    )
    second = mifid.features(archive, extractor=counting)
    assert read == []
    np.testing.assert_array_equal(first.values, second.values)
    assert first.names == second.names
    monkeypatch.undo()


def test_a_changed_archive_is_read_anew(tmp_path):
    import shutil

    counting = Counting()
    values = []
    for seed in (0, 100):
        folder = write_pictures(tmp_path / "p", drawn("photo", 5, seed=seed))
        archive = shutil.make_archive(str(tmp_path / "images"), "zip", folder)
        values.append(mifid.features(archive, extractor=counting).values)
    assert counting.pictures == 10
    assert not np.array_equal(*values)


def test_what_pictures_look_like_is_kept_with_their_features(tmp_path):
    folder = write_pictures(tmp_path / "a", np.concatenate([drawn("photo", 3), drawn("photo", 1)]))
    extractor = Counting()
    seen = []
    for ask in ("features", "features", "statistics", "statistics"):
        pipeline = Pipeline(open_extractor(extractor), Options())
        getattr(pipeline, ask)(open_images(folder), "a")
        seen.append(pipeline.outcomes["a"])
    assert [outcome.cached for outcome in seen] == [False, True, True, True]
    assert {outcome.inspection.to_json() for outcome in seen} == {seen[0].inspection.to_json()}
    assert seen[0].inspection.sizes == {(32, 32): 4}
    assert all(outcome.digests == seen[0].digests for outcome in seen)
    assert len(set(seen[0].digests)) == 3


def test_what_a_stream_looks_like_is_known_once_it_has_passed():
    pipeline = Pipeline(open_extractor(Counting()), Options(cache=False))
    pipeline.features(open_images(iter([drawn("photo", 3), drawn("photo", 2)])), "a")
    assert pipeline.outcomes["a"].inspection.sizes == {(32, 32): 5}
    assert pipeline.outcomes["a"].sha256 is None
    assert pipeline.outcomes["a"].digests is None


@pytest.mark.parametrize("fault", ["no folder", "unreadable"])
def test_what_is_wrong_with_the_cache_is_said_once_a_run(fault, tmp_path, monkeypatch):
    """Though several entries cannot be written, or read."""
    sides = [write_pictures(tmp_path / kind, drawn(kind, 5)) for kind in ("photo", "painting")]
    if fault == "no folder":
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "file"))
        text = "results could not be cached in"
    else:
        mifid.score(*sides, extractor=Counting())

        def refuse(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr("mifid.cache.read_arrays", refuse)
        text = "cannot be read: Permission denied"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        mifid.score(*sides, extractor=Counting())
    assert sum(text in str(each.message) for each in found) == 1
