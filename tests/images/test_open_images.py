"""Whatever holds pictures: one test of the whole contract over every kind of source there is."""

import gc
import os
import pickle
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import (
    contents,
    digest_counts,
    encode,
    named_pipe,
    noise,
    noises,
    read_pixels,
    write_folder,
    write_tar,
    write_tfrecord,
    write_zip,
)
from PIL import Image

from mifid.errors import InputError
from mifid.images import KINDS, Source, Stream, open_images
from mifid.images.loader import BatchReader, digests
from mifid.images.source import Decoded
from mifid.registry import import_object

PIXELS = noises(7)
FILES = [(f"{i}.png", encode(picture)) for i, picture in enumerate(PIXELS)]


def array_file(folder):
    np.save(folder / "a.npy", np.stack(PIXELS))
    return folder / "a.npy"


# kind -> how to make one that holds PIXELS in this order of names, but in another of entries.
def pickled_array(folder):
    path = folder / "a.pkl"
    path.write_bytes(pickle.dumps({"samples": np.stack(PIXELS)}, protocol=4))
    return path


def shards(folder):
    write_tar(folder / "a-0.tar", FILES[:3])
    write_tar(folder / "a-1.tar", FILES[3:])
    return str(folder / "a-{0..1}.tar")


def listed(folder):
    write_folder(folder, FILES)
    (folder / "list.txt").write_text("".join(f"{name}\n" for name, _ in FILES[::-1]))
    return folder / "list.txt"


def table(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = pytest.importorskip("pyarrow").table({"image": [content for _, content in FILES]})
    parquet.write_table(rows, folder / "a.parquet")
    return folder / "a.parquet"


class Dataset:
    """As of Hugging Face: its class is known by name."""

    features = property(lambda self: {"image": type("Image", (), {})()})
    format = property(lambda self: {"type": None})

    def __len__(self):
        return len(FILES)

    def with_format(self, kind):
        return self

    def __getitem__(self, rows):
        return pytest.importorskip("pyarrow").table({"image": [c for _, c in FILES[rows]]})


Dataset.__module__ = "datasets.arrow_dataset"


def remote(_):
    system = pytest.importorskip("fsspec").filesystem("memory")
    for name, content in FILES:
        system.pipe(f"/every/{name}", content)
    return "memory://every/"


MAKERS = {
    "URL": remote,
    "table": table,
    "data set": lambda folder: Dataset(),
    "shards": shards,
    "list": listed,
    "TFRecord": lambda folder: write_tfrecord(folder / "a.tfrec", FILES[::-1]),
    "folder": lambda folder: write_folder(folder, FILES[::-1]),
    "zip": lambda folder: write_zip(folder / "a.zip", FILES[::-1]),
    "tar": lambda folder: write_tar(folder / "a.tar.gz", FILES[::-1], "gz"),
    "pattern": lambda folder: str(write_folder(folder, FILES[::-1]) / "*.png"),
    "array file": array_file,
    "pickled array": pickled_array,
    "items": lambda folder: [Image.fromarray(picture) for picture in PIXELS],
    "array": lambda folder: np.stack(PIXELS),
}

every_kind = pytest.mark.parametrize("kind", KINDS)
without_files = settings(max_examples=40, deadline=None)
with_files = settings(max_examples=15, deadline=None)

# Few seeds, so that hypothesis finds equal pictures under several names.
named_pictures = st.lists(
    st.tuples(st.sampled_from(["a.png", "b.png", "é/c.png", "B.PNG", "10.png"]), st.integers(0, 3)),
    min_size=1,
    max_size=6,
)


def test_every_kind_has_a_maker_here():
    assert set(MAKERS) == set(KINDS)


@every_kind
def test_the_first_kind_that_accepts_is_the_right_one(kind, tmp_path):
    given_now = MAKERS[kind](tmp_path)
    accepting = [name for name, (accepts, _) in KINDS.items() if import_object(accepts)(given_now)]
    assert accepting[0] == kind


@every_kind
@pytest.mark.parametrize("nothing", [None, 3, object(), {}, "no such thing"])
def test_no_kind_accepts_what_holds_no_pictures(kind, nothing):
    assert import_object(KINDS[kind][0])(nothing) is False


@every_kind
def test_every_kind_keeps_the_contract(kind, tmp_path):
    source = open_images(MAKERS[kind](tmp_path))
    assert isinstance(source, Source)
    assert len(source) == len(source.names) == len(PIXELS)
    assert source.names == sorted(source.names)
    assert all(isinstance(name, str) for name in source.names)
    assert source.description
    assert sum(source.skipped.values()) == 0
    for index in (3, 0, 6, 3):  # in any order, as often as one likes
        content = source.read(index)
        assert isinstance(content, bytes | Decoded)
        np.testing.assert_array_equal(read_pixels(source, index), PIXELS[index])
        assert read_pixels(source, index).dtype == np.uint8
    source.close()
    source.close()  # once more does no harm


@every_kind
def test_every_kind_can_be_read_by_threads(kind, tmp_path):
    source = open_images(MAKERS[kind](tmp_path))
    order = list(range(len(source))) * 20
    with ThreadPoolExecutor(4) as pool:
        for index, pixels in zip(
            order, pool.map(lambda i: read_pixels(source, i), order), strict=True
        ):
            np.testing.assert_array_equal(pixels, PIXELS[index])


@every_kind
def test_every_kind_gives_the_same_digests_when_opened_again(kind, tmp_path):
    given_now = MAKERS[kind](tmp_path)
    first, second = (digests(open_images(given_now)) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(PIXELS)
    assert all(len(digest) == 32 for digest in first)


@every_kind
def test_every_kind_comes_in_batches(kind, tmp_path):
    source = open_images(MAKERS[kind](tmp_path))
    batches = list(BatchReader(source, batch_size=3, workers=2, skip_bad=False))
    assert [len(batch.pixels) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([b.indices for b in batches]), np.arange(7))
    np.testing.assert_array_equal(np.concatenate([b.pixels for b in batches]), np.stack(PIXELS))


@every_kind
def test_no_kind_leaves_a_file_open_when_it_is_forgotten(kind, tmp_path):
    given_now = MAKERS[kind](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what others have forgotten is not this source's
    source = open_images(given_now)
    source.read(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del source
        gc.collect()
    assert [str(w.message) for w in caught] == []


def test_a_source_is_opened_as_it_is():
    source = open_images(np.stack(PIXELS))
    assert open_images(source) is source
    stream = Stream([])
    assert open_images(stream) is stream


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
@with_files
@given(entries=named_pictures, data=st.data())
def test_the_order_of_entries_never_matters(kind, entries, data):
    files = [(name, encode(noise(seed))) for name, seed in entries]
    if kind == "folder":  # where a name stands once
        files = list(dict(files).items())
    shuffled = data.draw(st.permutations(files))
    write = {
        "folder": lambda folder, files: write_folder(folder / "a", files),
        "zip": lambda folder, files: write_zip(folder / "a.zip", files),
        "tar": lambda folder, files: write_tar(folder / "a.tar", files),
    }[kind]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = open_images(write(Path(one), files))
        second = open_images(write(Path(other), shuffled))
        assert first.names == second.names == sorted(name for name, _ in files)
        assert contents(first) == contents(second)
        assert digest_counts(first) == digest_counts(second)
        assert sum(contents(first).values()) == len(files)
        first.close()
        second.close()


@without_files
@given(seeds=st.lists(st.integers(0, 3), min_size=1, max_size=6), data=st.data())
def test_names_never_matter_to_the_digests(seeds, data):
    """The same pictures in another order, so under other names, are the same set."""
    shuffled = data.draw(st.permutations(seeds))
    stacks = [np.stack([noise(seed) for seed in order]) for order in (seeds, shuffled)]
    first, second = (digest_counts(open_images(stack)) for stack in stacks)
    assert first == second
    assert len(first) == len(set(seeds))
    lists = [[Image.fromarray(p) for p in stack] for stack in stacks]
    assert digest_counts(open_images(lists[0])) == digest_counts(open_images(lists[1])) == first


def test_zip_tar_and_folder_of_the_same_files_have_the_same_digests(tmp_path):
    kinds = ("folder", "zip", "tar", "pattern")
    found = []
    for kind in kinds:
        (tmp_path / kind).mkdir()
        found.append(digests(open_images(MAKERS[kind](tmp_path / kind))))
    assert found == [found[0]] * len(kinds)


@pytest.mark.parametrize("path", [str, Path])
def test_paths_may_be_texts_or_path_objects(path, tmp_path):
    write_folder(tmp_path, FILES)
    assert len(open_images(path(tmp_path))) == len(FILES)


def test_a_path_that_does_not_exist_is_named_with_what_was_expected(tmp_path):
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "monet_jgp")
    assert caught.value.message == f"no such file or folder: {tmp_path / 'monet_jgp'}"
    assert (
        "Expected a folder, a .zip, .tar, .tar.gz, .tfrec, .parquet, .npy or .npz, a list of files"
        in caught.value.hint
    )


def test_a_misspelt_path_gets_the_name_that_is_most_like_it(tmp_path):
    write_folder(tmp_path / "monet_jpg", FILES)
    write_folder(tmp_path / "photo_jpg", FILES)
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "monet_jgp")
    assert caught.value.hint.startswith(f"Did you mean {tmp_path / 'monet_jpg'}? Expected a folder")
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "MONET_JPG.")
    assert caught.value.hint.startswith(f"Did you mean {tmp_path / 'monet_jpg'}?")
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "monet_jgp" / "a.png")
    assert caught.value.hint.startswith(f"Did you mean {tmp_path / 'monet_jpg'}?")


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_path_is_no_folder(empty):
    """pathlib takes it for the current folder."""
    with pytest.raises(InputError, match=r"no path given .*is a variable unset"):
        open_images(empty)


def test_a_url_of_a_file_on_disk_is_told_to_be_one():
    with pytest.raises(InputError, match=r"file:///tmp/a\.zip is a URL") as caught:
        open_images("file:///tmp/a.zip")
    assert "Give it as a path: /tmp/a.zip" in caught.value.hint


def test_a_zero_byte_in_a_path_is_told():
    with pytest.raises(InputError, match="zero byte"):
        open_images("a\0b")


def test_a_missing_parent_folder_is_told_too(tmp_path):
    with pytest.raises(InputError, match=rf"the folder {tmp_path}/gone does not exist either"):
        open_images(tmp_path / "gone" / "monet_jpg")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.npy", "a.npz", "a.png"])
def test_a_missing_file_is_missing_whatever_its_ending(name, tmp_path):
    with pytest.raises(InputError, match=f"no such file or folder: {tmp_path / name}"):
        open_images(str(tmp_path / name))


@pytest.mark.parametrize("name", ["notes.md", "notes", "weights.bin"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Dear diary, today I trained a GAN", "it is a text"),
        (b"1.jpg\n2.jpg\n", "it is a text"),
        (b"\x89HDF\r\n\x1a\n\0", "it is an HDF5 file"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "it is a 7-Zip archive"),
        (b"Rar!\x1a\x07\0", "it is a RAR archive"),
        (b"\x28\xb5\x2f\xfd\4", "it is compressed by Zstandard"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "it is a pointer of Git LFS"),
        (encode(noise()), "it is a PNG picture"),
        (encode(noise(), "JPEG"), "it is a JPEG picture"),
        (b"", "it is empty"),
        (bytes(99), "it is nothing but zeros"),
        (b"\x01\x02\xff\xfeabc", r"it begins with b'\x01\x02\xff\xfeabc'"),
    ],
)
def test_a_file_of_something_else_is_told_by_what_it_is(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / name)
    assert "neither pictures, nor features, nor statistics" in caught.value.message
    assert said in caught.value.message
    assert "Expected a folder" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["pipe", "pipe.zip", "pipe.tar", "pipe.npy", "pipe.png"])
def test_a_named_pipe_is_refused_at_once_and_not_waited_for(name, tmp_path):
    with named_pipe(tmp_path / name), pytest.raises(InputError) as caught:
        open_images(tmp_path / name)
    assert f"{tmp_path / name} is neither a file nor a folder" in caught.value.message
    assert "write the pictures to a zip or folder" in caught.value.hint


@pytest.mark.parametrize("name", ["a", "a.zip", "a.tar.gz", "a.tar", "a.npy", "a.npz"])
def test_a_file_that_may_not_be_read_is_told(name, tmp_path, monkeypatch):
    """Simulated, as the superuser, who runs many a container, may read everything."""
    (tmp_path / name).write_bytes(b"secret")
    real = open

    def refuse(file, *args, **kwargs):
        if os.fspath(file) == str(tmp_path / name):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr("io.open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=f"{name}.*Permission denied"):
        open_images(tmp_path / name)


@pytest.mark.parametrize("thing", [3, None, object(), 2.5])
def test_what_is_no_set_of_pictures_is_refused_by_its_type(thing):
    with pytest.raises(InputError) as caught:
        open_images(thing)
    what = {3: "an int", None: "None", 2.5: "a float"}.get(thing, "an object")
    assert caught.value.message == f"cannot read pictures from {what}"
    assert "Expected a path, an array, a tensor, PIL images, or an iterable" in caught.value.hint


def test_generators_of_batches_are_streams_read_as_they_come():
    taken = []

    def generate():
        for i in range(3):
            taken.append(i)
            yield np.stack([noise(2 * i), noise(2 * i + 1)])

    stream = open_images(generate())
    assert isinstance(stream, Stream)
    assert taken == []  # nothing is made before it is asked for
    batches = iter(stream)
    np.testing.assert_array_equal(next(batches), np.stack([noise(0), noise(1)]))
    assert taken == [0]
    assert sum(len(batch) for batch in batches) == 4


def test_streams_may_mix_tensors_arrays_and_single_pictures():
    tensor = torch.from_numpy(np.stack(PIXELS[:2])).permute(0, 3, 1, 2)
    batches = list(open_images(iter([tensor, np.stack(PIXELS[2:5]), PIXELS[5]])))
    assert [len(batch) for batch in batches] == [2, 3, 1]
    np.testing.assert_array_equal(np.concatenate(batches), np.stack(PIXELS[:6]))


def test_streams_of_floats_need_their_range_too():
    floats = np.full((1, 2, 2, 3), 0.5, np.float32)
    with pytest.raises(InputError, match="its range is not known"):
        next(iter(open_images(iter([floats]))))
    (batch,) = open_images(iter([floats]), value_range=(-1, 1))
    assert (batch == 191).all()  # 1.5 * 127.5 = 191.25


def test_an_empty_generator_is_a_stream_of_nothing():
    assert list(open_images(iter(()))) == []
    with pytest.raises(InputError, match="no pictures in an empty list"):
        open_images([])


def test_what_a_stream_yields_is_checked_when_it_comes():
    stream = iter(open_images(iter([np.zeros((2, 2, 8, 8), np.uint8)])))
    with pytest.raises(
        InputError, match=r"item 0 has shape \(2, 2, 8, 8\); expected \(N, H, W, 3\)"
    ):
        next(stream)


def test_names_that_are_not_utf_8_become_printable(tmp_path):
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")) / "a.png").write_bytes(FILES[0][1])
    except OSError:
        pytest.skip("file names are always UTF-8 here")
    source = open_images(tmp_path)
    assert source.names == ["caf\\udce9/a.png"]
    np.testing.assert_array_equal(read_pixels(source, 0), PIXELS[0])
    inner = open_images(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    assert inner.description.endswith("caf\\udce9")
    (source.description + source.names[0] + inner.description).encode()
