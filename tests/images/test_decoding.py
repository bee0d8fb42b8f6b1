"""One picture file -> pixels, as TensorFlow gives them; and every way in which it can be bad."""

import io
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, png
from PIL import Image

from mifid.errors import PictureError
from mifid.images.decoding import MAX_PIXELS, MAX_SIDE, decode, decoder_version, to_rgb, webp_size
from mifid.images.inspection import encoding_of

PICTURE = noise(0, 12, 10)
SMOOTH = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)


def refusal(content, name="a.jpg"):
    with pytest.raises(PictureError) as caught:
        decode(content, name)
    assert f"'{name}'" in caught.value.message  # where
    assert "skip_bad=True" in caught.value.hint  # how to mend
    assert "skip_bad=True" in caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_formats_keep_every_value(kind):
    pixels = PICTURE if kind != "GIF" else np.repeat(PICTURE[:, :, :1], 3, axis=2)
    decoded = decode(encode(pixels, kind), "a")
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("MPO", {})],
)
def test_lossy_formats_come_close(kind, options):
    decoded = decode(encode(SMOOTH, kind, **options), "a")
    assert decoded.mode == "RGB"
    assert np.abs(decoded.pixels.astype(int) - SMOOTH).mean() < 6


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiffs_keep_every_value(compression):
    decoded = decode(encode(PICTURE, "TIFF", compression=compression), "a.tif")
    np.testing.assert_array_equal(decoded.pixels, PICTURE)


def test_the_ending_of_the_name_does_not_matter():
    np.testing.assert_array_equal(decode(encode(PICTURE), "a.jpg").pixels, PICTURE)


def test_rgb_is_reported_as_not_converted():
    assert decode(encode(PICTURE), "a").mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_grey_is_repeated_and_reported(kind):
    decoded = decode(encode(Image.fromarray(SMOOTH).convert("L"), kind), "a")
    assert decoded.mode == "L"
    assert (decoded.pixels == decoded.pixels[:, :, :1]).all()
    assert decoded.pixels.shape == (32, 32, 3)


def test_black_and_white_is_0_and_255():
    bits = Image.fromarray(PICTURE[:, :, 0] > 127)
    decoded = decode(encode(bits), "a")
    assert decoded.mode == "1"
    np.testing.assert_array_equal(decoded.pixels[:, :, 1], (PICTURE[:, :, 0] > 127) * 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_dropped_and_not_blended(kind):
    """As TensorFlow's decoder drops it: a transparent red pixel is red."""
    pixels = np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = decode(encode(pixels, kind, **options), "a")
    assert decoded.mode == "RGBA"
    np.testing.assert_array_equal(decoded.pixels, PICTURE)


def test_grey_with_alpha_is_grey():
    grey = PICTURE[:, :, 0]
    decoded = decode(encode(Image.fromarray(np.dstack([grey, 255 - grey]), "LA")), "a")
    assert decoded.mode == "LA"
    np.testing.assert_array_equal(decoded.pixels, np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
def test_palettes_become_their_colours_whatever_is_transparent(transparency):
    image = Image.new("P", (3, 1))
    colours = [(10, 20, 30), (200, 100, 0), (1, 2, 3)]
    image.putpalette([value for colour in colours for value in colour])
    for i in range(3):
        image.putpixel((i, 0), i)
    options = {} if transparency is None else {"transparency": transparency}
    decoded = decode(encode(image, "PNG", **options), "a")
    assert decoded.mode == "P"
    assert decoded.pixels[0].tolist() == [list(colour) for colour in colours]


def test_a_transparent_colour_keeps_its_colour():
    decoded = decode(encode(PICTURE, "PNG", transparency=tuple(map(int, PICTURE[0, 0]))), "a")
    np.testing.assert_array_equal(decoded.pixels, PICTURE)


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 0, 0), (255, 0, 255)),
        ((0, 0, 255, 0), (255, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_and_reported(ink, colour, kind):
    decoded = decode(encode(Image.new("CMYK", (16, 16), ink), kind), "a")
    assert decoded.mode == "CMYK"
    assert np.abs(decoded.pixels.astype(int) - colour).max() <= 3


def test_16_bit_grey_gives_its_high_byte():
    """0x00FF is 0, as libpng's png_set_strip_16 has it, and not the nearest level, 1."""
    values = np.array([[0x0000, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFFFF]], np.uint16)
    decoded = decode(encode(Image.fromarray(values)), "a.png")
    assert decoded.mode.startswith("I")
    assert decoded.pixels[0, :, 0].tolist() == [0, 0, 1, 127, 128, 255]
    assert (decoded.pixels == decoded.pixels[:, :, :1]).all()


def test_16_bit_colour_gives_its_high_bytes():
    values = np.array([[0x00FF, 0x0100, 0x7FFF], [0x8000, 0xFFFE, 0x1234]], ">u2")
    decoded = decode(png(2, 1, 16, 2, [values.tobytes()]), "a.png")
    assert decoded.pixels[0].tolist() == [[0, 1, 127], [128, 255, 0x12]]


def test_the_rotation_tag_is_ignored():
    """As TensorFlow does; a viewer would turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, tagged = encode(SMOOTH[:8], "JPEG"), encode(SMOOTH[:8], "JPEG", exif=exif)
    assert Image.open(io.BytesIO(tagged)).getexif()[0x0112] == 6
    assert decode(tagged, "a").pixels.shape == (8, 32, 3)
    np.testing.assert_array_equal(decode(tagged, "a").pixels, decode(plain, "a").pixels)


def test_a_colour_profile_is_not_applied():
    tagged = encode(PICTURE, "PNG", icc_profile=b"not even a profile")
    np.testing.assert_array_equal(decode(tagged, "a").pixels, PICTURE)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    decoded = decode(content, "a")
    assert decoded.pixels[0, 0].tolist() == [255, 0, 0]
    assert decoded.mode.endswith(" (first of several frames)")  # which the report counts
    assert "frames" not in decode(encode(frames[0], kind, **options), "a").mode


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16"])
def test_pil_images_of_every_mode_become_rgb(mode):
    decoded = to_rgb(Image.new(mode, (5, 4)))
    assert decoded.pixels.shape == (4, 5, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.mode == mode


# Bad ones


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
def test_a_truncated_picture_names_itself(kind, kept):
    content = encode(noise(0, 40, 40), kind)
    message = refusal(content[: int(kept * len(content))], "sub/ö 1.jpg")
    assert "is damaged" in message or "is not a picture" in message


def test_a_truncated_jpeg_says_so():
    content = encode(noise(0, 40, 40), "JPEG")
    message = refusal(content[: len(content) // 2])
    assert message.startswith("'a.jpg' is damaged: image file is truncated")


def test_a_png_with_a_wrong_checksum_is_damaged():
    content = bytearray(encode(noise(0, 40, 40)))
    content[len(content) // 2] ^= 1
    assert "is damaged" in refusal(bytes(content))


def test_a_text_called_jpg_is_told_and_not_shown():
    message = refusal(b"Sorry, the model has not been trained yet.")
    assert message == "'a.jpg' is not a picture: it is a text"


def test_an_empty_file_is_not_a_picture():
    assert refusal(b"") == "'a.jpg' is not a picture: it is empty"


@pytest.mark.parametrize(
    ("width", "height"),
    [(8193, 8192), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (100_000, 100_000), (12_000, 12_000)],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_absurd_dimensions_are_refused_before_anything_is_decoded(width, height):
    message = refusal(png(width, height, 8, 2, [b""]))
    if width * height > 2 * Image.MAX_IMAGE_PIXELS:  # Pillow is quicker to say so
        assert "too large" in message
        assert f"{width * height}" in message
    else:
        assert message.startswith(f"'a.jpg' is {width} x {height} pixels")
        assert f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side" in message


@pytest.mark.parametrize("size", [(1, 1), (17, 300), (1000, 2)])
@pytest.mark.parametrize(
    "options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}]
)
def test_the_size_of_a_webp_is_in_its_first_bytes(size, options):
    assert webp_size(encode(Image.new("RGB", size), "WEBP", **options)) == size
    assert webp_size(encode(Image.new("RGB", size))) is None


def test_an_absurd_webp_is_refused_before_pillow_sets_memory_aside(monkeypatch):
    content = bytearray(encode(Image.new("RGB", (9, 9)), "WEBP", lossless=True))
    content[21:25] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    assert "is 16384 x 16384 pixels" in refusal(bytes(content))


def test_large_pictures_are_read():
    pixels = np.zeros((2, MAX_SIDE, 3), np.uint8)
    assert decode(encode(pixels), "a").pixels.shape == pixels.shape


def test_a_picture_of_no_pixels_is_refused():
    refusal(png(0, 5, 8, 2, [b""]))


def test_a_bomb_in_a_png_text_is_refused():
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4)

    content = encode(PICTURE)
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20)))
    assert "is damaged" in refusal(content[:33] + bomb + content[33:])


@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_netpbm_keeps_every_value(mode):
    image = Image.fromarray(PICTURE).convert(mode)
    decoded = decode(encode(image, "PPM"), "a.ppm")
    np.testing.assert_array_equal(decoded.pixels, np.asarray(image.convert("RGB")))


def tiffs():
    """TIFFs of which one field is of another tag, type, count or value."""
    for options in ({"compression": "tiff_lzw"}, {"compression": "jpeg"}, {}):
        whole = encode(PICTURE, "TIFF", **options)
        (start,) = struct.unpack_from("<L", whole, 4)
        (count,) = struct.unpack_from("<H", whole, start)
        for field in range(count):
            for at, form, values in (
                (0, "<H", (273, 279, 258, 700)),
                (2, "<H", (0, 2, 12, 16)),
                (4, "<L", (0, 2, 2**32 - 1)),
                (8, "<L", (0, 2**31 - 1)),
            ):
                for value in values:
                    damaged = bytearray(whole)
                    struct.pack_into(form, damaged, start + 2 + 12 * field + at, value)
                    yield bytes(damaged)


def test_damaged_tiffs_are_picture_errors_and_nothing_is_said_beside(capfd):
    """Pillow's own TypeErrors, its warnings, its log, and libtiff's messages on stderr."""
    before = list(warnings.filters)
    refused = 0
    for content in tiffs():
        try:
            decode(content, "a.tif")
        except PictureError as error:
            assert "\n" not in error.message  # noqa: PT017
            refused += 1
    assert refused > 50
    assert capfd.readouterr().err == ""
    assert warnings.filters == before


def test_grey_that_announces_three_components_has_no_known_encoding():
    content = encode(Image.new("L", (9, 9)), "JPEG")
    at = content.index(b"\xff\xc0") + 9
    assert encoding_of(content[:at] + b"\3" + content[at + 1 :]) == "unknown"


def test_what_a_file_begins_with_is_not_shown():
    """A link in a folder may lead to any file."""
    message = refusal(b"\x01\xfeTOPSECRET")
    assert message == "'a.jpg' is not a picture: 11 bytes of an unknown kind"


def test_floating_point_pixels_are_refused_with_the_reason():
    message = refusal(encode(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"))
    assert message == "'a.jpg' holds floating-point pixels; expected 8 or 16 bits"


@pytest.mark.parametrize("value", [-1, 70_000])
def test_32_bit_pixels_are_refused_with_the_reason(value):
    message = refusal(encode(Image.fromarray(np.full((4, 4), value, np.int32)), "TIFF"))
    assert message == "'a.jpg' holds 32-bit pixels; expected 8 or 16 bits"


def test_programs_called_jpg_are_never_run(monkeypatch):
    """Pillow hands PostScript to Ghostscript."""
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("ran a program"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("ran a program"))
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    assert "is not a picture: it is PostScript" in refusal(program)


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks on what it finds
@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "MPO"]),
    hits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    kept=st.floats(0.3, 1),
    head=st.booleans(),
)
def test_damage_gives_pixels_or_a_picture_error_and_nothing_else(kind, hits, kept, head):
    content = bytearray(encode(PICTURE, kind))
    for where, value in hits:
        content[int(where * (min(len(content), 60 if head else len(content)) - 1))] = value
    try:
        decoded = decode(bytes(content[: int(kept * len(content))]), "a.jpg")
    except PictureError:
        return
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.ndim == 3
    assert decoded.pixels.shape[2] == 3


def test_the_decoder_names_itself_for_the_report():
    import PIL

    assert f"pillow {PIL.__version__}" in decoder_version()
    assert "libjpeg" in decoder_version()
