"""Engines: the same store by whatever processes, and by those that die and start again."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from dying import Killed, Logging
from patience import wait_for
from shards import PICTURES, SHARDS, digest, one_by_one, totals
from toys import Counting, write_pictures

from mifid.distributed import ENGINES, compute_shards
from mifid.errors import InputError, MifidError, MifidWarning, PictureError
from mifid.machine import python_environment
from mifid.statistics import FeatureStore


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("engines") / "generated", PICTURES)


@pytest.fixture(scope="module")
def expected(pictures, tmp_path_factory):
    """The digest of what one process computes, shard after shard."""
    folder = tmp_path_factory.mktemp("expected")
    return digest(one_by_one(pictures, folder / "s", Logging(folder)))


def run(pictures, folder, **settings):
    settings = {"engine": "local", "shards": SHARDS, "processes": 2} | settings
    return compute_shards(pictures, folder, **settings)


@pytest.mark.parametrize("processes", [1, 2])
def test_any_number_of_processes_makes_the_same_store(processes, pictures, expected, tmp_path):
    found = run(pictures, tmp_path / "s", processes=processes, extractor=Logging(tmp_path))
    assert [each.part.shard.number for each in found] == [1, 2, 3, 4, 5]
    assert all(each.computed for each in found)
    assert digest(tmp_path / "s") == expected


def test_the_shard_of_a_killed_process_is_computed_again_and_no_other(pictures, expected, tmp_path):
    extractor = Logging(tmp_path, dies=(totals(2), totals(4)))
    run(pictures, tmp_path / "s", extractor=extractor)
    times = {str(totals(n)): 2 if n in (2, 4) else 1 for n in range(1, SHARDS + 1)}
    assert Counter(extractor.lines()) == times
    assert digest(tmp_path / "s") == expected


def test_a_killed_driver_goes_on_with_what_is_missing(pictures, expected, tmp_path):
    """The driver is killed when the first part is there; its processes end with it."""
    code = (
        "import sys; from pathlib import Path; from mifid.distributed import compute_shards; "
        "from dying import Logging; folder = Path(sys.argv[2]); "
        "compute_shards(sys.argv[1], folder / 's', engine='local', shards=5, processes=1, "
        "extractor=Logging(folder))"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, pictures, tmp_path],
        env=python_environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with driver:
        wait_for(lambda: list(tmp_path.glob("s/part-*")), process=driver)
        driver.kill()
    there = {path.name for path in tmp_path.glob("s/part-*")}
    extractor = Logging(tmp_path)
    extractor.log.unlink()
    found = run(pictures, tmp_path / "s", extractor=extractor)
    assert {each.part.path.name for each in found if not each.computed} >= there
    assert len(extractor.lines()) <= SHARDS - len(there)
    assert digest(tmp_path / "s") == expected


def test_processes_that_die_again_and_again_are_an_error(pictures, tmp_path):
    with pytest.raises(MifidError, match="died 3 times, last by signal 9") as caught:
        run(pictures, tmp_path / "s", extractor=Killed())
    assert "fewer processes" in caught.value.hint


def test_a_bad_picture_is_an_answer_and_not_tried_again(tmp_path):
    folder = write_pictures(tmp_path / "g", PICTURES)
    (folder / "005.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    extractor = Logging(tmp_path)
    with pytest.raises(PictureError, match=r"005\.png"):
        run(folder, tmp_path / "s", processes=1, extractor=extractor)
    assert extractor.lines() == [str(totals(1))]  # the one before it, once
    found = run(folder, tmp_path / "s", extractor=extractor, skip_bad=True)
    assert [each.computed for each in found] == [False, True, True, True, True]
    assert [part.n for part in FeatureStore.open(tmp_path / "s").parts] == [4, 3, 4, 4, 4]


def test_warnings_of_processes_are_issued_here(tmp_path):
    values = PICTURES[:4].astype(np.float32) / 255
    np.save(tmp_path / "pictures.npy", values)
    with pytest.warns(MifidWarning, match="none is below 0"):
        run(
            tmp_path / "pictures.npy",
            tmp_path / "s",
            shards=2,
            value_range=(-1, 1),
            extractor=Logging(tmp_path),
        )


def test_what_cannot_be_sent_is_refused(pictures, tmp_path):
    def own(batch):
        return batch

    own.fingerprint = "1"
    with pytest.raises(InputError, match="cannot be sent to other processes"):
        run(pictures, tmp_path / "s", extractor=own)


def test_settings_of_engines_are_checked(pictures, tmp_path):
    toy = {"extractor": Counting()}
    with pytest.raises(InputError, match="unknown engine 'locl'") as caught:
        run(pictures, tmp_path / "s", engine="locl", **toy)
    assert "'local'" in caught.value.hint
    with pytest.raises(InputError, match="shard is 1/5, and engine is local"):
        run(pictures, tmp_path / "s", shard="1/5", **toy)
    for name in ("shards", "processes"):
        with pytest.raises(InputError, match=f"{name} is 0"):
            run(pictures, tmp_path / "s", **{name: 0}, **toy)
    assert not (tmp_path / "s").exists()
    assert set(ENGINES) == {"local", "ray", "torchrun"}


def test_processes_of_torchrun_share_the_shards(pictures, expected, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="torchrun has not started this process") as caught:
        run(pictures, tmp_path / "s", engine="torchrun", processes=None, extractor=Counting())
    assert "torchrun --nproc-per-node 2" in caught.value.hint
    monkeypatch.setenv("WORLD_SIZE", "2")
    numbers = []
    for rank in (1, 0):
        monkeypatch.setenv("RANK", str(rank))
        found = run(
            pictures,
            tmp_path / "s",
            engine="torchrun",
            processes=None,
            extractor=Logging(tmp_path),
        )
        numbers.append([each.part.shard.number for each in found])
    assert numbers == [[2, 4], [1, 3, 5]]
    assert digest(tmp_path / "s") == expected
    with pytest.raises(InputError, match="torchrun sets the number of processes"):
        run(pictures, tmp_path / "s", engine="torchrun", extractor=Counting())


def test_ray_that_is_not_installed_is_said(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="needs Ray") as caught:
        run(pictures, tmp_path / "s", engine="ray", extractor=Counting())
    assert "pip install 'mifid[ray]'" in caught.value.hint
