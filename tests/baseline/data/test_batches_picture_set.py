"""Pictures by index, from those that are kept."""

import numpy as np
import torch

from mifid.baseline.data.batches import PictureSet


def test_indices_count_the_kept_pictures(random):
    pixels = random.randint(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    pictures = PictureSet(pixels, np.array([1, 3, 5]), "cpu")
    assert len(pictures) == 3
    taken = pictures.take(np.array([2, 0, 2]))
    assert taken.dtype == torch.uint8
    assert np.array_equal(taken.numpy(), pixels[[5, 1, 5]])


def test_what_is_taken_is_a_copy(random):
    pixels = random.randint(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    before = pixels.copy()
    PictureSet(pixels, np.arange(2), "cpu").take(np.arange(2)).zero_()
    assert np.array_equal(pixels, before)


def test_batches_are_all_pictures_in_order(random):
    pixels = random.randint(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    batches = list(PictureSet(pixels, np.arange(7), "cpu").batches(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert np.array_equal(torch.cat(batches).numpy(), pixels)
