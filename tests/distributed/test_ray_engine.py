"""Engine ray on a real Ray of this machine; skipped where Ray, which is large, is not installed."""

import os
from collections import Counter

import pytest
from dying import Killed, Logging
from shards import PICTURES, SHARDS, digest, one_by_one, totals
from toys import Counting, write_pictures

from mifid.distributed import compute_shards
from mifid.errors import InputError, MifidError, PictureError
from mifid.machine import python_environment
from mifid.statistics import FeatureStore

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One Ray for the file; engines use it and leave it running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        paths = {"env_vars": {"PYTHONPATH": python_environment()["PYTHONPATH"]}}
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=paths)
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("ray") / "generated", PICTURES)


@pytest.fixture(scope="module")
def expected(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    return digest(one_by_one(pictures, folder / "s", Logging(folder)))


def run(pictures, folder, **settings):
    return compute_shards(pictures, folder, engine="ray", shards=SHARDS, **settings)


@pytest.mark.parametrize("processes", [1, 2])
def test_any_number_of_actors_makes_the_same_store(processes, pictures, expected, tmp_path):
    found = run(pictures, tmp_path / "s", processes=processes, extractor=Logging(tmp_path))
    assert [each.part.shard.number for each in found] == [1, 2, 3, 4, 5]
    assert digest(tmp_path / "s") == expected
    assert ray.is_initialized()


def test_the_shard_of_a_killed_actor_is_computed_again_and_no_other(pictures, expected, tmp_path):
    extractor = Logging(tmp_path, dies=(totals(3),))
    run(pictures, tmp_path / "s", processes=2, extractor=extractor)
    times = {str(totals(n)): 2 if n == 3 else 1 for n in range(1, SHARDS + 1)}
    assert Counter(extractor.lines()) == times
    assert digest(tmp_path / "s") == expected


def test_a_bad_picture_is_an_answer_and_not_tried_again(tmp_path):
    folder = write_pictures(tmp_path / "g", PICTURES)
    (folder / "005.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    extractor = Logging(tmp_path)
    with pytest.raises(PictureError, match=r"005\.png"):
        run(folder, tmp_path / "s", processes=1, extractor=extractor)
    assert extractor.lines().count(str(totals(1))) == 1
    run(folder, tmp_path / "s", processes=1, extractor=extractor, skip_bad=True)
    assert len(FeatureStore.open(tmp_path / "s")) == 19


def test_actors_that_die_again_and_again_are_an_error(pictures, tmp_path):
    with pytest.raises(MifidError, match="the actor that computed it died 3 times"):
        run(pictures, tmp_path / "s", processes=1, extractor=Killed())


def test_a_cluster_that_does_not_answer_is_named(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def init(address, **_):
        raise ConnectionError(f"nobody at {address}\nand more")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        InputError, match=r"ray://nowhere:1'?: Ray cannot be reached: nobody"
    ) as caught:
        compute_shards(pictures, tmp_path / "s", engine="ray://nowhere:1", extractor=Counting())
    assert "10001" in caught.value.hint
    assert "RAY_USAGE_STATS_ENABLED" in os.environ
