"""Decoding ahead: batches of one size, bad pictures, and threads that end with the work.

What holds for threads holds for processes: tests that take ``decoders`` run with both.
"""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import decoding_threads, encode, noise, write_folder, write_zip
from PIL import Image
from scripted import Raises, Scripted, ever_taller, plain

from mifid.errors import PictureError
from mifid.images import open_images
from mifid.images.loader import BatchReader, digests

SHAPES = [(4, 4), (4, 6), (6, 4), (5, 5)]


@pytest.fixture(params=["threads", "processes"])
def decoders(request):
    return request.param


def reader(source, batch_size=3, workers=2, skip_bad=False, decoders="threads"):
    return BatchReader(
        source, batch_size=batch_size, workers=workers, skip_bad=skip_bad, decoders=decoders
    )


def pictures(*sizes):
    """PIL images of these (height, width), each unlike the others."""
    return open_images([Image.fromarray(noise(i, *size)) for i, size in enumerate(sizes)])


def check_mixed(one, sizes, batch_size):
    """Read it whole: every picture comes once, in batches of one size."""
    batches = list(one)
    seen = np.concatenate([batch.indices for batch in batches])
    assert sorted(seen) == list(range(len(sizes)))
    for batch in batches:
        assert 1 <= len(batch.pixels) == len(batch.indices) <= batch_size
        for pixels, index in zip(batch.pixels, batch.indices, strict=True):
            np.testing.assert_array_equal(pixels, noise(index, *sizes[index]))
    assert one.sizes == Counter((width, height) for height, width in sizes)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=40), batch_size=st.integers(1, 6)
)
def test_mixed_sizes_are_grouped_and_every_picture_comes_once(sizes, batch_size):
    check_mixed(reader(pictures(*sizes), batch_size), sizes, batch_size)


def test_files_of_mixed_sizes_are_grouped_and_every_picture_comes_once(tmp_path, decoders):
    sizes = SHAPES * 5 + [(7, 7)]
    files = [(f"{i:02}.png", encode(noise(i, *size))) for i, size in enumerate(sizes)]
    source = open_images(write_folder(tmp_path, files))
    check_mixed(reader(source, 3, decoders=decoders), sizes, 3)


def test_whole_batches_are_made_where_there_are_enough_of_a_size():
    source = pictures(*[(4, 4), (4, 6)] * 6)
    assert [len(batch.pixels) for batch in reader(source, 3)] == [3, 3, 3, 3]


def test_pictures_of_many_sizes_do_not_pile_up(tmp_path, decoders):
    """All of different sizes: no batch is ever whole, and yet few may wait."""
    source = Scripted(tmp_path / "log", 200, ever_taller)
    given_out, most = 0, 0
    for batch in reader(source, 4, decoders=decoders):
        most = max(most, source.reads - given_out)
        given_out += len(batch.pixels)
    assert given_out == 200
    assert most <= 4 * 4 + 2 * 4 + 1


def test_nothing_is_read_far_ahead(tmp_path, decoders):
    source = Scripted(tmp_path / "log", 500, plain)
    batches = iter(reader(source, 5, decoders=decoders))
    next(batches)
    time.sleep(0.05)
    assert source.reads <= 5 + 2 * 5
    batches.close()


def test_pictures_that_were_not_rgb_are_counted_by_mode(tmp_path, decoders):
    images = [Image.new(mode, (4, 4)) for mode in ("RGB", "L", "L", "RGBA", "RGB", "P")]
    files = [(f"{i}.png", encode(image)) for i, image in enumerate(images)]
    one = reader(open_images(write_folder(tmp_path, files)), decoders=decoders)
    list(one)
    assert one.converted == {"L": 2, "RGBA": 1, "P": 1}


def folder_with_bad(tmp_path):
    good = encode(noise(0))
    return write_folder(
        tmp_path, [("0.png", good), ("1.png", good[:60]), ("2.png", good), ("3.jpg", b"text")]
    )


def test_a_bad_picture_names_itself_and_where_it_was(tmp_path, decoders):
    with pytest.raises(PictureError) as caught:
        list(reader(open_images(folder_with_bad(tmp_path)), decoders=decoders))
    assert caught.value.message.startswith(f"folder {tmp_path}: '1.png' is damaged")
    assert "skip_bad=True" in caught.value.hint
    assert decoding_threads() == []


def test_a_bad_entry_of_a_zip_names_itself_and_the_zip(tmp_path, decoders):
    path = write_zip(tmp_path / "a.zip", [("0.png", encode(noise())), ("1.png", b"no picture")])
    with pytest.raises(PictureError, match=rf"zip {path}: '1.png' is not a picture: it is a text"):
        list(reader(open_images(path), decoders=decoders))


def test_bad_pictures_are_left_out_and_named_if_that_is_wanted(tmp_path, decoders):
    one = reader(open_images(folder_with_bad(tmp_path)), skip_bad=True, decoders=decoders)
    (batch,) = one
    assert batch.indices.tolist() == [0, 2]
    assert [index for index, _ in one.bad] == [1, 3]
    assert "'1.png' is damaged" in one.bad[0][1]
    assert "'3.jpg' is not a picture: it is a text" in one.bad[1][1]


def test_only_bad_pictures_give_no_batches(tmp_path, decoders):
    source = open_images(write_folder(tmp_path, [("0.png", b"")]))
    one = reader(source, skip_bad=True, decoders=decoders)
    assert list(one) == []
    assert len(one.bad) == 1


def test_a_file_that_vanishes_is_told(tmp_path, decoders):
    folder = write_folder(tmp_path, [(f"{i}.png", encode(noise(i))) for i in range(4)])
    one = reader(open_images(folder), skip_bad=True, decoders=decoders)
    (folder / "2.png").unlink()
    assert [len(batch.pixels) for batch in one] == [3]
    assert one.bad == [(2, "'2.png' cannot be read: No such file or directory")]


def test_skipping_bad_pictures_hides_no_other_error(tmp_path, decoders):
    source = Scripted(tmp_path / "log", 3, Raises(ZeroDivisionError))
    with pytest.raises(ZeroDivisionError, match="as scripted"):
        list(reader(source, skip_bad=True, decoders=decoders))
    assert decoding_threads() == []


def test_pictures_before_an_error_that_is_none_of_theirs_are_given_out(tmp_path, decoders):
    source = Scripted(tmp_path / "log", 40, Raises(ZeroDivisionError, at=7))
    batches = iter(reader(source, batch_size=1, workers=1, decoders=decoders))
    assert [int(next(batches).indices[0]) for _ in range(7)] == list(range(7))
    with pytest.raises(ZeroDivisionError):
        next(batches)


@pytest.mark.parametrize("after", [0, 7])
def test_ctrl_c_while_decoding_ends_at_once_and_leaves_no_threads(after, tmp_path, decoders):
    source = Scripted(tmp_path / "log", 1000, Raises(KeyboardInterrupt, at=after))
    with pytest.raises(KeyboardInterrupt):
        list(reader(source, 4, decoders=decoders))
    assert decoding_threads() == []
    assert source.reads <= after + 2 * 4 + 1


def test_ctrl_c_does_not_wait_for_what_was_to_be_read_ahead(tmp_path, decoders):
    source = Scripted(tmp_path / "log", 400, Raises(KeyboardInterrupt, seconds=0.002))
    with pytest.raises(KeyboardInterrupt):
        list(reader(source, batch_size=200, workers=1, decoders=decoders))
    assert source.reads < 390


def test_ctrl_c_in_the_network_ends_decoding_too(tmp_path, decoders):
    source = Scripted(tmp_path / "log", 1000, plain)
    batches = iter(reader(source, 4, decoders=decoders))

    def work():
        for _ in batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    batches.close()  # as happens when the traceback is dropped
    assert decoding_threads() == []
    assert source.reads < 50


def test_the_same_reader_can_be_read_twice(tmp_path, decoders):
    one = reader(Scripted(tmp_path / "log", 7, plain), decoders=decoders)
    assert [b.indices.tolist() for b in one] == [b.indices.tolist() for b in one]


def test_digests_mark_what_cannot_be_read(tmp_path):
    folder = folder_with_bad(tmp_path)
    source = open_images(folder)
    (folder / "2.png").unlink()
    found = digests(source, workers=2)
    assert found[2] is None
    assert found[0] is not None
    assert found[1] != found[0]  # damaged, and yet it can be read


def test_digests_stop_at_ctrl_c(tmp_path):
    source = Scripted(tmp_path / "log", 3000, Raises(KeyboardInterrupt, seconds=0.002))
    with pytest.raises(KeyboardInterrupt):
        digests(source, workers=2)
    assert source.reads < 2900
