"""Strength 0 is the photo, 1 the painting; variants are other paintings of one photo."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_painters import CPU, Negative, Noise, loaded, photo

from mifid.errors import InputError
from mifid.painting.photo_painter import PhotoPainter
from mifid.painting.strength import (
    Variant,
    blended,
    check_strength,
    paint_variants,
    variants_of,
)
from mifid.progress import Silent

LEVELS = st.integers(0, 255)


@given(LEVELS, LEVELS, st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.8, 1.0, 1.25, 1.5]))
def test_the_blend_is_rounded_and_clipped(near, far, strength):
    one = np.full((300, 2, 3), near, np.uint8)
    exact = near + Fraction(strength) * (far - near)
    found = int(blended(one, np.full_like(one, far), strength)[-1, -1, -1])
    assert abs(found - max(0, min(255, exact))) <= Fraction("0.50001")


def test_strength_0_is_the_photo_and_1_the_painting():
    random = np.random.RandomState(0)
    given, painting = (random.randint(0, 256, (40, 30, 3)).astype(np.uint8) for _ in range(2))
    np.testing.assert_array_equal(blended(given, painting, 0), given)
    np.testing.assert_array_equal(blended(given, painting, 1), painting)


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan"), float("inf"), "a", None])
def test_other_strengths_are_refused(strength):
    with pytest.raises(InputError, match=r"expected 0 .* 1\.5"):
        check_strength(strength)


def test_variants_of_a_random_painter_have_seeds_of_their_own():
    found = variants_of(is_random=True, count=3, strength=0.8, seed=5)
    assert found == tuple(Variant(n, 4 + n, False, 0.8) for n in (1, 2, 3))


def test_variants_of_another_painter_are_mirrored_and_of_other_strengths():
    found = variants_of(is_random=False, count=8, strength=0.8, seed=5)
    ways = [(variant.mirrored, round(variant.strength / 0.8, 9)) for variant in found]
    assert ways[:4] == [(False, 1), (True, 1), (False, 0.75), (True, 0.75)]
    assert len(set(ways)) == 8
    with pytest.raises(InputError, match="1 to 8"):
        variants_of(is_random=False, count=9, strength=1, seed=0)
    for is_random in (False, True):
        with pytest.raises(InputError, match="variant is 0; expected 1 or more"):
            variants_of(is_random=is_random, count=0, strength=1, seed=0, given_as="variant")
    with pytest.raises(InputError, match="all would be the photo"):
        variants_of(is_random=True, count=2, strength=0, seed=0)


class Left(Negative):
    """Paints black, but for the left half of the photo: a mirrored photo is another one."""

    def forward(self, x):
        made = super().forward(x) * 0 - 1
        half = x.shape[3] // 2
        made[..., :half] = x[..., :half]
        return made


def test_variants_are_painted_as_they_say_and_once():
    given = photo(32, 64)
    network = Left()
    artist = PhotoPainter(loaded(network), device=CPU)
    variants = variants_of(is_random=False, count=4, strength=1, seed=0)
    plain, mirrored, weaker, weaker_mirrored = paint_variants(
        given, artist, variants, progress=Silent()
    )
    left, right = given.copy(), given.copy()
    left[:, 32:] = right[:, :32] = 0
    np.testing.assert_array_equal(plain, left)
    np.testing.assert_array_equal(mirrored, right)
    np.testing.assert_array_equal(weaker, blended(given, left, 0.75))
    np.testing.assert_array_equal(weaker_mirrored, blended(given, right, 0.75))
    assert len(network.sizes) == 2


def test_variants_of_noise_are_what_their_seeds_paint():
    given = photo(32, 64)
    artist = PhotoPainter(loaded(Noise()), device=CPU)
    variants = variants_of(is_random=True, count=3, strength=1, seed=7)
    found = list(paint_variants(given, artist, variants, progress=Silent()))
    for number, painting in enumerate(found):
        np.testing.assert_array_equal(painting, artist.paint(given, seed=7 + number))
    assert (found[0] != found[1]).any()


def test_strength_0_needs_no_network():
    network = Negative()
    artist = PhotoPainter(loaded(network), device=CPU)
    variants = variants_of(is_random=False, count=1, strength=0, seed=0)
    given = photo(8, 8)
    (found,) = paint_variants(given, artist, variants, progress=Silent())
    np.testing.assert_array_equal(found, given)
    assert network.sizes == []
