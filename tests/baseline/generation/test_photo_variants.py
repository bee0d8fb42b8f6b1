"""Variants of photos: which archives they are in, what makes them, and pictures to paint like."""

import numpy as np
import pytest
import torch
from generators import config, saved
from pictures import encode, noise, write_folder
from PIL import Image
from toy_painters import (
    WHITE,
    Dropping,
    FromNoise,
    Identity,
    entries,
    loaded,
    photos,
    pixels_of,
    run,
)

from mifid.baseline.config.schema import Generator
from mifid.baseline.data.fitting import fit_picture
from mifid.baseline.generation.weights_file import load_generator, save_generator
from mifid.errors import InputError, OutputError, PictureError

MAPS = config(generator=Generator(network="map_resnet", width=4, blocks=1, init=0.3))


@pytest.fixture
def with_maps(tmp_path):
    """A generator whose file holds 16 paintings."""
    file = saved(tmp_path / "best.safetensors", MAPS)
    generator = load_generator(file)
    generator.network.examples.copy_(
        torch.from_numpy(np.stack([noise(n, 16, 16) for n in range(16)])).permute(0, 3, 1, 2)
    )
    return generator


def test_a_variant_is_a_submission_of_its_own_with_the_seeds_pictures(tmp_path):
    made = run(loaded(FromNoise()), photos(4), tmp_path / "out", variants=3, seed=5)
    archives = [made.path, *(each.path for each in made.variants)]
    assert [path.relative_to(tmp_path).as_posix() for path in archives] == [
        "out/images.zip",
        "out/variant-2/images.zip",
        "out/variant-3/images.zip",
    ]
    assert all(each.check.accepted for each in (made, *made.variants))
    for number, path in enumerate(archives):
        alone = run(loaded(FromNoise()), photos(4), tmp_path / str(number), seed=5 + number)
        assert alone.variants == ()
        assert path.read_bytes() == alone.path.read_bytes()
    assert len({path.read_bytes() for path in archives}) == 3
    assert len({tuple(entries(path)) for path in archives}) == 1


def test_dropout_makes_variants_too(tmp_path):
    made = run(loaded(Dropping()), WHITE, tmp_path, variants=2, dropout=True)
    assert (pixels_of(made.path) != pixels_of(made.variants[0].path)).any()


@pytest.mark.parametrize("asked", [0, 2])
@pytest.mark.parametrize(
    ("network", "hint"), [(Identity(), "Leave variants out"), (Dropping(), "dropout=True")]
)
def test_a_generator_without_chance_has_one_variant(asked, network, hint, tmp_path):
    with pytest.raises(InputError, match=f"variants is {asked}") as caught:
        run(loaded(network), WHITE, tmp_path, variants=asked)
    assert asked == 0 or hint in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_another_jobs_variant_is_not_replaced(tmp_path):
    run(loaded(FromNoise()), photos(2), tmp_path, variants=2)
    (tmp_path / "images.zip").unlink()
    with pytest.raises(OutputError, match=r"variant-2.images\.zip: there is one already"):
        run(loaded(FromNoise()), photos(2), tmp_path, variants=2, seed=9)
    assert not (tmp_path / "images.zip").exists()
    run(loaded(FromNoise()), photos(2), tmp_path, variants=2, seed=9, force=True)


def test_maps_are_drawn_for_each_photo(with_maps, tmp_path):
    given = np.repeat(photos(1), 8, axis=0)
    first = pixels_of(run(with_maps, given, tmp_path / "a").path)
    assert len({picture.tobytes() for picture in first}) > 3
    again = pixels_of(run(with_maps, given, tmp_path / "b", batch_size=8).path)
    assert np.abs(again.astype(int) - first).max() <= 1
    other = pixels_of(run(with_maps, given, tmp_path / "c", seed=1).path)
    assert (other != first).any()


@pytest.mark.parametrize("as_path", [True, False])
def test_like_a_picture_all_photos_have_its_map(as_path, with_maps, tmp_path):
    painting = noise(77, 20, 30)
    folder = write_folder(tmp_path / "art", [("art.png", encode(painting))])
    like = str(folder / "art.png") if as_path else Image.fromarray(painting)
    made = run(with_maps, photos(3), tmp_path / "out", like=like, seed=3)
    network = with_maps.network
    fitted = fit_picture(painting, size=16, fit="crop", name="").copy()
    with torch.no_grad():
        picture = torch.from_numpy(fitted).permute(2, 0, 1)[None] / 127.5 - 1
        maps, _, _ = network.encoder(picture)
        given = torch.from_numpy(photos(3)).permute(0, 3, 1, 2) / 127.5 - 1
        wanted = ((network(given, maps.expand(3, -1, -1, -1)) + 1) * 127.5).round()
    difference = pixels_of(made.path) - wanted.permute(0, 2, 3, 1).numpy()
    assert np.abs(difference).max() <= 1
    assert "with the map of" in made.origin
    assert network.noise == (16,)
    # The seed has no part in it, the picture has.
    assert run(with_maps, photos(3), tmp_path / "out", like=like, seed=4).path.exists()
    with pytest.raises(OutputError, match="with other weights"):
        run(with_maps, photos(3), tmp_path / "out", like=noise(78, 16, 16))
    with pytest.raises(InputError, match="variants is 2") as caught:
        run(with_maps, photos(3), tmp_path / "more", like=like, variants=2)
    assert "Leave like out" in caught.value.hint


def test_what_one_cannot_paint_like(with_maps, tmp_path):
    for network in (Identity(), FromNoise()):
        with pytest.raises(InputError, match=r"like is given, but this generator .* has no maps"):
            run(loaded(network), photos(2), tmp_path, like=noise(0, 16, 16))
    with pytest.raises(InputError, match="expected one picture"):
        run(with_maps, photos(2), tmp_path, like=photos(2))
    with pytest.raises(InputError, match="no such file"):
        run(with_maps, photos(2), tmp_path, like=tmp_path / "none.png")
    with pytest.raises(PictureError, match="tiny"):
        run(with_maps, photos(2), tmp_path, like=noise(0, 3, 3))
    (tmp_path / "cut.png").write_bytes(encode(noise(0, 16, 16))[:60])
    with pytest.raises(PictureError):
        run(with_maps, photos(2), tmp_path, like=tmp_path / "cut.png")
    assert not (tmp_path / "images.zip").exists()


def test_a_file_holds_its_examples(with_maps, tmp_path):
    network = with_maps.network
    save_generator(
        tmp_path / "own.safetensors", networks={"raw": network}, config=MAPS, best="raw", facts={}
    )
    read = load_generator(tmp_path / "own.safetensors").network
    assert torch.equal(read.examples, network.examples)
    assert read.examples.dtype == torch.uint8
    made = run(tmp_path / "own.safetensors", photos(2), tmp_path / "out")
    assert entries(made.path) == entries(run(with_maps, photos(2), tmp_path / "b").path)
