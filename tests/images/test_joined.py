"""Several sets as one: lists of paths in a text, braces, patterns of archives."""

import os
import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, write_folder, write_tar, write_zip
from toys import colours

from mifid.errors import InputError
from mifid.images import open_images
from mifid.images.joined import JoinedSource, _expanded
from mifid.images.loader import digests
from mifid.scoring import score

FILES = [(f"{i:02}.png", encode(noise(i))) for i in range(12)]


def contents(source):
    return [source.read(i) for i in range(len(source))]


@pytest.fixture
def shards(tmp_path):
    """Four tars as WebDataset writes them: a picture and its label for each key."""
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(4):
        files = FILES[3 * i : 3 * i + 3]
        labels = [(name.replace(".png", ".cls"), b"3") for name, _ in files]
        write_tar(folder / f"shard-{i:06}.tar", sorted(files + labels))
    return folder


@pytest.mark.parametrize(
    "pattern", ["shard-{000000..000003}.tar", "shard-*.tar", "shard-00000{0,1,2,3}.tar"]
)
def test_shards_are_one_set_in_the_order_of_a_folder(pattern, shards):
    source = open_images(str(shards / pattern))
    assert contents(source) == [content for _, content in FILES]
    assert source.names[3] == "shard-000001.tar/03.png"
    assert source.names == sorted(source.names)
    assert source.skipped == {"ending in .cls": 12}
    assert source.description == f"4 files of {shards / pattern}"
    assert source.travels
    source.close()


def test_a_score_over_shards_or_a_list_is_the_folders_to_the_bit(shards, tmp_path):
    folder = write_folder(tmp_path / "plain", FILES)
    (tmp_path / "list.txt").write_text("".join(f"plain/{name}\n" for name, _ in FILES[::-1]))
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    forms = [
        folder,
        str(shards / "shard-{000000..000003}.tar"),
        tmp_path / "list.txt",
        [str(folder / name) for name, _ in FILES],
    ]
    reports = [score(one, reference, extractor=colours, ci=0, cache=False) for one in forms]
    for report in reports[1:]:
        assert (report.fid, report.mifid) == (reports[0].fid, reports[0].mifid)
        assert report.inputs["generated"].sha256 == reports[0].inputs["generated"].sha256


def test_braces_choose_among_kinds_of_files(tmp_path):
    write_tar(tmp_path / "a.tar", FILES[:1])
    write_zip(tmp_path / "b.zip", FILES[1:2])
    source = open_images(str(tmp_path / "{a.tar,b.zip}"))
    assert source.names == ["a.tar/00.png", "b.zip/01.png"]
    source.close()
    write_folder(tmp_path, FILES)
    assert open_images(str(tmp_path / "{03..05}.png")).names == ["03.png", "04.png", "05.png"]


def test_a_file_with_braces_in_its_name_is_that_file(tmp_path):
    path = write_zip(tmp_path / "{a,b}.zip", FILES[:2])
    assert len(open_images(str(path))) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s-{08..11}.tar", ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]),
        ("{8..11}", ["8", "9", "10", "11"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{a}-{}", ["{a}-{}"]),
        ("{,x}y", ["y", "xy"]),
        ("{0..0}", ["0"]),
        ("{000..001}", ["000", "001"]),
    ],
)
def test_braces_are_expanded_as_a_shell_does(text, found):
    assert list(_expanded(text)) == found
    bash = shutil.which("bash")
    if bash:
        import subprocess

        said = subprocess.run([bash, "-c", f"echo {text}"], capture_output=True, text=True)
        assert said.stdout.split() == found


@settings(max_examples=50, deadline=None)
@given(first=st.integers(0, 300), last=st.integers(0, 300), width=st.integers(1, 6))
def test_a_range_of_numbers_has_all_of_them_once(first, last, width):
    found = list(_expanded(f"a{{{first:0{width}}..{last:0{width}}}}"))
    assert len(found) == len(set(found)) == abs(first - last) + 1
    assert [int(path[1:]) for path in (found[0], found[-1])] == [first, last]


@pytest.mark.parametrize("text", ["{0..999999}.tar", "{0..9999}{0..9999}.tar"])
def test_braces_for_too_many_files_are_refused_at_once(text):
    with pytest.raises(InputError, match="expected at most 100,000"):
        open_images(text)


def test_a_shard_that_is_missing_is_said(shards):
    (shards / "shard-000002.tar").unlink()
    with pytest.raises(InputError) as caught:
        open_images(str(shards / "shard-{000000..000004}.tar"))
    assert "2 of the 5 files" in caught.value.message
    assert f"the first: {shards / 'shard-000002.tar'}" in caught.value.message
    assert "never left out silently" in caught.value.hint


def test_a_shard_that_is_cut_short_is_said_by_its_name(shards):
    path = shards / "shard-000002.tar"
    path.write_bytes(path.read_bytes()[:1600])
    with pytest.raises(InputError, match=r"shard-000002.tar is not a readable tar file: .*cut"):
        open_images(str(shards / "shard-{000000..000003}.tar"))


@pytest.mark.parametrize("name", ["../out.png", "/etc/x.png"])
def test_a_shard_with_a_path_that_climbs_out_is_refused(name, shards):
    write_tar(shards / "shard-000001.tar", [(name, FILES[0][1])])
    with pytest.raises(InputError, match=r"shard-000001.tar: entry .* points outside"):
        open_images(str(shards / "shard-*.tar"))


def test_a_pattern_of_archives_that_matches_nothing(tmp_path):
    with pytest.raises(InputError, match="no file matches the pattern"):
        open_images(str(tmp_path / "*.tar"))


def test_shards_are_known_as_a_whole(shards):
    """So that the digests of their pictures are read from the cache."""
    pattern = str(shards / "shard-*.tar")
    first = open_images(pattern)
    whole = first.container_sha256()
    assert isinstance(first, JoinedSource)
    assert len(whole) == 32
    assert open_images(pattern).container_sha256() == whole
    found = digests(first)
    # Other names are another order of the pictures: the digests in the cache have another.
    (shards / "shard-000000.tar").rename(shards / "shard-000009.tar")
    other = open_images(pattern)
    assert digests(other) != found
    assert other.container_sha256() != whole
    (shards / "shard-000009.tar").write_bytes(b"")
    assert other.container_sha256() is None
    assert (
        open_images([str(shards / "shard-000001.tar"), *_files(shards)]).container_sha256() is None
    )


def _files(folder):
    write_folder(folder / "beside", FILES[:1])
    return [str(folder / "beside")]


def test_a_list_names_files_and_sets_relative_to_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "a", FILES[:2])
    archive = write_zip(tmp_path / "b.zip", FILES[2:3])
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "all.txt"
    path.write_text(f"\ufeff# what we score\n\n../a/01.png\r\n  {archive}  \n../a/00.png\n")
    source = open_images("lists/all.txt")
    assert source.description == "list lists/all.txt"
    assert sorted(contents(source)) == sorted(content for _, content in FILES[:3])
    source.close()


def test_pictures_of_a_list_are_sorted_like_a_folders(tmp_path):
    write_folder(tmp_path, FILES)
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name, _ in FILES[::-1]))
    assert open_images(tmp_path / "list.txt").names == [name for name, _ in FILES]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("00.png\n\ngone.png\n", r"line 3 of .*list.txt: no such file or folder: .*gone.png"),
        ("00.png\n01.png\n00.png\n", r"line 3 of .*list.txt names the same file as line 1: 00.png"),
        ("# nothing\n\n", r"list.txt names no file"),
        ("Dear diary, today I trained a GAN", r"line 1 of .*list.txt: no such file"),
        ("00.png 3\n", r"line 1 of .*list.txt: no such file"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_the_line(text, said, tmp_path):
    write_folder(tmp_path, FILES)
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        open_images(tmp_path / "list.txt")
    assert "on each line" in caught.value.hint or "count twice" in caught.value.hint


def test_a_list_with_another_ending_is_advised_to_have_the_right_one(tmp_path):
    (tmp_path / "list.md").write_text("1.png\n")
    with pytest.raises(InputError, match=re.escape("give it the ending .txt")):
        open_images(tmp_path / "list.md")


def test_the_work_for_a_list_grows_with_its_length_and_not_with_its_square(tmp_path):
    """Each set was once compared with all others."""
    paths = [write_folder(tmp_path / str(i), FILES[:1]) for i in range(40)]
    calls = []
    real = os.path.realpath

    def counted(path, **kwargs):
        calls.append(path)
        return real(path, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os.path, "realpath", counted)
        open_images(paths)
    assert len(calls) == len(paths)
