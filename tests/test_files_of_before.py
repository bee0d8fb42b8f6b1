"""Files that mifid wrote before its modules moved are read: features, caches, runs, generators.

golden/files-0.1.0.zip was written on 2026-11-29 by the last commit before the move, from noise.
"""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import colours

import mifid
from mifid.baseline import train_baseline
from mifid.baseline.run.records import read_metrics
from mifid.cache import Cache, make_key
from mifid.errors import MifidWarning
from mifid.submission import MONET

ARCHIVE = Path(__file__).parent / "golden" / "files-0.1.0.zip"
RULES = replace(MONET, competition="a toy", at_least=8, at_most=8, size=(16, 16))


@pytest.fixture
def before(tmp_path, monkeypatch):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)  # the run names its pictures relative to it
    return tmp_path


def test_features_and_statistics(before):
    with pytest.warns(MifidWarning, match="are the same: FID of a set to itself is 0"):
        report = mifid.score(before / "features.npz", before / "reference.npz", ci=0)
    assert report.fid == pytest.approx(0, abs=1e-9)
    assert report.protocol["fingerprint"] == "toy toy 1"
    assert report.n_reference == 6
    statistics = mifid.Statistics.load(before / "reference.npz")
    with np.load(before / "features.npz") as arrays:
        values = arrays["features"]
    np.testing.assert_allclose(statistics.mu, values.mean(axis=0), rtol=1e-6)


def test_a_cache(before):
    found = Cache(before / "c").load(make_key("a", b"b"))
    np.testing.assert_array_equal(found["x"], np.arange(5.0))
    assert found["names"].tolist() == ["one", "two"]


@pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning")
def test_a_run_is_trained_on(before):
    with pytest.warns(MifidWarning, match="goes on from step 4"):
        trained = train_baseline(
            out="run", resume=True, settings=["training.steps=6"], extractor=colours, rules=RULES
        )
    assert trained.step == 6
    steps = [row["step"] for row in read_metrics(before / "run") if row["kind"] == "train"]
    assert steps == sorted(steps)
    assert steps[-1] == 6


@pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning")
def test_a_generator_paints(before):
    done = mifid.generate("run/best.safetensors", "photos.npy", "images.zip", rules=RULES)
    assert done.check.accepted
