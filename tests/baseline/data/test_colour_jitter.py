"""Colour jitter against torchvision's, one change at a time and all."""

import pytest
import torch
from torchvision.transforms import functional as reference

from mifid.baseline.data.colour_jitter import colour_jitter

AMOUNT = 0.2
CHANGES = [
    lambda x, n: reference.adjust_brightness(x, 1 + n),
    lambda x, n: reference.adjust_contrast(x, 1 + n),
    lambda x, n: reference.adjust_saturation(x, 1 + n),
    lambda x, n: reference.adjust_hue(x, n),
]


def pictures(number=6):
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(number, 3, 8, 8, generator=generator)
    colours[0, :, :4] = 0.5  # grey, which has no hue
    colours[1, :, 0] = 1.0
    colours[1, :, 1] = 0.0
    colours[2, 0] = colours[2, 1]
    return colours


@pytest.mark.parametrize("changed", [(0,), (1,), (2,), (3,), (0, 1, 2, 3)])
def test_equals_torchvision(changed):
    colours = pictures()
    drawn = torch.full((len(colours), 4), 0.5)
    signed = torch.linspace(-0.95, 0.95, len(colours))
    for number in changed:
        drawn[:, number] = (signed.roll(number) + 1) / 2
    expected = []
    for one, numbers in zip(colours, AMOUNT * (2 * drawn - 1), strict=True):
        for change, number in zip(CHANGES, numbers.tolist(), strict=True):
            one = change(one, number)
        expected.append(one)
    made = (colour_jitter(2 * colours - 1, drawn, AMOUNT) + 1) / 2
    torch.testing.assert_close(made, torch.stack(expected), atol=1e-4, rtol=0)


def test_numbers_of_a_half_change_nothing():
    colours = 2 * pictures() - 1
    same = colour_jitter(colours, torch.full((len(colours), 4), 0.5), 0.5)
    torch.testing.assert_close(same, colours, atol=1e-5, rtol=0)
