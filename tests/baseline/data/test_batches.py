"""Which pictures a step sees: all of them, in an order that repeats only with its seed."""

import numpy as np
import pytest
from small import changed

from mifid.baseline.data.batches import Feed, PictureSet, Shuffle, hold_back
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import Processes


def test_each_epoch_goes_through_everything_once():
    shuffle = Shuffle(7, seed=1)
    taken = np.concatenate([shuffle.take(3) for _ in range(14)])  # batches cross epochs
    epochs = taken.reshape(6, 7)
    assert (np.sort(epochs, axis=1) == np.arange(7)).all()
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_batch_may_be_larger_than_the_set():
    assert np.bincount(Shuffle(3, seed=0).take(12)).tolist() == [4, 4, 4]


def test_the_sides_are_shuffled_apart():
    """A zip of both sides would pair the same pictures in each epoch."""
    photos, paintings = Shuffle(5, seed=10), Shuffle(5, seed=20)
    pairs = {tuple(pair) for pair in zip(photos.take(200), paintings.take(200), strict=True)}
    assert len(pairs) == 25


def test_it_goes_on_where_it_was():
    whole = Shuffle(11, seed=3).take(50)
    first, second = Shuffle(11, seed=3), Shuffle(11, seed=3)
    begun = first.take(17)
    second.load_state_dict(first.state_dict())
    assert np.array_equal(np.concatenate([begun, second.take(33)]), whole)
    assert not np.array_equal(Shuffle(11, seed=4).take(50), whole)


@pytest.mark.parametrize("number", [0, 3, 10])
def test_held_back_pictures_are_not_kept(number):
    kept, held = hold_back(10, number, seed=0)
    assert len(held) == number
    assert sorted([*kept, *held]) == list(range(10))
    assert np.array_equal(hold_back(10, number, seed=0)[1], held)


def test_another_seed_holds_others_back():
    assert not np.array_equal(hold_back(100, 10, seed=0)[1], hold_back(100, 10, seed=1)[1])


def feed(further, rank=0, world=1):
    pixels = {
        "photos": np.arange(11, dtype=np.uint8)[:, None, None, None],
        "paintings": np.arange(100, 105, dtype=np.uint8)[:, None, None, None],
    }
    sides = {
        name: PictureSet(np.broadcast_to(p, (len(p), 16, 16, 3)).copy(), np.arange(len(p)), "cpu")
        for name, p in pixels.items()
    }
    config = changed(training={"batch": 4}, augment={"enlarge": 1.0, "flip": False})
    processes = Processes(rank, world)
    draws = Draws(0, rank=rank, world=world)
    return Feed(config, **sides, draws=draws, processes=processes, further=further)


def levels(pictures):
    """The grey level of each picture, which tells which one it is."""
    return ((pictures[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_further_pictures_follow_the_batch_and_change_no_batch():
    plain, more = feed(0), feed(3)
    seen = []
    for _ in range(11):
        expected, given = plain.next(), more.next()
        for side, whole in zip(expected, given, strict=True):
            assert whole.shape == (16, 3, 16, 16)
            assert levels(whole[:4]) == levels(side)
        seen += levels(given[0][4:])
    assert np.bincount(seen).tolist() == [12] * 11  # each once before any comes again
    assert plain.state_dict().keys() < more.state_dict().keys()
    assert not set(levels(more.next()[1])) & set(range(11))


def test_two_processes_take_the_further_pictures_of_their_part_of_the_batch():
    whole, *parts = feed(3), feed(3, 0, 2), feed(3, 1, 2)
    for _ in range(5):
        together = np.array([levels(side) for side in whole.next()]).reshape(2, 4, 4)
        for rank, part in enumerate(parts):
            mine = np.array([levels(side) for side in part.next()]).reshape(2, 4, 2)
            assert np.array_equal(mine, together[:, :, rank::2])


def test_further_pictures_go_on_where_they_were():
    whole, first, second = feed(2), feed(2), feed(2)
    for _ in range(3):
        whole.next(), first.next()
    second.load_state_dict(first.state_dict())
    for one, other in zip(whole.next(), second.next(), strict=True):
        assert levels(one) == levels(other)
