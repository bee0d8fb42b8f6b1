"""Batches under way on devices: the same path on the CPU, recordings of CUDA graphs by a double."""

from functools import partial

import numpy as np
import pytest
import torch

from mifid.errors import InputError, MifidWarning
from mifid.extractors import devices, open_extractor
from mifid.extractors.backends import torch_backend
from mifid.extractors.backends.torch_backend import Lane, Worker
from mifid.extractors.devices import choose_devices

CPU = torch.device("cpu")


class Means:
    """Each channel's mean."""

    def prepare(self, pixels):
        assert pixels.shape[1] == 3
        return pixels.float().mean(dim=3)

    def compute(self, x):
        return x.mean(dim=2)


@pytest.fixture
def batches(random):
    return [random.randint(0, 256, (n, 6, 5, 3), dtype=np.uint8) for n in (4, 4, 4, 3)]


def means(batch):
    return batch.astype(np.float32).mean(axis=(1, 2))


def test_features_of_a_lane_outlive_its_next_batch(batches):
    lane = Lane(Worker(Means(), CPU))
    taken = [lane.submit(batch) for batch in batches]
    for take, batch in reversed(list(zip(taken, batches, strict=True))):
        np.testing.assert_allclose(take(), means(batch), rtol=1e-6)
        np.testing.assert_array_equal(take(), take())


def test_pixels_may_be_overwritten_once_they_are_submitted(batches):
    """A stream may yield the same memory again and again."""
    lane = Lane(Worker(Means(), CPU))
    pixels = batches[0].copy()
    take = lane.submit(pixels)
    pixels[:] = 0
    np.testing.assert_allclose(take(), means(batches[0]), rtol=1e-6)


class Recorded:
    """In a CUDA graph's place: notes what is recorded, and computes."""

    def __init__(self, network, batch, shapes):
        self.network = network
        shapes.append(tuple(batch.shape))

    def __call__(self, batch):
        return self.network.compute(batch)


@pytest.fixture
def recorded(monkeypatch):
    shapes = []
    monkeypatch.setattr(torch_backend, "_Graph", partial(Recorded, shapes=shapes))
    return shapes


def on_cuda():
    """A worker that takes itself to be on a GPU; its tensors are on the CPU."""
    return Worker(Means(), torch.device("cuda"))


def test_a_size_is_recorded_when_it_comes_again(recorded):
    worker = on_cuda()
    for n, height in ((4, 6), (4, 6), (4, 6), (2, 6)):
        features = worker(torch.full((n, 3, height, 5), 7, dtype=torch.uint8))
        assert features.tolist() == [[7.0] * 3] * n
    assert recorded == [(4, 3, 6)]


def test_beyond_a_few_sizes_nothing_is_recorded(recorded, monkeypatch):
    monkeypatch.setattr(torch_backend, "_MOST_GRAPHS", 2)
    worker = on_cuda()
    for n in (1, 1, 2, 2, 3, 3, 3, 1, 2):
        assert len(worker(torch.zeros(n, 3, 6, 5))) == n
    assert [shape[0] for shape in recorded] == [1, 2]


def test_what_cannot_be_recorded_is_computed_and_told_of_once(recorded, monkeypatch):
    """Running out of memory within a recording, for one, is no OutOfMemoryError in torch."""
    worker = on_cuda()
    for _ in range(2):
        worker(torch.ones(4, 3, 6, 5))

    def invalidated(network, x):
        raise RuntimeError("operation failed due to a previous error during capture\nsecond line")

    monkeypatch.setattr(torch_backend, "_Graph", invalidated)
    worker(torch.ones(2, 3, 6, 5))
    with pytest.warns(MifidWarning, match=r"cuda: .* recorded \(operation .* capture\)"):
        worker(torch.ones(2, 3, 6, 5))
    for n in (2, 3, 3, 4):  # no further warning, which would be an error
        assert worker(torch.ones(n, 3, 6, 5)).tolist() == [[1.0] * 3] * n
    assert list(worker._graphs) == [torch.Size((4, 3, 6))]  # what was recorded before is replayed


def test_graphs_are_given_up_too_where_preparing_needs_their_memory(recorded):
    class Large(Means):
        def prepare(self, pixels):
            if worker._graphs:
                raise torch.OutOfMemoryError
            return super().prepare(pixels)

    worker = Worker(Large(), torch.device("cuda"))
    for _ in range(3):
        assert len(worker(torch.zeros(4, 3, 6, 5))) == 4
    assert worker._limit == 2  # halved, with all memory free again


def test_read_only_pixels_are_taken(batches):
    pixels = batches[0]
    pixels.setflags(write=False)
    np.testing.assert_allclose(
        Lane(Worker(Means(), CPU)).submit(pixels)(), means(pixels), rtol=1e-6
    )


def test_graphs_are_given_up_when_memory_runs_out(monkeypatch):
    class Full:
        def __init__(self, network, x):
            if len(x) > 2:
                raise torch.OutOfMemoryError
            self.compute = network.compute

        def __call__(self, x):
            return self.compute(x)

    monkeypatch.setattr(torch_backend, "_Graph", Full)
    worker = on_cuda()
    for _ in range(3):
        assert len(worker(torch.zeros(4, 3, 6, 5))) == 4
    assert list(worker._graphs) == [torch.Size((2, 3, 6))]


def test_several_devices_take_turns(monkeypatch, random):
    seen = []
    run = Worker.__call__

    def noted(self, batch):
        seen.append(self)
        return run(self, batch)

    monkeypatch.setattr(Worker, "__call__", noted)
    both = [Lane(Worker(Means(), CPU)) for _ in range(2)]
    for number in range(4):
        both[number % 2].submit(random.randint(0, 256, (2, 4, 4, 3), dtype=np.uint8))
    assert seen[0] is seen[2] is not seen[1]
    assert seen[1] is seen[3]


@pytest.mark.network
def test_two_devices_give_what_one_gives(random):
    extractor = open_extractor("inception-random", backend="torch")
    assert extractor.load("cpu,cpu") == "cpu, cpu"
    assert extractor.in_flight == 2
    pictures = [random.randint(0, 256, (2, 20, 30, 3), dtype=np.uint8) for _ in range(3)]
    taken = [extractor.submit(batch) for batch in pictures]
    alone = open_extractor("inception-random", backend="torch")
    alone.load("cpu")
    assert alone.in_flight == 1
    for take, batch in zip(taken, pictures, strict=True):
        np.testing.assert_allclose(take(), alone(batch), rtol=1e-4, atol=1e-5)


def test_devices(monkeypatch):
    assert choose_devices("cpu") == [CPU]
    assert choose_devices("cpu, cpu") == [CPU, CPU]
    with pytest.raises(InputError, match="device 'meta' cannot be used here: there is no such"):
        choose_devices("meta")
    with monkeypatch.context() as patched:
        patched.setattr(devices, "choose_device", torch.device)
        with pytest.raises(InputError, match="of several kinds"):
            choose_devices("cpu,cuda:1")
    with pytest.raises(InputError, match="device 'cuba:1' cannot be used here") as caught:
        choose_devices("cpu,cuba:1")
    assert "What works here: device='auto', device='cpu'" in caught.value.hint
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="cannot be used here") as caught:
        choose_devices("cuba")
    for working in ("cuda", "cuda:1", "cuda:all"):
        assert f"device='{working}'" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_all_of_no_gpus():
    with pytest.raises(InputError, match="device 'cuda' cannot be used here"):
        choose_devices("cuda:all")
