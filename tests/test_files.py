"""Files that are whole or absent."""

import hashlib
import json
import math
import os
import stat
from pathlib import Path

import pytest

from mifid.errors import OutputError
from mifid.files import atomic_write, cache_folder, check_output, sha256_of_file
from mifid.formatting import json_text, size_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


@pytest.mark.parametrize("path", [str, Path])
def test_the_file_is_there_when_the_block_ends(path, tmp_path):
    write(path(tmp_path / "a.bin"))
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_the_file_is_not_there_before_the_block_ends(tmp_path):
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "a.bin").exists()
        assert len(names(tmp_path)) == 1  # in the same folder, so that a rename is enough


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"new")
        assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert (tmp_path / "a.bin").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_after_an_exception_nothing_is_left_behind(error, tmp_path):
    (tmp_path / "old.bin").write_bytes(b"old")

    def write_half(path):
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    for name in ("old.bin", "new.bin"):
        with pytest.raises(error):
            write_half(tmp_path / name)
    assert names(tmp_path) == ["old.bin"]
    assert (tmp_path / "old.bin").read_bytes() == b"old"


def test_the_file_has_the_rights_that_open_would_have_given_it(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.bin")
        assert os.umask(0o027) == 0o027  # it stays as it is
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


def test_the_file_can_be_written_in_any_order(tmp_path):
    """As zipfile does, which goes back to fill in sizes."""
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"hello")
        file.seek(0)
        assert file.read() == b"hello"
        file.seek(0)
        file.write(b"J")
    assert (tmp_path / "a.bin").read_bytes() == b"Jello"


def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path):
    target = tmp_path / "no" / "such" / "a.bin"
    for attempt in (lambda: write(target), lambda: check_output(target)):
        with pytest.raises(OutputError) as caught:
            attempt()
        assert caught.value.message == f"cannot write {target}: No such file or directory"
        assert f"The folder {target.parent} does not exist" in caught.value.hint
        assert f"mkdir -p {target.parent}" in caught.value.hint
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    for attempt in (write, check_output):
        with pytest.raises(OutputError, match=r"cannot write .*/file/a.bin: Not a directory"):
            attempt(tmp_path / "file" / "a.bin")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*/a.bin: Is a directory"):
        write(tmp_path / "a.bin")
    with pytest.raises(OutputError, match=r"cannot write .*/a.bin: it is a folder\nGive a file na"):
        check_output(tmp_path / "a.bin")
    assert names(tmp_path) == ["a.bin"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "somewhere")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    for attempt in (write, check_output):
        with pytest.raises(OutputError) as caught:
            attempt(tmp_path / "a.bin")
        assert caught.value.message == f"cannot write {tmp_path / 'a.bin'}: Permission denied"
        assert "may you write there?" in caught.value.hint


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError) as caught, atomic_write(tmp_path / "a.bin"):
        raise OSError(28, "No space left on device")  # as write() does
    assert caught.value.message == f"cannot write {tmp_path / 'a.bin'}: No space left on device"
    assert "Is there space on the disk" in caught.value.hint
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_at_the_last_moment_is_told(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path / "a.bin")
    assert names(tmp_path) == []


def test_trouble_with_other_files_is_not_mistaken_for_the_targets(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"photo.jpg"), atomic_write(tmp_path / "a.bin"):
        (tmp_path / "photo.jpg").read_bytes()
    assert names(tmp_path) == []


@pytest.mark.parametrize("there_already", [True, False])
def test_checking_leaves_everything_as_it_was(there_already, tmp_path):
    if there_already:
        (tmp_path / "a.bin").write_bytes(b"old")
    check_output(tmp_path / "a.bin")
    assert names(tmp_path) == (["a.bin"] if there_already else [])
    if there_already:
        assert (tmp_path / "a.bin").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (2.6e9, "2.6 GB"), (43e7, "430.0 MB")],
)
def test_sizes_in_the_unit_that_shows_them(number, text):
    assert size_text(number) == text


def test_names_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output("a.bin")
    write("a.bin")
    assert names(tmp_path) == ["a.bin"]


def test_the_sha256_is_that_of_the_whole_file(tmp_path):
    content = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_of_file(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MIFID_CACHE", "~/elsewhere")
    assert cache_folder() == tmp_path / "elsewhere"


@pytest.mark.parametrize("unset", [True, False])
def test_the_cache_is_else_the_platforms(unset, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    if unset:
        monkeypatch.delenv("MIFID_CACHE")
    else:
        monkeypatch.setenv("MIFID_CACHE", "")
    assert tmp_path in cache_folder().parents
    assert cache_folder().name == "mifid"


@pytest.mark.parametrize("ending", [".json", "生.json"])
def test_names_of_every_length_are_refused_before_the_job_or_written_after_it(ending, tmp_path):
    """What is written first lies beside the target, under a name that must not be too long."""
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    room = longest - len(ending.encode())
    for length in range(room - 20, room + 1):
        path = tmp_path / ("o" * length + ending)
        check_output(path)
        write(path)
        assert path.read_bytes() == b"new"
    too_long = tmp_path / ("o" * (room + 1) + ending)
    with pytest.raises(OutputError, match="File name too long"):
        check_output(too_long)
    assert len(names(tmp_path)) == 21


def test_json_says_what_it_cannot_hold():
    text = json_text({"a": math.inf, "b": [1.0, {"c": math.nan}], "warnings": ["one"]})
    assert json.loads(text) == {
        "a": None,
        "b": [1.0, {"c": None}],
        "warnings": [
            "one",
            "a is inf, which JSON cannot hold",
            "b.1.c is nan, which JSON cannot hold",
        ],
    }


def test_json_of_names_that_are_no_text():
    text = json_text({"name": "\udcff.jpg 生"})
    assert text.encode()  # as it is written to a file
    assert json.loads(text) == {"name": "\udcff.jpg 生"}
