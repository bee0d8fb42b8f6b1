"""The same photos under several models: what each column holds, and what is refused."""

import re

import numpy as np
import pytest
import torch
from chromium import browser, opened
from generators import built, config, saved
from original_networks import ResNet, shaken
from pictures import encode, noise, write_folder
from PIL import Image
from torch import nn

import mifid
from mifid.baseline.config.schema import Generator
from mifid.baseline.data.fitting import fit_picture
from mifid.baseline.figures.sheets import heat_map
from mifid.baseline.generation.painter import Painter
from mifid.baseline.models import GeneratorNetwork, Painted
from mifid.baseline.models.networks import GENERATORS
from mifid.errors import InputError, MifidError, OutputError, WeightsError

SIDE = 96  # cells of a sheet are at least so large


class Looking(GeneratorNetwork):
    """Returns a picture, and the map that it was made with; sees noise, too."""

    signature = "picture, noise -> picture, map"

    def __init__(self, config, *, size):
        super().__init__()
        self.noise = (1, size, size)
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, pictures, noise):
        return torch.tanh(self.conv(torch.cat([pictures, noise], dim=1)))

    def paint(self, pictures, noise):
        picture = self.forward(pictures, noise)
        return Painted(picture, {"looks <at>": picture[:, 0, ::2, ::2]})


@pytest.fixture
def photos(tmp_path):
    entries = [(f"{i}.png", encode(noise(i, SIDE, SIDE + 10 * i))) for i in range(4)]
    return write_folder(tmp_path / "photos", entries)


@pytest.fixture
def model(tmp_path):
    facts = {"step": 1200, "scores": {"mifid": 51.5, "fid": 40.25, "other": 3, "kid": None}}
    return saved(tmp_path / "a.safetensors", config(size=SIDE), facts=facts)


def cells(path, rows, columns):
    """The pictures of a sheet, row by row, without labels and gaps."""
    sheet = np.asarray(Image.open(path))
    head = len(sheet) - rows * (SIDE + 4)
    return [
        [sheet[head + r * (SIDE + 4) :, 4 + c * (SIDE + 4) :][:SIDE, :SIDE] for c in range(columns)]
        for r in range(rows)
    ]


def photo(number, size=SIDE):
    pixels = noise(number, SIDE, SIDE + 10 * number)
    return fit_picture(pixels, size=size, fit="crop", name="")


def painted(network, pixels, number=0, seed=2020):
    painter = Painter(network, device=torch.device("cpu"), seed=seed)
    made = painter.run(torch.from_numpy(np.stack([pixels])), first=number)
    picture = ((made.picture[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return picture.permute(1, 2, 0).numpy(), made.maps


def test_a_sheet_holds_photos_and_what_each_model_makes_of_them(model, photos, tmp_path):
    other = saved(tmp_path / "b.safetensors", config(size=SIDE), best="raw")
    out = tmp_path / "sheet.png"
    made = mifid.gallery(models={"first": model, "b": other}, photos=photos, output=out)
    assert made.photos == ("0.png", "1.png", "2.png", "3.png")
    assert [each.label for each in made.models] == ["first", "b"]
    assert made.models[0].scores == {"mifid": 51.5, "fid": 40.25}
    assert made.models[0].score == "MiFID 51.50, FID 40.25"
    assert made.models[1].score == ""
    assert "a.safetensors, trained by mifid (averaged (EMA), step 1,200)" in made.models[0].origin
    networks = [built(config(size=SIDE), seed) for seed in (2, 1)]  # averaged, raw
    for number, row in enumerate(cells(out, rows=4, columns=3)):
        given = photo(number)
        expected = [given, *(painted(network, given)[0] for network in networks)]
        for found, wanted in zip(row, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_maps_follow_their_model_and_noise_comes_from_the_seed(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(GENERATORS._paths, "looking", f"{__name__}:Looking")
    settings = config(size=SIDE, generator=Generator(network="looking"))
    model, out = saved(tmp_path / "look.safetensors", settings), tmp_path / "sheet.png"
    made = mifid.gallery(models=[model], photos=photos, output=out, seed=5)
    assert made.models[0].maps == ("looks <at>",)
    network = built(settings, 2)
    for number, row in enumerate(cells(out, rows=4, columns=3)):
        picture, maps = painted(network, photo(number), number, seed=5)
        np.testing.assert_array_equal(row[1], picture)
        (values,) = maps.values()
        np.testing.assert_array_equal(row[2], heat_map(values.numpy(), side=SIDE)[0])
    page = tmp_path / "page.html"
    mifid.gallery(models=[model], photos=photos, output=page, seed=5)
    assert "look: looks &lt;at&gt;" in page.read_text()


def test_models_of_other_sizes_and_programs_stand_side_by_side(photos, model, tmp_path):
    small = saved(tmp_path / "best.safetensors", config(size=16))
    foreign = tmp_path / "latest_net_G.pth"
    torch.save(shaken(ResNet(down="blur", up="blur")).state_dict(), foreign)
    models = [model, small, f"<b>CUT & co</b>={foreign}"]
    out = tmp_path / "page.html"
    made = mifid.gallery(models=models, photos=photos, output=out, size=64)
    assert [each.size for each in made.models] == [SIDE, 16, 64]
    assert [each.label for each in made.models] == ["a", tmp_path.name, "<b>CUT & co</b>"]
    assert not made.models[2].notes
    text = out.read_text()
    assert "<b>CUT" not in text
    assert text.count("&lt;b&gt;CUT &amp; co&lt;/b&gt;") >= 6  # head, a label a photo, its row
    assert text.count("<img ") == text.count("data:image/jpeg") == 4 * 4
    assert "the ResNet generator of CUT" in text
    assert "MiFID 51.50, FID 40.25" in text
    assert not re.search(r"https?://", text)
    other = mifid.gallery(models=[foreign], photos=photos, output=out)
    assert "256 x 256 is assumed, as size is not given" in other.models[0].notes[0]


def test_a_generator_from_noise_says_so(photos, tmp_path):
    settings = config(size=16, generator=Generator(network="dcgan", width=4, latent=4))
    model = saved(tmp_path / "g.safetensors", settings)
    made = mifid.gallery(models=[model], photos=photos, output=tmp_path / "a.jpg", limit=2)
    assert made.models[0].notes == ("it paints from noise and does not see the photos",)


def test_photos_are_drawn_by_the_seed(model, photos, tmp_path):
    drawn = [
        mifid.gallery(models=[model], photos=photos, output=tmp_path / "a.jpg", limit=2, seed=seed)
        for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0].photos == drawn[1].photos
    assert len({each.photos for each in drawn}) > 1
    assert all(len(each.photos) == 2 and each.of == 4 for each in drawn)
    assert drawn[2].drawn == "2 photos of 4, drawn at random (seed 1)"


def test_photos_are_pictures_arrays_and_lists_of_files(model, photos, tmp_path):
    for given, count in (
        (photos / "1.png", 1),
        ([photos / "1.png", photos / "2.png"], 2),
        (np.stack([photo(number) for number in (0, 1, 2)]), 3),
    ):
        made = mifid.gallery(models=[model], photos=given, output=tmp_path / "sheet.jpg")
        assert len(made.photos) == made.of == count


def test_a_path_with_an_equals_sign_is_a_path(model, photos, tmp_path):
    folder = tmp_path / "lr=0.1"
    folder.mkdir()
    inside = saved(folder / "best.safetensors", config(size=SIDE))
    out = tmp_path / "sheet.jpg"
    made = mifid.gallery(models=[str(inside), f"x={folder}"], photos=photos, output=out, limit=1)
    assert [each.label for each in made.models] == ["lr=0.1", "x"]


@pytest.mark.parametrize(
    ("models", "options", "kind", "message"),
    [
        ([], {}, InputError, "needs a model"),
        (["a.safetensors", "a=a.safetensors"], {}, InputError, "two models have the label 'a'"),
        (["=a.safetensors"], {}, InputError, "empty label"),
        (["photo=a.safetensors"], {}, InputError, "that of the photos"),
        (["b=missing.pth"], {}, InputError, "model 'b': no such file or folder: missing.pth"),
        (["photos/0.png"], {}, WeightsError, "0.png"),
        (["photos"], {}, WeightsError, "photos is a folder without best.safetensors"),
        (["cut.pth"], {"size": 30}, WeightsError, "cannot paint pictures of 30 x 30"),
        (["a.safetensors"], {"size": 64}, InputError, "size is 64, but all models are mifid's"),
        (["a.safetensors"], {"limit": 0}, InputError, "limit is 0; expected 1 to 100"),
        (["a.safetensors"], {"photos": "empty"}, InputError, "empty"),
        (["a.safetensors"], {"photos": "nowhere"}, InputError, "no such file or folder: nowhere"),
        (["a.safetensors"], {"output": "a.gif"}, OutputError, "not one of .html, .png, .jpg"),
        (["a.safetensors"], {"output": "photos/0.png"}, OutputError, "would be overwritten"),
        (
            ["a.safetensors"],
            {"output": "photos/0.png", "photos": "photos/0.png"},
            OutputError,
            "over",
        ),
        (["a.safetensors"], {"photos": "tiny"}, MifidError, "'t.png' is tiny: 20 x 20"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    models, options, kind, message, model, photos, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "tiny", [("t.png", encode(noise(0, 20, 20)))])
    torch.save(shaken(ResNet()).state_dict(), "cut.pth")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    given = {"photos": "photos", "output": "sheet.html", **options}
    with pytest.raises(kind, match=re.escape(message)):
        mifid.gallery(models=models, **given)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_damaged_last_model_is_met_before_the_first_one_paints(
    model, photos, tmp_path, monkeypatch
):
    painted = []
    monkeypatch.setattr(Painter, "run", lambda *_, **__: painted.append(1))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        mifid.gallery(models=[model, damaged], photos=photos, output=tmp_path / "a.png")
    assert not painted


def test_the_page_fits_a_phone_and_asks_for_nothing(model, photos, tmp_path):
    out = tmp_path / "page.html"
    long = "a label of many words that is longer than any column of a phone is wide" * 2
    models = {"a": model, long: model, "c": model, "d": model}
    mifid.gallery(models=models, photos=photos, output=out, limit=2)
    with browser() as running:
        backgrounds = []
        for width, dark in ((1280, False), (1280, True), (360, False)):
            with opened(running, out, width=width, dark=dark) as tab:
                shown = tab.page.evaluate(
                    """() => [document.documentElement.scrollWidth - innerWidth,
                        [...document.images].every(i => i.naturalWidth > 0),
                        getComputedStyle(document.body).backgroundColor,
                        getComputedStyle(document.querySelector('.label')).display]"""
                )
                assert shown[0] <= 0
                assert shown[1]
                assert shown[3] == ("block" if width == 360 else "none")
                backgrounds.append(shown[2])
                assert not [url for url in tab.requests if not url.startswith(("file:", "data:"))]
                assert tab.messages == []
    assert backgrounds[0] != backgrounds[1]


def test_many_pictures_get_fewer_pixels_not_more_memory(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.baseline.model_gallery._MOST_BYTES", 3 * 4 * 5 * 20**2)
    out = tmp_path / "sheet.png"
    mifid.gallery(models=[model], photos=photos, output=out)
    sheet = np.asarray(Image.open(out))  # each pixel is enlarged to 5 x 5, to be seen
    assert sheet.shape[1] == 4 + 2 * (100 + 4)
    np.testing.assert_array_equal(sheet[-4 * 104 :, 4:][:100:5, :100:5], photo(0, 20))
