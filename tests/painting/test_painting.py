"""mifid.paint: one photo in, a PIL image out."""

import numpy as np
import pytest
from generators import saved
from PIL import Image, ImageCms
from small_painters import FixedNegative, Negative, loaded, photo

import mifid
from mifid.errors import InputError, MifidWarning

NEGATIVE = loaded(Negative())


def test_a_painting_is_an_image_of_the_photos_size():
    given = photo(30, 50)
    for form in (given, Image.fromarray(given)):
        found = mifid.paint(form, painter=NEGATIVE)
        assert isinstance(found, Image.Image)
        np.testing.assert_array_equal(np.asarray(found), 255 - given)


def test_floats_are_pixels_of_their_range():
    given = photo(30, 50)
    for floats, low_high in ((given / 255, (0, 1)), (given / 127.5 - 1, (-1, 1))):
        found = mifid.paint(floats.astype(np.float32), painter=NEGATIVE, value_range=low_high)
        np.testing.assert_array_equal(np.asarray(found), 255 - given)
    with pytest.raises(InputError, match="value_range"):
        mifid.paint(given.astype(np.float32), painter=NEGATIVE)


def test_strength_and_variants():
    given = photo(30, 50)
    found = np.asarray(mifid.paint(given, painter=NEGATIVE, strength=0))
    np.testing.assert_array_equal(found, given)
    third = np.asarray(mifid.paint(given, painter=NEGATIVE, variant=3)).astype(int)
    assert np.abs(third - (given + 0.75 * (255.0 - 2.0 * given))).max() <= 0.5


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [
        (30, 50, 60, (60, 100)),
        (50, 30, 15, (25, 15)),
        (30, 50, 30, (30, 50)),
        (1, 700, 2, (2, 1400)),
    ],
)
def test_size_is_of_the_shorter_side(height, width, size, expected):
    found = mifid.paint(photo(height, width), painter=NEGATIVE, size=size)
    assert (found.height, found.width) == expected


def test_the_exif_is_obeyed_and_the_profile_kept(tmp_path):
    exif, profile = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[0x0112] = 6
    Image.fromarray(photo(30, 50)).save(tmp_path / "a.png", exif=exif, icc_profile=profile)
    found = mifid.paint(tmp_path / "a.png", painter=NEGATIVE)
    assert found.size == (30, 50)
    assert found.info["icc_profile"] == profile


def test_a_painter_of_one_size_paints_any():
    given = photo(70, 90)
    found = mifid.paint(given, painter=loaded(FixedNegative()))
    np.testing.assert_array_equal(np.asarray(found), 255 - given)


def test_a_file_paints(tmp_path):
    path = saved(tmp_path / "best.safetensors")
    found = mifid.paint(photo(10, 20), painter=path)
    again = mifid.paint(photo(10, 20), painter=tmp_path, which="ema")
    assert found.size == (20, 10)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(again))


def test_what_is_lost_is_warned_of():
    with pytest.warns(MifidWarning, match="transparency"):
        mifid.paint(Image.new("RGBA", (8, 8), (1, 2, 3, 99)), painter=NEGATIVE)


@pytest.mark.parametrize(
    "settings",
    [{"strength": 2}, {"size": 0}, {"size": 9000}, {"variant": 0}, {"variant": 9}, {"which": "x"}],
)
def test_settings_out_of_their_range_are_refused(settings):
    with pytest.raises(InputError):
        mifid.paint(photo(8, 8), painter=NEGATIVE, **settings)


def test_a_size_that_makes_a_narrow_photo_too_large_is_refused():
    with pytest.raises(InputError, match="too large"):
        mifid.paint(photo(2, 700), painter=NEGATIVE, size=1000)
