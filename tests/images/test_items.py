"""Pictures as Python programs hold them: the same ones are the same set in any container."""

import copy
import io
import itertools
import re
from collections import UserDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, noises, write_folder, write_zip
from PIL import Image

from mifid.errors import InputError, PictureError
from mifid.images import Source, Stream, open_images, stated_for
from mifid.images.decoding import decode
from mifid.images.source import Decoded

PIXELS = noises(7)


class Dataset:
    """Asked by position, as torch's map-style data sets: no __iter__, and no IndexError."""

    def __init__(self, rows):
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index % len(self.rows)]


class Iterable:
    """Iterated over, as torch's IterableDataset and DataLoader."""

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)


def loader(rows):
    return torch.utils.data.DataLoader(Dataset(rows), batch_size=3)


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "map": lambda rows: map(copy.copy, rows),
    "data set": Dataset,
    "iterable": Iterable,
    "lists in a generator": lambda rows: iter([list(rows[:4]), list(rows[4:])]),
    "dict's values": lambda rows: dict(enumerate(rows)).values(),
}

ROWS = {
    "array": lambda x: x,
    "tensor": lambda x: torch.from_numpy(x).permute(2, 0, 1),
    "array, channels first": lambda x: x.transpose(2, 0, 1)[None],
    "PIL image": Image.fromarray,
    "encoded": encode,
    "bytearray": lambda x: bytearray(encode(x)),
    "file": lambda x: io.BytesIO(encode(x)),
    "floats": lambda x: (x / 255).astype(np.float32),
    "half": lambda x: torch.from_numpy(x / 255).permute(2, 0, 1).half(),
    "integers": lambda x: torch.from_numpy(x / 255.0).permute(2, 0, 1),
    "(picture, label)": lambda x: (Image.fromarray(x), 3),
    "(number, tensor, name)": lambda x: (0, torch.from_numpy(x).permute(2, 0, 1), "monet"),
    "(tensor,)": lambda x: (torch.from_numpy(x).permute(2, 0, 1),),
    "(picture, one-hot)": lambda x: (Image.fromarray(x), np.eye(10)[:1]),
    "dict of image": lambda x: {"image": Image.fromarray(x), "label": 3},
    "dict of pixel_values": lambda x: UserDict(pixel_values=torch.from_numpy(x).permute(2, 0, 1)),
    "Hugging Face's bytes": lambda x: {"image": {"bytes": encode(x), "path": None}, "label": 1},
}


def pictures_of(opened):
    """All pixels in order, and the modes that were converted."""
    if isinstance(opened, Stream):
        pixels = [picture for batch in opened for picture in batch]
        return pixels, dict(opened.converted)
    found = [opened.read(i) for i in range(len(opened))]
    decoded = [f if isinstance(f, Decoded) else decode(f, "a") for f in found]
    modes = [d.mode for d in decoded if d.mode != "RGB"]
    return [d.pixels for d in decoded], {mode: modes.count(mode) for mode in set(modes)}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_same_pictures_are_the_same_set(container, row):
    if container == "lists in a generator" and row == "array, channels first":
        pytest.skip("a list of batches may be pairs")
    rows = [ROWS[row](picture) for picture in PIXELS]
    opened = open_images(CONTAINERS[container](rows), value_range=(0, 1))
    assert isinstance(opened, Source) == (container in {"list", "tuple"})
    found, converted = pictures_of(opened)
    np.testing.assert_array_equal(found, PIXELS)
    assert converted == {}


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "RGB"])
@pytest.mark.parametrize("container", CONTAINERS)
@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=5, max_size=9))
def test_any_sizes_and_modes_are_taken_as_their_files_are(container, mode, sizes):
    images = [Image.fromarray(noise(i, h, w)).convert(mode) for i, (h, w) in enumerate(sizes)]
    found, converted = pictures_of(open_images(CONTAINERS[container](images)))
    assert converted == ({} if mode == "RGB" else {mode: len(images)})
    for pixels, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(pixels, decode(encode(image), "a").pixels)


@pytest.mark.parametrize(
    "rows",
    [
        [torch.from_numpy(x).permute(2, 0, 1) for x in PIXELS],
        [(torch.from_numpy(x).permute(2, 0, 1), i) for i, x in enumerate(PIXELS)],
        [{"img": torch.from_numpy(x).permute(2, 0, 1), "label": i} for i, x in enumerate(PIXELS)],
    ],
)
def test_data_loaders_give_batches_beside_their_labels(rows):
    found, _ = pictures_of(open_images(loader(rows)))
    np.testing.assert_array_equal(found, PIXELS)


def test_arrays_and_their_labels_beside_each_other():
    """What Keras' load_data() returns."""
    source = open_images((np.stack(PIXELS), np.arange(7)))
    np.testing.assert_array_equal(pictures_of(source)[0], PIXELS)


def test_batches_in_a_list_are_one_set():
    source = open_images([np.stack(PIXELS[:3]), torch.from_numpy(np.stack(PIXELS[3:]))])
    assert isinstance(source, Source)
    np.testing.assert_array_equal(pictures_of(source)[0], PIXELS)
    assert source.names == [f"[{i}]" for i in range(7)]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "gen", [(f"{i}.png", encode(x)) for i, x in enumerate(PIXELS)])


@pytest.mark.parametrize(
    "form",
    [
        lambda f: sorted(f.glob("*.png")),
        lambda f: tuple(map(str, sorted(f.glob("*.png"), reverse=True))),
        lambda f: np.array(sorted(map(str, f.glob("*.png")))),
        lambda f: [{"image": str(p)} for p in sorted(f.glob("*.png"))],
        lambda f: [(p, 0) for p in sorted(f.glob("*.png"))],
        lambda f: [(str(p), "class") for p in sorted(f.glob("*.png"))],
        lambda f: [str(f)],
        lambda f: [f / "[0-3].png", str(f / "[4-9].png")],
    ],
)
def test_lists_of_paths_are_files_with_their_names(form, folder):
    source = open_images(form(folder))
    assert isinstance(source, Source)
    assert source.travels
    np.testing.assert_array_equal(pictures_of(source)[0], PIXELS)
    assert [Path(name).name for name in source.names] == [f"{i}.png" for i in range(7)]


@pytest.mark.parametrize(
    "form",
    [
        lambda f: iter(sorted(f.glob("*.png"))),
        lambda f: (str(p) for p in sorted(f.glob("*.png"))),
        lambda f: (p.open("rb") for p in sorted(f.glob("*.png"))),
        lambda f: Dataset([(p, 0) for p in sorted(f.glob("*.png"))]),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed file")  # the caller's
def test_paths_that_pass_by_are_read(form, folder):
    found, _ = pictures_of(open_images(form(folder)))
    np.testing.assert_array_equal(found, PIXELS)


def test_several_sets_are_one_and_their_names_say_which(folder, tmp_path):
    archive = write_zip(tmp_path / "more.zip", [("0.png", encode(noise(9)))])
    np.save(tmp_path / "a.npy", noise(10)[None] / 255)
    single = write_folder(tmp_path, [("one.png", encode(noise(11)))]) / "one.png"
    given_now = [folder, str(archive), tmp_path / "a.npy", single]
    source = open_images(given_now, value_range=(0, 1))
    assert len(source) == 10
    assert source.names == sorted(source.names)
    found = dict(zip(source.names, pictures_of(source)[0], strict=True))
    np.testing.assert_array_equal(found[f"{folder}/0.png"], PIXELS[0])
    np.testing.assert_array_equal(found[f"{archive}/0.png"], noise(9))
    np.testing.assert_array_equal(found[f"{tmp_path}/a.npy/[0]"], noise(10))
    np.testing.assert_array_equal(found["one.png"], noise(11))
    assert source.description.startswith(f"folder {folder} and zip {archive} and array file ")
    source.close()


def test_one_set_given_twice_is_refused(folder):
    with pytest.raises(InputError, match=r"is given twice.*\n.*count twice"):
        open_images([folder, f"{folder}/."])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"path": 3, "label": 1}, "a dict with the keys path, label; none holds pictures"),
        ({}, "a dict with the keys none; none holds pictures"),
        (
            {"image": Image.new("RGB", (2, 2)), "img": Image.new("RGB", (2, 2))},
            "keys image, img; image and img hold pictures",
        ),
        ((noise(), noise()), r"a tuple of uint8 \(6, 5, 3\), uint8 \(6, 5, 3\): 2 of them can be"),
        (
            [torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)],
            r"a list of float32 \(2, 3, 8, 8\), float32 \(2, 3, 8, 8\): 2 of them can be the pict",
        ),
        ((3, "monet"), "a tuple of int, str: none is a picture"),
        ([], "a list of nothing: none is a picture"),
        (None, "is None, not a picture"),
        (3.5, "is a float, not a picture"),
        (3, "is an int, not a picture"),
        ("gone.png", "no such file or folder: gone.png"),
        ("", "no path given"),
        (Path("/"), "is the folder /; expected a picture file"),
        (np.zeros(2048, np.float32), r"has shape \(2048,\)"),
        (io.StringIO("text"), "a file opened as text"),
    ],
)
@pytest.mark.parametrize("container", ["list", "generator"])
def test_what_is_not_clear_is_refused_in_its_own_words(container, item, message):
    with pytest.raises(InputError, match=message) as caught:
        pictures_of(open_images(CONTAINERS[container]([noise(), item])))
    assert "item 1" in str(caught.value)
    assert "transpose" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("paths", [["gone.png", "more.png"], [Path("gone")], [""]])
def test_a_list_names_the_path_that_is_missing(paths):
    with pytest.raises(InputError, match=r"no such file or folder: gone|no path given"):
        open_images(paths)


def test_bytes_that_are_no_picture_are_bad_pictures():
    source = open_images([encode(noise()), b"PK\3\4 and more"])
    with pytest.raises(PictureError, match=r"'\[1\]' is not a picture: it is a zip"):
        decode(source.read(1), source.names[1])
    stream = open_images(iter([encode(noise()), b"PK\3\4 and more", encode(noise(1))]))
    with pytest.raises(PictureError, match=r"'1' is not a picture"):
        list(stream)


def test_a_stream_goes_on_without_bad_pictures_if_that_is_wanted():
    stream = open_images(iter([encode(noise()), b"PK\3\4 and more", encode(noise(1))]))
    stream.skip_bad = True
    found, _ = pictures_of(stream)
    np.testing.assert_array_equal(found, [noise(0), noise(1)])
    assert [(number, reason[:20]) for number, reason in stream.bad] == [
        (1, r"'1' is not a picture")
    ]


def test_single_pictures_of_a_stream_travel_together():
    """One by one they would go through the network one by one."""
    sizes = [len(batch) for batch in open_images(iter([*noises(40), *noises(5, 9, 9)]))]
    assert sizes == [32, 8, 5]
    large = (np.zeros((2900, 2900, 3), np.uint8) for _ in range(5))  # 25 MB each
    assert max(len(batch) for batch in open_images(large)) == 2


def test_grey_stacks_of_a_stream_may_end_with_a_few():
    grey = np.random.RandomState(0).randint(0, 256, (19, 8, 9), dtype=np.uint8)
    for batches in (
        [grey[:16], grey[16:]],
        [torch.from_numpy(grey[:16]), torch.from_numpy(grey[16:])],
    ):
        found, converted = pictures_of(open_images(iter(batches)))
        np.testing.assert_array_equal(found, grey[..., None].repeat(3, axis=3))
        assert converted == {"L": 19}


@pytest.mark.parametrize("limit", [1, 5, 6, 32, 33, 40])
@pytest.mark.parametrize("batch", [1, 3, None])
def test_a_limit_ends_an_endless_stream_without_asking_for_more(limit, batch):
    asked = []

    def endless():
        for i in itertools.count():
            asked.append(i)
            yield noise(i) if batch is None else np.stack([noise(i)] * batch)

    stream = open_images(endless())
    stream.limit = limit
    found, _ = pictures_of(stream)
    assert len(found) == limit
    assert len(asked) == -(-limit // (batch or 1))


# Values out of their range


def gradient(low, high, n=2):
    values = np.linspace(low, high, n * 16 * 16 * 3).reshape(n, 16, 16, 3)
    return values.astype(np.float32)


RANGES = [
    (
        gradient(0, 255),
        (0, 1),
        r"from 0 to \d+.*; 99\.\d% .* range of 0 to 1",
        r"value_range=\(0, 255\)",
    ),
    (gradient(-1, 1), (0, 1), r"from -1 to 1; 49\.\d% ", r"value_range=\(-1, 1\)\.$"),
    (gradient(-2.1, 2.6), (-1, 1), r"from -2\.1 to 2\.6", r"x \* std \+ mean"),
    (gradient(-30, 7000), (0, 255), r"from -30 to 7000", "clip them yourself"),
]


@pytest.mark.parametrize(("values", "stated", "met", "fits"), RANGES)
@pytest.mark.parametrize("form", ["array", "tensor", "list", "stream", "file"])
def test_values_of_another_range_are_refused_with_the_range_that_fits(
    form, values, stated, met, fits, tmp_path
):
    np.save(tmp_path / "a.npy", values)
    given_now = {
        "array": values,
        "tensor": torch.from_numpy(values).permute(0, 3, 1, 2),
        "list": list(values),
        "stream": iter([values]),
        "file": tmp_path / "a.npy",
    }[form]
    with pytest.raises(InputError, match=met) as caught:
        pictures_of(open_images(given_now, value_range=stated))
    assert re.search(fits, caught.value.hint)


@pytest.mark.parametrize("form", ["array", "list", "stream"])
@pytest.mark.parametrize(("beyond", "refused"), [(1, False), (2, True)])
def test_a_share_of_a_thousandth_may_be_out_of_range(form, beyond, refused):
    values = np.full((25, 8, 8, 3), 0.5)  # 4,800 values: 4 of them are within the share
    values.ravel()[: 3 * beyond] = 1.02
    values.ravel()[-3:] = 1.009  # ringing
    given_now = {"array": values, "list": list(values), "stream": iter(values[:, None])}[form]
    if refused:
        with pytest.raises(InputError, match=r"from 0\.5 to 1\.02; 0\.1% of them"):
            pictures_of(open_images(given_now, value_range=(0, 1)))
    else:
        assert len(pictures_of(open_images(given_now, value_range=(0, 1)))[0]) == 25


@pytest.mark.parametrize(
    ("fits", "code"),
    [
        ((0, 1), "(x * 255).round().astype('uint8')"),
        ((-1, 1), "((x + 1) * 127.5).round().astype('uint8')"),
        ((0, 255), "x.round().astype('uint8')"),
    ],
)
def test_floats_without_a_range_are_told_what_they_fit_and_how_they_become_uint8(fits, code):
    values = gradient(*fits)
    with pytest.raises(InputError, match="its range is not known") as caught:
        open_images(values)
    assert f"give {code}; or" in caught.value.hint
    assert f"value_range={fits}" in caught.value.hint
    levels = eval(code, {"x": values})  # the way that the hint names leads to the same pictures
    stated = pictures_of(open_images(values, value_range=fits))[0]
    assert np.array_equal(np.stack(pictures_of(open_images(levels))[0]), np.stack(stated))


def test_floats_of_no_usual_range_are_told_that_one_must_be_stated():
    with pytest.raises(InputError, match="its range is not known") as caught:
        open_images(gradient(-7, 90))
    assert "Values go from -7 to 90, which is none of the usual ranges" in caught.value.hint
    assert "value_range=(0, 1) or value_range=(-1, 1)" in caught.value.hint


def test_no_range_is_advised_where_none_can_be_stated():
    for values in (gradient(0, 1), gradient(-7, 90)):
        with stated_for(None), pytest.raises(InputError, match="not known") as caught:
            open_images(values)
        assert "uint8" in caught.value.hint
        assert "value_range" not in str(caught.value)


def test_a_class_is_no_data_set():
    with pytest.raises(InputError, match=r"the class .*; give an instance of it"):
        open_images(type("Photos", (), {"__len__": len, "__getitem__": len}))


def test_a_stream_of_clearly_another_range_ends_at_once():
    def endless():
        while True:
            yield gradient(0, 255)

    with pytest.raises(InputError, match="clearly outside"):
        list(open_images(endless(), value_range=(0, 1)))


def test_the_last_of_a_limited_stream_is_judged_too():
    stream = open_images(itertools.repeat(gradient(0, 1.03)), value_range=(0, 1))
    stream.limit = 5
    with pytest.raises(InputError, match="clearly outside"):
        list(stream)


@pytest.mark.parametrize(
    ("values", "stated", "doubt"),
    [
        (gradient(0, 1), (0, 1), None),
        (gradient(-1, 1), (-1, 1), None),
        (gradient(0, 255), (0, 255), None),
        (
            gradient(0, 1),
            (-1, 1),
            "from 0 to 1 in a stated range of -1 to 1: none is below 0; 0 to 1",
        ),
        (gradient(0, 1), (0, 255), "range of 0 to 255; 0 to 1 fits them: value_range=(0, 1)"),
        (gradient(0, 1).round(), (0, 1), "all are whole numbers"),
        (gradient(0, 255).round().astype(np.uint8), (-1, 1), None),
    ],
)
def test_a_range_that_is_hardly_right_is_doubted(values, stated, doubt):
    for given_now in (values, list(values), iter(values)):
        opened = open_images(given_now, value_range=stated)
        pictures_of(opened)
        assert len(opened.doubts) == (doubt is not None)
        assert doubt is None or doubt in opened.doubts[0]
