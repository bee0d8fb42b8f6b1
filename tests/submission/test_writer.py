"""A writer whose zips pass the check, whole or not there at all."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, read_pixels

from mifid.errors import InputError, OutputError
from mifid.images import open_images
from mifid.submission.checking import check
from mifid.submission.writer import MONET, Rules, encode_picture, entry_names, write_submission

RULES = Rules(
    competition="a small one",
    file_name="images.zip",
    at_least=3,
    at_most=5,
    format="JPEG",
    size=(16, 12),
    mode="RGB",
)


def picture(seed=0, width=16, height=12):
    return noise(seed, height, width)


def write(path, n=3, rules=RULES):
    with write_submission(path, rules=rules) as writer:
        for i in range(n):
            writer.add(f"photo {i}.png", picture(i))
    return path


def test_what_is_written_passes_the_check(tmp_path):
    path = write(tmp_path / "images.zip")
    result = check(path, rules=RULES)
    assert {finding.level for finding in result.findings} == {"ok"}
    with zipfile.ZipFile(path) as written:
        assert written.namelist() == ["photo 0.jpg", "photo 1.jpg", "photo 2.jpg"]
        assert {info.compress_type for info in written.infolist()} == {zipfile.ZIP_STORED}
        # Else the same pictures would make other bytes tomorrow.
        assert {info.date_time for info in written.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(info.external_attr >> 16 & 0o400 for info in written.infolist())  # readable


def test_what_is_written_are_the_pictures(tmp_path):
    smooth = np.full((12, 16, 3), (200, 100, 50), np.uint8)
    with write_submission(tmp_path / "images.zip", rules=RULES) as writer:
        writer.add("a", smooth)
    source = open_images(tmp_path / "images.zip")
    assert source.read(0) == encode_picture(smooth)
    assert np.abs(read_pixels(source, 0).astype(int) - smooth).max() < 4


def test_the_same_pictures_make_the_same_bytes(tmp_path):
    first = write(tmp_path / "a.zip").read_bytes()
    assert write(tmp_path / "b.zip").read_bytes() == first
    assert write(tmp_path / "c.zip", 2).read_bytes() != first


def test_encoded_files_are_taken_as_they_are(tmp_path):
    content = encode_picture(picture(), quality=30)
    with write_submission(tmp_path / "images.zip", rules=RULES) as writer:
        writer.add_encoded("sub/folder/a.jpeg", content)
    source = open_images(tmp_path / "images.zip")
    assert source.names == ["a.jpg"]
    assert source.read(0) == content


def test_the_quality_can_be_chosen(tmp_path):
    sizes = [len(encode_picture(picture(), quality=quality)) for quality in (10, 95)]
    assert sizes[0] < sizes[1]
    assert len(encode_picture(picture())) == sizes[1]


@pytest.mark.parametrize("again", ["a.jpg", "a.png", "other/a.jpg"])
def test_two_pictures_of_one_name_are_refused_and_nothing_is_left(again, tmp_path):
    def write_both():
        with write_submission(tmp_path / "images.zip", rules=RULES) as writer:
            writer.add("a.jpg", picture(0))
            writer.add(again, picture(1))

    with pytest.raises(InputError) as caught:
        write_both()
    assert caught.value.message == "two pictures would have the name a.jpg in the submission"
    assert "give every picture its own file name" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_writer_counts(tmp_path):
    with write_submission(tmp_path / "images.zip", rules=RULES) as writer:
        assert len(writer) == 0
        writer.add("a", picture())
        assert len(writer) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("there_before", [True, False])
def test_after_an_exception_nothing_half_written_is_left(error, there_before, tmp_path):
    path = tmp_path / "images.zip"
    before = write(path).read_bytes() if there_before else None

    def write_half():
        with write_submission(path, rules=RULES) as writer:
            writer.add("a", picture())
            raise error

    with pytest.raises(error):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == (["images.zip"] if there_before else [])
    if there_before:
        assert path.read_bytes() == before


def test_a_missing_folder_is_told_before_anything_is_generated(tmp_path):
    path = tmp_path / "no" / "images.zip"
    with pytest.raises(OutputError, match=f"cannot write {path}: .*\n.*mkdir -p {path.parent}"):
        write(path)


def test_the_demo_hands_in_what_passes(tmp_path):
    """Two submissions and their folders, alike each time, accepted by the demo's own rules."""
    from mifid.demo import draw_demo
    from mifid.progress import Silent

    first, second = (draw_demo(tmp_path / name, Silent(), pictures=2) for name in "ab")
    for path in (first.submission, first.copies):
        assert check(path, rules=first.rules).accepted
    assert first.submission.read_bytes() == second.submission.read_bytes()
    assert first.copies.read_bytes() == second.copies.read_bytes()
    assert first.rules == replace(MONET, competition="mifid demo", at_least=2, at_most=2)
    for folder in (first.photos, first.paintings):
        assert sorted(p.name for p in Path(folder).iterdir()) == ["000.jpg", "001.jpg"]
    paintings = {path.read_bytes() for path in first.paintings.iterdir()}
    with zipfile.ZipFile(first.copies) as copies:
        assert {copies.read(name) for name in copies.namelist()} < paintings
        assert len(copies.namelist()) == 2


def test_another_size_than_the_rules_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match=r"picture a has shape \(8, 8, 3\); 'a small one' expects"),
        write_submission(tmp_path / "images.zip", rules=RULES) as writer,
    ):
        writer.add("a", noise(0, 8, 8))
    assert list(tmp_path.iterdir()) == []


def test_another_format_by_the_rules(tmp_path):
    rules = replace(RULES, format="PNG")
    path = write(tmp_path / "images.zip", rules=rules)
    with zipfile.ZipFile(path) as written:
        assert written.namelist()[0] == "photo 0.png"
    assert check(path, rules=rules).accepted


def test_names_are_known_before_anything_is_written(tmp_path):
    given = ["b/x.jpeg", "a/y.png", "z"]
    assert entry_names(given, rules=RULES) == ["x.jpg", "y.jpg", "z.jpg"]
    assert entry_names(given, rules=replace(RULES, format="PNG")) == ["x.png", "y.png", "z.png"]
    with write_submission(tmp_path / "images.zip", rules=RULES) as writer:
        for name in given:
            writer.add(name, picture())
    with zipfile.ZipFile(tmp_path / "images.zip") as written:
        assert written.namelist() == entry_names(given, rules=RULES)
    with pytest.raises(
        InputError, match=r"two pictures would have the name x\.jpg in the submission"
    ):
        entry_names([*given, "x.png"], rules=RULES)
