"""Colours of a set: means and deviations of light, contrast and tints."""

import json

import numpy as np
import pytest
from PIL import Image, ImageStat

from mifid.images.inspection import QUALITIES, Colours, Inspection, measure_colours


def colours(values):
    return Colours.of(np.stack([values.sum(axis=0), (values**2).sum(axis=0)]), len(values))


def test_one_colour():
    """Luma of (200, 100, 40): 0.299 * 200 + 0.587 * 100 + 0.114 * 40 = 123.06."""
    picture = np.full((1, 4, 5, 3), (200, 100, 40), np.uint8)
    found = dict(zip(QUALITIES, measure_colours(picture)[0], strict=True))
    expected = {"brightness": 123.06, "contrast": 0, "saturation": 160, "warmth": 160, "green": -20}
    assert found == pytest.approx(expected, abs=1 / 128)


def test_light_and_contrast_are_pillows(random):
    """Pillow rounds luma to whole levels, half a level at most."""
    pictures = random.randint(0, 256, (3, 8, 9, 3), dtype=np.uint8)
    for picture, found in zip(pictures, measure_colours(pictures), strict=True):
        luma = ImageStat.Stat(Image.fromarray(picture).convert("L"))
        assert found[:2] == pytest.approx([luma.mean[0], luma.stddev[0]], abs=0.52)


def test_a_shift_is_in_deviations_of_the_reference(random):
    reference = random.normal(100, 10, (400, 5))
    found = colours(reference + np.array([0, 10, 0, -20, 0])).shifts(colours(reference))
    spread = reference.std(axis=0)
    expected = [0, 10 / spread[1], 0, -20 / spread[3], 0]
    assert list(found.values()) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_have_a_deviation_of_one_level():
    grey = colours(np.full((3, 5), 100.0))
    assert colours(np.full((3, 5), 103.0)).shifts(grey) == dict.fromkeys(QUALITIES, 3.0)


def test_an_entry_of_an_earlier_version_has_no_colours(random):
    found = Inspection()
    assert found.colours is None
    found.add(random.randint(0, 256, (4, 40, 40, 3), dtype=np.uint8))
    again = Inspection.from_json(found.to_json())
    assert again.colours is not None
    assert again.colours == found.colours
    earlier = json.loads(found.to_json())
    del earlier["colours"]
    assert Inspection.from_json(json.dumps(earlier)).colours is None
