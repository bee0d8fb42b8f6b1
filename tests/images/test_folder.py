"""Pictures in folders, and those that a glob pattern names."""

import os
import re
from pathlib import Path

import pytest
from pictures import contents, encode, named_pipe, noise, read_pixels, write_folder

from mifid.errors import InputError, MifidWarning, PictureError
from mifid.images import open_images
from mifid.images.source import EXTENSIONS

PICTURE = encode(noise())


def touch(root, *names):
    return write_folder(root, [(name, PICTURE) for name in names])


@pytest.mark.parametrize("ending", sorted(ending[1:] for ending in EXTENSIONS))
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
    touch(tmp_path, "notes.txt", "png", "model.ckpt", "a.avi.1")
    source = open_images(tmp_path)
    assert source.names == ["a.png", "b.png"]
    assert source.skipped == {
        "hidden or __MACOSX": 4,
        "ending in .txt": 1,
        "ending in .ckpt": 1,
        "ending in .1": 1,
        "without an ending": 1,
    }


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
    found = "it holds 1 file ending in .npy, 1 file ending in .txt, 1 file hidden or __MACOSX"
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


def test_a_hidden_link_to_a_folder_does_not_hide_it(tmp_path):
    touch(tmp_path, "a/1.png", "sub/2.png", "sub/deep/3.png")
    (tmp_path / ".latest").symlink_to("sub")
    (tmp_path / "a" / ".all").symlink_to("..")
    source = open_images(tmp_path)
    assert source.names == ["a/1.png", "sub/2.png", "sub/deep/3.png"]
    assert set(source.skipped) == {"hidden or __MACOSX"}


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
    expected = pytest.raises(
        PictureError, match=r"'b.png' cannot be read: it is not a regular file"
    )
    with named_pipe(tmp_path / "b.png"):
        source = open_images(tmp_path)
        with expected:
            source.read(1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_link_to_what_is_no_file_is_not_waited_for(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "pipe")
    (tmp_path / "set" / "b.png").symlink_to("/dev/null")
    with named_pipe(tmp_path / "pipe"):
        source = open_images(tmp_path / "set")
        for index in range(2):
            with pytest.raises(PictureError, match="cannot be read: it is not a regular file"):
                source.read(index)


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="no /proc here")
def test_no_more_is_read_of_a_file_than_it_says_that_it_has(tmp_path):
    """Files of /proc are empty by their size, and some (kmsg) never end."""
    (tmp_path / "a.png").symlink_to("/proc/version")
    assert open_images(tmp_path).read(0) == b""


def test_a_file_that_is_too_large_for_a_picture_is_not_read(tmp_path):
    touch(tmp_path, "a.png")
    os.truncate(tmp_path / "a.png", 40 << 30)  # a hole: takes no space
    with pytest.raises(PictureError) as caught:
        open_images(tmp_path).read(0)
    assert (
        "it has 42,949,672,960 bytes; a picture may have at most 268,435,456"
        in caught.value.message
    )


def test_what_a_link_leads_to_is_not_shown(tmp_path):
    (tmp_path / "secret").write_bytes(b"\xffTOPSECRET")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "secret")
    with pytest.raises(PictureError, match="10 bytes of an unknown kind") as caught:
        read_pixels(open_images(tmp_path / "set"), 0)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["images.zip"], "Give images.zip itself"),
        (["a.avif", "b.avif"], "Save such pictures as PNG"),
        (["0a1b", "2c3d"], "Rename the files with the ending of their kind, such as .jpg"),
        (["data.mdb", "lock.mdb"], "data.mdb is not a picture file: write the pictures"),
        (["x.npz"], "Give x.npz itself"),
    ],
)
def test_a_folder_of_other_things_says_what_to_do(names, advice, tmp_path):
    with pytest.raises(InputError) as caught:
        open_images(touch(tmp_path, *names))
    assert caught.value.hint.startswith(advice)


@pytest.mark.parametrize(
    ("name", "what"), [("images.zip", "archives"), ("c.avif", "pictures of other formats")]
)
def test_what_may_hold_pictures_and_is_not_read_is_warned_of(name, what, tmp_path):
    with pytest.warns(MifidWarning, match=rf"{what} in it are not read: 1 \(first: {name}\)"):
        source = open_images(touch(tmp_path, "a.png", "b.png", name))
    assert len(source) == 2


def test_thousands_of_endings_are_put_together(tmp_path):
    touch(tmp_path, "a.png", *(f"{i}.e{i}" for i in range(50)), "x.txt", "y.txt", "z.a b")
    assert open_images(tmp_path).skipped == {
        "ending in .txt": 2,
        **{f"ending in .e{i}": 1 for i in (0, 1, 10, 11, 12, 13, 14)},
        "of other endings": 44,
    }


RUN = ["config.toml", "metrics.jsonl", "losses.png", "samples/1.png", ".lock"]


def test_the_folder_of_a_run_is_no_set_of_pictures(tmp_path):
    with pytest.raises(InputError, match="is the folder of a training run") as caught:
        open_images(touch(tmp_path, *RUN, "images.zip"))
    assert "images.zip (mifid generate" in caught.value.hint
    assert open_images(tmp_path / "samples").names == ["1.png"]


def test_a_run_beside_pictures_is_passed_over(tmp_path):
    touch(tmp_path, "1.png", "also/2.png", *(f"runs/1/{name}" for name in RUN))
    source = open_images(tmp_path)
    assert source.names == ["1.png", "also/2.png"]
    assert source.skipped == {"in the folder of a training run": len(RUN)}


def test_a_config_alone_makes_no_run(tmp_path):
    assert open_images(touch(tmp_path, "config.toml", "1.png")).names == ["1.png"]


def test_a_picture_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    source = open_images(touch(tmp_path, "sub/a.png"))

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
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


def test_a_folder_whose_name_has_brackets_is_that_folder(tmp_path, monkeypatch):
    """As a pattern `run[1]` would be `run1`."""
    touch(tmp_path, "run[1]/a.png", "run1/other.png")
    monkeypatch.chdir(tmp_path)
    for given in ("run[1]", "run[1]/a.png", "run[1]/*.png", "run[1]/**/*.png", "*[[]1]/*.png"):
        assert open_images(given).names == ["a.png"], given
    assert open_images(str(tmp_path / "run[1]" / "*")).names == ["a.png"]
    assert open_images("run[12]/*.png").names == ["other.png"]  # no folder is called so


def test_a_missing_name_with_brackets_is_a_missing_file(tmp_path, monkeypatch):
    touch(tmp_path, "run[1]/a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no such file or folder: run\[1\]/b.png"):
        open_images("run[1]/b.png")


def test_a_pattern_of_folders_says_so(tmp_path):
    touch(tmp_path, "1/a.png", "2/a.png")
    pattern = str(tmp_path / "?")
    with pytest.raises(InputError, match="matches 2 folders and no file") as caught:
        open_images(pattern)
    assert caught.value.hint == f"For the files in them: {pattern}/*"


def test_a_pattern_of_archives_says_to_give_one(tmp_path):
    touch(tmp_path, "shard-0.tar", "shard-1.tar")
    with pytest.raises(InputError, match=r"it holds 2 files ending in .tar") as caught:
        open_images(str(tmp_path / "shard-*"))
    assert caught.value.hint.startswith("Give shard-0.tar itself (unpack it first")


def test_a_home_folder_is_found_from_python_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, "out/1.png")
    monkeypatch.chdir(tmp_path)
    for given in ("~/out", Path("~/out"), "~/out/1.png"):
        assert open_images(given).names == ["1.png"]
    touch(tmp_path, "~/2.png")  # a folder that is called so
    assert open_images("~").names == ["2.png"]


def test_a_tilde_in_a_pattern_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, "out/1.png")
    assert len(open_images("~/out/*.png")) == 1


def test_what_a_pattern_finds_besides_pictures_is_counted(tmp_path):
    touch(tmp_path, "1.png", "1.txt", "1.json")
    assert open_images(str(tmp_path / "*")).skipped == {"ending in .txt": 1, "ending in .json": 1}


def test_a_pattern_that_finds_nothing_is_told(tmp_path):
    pattern = str(tmp_path / "*.png")
    with pytest.raises(InputError, match=re.escape(f"no file matches the pattern {pattern}")):
        open_images(pattern)


def test_a_single_picture_is_a_set_of_one(tmp_path):
    source = open_images(touch(tmp_path, "a.png", "b.png") / "a.png")
    assert source.names == ["a.png"]
    assert source.description == f"file {tmp_path / 'a.png'}"
    assert (read_pixels(source, 0) == noise()).all()


def test_changing_names_changes_names_alone(tmp_path):
    before = contents(open_images(touch(tmp_path, "a.png")))
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    after = contents(open_images(tmp_path))
    assert [key[1:] for key in before] == [key[1:] for key in after]
    assert before != after
