"""Decoding in processes: what travels, what happens when one dies, and that none is left."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE
from pictures import decoding_threads, encode, noise, write_folder, write_tar, write_tfrecord
from pictures import write_zip as zipped
from PIL import Image
from scripted import (
    SECONDS_OF_A_HANG,
    Scripted,
    die,
    fail_or_hang,
    large,
    leave,
    middling,
    plain,
    print_much,
    raise_unpicklable,
    warn,
)

from mifid.diagnosis.reencoding import ENCODINGS, Reencoded
from mifid.errors import InputError, MifidError, MifidWarning, OutputError
from mifid.images import open_images
from mifid.images import workers as processes
from mifid.images.loader import BatchReader
from mifid.images.source import Subset, thinned

FILES = [(f"{i}.png", encode(noise(i))) for i in range(5)]
ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="signals")

KINDS = {
    "folder": lambda at: write_folder(at / "a", FILES),
    "pattern": lambda at: write_folder(at / "a", FILES) / "*.png",
    "zip": lambda at: zipped(at / "a.zip", FILES),
    "tar": lambda at: write_tar(at / "a.tar", FILES),
    "TFRecord": lambda at: write_tfrecord(at / "a.tfrec", FILES),
}


def reader(source, batch_size=4, workers=2, skip_bad=False):
    return BatchReader(
        source, batch_size=batch_size, workers=workers, skip_bad=skip_bad, decoders="processes"
    )


@pytest.fixture(autouse=True)
def started(monkeypatch, tmp_path):
    """The processes that were started; at the end none runs, and no file is left."""
    found = []
    real = subprocess.Popen

    def record(*args, **kwargs):
        found.append(real(*args, **kwargs))
        return found[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", record)
    (tmp_path / "shared").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    yield found
    # A return code means that it was waited for, so it is no zombie either.
    assert [process for process in found if process.returncode is None] == []
    assert list((tmp_path / "shared").iterdir()) == []
    assert decoding_threads() == []


@pytest.mark.parametrize("kind", KINDS)
def test_files_travel_and_come_back_as_the_same_pixels(kind, tmp_path, started):
    source = open_images(KINDS[kind](tmp_path))
    assert processes.can_travel(source)
    batches = list(reader(source, batch_size=2))
    assert len(started) == 2
    assert np.concatenate([batch.indices for batch in batches]).tolist() == list(range(5))
    found = np.concatenate([batch.pixels for batch in batches])
    np.testing.assert_array_equal(found, np.stack([noise(i) for i in range(5)]))


def test_some_of_a_source_travel_as_the_source_does(tmp_path):
    files = open_images(KINDS["zip"](tmp_path))
    some = Reencoded(Subset(files, [3, 1]), ENCODINGS["png"])
    assert processes.can_travel(some)
    (batch,) = reader(some)
    np.testing.assert_array_equal(batch.pixels, np.stack([noise(3), noise(1)]))
    in_memory = open_images(np.zeros((4, 2, 2, 3), np.uint8))
    assert not processes.can_travel(thinned(in_memory, 2, seed=0))


@pytest.mark.parametrize("given", ["array", "PIL images", "compressed tar"])
def test_what_stays_here_says_so_and_is_refused(given, tmp_path, started):
    source = open_images(
        {
            "array": np.zeros((2, 3, 3, 3), np.uint8),
            "PIL images": [Image.new("RGB", (2, 2))],
            "compressed tar": write_tar(tmp_path / "a.tar.gz", FILES, "gz"),
        }[given]
    )
    assert not processes.can_travel(source)
    with pytest.raises(InputError) as caught:
        list(reader(source))
    assert caught.value.message == f"{source.description} cannot be decoded in other processes"
    assert "threads" in caught.value.hint
    assert started == []


@pytest.mark.parametrize(("name", "value"), [("executable", ""), ("frozen", True)])
def test_nothing_travels_where_python_cannot_be_started(name, value, tmp_path, monkeypatch):
    source = open_images(KINDS["folder"](tmp_path))
    assert processes.can_travel(source)
    monkeypatch.setattr(sys, name, value, raising=False)
    assert not processes.can_travel(source)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_copy_reads_the_same_file_and_refuses_another(kind, tmp_path):
    path = KINDS[kind](tmp_path)
    source = open_images(path)
    copy = pickle.loads(pickle.dumps(source))
    assert [copy.read(i) for i in range(5)] == [content for _, content in FILES]
    copy.close()
    source.close()
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=rf"{path} changed after it was opened: it had [\d,]+ by"):
        list(reader(source))
    path.unlink()
    with pytest.raises(InputError, match=f"cannot read {path}: No such file"):
        list(reader(source))


def test_more_workers_than_there_is_work_for_are_not_started(tmp_path, started):
    list(reader(Scripted(tmp_path / "log", 3, plain), batch_size=2, workers=50))
    assert len(started) == 3


def test_pixels_are_not_written_over_before_they_are_taken(tmp_path):
    for batch in reader(Scripted(tmp_path / "log", 600, middling), batch_size=32, workers=1):
        for pixels, index in zip(batch.pixels, batch.indices, strict=True):
            assert (pixels == index % 256).all()


def test_large_pictures_pass_too(tmp_path):
    (batch,) = reader(Scripted(tmp_path / "log", 3, large), workers=1)
    np.testing.assert_array_equal(batch.pixels, np.stack([large(i) for i in range(3)]))


@posix
def test_a_process_that_is_killed_is_told(tmp_path):
    with pytest.raises(MifidError) as caught:
        list(reader(Scripted(tmp_path / "log", 40, die), batch_size=8))
    message = "a script: a decoding process ended, killed by SIGKILL, at one of the pictures "
    assert caught.value.message == message + "'0004' to '0005'"
    assert "memory" in caught.value.hint


def test_a_process_that_ends_is_told_even_when_bad_pictures_are_skipped(tmp_path):
    with pytest.raises(MifidError, match="a decoding process ended, with exit code 3, at one of"):
        list(reader(Scripted(tmp_path / "log", 4, leave), skip_bad=True))


def test_an_error_that_cannot_be_sent_is_told_in_words(tmp_path):
    with pytest.raises(MifidError, match=r"^UnpicklableError in a decoding process: one two$"):
        list(reader(Scripted(tmp_path / "log", 4, raise_unpicklable)))


def test_a_source_that_cannot_be_made_again_there_is_told(tmp_path, monkeypatch):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    monkeypatch.setattr(processes, "python_environment", lambda: environment)
    with pytest.raises(ModuleNotFoundError, match="scripted"):
        list(reader(Scripted(tmp_path / "log", 4, plain)))


def test_what_is_printed_there_garbles_nothing(tmp_path, capfd):
    batches = list(reader(Scripted(tmp_path / "log", 9, print_much)))
    assert sum(len(batch.pixels) for batch in batches) == 9
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "xxx" in printed.err


def test_warnings_come_back(tmp_path):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        list(reader(Scripted(tmp_path / "log", 3, warn), workers=1))
    told = [(each.category, str(each.message)) for each in found]
    assert told == [(RuntimeWarning, f"{i} is odd") for i in range(3)]


def test_reading_that_is_abandoned_ends_the_processes(tmp_path, started):
    batches = iter(reader(Scripted(tmp_path / "log", 500, plain)))
    next(batches)
    assert [process.poll() for process in started] == [None, None]
    batches.close()
    assert [process.returncode is None for process in started] == [False, False]


def test_an_error_does_not_wait_for_what_others_are_at(tmp_path):
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        list(reader(Scripted(tmp_path / "log", 9, fail_or_hang), batch_size=1))
    assert time.monotonic() - start < PATIENCE < SECONDS_OF_A_HANG


def test_processes_that_were_started_end_if_the_next_cannot_be(tmp_path, monkeypatch, started):
    real = processes.make_area_file
    calls = []

    def full(*args):
        calls.append(1)
        if len(calls) == 2:
            raise OutputError("no space")
        return real()

    monkeypatch.setattr(processes, "make_area_file", full)
    with pytest.warns(MifidWarning, match="decoded in threads, not in processes, .* no space"):
        batches = list(reader(Scripted(tmp_path / "log", 50, plain)))
    assert sum(len(batch.indices) for batch in batches) == 50
    assert len(started) == 1


def test_where_no_process_can_be_started_threads_decode(tmp_path, monkeypatch):
    def none_left(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes.subprocess, "Popen", none_left)
    with pytest.warns(MifidWarning, match="not in processes, .* Resource temporarily unavailable"):
        batches = list(reader(Scripted(tmp_path / "log", 5, plain)))
    assert sum(len(batch.indices) for batch in batches) == 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")
def test_a_full_disk_is_told(tmp_path, monkeypatch):
    full = tmp_path / "shared" / "full"

    def mkstemp(prefix):
        full.touch()
        return os.open("/dev/full", os.O_WRONLY), str(full)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    with pytest.raises(OutputError, match=r"cannot write the 16,777,216 bytes .*shared") as caught:
        processes.ProcessDecoder(Scripted(tmp_path / "log", 3, plain), 2).__enter__()
    assert "TMPDIR" in caught.value.hint


SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
from mifid.images import open_images
from mifid.images.loader import BatchReader
source = open_images({folder!r})
reader = BatchReader(source, batch_size=2, workers=2, skip_bad=False, decoders="processes")
for batch in reader:
    print(batch.pixels.sum(), flush=True)
    time.sleep({pause})
"""


@contextmanager
def started_script(tmp_path, pause):
    """A script as people write them: nothing is guarded by ``__name__ == "__main__"``."""
    folder = write_folder(tmp_path / "a", FILES)
    # Nothing here may be taken for a module of the standard library.
    write_folder(tmp_path, [("random.py", b"1 / 0"), ("tempfile.py", b"1 / 0")])
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "script.py"
    path.write_text(SCRIPT.format(root=str(ROOT), folder=str(folder), pause=pause))
    with subprocess.Popen(
        [sys.executable, path],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "shared")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:
        try:
            yield script
        finally:
            script.kill()


def test_a_script_needs_no_guard(tmp_path):
    with started_script(tmp_path, pause=0) as script:
        out, err = script.communicate(timeout=PATIENCE)
    assert err == ""
    sums = [sum(int(noise(i).sum()) for i in pair) for pair in ([0, 1], [2, 3], [4])]
    assert [int(line) for line in out.split()] == sums


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(number, tmp_path):
    with started_script(tmp_path, pause=SECONDS_OF_A_HANG) as script:
        assert int(script.stdout.readline()) > 0
        os.killpg(script.pid, number)
        # They hold stderr too: it ends when the last of them has.
        _, err = script.communicate(timeout=PATIENCE)
    assert script.returncode == -number
    assert err.count("Traceback") == (number == signal.SIGINT)
    assert list((tmp_path / "shared").iterdir()) == []
