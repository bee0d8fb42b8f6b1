"""The benchmark of what metrics see, at toy size, with the colours of pictures as features."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import meaning
from benchmarks.disturbances import DISTURBANCES, disturb


@pytest.fixture
def smooth(random):
    small = Image.fromarray(random.randint(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC))[None]


@pytest.mark.parametrize("name", [name for name in DISTURBANCES if name != "mirrored halves"])
def test_each_strength_moves_pixels_more_than_the_one_before(smooth, name):
    moved = [
        np.abs(disturb(smooth, name, strength).astype(float) - smooth).mean()
        for strength in DISTURBANCES[name][1]
    ]
    assert moved[0] > 0
    assert moved == sorted(moved)
    assert (disturb(smooth, name, 1) == disturb(smooth, name, 1)).all()


def test_mirrored_halves_are_a_share_of_the_pictures(random):
    pixels = random.randint(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    done = disturb(pixels, "mirrored halves", 0.5)
    mirrored = (done == done[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 8 < mirrored.sum() < 32
    assert (done[~mirrored] == pixels[~mirrored]).all()
    assert (disturb(pixels, "mirrored halves", 1.0) == done[:, :, ::-1])[mirrored].all()


@pytest.mark.parametrize(
    ("curve", "seen"),
    [
        ([0, 1, 2, 3, 4, 5], 3),
        ([0, 0, 0, 0, 0, 2], 0),
        ([0, 9, 9, 9, 9, 9], 1),
        ([0, 9, 0, 0, 9, 9], 4),  # the first one was luck
        ([0, -9, -9, -9, -9, -9], 1),
    ],
)
def test_first_seen_is_where_all_stronger_ones_are_seen(curve, seen):
    assert meaning.first_seen(curve, 2.5) == seen


def test_monotonic():
    assert meaning.is_monotonic([1, 2, 2, 3])
    assert meaning.is_monotonic([3, 2, 1])
    assert not meaning.is_monotonic([1, 2, 1])


def test_noise_is_that_of_new_pictures(random):
    """The mean of one feature of n pictures has variance 1 / n, also when drawn from few."""
    found = [{"mean": random.permutation(rows)[:50].mean()} for rows in [random.randn(100)] * 400]
    assert meaning._deviations(found, 0.5)["mean"] == pytest.approx(50**-0.5, rel=0.25)


def test_writes_a_page_of_each_extractor(tmp_path, random, monkeypatch):
    few = {name: DISTURBANCES[name] for name in ("blur", "colour cast")}
    monkeypatch.setattr(meaning, "DISTURBANCES", few)
    folders = []
    for name, light in {"reference": 150, "real": 150, "photos": 60}.items():
        folder = tmp_path / name
        folder.mkdir()
        for number in range(88 if name == "real" else 44):
            colours = np.clip(random.normal(light, 30, (4, 4, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(colours).resize((16, 16)).save(folder / f"{number:02}.png")
        folders += [f"--{name}", str(folder)]
    docs, numbers = tmp_path / "meaning.md", tmp_path / "found.json"
    options = ["--extractors", "toys:colours", "--limit", "44", "--draws", "2"]
    options += ["--metrics", "fid,memorization,ct,vendi"]
    done = CliRunner().invoke(
        meaning.main, [*folders, *options, "--docs", str(docs), "--json", str(numbers)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(numbers.read_text())["toys:colours"]
    fid = [one["fid"] for one in found["curves"][meaning.PHOTOS]]
    assert fid[0] < fid[3] < fid[5]
    distance = [one["memorization_distance"] for one in found["curves"][meaning.COPIES]]
    assert distance[5] == pytest.approx(0, abs=1e-6)
    assert distance[0] > distance[3] > distance[5]
    assert found["half_widths"]["300"]["fid"] > found["half_widths"]["7000"]["fid"] > 0
    page = docs.read_text()
    assert "| `fid` |" in page
    assert "| `ct` | × | ×" in page
    assert "44 disturbed pictures against 44 reference pictures" in page
    assert (tmp_path / "meaning-toys-colours.png").stat().st_size > 10_000
