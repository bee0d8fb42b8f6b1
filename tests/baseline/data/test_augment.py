"""NumPy's flips and turns, and torch's resize followed by a crop, are the oracles."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mifid.baseline.config.schema import Augment
from mifid.baseline.data.augment import Augmenter, to_tensor
from mifid.baseline.data.random_numbers import Draws

SIZE = 16
NOTHING = Augment(enlarge=1, flip=False)


def noise(n, size=SIZE, seed=0):
    return torch.from_numpy(
        np.random.RandomState(seed).randint(0, 256, (n, size, size, 3), dtype=np.uint8)
    )


def augmenter(config, *, pictures=8, size=SIZE, seed=0, enabled=True):
    return Augmenter(config, enabled=enabled, pictures=pictures, size=size, seed=seed)


def at_once(config, pixels, seed=0):
    made = augmenter(config, pictures=len(pixels), size=pixels.shape[1])
    return made(pixels, torch.arange(len(pixels)), Draws(seed))


def oriented(picture):
    """All eight ways to lay a square down, by NumPy: name -> (3, S, S) float32."""
    ways = {}
    for mirror in (False, True):
        for turns in range(4):
            way = np.rot90(picture.numpy(), turns)
            way = np.fliplr(way) if mirror else way
            ways[turns, mirror] = to_tensor(torch.from_numpy(way.copy())[None])[0]
    return ways


def which(result, ways):
    return [name for name, way in ways.items() if torch.equal(result, way)]


class Same:
    """Draws in which every picture gets the same numbers."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def uniform(self, like, *shape):
        assert shape == (len(self.numbers),)
        return torch.tensor(self.numbers).expand(len(like), -1)


@pytest.mark.parametrize("enabled", [False, True])
def test_where_nothing_is_to_be_done_levels_are_exact(enabled):
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    config = NOTHING if enabled else Augment(turns=True, static=3)
    same = augmenter(config, enabled=enabled, pictures=1)
    result = same(pixels, torch.arange(1), None)
    assert len(same) == 1
    assert (result.shape, result.dtype) == ((1, 3, 16, 16), torch.float32)
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    torch.testing.assert_close(result[0, 1].flatten(), levels.float(), atol=1e-7, rtol=0)
    assert (result.min().item(), result.max().item()) == (-1, 1)


@pytest.mark.parametrize("size", [15, 16, 96])
def test_flips_and_turns_are_numpys(size):
    """Each result is one of the eight to the last bit, and all eight come."""
    picture = noise(1, size)[0]
    ways = oriented(picture)
    results = at_once(Augment(enlarge=1, flip=True, turns=True), picture.expand(80, -1, -1, -1))
    found = [which(result, ways) for result in results]
    assert all(len(names) == 1 for names in found)
    counts = {name: sum(names == [name] for names in found) for name in ways}
    assert min(counts.values()) >= 2  # of 10 expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Augment(enlarge=1, flip=True), {(0, False), (0, True)}),
        (Augment(enlarge=1, flip=False, turns=True), {(turns, False) for turns in range(4)}),
    ],
)
def test_each_setting_does_its_own(config, expected):
    picture = noise(1)[0]
    results = at_once(config, picture.expand(60, -1, -1, -1))
    assert {which(result, oriented(picture))[0] for result in results} == expected


@pytest.mark.parametrize(("size", "largest"), [(16, 18), (16, 24), (64, 72), (15, 17)])
def test_enlarging_is_a_resize_and_a_crop(size, largest):
    pixels = noise(6, size)
    config = Augment(enlarge=largest / size, flip=False)
    results = at_once(config, pixels, seed=1)
    enlarged = F.interpolate(
        to_tensor(pixels), size=(largest, largest), mode="bilinear", align_corners=False
    )
    places = set()
    for result, whole in zip(results, enlarged, strict=True):
        crops = whole.unfold(1, size, 1).unfold(2, size, 1)  # (3, offsets, offsets, S, S)
        errors = (crops - result[:, None, None]).abs().amax(dim=(0, 3, 4))
        assert errors.min() < 2e-5
        places.add(int(errors.argmin()))
    assert len(places) > 1


def test_competition_size_is_resize_286_crop_256():
    pixels = noise(1, 256)
    whole = F.interpolate(to_tensor(pixels), size=(286, 286), mode="bilinear", align_corners=False)
    corner = augmenter(Augment(flip=False), size=256)(
        pixels, torch.arange(1), Same(0.5, 0.9999, 0.0, 0.0, 0.0)
    )
    # 286 = 256 + 30 rows: the lowest cut begins at row 30.
    torch.testing.assert_close(corner, whole[:, :, 30:, :256], atol=1e-4, rtol=0)


def test_every_offset_comes_and_none_beyond():
    """A ramp tells where the cut began; offsets 0..4 of 16 + 4 pixels."""
    ramp = torch.arange(16, dtype=torch.uint8).mul(10).view(1, 1, 16, 1).expand(200, 16, -1, 3)
    results = at_once(Augment(enlarge=1.25, flip=False), ramp)
    levels = (results[:, 0, 8, 8] + 1) * 127.5 / 10  # source column of the middle
    offsets = ((levels + 0.5) * 20 / 16 - 8.5).numpy()
    np.testing.assert_allclose(offsets, offsets.round(), atol=1e-4)
    assert sorted(set(offsets.round().astype(int))) == [0, 1, 2, 3, 4]


def test_vary_draws_the_scale_between_one_and_enlarge():
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).view(1, 1, 64, 1).expand(300, 64, -1, 3)
    results = at_once(Augment(enlarge=1.5, vary=True, flip=False), ramp)
    slopes = (results[:, 0, 32, 40] - results[:, 0, 32, 24]) * 127.5 / 4 / 16
    sides = (64 / slopes).round().int()
    assert (sides.min().item(), sides.max().item()) == (64, 96)
    assert len(sides.unique()) > 28  # of 33
    fixed = at_once(Augment(enlarge=1.5, flip=False), ramp)
    slopes = (fixed[:, 0, 32, 40] - fixed[:, 0, 32, 24]) * 127.5 / 4 / 16
    torch.testing.assert_close(slopes, torch.full((300,), 2 / 3), atol=1e-4, rtol=0)


def test_flips_and_turns_go_with_enlarging():
    """One cut of the enlarged picture, laid down in one of eight ways."""
    picture = noise(1)[0]
    config = Augment(enlarge=1.25, flip=True, turns=True)
    results = at_once(config, picture.expand(20, -1, -1, -1))
    crops = []
    for way in oriented(picture).values():
        whole = F.interpolate(way[None], size=(20, 20), mode="bilinear", align_corners=False)[0]
        crops.append(whole.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4).flatten(0, 1))
    errors = (torch.cat(crops)[None] - results[:, None]).abs().amax(dim=(2, 3, 4))
    assert errors.amin(dim=1).max() < 2e-5
    assert len(errors.argmin(dim=1).unique()) > 10


def squares(way, side):
    return way.unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)


@pytest.mark.parametrize("enabled", [False, True])
def test_a_crop_is_a_square_of_the_picture(enabled):
    picture = noise(1)[0]
    made = augmenter(Augment(enlarge=1, flip=False, crop=6), pictures=200, enabled=enabled)
    results = made(picture.expand(200, -1, -1, -1), torch.arange(200), Draws(0))
    whole = squares(to_tensor(picture[None])[0], 6)
    errors = (whole[None] - results[:, None]).abs().amax(dim=(2, 3, 4))
    assert errors.amin(dim=1).max() < 2e-5
    assert len(errors.argmin(dim=1).unique()) > 80  # of 11 x 11


def test_a_crop_is_cut_out_of_the_enlarged_picture():
    picture = noise(1)[0]
    results = at_once(Augment(enlarge=1.25, flip=False, crop=6), picture.expand(20, -1, -1, -1))
    whole = F.interpolate(
        to_tensor(picture[None]), size=(20, 20), mode="bilinear", align_corners=False
    )[0]
    errors = (squares(whole, 6)[None] - results[:, None]).abs().amax(dim=(2, 3, 4))
    assert errors.amin(dim=1).max() < 2e-5


def test_a_side_that_is_not_augmented_is_not_cropped_once_and_for_all():
    made = augmenter(Augment(static=3, crop=6), pictures=4, enabled=False)
    assert len(made) == 4
    pixels, indices, draws = noise(4), torch.arange(4), Draws(0)
    assert not torch.equal(made(pixels, indices, draws), made(pixels, indices, draws))


def test_variants_are_drawn_once():
    config = Augment(turns=True, static=3)
    made, again = (augmenter(config, pictures=4, seed=5) for _ in range(2))
    assert len(made) == 12
    indices = torch.tensor([11, 0, 5, 5, 3])
    assert made.picture_of(indices).tolist() == [3, 0, 1, 1, 1]
    pixels = noise(4)[made.picture_of(indices)]
    first = made(pixels, indices, None)  # None: no draw is made
    assert torch.equal(first, made(pixels, indices, None))
    assert torch.equal(first, again(pixels, indices, None))
    assert torch.equal(first[2], first[3])
    assert torch.equal(first[1:2], made(pixels[1:2], indices[1:2], None))
    other = augmenter(config, pictures=4, seed=6)(pixels, indices, None)
    assert not torch.equal(first, other)


def test_variants_of_a_picture_differ():
    config = Augment(turns=True, static=6)
    made = augmenter(config, pictures=2)
    indices = torch.arange(12)
    results = made(noise(2)[made.picture_of(indices)], indices, None)
    assert len(results[:6].flatten(1).unique(dim=0)) > 4


def test_dynamic_augmentation_differs_each_time_and_between_pictures():
    picture = noise(1)[0].expand(8, -1, -1, -1)
    made, draws = augmenter(Augment(enlarge=1.5)), Draws(0)
    first, second = (made(picture, torch.arange(8), draws) for _ in range(2))
    assert not torch.equal(first, second)
    assert len(first.flatten(1).unique(dim=0)) > 4
    assert torch.equal(first, made(picture, torch.arange(8), Draws(0)))


@pytest.mark.parametrize("static", [0, 2])
def test_after_a_part_of_the_run_pictures_are_flipped_but_not_enlarged(static):
    config = Augment(enlarge=1.5, enlarge_until=0.5, static=static)
    made = augmenter(config)
    pixels, indices = noise(8), torch.arange(8)
    before, after, same = (
        made(pixels, indices, Draws(0), fraction=part) for part in (0.49, 0.5, 0.9)
    )
    plain = augmenter(Augment(enlarge=1, static=static))(pixels, indices, Draws(0))
    assert torch.equal(after, same)
    assert torch.equal(after, plain)  # by the same random numbers
    assert not any(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_pictures_given_are_left_as_they_are():
    pixels = noise(8)
    before = pixels.clone()
    at_once(Augment(turns=True), pixels)
    assert torch.equal(pixels, before)


def test_squares_are_cut_out_of_pictures_that_are_not_enlarged_any_more():
    config = Augment(enlarge=1.5, enlarge_until=0.5, crop=8, flip=False)
    pixels = noise(1)
    after = augmenter(config)(pixels, torch.arange(1), Draws(0), fraction=0.5)[0]
    squares = to_tensor(pixels)[0].unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4)
    errors = (squares - after).abs().amax(dim=(2, 3, 4))
    assert errors.min() < 1e-5


def test_rotation_is_about_the_middle_and_black_comes_in():
    """A quarter turn, the largest of 90 degrees, moves pixels onto pixels."""
    pixels = noise(1)
    config = Augment(enlarge=1, flip=False, rotate=90)
    turned = augmenter(config)(pixels, torch.arange(1), Same(*[0.5] * 5, 1.0, *[0.5] * 4))
    clockwise = torch.rot90(to_tensor(pixels), -1, dims=(2, 3))
    torch.testing.assert_close(turned, clockwise, atol=1e-4, rtol=0)
    half = augmenter(Augment(enlarge=1, flip=False, rotate=45))
    corner = half(pixels, torch.arange(1), Same(*[0.5] * 5, 1.0, *[0.5] * 4))
    assert corner[0, :, 0, 0].tolist() == [-1, -1, -1]
    middle = half(pixels, torch.arange(1), Same(*[0.5] * 10))
    torch.testing.assert_close(middle, to_tensor(pixels), atol=1e-4, rtol=0)


def test_rotation_and_enlarging_are_one_interpolation():
    pixels = noise(4, 64)
    config = Augment(enlarge=72 / 64, flip=False, rotate=10)
    numbers = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, *[0.5] * 4)
    straight = augmenter(config, size=64)(pixels, torch.arange(4), Same(*numbers))
    plain = augmenter(Augment(enlarge=72 / 64, flip=False), size=64)
    expected = plain(pixels, torch.arange(4), Same(*numbers[:5]))
    torch.testing.assert_close(straight, expected, atol=1e-4, rtol=0)


def test_variants_that_are_drawn_once_keep_their_colours():
    config = Augment(enlarge=1, flip=False, jitter=0.2, static=2)
    made = augmenter(config, pictures=3)
    assert len(made) == 6
    pixels, indices = noise(3)[[0, 0, 1]], torch.tensor([0, 1, 2])
    one, other = made(pixels, indices, None), made(pixels, indices, None)
    assert torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
