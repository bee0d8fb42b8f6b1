"""Pictures of any size, brought to the training size."""

import numpy as np
import pytest
from pictures import encode, noise
from PIL import Image

from mifid.baseline.data.fitting import FittedSource, fit_picture
from mifid.errors import PictureError
from mifid.images import open_images


def columns(width, height):
    """Each column has its number as its grey level."""
    levels = np.arange(width, dtype=np.uint8)
    return np.repeat(np.tile(levels, (height, 1))[:, :, None], 3, axis=2)


@pytest.mark.parametrize("fit", ["exact", "crop", "stretch"])
def test_a_picture_of_the_right_size_is_left_as_it_is(fit):
    pixels = noise(0, 16, 16)
    assert fit_picture(pixels, size=16, fit=fit, name="a") is pixels


def test_exact_refuses_another_size():
    with pytest.raises(PictureError) as caught:
        fit_picture(noise(0, 20, 30), size=16, fit="exact", name="a.png")
    assert caught.value.message == "'a.png' is 30 x 20 pixels; expected 16 x 16"
    assert "settings=['data.fit=crop']" in caught.value.hint
    assert "settings=['data.fit=stretch']" in caught.value.hint


def test_crop_cuts_the_middle_out_when_only_one_side_is_too_long():
    wide = noise(0, 16, 36)
    cut = fit_picture(wide, size=16, fit="crop", name="a")
    np.testing.assert_array_equal(cut, wide[:, 10:26])
    tall = noise(0, 21, 16)
    cut = fit_picture(tall, size=16, fit="crop", name="a")
    np.testing.assert_allclose(cut, (tall[2:18] / 2 + tall[3:19] / 2), atol=64)  # half a pixel


def test_crop_scales_the_shorter_side():
    """A ramp stays a ramp: columns 20..83 of 104 come to 32, two to one."""
    cut = fit_picture(columns(104, 64), size=32, fit="crop", name="a")
    assert cut.shape == (32, 32, 3)
    expected = 20 + 2 * np.arange(32) + 0.5
    np.testing.assert_allclose(cut[5, 2:-2, 0], expected[2:-2], atol=0.51)


def test_stretch_scales_both_sides():
    stretched = fit_picture(columns(128, 16), size=32, fit="stretch", name="a")
    assert stretched.shape == (32, 32, 3)
    expected = 4 * np.arange(32) + 1.5
    np.testing.assert_allclose(stretched[5, 2:-2, 0], expected[2:-2], atol=0.51)


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_making_smaller_is_antialiased(fit):
    """A chessboard of single pixels becomes grey, where taking every fourth would be black."""
    board = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)
    small = fit_picture(np.repeat(board[:, :, None], 3, axis=2), size=32, fit=fit, name="a")
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_enlarging_goes_to_four_times(fit):
    assert fit_picture(noise(0, 4, 9), size=16, fit=fit, name="a").shape == (16, 16, 3)
    with pytest.raises(PictureError) as caught:
        fit_picture(noise(0, 40, 3), size=16, fit=fit, name="a.png")
    assert "'a.png' is tiny: 3 x 40 pixels; expected at least 4 a side" in caught.value.message
    assert "settings=['data.size=N'] (now 16)" in caught.value.hint


def refusal(folder, sizes, *, size=16):
    """What is said of pictures of these (width, height)."""
    for i, (width, height) in enumerate(sizes):
        Image.fromarray(noise(i, height, width)).save(folder / f"{i:02}.png")
    source = FittedSource(open_images(folder), size=size, fit="exact")
    for i in range(len(source)):
        assert source.read(i).pixels.shape == (size, size, 3)
    return source.refusal("photos", met=len(source))


def test_sizes_are_counted_with_an_example_of_each(tmp_path):
    error = refusal(tmp_path, [(16, 16), (30, 20), (30, 20), (20, 30), (16, 16)])
    assert error.message == (
        f"3 of 5 photos in folder {tmp_path} are not 16 x 16 pixels: "
        "2 are 30 x 20 ('01.png'), 1 is 20 x 30 ('03.png')"
    )
    assert "settings=['data.fit=crop']" in error.hint
    assert "settings=['data.fit=stretch']" in error.hint
    assert "data.size" not in error.hint


def test_many_sizes_are_not_all_listed(tmp_path):
    message = refusal(tmp_path, [(20 + i, 20) for i in range(7)]).message
    assert message.count(" is ") == 4
    assert message.endswith(" and 3 more sizes")


def test_if_all_have_one_square_size_that_is_a_way_out_too(tmp_path):
    assert refusal(tmp_path, [(20, 20)] * 3).hint.endswith("settings=['data.size=20'].")
    (tmp_path / "b").mkdir()
    assert "data.size" not in refusal(tmp_path / "b", [(20, 30)] * 3).hint


def test_grey_and_cmyk_are_converted_as_elsewhere(tmp_path):
    for mode in ("L", "CMYK", "P"):
        image = Image.fromarray(noise(1, 16, 16)).convert(mode)
        (tmp_path / f"{mode}.tif").write_bytes(encode(image, "TIFF"))
    plain = open_images(tmp_path)
    fitted = FittedSource(plain, size=16, fit="exact")
    assert [fitted.read(i).mode for i in range(3)] == ["CMYK", "L", "P"]
    assert (fitted.read(1).pixels == fitted.read(1).pixels[:, :, :1]).all()
    assert fitted.others == []
