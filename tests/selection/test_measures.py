"""Measures of pictures: each equals its definition, computed another way."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import laplace
from toys import drawn

from mifid.selection.measures import PixelMeasures, cosine_distance, directions, measure
from mifid.statistics.features import Features

PICTURES = drawn("painting", 6, size=64)


def measured(pixels):
    return PixelMeasures()(np.ascontiguousarray(pixels)).astype(np.float64)


def of(values, pixels=None):
    """Measures of pictures with these features."""
    values = np.asarray(values, np.float32)
    pixels = drawn("photo", len(values)) if pixels is None else pixels
    named = tuple(map(str, range(len(values))))
    return measure(Features(values, named), Features(PixelMeasures()(pixels), named))


def grey(picture):
    return Image.fromarray(picture).convert("L")


def test_brightness_is_the_mean_luma():
    luma = (PICTURES @ [0.299, 0.587, 0.114]).mean(axis=(1, 2))
    assert measured(PICTURES)[:, 0] == pytest.approx(luma, abs=1 / 128)


def test_sharpness_is_the_variance_of_the_laplacian_at_256_pixels():
    for picture, (_, sharpness, *_) in zip(PICTURES, measured(PICTURES), strict=True):
        enlarged = np.asarray(grey(picture).resize((256, 256), Image.Resampling.BILINEAR), float)
        assert sharpness == pytest.approx(laplace(enlarged)[1:-1, 1:-1].var(), rel=1e-6)


def test_sharpness_falls_by_blur_and_does_not_depend_on_light():
    whole = np.random.RandomState(0).randint(0, 120, (1, 256, 256, 3), dtype=np.uint8)
    blurred = Image.fromarray(whole[0]).resize((64, 64)).resize((256, 256))
    assert measured(np.asarray(blurred)[None])[0, 1] < measured(whole)[0, 1] / 10
    assert measured(whole + 100)[0, 1] == pytest.approx(measured(whole)[0, 1], rel=0.01)


def test_the_hash_says_which_low_frequencies_are_above_their_median():
    for picture, row in zip(PICTURES, measured(PICTURES), strict=True):
        small = np.asarray(grey(picture).resize((32, 32), Image.Resampling.LANCZOS), float)
        low = dctn(small, type=2)[:8, :8].ravel()
        assert row[2:].tolist() == (low > np.median(low)).tolist()


def test_pictures_of_one_colour_have_one_hash():
    flat = np.stack([np.full((40, 30, 3), level, np.uint8) for level in (7, 100, 213)])
    assert (measured(flat)[:, 2:] == measured(flat)[0, 2:]).all()


def test_copies_differ_by_few_bits_and_others_by_many():
    buffer = io.BytesIO()
    Image.fromarray(PICTURES[0]).resize((50, 50)).save(buffer, "JPEG", quality=40)
    saved = np.asarray(Image.open(buffer).resize((64, 64)))
    found = of(np.eye(7), np.stack([*PICTURES, saved]))
    assert (found.copy_row[0], found.copy_row[6]) == (6, 0)
    assert found.copy_distance[0] == (found.hashes[0] != found.hashes[6]).sum() <= 6
    assert found.copy_distance[1:6].min() > 6


def test_the_neighbour_distance_is_the_cosine_distance_to_the_fifth():
    x = np.random.RandomState(0).rand(12, 4) + 0.01
    cosine = 1 - (x @ x.T) / np.outer(*[np.linalg.norm(x, axis=1)] * 2)
    expected = np.sort(cosine, axis=1)[:, 5]  # the nearest is the picture itself
    found = of(x)
    assert found.neighbour_distance == pytest.approx(expected, abs=1e-6)
    median = np.median(expected)
    spread = 1.4826 * np.median(abs(expected - median))
    assert found.outlier_score == pytest.approx((expected - median) / spread, rel=1e-3)
    unit = directions(x)
    assert cosine_distance(np.linalg.norm(unit[0] - unit[1])) == pytest.approx(cosine[0, 1])


def test_copies_make_nothing_else_an_outlier():
    x = np.random.RandomState(0).rand(12, 4)
    alone, among = of(x), of(np.concatenate([x, *[x[:1]] * 20]))
    assert among.outlier_score[:12].tolist() == alone.outlier_score.tolist()
    assert (among.outlier_score[12:] == alone.outlier_score[0]).all()


@pytest.mark.parametrize("values", [np.ones((4, 3)), np.zeros((4, 3)), np.eye(4)])
def test_equal_pictures_and_equal_distances_are_no_outliers(values):
    found = of(values)
    assert found.outlier_score.tolist() == [0, 0, 0, 0]
    assert np.isfinite(found.neighbour_distance).all()


def test_features_of_zeros_have_no_direction_and_no_nan():
    found = of([[0, 0], [1, 0], [0, 2]])
    assert found.directions.tolist() == [[0, 0], [1, 0], [0, 1]]
    assert found.neighbour_distance == pytest.approx([0.5, 1.0, 1.0])
