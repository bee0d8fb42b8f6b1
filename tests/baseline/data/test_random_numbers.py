"""Draws are repeatable, in range, and shared out between processes."""

import pytest
import torch

from mifid.baseline.data.random_numbers import Draws

FOUR, TWO = torch.empty(4, 3, 2, 2), torch.empty(2, 3, 2, 2)

KINDS = {
    "uniform": lambda draws, like: draws.uniform(like, 5),
    "normal": lambda draws, like: draws.normal_like(like),
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_see_what_one_would(kind):
    draw = KINDS[kind]
    whole = Draws(3)
    parts = [Draws(3, rank=rank, world=2) for rank in (0, 1)]
    for _ in range(2):
        expected = draw(whole, FOUR)
        for rank, part in enumerate(parts):
            assert torch.equal(draw(part, TWO), expected[rank::2])


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_from_its_state(kind):
    draw, first, other = KINDS[kind], Draws(0), Draws(1)
    draw(first, FOUR)
    other.load_state_dict(first.state_dict())
    assert torch.equal(draw(first, FOUR), draw(other, FOUR))


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_calls_differ(kind):
    draw, many = KINDS[kind], torch.empty(64, 3)
    first = Draws(0)
    one = draw(first, many)
    assert torch.equal(one, draw(Draws(0), many))
    assert not torch.equal(one, draw(first, many))
    assert not torch.equal(one, draw(Draws(1), many))


def test_ranges_and_kinds():
    draws, many = Draws(0), torch.empty(3000, 2, dtype=torch.bfloat16)
    uniform = draws.uniform(many, 2)
    assert (uniform.shape, uniform.dtype) == ((3000, 2), torch.float32)
    assert 0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1
    normal = draws.normal_like(many)
    assert (normal.shape, normal.dtype) == (many.shape, many.dtype)
    assert normal.float().mean().item() == pytest.approx(0, abs=0.08)
    assert normal.float().std().item() == pytest.approx(1, abs=0.06)


def test_the_next_seeds_small_draws_are_not_this_ones_large_ones():
    """Box-Muller makes normals of the same numbers that uniform() gives."""
    normal = Draws(0).normal_like(torch.empty(64))
    same = torch.randn(64, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(normal, same)


def test_noise_touches_no_other_draws():
    quiet, noisy = Draws(0), Draws(0)
    noisy.normal_like(FOUR)
    assert torch.equal(quiet.uniform(FOUR), noisy.uniform(FOUR))


def test_global_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    for draw in KINDS.values():
        draw(Draws(0), FOUR)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_drawn_for_all_is_the_same_on_all_processes():
    whole, parts = Draws(3), [Draws(3, rank=rank, world=2) for rank in (0, 1)]
    for _ in range(3):
        common, places = whole.common(), whole.places(5, of=40)
        assert 0 <= common < 1
        assert len(places.unique()) == 5
        assert 0 <= places.min() <= places.max() < 40
        for part in parts:
            assert part.common() == common
            assert torch.equal(part.places(5, of=40), places)
    assert sorted(whole.places(256, of=9).tolist()) == list(range(9))
