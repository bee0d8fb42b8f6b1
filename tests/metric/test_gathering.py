"""Two and three gloo processes compute what one does, whatever each of them has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from metric_processes import CASES, feed, pictures, share
from patience import PATIENCE
from toys import colours

import mifid
from mifid.metric import FID
from mifid.metric.accumulation import Accumulated
from mifid.metric.gathering import Group
from mifid.statistics import Provenance, Statistics

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of three processes computed with all, and two of them with each other."""
    folder = tmp_path_factory.mktemp("gathering")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE.parent / "metric_processes.py")]
    started = [
        subprocess.Popen(
            [*command, str(rank), str(folder / "store"), str(folder / "told")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(3)
    ]
    try:
        said = [process.communicate(timeout=PATIENCE)[0].decode() for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0, 0, 0], "\n".join(said)
    return [json.loads((folder / f"told{rank}.json").read_text()) for rank in range(3)]


def test_a_process_sends_half_of_a_matrix_however_many_pictures_it_has(monkeypatch):
    sent = []

    def summed(self, values):
        sent.append(values.nbytes)
        return 2 * values  # as if another process had the same

    monkeypatch.setattr(Group, "__init__", lambda self: None)
    monkeypatch.setattr(Group, "_summed", summed)
    side = Accumulated(most=10, rows=False, moments=True)
    values = np.random.RandomState(0).standard_normal((300, 64))
    side.add(values, Provenance())
    found = Group()._statistics(side, 64, Provenance())
    assert sum(sent) == 8 * (1 + 64 + 64 * 65 // 2)
    twice = Statistics.from_features(np.concatenate([values, values]))
    assert found.n == 600
    np.testing.assert_allclose(found.sigma, twice.sigma, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(found.scatter, found.scatter.T)


@pytest.fixture(params=["2", "3"])
def told(request, processes):
    return [each[request.param] for each in processes if request.param in each]


@pytest.fixture(scope="module")
def alone():
    """What one process computes of all pictures."""
    return {name: feed(make(), *pictures()).compute_all() for name, make in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_processes_compute_what_one_does(name, told, alone):
    """Of uneven shares; of all but FID and KID the last process has no picture."""
    for each in told:
        assert each[name] == pytest.approx(alone[name], rel=1e-12)


@pytest.mark.parametrize("name", ["FID", "MiFID", "Combined"])
def test_of_many_pictures_statistics_and_distances_are_gathered(name, told, alone):
    """Six features of more pictures: the covariance has full rank, and sums are of 40 terms."""
    for each in told:
        assert each[f"{name}, statistics"] == pytest.approx(alone[name], rel=1e-9)
        assert each[f"{name}, statistics"] == told[0][f"{name}, statistics"]


def test_fid_is_of_all_pictures_where_a_process_keeps_fewer_features(told, alone):
    for each in told:
        assert each["MiFID, few features"]["fid"] == pytest.approx(alone["FID"]["fid"], rel=1e-9)


def test_a_process_alone_computes_its_own(told):
    for rank, each in enumerate(told):
        mine = [share(part, rank, len(told)) for part in pictures()]
        assert each["alone"] == feed(FID(colours), *mine).compute_all()
        assert each["kept"] == [len(part) for part in mine]  # nothing was added by gathering


def test_errors_are_the_same_in_all_processes(told):
    for each in told:
        assert each["none"].startswith("FeatureError: FID has 0 real pictures")
        assert each["one picture"].startswith("FeatureError: FID has 1 real picture;")
        assert each["settings"].startswith("CompatibilityError: the metric of process 1 is KID")
        assert "'subsets': 6" in each["settings"]


def test_a_monitor_scores_the_pictures_of_all_processes(processes):
    real, generated = pictures()
    report = mifid.score(generated, real, extractor=colours, ci=0)
    told = [each["monitor"] for each in processes]
    for each in told:
        assert each["monitor"]["mifid/mifid"] == pytest.approx(report.mifid, rel=1e-12)
        assert each["same"].startswith("InputError: processes 0 and 1 sampled the same pictures")
        assert "seed + rank" in each["same"]
        assert each["failing"].startswith("InputError: ")
        assert each["failing"] == told[1]["failing"]
    assert [each["shown"] for each in told] == [[[4], ["mifid/nearest_pairs"]], [[], []], [[], []]]
