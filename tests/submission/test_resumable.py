"""After any end the next run goes on, and the archive is the one of a run that never ended."""

import os
import resource
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mifid.errors import OutputError
from mifid.submission.resumable import partial_path, resumable_archive, stored_entry

NAMES = [f"photo {i}.jpg" for i in range(7)]
CONTENTS = [np.random.RandomState(i).bytes(50 + 9 * i) for i in range(7)]
HEADER = 30 + len(NAMES[0])


def write(path, *, stop=None, fingerprint="abc", group=1, names=NAMES):
    """Write what is missing, up to ``stop`` entries; return how many were there."""
    with resumable_archive(path, names=names, fingerprint=fingerprint, group=group) as archive:
        done = archive.done
        for i in range(done, len(names)):
            if i == stop:
                raise KeyboardInterrupt
            archive.add(CONTENTS[i])
    return done


def interrupted(path, stop=5, **options):
    with pytest.raises(KeyboardInterrupt):
        write(path, stop=stop, **options)
    return partial_path(path, options.get("fingerprint", "abc"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images.zip"


@pytest.fixture
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "images.zip"
    assert write(path) == 0
    return path.read_bytes()


def listing(path):
    return sorted(p.name for p in path.parent.iterdir())


def test_the_archive_is_what_zipfile_itself_writes(path, tmp_path):
    write(path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        for name, content in zip(NAMES, CONTENTS, strict=True):
            other.writestr(stored_entry(name), content)
    assert path.read_bytes() == (tmp_path / "other.zip").read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in NAMES] == CONTENTS


def test_nothing_is_left_beside_it(path):
    write(path)
    assert listing(path) == ["images.zip"]


@pytest.mark.parametrize("stop", [0, 1, 4, 6])
def test_what_was_written_is_kept(stop, path, whole):
    partial = interrupted(path, stop)
    assert listing(path) == [partial.name]
    assert write(path) == stop
    assert path.read_bytes() == whole
    assert listing(path) == ["images.zip"]


def test_names_beyond_ascii(path):
    names = ["Brücke.jpg", "橋.jpg", "c.jpg"]
    interrupted(path, 2, names=names)
    assert write(path, names=names) == 2
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == names


# Bytes after the start of entry 3: in its header, at its end, in its data, its last byte missing.
@pytest.mark.parametrize("kept", [0, 1, 4, 29, 30, HEADER, HEADER + 1, HEADER + 76])
def test_torn_at_every_kind_of_place(kept, path, whole):
    partial = interrupted(path)
    start = 3 * HEADER + sum(map(len, CONTENTS[:3]))
    with partial.open("r+b") as file:
        file.truncate(start + kept)
    assert write(path) == 3
    assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b"\0" * 500, b"PK\x03\x04", b"\xff" * 29, CONTENTS[5]], ids=len)
def test_rubbish_behind_the_last_whole_entry_is_cut_off(tail, path, whole):
    partial = interrupted(path)
    partial.write_bytes(partial.read_bytes() + tail)
    assert write(path) == 5
    assert path.read_bytes() == whole


def test_a_flipped_bit_anywhere_costs_that_entry_and_those_behind(path, whole):
    good = interrupted(path).read_bytes()
    starts = np.cumsum([0] + [HEADER + len(content) for content in CONTENTS])
    for place in range(0, starts[5], 3):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        partial_path(path, "abc").write_bytes(damaged)
        assert write(path) == np.searchsorted(starts, place, side="right") - 1
        assert path.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 22, 30, 100])
def test_killed_while_the_directory_was_written(cut, path, whole):
    partial = interrupted(path, 0)
    partial.write_bytes(whole[:-cut])
    assert write(path) == 7
    assert path.read_bytes() == whole


def test_an_archive_of_other_names_is_not_gone_on_with(path):
    interrupted(path)
    others = [*NAMES[:2], *(f"other {i}.jpg" for i in range(5))]
    assert write(path, names=others) == 2
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == others


@pytest.mark.parametrize(("stop", "kept"), [(2, 0), (3, 3), (5, 3), (6, 6)])
def test_what_is_made_together_is_kept_together(stop, kept, path, whole):
    interrupted(path, stop, group=3)
    assert write(path, group=3) == kept
    assert path.read_bytes() == whole


def test_the_last_group_may_be_smaller(path, whole):
    partial = interrupted(path, 0)
    partial.write_bytes(whole[:-30])
    assert write(path, group=3) == 7


def test_another_fingerprint_starts_anew_and_the_old_one_goes_in_the_end(path, whole):
    old = interrupted(path)
    foreign = path.with_name(".images.zip.more.abc.partial")
    foreign.write_bytes(b"of images.zip.more")
    new = interrupted(path, 2, fingerprint="def")
    assert old.exists()
    assert write(path, fingerprint="def") == 2
    assert path.read_bytes() == whole
    assert not old.exists()
    assert not new.exists()
    assert foreign.exists()


def test_a_failed_run_leaves_the_archive_that_was_there(path):
    path.write_bytes(b"the last one")
    interrupted(path)
    assert path.read_bytes() == b"the last one"
    write(path)
    assert zipfile.is_zipfile(path)


def test_two_at_once(path, whole):
    with resumable_archive(path, names=NAMES, fingerprint="abc") as archive:
        with pytest.raises(OutputError, match=f"another run is writing {path}\nWait"):
            write(path)
        with pytest.raises(OutputError, match="another run is writing"):
            write(path, fingerprint="def")
        for content in CONTENTS:
            archive.add(content)
    assert path.read_bytes() == whole
    assert write(path) == 0  # and free again


def test_missing_entries_and_too_many_are_a_mistake_of_the_caller(path):
    def write_six():
        with resumable_archive(path, names=NAMES, fingerprint="abc") as archive:
            for content in CONTENTS[:6]:
                archive.add(content)

    with pytest.raises(ValueError, match="6 of 7 entries are written"):
        write_six()
    assert not path.exists()
    with resumable_archive(path, names=NAMES, fingerprint="abc") as archive:
        with pytest.raises(ValueError, match="empty"):
            archive.add(b"")
        archive.add(CONTENTS[6])
        with pytest.raises(ValueError, match="all entries"):
            archive.add(CONTENTS[6])
    assert path.exists()


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(
        OutputError, match=r"cannot write .*images\.zip: .*\nThe folder .* mkdir -p"
    ):
        write(tmp_path / "no" / "images.zip")


@pytest.mark.parametrize("where", ["entry", "directory"])
def test_a_full_disk_is_told_and_what_was_finished_is_kept(where, path, whole):
    """Past the limit on file sizes, writing fails as it does on a full disk."""
    start = 4 * HEADER + sum(map(len, CONTENTS[:4]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = start + 20 if where == "entry" else len(whole) - 10
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        with pytest.raises(OutputError, match=r"cannot write .*\nIs there space .* was finished"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not path.exists()
    assert write(path) == (4 if where == "entry" else 7)
    assert path.read_bytes() == whole


def test_kill_9(path, whole):
    script = (
        "import sys, time, test_resumable as t\n"
        "from mifid.submission.resumable import resumable_archive\n"
        "with resumable_archive(sys.argv[1], names=t.NAMES, fingerprint='abc') as archive:\n"
        "    for content in t.CONTENTS[:4]: archive.add(content)\n"
        "    print('written', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    here = __file__.rpartition("/")[0]
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, cwd=here
    ) as process:
        assert process.stdout.readline() == b"written\n"
        with pytest.raises(OutputError, match="another run is writing"):
            write(path)
        process.kill()
    assert write(path) == 4  # the lock of the dead does not hold
    assert path.read_bytes() == whole
    assert listing(path) == ["images.zip"]


@pytest.mark.parametrize("kind", ["link", "dead link", "hard link", "fifo", "folder"])
def test_what_others_put_under_the_partials_name_is_not_written_through(kind, path, tmp_path):
    """The name can be known beforehand; a link there would lead writing to any file."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    partial = partial_path(path, "abc")
    if kind == "hard link":
        partial.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(partial)
    elif kind == "folder":
        partial.mkdir()
    else:
        partial.symlink_to(victim if kind == "link" else tmp_path / "nobody")
    with pytest.raises(OutputError, match=r"abc\.partial beside it is a link, a pipe or a folder"):
        write(path)
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "nobody").exists()
    assert not path.exists()
