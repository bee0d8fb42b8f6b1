"""The benchmark of the threshold of copies, at toy size: colours of pictures are the features."""

import numpy as np
import pytest
from click.testing import CliRunner
from toys import drawn, write_pictures

from benchmarks import thresholds


@pytest.mark.parametrize("name", [name for name in thresholds.CHANGES if name != "none"])
def test_a_change_leaves_a_copy(name):
    pixels = drawn("painting", 1, size=64)
    found = thresholds.changed(pixels, thresholds.CHANGES[name])
    assert (found.shape, found.dtype) == (pixels.shape, pixels.dtype)
    assert (found != pixels).any()
    light = found.mean() / pixels.mean()
    assert light == pytest.approx(1.2 if "brighter" in name else 1.0, abs=0.06)


def test_a_cut_keeps_the_middle():
    pixels = np.zeros((1, 40, 40, 3), np.uint8)
    pixels[:, :4] = 255
    assert (thresholds.changed(pixels, thresholds.crop(0.5)) == 0).all()
    assert (thresholds.changed(pixels, thresholds.crop(0.0)) == pixels).all()


def test_copies_are_nearer_than_honest_pictures(tmp_path):
    reference = write_pictures(tmp_path / "real", drawn("painting", 8))
    honest = write_pictures(tmp_path / "photos", drawn("photo", 6))
    docs = tmp_path / "numerics.md"
    given = ["--reference", str(reference), "--honest", "photos", str(honest), "--most", "6"]
    given += ["--extractor", "toys:colours", "--docs", str(docs)]
    done = CliRunner().invoke(thresholds.main, given)
    assert done.exit_code == 0, done.output
    text = docs.read_text()
    rows = {cells[1]: cells[2:-1] for cells in table_rows(text)}
    assert set(rows) >= {"photos", "copies: none", "copies: mirrored"}
    assert rows["photos"][0] == rows["copies: none"][0] == "6"
    mean = {name: float(cells[1]) for name, cells in rows.items()}
    assert mean["copies: none"] == mean["copies: mirrored"] == pytest.approx(0, abs=1e-4)
    assert mean["photos"] > mean["copies: JPEG 75"]
    assert "distances to 6 training pictures" in text
    assert "--honest photos FOLDER" in text
    assert str(tmp_path) not in text


def table_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.split("|")] for line in lines]
