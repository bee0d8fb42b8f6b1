"""Pictures in folders, and those that a glob pattern names."""

import os
import re
from pathlib import Path

import pytest
from pictures import contents, encode, named_pipe, noise, read_pixels, write_folder

from mifid.errors import InputError, PictureError
from mifid.images import open_images
from mifid.images.source import EXTENSIONS

PICTURE = encode(noise())


def touch(root, *names):
    return write_folder(root, [(name, PICTURE) for name in names])


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_every_usual_ending_is_read_in_any_case(ending, change, tmp_path):
    name = f"a.{change(ending)}"
    assert open_images(touch(tmp_path, name)).names == [name]


def test_folders_are_read_at_any_depth_and_named_from_the_root(tmp_path):
    touch(tmp_path, "z.png", "b/c/d/e.png", "b/a.png", "a b/ö.png")
    assert open_images(tmp_path).names == ["a b/ö.png", "b/a.png", "b/c/d/e.png", "z.png"]


def test_what_is_no_picture_is_skipped_and_counted(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    touch(tmp_path, ".DS_Store", "__MACOSX/._a.png", ".thumbs/a.png", "sub/.hidden.png")
    touch(tmp_path, "notes.txt", "png", "model.ckpt", "a.gif")
    source = open_images(tmp_path)
    assert source.names == ["a.png", "b.png"]
    assert source.skipped == {"hidden or __MACOSX": 4, "not a picture by its name": 4}


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    touch(tmp_path / ".cache" / "__MACOSX", "a.png")
    assert open_images(tmp_path / ".cache" / "__MACOSX").names == ["a.png"]
    assert len(open_images(str(tmp_path / ".cache" / "__MACOSX" / "*"))) == 1


@pytest.mark.parametrize("name", ["[1].png", "what?.png", "*.png", "a\\b.png", "-.png", "a\nb.png"])
def test_odd_names_are_names(name, tmp_path):
    touch(tmp_path, name, "other.png")
    source = open_images(tmp_path)
    assert name in source.names
    assert source.read(source.names.index(name)) == PICTURE


@pytest.mark.parametrize("name", ["[1].png", "*.png"])
def test_a_file_whose_name_looks_like_a_pattern_is_that_file(name, tmp_path):
    touch(tmp_path, name, "1.png", "other.png")
    assert open_images(tmp_path / name).names == [name]


def test_an_empty_folder_is_refused_with_the_endings_that_are_read(tmp_path):
    with pytest.raises(InputError) as caught:
        open_images(tmp_path)
    assert caught.value.message == f"no pictures in folder {tmp_path}; it is empty"
    for ending in EXTENSIONS:
        assert ending in caught.value.hint
    assert "any case" in caught.value.hint
    assert "at any depth" in caught.value.hint


def test_a_folder_of_other_things_is_refused_with_what_it_holds(tmp_path):
    touch(tmp_path, "a.txt", "b.npy", ".c.png")
    with pytest.raises(InputError) as caught:
        open_images(tmp_path)
    found = "it holds 1 hidden or __MACOSX, 2 not a picture by its name"
    assert caught.value.message == f"no pictures in folder {tmp_path}; {found}"


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "sub/b.png")
    listed = os.scandir

    def refuse(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=f"cannot list {tmp_path}/sub: Permission denied"):
        open_images(tmp_path)


def test_links_to_pictures_and_folders_are_followed(tmp_path):
    touch(tmp_path / "elsewhere", "a.png", "deep/b.png")
    folder = touch(tmp_path / "set", "c.png")
    (folder / "all").symlink_to(tmp_path / "elsewhere")
    (folder / "one.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    assert open_images(folder).names == ["all/a.png", "all/deep/b.png", "c.png", "one.png"]


@pytest.mark.parametrize("target", [".", "..", "../b"])
def test_links_that_go_round_in_circles_give_every_picture_once(target, tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png", "b/c/3.png")
    (tmp_path / "b" / "c" / "round").symlink_to(tmp_path / "b" / target)
    source = open_images(tmp_path)
    assert [name[-5:] for name in source.names] == ["1.png", "2.png", "3.png"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("**/*.png", ["1.png", "b/2.png", "b/c/3.png"]), ("b/**/*.png", ["2.png", "c/3.png"])],
)
def test_patterns_find_every_picture_once_in_circles_too(pattern, names, tmp_path):
    """glob itself would give each some forty times, and the score would count them all."""
    touch(tmp_path, "1.png", "b/2.png", "b/c/3.png")
    (tmp_path / "b" / "c" / "round").symlink_to(tmp_path / "b")
    assert open_images(str(tmp_path / pattern)).names == names


def test_a_link_to_nothing_is_a_picture_that_cannot_be_read(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    source = open_images(tmp_path)
    assert source.read(0) == PICTURE
    with pytest.raises(PictureError, match=r"'b.png' cannot be read: No such file") as caught:
        source.read(1)
    assert "skip_bad=True" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_called_png_is_not_waited_for(tmp_path):
    touch(tmp_path, "a.png")
    expected = pytest.raises(PictureError, match=r"'b.png' cannot be read: it is no regular file")
    with named_pipe(tmp_path / "b.png"):
        source = open_images(tmp_path)
        with expected:
            source.read(1)


def test_a_picture_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    source = open_images(touch(tmp_path, "sub/a.png"))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PictureError, match=r"'sub/a.png' cannot be read: Permission denied"):
        source.read(0)


def test_a_picture_that_vanishes_is_named(tmp_path):
    source = open_images(touch(tmp_path, "a.png"))
    (tmp_path / "a.png").unlink()
    with pytest.raises(PictureError, match=r"'a.png' cannot be read: No such file"):
        source.read(0)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["1.png", "2.png"]),
        ("?.png", ["1.png", "2.png"]),
        ("[2-9].*", ["2.png", "3.jpg"]),
        ("**/*.png", ["1.png", "2.png", "sub/1.png"]),
        ("**", ["1.png", "2.png", "3.jpg", "sub/1.png"]),
        ("sub/*", ["1.png"]),
        ("*", ["1.png", "2.png", "3.jpg"]),
    ],
)
def test_patterns_are_shell_patterns(pattern, expected, tmp_path):
    touch(tmp_path, "1.png", "2.png", "3.jpg", "sub/1.png")
    source = open_images(str(tmp_path / pattern))
    assert source.names == expected
    assert source.description == f"pattern {tmp_path / pattern}"


def test_patterns_work_from_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path / "out", "1.png", "2.png")
    monkeypatch.chdir(tmp_path)
    assert open_images("out/*.png").names == ["1.png", "2.png"]
    assert len(open_images("*/*.png")) == 2


def test_a_tilde_in_a_pattern_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, "out/1.png")
    assert len(open_images("~/out/*.png")) == 1


def test_what_a_pattern_finds_besides_pictures_is_counted(tmp_path):
    touch(tmp_path, "1.png", "1.txt", "1.json")
    assert open_images(str(tmp_path / "*")).skipped == {"not a picture by its name": 2}


def test_a_pattern_that_finds_nothing_is_told(tmp_path):
    pattern = str(tmp_path / "*.png")
    with pytest.raises(InputError, match=re.escape(f"no pictures in pattern {pattern}; it is emp")):
        open_images(pattern)


def test_a_single_picture_is_a_set_of_one(tmp_path):
    source = open_images(touch(tmp_path, "a.png", "b.png") / "a.png")
    assert source.names == ["a.png"]
    assert (read_pixels(source, 0) == noise()).all()


def test_changing_names_changes_names_alone(tmp_path):
    before = contents(open_images(touch(tmp_path, "a.png")))
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    after = contents(open_images(tmp_path))
    assert [key[1:] for key in before] == [key[1:] for key in after]
    assert before != after
