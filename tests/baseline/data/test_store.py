"""Training pictures, decoded once into the cache."""

import multiprocessing
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from other_processes import Counting, store_counting
from patience import PATIENCE
from pictures import decoding_threads, encode, noise, write_folder, write_tfrecord, write_zip

from mifid.baseline.config.schema import Data
from mifid.baseline.data import store as module
from mifid.baseline.data import store as pixelfile
from mifid.baseline.data.fitting import fit_picture
from mifid.baseline.data.store import store_pixels
from mifid.errors import InputError, MifidWarning, OutputError, PictureError
from mifid.images import open_images
from mifid.progress import Silent

SIZE = 16
PIXELS = [noise(i, SIZE, SIZE) for i in range(5)]
FILES = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(PIXELS)]


def store(given, *, fit="exact", label="photos", limit=0, select="", progress=None, **more):
    return store_pixels(
        open_images(given),
        label=label,
        data=Data(size=SIZE, fit=fit, **{f"limit_{label}": limit, f"select_{label}": str(select)}),
        progress=progress or Silent(),
        workers=2,
        **more,
    )


def stored():
    return sorted(Path(os.environ["MIFID_CACHE"]).glob("pixels/*.npy"))


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photos", FILES)


def test_pictures_are_decoded_once_and_then_mapped(folder):
    progress = Counting()
    first, second = (store(folder, progress=progress) for _ in range(2))
    assert progress.tasks == [["decode photos", 5, "picture", 5]]
    for found in (first, second):
        assert found.names == tuple(name for name, _ in FILES)
        assert found.description == f"5 photos from folder {folder}"
        assert isinstance(found.pixels, np.memmap)
        assert found.pixels.dtype == np.uint8
        assert not found.pixels.flags.writeable
        np.testing.assert_array_equal(found.pixels, np.stack(PIXELS))
    assert first.sha256 == second.sha256
    (path,) = stored()
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), np.stack(PIXELS))
    assert decoding_threads() == []


def test_more_pictures_than_a_batch(monkeypatch, folder):
    monkeypatch.setattr(module, "_BATCH", 2)
    np.testing.assert_array_equal(store(folder).pixels, np.stack(PIXELS))


def test_the_same_pictures_have_the_same_hash_wherever_they_lie(folder, tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES[::-1])
    records = write_tfrecord(tmp_path / "a.tfrec", FILES)
    hashes = {store(given).sha256 for given in (folder, archive, records)}
    assert len(hashes) == 1
    assert len(stored()) == 3


def test_the_hash_is_of_names_and_pixels(folder, tmp_path):
    first = store(folder).sha256
    (folder / "0.png").rename(folder / "00.png")
    assert store(folder).sha256 != first
    (folder / "00.png").rename(folder / "0.png")
    assert store(folder).sha256 == first
    (folder / "0.png").write_bytes(FILES[1][1])
    assert store(folder).sha256 != first


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_other_sizes_are_fitted_in_their_places(fit, folder):
    other = noise(9, 24, 40)
    (folder / "2.png").write_bytes(encode(other))
    found = store(folder, fit=fit).pixels
    np.testing.assert_array_equal(found[[0, 1, 3, 4]], np.stack(PIXELS)[[0, 1, 3, 4]])
    expected = fit_picture(other, size=SIZE, fit=fit, name="")
    np.testing.assert_array_equal(found[2], expected)


def test_another_policy_is_another_file(folder):
    (folder / "2.png").write_bytes(encode(noise(9, 24, 40)))
    crop, stretch = (store(folder, fit=fit) for fit in ("crop", "stretch"))
    assert crop.sha256 != stretch.sha256
    assert len(stored()) == 2


def test_exact_refuses_other_sizes_and_leaves_nothing(folder):
    (folder / "2.png").write_bytes(encode(noise(9, 24, 40)))
    with pytest.raises(InputError) as caught:
        store(folder)
    assert caught.value.message == (
        f"1 of 5 photos in folder {folder} are not 16 x 16 pixels: 1 is 40 x 24 ('2.png')"
    )
    left = [path for path in Path(os.environ["MIFID_CACHE"], "pixels").iterdir() if path.is_file()]
    assert all(path.suffix == ".lock" for path in left)


def test_limit_takes_the_first_by_name_after_the_selection(folder, tmp_path):
    names = tmp_path / "names"
    names.write_text("4\n1\n3\n")
    assert store(folder, limit=2).names == ("0.png", "1.png")
    assert store(folder, limit=9).names == tuple(name for name, _ in FILES)
    assert store(folder, select=names).names == ("1.png", "3.png", "4.png")
    found = store(folder, select=names, limit=2)
    assert found.names == ("1.png", "3.png")
    assert found.description == f"2 photos from folder {folder}"
    np.testing.assert_array_equal(found.pixels, np.stack(PIXELS)[[1, 3]])
    np.testing.assert_array_equal(store(folder).pixels, np.stack(PIXELS))


def test_selections_from_an_archive_are_told_apart(tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES)
    assert [len(store(archive, limit=n).names) for n in (2, 3, 0)] == [2, 3, 5]


def test_the_selection_names_its_setting(folder, tmp_path):
    with pytest.raises(InputError, match=r"^data\.select_paintings: cannot read "):
        store(folder, label="paintings", select=tmp_path / "gone")


def test_one_picture_is_too_few(tmp_path):
    folder = write_folder(tmp_path / "a", FILES[:1])
    with pytest.raises(InputError) as caught:
        store(folder, label="paintings")
    assert caught.value.message == (
        f"too few paintings to train on from folder {folder}: 1; expected 2 or more"
    )


def test_a_limit_of_one_is_too_few_and_named(folder, tmp_path):
    (tmp_path / "names").write_text("# none\n")
    for arguments in ({"limit": 1}, {"select": tmp_path / "names"}):
        with pytest.raises(InputError, match=r"5 are there; data\.select_photos, data\.limit_pho"):
            store(folder, **arguments)


def test_a_bad_picture_is_named_unless_it_may_be_left_out(folder):
    (folder / "2.png").write_bytes(b"<html>")
    with pytest.raises(PictureError, match=f"folder {folder}: '2.png' is not a picture"):
        store(folder)
    for _ in range(2):  # decoded, and from the cache
        with pytest.warns(MifidWarning, match=r"1 of 5 photos cannot .* left out; .*'2"):
            found = store(folder, skip_bad=True)
        assert found.names == ("0.png", "1.png", "3.png", "4.png")
        np.testing.assert_array_equal(found.pixels, np.stack(PIXELS)[[0, 1, 3, 4]])
    with pytest.raises(PictureError):  # what was left out once is not left out unasked
        store(folder)


def test_tiny_pictures_are_bad_ones(folder):
    (folder / "2.png").write_bytes(encode(noise(0, 3, 3)))
    with pytest.raises(PictureError, match=f"folder {folder}: '2.png' is tiny: 3 x 3 pixels"):
        store(folder, fit="crop")
    with pytest.warns(MifidWarning, match="are tiny"):
        assert len(store(folder, fit="crop", skip_bad=True).names) == 4


def test_nothing_but_bad_pictures(tmp_path):
    folder = write_folder(tmp_path / "a", [("0.png", b""), ("1.png", b"x")])
    with pytest.raises(InputError, match=r"too few photos to train on from .*: 0; expected 2"):
        store(folder, skip_bad=True)


@pytest.mark.parametrize("where", [0, 40, 200, 2000, -200, -100, -1])
@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_file_is_made_anew(where, cut, folder):
    """In its header, its pixels, its names and hash."""
    first = store(folder)
    (path,) = stored()
    content = bytearray(path.read_bytes())
    content[where] ^= 4
    path.unlink()  # the first is still mapped
    path.write_bytes(content[:where] if cut else content)
    progress = Counting()
    with pytest.warns(MifidWarning, match="are damaged and are decoded again"):
        again = store(folder, progress=progress)
    assert len(progress.tasks) == 1
    assert again.sha256 == first.sha256
    assert again.names == first.names
    np.testing.assert_array_equal(again.pixels, np.stack(PIXELS))
    np.testing.assert_array_equal(store(folder).pixels, np.stack(PIXELS))


def test_a_disk_without_room_is_told_before_anything_is_written(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10000, 6000, 3000))
    with pytest.raises(OutputError) as caught:
        store(folder)
    cache = Path(os.environ["MIFID_CACHE"], "pixels")
    assert f"{cache} has no room for the decoded photos" in caught.value.message
    assert "3.0 kB free" in caught.value.message
    for way in ("MIFID_CACHE", "mifid cache clear", "settings=['data.limit_photos=N']"):
        assert way in caught.value.hint
    assert stored() == []


def test_a_cache_that_cannot_be_made(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"cannot make the folder .*file/pixels.*\n.*MIFID_CACHE"):
        store(folder)


def test_what_killed_runs_left_is_swept_after_a_day(folder):
    cache = Path(os.environ["MIFID_CACHE"], "pixels")
    cache.mkdir(parents=True)
    young, old = (cache / f".{name}.npy.x.tmp" for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    store(folder)
    assert young.exists()
    assert not old.exists()


def test_several_processes_at_once_decode_once(folder):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=store_counting, args=(folder, SIZE, queue)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    assert sum(tasks for _, _, tasks in results) == 1
    assert {found[:2] for found in results} == {(store(folder).sha256, int(np.sum(PIXELS)))}


def test_arrays_can_be_trained_on_too():
    found = store(np.stack(PIXELS), label="paintings")
    np.testing.assert_array_equal(found.pixels, np.stack(PIXELS))
    assert found.description == f"5 paintings from array of shape (5, {SIZE}, {SIZE}, 3)"


def test_the_competitions_tfrecords(data):
    found = store_pixels(
        open_images(data / "monet_tfrec"), label="paintings", data=Data(), progress=Silent()
    )
    assert found.pixels.shape == (60, 256, 256, 3)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_pictures_that_change_while_they_are_decoded_are_refused_and_not_kept(
    kind, tmp_path, monkeypatch
):
    others = [(name, encode(255 - pixels)) for (name, _), pixels in zip(FILES, PIXELS, strict=True)]
    if kind == "folder":
        path = write_folder(tmp_path / "photos", FILES)
    else:
        path = write_zip(tmp_path / "photos.zip", FILES)
    real = module.FittedSource

    def changed(*args, **options):
        monkeypatch.setattr(module, "FittedSource", real)
        if kind == "folder":
            write_folder(path, others)
        else:
            os.replace(write_zip(tmp_path / "new.zip", others), path)
        return real(*args, **options)

    monkeypatch.setattr(module, "FittedSource", changed)
    with pytest.raises(InputError, match="changed while it was read"):
        store(path)
    assert stored() == []
    np.testing.assert_array_equal(store(path).pixels, np.stack([255 - p for p in PIXELS]))


def test_any_flipped_bit_of_a_header_is_noticed_or_harmless(folder):
    """Bits of the shape decide where the checksum is looked for."""
    store(folder)
    (path,) = stored()
    whole = path.read_bytes()
    for bit in range(8 * whole.index(b"}")):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = pixelfile.read(path, size=SIZE)
        except Exception:  # of nearly any kind, as its documentation says
            continue
        np.testing.assert_array_equal(found.pixels, np.stack(PIXELS))
        assert found.names == tuple(name for name, _ in FILES)
