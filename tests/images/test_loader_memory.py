"""What is decoded ahead is bounded by bytes: pictures alive are counted, no memory is measured."""

import threading
import weakref
from collections import Counter

import numpy as np
import pytest
from pictures import encode, write_folder
from PIL import Image

from mifid.errors import MifidWarning, PictureError, recorded_warnings, warn
from mifid.extractors import open_extractor
from mifid.images import loader, open_images
from mifid.images import loader as room
from mifid.images.decoding import NoRoomError, decode, decode_chunk
from mifid.images.loader import BatchReader, Chunk, Room, at_a_time
from mifid.images.source import Decoded, Source, Stream
from mifid.pipeline.inference import Extraction
from mifid.pipeline.options import Options

SIDE = 64
BYTES = SIDE * SIDE * 3


class Alive:
    """Counts bytes of arrays that are not forgotten yet."""

    def __init__(self):
        self.now = self.most = 0
        self._lock = threading.RLock()

    def count(self, array):
        with self._lock:
            self.now += array.nbytes
            self.most = max(self.most, self.now)
        weakref.finalize(array, self._forget, array.nbytes)
        return array

    def _forget(self, size):
        with self._lock:
            self.now -= size


class Sized(Source):
    """Pictures of these sizes (sides), made when they are read and counted while they live."""

    def __init__(self, sides, alive):
        self.description, self.skipped = "sized", Counter()
        self.names = [f"{i:04}" for i in range(len(sides))]
        self._sides, self._alive = sides, alive

    def read(self, index):
        side = self._sides[index]
        return Decoded(self._alive.count(np.full((side, side, 3), index % 251, np.uint8)))


@pytest.fixture
def small_limits(monkeypatch):
    """Four pictures ahead, two in a batch."""
    monkeypatch.setattr(Room.__init__, "__defaults__", (4 * BYTES,))
    monkeypatch.setattr(room, "_MOST_GUESS", BYTES)
    monkeypatch.setattr(loader, "_MOST_BATCH", 2 * BYTES)


def reader(source, batch_size=8, workers=2, decoders="threads", skip_bad=False):
    return BatchReader(
        source, batch_size=batch_size, workers=workers, skip_bad=skip_bad, decoders=decoders
    )


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_few_large_pictures_are_alive_at_a_time(workers, small_limits):
    alive = Alive()
    found = 0
    for batch in reader(Sized([SIDE] * 60, alive), batch_size=16, workers=workers):
        assert batch.pixels.nbytes <= 2 * BYTES
        found += len(batch.indices)
    assert found == 60
    # Ahead; one that is awaited; those just taken; a batch; one that each worker is at.
    assert alive.most <= (4 + 1 + 4 + 2 + workers) * BYTES


def test_sizes_that_differ_pile_up_no_more(small_limits):
    alive = Alive()
    sides = [SIDE - i % 20 for i in range(80)]
    indices = [i for batch in reader(Sized(sides, alive), 16) for i in batch.indices]
    assert sorted(indices) == list(range(80))
    assert alive.most <= (4 + 1 + 4 + 3 + 2) * BYTES


def test_a_picture_larger_than_all_room_is_read_all_the_same(small_limits):
    sides = [8, 5 * SIDE, 8, 8, 5 * SIDE]
    found = list(reader(Sized(sides, Alive())))
    assert sorted(len(batch.indices) for batch in found) == [1, 1, 3]


def test_small_pictures_are_batched_and_read_ahead_as_they_were(random):
    """The limits are far from ordinary sets: 128 pictures of 256 x 256, 8 of 1024 x 1024."""
    for batch_size, side in ((128, 256), (64, 512), (8, 1024), (8, 2048)):
        assert at_a_time(batch_size, side * side * 3) == batch_size
    assert at_a_time(8, 24_000_000 * 3) == 1
    assert at_a_time(8, 8192 * 8192 * 3) == 1
    sizes = random.randint(1, 5, size=40)
    found = [len(b.indices) for b in reader(Sized(sizes, Alive()), batch_size=3)]
    assert sum(found) == 40
    assert max(found) == 3


@pytest.mark.parametrize("decoders", ["threads", "processes"])
def test_large_files_are_the_same_pictures(decoders, small_limits, tmp_path):
    pixels = [np.full((SIDE, SIDE + i % 3, 3), i, np.uint8) for i in range(12)]
    files = [(f"{i:02}.png", encode(each)) for i, each in enumerate(pixels)]
    source = open_images(write_folder(tmp_path, [*files, ("99.png", b"no picture")]))
    one = reader(source, decoders=decoders, skip_bad=True)
    seen = {int(i): p for batch in one for i, p in zip(batch.indices, batch.pixels, strict=True)}
    assert len(seen) == 12
    for index, each in seen.items():
        np.testing.assert_array_equal(each, pixels[index])
    assert [index for index, _ in one.bad] == [12]


def test_a_picture_without_room_is_not_decoded(monkeypatch):
    content = encode(np.zeros((30, 20, 3), np.uint8))
    assert decode(content, "a", room=1800).pixels.shape == (30, 20, 3)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it is decoded"))
    with pytest.raises(NoRoomError) as caught:
        decode(content, "a", room=1799)
    assert caught.value.needed == 1800


def test_a_chunk_ends_where_its_room_does(tmp_path):
    files = [(f"{i}.png", encode(np.zeros((10, 10, 3), np.uint8))) for i in range(4)]
    source = open_images(write_folder(tmp_path, files))
    found = list(decode_chunk(source, range(4), 650))
    assert [type(each) for each in found] == [Decoded, Decoded, NoRoomError]
    assert found[-1].needed == 300


def test_there_is_always_room_for_what_is_awaited():
    shared, first, second = Room(100), Chunk(range(1)), Chunk(range(1, 2))
    assert shared.take(80, first)
    shared.await_chunk(second)
    assert shared.take(500, second)
    shared.settle(500, 500, second)
    took = []
    thread = threading.Thread(target=lambda: took.append(shared.take(1, second)))
    thread.start()
    assert took == []  # one of it is there already
    shared.stop()
    thread.join()
    assert took == [False]


def test_an_error_in_a_chunk_is_met_in_its_place(small_limits):
    class Failing(Sized):
        def read(self, index):
            if index == 7:
                raise ZeroDivisionError
            return super().read(index)

    given = iter(reader(Failing([SIDE] * 20, Alive()), batch_size=1))
    assert [int(next(given).indices[0]) for _ in range(7)] == list(range(7))
    with pytest.raises(ZeroDivisionError):
        next(given)


def test_warnings_of_decoding_threads_are_the_calls():
    class Odd(Sized):
        def read(self, index):
            warn("a picture is odd")
            return super().read(index)

    with pytest.warns(MifidWarning, match="odd"), recorded_warnings() as found:
        list(reader(Odd([SIDE] * 9, Alive())))
    assert found == ["a picture is odd"]


def test_bad_pictures_need_no_room(small_limits):
    class Bad(Sized):
        def read(self, index):
            raise PictureError(f"'{index}' is bad")

    one = reader(Bad([SIDE] * 30, Alive()), skip_bad=True)
    assert list(one) == []
    assert len(one.bad) == 30


def test_batches_of_a_stream_are_bounded_too(small_limits):
    seen = []

    def means(batch):
        seen.append(len(batch))
        return batch.float().mean((2, 3))

    pixels = np.zeros((7, SIDE, SIDE, 3), np.uint8)
    one = Extraction(Stream([pixels]), open_extractor(means), Options(), "generated")
    indices, values = one.gather()
    assert seen == [2, 2, 2, 1]
    assert indices.tolist() == list(range(7))
    assert len(values) == 7
