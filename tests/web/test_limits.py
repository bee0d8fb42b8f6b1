"""Limits of visitors: photos, archives and time."""

import struct
import zipfile

import pytest
from pictures import encode, noise, write_zip

from mifid.errors import InputError
from mifid.web.limits import LimitError, Limits, TimedProgress, check_photos, check_submissions

LIMITS = Limits(upload=20_000, photos=2, pixels=100, submissions=2, pictures=10)


def photo(path, height=6, width=5):
    path.write_bytes(encode(noise(0, height, width)))
    return path


def archive(path, n):
    return write_zip(path, [(f"{i}.png", b"x") for i in range(n)])


def test_photos_within_the_limits_pass(tmp_path):
    other = tmp_path / "no-picture.jpg"
    other.write_bytes(b"text")  # refused with its reason where it is painted
    check_photos([photo(tmp_path / "a.png", 10, 10), other], LIMITS)


@pytest.mark.parametrize(
    ("names", "size", "said"),
    [
        (["a", "b", "c"], (6, 5), "3 photos are given; at most 2"),
        (["a"], (10, 11), "'a.png' has 11 x 10 pixels; at most 100"),
        (["a"], (100, 99), "'a.png' has 29.* kB; at most 20.0 kB"),
    ],
)
def test_photos_beyond_a_limit(tmp_path, names, size, said):
    with pytest.raises(LimitError, match=said):
        check_photos([photo(tmp_path / f"{name}.png", *size) for name in names], LIMITS)


def test_archives_within_the_limits_pass(tmp_path):
    check_submissions([archive(tmp_path / f"{n}.zip", n) for n in (0, 10)], LIMITS)
    commented = archive(tmp_path / "commented.zip", 3)
    with zipfile.ZipFile(commented, "a") as file:
        file.comment = b"c" * 3000
    check_submissions([commented], LIMITS)


def test_archives_beyond_a_limit(tmp_path):
    few = [archive(tmp_path / f"{n}.zip", n) for n in range(3)]
    with pytest.raises(LimitError, match="3 archives are given; at most 2"):
        check_submissions(few, LIMITS)
    with pytest.raises(LimitError, match=r"'many.zip' holds 11 files; at most 10"):
        check_submissions([archive(tmp_path / "many.zip", 11)], LIMITS)
    (tmp_path / "large.zip").write_bytes(b"0" * 20_001)
    with pytest.raises(LimitError, match=r"at most 20.0 kB"):
        check_submissions([tmp_path / "large.zip"], LIMITS)


def test_a_long_table_of_contents_is_not_read(tmp_path, monkeypatch):
    """zipfile would make an object of each of its entries."""
    path = archive(tmp_path / "many.zip", 200)
    monkeypatch.setattr(zipfile.ZipFile, "namelist", None)
    made = []
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *given: made.append(given))
    with pytest.raises(LimitError, match=r"holds more than 10 files"):
        check_submissions([path], Limits(pictures=10))
    assert made == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"text", "is not a zip file"), (b"PK\x03\x04" + bytes(40), "cut short")],
)
def test_no_zip(tmp_path, content, said):
    (tmp_path / "images.zip").write_bytes(content)
    with pytest.raises(InputError, match=said):
        check_submissions([tmp_path / "images.zip"], LIMITS)


def test_a_table_that_lies_about_its_size(tmp_path):
    path = archive(tmp_path / "images.zip", 2)
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, len(content) - 10, 0xFFFF_FFF0)  # size of the table
    path.write_bytes(content)
    with pytest.raises((LimitError, InputError)):
        check_submissions([path], LIMITS)


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


def test_progress_shows_shares_and_words():
    shown = []
    progress = TimedProgress(9, lambda *given: shown.append(given), now=Clock())
    with progress.task("check", 4, "picture") as task:
        task.advance()
        task.status("fast")
        task.advance(3)
    with progress.task("scores", None, "") as task:
        task.advance()
    assert shown == [
        (0.0, "check: 0 of 4 pictures"),
        (0.25, "check: 1 of 4 pictures"),
        (1.0, "check: 4 of 4 pictures"),
        (None, "scores"),
        (None, "scores"),
    ]


@pytest.mark.parametrize("step", ["advance", "status", "open"])
def test_a_task_ends_at_its_time(step):
    clock = Clock()
    progress = TimedProgress(9, now=clock)
    with progress.task("check", 4, "picture") as task:
        clock.time = 9.0
        task.advance()
        clock.time = 9.1
        steps = {
            "advance": task.advance,
            "status": lambda: task.status("x"),
            "open": progress.task("more", None, "").__enter__,
        }
        with pytest.raises(LimitError, match="longer than 9 seconds"):
            steps[step]()


def test_a_task_ends_when_its_page_is_closed():
    closed = []
    progress = TimedProgress(9, is_over=lambda: bool(closed), now=Clock())
    progress.check()
    closed.append(True)
    with pytest.raises(LimitError, match="closed"):
        progress.check()


def test_strangers_may_less():
    own, strangers = Limits(), Limits.for_strangers()
    assert strangers.upload < own.upload
    assert strangers.pixels < own.pixels
    assert strangers.seconds < own.seconds
