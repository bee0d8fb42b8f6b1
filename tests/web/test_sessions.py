"""Sessions: folders of their own that go when they are closed, clean names, no paths shown."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid.web.sessions import Sessions, clean_name


@pytest.fixture
def files(tmp_path):
    (tmp_path / "base" / "files").mkdir(parents=True)
    return tmp_path / "base" / "files"


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


def opened(files, most=3, idle=60, now=None):
    return Sessions(files, most=most, idle=idle, now=now or Clock())


def uploaded(files, name, content=b"x"):
    path = files / f"sha-{content.hex()}" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@settings(max_examples=30)
@given(st.text(alphabet="aé./\\ -_\0\u202e", max_size=20))
def test_clean_names_are_plain(name):
    clean = clean_name(name)
    assert clean.isascii()
    assert Path(clean).name == clean
    assert not clean.startswith((".", "-"))
    assert 0 < len(clean) < 100
    assert clean_name(clean) == clean


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("images.zip", "images.zip"),
        ("IMG_0001.JPEG", "IMG_0001.JPEG"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.png", "photo.png"),
        ("a<script>.jpg", "a-script.jpg"),
        ("photo.tar.gz", "photo-tar.gz"),
        (".bashrc", "file.bashrc"),
        ("x" * 300 + ".jpg", "x" * 80 + ".jpg"),
    ],
)
def test_clean_names(name, clean):
    assert clean_name(name) == clean


def test_files_are_taken_under_names_of_which_no_two_are_the_same(files):
    session = opened(files).of("a")
    uploads = [uploaded(files, "é.png", content) for content in (b"1", b"2", b"3")]
    taken = session.take(map(str, uploads), session.new_folder("paint"), most=3)
    assert [path.name for path in taken] == ["file.png", "file-2.png", "file-3.png"]
    assert [path.read_bytes() for path in taken] == [b"1", b"2", b"3"]


def test_one_more_than_the_limit_is_taken_so_that_it_is_refused(files):
    session = opened(files).of("a")
    uploads = [uploaded(files, "a.png", bytes([i])) for i in range(9)]
    assert len(session.take(map(str, uploads), session.new_folder("paint"), most=3)) == 4


def test_a_purpose_has_one_folder(files):
    session = opened(files).of("a")
    first = session.new_folder("paint")
    other, second = session.new_folder("judge"), session.new_folder("paint")
    assert not first.exists()
    assert second.is_dir()
    assert other.is_dir()


def test_a_closed_session_leaves_no_file(files):
    sessions = opened(files)
    mine, yours = sessions.of("mine"), sessions.of("yours")
    assert sessions.of("mine") is mine
    own, shared = uploaded(files, "a.png", b"1"), uploaded(files, "b.png", b"2")
    mine.take([str(own), str(shared)], mine.new_folder("paint"), most=5)
    yours.take([str(shared)], yours.new_folder("paint"), most=5)
    sessions.close("mine")
    assert mine.closed
    assert not mine.folder.exists()
    assert not own.exists()
    assert shared.exists()  # another visitor sent the same file
    sessions.close("yours")
    sessions.close("yours")
    assert list(files.iterdir()) == []
    assert sessions.of("mine") is not mine


def test_idle_sessions_and_surplus_ones_are_closed(files):
    clock = Clock()
    sessions = opened(files, now=clock)
    first = sessions.of("first")
    clock.time = 30
    second = sessions.of("second")
    clock.time = 61
    sessions.of("third")
    assert first.closed
    assert not second.closed
    sessions.of("second")
    sessions.of("fourth")
    sessions.of("fifth")
    assert len(sessions) == 3
    assert not second.closed  # it was used after the third


def test_no_path_is_shown(files, tmp_path):
    sessions = opened(files)
    session = sessions.of("a")
    folder = session.new_folder("judge")
    references = files.parent / "references" / "0"
    text = (
        f"zip {folder}/images.zip against {references}/monet_jpg, not {Path.home()}/secret, "
        f"{os.getcwd()}/here, {sys.prefix}/lib, {session.folder}/x, {files}/other"
    )
    shown = sessions.hide_paths(text, session, [references])
    assert "zip images.zip against monet_jpg, not …/secret, …/here, …/lib, x, …" in shown
    for root in (tmp_path, Path.home(), os.getcwd(), sys.prefix):
        assert str(root) not in shown


def test_paths_are_also_hidden_in_html(tmp_path):
    files = tmp_path / "a&b" / "files"
    files.mkdir(parents=True)
    sessions = opened(files)
    session = sessions.of("a")
    escaped = str(session.folder).replace("&", "&amp;")
    assert sessions.hide_paths(f"<p>{escaped}/images.zip</p>", session) == "<p>images.zip</p>"
