"""The pool against the paper's loop, one picture after the other."""

import pytest
import torch

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.gan.image_pool import ImagePool
from mifid.errors import InputError


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def numbers_of(pictures):
    assert (pictures == pictures[:, :1, :1, :1]).all()
    return pictures[:, 0, 0, 0].int().tolist()


class Given:
    """Draws that were written down: pairs of (chance, place)."""

    def __init__(self, *pairs):
        self.pairs = list(pairs)

    def uniform(self, like, *shape):
        assert shape == (2,)
        taken, self.pairs = self.pairs[: len(like)], self.pairs[len(like) :]
        return torch.tensor(taken)


def oracle(batches, size, draws):
    """Shrivastava et al.'s history as CycleGAN keeps it, in a list."""
    held, answers = [], []
    for batch in batches:
        drawn = draws.uniform(torch.empty(len(batch)), 2)
        answer = []
        for number, (chance, place) in zip(batch, drawn, strict=True):
            if len(held) < size:
                held.append(number)
                answer.append(number)
            elif chance < 0.5:
                slot = int(place * size)
                answer.append(held[slot])
                held[slot] = number
            else:
                answer.append(number)
        answers.append(answer)
    return answers, held


@pytest.mark.parametrize(("size", "batch"), [(1, 1), (3, 4), (5, 2), (4, 9)])
def test_equals_the_plain_loop(size, batch):
    batches = [list(range(i * batch, (i + 1) * batch)) for i in range(20)]
    answers, held = oracle(batches, size, Draws(5))
    pool, draws = ImagePool(size), Draws(5)
    assert [numbers_of(pool.exchange(numbered(*b), draws)) for b in batches] == answers
    assert numbers_of(pool.state_dict()["pictures"]) == held
    assert len(pool) == size


def test_a_later_picture_of_a_batch_may_take_out_an_earlier_one():
    draws = Given((0.9, 0), (0.1, 0.0), (0.1, 0.4), (0.7, 0.0))
    pool = ImagePool(1)
    assert numbers_of(pool.exchange(numbered(1, 2, 3, 4), draws)) == [1, 1, 2, 4]
    assert numbers_of(pool.state_dict()["pictures"]) == [3]


def test_the_last_place_can_be_drawn_and_none_beyond_it():
    below_one = 1 - 2**-24
    pool = ImagePool(3)
    pool.exchange(numbered(1, 2, 3), Given(*[(0.0, 0.0)] * 3))
    assert numbers_of(pool.exchange(numbered(4), Given((0.0, below_one)))) == [3]


def test_half_of_the_pictures_are_old_ones_once_it_is_full():
    pool, draws = ImagePool(10), Draws(0)
    pool.exchange(numbered(*[-1] * 10), draws)
    fresh = numbered(*range(1, 2001))
    shown = pool.exchange(fresh, draws)
    assert (shown == fresh)[:, 0, 0, 0].float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_nothing_is_kept_without_room():
    pictures = numbered(1, 2).clone().requires_grad_()
    shown = ImagePool(0).exchange(pictures, None)
    assert shown.data_ptr() == pictures.data_ptr()
    assert not shown.requires_grad


def test_what_is_stored_and_shown_are_copies_without_gradient():
    pool = ImagePool(2)
    pictures = (numbered(1, 2) * torch.ones(1, requires_grad=True)).contiguous()
    shown = pool.exchange(pictures, Draws(0))
    assert not shown.requires_grad
    shown.zero_()
    with torch.no_grad():
        pictures.fill_(9)
    assert numbers_of(pool.state_dict()["pictures"]) == [1, 2]


@pytest.mark.parametrize("seen", [0, 2, 7])
def test_goes_on_from_its_state(seen):
    """Empty, half full, full: as if it had not been interrupted."""
    pool, draws = ImagePool(4), Draws(1)
    for i in range(seen):
        pool.exchange(numbered(i), draws)
    other, other_draws = ImagePool(4), Draws(99)
    other.load_state_dict(pool.state_dict())
    other_draws.load_state_dict(draws.state_dict())
    for i in range(100, 130, 3):
        batch = numbered(i, i + 1, i + 2)
        assert torch.equal(pool.exchange(batch, draws), other.exchange(batch, other_draws))


def test_its_state_is_a_copy_and_no_larger_than_it_need_be():
    pool = ImagePool(50)
    pool.exchange(numbered(1), Draws(0))
    state = pool.state_dict()
    assert state["pictures"].untyped_storage().nbytes() == 3 * 2 * 2 * 4
    pool.exchange(numbered(2), Draws(0))
    assert numbers_of(state["pictures"]) == [1]


def test_refuses_a_larger_pools_state():
    pool = ImagePool(3)
    pool.exchange(numbered(1, 2, 3), Draws(0))
    with pytest.raises(InputError, match=r"has 3 pictures; training.pool is 2\n.*at least 3"):
        ImagePool(2).load_state_dict(pool.state_dict())
