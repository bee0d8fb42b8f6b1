"""The demo's pictures: alike for the same seed, of the promised shape, and worth telling apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mifid.demo import brush_strokes, landscape, painting

Pixels = npt.NDArray[np.uint8]
Draw = Callable[..., Pixels]

both = pytest.mark.parametrize("draw", [landscape, painting])


def rng(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed)


def roughness(pixels: Pixels) -> float:
    """Mean step in grey between neighbours side by side, where both are in the sky."""
    grey = pixels.mean(axis=2)[: len(pixels) // 4]
    return float(np.abs(np.diff(grey, axis=1)).mean())


@both
def test_a_seed_draws_the_same_picture_twice(draw: Draw) -> None:
    np.testing.assert_array_equal(draw(rng(3), 96), draw(rng(3), 96))


@both
def test_global_random_state_is_neither_read_nor_moved(draw: Draw) -> None:
    np.random.seed(1)
    first = draw(rng(3), 48)
    expected = np.random.RandomState(1).rand()
    assert np.random.rand() == expected
    np.testing.assert_array_equal(draw(rng(3), 48), first)


@both
def test_one_generator_draws_one_different_picture_after_another(draw: Draw) -> None:
    state = rng(5)
    pictures = [draw(state, 48).astype(int) for _ in range(6)]
    for i, picture in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(picture - other).mean() > 5


@both
def test_seeds_give_varied_skies_and_grounds(draw: Draw) -> None:
    """Dawn to dusk and spring to winter: the mean colours of the halves must spread."""
    pictures = np.stack([draw(rng(seed), 48) for seed in range(16)])
    halves = pictures.reshape(16, 2, -1, 3).mean(axis=2)
    assert (halves.std(axis=0) > 10).all()


@both
@pytest.mark.parametrize("size", [32, 33, 100, 512])
def test_shape_dtype_and_contrast(draw: Draw, size: int) -> None:
    pixels = draw(rng(size), size)
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 15


@both
def test_the_default_is_256_px(draw: Draw) -> None:
    assert draw(rng(0)).shape == (256, 256, 3)


@both
def test_small_pictures_never_fail(draw: Draw) -> None:
    for seed in range(20):
        assert draw(rng(seed), 32).shape == (32, 32, 3)


def test_paintings_are_rougher_than_photos() -> None:
    """Strokes have edges and relief where a photo of the sky is smooth."""
    photos = [roughness(landscape(rng(seed), 128)) for seed in range(8)]
    paintings = [roughness(painting(rng(seed), 128)) for seed in range(8)]
    assert np.median(paintings) > 2 * np.median(photos)
    assert min(paintings) > max(photos)


def test_a_painting_is_its_landscape_repainted() -> None:
    state = rng(7)
    np.testing.assert_array_equal(painting(rng(7), 64), brush_strokes(landscape(state, 64), state))


def test_strokes_keep_the_composition() -> None:
    """Away from the strokes' own scale, a repaint looks like what it was painted from."""
    photo = landscape(rng(4), 128)
    repaint = brush_strokes(photo, rng(0))
    blocks = [p.reshape(8, 16, 8, 16, 3).mean(axis=(1, 3)).ravel() for p in (photo, repaint)]
    assert np.corrcoef(*blocks)[0, 1] > 0.95
    assert np.abs(photo.astype(int) - repaint).mean() > 5


def test_strokes_follow_edges() -> None:
    """On vertical stripes the strokes run down, so neighbours agree more down than across."""
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, np.arange(128) // 16 % 2 == 1] = 200
    for picture, axis in ((stripes, 0), (stripes.transpose(1, 0, 2), 1)):
        grey = brush_strokes(np.ascontiguousarray(picture), rng(0)).mean(axis=2)
        # Inside the stripes only, where the picture itself has no gradient at all.
        inside = np.take(grey, np.arange(128)[np.abs(np.arange(128) % 16 - 7.5) < 6], axis=1 - axis)
        along, across = (np.abs(np.diff(inside, axis=a)) for a in (axis, 1 - axis))
        assert np.median(along) < np.median(across)


@pytest.mark.parametrize("shape", [(40, 120, 3), (90, 33, 3), (2, 2, 3)])
def test_any_picture_can_be_repainted(shape: tuple[int, ...]) -> None:
    """Oblong, tiny and flat ones, where no fine stroke is needed; the original stays as it is."""
    for value in (0, 128, 255):
        flat = np.full(shape, value, np.uint8)
        repaint = brush_strokes(flat, rng(0))
        assert repaint.shape == shape
        assert repaint.dtype == np.uint8
        assert (flat == value).all()


@pytest.mark.parametrize("size", [31, 0, -5])
def test_too_small_a_landscape_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"at least 32 px, got {size}"):
        landscape(rng(0), size)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((1, 40, 3), np.uint8),
        np.zeros((2, 40, 40, 3), np.uint8),
        np.zeros((40, 40, 3), np.float32),
    ],
)
def test_what_is_not_an_rgb_picture_is_refused(pixels: Pixels) -> None:
    with pytest.raises(ValueError, match=r"expected \(rows, columns, 3\) uint8 RGB, got \("):
        brush_strokes(pixels, rng(0))
