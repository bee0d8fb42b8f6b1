"""Photos are read upright, and their paintings keep of EXIF and profile what is asked for."""

import io

import numpy as np
import pytest
from pictures import png
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import IFDRational
from small_painters import photo

from mifid.errors import InputError, PictureError
from mifid.painting.photograph import FORMATS, Encoding, encode, photograph

ORIENTATION, MODEL = 0x0112, 0x0110
EXIF, GPS, MAKER, EXPOSURE, WIDTH = 0x8769, 0x8825, 0x927C, 0x829A, 0xA002
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def tags(orientation=1):
    exif = Image.Exif()
    exif.update({ORIENTATION: orientation, MODEL: "a camera", 0x0100: 40})
    exif[EXIF] = {EXPOSURE: IFDRational(1, 50), MAKER: b"Paris", WIDTH: 40}
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 24.0)}
    return exif


def file(image=None, format="JPEG", **options):
    content = io.BytesIO()
    (image or Image.fromarray(photo(24, 40))).save(content, format, **options)
    return content.getvalue()


def read(content):
    return Image.open(io.BytesIO(content))


def painted(content, format="JPEG", **settings):
    given = photograph(content)
    return encode(given.pixels, given, format=format, encoding=Encoding(**settings))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation, format):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = file(format=format, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(read(content)).convert("RGB"))
    np.testing.assert_array_equal(photograph(content).pixels, expected)
    with read(content) as image:
        np.testing.assert_array_equal(photograph(image).pixels, expected)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_is_none_turns_nothing(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert photograph(file(exif=exif)).pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("format", sorted(set(FORMATS.values())))
def test_camera_and_settings_are_kept_without_the_place(format):
    content, notes = painted(file(exif=tags(6)), format)
    found = read(content).getexif()
    assert notes == ()
    assert found[MODEL] == "a camera"
    assert found.get_ifd(EXIF)[EXPOSURE] == pytest.approx(1 / 50)
    assert ORIENTATION not in found  # the painting is upright
    assert not found.get_ifd(GPS)
    assert {MAKER, WIDTH} & set(found.get_ifd(EXIF)) == set()
    assert b"Paris" not in content


def test_the_place_is_kept_on_purpose():
    found = read(painted(file(exif=tags()), exif="all")[0]).getexif()
    assert found.get_ifd(GPS)[2] == (48.0, 51.0, 24.0)
    assert MAKER not in found.get_ifd(EXIF)


def test_nothing_is_kept_if_asked_for():
    content, _ = painted(file(exif=tags(), icc_profile=SRGB), exif="none", profile=False)
    assert not dict(read(content).getexif())
    assert "icc_profile" not in read(content).info


@pytest.mark.parametrize("format", sorted(set(FORMATS.values())))
def test_a_profile_of_rgb_is_kept(format):
    content, _ = painted(file(icc_profile=SRGB), format)
    assert read(content).info["icc_profile"] == SRGB


def test_a_profile_of_other_colours_is_dropped():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    given = photograph(file(icc_profile=lab))
    assert given.profile is None
    assert "not for RGB" in given.notes[0]


def test_a_profile_that_is_none_is_dropped():
    image = Image.fromarray(photo(24, 40))
    image.info["icc_profile"] = 7
    assert photograph(image).profile is None


def test_damaged_exif_is_dropped_and_said():
    content = file(exif=b"Exif\0\0" + b"MM\0*" + b"\xff" * 20)
    given = photograph(content)
    assert given.pixels.shape == (24, 40, 3)
    assert read(painted(content)[0]).size == (40, 24)


def test_any_damage_to_exif_leaves_a_painting_or_a_clear_error():
    whole = file(exif=tags(6), icc_profile=SRGB)
    random = np.random.RandomState(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.randint(2, 400, 4):
            damaged[place] = random.randint(256)
        try:
            content, _ = painted(bytes(damaged), "JPEG", exif="all")
        except PictureError:
            continue
        assert sorted(read(content).size) == [24, 40]


def test_long_exif_is_dropped_and_said():
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    _, notes = painted(file(format="PNG", exif=exif))
    assert "too long" in notes[0]


@pytest.mark.parametrize(
    ("mode", "words"),
    [("RGBA", "transparency"), ("LA", "transparency"), ("CMYK", "CMYK"), ("I;16", "16 bits")],
)
def test_what_is_lost_is_said(mode, words):
    grey = Image.fromarray(photo(24, 40)).convert("L")
    image = grey.point(lambda level: level * 257, "I") if mode == "I;16" else grey.convert(mode)
    image = image.convert("I;16") if mode == "I;16" else image
    if "A" in image.getbands():
        image.putpixel((0, 0), (*image.getpixel((0, 0))[:-1], 254))
    given = photograph(file(image, "TIFF"))
    assert words in " ".join(given.notes)
    assert given.pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA"])
def test_other_modes_lose_nothing(mode):
    image = Image.fromarray(photo(24, 40)).convert(mode)
    given = photograph(file(image, "PNG"))
    assert given.notes == ()
    np.testing.assert_array_equal(given.pixels, np.asarray(image.convert("RGB")))


def test_of_an_animation_the_first_frame_is_painted():
    frames = [Image.fromarray(photo(24, 40, seed)) for seed in (1, 2)]
    content = file(frames[0], "PNG", save_all=True, append_images=frames[1:])
    given = photograph(content)
    assert given.notes == ("only its first frame is painted",)
    np.testing.assert_array_equal(given.pixels, photo(24, 40, 1))


def test_a_transparent_palette_is_said():
    image = Image.fromarray(photo(24, 40)).convert("P")
    given = photograph(file(image, "PNG", transparency=3))
    assert given.notes == ("its transparency is dropped",)


def test_one_photo_comes_in_any_form(tmp_path):
    given = photo(24, 40)
    Image.fromarray(given).save(tmp_path / "a.png")
    for form in (
        given,
        Image.fromarray(given),
        tmp_path / "a.png",
        file(format="PNG"),
        given[None],
    ):
        np.testing.assert_array_equal(photograph(form).pixels, given)
    with pytest.raises(InputError, match="expected one photo"):
        photograph(np.stack([given, given]))


@pytest.mark.parametrize("damage", ["cut", "huge", "none"])
def test_what_is_no_photo_is_refused(damage):
    content = file()
    if damage == "cut":
        content = content[: len(content) // 2]
    if damage == "huge":
        content = png(20_000, 20_000, 8, 2, [])
    if damage == "none":
        content = b"text"
    with pytest.raises(PictureError) as caught:
        photograph(content)
    assert "skip" not in caught.value.hint
    if damage == "huge":
        assert "too large" in caught.value.message


def test_a_format_that_has_no_such_size_is_refused():
    given = photograph(photo(2, 16_400))
    with pytest.raises(InputError, match="16,383"):
        encode(given.pixels, given, format="WEBP", encoding=Encoding())


@pytest.mark.parametrize("settings", [{"quality": 0}, {"quality": 101}, {"exif": "gps"}])
def test_other_settings_are_refused(settings):
    with pytest.raises(InputError, match="expected"):
        Encoding(**settings)


def test_bytes_that_are_no_picture_are_named_as_the_argument():
    with pytest.raises(PictureError, match="'photo' is not a picture: it is empty"):
        photograph(b"")
