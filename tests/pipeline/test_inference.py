"""Batches under way on a device while the next ones are read."""

import subprocess
from contextlib import closing

import numpy as np
import pytest
from pictures import decoding_threads
from toys import drawn, write_pictures

from mifid.errors import FeatureError
from mifid.extractors.base import Extractor, Identity
from mifid.images import open_images, workers
from mifid.pipeline import inference as extraction_module
from mifid.pipeline.inference import Extraction
from mifid.pipeline.options import Options


class Device(Extractor):
    """Computes brightness only when it is asked for the result, as a GPU may."""

    batch_size = 2

    def __init__(self, in_flight):
        self._in_flight = in_flight
        self.under_way = self.most_under_way = 0

    @property
    def identity(self):
        return Identity(name="brightness", fingerprint="1")

    @property
    def in_flight(self):
        return self._in_flight

    def load(self, device="auto"):
        return "cpu"

    def __call__(self, pixels):
        return pixels.mean(axis=(1, 2)).astype(np.float32)

    def submit(self, pixels):
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)

        def take():
            self.under_way -= 1
            return self(pixels)

        return take


@pytest.fixture
def pictures(random):
    return random.randint(0, 256, (9, 4, 4, 3), dtype=np.uint8)


def extraction(pictures, extractor):
    return Extraction(open_images(pictures), extractor, Options(), "generated")


@pytest.mark.parametrize("in_flight", [1, 2, 3, 20])
def test_so_many_batches_are_under_way_and_come_back_in_order(pictures, in_flight):
    extractor = Device(in_flight)
    found = list(extraction(pictures, extractor))
    assert extractor.most_under_way == min(in_flight, 5)
    assert extractor.under_way == 0
    np.testing.assert_array_equal(np.concatenate([i for i, _ in found]), np.arange(9))
    np.testing.assert_array_equal(np.concatenate([f for _, f in found]), extractor(pictures))


def test_the_extractor_says_how_many_at_a_time(pictures):
    assert [len(f) for _, f in extraction(pictures, Device(1))] == [2, 2, 2, 2, 1]


def test_gathered_features_are_in_the_order_of_pictures(pictures):
    sizes = [pictures[i] if i % 3 else pictures[i][:2] for i in range(9)]  # batches out of order
    from PIL import Image

    given = [Image.fromarray(picture) for picture in sizes]
    extractor = Device(2)
    indices, values = extraction(given, extractor).gather()
    np.testing.assert_array_equal(indices, np.arange(9))
    expected = np.concatenate([extractor(picture[None]) for picture in sizes])
    np.testing.assert_array_equal(values, expected)


def test_gathered_features_of_a_stream(pictures):
    stream = (pictures[i : i + 4] for i in range(0, 9, 4))
    indices, values = extraction(stream, Device(2)).gather()
    np.testing.assert_array_equal(indices, np.arange(9))
    np.testing.assert_array_equal(values, Device(1)(pictures))


@pytest.mark.parametrize("decoders", ["threads", "processes"])
def test_an_error_ends_what_decodes_even_while_its_traceback_is_kept(
    decoders, tmp_path, monkeypatch
):
    """Notebooks keep the last one."""
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(
        workers.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1]
    )

    class Failing(Device):
        def __call__(self, pixels):
            raise FeatureError("a batch failed")

    write_pictures(tmp_path, drawn("photo", 40))
    source = open_images(tmp_path)
    options = Options(workers=2)
    with pytest.raises(FeatureError, match="a batch failed") as kept:
        Extraction(source, Failing(1), options, "generated", decoders=decoders).gather()
    assert kept.tb is not None
    assert decoding_threads() == []
    assert len(started) == (2 if decoders == "processes" else 0)
    assert all(process.returncode is not None for process in started)


def test_widths_that_change_are_refused(pictures):
    class Growing(Device):
        def __call__(self, pixels):
            self.width = getattr(self, "width", 1) + 1
            return np.ones((len(pixels), self.width), dtype=np.float32)

    with pytest.raises(FeatureError, match=r"several widths: \[2, 3\]"):
        extraction(pictures, Growing(1)).gather()


@pytest.mark.parametrize(
    ("device", "cores", "pictures", "chosen"),
    [
        ("cuda", 4, 1000, "processes"),
        ("cuda:0, cuda:1", 16, 5000, "processes"),
        ("cuda", 2, 5000, "threads"),
        ("cuda", 16, 999, "threads"),
        ("cpu", 16, 5000, "threads"),
    ],
)
def test_processes_decode_for_a_gpu(device, cores, pictures, chosen, tmp_path, monkeypatch):
    for number in range(pictures):
        (tmp_path / f"{number}.png").write_bytes(b"")
    monkeypatch.setattr(extraction_module, "available_cores", lambda: cores)
    with closing(open_images(tmp_path)) as source:
        assert extraction_module._decoders(device, source) == chosen


def test_arrays_need_no_processes(random, monkeypatch):
    monkeypatch.setattr(extraction_module, "available_cores", lambda: 16)
    source = open_images(random.randint(0, 256, (1000, 1, 1, 3), dtype=np.uint8))
    assert extraction_module._decoders("cuda", source) == "threads"


def test_features_do_not_depend_on_what_decodes(tmp_path):
    pixels = drawn("photo", 5)
    source = open_images(write_pictures(tmp_path / "p", pixels))
    for decoders in ("threads", "processes"):
        options = Options(workers=2)
        run = Extraction(source, Device(1), options, "generated", decoders=decoders)
        np.testing.assert_array_equal(run.gather()[1], Device(1)(pixels))


@pytest.mark.parametrize("shape", [(), (1, 3)])
def test_features_that_are_not_a_row_a_picture_are_refused(pictures, shape):
    class Odd(Device):
        def __call__(self, pixels):
            return np.ones(shape or len(pixels), dtype=np.float32)

    with pytest.raises(FeatureError, match=r"turned 2 pictures into .*expected \(2, width\)"):
        extraction(pictures, Odd(1)).gather()
