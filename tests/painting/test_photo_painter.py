"""A photo of any size is painted whole or in tiles, and both are the same painting."""

import numpy as np
import pytest
import torch
from generators import built, config
from hypothesis import given, settings
from hypothesis import strategies as st
from small_painters import CPU, FixedNegative, Negative, Noise, loaded, photo, resnet

from mifid.baseline.config.schema import Generator
from mifid.baseline.models import GENERATORS
from mifid.errors import InputError, MifidError
from mifid.painting import shared_norms
from mifid.painting.photo_painter import PhotoPainter
from mifid.painting.shared_norms import measured_norms, same_norms


def painter(generator, **settings):
    return PhotoPainter(generator, device=CPU, **settings)


def far(a, b):
    return np.abs(a.astype(int) - b)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_tiles_are_the_whole_painting(norm):
    # This network sees 31 pixels to each side; a tile of 256 throws 32 away.
    given = photo(411, 603)
    generator = resnet(norm=norm)
    whole = painter(generator).paint(given)
    tiled = painter(generator, most_pixels=256 * 256).paint(given)
    assert whole.std() > 20
    assert far(whole, tiled).max() <= 1  # 2e-7 of the range in floats


def test_a_painting_is_the_networks_own():
    generator, given = resnet(norm="instance"), photo(64, 96)
    with torch.no_grad():
        x = torch.from_numpy(given.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = ((generator.network(x) + 1) * 127.5).round().clamp(0, 255)
    found = painter(generator).paint(given)
    # Another order of the values in memory rounds a few of them differently.
    assert far(found, expected[0].permute(1, 2, 0).numpy()).max() <= 1


@settings(max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([Negative, FixedNegative]))
def test_any_size_keeps_its_size_and_its_pixels(height, width, network):
    given = photo(height, width)
    found = painter(loaded(network())).paint(given)
    np.testing.assert_array_equal(found, 255 - given)


def test_a_photo_of_one_pixel():
    given = np.full((1, 1, 3), 7, np.uint8)
    found = painter(resnet(norm="instance")).paint(given)
    assert found.shape == (1, 1, 3)


def test_memory_is_bounded_by_the_tile():
    network = Negative()
    painter(loaded(network), most_pixels=128 * 128).paint(photo(90, 700))
    assert all(height * width <= 128 * 128 for height, width in network.sizes)
    assert max(network.sizes)[1] > 128  # of a narrow photo tiles are longer


@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_tiles_with_the_norms_of_the_whole_are_the_whole_painting(norm, monkeypatch):
    given = photo(300, 400)
    generator = resnet(norm=norm)
    monkeypatch.setattr(shared_norms, "_EDGE", 1000)  # all of the picture is measured
    x = torch.from_numpy(given.copy())[None].permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad(), measured_norms(generator.network) as moments:
        generator.network(x)
    whole = painter(generator).paint(given)
    tiled = painter(generator, most_pixels=256 * 256)
    assert far(whole, tiled.paint(given)).max() > 5  # its own norms are of a part
    monkeypatch.setattr(tiled, "_norms", lambda *_: moments)
    assert whole.std() > 20
    assert far(whole, tiled.paint(given)).max() <= 1


def test_measured_norms_of_the_whole_are_its_own():
    network = built(config(size=64, generator=Generator("resnet", width=4, blocks=1))).eval()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(shared_norms, "_EDGE", 1000)
        with measured_norms(network) as moments:
            measured = network(x)
        with same_norms(moments):
            again = network(x)
        expected = network(x)
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-5)


def test_measured_norms_take_a_batch_as_one_picture():
    norm = torch.nn.GroupNorm(2, 4)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 3 + torch.randn(5, 4, 7, 6)
    side_by_side = x.permute(1, 2, 0, 3).reshape(1, 4, 7, 30)
    with measured_norms(norm), torch.no_grad():
        found = norm(x)
    expected = norm(side_by_side).reshape(4, 7, 5, 6).permute(2, 0, 1, 3)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)


def test_noise_is_one_for_the_whole_picture_and_another_for_each_seed():
    given = photo(300, 500)
    whole = painter(loaded(Noise()))
    assert whole.is_random
    made = whole.paint(given, seed=3)
    drawn = np.random.default_rng([3, 0]).standard_normal((1, 300, 500), dtype=np.float32)
    expected = np.clip(np.rint((drawn[0] / 4 + 1) * 127.5), 0, 255)
    np.testing.assert_array_equal(made, np.repeat(expected[..., None], 3, axis=2))
    tiled = painter(loaded(Noise()), most_pixels=128 * 128).paint(given, seed=3)
    assert far(made, tiled).max() <= 1
    assert (made != whole.paint(given, seed=4)).any()


def test_dropout_makes_a_painter_random():
    generator = resnet(norm="instance", dropout=0.5)
    assert not painter(generator).is_random
    drops = painter(generator, dropout=True)
    assert drops.is_random
    given = photo(40, 60)
    made = drops.paint(given, seed=1)
    np.testing.assert_array_equal(made, drops.paint(given, seed=1))
    assert (made != drops.paint(given, seed=2)).any()
    with pytest.raises(InputError, match="no dropout"):
        painter(resnet(), dropout=True)


def test_a_network_that_compares_all_pixels_paints_tiles_of_its_size():
    generator = Generator("attention_unet", width=4, depth=3)
    with_attention = built(config(size=32, generator=generator))
    assert with_attention.compares_all_pixels
    found = painter(loaded(with_attention)).paint(photo(40, 50))
    assert found.shape == (40, 50, 3)
    without = Generator("attention_unet", width=4, depth=3, attention="none")
    assert not built(config(size=32, generator=without)).compares_all_pixels


@pytest.mark.parametrize("name", GENERATORS)
def test_every_network_paints_any_size(name):
    network = built(config(size=32, generator=Generator(name, width=8, blocks=1)))
    if network.sees_pictures:
        assert painter(loaded(network)).paint(photo(20, 37)).shape == (20, 37, 3)


def test_what_paints_no_photos_is_refused():
    with pytest.raises(InputError, match="of noise"):
        painter(loaded(built(config(generator=Generator("dcgan", width=4)))))


def test_nan_is_an_error():
    class Broken(Negative):
        def forward(self, x):
            return x / 0 * 0

    with pytest.raises(MifidError, match="NaN"):
        painter(loaded(Broken())).paint(photo(8, 8))


def test_too_little_memory_names_the_size():
    class Large(Negative):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MifidError, match="40 x 32 pixels"):
        painter(loaded(Large())).paint(photo(8, 40))


def test_seconds_of_the_network_are_counted():
    artist = painter(loaded(Negative()))
    artist.paint(photo(8, 8))
    assert artist.seconds > 0
