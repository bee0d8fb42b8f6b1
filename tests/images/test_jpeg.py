"""Plain JPEGs past Pillow: the same pixels, the same errors, or not at all."""

import io
import sys
import types
import warnings

import numpy as np
import pytest
from pictures import encode
from PIL import Image

from mifid.errors import PictureError
from mifid.images import jpeg, open_images
from mifid.images.decoding import decode


@pytest.fixture
def fresh():
    """Whether simplejpeg is the equal of Pillow is found out again, here and afterwards."""
    jpeg.fast_decoder.cache_clear()
    yield
    jpeg.fast_decoder.cache_clear()


@pytest.fixture
def real(fresh):
    pytest.importorskip("simplejpeg")
    assert jpeg.fast_decoder() is not None, "installed, and not the equal of Pillow"


def pretend(monkeypatch, change=lambda pixels: pixels):
    """Install a simplejpeg that is Pillow, but for a change of the pixels."""
    asked = []

    def decode_jpeg(content, colorspace, *, fastdct, fastupsample, strict):
        assert (colorspace, fastdct, fastupsample, strict) == ("RGB", False, False, True)
        asked.append(content)
        return change(np.array(Image.open(io.BytesIO(content))))

    fake = types.ModuleType("simplejpeg")
    fake.decode_jpeg = decode_jpeg
    monkeypatch.setitem(sys.modules, "simplejpeg", fake)
    return asked


def picture(height=61, width=47, seed=0):
    """Smooth and noisy parts, in colour."""
    random = np.random.RandomState(seed)
    pixels = np.add.outer(np.arange(height) * 2, np.arange(width) * 3)[:, :, None] * [1, 2, 3]
    pixels = pixels + random.randint(0, 25, (height, width, 3))
    return Image.fromarray((pixels % 256).astype(np.uint8))


def by_pillow(content):
    """What decode() gives without simplejpeg: its pixels, or its words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mifid.images.decoding.plain_pixels", lambda content, image: None)
        return by_decode(content)


def by_decode(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd headers
        try:
            decoded = decode(content, "a.jpg")
        except PictureError as error:
            return error.message, error.hint
    return decoded.mode, decoded.pixels.shape, decoded.pixels.tobytes()


def is_fast(content):
    return jpeg.plain_pixels(content, Image.open(io.BytesIO(content))) is not None


def test_what_is_missing_is_not_used(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert jpeg.fast_decoder() is None
    content = encode(picture(), "JPEG")
    assert by_decode(content) == by_pillow(content)


def test_what_gives_pillows_pixels_is_used(fresh, monkeypatch):
    asked = pretend(monkeypatch)
    content = encode(picture(), "JPEG")
    assert by_decode(content) == by_pillow(content)
    assert asked[-1] == content


@pytest.mark.parametrize("kind", range(9))
def test_what_differs_by_a_grey_level_in_one_kind_is_never_used(kind, fresh, monkeypatch):
    calls = []

    def change(pixels):
        calls.append(1)
        pixels[-1, -1, -1] ^= len(calls) == kind + 1
        return pixels

    pretend(monkeypatch, change)
    assert jpeg.fast_decoder() is None
    assert not is_fast(encode(picture(), "JPEG"))


def test_a_version_without_the_options_is_not_used(fresh, monkeypatch):
    fake = types.ModuleType("simplejpeg")
    fake.decode_jpeg = lambda content, colorspace: 1 / 0
    monkeypatch.setitem(sys.modules, "simplejpeg", fake)
    assert jpeg.fast_decoder() is None


def test_another_libjpeg_than_turbo_is_left_alone(fresh, monkeypatch):
    pretend(monkeypatch)
    monkeypatch.setattr("PIL.features.check_feature", lambda name: name != "libjpeg_turbo")
    assert jpeg.fast_decoder() is None


def test_pixels_of_another_shape_than_the_header_says_are_not_taken(fresh, monkeypatch):
    pretend(monkeypatch, lambda pixels: pixels if pixels.shape[0] == 35 else pixels[1:])
    assert jpeg.fast_decoder() is not None
    assert not is_fast(encode(picture(), "JPEG"))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"keep_rgb": True}),
        ("PNG", "RGB", {}),
        ("MPO", "RGB", {"save_all": True, "append_images": [picture(seed=1)]}),
    ],
)
def test_what_is_not_plain_is_pillows(kind, mode, options, fresh, monkeypatch):
    asked = pretend(monkeypatch)
    content = encode(picture().convert(mode), kind, **options)
    assert by_decode(content) == by_pillow(content)
    assert content not in asked


@pytest.mark.parametrize("sampling", [0x41, 0x12])
def test_rare_subsamplings_are_pillows(sampling, fresh, monkeypatch):
    """4:1:1 and 4:4:0, as a patched header declares them: the data then decode to some pixels."""
    asked = pretend(monkeypatch)
    content = bytearray(encode(picture(), "JPEG", subsampling="4:2:2"))
    frame = content.index(b"\xff\xc0")
    assert content[frame + 11] == 0x21  # of the first component
    content[frame + 11] = sampling
    assert by_decode(bytes(content)) == by_pillow(bytes(content))
    assert bytes(content) not in asked


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_same_pixels_of_all_qualities_and_sizes(subsampling, progressive, real):
    sizes = [(1, 1), (3, 5), (8, 8), (17, 31), (33, 1), (65, 127), (40, 257)]
    options = {"subsampling": subsampling, "progressive": progressive}
    for quality in (1, 30, 75, 95, 100):
        for restart in (0, 1, 4):
            for size in sizes:
                content = encode(
                    picture(*size),
                    "JPEG",
                    quality=quality,
                    restart_marker_blocks=restart,
                    **options,
                )
                assert is_fast(content)
                assert by_decode(content) == by_pillow(content), (quality, restart, size)


@pytest.mark.parametrize("progressive", [False, True])
def test_cut_short_it_gives_pillows_words_or_pixels(progressive, real):
    content = encode(picture(), "JPEG", progressive=progressive, restart_marker_blocks=2)
    for end in range(0, len(content), 5):
        assert by_decode(content[:end]) == by_pillow(content[:end]), end
        # An end is no error in a progressive file: what is missing is smoothed over.
        ended = content[:end] + b"\xff\xd9"
        assert by_decode(ended) == by_pillow(ended), end
    assert by_decode(content + b"more") == by_pillow(content + b"more")


@pytest.mark.parametrize("progressive", [False, True])
def test_damaged_it_gives_pillows_words_or_pixels(progressive, real, random):
    content = encode(picture(), "JPEG", progressive=progressive, restart_marker_blocks=2)
    fast = 0
    for _ in range(1000):
        damaged = bytearray(content)
        for place in random.randint(0, len(content), random.randint(1, 4)):
            damaged[place] = random.randint(256)
        assert by_decode(bytes(damaged)) == by_pillow(bytes(damaged))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast += by_decode(bytes(damaged))[0] == "RGB" and is_fast(bytes(damaged))
    assert fast > 50, "the test must meet pictures that are not left to Pillow"


def test_the_same_pixels_of_the_competitions_pictures(real, data):
    source = open_images(data / "monet_jpg")
    for index in range(0, len(source), 3):
        content = source.read(index)
        assert is_fast(content)
        assert by_decode(content) == by_pillow(content)
