"""A history of scores: lines are added by one process at a time, and none is lost."""

import csv
import errno
import io
import os
import subprocess
import sys
import warnings

import pytest

from mifid.errors import MifidWarning, OutputError
from mifid.formatting import text_cell
from mifid.report import history
from mifid.report.history import HISTORY_COLUMNS, append_history
from mifid.report.report import check_output

CUT = "is incomplete, as a killed run leaves it"


def row(label, **values):
    return {**dict.fromkeys(HISTORY_COLUMNS), "label": label, **values}


def labels(file):
    return [line["label"] for line in read(file)]


def read(file):
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))


def test_a_line_holds_what_was_scored_and_when(tmp_path):
    file = tmp_path / "s.csv"
    append_history(
        file, row("a", fid=1.25, generated='zip "a".zip', date="2026-01-02T03:04:05+01:00")
    )
    append_history(file, row("b", mifid_reason="no features,\nand more"))
    assert file.read_text().startswith(",".join(HISTORY_COLUMNS) + "\n")
    first, second = read(file)
    assert (first["label"], first["fid"], first["mifid"]) == ("a", "1.25", "")
    assert (first["date"], first["generated"]) == ("2026-01-02T03:04:05+01:00", 'zip "a".zip')
    assert second["mifid_reason"] == "no features,\nand more"
    assert os.listdir(tmp_path) == ["s.csv"]  # no lock beside it


def test_eight_processes_lose_no_line(tmp_path):
    """Each appends 25 lines as quickly as it can; they all begin at once."""
    file = tmp_path / "s.csv"
    code = (
        "import sys; from pathlib import Path\n"
        "from mifid.report.history import HISTORY_COLUMNS, append_history\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for i in range(25):\n"
        "    row = dict.fromkeys(HISTORY_COLUMNS) | {'label': f'{sys.argv[2]}-{i}'}\n"
        "    append_history(Path(sys.argv[1]), row | {"
        " 'warnings': 'x' * 5000})\n"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, file, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for job in jobs:
        assert job.stdout.readline() == "ready\n"
    for job in jobs:
        job.stdin.write("go\n")
        job.stdin.flush()
    for job in jobs:
        job.communicate()
    assert [job.returncode for job in jobs] == [0] * 8
    assert sorted(labels(file)) == sorted(f"{job}-{i}" for job in range(8) for i in range(25))
    assert all(line["warnings"] == "x" * 5000 for line in read(file))
    assert os.listdir(tmp_path) == ["s.csv"]


def test_what_is_there_is_never_written_again(tmp_path):
    """Another program may hold the file open: it is the same file, with more in it."""
    file = tmp_path / "s.csv"
    append_history(file, row("a"))
    with file.open() as held:
        before = held.read()
        append_history(file, row("b"))
        assert held.read() == file.read_text()[len(before) :]
    assert file.read_text().startswith(before)


def test_any_path_to_the_file_will_do(tmp_path, monkeypatch):
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    append_history(tmp_path / "link.csv", row("a"))
    monkeypatch.chdir(tmp_path)
    append_history(history.Path("real.csv"), row("b"))
    assert labels(tmp_path / "real.csv") == ["a", "b"]
    assert (tmp_path / "link.csv").is_symlink()


@pytest.mark.parametrize("label", ["plain", 'with "quotes", and\nlines'])
def test_a_line_that_a_killed_run_left_half(label, tmp_path):
    """Wherever it ends, what stood before it is kept, and what comes after it is read."""
    file = tmp_path / "s.csv"
    append_history(file, row("whole"))
    before = file.read_bytes()
    append_history(file, row(label, fid=1.5, warnings='["one, two"]'))
    line = file.read_bytes()[len(before) :]
    for length in range(1, len(line)):
        file.write_bytes(before + line[:length])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            append_history(file, row("next"))
        # In the last cell nothing may tell a part from the whole, which editors leave, too.
        assert CUT in str([str(one.message) for one in said]) or length >= line.index(b'"[')
        assert file.read_bytes().startswith(before + line[:length])
        found = labels(file)
        assert (found[0], found[-1], len(found)) == ("whole", "next", 3)
        append_history(file, row("and on"))  # said once
        assert labels(file)[3:] == ["and on"]


def test_a_heading_that_a_killed_run_left_half(tmp_path):
    file = tmp_path / "s.csv"
    heading = ",".join(HISTORY_COLUMNS) + "\n"
    for length in (0, 1, 17, 80, len(heading) - 1, len(heading)):
        file.write_text(heading[:length])
        append_history(file, row("a"))
        assert labels(file) == ["a"]


def test_columns_of_the_users_own_stay(tmp_path):
    """Spreadsheets put a mark before the heading, end lines otherwise, and reorder columns."""
    file = tmp_path / "s.csv"
    names = ["notes", *reversed(HISTORY_COLUMNS)]
    mine = {**dict.fromkeys(names, ""), "notes": "ours", "label": "a"}
    heading, line = ",".join(names), ",".join(mine.values())
    file.write_bytes(f"\ufeff{heading}\r\n{line}\r\n".encode())
    append_history(file, row("b", fid=2.5))
    first, second = read(file)
    assert (first["notes"], first["label"]) == ("ours", "a")
    assert (second["notes"], second["label"], second["fid"]) == ("", "b", "2.5")


def test_a_history_of_an_earlier_version_is_left_alone_with_a_way_on(tmp_path):
    file = tmp_path / "s.csv"
    (tmp_path / "s-2.csv").touch()
    earlier = [name for name in HISTORY_COLUMNS if name not in ("date", "label")]
    file.write_text(",".join(earlier) + "\n1.5\n")
    for attempt in (
        lambda: check_output(file),
        lambda: append_history(file, row("a")),
    ):
        with pytest.raises(OutputError) as caught:
            attempt()
        assert "an earlier version began it, without the columns date, label" in str(caught.value)
        assert caught.value.hint == f"Give another file name, such as {tmp_path / 's-3.csv'}."
    assert file.read_text() == ",".join(earlier) + "\n1.5\n"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PK\x03\x04\xff", b"\n\n", b"\x00\x00"])
def test_another_programs_file_is_left_alone(content, tmp_path):
    file = tmp_path / "s.csv"
    file.write_bytes(content)
    for attempt in (
        lambda: check_output(file),
        lambda: append_history(file, row("a")),
    ):
        with pytest.raises(OutputError, match=r"cannot append to .*s\.csv"):
            attempt()
    assert file.read_bytes() == content


@pytest.mark.parametrize("before", [False, True], ids=["new", "there already"])
def test_on_a_full_disk_the_lines_stay_and_nothing_is_half(before, tmp_path, monkeypatch):
    file = tmp_path / "s.csv"
    if before:
        append_history(file, row("a"))
    content = file.read_bytes() if before else None

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        append_history(file, row("b"))
    assert (file.read_bytes() if file.exists() else None) == content


def test_a_file_that_was_removed_while_the_lock_was_waited_for(tmp_path, monkeypatch):
    """The line goes into the file that has the name now."""
    file = tmp_path / "s.csv"
    append_history(file, row("old"))
    lock, times = history._lock, []

    def replaced(opened):
        lock(opened)
        if not times:
            file.rename(tmp_path / "moved.csv")
        times.append(1)

    monkeypatch.setattr(history, "_lock", replaced)
    append_history(file, row("new"))
    assert labels(file) == ["new"]
    assert labels(tmp_path / "moved.csv") == ["old"]
    assert len(times) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl is POSIX's")
def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    import fcntl

    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(MifidWarning, match="a file system without locks"):
        append_history(tmp_path / "s.csv", row("a"))
    assert labels(tmp_path / "s.csv") == ["a"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_compute(text, tmp_path):
    append_history(tmp_path / "s.csv", row(text, fid=-1.5))
    (line,) = read(tmp_path / "s.csv")
    assert (line["label"], line["fid"]) == (f"'{text}", "-1.5")  # numbers stay numbers


def test_other_text_and_numbers_stay():
    for value in ("a=b", "", " =1", -1.5, None, True):
        assert text_cell(value) == value
