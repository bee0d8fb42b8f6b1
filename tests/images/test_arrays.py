"""Pixels that are pixels already: shapes, types, ranges, and the files that hold them."""

import io
import os
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, noises
from PIL import Image

from mifid.errors import InputError, MifidError, PictureError
from mifid.images import open_images
from mifid.images.arrays import Stacker, as_rgb
from mifid.images.decoding import decode
from mifid.images.source import Decoded, digest

STACK = np.stack(noises(4))
TENSOR = torch.from_numpy(STACK).permute(0, 3, 1, 2)
LEVELS = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)


def to_pixels(given, value_range=None):
    """The whole set, as its pictures are read."""
    stacker = Stacker(value_range)
    pixels = as_rgb(stacker(given, "the array"))
    stacker.finish("the array")
    return pixels


def first(source):
    return source.read(0).pixels


def test_arrays_are_channels_last_and_tensors_channels_first():
    for given_now in (STACK, TENSOR):
        source = open_images(given_now)
        assert len(source) == 4
        for i in range(4):
            np.testing.assert_array_equal(source.read(i).pixels, STACK[i])
            assert source.read(i).mode == "RGB"
    assert open_images(STACK).description == "array of shape (4, 6, 5, 3)"
    assert open_images(TENSOR).description == "tensor of shape (4, 3, 6, 5)"


def test_names_are_positions_that_sort_as_numbers():
    names = open_images(np.zeros((11, 2, 2, 3), np.uint8)).names
    assert names[:2] == ["[00]", "[01]"]
    assert names == sorted(names)


def test_one_picture_without_the_batch_axis_is_a_set_of_one():
    np.testing.assert_array_equal(first(open_images(STACK[0])), STACK[0])
    np.testing.assert_array_equal(first(open_images(TENSOR[0])), STACK[0])


def test_tensors_with_a_gradient_are_taken_too():
    floats = (TENSOR.double() / 255).requires_grad_()
    np.testing.assert_array_equal(to_pixels(floats, value_range=(0, 1)), STACK)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((4, 6, 5), r"x\[:, :, :, None\], .* a single picture as x\[None\]"),
        ((1, 4, 6, 5, 3), r"x\.reshape\(-1"),
        ((4, 7, 5, 2), "The second or the last axis .* 1, 3 or 4"),
        ((7, 5, 3, 9), r"np\.moveaxis\(x, 3, 0\)"),
        ((24,), r"\(N, 3, H, W\)"),
        ((), r"\(N, 3, H, W\)"),
    ],
)
def test_arrays_of_another_shape_are_refused_by_what_would_mend_it(shape, hint):
    with pytest.raises(InputError) as caught:
        open_images(np.zeros(shape, np.uint8))
    assert f"the array has shape {shape}" in caught.value.message
    assert re.search(hint, caught.value.hint)
    assert "transpose" not in str(caught.value)


@pytest.mark.parametrize("features", [np.zeros((24, 2048)), np.zeros(2048), torch.zeros(24, 2048)])
def test_features_are_not_taken_for_pictures(features):
    with pytest.raises(
        InputError, match=r"has shape \(.*2048.*\).*\nFeatures \(N, D\) are not pictures"
    ):
        open_images(features)


def test_the_channels_axis_follows_from_the_shape():
    for other in (TENSOR.numpy(), torch.from_numpy(STACK)):
        source = open_images(other)
        np.testing.assert_array_equal([source.read(i).pixels for i in range(4)], STACK)


def test_where_several_axes_could_hold_channels_the_custom_decides():
    square = np.random.RandomState(0).randint(0, 256, (2, 3, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(first(open_images(square)), square[0])
    tensor = torch.from_numpy(square)
    np.testing.assert_array_equal(first(open_images(tensor)), square[0].transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("form", ["NHWC", "NCHW", "tensor", "NHW"])
def test_one_and_four_channels_are_taken_as_files_are(channels, form):
    stack = np.random.RandomState(0).randint(0, 256, (5, 8, 9, channels), dtype=np.uint8)
    if form == "NHW" and channels == 4:
        pytest.skip("that is grey alone")
    given_now = {
        "NHWC": lambda: stack,
        "NCHW": lambda: stack.transpose(0, 3, 1, 2),
        "tensor": lambda: torch.from_numpy(stack).permute(0, 3, 1, 2),
        "NHW": lambda: stack[..., 0],
    }[form]()
    mode = {1: "L", 4: "RGBA"}[channels]
    source = open_images(given_now)
    for i, picture in enumerate(stack):
        as_file = decode(encode(Image.fromarray(picture.squeeze(), mode)), "a.png")
        assert source.read(i).mode == mode == as_file.mode
        np.testing.assert_array_equal(source.read(i).pixels, as_file.pixels)


class Image4(torch.Tensor):
    """As torchvision's tv_tensors: a tensor by its ancestors, in a module of another name."""


def test_what_is_made_of_tensors_is_a_tensor():
    source = open_images([picture.as_subclass(Image4) for picture in TENSOR])
    np.testing.assert_array_equal([source.read(i).pixels for i in range(4)], STACK)
    assert len(open_images(TENSOR.as_subclass(Image4))) == 4


@pytest.mark.parametrize(
    "strange",
    [torch.zeros(2, 3, 4, 4).to_sparse(), torch.zeros(2, 3, 4, 4, device="meta")],
)
def test_tensors_without_plain_values_are_told(strange):
    with pytest.raises(InputError, match="a tensor that NumPy cannot read"):
        open_images(strange, value_range=(0, 1))


@pytest.mark.parametrize("shape", [(2, 0, 4, 3), (2, 4, 0, 3)])
def test_pictures_without_pixels_are_refused(shape):
    with pytest.raises(InputError, match=r"has shape .* no pixels"):
        open_images(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("empty", [STACK[:0], TENSOR[:0]])
def test_no_pictures_at_all_are_refused(empty):
    with pytest.raises(InputError, match=r"no pictures in (array|tensor) of shape \(0, .*it is em"):
        open_images(empty)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool", "complex64", "<U2"])
def test_types_without_a_meaning_as_pixels_are_refused_by_name(dtype):
    with pytest.raises(InputError) as caught:
        open_images(np.zeros((2, 4, 4, 3), dtype), value_range=(0, 1))
    assert caught.value.message.startswith(f"the array is {np.dtype(dtype)}")
    assert "; expected uint8 in 0..255" in caught.value.message


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ([0, 255], r"x\.astype\('uint8'\); .* tensor: x\.to\(torch\.uint8\)"),
        ([0, 1], "Multiply by 255 before"),
        ([-1, 300], r"to 0\.\.255"),
        ([False, True], r"\(x \* 255\)"),
    ],
)
def test_integers_say_what_they_hold_and_how_to_pass_them(values, hint):
    for given_now in (np.resize(values, (2, 4, 4, 3)), torch.tensor(values * 48).view(2, 3, 4, 4)):
        with pytest.raises(InputError, match=hint) as caught:
            open_images(given_now)
        if isinstance(values[0], int) and not isinstance(values[0], bool):
            assert f"from {values[0]} to {values[1]}" in caught.value.message


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint16"])
def test_integers_of_a_stated_range_are_taken(dtype):
    wide = LEVELS.astype(dtype)
    np.testing.assert_array_equal(to_pixels(wide, value_range=(0, 255)), LEVELS)
    if dtype == "uint16":
        np.testing.assert_array_equal(to_pixels(wide * 257, value_range=(0, 65535)), LEVELS)


@pytest.mark.parametrize("floats", [STACK / 255, TENSOR / 255])
def test_floats_without_a_range_are_refused_with_the_ways_to_say_it(floats):
    with pytest.raises(InputError) as caught:
        open_images(floats)
    assert "and its range is not known" in caught.value.message
    assert "give (x * 255).round().astype('uint8')" in caught.value.hint
    assert "value_range=(0, 1)" in caught.value.hint


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (0, 255)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_level_survives_as_a_float(value_range, dtype):
    low, high = value_range
    floats = (LEVELS.astype(np.float64) / 255 * (high - low) + low).astype(dtype)
    np.testing.assert_array_equal(to_pixels(floats, value_range=value_range), LEVELS)


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_every_level_survives_as_a_half(value_range):
    low, high = value_range
    tensor = torch.from_numpy(LEVELS).permute(0, 3, 1, 2).double() / 255 * (high - low) + low
    np.testing.assert_array_equal(to_pixels(tensor.half(), value_range=value_range), LEVELS)


def test_bfloat16_which_numpy_does_not_know_is_read():
    tensor = torch.tensor([0.0, 0.5, 1.0], dtype=torch.bfloat16).reshape(1, 3, 1, 1)
    assert to_pixels(tensor, value_range=(0, 1)).ravel().tolist() == [0, 128, 255]


def test_floats_are_rounded_to_the_nearest_level_and_clipped():
    values = np.array([-0.009, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 1.009])
    pixels = to_pixels(values.reshape(1, 2, 1, 3), value_range=(0, 1))
    assert pixels.ravel().tolist() == [0, 0, 1, 254, 255, 255]
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused(value):
    floats = np.zeros((3, 4, 4, 3))
    floats[1, 1, 2] = value
    for stated in ((0, 1), None):
        with pytest.raises(InputError, match="the array holds NaN or infinite pixels") as caught:
            to_pixels(floats, value_range=stated)
        assert "3 of 144 values, in 1 of 3 pictures" in caught.value.message
        code = caught.value.hint.partition(": ")[2].rstrip(".")
        assert len(eval(code, {"x": floats, "np": np})) == 2  # what the hint says mends it


@pytest.mark.parametrize(
    "value_range", [(0, 0), (1, 0), (np.nan, 1), (0, np.inf), (0, 1, 2), 1, "01", ("a", "b")]
)
def test_a_range_that_is_none_is_refused(value_range):
    with pytest.raises(InputError, match=r"value_range=.* is not a range; expected .*=\(0, 1\)"):
        to_pixels(np.zeros((1, 4, 4, 3)), value_range=value_range)


def test_a_range_says_nothing_about_bytes():
    np.testing.assert_array_equal(to_pixels(STACK, value_range=(-1, 1)), STACK)


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 3), height=st.integers(1, 5), width=st.integers(1, 5), seed=st.integers(0, 99)
)
def test_arrays_tensors_and_pil_images_of_the_same_pixels_are_the_same_set(n, height, width, seed):
    stack = np.random.RandomState(seed).randint(0, 256, (n, height, width, 3), dtype=np.uint8)
    forms = [
        stack,
        torch.from_numpy(stack).permute(0, 3, 1, 2),
        [Image.fromarray(p) for p in stack],
    ]
    found = [[digest(s.read(i)) for i in range(n)] for s in map(open_images, forms)]
    assert found[0] == found[1] == found[2]


def test_the_digest_of_pixels_tells_shapes_apart():
    flat = np.zeros((2, 8, 3), np.uint8)
    assert digest(Decoded(flat)) != digest(Decoded(flat.reshape(4, 4, 3)))
    assert digest(Decoded(flat)) == digest(Decoded(flat.copy(order="F")))


# PIL images


def test_pil_images_may_have_any_sizes_and_modes():
    images = [Image.fromarray(noise(0, 4, 9)), Image.new("L", (3, 2), 7), Image.new("RGBA", (1, 1))]
    source = open_images(images)
    assert [source.read(i).pixels.shape for i in range(3)] == [(4, 9, 3), (2, 3, 3), (1, 1, 3)]
    assert [source.read(i).mode for i in range(3)] == ["RGB", "L", "RGBA"]
    assert source.description == "3 PIL images"


def test_one_pil_image_and_a_tuple_of_them():
    assert len(open_images(Image.new("RGB", (4, 4)))) == 1
    assert len(open_images((Image.new("RGB", (4, 4)), Image.new("RGB", (5, 5))))) == 2


def test_images_that_are_still_files_are_read(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(noise()))
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(first(open_images([image])), noise())


def test_the_callers_image_stays_as_it_is():
    image = Image.new("P", (4, 4), 0)
    image.info["transparency"] = b"\0\1\2"
    before = image.copy()
    open_images([image]).read(0)
    assert image.info == {"transparency": b"\0\1\2"}
    assert image.mode == "P"
    assert image.tobytes() == before.tobytes()


def test_a_pil_image_of_a_truncated_file_is_a_bad_picture():
    content = encode(noise(0, 40, 40), "JPEG")
    image = Image.open(io.BytesIO(content[: len(content) // 2]))
    with pytest.raises(PictureError, match=r"'\[0\]' is damaged: image file is truncated"):
        open_images([image]).read(0)


# .npy and .npz


def test_npy_files_are_mapped_and_not_read_whole(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    source = open_images(tmp_path / "a.npy")
    assert isinstance(source._pixels, np.memmap) or isinstance(source._pixels.base, np.memmap)
    np.testing.assert_array_equal(first(source), STACK[0])
    assert source.description == f"array file {tmp_path / 'a.npy'}"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["arr_0", "images"])
def test_npz_files_give_their_first_set_of_pictures(save, key, tmp_path):
    """ADM's samples hold arr_0, the pictures, and arr_1, their classes."""
    save(tmp_path / "a.npz", **{key: STACK, "arr_1": np.arange(4)})
    source = open_images(tmp_path / "a.npz")
    np.testing.assert_array_equal([source.read(i).pixels for i in range(4)], STACK)


def test_floats_in_files_need_their_range_and_take_it(tmp_path):
    np.save(tmp_path / "a.npy", STACK / 255)
    np.savez(tmp_path / "a.npz", STACK / 255)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match=f"{tmp_path / name} is float64, and its range is not"):
            open_images(tmp_path / name)
        source = open_images(tmp_path / name, value_range=(0, 1))
        np.testing.assert_array_equal(first(source), STACK[0])


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_files_may_hold_channels_first_and_grey_ones(name, tmp_path):
    save = np.save if name == "a.npy" else np.savez
    save(tmp_path / name, TENSOR.numpy())
    np.testing.assert_array_equal(first(open_images(tmp_path / name)), STACK[0])
    save(tmp_path / name, STACK[:, :, :, 0].repeat(2, axis=0))
    assert open_images(tmp_path / name).read(0).mode == "L"


def test_a_shape_in_a_file_is_told_with_the_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 2, 6, 5), np.uint8))
    with pytest.raises(InputError, match=rf"{tmp_path}/a.npy has shape \(4, 2, 6, 5\); expected"):
        open_images(tmp_path / "a.npy")


def test_an_npz_that_is_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.images.archive._FREE_EXPANSION", 0)
    np.savez_compressed(tmp_path / "a.npz", np.zeros((9, 99, 99, 3), np.uint8))
    with pytest.raises(InputError, match="decompression bomb"):
        open_images(tmp_path / "a.npz")


def test_an_npz_of_other_things_is_told_with_what_it_holds(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.arange(3), weights=np.zeros((3, 3)))
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "a.npz")
    where = f"{tmp_path / 'a.npz'} holds no pictures"
    assert caught.value.message == f"{where}: its arrays are labels, weights"
    assert "Expected (N, H, W, 3) uint8 pictures, or 'features', or 'mu'" in caught.value.hint


class Trap:
    """Reading it from a pickle would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickles_are_never_loaded(name, tmp_path):
    objects = np.array([Trap(tmp_path / "sprung")], dtype=object)
    save = np.save if name == "a.npy" else np.savez
    save(tmp_path / name, objects, allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot read .*\n.*Python objects are never loaded"):
        open_images(tmp_path / name)
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=f"cannot read {tmp_path / name} as NumPy arrays"):
        open_images(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_what_is_no_array_file_is_told(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / name)
    assert f"cannot read {tmp_path / name} as NumPy arrays: " in caught.value.message
    other = content[:1] in (b"P", b"\x93") and (content[:1] == b"P") == (name == "a.npy")
    hint = (
        "written completely" if not content else "the ending ." if other else "cut short or damaged"
    )
    assert hint in caught.value.hint
    assert content != b"hello" or caught.value.message.endswith(": it is a text")
    assert "pickle" not in caught.value.message  # NumPy's first guess at anything unknown


def test_a_header_that_asks_for_terabytes_is_refused(tmp_path):
    head = np.lib.format.header_data_from_array_1_0(STACK) | {"shape": (1 << 40, 64, 64, 3)}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, head)
    (tmp_path / "a.npy").write_bytes(buffer.getvalue() + bytes(100))
    with pytest.raises(InputError, match="cannot read"):
        open_images(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", STACK)
    whole = (tmp_path / "a.npz").read_bytes()
    damaged = whole.replace(b"(4, 6, 5, 3)", b"(4, 6e5**9,)").replace(b"|u1", b"<c1")
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(InputError, match="cannot read"):
        open_images(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore")  # NumPy's, on headers that were hit
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_told_or_does_no_harm(save, data, tmp_path_factory):
    """A single byte anywhere: an error of ours, or pictures."""
    path = tmp_path_factory.mktemp("a") / ("a.npy" if save is np.save else "a.npz")
    save(path, STACK)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        source = open_images(path)
    except MifidError:
        return
    assert all(source.read(i).pixels.shape[-1] == 3 for i in range(len(source)))
