"""What the pixels of a set look like, added up batch by batch."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifid.images.inspection import Inspection


def inspected(*batches):
    found = Inspection()
    for batch in batches:
        found.add(np.asarray(batch, dtype=np.uint8))
    return found


def gradients(n=4, size=64):
    ramp = np.linspace(0, 255, size * size * 3).astype(np.uint8)
    return np.stack([np.roll(ramp, 97 * i).reshape(size, size, 3) for i in range(n)])


def test_sizes_and_one_coloured_pictures_are_counted():
    black, dotted = np.zeros((2, 40, 30, 3)), np.zeros((1, 40, 30, 3))
    dotted[0, 7, 11, 2] = 1  # between the pixels of the grid
    found = inspected(black, dotted, np.full((3, 8, 9, 3), [[[9, 8, 7]]]), gradients(2, 16))
    assert found.sizes == {(30, 40): 3, (9, 8): 3, (16, 16): 2}
    assert found.one_colour == 5
    assert found.count == 8


@given(cut=st.integers(0, 5))
def test_how_pictures_are_cut_into_batches_does_not_matter(cut):
    pictures = gradients(5)
    whole, parts = inspected(pictures), inspected(pictures[:cut], pictures[cut:])
    assert whole.to_json() == parts.to_json()


def test_what_json_keeps_is_the_same_again():
    found = inspected(gradients(), np.zeros((1, 3, 5, 3)))
    again = Inspection.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.sizes == found.sizes
    assert again.narrow() == found.narrow()


@pytest.mark.parametrize(
    ("change", "narrow"),
    [
        (lambda x: x, None),
        (lambda x: x // 4, None),  # dark, but pictures
        (lambda x: (x > 127) * 255, None),  # black and white drawings
        (lambda x: x * 0, "levels 0 to 0 of"),
        (lambda x: x // 255, "levels 0 to [01] of"),  # 0..1 cast to integers
        (lambda x: x // 16 + 100, "levels 100 to 115 of"),
        # -1..1 cast to integers: 0, 1 and, of -1, 255
        (lambda x: (x / 127.5 - 1).astype(np.int8).astype(np.uint8), "9[0-9]% .* levels 0 to 7"),
    ],
)
def test_next_to_no_range_is_named(change, narrow):
    found = inspected(change(gradients(8, 128).astype(np.int64))).narrow()
    if narrow is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(narrow, found), found


def test_of_no_pictures_nothing_is_said():
    assert Inspection().narrow() is None
    assert Inspection().count == 0
