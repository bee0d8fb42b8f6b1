"""Pictures that change while they are scored: refused or right, never kept under a wrong key."""

import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
from pictures import encode, noise, write_folder, write_tar, write_tfrecord, write_zip
from toys import colours

import mifid
from mifid.errors import InputError
from mifid.extractors import open_extractor
from mifid.images import open_images
from mifid.images.source import Unchanged
from mifid.pipeline import pipeline
from mifid.pipeline.options import Options
from mifid.statistics.features import Features


def files(epoch, n=8):
    return [(f"{i:02}.png", encode(noise(100 * epoch + i, 8, 8))) for i in range(n)]


ARCHIVES = {
    "a.zip": write_zip,
    "a.tar": write_tar,
    "a.tar.gz": lambda path, entries: write_tar(path, entries, "gz"),
    "a.tfrec": write_tfrecord,
}


class Meanwhile:
    """colours(), and another program that does something at the first batch of all."""

    fingerprint = "1"

    def __init__(self, do=lambda: None):
        self.do = do

    def __call__(self, batch):
        do, self.do = self.do, lambda: None
        do()
        return colours(batch)


def values(given, meanwhile=lambda: None, **more):
    """Features, sorted: whatever the names are."""
    options = {"batch_size": 2, "workers": 1, **more}
    found = mifid.features(given, extractor=Meanwhile(meanwhile), **options).values
    return found[np.lexsort(found.T)]


def assert_right(*given, **more):
    """What the cache holds is what is computed without it."""
    for one in given:
        np.testing.assert_array_equal(values(one, **more), values(one, cache=False, **more))


def in_place(path, content):
    """Write into the same file, as no rename would."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("moment", ["once it is open", "as it is scored"])
def test_an_archive_that_is_replaced_by_a_rename(name, moment, tmp_path):
    old, new = (ARCHIVES[name](tmp_path / f"{i}{name}", files(i)) for i in (1, 2))
    path, copy = (shutil.copy(one, tmp_path / f"{i}{name}") for i, one in (("", old), ("x", new)))
    source = open_images(path)
    early, late = (lambda: os.replace(new, path)), lambda: None
    if moment == "as it is scored":
        early, late = late, early
    early()
    # A file that is open stays what it was. TFRecords are opened for each record.
    with suppress(InputError):
        found = values(source, late)
        assert any(np.array_equal(found, values(each, cache=False)) for each in (old, copy))
    source.close()
    assert_right(path, copy, old)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tfrec"])
def test_an_archive_that_is_overwritten_in_place(name, tmp_path):
    old, new = (ARCHIVES[name](tmp_path / f"{i}{name}", files(i)) for i in (1, 2))
    path = shutil.copy(old, tmp_path / name)
    # What was read ahead may be all of a small file.
    with suppress(InputError):
        found = values(path, lambda: in_place(path, new.read_bytes()))
        np.testing.assert_array_equal(found, values(old, cache=False))
    assert_right(path, old, new)


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("moment", ["before its digests", "after its digests"])
def test_digests_are_never_kept_under_the_hash_of_another_archive(
    name, moment, tmp_path, monkeypatch
):
    old, new = (ARCHIVES[name](tmp_path / f"{i}{name}", files(i)) for i in (1, 2))
    path, copy = tmp_path / name, tmp_path / f"copy{name}"
    shutil.copy(old, path)
    shutil.copy(new, copy)
    real = pipeline.digests

    def replaced(source, *, workers=None):
        monkeypatch.setattr(pipeline, "digests", real)
        if moment == "before its digests":
            os.replace(new, path)
        found = real(source, workers=workers)
        if moment == "after its digests":
            os.replace(new, path)
        return found

    monkeypatch.setattr(pipeline, "digests", replaced)
    with suppress(InputError):
        values(path)
    assert_right(path, copy, old)


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("change", ["overwritten", "damaged", "removed"])
def test_a_folder_whose_pictures_change_is_refused_and_not_kept(change, skip_bad, tmp_path):
    folder = write_folder(tmp_path / "out", files(1))
    same = write_folder(tmp_path / "epoch1", files(1))

    def meanwhile():
        if change == "overwritten":
            write_folder(folder, files(2))
        elif change == "damaged":
            write_folder(folder, [("07.png", b"no picture any more")])
        else:
            (folder / "07.png").unlink()

    with pytest.raises(InputError, match=r"folder .*out: '\d\d.png' changed while it was read"):
        values(folder, meanwhile, skip_bad=skip_bad)
    assert_right(same, folder, skip_bad=True)


def test_a_picture_that_can_be_read_again_is_another_picture_too(tmp_path):
    folder = write_folder(tmp_path / "out", files(1))
    source = open_images(folder)
    found = pipeline.digests(source)
    checked = Unchanged(source, [None, *found[1:]])
    assert checked.read(1) == (folder / "01.png").read_bytes()
    with pytest.raises(InputError, match=r"'00\.png' changed"):
        checked.read(0)


def test_the_same_content_written_again_is_no_change(tmp_path):
    folder = write_folder(tmp_path / "out", files(1))
    found = values(folder, lambda: write_folder(folder, files(1)))
    np.testing.assert_array_equal(found, values(folder, cache=False))


@pytest.mark.parametrize("kind", ["in memory", "memory-mapped"])
def test_an_array_that_changes_is_refused_and_not_kept(kind, tmp_path):
    pixels = np.stack([noise(i, 8, 8) for i in range(8)])
    np.save(tmp_path / "a.npy", pixels)
    given = pixels if kind == "in memory" else tmp_path / "a.npy"
    written = pixels if kind == "in memory" else np.load(given, mmap_mode="r+")
    with pytest.raises(InputError, match=r"'\[\d+\]' changed while it was read"):
        values(given, lambda: written.__setitem__(slice(None), 7))
    assert_right(np.stack([noise(i, 8, 8) for i in range(8)]))


def test_pixels_are_hashed_and_handed_on_as_one(random):
    """Whatever writes to the array after the hash was taken."""
    pixels = random.randint(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    source = open_images(pixels)
    read = Unchanged(source, pipeline.digests(source)).read(1).pixels
    before = pixels[1].copy()
    pixels[:] = 0
    np.testing.assert_array_equal(read, before)


def test_statistics_are_not_kept_under_a_wrong_key_either(tmp_path):
    folder = write_folder(tmp_path / "out", files(1))
    same = open_images(write_folder(tmp_path / "same", files(1)))

    def of(source, do=lambda: None):
        return pipeline.Pipeline(open_extractor(Meanwhile(do)), Options(batch_size=2)).statistics(
            source, "generated"
        )

    with pytest.raises(InputError, match="changed while it was read"):
        of(open_images(folder), lambda: write_folder(folder, files(2)))
    rows = mifid.features(same, extractor=colours).values.astype(np.float64)
    np.testing.assert_allclose(of(same).mu, rows.mean(axis=0))


def test_features_cannot_be_changed_after_they_were_hashed():
    own = np.zeros((3, 2), np.float32)
    found = Features(own)
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1
    own[0] = 1  # the caller's own stays the caller's
