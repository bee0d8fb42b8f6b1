"""What each change does to a picture, how often, and what gradients pass through it."""

import numpy as np
import pytest
import torch

from mifid.baseline.config.schema import DiffAugment
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.gan.diffaugment import diff_augment

ALL = DiffAugment(color=1, translation=1, cutout=1)
KINDS = ("color", "translation", "cutout")


def noise(n=4, size=16, width=None):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, size, width or size, generator=generator) * 2 - 1


class Given:
    """Draws that were written down, the same for every picture."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def uniform(self, like, *shape):
        assert shape == (len(self.numbers),)
        return torch.tensor(self.numbers).expand(len(like), -1)


def test_without_probabilities_the_same_object_comes_back():
    pictures = noise()
    assert diff_augment(pictures, DiffAugment(), None) is pictures


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_that_are_not_chosen_are_the_same_to_the_last_bit(kind):
    pictures = noise(400, 8)
    results = diff_augment(pictures, DiffAugment(**{kind: 0.3}), Draws(0))
    changed = (results != pictures).flatten(1).any(dim=1)
    # A translation by 0 in both directions, one of nine, changes nothing.
    rate = 0.3 * (8 / 9 if kind == "translation" else 1)
    assert changed.float().mean().item() == pytest.approx(rate, abs=0.1)


def test_color_in_closed_form():
    """Brightness, then saturation about the pixel's mean, then contrast about the picture's."""
    pictures = noise(1)
    drawn = (0.0, 0.9, 0.25, 0.75)  # chosen; b = 0.4, s = 0.5, c = 1.25
    expected = pictures.numpy().astype(np.float64) + 0.4
    grey = expected.mean(axis=1, keepdims=True)
    expected = (expected - grey) * 0.5 + grey
    mean = expected.mean()
    expected = (expected - mean) * 1.25 + mean
    result = diff_augment(pictures, DiffAugment(color=1), Given(*drawn))
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("end", [0.0, 1 - 2**-24])
def test_ends_of_the_color_ranges(end):
    pictures = noise(1)
    shift, saturation, contrast = (-0.5, 0.0, 0.5) if end == 0 else (0.5, 2.0, 1.5)
    result = diff_augment(pictures, DiffAugment(color=1), Given(0.0, end, end, end))
    assert (result.mean() - pictures.mean()).item() == pytest.approx(shift, abs=1e-5)
    chroma, given = (p - p.mean(dim=1, keepdim=True) for p in (result, pictures))
    torch.testing.assert_close(chroma, given * saturation * contrast, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("size", "width"), [(16, 16), (17, 40)])
def test_translation_shifts_whole_pixels_and_brings_in_zeros(size, width):
    pictures = noise(200, size, width).numpy()
    results = diff_augment(torch.from_numpy(pictures), DiffAugment(translation=1), Draws(0)).numpy()
    down_most, across_most = round(size / 8), round(width / 8)
    padding = ((0, 0), (down_most, down_most), (across_most, across_most))
    shifts = set()
    for picture, result in zip(pictures, results, strict=True):
        padded = np.pad(picture, padding)
        found = [
            (down, across)
            for down in range(-down_most, down_most + 1)
            for across in range(-across_most, across_most + 1)
            if np.array_equal(
                result,
                padded[
                    :,
                    down_most - down : down_most - down + size,
                    across_most - across : across_most - across + width,
                ],
            )
        ]
        assert len(found) == 1
        shifts.update(found)
    assert {down for down, _ in shifts} == set(range(-down_most, down_most + 1))
    assert {across for _, across in shifts} == set(range(-across_most, across_most + 1))


@pytest.mark.parametrize("side", [12, 13, 16])
def test_cutout_zeros_half_of_each_side_with_its_centre_on_the_picture(side):
    pictures = torch.ones(500, 3, side, side)
    results = diff_augment(pictures, DiffAugment(cutout=1), Draws(0))
    assert set(results.unique().tolist()) == {0.0, 1.0}
    gone = (results == 0).all(dim=1)
    assert torch.equal(gone, (results == 0).any(dim=1))
    length = int(side * 0.5 + 0.5)
    rows, columns = gone.any(dim=2), gone.any(dim=1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])
    for stretches in (rows, columns):
        kinds = stretches.unique(dim=0)
        # Even stretches: centres between pixels, 0..S. Odd ones: on pixels, 0..S-1.
        places = side + 1 - length % 2
        assert len(kinds) == places
        lengths = sorted(kinds.sum(dim=1).tolist())
        inside = side - length + 1
        assert lengths[-inside:] == [length] * inside
        assert lengths[0] == length - length // 2
        assert ((kinds[:, 1:] != kinds[:, :-1]).sum(dim=1) <= 2).all()  # one stretch


def test_gradients_are_those_of_the_change():
    pictures = noise(3, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: diff_augment(p, ALL, Draws(1)), pictures)


def test_what_is_cut_out_or_shifted_away_gets_no_gradient():
    pictures = noise(50, 16).requires_grad_()
    config = DiffAugment(translation=1, cutout=1)
    results = diff_augment(pictures, config, Draws(0))
    results.sum().backward()
    assert set(pictures.grad.unique().tolist()) == {0.0, 1.0}
    # Each pixel that is seen hands its gradient to the one it came from.
    assert torch.equal(pictures.grad.sum(dim=(1, 2, 3)), (results != 0).sum(dim=(1, 2, 3)).float())


def test_pictures_are_changed_one_by_one_and_anew_each_time():
    one = noise(1).expand(6, -1, -1, -1)
    draws = Draws(0)
    first, second = (diff_augment(one, ALL, draws) for _ in range(2))
    assert len(first.flatten(1).unique(dim=0)) == 6
    assert not torch.equal(first, second)
    assert torch.equal(first, diff_augment(one, ALL, Draws(0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_dtype_stay(dtype):
    pictures = noise(2).to(dtype)
    result = diff_augment(pictures, ALL, Draws(0))
    assert (result.shape, result.dtype) == (pictures.shape, dtype)


def test_a_rate_leaves_the_other_pictures_as_they_are_to_the_last_bit():
    pictures = torch.rand((400, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    every = {"color": 1.0, "translation": 1.0, "cutout": 1.0}
    changed = diff_augment(pictures, DiffAugment(**every, rate=0.25), Draws(0))
    share = (changed != pictures).flatten(1).any(dim=1).float().mean()
    assert share.item() == pytest.approx(0.25, abs=0.1)  # 4.6 deviations
    none = diff_augment(pictures, DiffAugment(**every, rate=0.0), Draws(0))
    assert torch.equal(none, pictures)
