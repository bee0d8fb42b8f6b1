"""Sheets: every picture is where it belongs, unchanged if it fits."""

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from mifid.baseline.figures.sheets import (
    augmented_sheet,
    heat_map,
    sample_grid,
    save_picture,
    sheet,
)
from mifid.errors import InputError, OutputError


def batch(n, side=96, first=0):
    return np.stack([noise(first + i, side, side) for i in range(n)])


def test_pictures_lie_in_rows_and_columns():
    pictures = batch(6)
    made = sheet([pictures[:3], pictures[3:]], gap=4)
    assert made.shape == (4 + 2 * 100, 4 + 3 * 100, 3)
    assert made.dtype == np.uint8
    for i, picture in enumerate(pictures):
        top, left = 4 + i // 3 * 100, 4 + i % 3 * 100
        assert np.array_equal(made[top : top + 96, left : left + 96], picture)
        made[top : top + 96, left : left + 96] = 255
    assert (made == 255).all()  # nothing but paper between them


def test_rows_of_different_lengths_and_sizes():
    large, small = noise(0, 100, 100), noise(1, 50, 60)
    made = sheet([[large, large], [small]], gap=0)
    assert made.shape == (200, 200, 3)
    assert np.array_equal(made[125:175, 20:80], small)  # in the middle of its cell
    assert (made[100:, 100:] == 255).all()


def test_small_pictures_are_enlarged_pixel_by_pixel():
    picture = noise(0, 32, 32)
    made = sheet([[picture]], gap=0)
    assert np.array_equal(made, picture.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(("rows", "columns"), [(64, 3), (2, 40)])
def test_large_sheets_are_scaled_down(rows, columns):
    picture = np.full((256, 256, 3), 77, np.uint8)
    made = sheet([[picture] * columns] * rows, labels=["x"] * columns, max_side=1000)
    assert 900 < max(made.shape) <= 1000
    assert tuple(made[-6, 6]) == (77, 77, 77)


def test_labels_are_written_above_their_columns():
    black = np.zeros((96, 96, 3), np.uint8)
    bare = sheet([[black, black]])
    made = sheet([[black, black]], labels=["", "generated"])
    head = len(made) - len(bare)
    assert head > 8
    assert np.array_equal(made[head:], bare)
    ink = (made[:head] < 128).any(axis=(0, 2))
    assert not ink[:104].any()
    assert ink[104:].any()


def test_labels_do_not_run_into_the_next_column():
    white = np.full((96, 96, 3), 255, np.uint8)
    made = sheet([[white, white]], labels=["a label that is far too long for its column"])
    columns = (made < 128).any(axis=(0, 2)).nonzero()[0]
    assert columns.min() >= 4
    assert columns.max() < 100


@pytest.mark.parametrize("rows", [[], [[]]])
def test_nothing_to_lay_out(rows):
    with pytest.raises(InputError, match="no pictures"):
        sheet(rows)


@pytest.mark.parametrize(
    "picture", [np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8))]
)
def test_only_pixels(picture):
    with pytest.raises(InputError, match=r"takes pictures \(h, w, 3\) uint8; got \("):
        sheet([[picture]])


def test_sample_grid_has_a_row_a_photo():
    photos, paintings, restored = batch(2), batch(2, first=10), batch(2, first=20)
    made = sample_grid({"photo": photos, "painting": paintings, "photo again": restored})
    head = len(made) - 204
    for column, pictures in enumerate((photos, paintings, restored)):
        left = 4 + 100 * column
        assert np.array_equal(made[head + 104 : head + 200, left : left + 96], pictures[1])
    assert np.array_equal(
        made[head:, :204], sample_grid({"photo": photos, "painting": paintings})[head:]
    )


def test_sample_grid_without_photos_is_square():
    paintings = batch(5)
    made = sample_grid({"painting": paintings})
    assert made.shape == (204, 304, 3)
    assert np.array_equal(made[104:200, 4:100], paintings[3])


def test_sample_grid_counts():
    with pytest.raises(InputError, match="got 2 x photo, 3 x painting"):
        sample_grid({"photo": batch(2), "painting": batch(3)})


def test_heat_maps_go_from_blue_to_red_each_by_its_own_range_and_a_flat_one_is_blue():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    made = heat_map(np.stack([ramp, 1e6 * ramp - 5, np.full((8, 8), 3.0)]), side=32)
    assert made.shape == (3, 32, 32, 3)
    assert made.dtype == np.uint8
    blue, red = (0, 0, 127), (127, 0, 0)
    assert tuple(made[0, 0, 0]) == blue
    assert tuple(made[0, -1, -1]) == red
    assert np.abs(made[0].astype(int) - made[1]).max() <= 8  # rounding of 1e6 in float32
    assert (made[2] == blue).all()


def test_augmented_sheet():
    originals, variants = batch(2), np.stack([batch(3, first=10), batch(3, first=20)])
    made = augmented_sheet(originals, variants)
    head = len(made) - 204
    assert made.shape[1] == 4 + 4 * 100
    assert np.array_equal(made[head + 104 : head + 200, 4:100], originals[1])
    assert np.array_equal(made[head + 104 : head + 200, 304:400], variants[1, 2])


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG")]
)
def test_save_picture(name, kind, tmp_path):
    pixels = np.full((8, 9, 3), 100, np.uint8)
    save_picture(tmp_path / name, pixels)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
        assert np.abs(np.asarray(image).astype(int) - pixels).max() <= 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_save_picture_elsewhere(tmp_path):
    with pytest.raises(OutputError, match=r"a\.gif: its ending is not one of \.png, \.jpg, \.jpeg"):
        save_picture(tmp_path / "a.gif", noise())
    with pytest.raises(OutputError, match="No such file or directory"):
        save_picture(tmp_path / "missing" / "a.png", noise())
