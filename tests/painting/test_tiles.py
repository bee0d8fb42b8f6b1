"""Tiles cover a picture, lie where the network halves it alike, and are joined without a seam."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid.painting.tiles import MARGIN, RAMP, canvas, joined, mirrored, patches

SIDES = st.integers(1, 3000)
FEW = settings(max_examples=30)


@st.composite
def canvases(draw):
    multiple = draw(st.sampled_from([0, 1, 4, 32, 256]))
    size = draw(st.sampled_from([64, 128, 256])) if multiple < 256 else 256
    most = draw(st.integers(size**2, 1 << 20))
    height, width = draw(SIDES), draw(SIDES)
    return (
        canvas(height, width, multiple=multiple, size=size, most_pixels=most),
        (height, width, multiple, size, most),
    )


@FEW
@given(canvases())
def test_tiles_cover_the_picture_with_sides_that_the_network_takes(made):
    on, (height, width, multiple, size, most) = made
    for axis, side in ((on.down, height), (on.across, width)):
        assert axis.starts[0] == 0
        assert axis.starts[-1] + axis.tile == axis.length >= max(side, min(size, axis.length))
        assert list(axis.starts) == sorted(set(axis.starts))
        assert axis.tile == size if not multiple else axis.tile % multiple == 0
    assert on.down.tile * on.across.tile <= most
    if multiple and len(on) > 1 and multiple <= 32:  # then the overlap leaves room for it
        assert all(start % multiple == 0 for start in on.down.starts + on.across.starts)


@FEW
@given(canvases())
def test_weights_sum_up_to_one_and_leave_out_the_edges(made):
    on, _ = made
    for axis in (on.down, on.across):
        total = np.zeros(axis.length)
        for index, start in enumerate(axis.starts):
            weights = axis.weights(index).numpy()
            assert (weights >= 0).all()
            total[start : start + axis.tile] += weights
            margin = min(MARGIN, axis.tile // 8)
            if index > 0:
                assert not weights[:margin].any()
            if index < len(axis.starts) - 1:
                assert not weights[axis.tile - margin :].any()
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_neighbours_turn_into_each_other_over_a_ramp():
    axis = canvas(768, 2000, multiple=4, size=64, most_pixels=768**2).across
    weights = axis.weights(0).numpy()
    changing = np.flatnonzero((weights > 0) & (weights < 1))
    assert len(changing) == RAMP
    assert (np.diff(weights[changing]) < 0).all()


@FEW
@given(canvases())
def test_parts_of_a_picture_are_joined_to_it(made):
    on, (height, width, *_) = made
    if on.down.length * on.across.length > 100_000:
        return
    random = np.random.RandomState(0)
    levels = random.randint(0, 256, (3, on.down.length, on.across.length)).astype(np.float32)
    picture = torch.from_numpy(levels / 127.5 - 1)

    def paint(top, left):
        return picture[:, top : top + on.down.tile, left : left + on.across.tile]

    found = joined(on, height, width, paint)
    np.testing.assert_array_equal(found, levels.transpose(1, 2, 0)[:height, :width])


def test_a_picture_that_fits_is_one_tile():
    on = canvas(700, 1000, multiple=4, size=256, most_pixels=1 << 20)
    assert (len(on), on.down.length, on.across.length) == (1, 700, 1000)
    on = canvas(701, 1001, multiple=32, size=256, most_pixels=1 << 20)
    assert (on.down.length, on.across.length) == (704, 1024)


def test_small_pictures_are_mirrored_up_to_the_size_of_training():
    on = canvas(1, 3, multiple=4, size=64, most_pixels=1 << 20)
    assert (on.down.length, on.across.length) == (64, 64)


@FEW
@given(canvases())
def test_patches_lie_within_the_picture(made):
    on, (_, _, multiple, size, most) = made
    chosen = patches(on, multiple=multiple, side=size, most_pixels=most)
    assert len(set(chosen.places)) == len(chosen.places) >= 1
    assert len(chosen.places) * chosen.height * chosen.width <= max(most, size**2)
    for top, left in chosen.places:
        assert 0 <= top <= on.down.length - chosen.height
        assert 0 <= left <= on.across.length - chosen.width
        assert not multiple or (top % multiple, left % multiple) == (0, 0)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_border_is_mirrored_as_numpy_does(length):
    line = np.arange(length)
    expected = np.pad(line, (0, 40), "reflect") if length > 1 else np.zeros(41, int)
    np.testing.assert_array_equal(line[mirrored(0, 40 + length, length)], expected)
