"""Pictures encoded again, what their files tell of it, and the few that are looked at."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encode, noise, write_folder, write_zip
from PIL import Image

from mifid.diagnosis.reencoding import ENCODINGS, Reencoded, mean_change
from mifid.errors import PictureError
from mifid.images import open_images
from mifid.images.decoding import decode
from mifid.images.inspection import count_encodings, encoding_of
from mifid.images.loader import digests
from mifid.images.source import Decoded, evenly, sampled, thinned


def smooth(seed=0, size=32):
    """A picture of large shapes, which JPEG keeps well."""
    rows = np.random.RandomState(seed).randint(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rows).resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture
def source():
    return open_images(np.stack([smooth(seed) for seed in range(5)]))


@pytest.mark.parametrize("name", ENCODINGS)
def test_what_is_written_is_what_it_is_called(name, source):
    content = Reencoded(source, ENCODINGS[name]).read(2)
    assert encoding_of(content) == ENCODINGS[name].title


@pytest.mark.parametrize("name", ENCODINGS)
def test_pixels_are_those_of_pillows_own_file(name, source):
    encoding = ENCODINGS[name]
    buffer = io.BytesIO()
    Image.fromarray(smooth(3)).save(buffer, encoding.format, **encoding.options)
    expected = decode(buffer.getvalue(), "x").pixels
    again = decode(Reencoded(source, encoding).read(3), "x").pixels
    np.testing.assert_array_equal(again, expected)
    assert np.array_equal(again, smooth(3)) == encoding.lossless


def test_pixels_move_less_the_better_the_encoding(source):
    moved = {
        name: mean_change(source, Reencoded(source, encoding), range(5))
        for name, encoding in ENCODINGS.items()
    }
    assert moved["png"] == 0
    assert moved["jpeg-75"] > moved["jpeg-90"] > moved["jpeg-95"] > moved["jpeg-95-444"] > 0
    by_hand = [
        np.abs(
            decode(Reencoded(source, ENCODINGS["jpeg-75"]).read(i), "x").pixels.astype(float)
            - smooth(i)
        ).mean()
        for i in range(5)
    ]
    assert moved["jpeg-75"] == pytest.approx(np.mean(by_hand))


def test_contents_are_others_so_hashes_are(source, tmp_path):
    encoded = Reencoded(source, ENCODINGS["jpeg-75"])
    assert set(digests(encoded)).isdisjoint(digests(source))
    assert len(set(digests(encoded))) == 5
    archive = write_zip(tmp_path / "a.zip", [("a.png", encode(smooth(0)))])
    zipped = open_images(archive)
    assert zipped.container_sha256() is not None
    assert Reencoded(zipped, ENCODINGS["png"]).container_sha256() is None
    zipped.close()


def test_a_bad_picture_is_bad_still(tmp_path):
    entries = [("a.png", encode(smooth(0))), ("bad.png", b"text"), ("c.png", encode(smooth(2)))]
    folder = open_images(write_folder(tmp_path, entries))
    encoded = Reencoded(folder, ENCODINGS["jpeg-90"])
    with pytest.raises(PictureError, match=r"'bad\.png' is not a picture"):
        encoded.read(1)
    assert mean_change(folder, encoded, range(3)) == mean_change(folder, encoded, [0, 2])
    assert mean_change(folder, encoded, [1]) is None


def test_other_modes_are_converted_first(tmp_path):
    grey = encode(Image.fromarray(noise(0)[:, :, 0]))
    folder = open_images(write_folder(tmp_path, [("a.png", grey)]))
    assert mean_change(folder, Reencoded(folder, ENCODINGS["png"]), [0]) == 0


@pytest.mark.parametrize("quality", [1, 50, 75, 92, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_quality_and_subsampling_are_read_from_the_file(quality, subsampling):
    content = encode(smooth(), "JPEG", quality=quality, subsampling=subsampling)
    assert encoding_of(content) == f"JPEG quality {quality}, {subsampling}"


def test_other_encodings():
    assert encoding_of(encode(noise())) == "PNG"
    assert encoding_of(encode(noise(), "BMP")) == "BMP"
    assert encoding_of(Decoded(noise())) == "pixels, never encoded"
    assert encoding_of(b"text") == "unknown"
    grey = Image.fromarray(noise(0, 16, 16)[:, :, 0])
    assert encoding_of(encode(grey, "JPEG", quality=80)) == "JPEG quality 80, grey"
    own = encode(smooth(), "JPEG", qtables=[list(range(1, 65))] * 2, subsampling="4:2:0")
    assert encoding_of(own) == "JPEG of other tables, 4:2:0"


def test_encodings_are_counted(tmp_path):
    entries = [(f"{i}.png", encode(noise(i))) for i in range(3)]
    entries += [("9.jpg", encode(noise(), "JPEG", quality=75))]
    folder = open_images(write_folder(tmp_path, entries))
    assert count_encodings(folder, range(4)) == {"PNG": 3, "JPEG quality 75, 4:2:0": 1}
    assert count_encodings(folder, [0]) == {"PNG": 1}


def test_the_competitions_monets_are_what_the_notes_say(data):
    monets = open_images(data / "monet_jpg")
    assert count_encodings(monets, range(20)) == {"JPEG quality 75, 4:2:0": 20}
    records = open_images(data / "monet_tfrec")
    assert count_encodings(records, range(20)) == {"JPEG quality 95, 4:4:4": 20}
    records.close()


@pytest.mark.parametrize(("n", "limit"), [(10, 3), (7038, 256), (5, 5), (3, 10), (1, 1)])
def test_evenly(n, limit):
    chosen = evenly(n, limit)
    assert len(chosen) == min(n, limit)
    assert sorted(set(chosen)) == chosen
    assert chosen[0] >= 0
    assert chosen[-1] < n
    gaps = np.diff([*chosen, n])
    assert gaps.max() - gaps.min() <= 1


def test_thinned(source):
    assert thinned(source, 5, 0) is source
    few = thinned(source, 2, 0)
    assert few.names == [source.names[i] for i in sampled(len(source), 2, 0)]
    for i, name in enumerate(few.names):
        kept = source.read(source.names.index(name)).pixels
        np.testing.assert_array_equal(few.read(i).pixels, kept)


@given(n=st.integers(0, 300), limit=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
def test_drawn(n, limit, seed):
    chosen = sampled(n, limit, seed)
    assert chosen == sampled(n, limit, seed)
    assert len(chosen) == min(n, limit)
    assert sorted(set(chosen)) == chosen
    assert set(chosen) <= set(range(n))
    assert set(chosen) >= set(sampled(n, limit // 2, seed))  # fewer are some of the same


def test_drawn_is_no_pattern_and_every_picture_has_its_turn():
    counts = np.zeros(10)
    for seed in range(400):
        counts[sampled(10, 5, seed)] += 1
    assert counts.min() > 150  # of 200; the standard deviation is 10
    assert len({tuple(sampled(10, 5, seed)) for seed in range(400)}) > 150  # of 252 there are
