"""Which pictures a step sees: all of them, in an order that repeats only with its seed."""

import numpy as np
import pytest

from mifid.baseline.data.batches import Shuffle, hold_back


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
