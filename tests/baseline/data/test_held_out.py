"""Held-out paintings that are trained on: found by their pixels, whatever they are called."""

import pytest
from pictures import encode, noise, noises, write_folder

from mifid.baseline.data.held_out import overlap
from mifid.errors import InputError
from mifid.images import open_images


@pytest.fixture
def shared(tmp_path):
    """Return what is said of held-out files beside paintings 0.png to 3.png."""
    entries = [(f"{i}.png", encode(p)) for i, p in enumerate(noises(4, 8, 8))]
    write_folder(tmp_path / "monet", entries)

    def say(held_out, trained_on=("0.png", "1.png", "2.png", "3.png")):
        write_folder(tmp_path / "held_out", held_out)
        given, paintings = (open_images(tmp_path / name) for name in ("held_out", "monet"))
        return overlap(given, paintings, trained_on=trained_on, workers=None)

    return say


def test_other_pictures_are_not_told_of(shared):
    assert shared([("0.png", encode(noise(50, 8, 8))), ("1.png", encode(noise(51, 9, 8)))]) == ""


def test_some_are_counted_whatever_their_name_and_lossless_format(shared):
    copies = [(f"copy{i}.bmp", encode(p, "BMP")) for i, p in enumerate(noises(2, 8, 8))]
    said = shared([*copies, ("other.png", encode(noise(50, 8, 8)))])
    assert said.startswith("2 of 3 held-out pictures are trained on")


def test_all_are_refused(shared):
    with pytest.raises(
        InputError, match=r"all held-out pictures \(folder .*\) are trained on"
    ) as e:
        shared([(f"copy{i}.png", encode(p)) for i, p in enumerate(noises(2, 8, 8))])
    assert e.value.hint == "Give other paintings as held_out, or leave it out."


def test_those_that_were_left_out_of_training_are_held_out(shared):
    rest = [(f"{i}.png", encode(p)) for i, p in enumerate(noises(4, 8, 8))][2:]
    assert shared(rest, trained_on=("0.png", "1.png")) == ""


def test_a_damaged_one_is_passed_over(shared):
    """Whoever scores with it refuses it, or tells that it is left out."""
    other = ("other.png", encode(noise(50, 8, 8)))
    assert shared([("bad.png", encode(noise(51, 8, 8))[:40]), other]) == ""
