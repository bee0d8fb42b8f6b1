"""Pictures of any kind become a submission that passes the check, or are refused at once."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from pictures import encode, noise, write_folder, write_zip
from PIL import Image

from mifid.errors import InputError, OutputError, PictureError
from mifid.images.decoding import decode
from mifid.submission.conversion import zip_pictures
from mifid.submission.writer import MONET

RULES = replace(MONET, at_least=2, at_most=6, size=(16, 16))


def jpegs(n, start=0):
    return [(f"{i}.jpg", encode(noise(i, 16, 16), "JPEG")) for i in range(start, start + n)]


def read(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_files_that_are_accepted_stay_byte_for_byte(tmp_path):
    entries = jpegs(3)
    made = zip_pictures(
        write_folder(tmp_path / "in", entries), tmp_path / "images.zip", rules=RULES
    )
    assert read(made.path) == dict(entries)
    assert (made.pictures, made.unchanged, made.resized, made.converted) == (3, 3, 0, {})
    assert made.check.accepted


def test_other_formats_and_modes_are_converted_as_they_are_scored(tmp_path):
    alpha = np.dstack([noise(1, 16, 16), np.full((16, 16), 9, np.uint8)])
    entries = [
        ("a/grey.png", encode(noise(0, 16, 16)[:, :, 0])),
        ("b/alpha.png", encode(alpha)),
        ("cmyk.jpg", encode(Image.fromarray(noise(2, 16, 16)).convert("CMYK"), "JPEG")),
        ("w.webp", encode(noise(3, 16, 16), "WEBP", lossless=True)),
        ("9.jpeg", jpegs(1)[0][1]),
    ]
    made = zip_pictures(
        write_folder(tmp_path / "in", entries), tmp_path / "images.zip", rules=RULES
    )
    assert made.check.accepted
    assert {finding.level for finding in made.check.findings} == {"ok"}
    assert made.converted == {"JPEG CMYK": 1, "PNG L": 1, "PNG RGBA": 1, "WEBP RGB": 1}
    assert made.unchanged == 1
    written = read(made.path)
    assert set(written) == {"grey.jpg", "alpha.jpg", "cmyk.jpg", "w.jpg", "9.jpg"}
    for name, content in entries[:4]:
        entry = f"{name.rpartition('/')[2].partition('.')[0]}.jpg"
        before, after = decode(content, name).pixels, decode(written[entry], entry).pixels
        # JPEG of noise, with colours of half the resolution, is off by this much.
        assert np.abs(before.mean((0, 1)) - after.mean((0, 1))).max() < 8


def test_another_size_is_refused_by_name_and_resized_only_if_told(tmp_path):
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 12:20] = 255  # what a crop to the middle keeps
    source = write_folder(tmp_path / "in", [*jpegs(2), ("wide.png", encode(wide))])
    output = tmp_path / "images.zip"
    with pytest.raises(InputError) as refused:
        zip_pictures(source, output, rules=RULES)
    assert "1 of 3 pictures" in refused.value.message
    assert "wide.png (32 x 8)" in refused.value.message
    assert "fit='crop'" in refused.value.hint
    assert not output.exists()
    crop = zip_pictures(source, output, fit="crop", rules=RULES)
    assert crop.resized == 1
    assert crop.check.accepted
    assert decode(read(output)["wide.jpg"], "w").pixels.mean() > 240
    zip_pictures(source, output, fit="stretch", rules=RULES, force=True)
    assert decode(read(output)["wide.jpg"], "w").pixels.mean() == pytest.approx(255 / 4, abs=5)


@pytest.mark.parametrize("n", [1, 7])
def test_too_few_or_too_many_are_refused_before_anything_is_written(n, tmp_path):
    with pytest.raises(InputError, match=f"{n} picture.*2 to 6"):
        zip_pictures(write_folder(tmp_path / "in", jpegs(n)), tmp_path / "images.zip", rules=RULES)
    assert not (tmp_path / "images.zip").exists()


def test_damaged_pictures_leave_no_archive(tmp_path):
    cut = jpegs(1, 9)[0][1][:-200]
    for content in (b"text", cut):
        source = write_folder(tmp_path / "in", [*jpegs(2), ("bad.jpg", content)])
        with pytest.raises(PictureError, match=r"bad\.jpg"):
            zip_pictures(source, tmp_path / "images.zip", rules=RULES)
        assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_pictures_of_one_name_are_refused(tmp_path):
    source = write_folder(
        tmp_path / "in", [("a/0.jpg", jpegs(1)[0][1]), ("b/0.png", encode(noise(3)))]
    )
    with pytest.raises(InputError, match=r"0\.jpg"):
        zip_pictures(source, tmp_path / "images.zip", rules=RULES)


def test_other_names_and_existing_archives_are_refused(tmp_path):
    source = write_folder(tmp_path / "in", jpegs(2))
    with pytest.raises(OutputError, match=r"submission\.zip.*images\.zip"):
        zip_pictures(source, tmp_path / "submission.zip", rules=RULES)
    output = tmp_path / "images.zip"
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match="one already"):
        zip_pictures(source, output, rules=RULES)
    assert output.read_bytes() == b"mine"
    assert zip_pictures(source, output, rules=RULES, force=True).check.accepted
    with pytest.raises(OutputError, match="overwritten"):
        zip_pictures(output, output, rules=RULES, force=True)


def test_archives_and_arrays_are_sources_too(tmp_path):
    archive = write_zip(tmp_path / "in.zip", jpegs(3))
    assert zip_pictures(archive, tmp_path / "images.zip", rules=RULES).unchanged == 3
    pixels = np.stack([noise(i, 16, 16) for i in range(3)])
    made = zip_pictures(pixels, tmp_path / "images.zip", rules=RULES, force=True)
    assert made.converted == {"pixels RGB": 3}
    with pytest.raises(InputError, match="read twice"):
        zip_pictures(iter(pixels), tmp_path / "images.zip", rules=RULES, force=True)


@pytest.mark.parametrize("wrong", [{"fit": "pad"}, {"quality": 0}])
def test_settings_out_of_their_range_are_refused(wrong, tmp_path):
    with pytest.raises(InputError, match=str(*wrong.values())):
        zip_pictures(jpegs(0), tmp_path / "images.zip", **wrong)
