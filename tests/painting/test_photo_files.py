"""Photos in files: each painted whole or not at all, none replaced, and failures kept apart."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from pictures import encode, write_zip
from PIL import Image
from small_painters import Negative, loaded, photo, picture

from mifid.errors import InputError, OutputError
from mifid.painting import photo_files
from mifid.painting.photo_files import paint_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """photos/ with a.png, b.jpg, c.webp, d.gif and sub/a.png; the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.jpg", "c.webp", "d.gif", "sub/a.png"]):
        Image.fromarray(photo(8, 12, number)).save(tmp_path / "photos" / name)
    return tmp_path


def paint(photos, output, **settings):
    listed = photos if isinstance(photos, list) else [photos]
    return paint_files(listed, output, painter=loaded(Negative()), device="cpu", **settings)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_becomes_a_folder_of_the_same_names(folder):
    made = paint("photos", "out")
    assert files(folder / "out") == ["a.png", "b.jpg", "c.webp", "d.jpg", "sub/a.png"]
    assert [each.photo for each in made.painted] == [
        "a.png",
        "b.jpg",
        "c.webp",
        "d.gif",
        "sub/a.png",
    ]
    assert made.failed == ()
    found = picture("out/a.png")[2]
    np.testing.assert_array_equal(found, 255 - photo(8, 12, 0))
    assert made.painted[0].size == (12, 8)
    assert 0 < made.painted[0].network_seconds < made.painted[0].seconds


def test_one_photo_becomes_one_file(folder):
    made = paint("photos/b.jpg", "painting.png")
    assert picture("painting.png")[0] == "PNG"
    assert [str(path) for path in made.painted[0].outputs] == ["painting.png"]
    with pytest.raises(InputError, match="one file, but 5 photos"):
        paint("photos", "other.jpg")
    with pytest.raises(InputError, match="one file, but 2 photos"):
        paint(["photos/a.png", "missing.png"], "other.jpg")


def test_several_files_and_archives_go_into_one_folder(folder):
    write_zip(folder / "more.zip", [("x/e.png", encode(photo(8, 8)))])
    paint(["photos/a.png", "photos/b.jpg", "more.zip"], "out/", format="webp")
    assert files(folder / "out") == ["a.webp", "b.webp", "x/e.webp"]
    assert picture("out/a.webp")[0] == "WEBP"


def test_variants_have_numbers(folder):
    made = paint("photos/a.png", "p.png", variants=3)
    assert [str(path) for path in made.painted[0].outputs] == ["p-1.png", "p-2.png", "p-3.png"]
    assert made.painted[0].variants == ("strength 1", "mirrored, strength 1", "strength 0.75")
    assert all((folder / f"p-{number}.png").is_file() for number in (1, 2, 3))
    assert not (folder / "p.png").exists()


def test_a_failure_does_not_lose_the_others(folder):
    whole = (folder / "photos" / "b.jpg").read_bytes()
    (folder / "photos" / "b.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "photos" / "c.webp").write_bytes(b"text")
    made = paint(["photos", "missing.jpg"], "out")
    assert files(folder / "out") == ["a.png", "d.jpg", "sub/a.png"]
    reasons = {failure.photo: failure.reason for failure in made.failed}
    assert set(reasons) == {"b.jpg", "c.webp", "missing.jpg"}
    assert "damaged" in reasons["b.jpg"]
    assert "not a picture" in reasons["c.webp"]
    assert "no such file" in reasons["missing.jpg"]
    assert all("skip" not in failure.hint for failure in made.failed)


def test_what_exists_is_replaced_only_by_force(folder):
    (folder / "out").mkdir()
    (folder / "out" / "a.png").write_bytes(b"mine")
    made = paint("photos", "out")
    assert [failure.photo for failure in made.failed] == ["a.png"]
    assert "there is one already" in made.failed[0].reason
    assert (folder / "out" / "a.png").read_bytes() == b"mine"
    assert len(made.painted) == 4
    assert len(paint("photos", "out", force=True).painted) == 5
    assert picture("out/a.png")[1] == (12, 8)


def test_photos_are_never_replaced(folder):
    before = {name: (folder / "photos" / name).read_bytes() for name in files(folder / "photos")}
    made = paint("photos", "photos", force=True)
    assert [str(path) for each in made.painted for path in each.outputs] == ["photos/d.jpg"]
    assert all("would be overwritten" in failure.reason for failure in made.failed)
    assert {name: (folder / "photos" / name).read_bytes() for name in before} == before
    (folder / "link.png").symlink_to(folder / "photos" / "a.png")
    made = paint("photos/a.png", "link.png", force=True)
    assert "would be overwritten" in made.failed[0].reason


def test_two_photos_of_one_name_are_not_one_painting(folder):
    made = paint(["photos/a.png", "photos/sub/a.png"], "out")
    assert len(made.painted) == 1
    assert "another photo's, 'a.png'" in made.failed[0].reason


def test_nothing_half_written_is_left(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mifid.files.os.fsync", full)
    made = paint("photos/a.png", "out")
    assert "No space left" in made.failed[0].reason
    assert files(folder / "out") == []


def test_a_lack_of_memory_is_one_photos(folder, monkeypatch):
    def lacking(*_, **__):
        raise MemoryError

    monkeypatch.setattr(photo_files, "encode", lacking)
    assert paint("photos/a.png", "out").failed[0].reason == "out of memory"


def test_notes_are_counted(folder):
    for name in ("x.png", "y.png"):
        transparent = Image.fromarray(np.full((8, 12, 4), 99, np.uint8))
        transparent.save(folder / "photos" / name)
    Image.fromarray(photo(100, 120)).save(folder / "photos" / "z.png")
    made = paint("photos", "out")
    assert "2 photos (first: x.png): its transparency is dropped" in made.notes
    (strokes,) = [note for note in made.notes if "strokes" in note]
    assert strokes.startswith("z.png: ")
    assert "size" in strokes
    assert not any("strokes" in note for note in paint("photos", "small", size=64).notes)


def test_exif_and_profile_are_kept_as_asked_for(folder):
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    exif[0x8825] = {1: "N"}
    Image.fromarray(photo(8, 12)).save("e.jpg", exif=exif)
    for words, model, place in (
        ("without-place", "a camera", False),
        ("all", "a camera", True),
        ("none", None, False),
    ):
        paint("e.jpg", f"{words}.jpg", exif=words)
        found = picture(f"{words}.jpg")[3]
        assert found.get(0x0110) == model
        assert bool(found.get_ifd(0x8825)) is place


@pytest.mark.parametrize(
    ("output", "settings", "error"),
    [
        ("a.gif", {}, OutputError),
        ("none/a.jpg", {}, OutputError),
        ("a.jpg", {"format": "png"}, InputError),
        ("out", {"format": "gif"}, InputError),
        ("out", {"quality": 0}, InputError),
        ("out", {"exif": "some"}, InputError),
        ("out", {"variants": 0}, InputError),
        ("out", {"strength": 2}, InputError),
        ("", {}, InputError),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_first_photo(folder, output, settings, error):
    with pytest.raises(error):
        paint("photos/a.png", output, **settings)
    assert files(folder) == files(folder)[:5]


def test_an_archive_that_climbs_out_is_refused(folder):
    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr("../evil.png", encode(photo(8, 8)))
    made = paint("bad.zip", "out")
    assert "outside" in made.failed[0].reason


def test_what_a_painters_file_does_not_say_is_noted(folder):
    generator = replace(loaded(Negative()), notes=("a.pth: its slope is assumed",))
    made = paint_files(["photos/a.png"], "out", painter=generator, device="cpu")
    assert made.notes == ("a.pth: its slope is assumed",)
