"""The store: never a wrong number, never a crash."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from other_processes import store_often

from mifid.cache import Cache, NetworkCache, make_key
from mifid.errors import InputError, MifidWarning

ARRAYS = {"features": np.arange(40, dtype=np.float32).reshape(8, 5), "note": np.array("№1")}
KEY = make_key("a", b"b")


def assert_loaded(loaded, expected=ARRAYS):
    assert loaded.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value)


def test_round_trip():
    Cache().store(KEY, ARRAYS)
    assert_loaded(Cache().load(KEY))
    assert Cache().load(make_key("other")) is None


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_a_folder_that_may_be_listed_and_not_entered_is_no_error(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    (cache.folder / ".left.tmp").touch()

    real = Path.stat

    def refuse(self, **options):
        if self.parent == cache.folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert cache.entries() == []
    cache.evict()


def test_what_killed_conversions_left_is_removed_after_a_day(tmp_path):
    networks = NetworkCache(tmp_path)
    for name in (".old.tmp", ".new.tmp"):
        (networks.folder / name / "new").mkdir(parents=True)
    os.utime(networks.folder / ".old.tmp", (0, 0))
    networks.tidy()
    assert [path.name for path in networks.folder.iterdir()] == [".new.tmp"]


def test_keys_differ_whenever_any_part_does():
    keys = [make_key("ab", "c"), make_key("a", "bc"), make_key("abc"), make_key("c", "ab")]
    assert len(set(keys)) == 4
    assert make_key("a", b"b") == make_key(b"a", "b")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_any_flipped_byte_is_noticed_or_harmless(where, flip, tmp_path):
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    path = cache.entries()[0].path
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= flip
    path.write_bytes(content)
    loaded = cache.load(KEY)
    if loaded is not None:
        assert_loaded(loaded)


def flips(whole, random):
    """Bits to flip: all that say what the features are, and some of everything else."""
    start = whole.index(b"\x93NUMPY", whole.index(b"features.npy"))
    header = range(8 * start, 8 * (whole.index(b"}", start) + 1))
    return [*header, *random.randint(8 * len(whole), size=300)]


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_any_flipped_bit_of_a_header_is_noticed_or_harmless(tmp_path, random):
    """A shape that shrinks ends the reading before the checksum, at the end of the features."""
    cache = Cache(tmp_path)
    arrays = {"features": random.randn(64, 64).astype(np.float32), "note": np.array("№1")}
    cache.store(KEY, arrays)
    path = cache.entries()[0].path
    whole = path.read_bytes()
    harmless = 0
    for bit in flips(whole, random):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        loaded = cache.load(KEY)
        if loaded is None:
            assert not path.exists(), "it is made again"
        else:
            harmless += 1
            assert_loaded(loaded, arrays)
    assert harmless < 100


def test_arrays_of_another_shape_or_type_are_another_entry(tmp_path):
    """Even where the file is whole: its seal says what is in it."""
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    path = cache.entries()[0].path
    with np.load(path) as archive:
        seal = archive["seal"]
    for changed in (ARRAYS["features"][:5], ARRAYS["features"].astype(np.float64)):
        np.savez(path, seal=seal, note=ARRAYS["note"], features=changed)
        with pytest.warns(MifidWarning, match="computed again"):
            assert cache.load(KEY) is None


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_an_entry_cut_short_is_removed_with_a_warning(keep, tmp_path):
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    path = cache.entries()[0].path
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(MifidWarning, match="damaged and is computed again"):
        assert cache.load(KEY) is None
    assert cache.entries() == []


def test_another_entrys_file_is_noticed(tmp_path):
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    other = make_key("other")
    cache.entries()[0].path.rename(cache.folder / f"{other}.npz")
    with pytest.warns(MifidWarning, match="the file of another entry"):
        assert cache.load(other) is None


def test_the_least_recently_used_goes_first(tmp_path):
    size = _entry_size(tmp_path)
    cache = Cache(tmp_path, limit=int(2.5 * size))
    keys = [make_key(str(i)) for i in range(3)]
    for age, key in zip((30, 20), keys[:2], strict=True):
        cache.store(key, ARRAYS)
        os.utime(cache.folder / f"{key}.npz", (time.time() - age,) * 2)
    cache.load(keys[0])  # used: now the younger of the two
    cache.store(keys[2], ARRAYS)
    assert cache.load(keys[1]) is None
    assert_loaded(cache.load(keys[0]))
    assert_loaded(cache.load(keys[2]))


def test_an_entry_larger_than_the_limit_still_serves(tmp_path):
    cache = Cache(tmp_path, limit=10)
    cache.store(KEY, ARRAYS)
    assert_loaded(cache.load(KEY))


def _entry_size(folder):
    probe = Cache(folder / "probe")
    probe.store(KEY, ARRAYS)
    return probe.entries()[0].size


@pytest.mark.parametrize(
    ("text", "limit"), [("500M", 500 << 20), ("2G", 2 << 30), ("1.5gb", 3 << 29), ("1000", 1000)]
)
def test_limit_from_the_environment(text, limit, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE_SIZE", text)
    assert Cache().limit == limit


@pytest.mark.parametrize("text", ["lots", "G", "5X", "inf", "-5", "nan"])
def test_a_limit_that_is_none(text, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE_SIZE", text)
    with pytest.raises(InputError, match=f"MIFID_CACHE_SIZE is '{text}'") as caught:
        Cache()
    assert "500M" in caught.value.hint


def test_clear(tmp_path):
    cache = Cache(tmp_path)
    cache.store(KEY, ARRAYS)
    (cache.folder / ".left.npz.x.tmp").write_bytes(b"x")
    assert [entry.key for entry in cache.clear()] == [KEY]
    assert list(cache.folder.iterdir()) == []


def test_what_killed_runs_left_is_swept_after_a_day(tmp_path):
    cache = Cache(tmp_path)
    cache.folder.mkdir(parents=True)
    young, old = (cache.folder / f".{name}.npz.x.tmp" for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    cache.store(KEY, ARRAYS)
    assert young.exists()
    assert not old.exists()


def test_a_full_disk_costs_a_warning(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(MifidWarning, match=r"could not be cached.*No space left"):
        Cache(tmp_path).store(KEY, ARRAYS)
    assert Cache(tmp_path).entries() == []
    assert list(Cache(tmp_path).folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(MifidWarning, match="could not be cached"):
        Cache(tmp_path / "file").store(KEY, ARRAYS)
    assert Cache(tmp_path / "file").load(KEY) is None


def test_two_runs_at_once(tmp_path):
    """Readers see one writer's entry or the other's, whole."""
    context = multiprocessing.get_context("spawn")
    arguments = [(tmp_path, KEY, {"x": np.full(20_000, value)}) for value in (1, 2)]
    writers = [context.Process(target=store_often, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        loaded = Cache(tmp_path).load(KEY)
        if loaded is not None:
            values = set(loaded["x"].tolist())
            assert len(values) == 1
            seen |= values
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {1, 2}
    assert set(Cache(tmp_path).load(KEY)["x"].tolist()) <= {1, 2}


def test_kill_9_in_the_middle_of_a_write(tmp_path):
    code = f"""
        import sys, time
        import numpy as np
        from pathlib import Path
        from mifid.cache import Cache

        real = np.savez
        def slow(file, **arrays):
            file.write(b"half")
            file.flush()
            print("writing", flush=True)
            time.sleep(3600)
        np.savez = slow
        Cache(Path({str(tmp_path)!r})).store({KEY!r}, {{"x": np.ones(3)}})
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    cache = Cache(tmp_path)
    assert cache.load(KEY) is None
    assert cache.entries() == []
    cache.store(KEY, ARRAYS)
    assert_loaded(cache.load(KEY))
