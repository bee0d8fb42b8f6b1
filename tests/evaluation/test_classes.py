"""Scores of classes: those of each class's own folder; what is said of classes without numbers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from toys import Counting, drawn, repainted, write_pictures

import mifid
from mifid.errors import InputError, MifidWarning
from mifid.metrics.kernel import standard_error
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

CLASSES = {"cat": (14, 9), "dog": (8, 11), "owl": (7, 7)}
METRICS = ("mifid", "kid", "pr", "vendi", "authpct")


@pytest.fixture(autouse=True)
def _few_pictures():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=MifidWarning)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders with a sub-folder a class."""
    root = tmp_path_factory.mktemp("classes")
    for number, (label, (ours, theirs)) in enumerate(CLASSES.items()):
        write_pictures(root / "generated" / label, repainted(ours, seed=20 * number))
        write_pictures(root / "reference" / label, drawn("painting", theirs, seed=20 * number))
    return root / "generated", root / "reference"


def by_label(report):
    return {score.label: score for score in report.classes.scores}


@pytest.fixture(scope="module")
def scored(folders):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mifid.score(
            *folders, by="folder", metrics=METRICS, extractor=Counting(), replicates=100
        )


@pytest.mark.parametrize("label", CLASSES)
def test_a_class_scores_as_its_own_folders_do(label, folders, scored):
    alone = mifid.score(
        folders[0] / label, folders[1] / label, metrics=METRICS, extractor=Counting(), ci=0
    )
    found = by_label(scored)[label]
    assert (found.n_generated, found.n_reference) == CLASSES[label]
    assert found.fid == pytest.approx(alone.fid, rel=1e-9)
    assert found.memorization_distance == pytest.approx(alone.memorization_distance, rel=1e-9)
    assert found.mifid == pytest.approx(alone.mifid, rel=1e-9)
    for name, measured in alone.metrics.items():
        assert found.metrics[name].values == pytest.approx(measured.values, rel=1e-9), name
        assert found.metrics[name].settings == measured.settings


def test_the_whole_score_stays_as_it_is(folders, scored):
    plain = mifid.score(*folders, metrics=METRICS, extractor=Counting(), replicates=100)
    assert plain.classes is None
    assert plain.to_dict()["classes"] is None
    one, other = (report.to_dict() for report in (scored, plain))
    for name in one.keys() - {"classes", "seconds", "date", "inputs"}:
        assert one[name] == other[name], name


def test_worst_first_with_intervals(scored):
    values = [score.mifid for score in scored.classes.scores]
    assert values == sorted(values, reverse=True)
    assert scored.classes.headline == "mifid"
    assert scored.classes.whole_reference is None
    for score in scored.classes.scores:
        for name in ("fid", "memorization_distance", "mifid", "kid"):
            ends = score.intervals[name]
            assert ends.low <= score.values[name] <= ends.high
            assert ends.low < ends.high


def test_intervals_are_the_jackknifes_of_that_class(folders, scored):
    from mifid.uncertainty.intervals import uncertainty

    ours, theirs = (mifid.features(side / "dog", extractor=Counting()) for side in folders)
    expected = uncertainty(
        generated=ours, reference=theirs, replicates=100, seed=2020, method="jackknife"
    )
    found = by_label(scored)["dog"].intervals
    for name, ends in expected.intervals.items():
        assert found[name].low == pytest.approx(ends.low, rel=1e-6), name
        assert found[name].high == pytest.approx(ends.high, rel=1e-6), name
    error = standard_error(generated=ours.values, reference=theirs.values)
    assert found["kid"].standard_error == pytest.approx(error, rel=1e-6)
    assert found["kid"].high - found["kid"].low == pytest.approx(2 * 1.959964 * error, rel=1e-6)


def test_pictures_go_through_the_network_once(folders):
    network = Counting()
    mifid.score(*folders, by="folder", extractor=network, ci=0, metrics=("fid",))
    assert network.pictures == sum(map(sum, CLASSES.values()))


def test_kid_is_there_and_what_needs_more_is_named(folders):
    report = mifid.score(*folders, by="folder", extractor=Counting(), ci=0, metrics=("fid", "is"))
    assert all(set(score.metrics) == {"kid"} for score in report.classes.scores)
    assert all(score.mifid is None and score.fid for score in report.classes.scores)
    assert report.classes.headline == "fid"
    assert any("Not by class: is," in remark for remark in report.classes.remarks)
    assert "kid" not in report.metrics  # of the whole it was not asked for


def test_a_whole_reference(folders):
    ours, theirs = folders
    flat = mifid.features(theirs, extractor=Counting())
    report = mifid.score(
        ours,
        replace(flat, names=None),
        by="folder",
        extractor=Counting(),
        ci=0,
    )
    assert "no reference picture lies in a folder" in report.classes.whole_reference
    alone = mifid.score(ours / "owl", flat, extractor=Counting(), ci=0)
    found = by_label(report)["owl"]
    assert found.n_reference == len(flat)
    assert (found.fid, found.mifid) == pytest.approx((alone.fid, alone.mifid), rel=1e-9)


def test_a_reference_of_statistics_gives_fid_alone(folders):
    ours, theirs = folders
    flat = mifid.features(theirs, extractor=Counting())
    moments = Statistics.from_features(flat.values, provenance=flat.provenance)
    report = mifid.score(ours, moments, by="folder", extractor=Counting())
    alone = mifid.score(ours / "cat", moments, extractor=Counting())
    found = by_label(report)["cat"]
    assert found.fid == pytest.approx(alone.fid, rel=1e-9)
    assert found.mifid is None
    assert "mean and covariance only" in found.metrics["kid"].omitted
    assert "mean and covariance only" in found.intervals_reason
    assert found.intervals == {}
    assert report.classes.headline == "fid"


def test_another_training_set_is_not_split(folders):
    ours, theirs = folders
    trained = drawn("painting", 12, seed=90)
    report = mifid.score(
        ours, theirs, by="folder", memorization_reference=trained, extractor=Counting(), ci=0
    )
    alone = mifid.score(
        ours / "dog",
        theirs / "dog",
        memorization_reference=trained,
        extractor=Counting(),
        ci=0,
    )
    found = by_label(report)["dog"]
    assert found.memorization_distance == pytest.approx(alone.memorization_distance, rel=1e-9)
    assert any("all training pictures" in remark for remark in report.classes.remarks)


def named(labels, seed):
    """Features of pictures in folders: label -> how many."""
    names = [f"{label}/{i:03}.png" for label, n in labels.items() for i in range(n)]
    values = np.random.RandomState(seed).rand(len(names), 4).astype(np.float32) + 0.5
    return Features(values, tuple(names))


def test_classes_without_numbers_come_last_and_say_why():
    report = mifid.score(
        named({"a": 30, "b": 1, "c": 5, "d": 9}, 0),
        named({"a": 8, "b": 5, "c": 1, "e": 7}, 1),
        by="folder",
        metrics=("mifid", "pr"),
        ci=0,
    )
    found = [(one.label, one.omitted) for one in report.classes.scores]
    assert found == [
        ("a", None),
        ("b", "one generated picture; a covariance needs two"),
        ("c", "one reference picture; a covariance needs two"),
        ("d", "no reference pictures; a covariance needs two"),
        ("e", "no generated pictures; a covariance needs two"),
    ]
    assert all(one.values == {} for one in report.classes.scores[1:])
    json = report.to_dict()["classes"]
    assert [one["fid"] is None for one in json["scores"]] == [False, *[True] * 4]
    assert json["scores"][1]["omitted"] == found[1][1]


def test_small_classes_say_what_they_lack():
    report = mifid.score(
        named({"a": 2, "b": 60}, 0),
        named({"a": 40, "b": 40}, 1),
        by="folder",
        metrics=("mifid", "pr"),
        replicates=100,
    )
    small = by_label(report)["a"]
    assert small.fid is not None
    assert "at least 4" in small.metrics["pr"].omitted
    assert "three generated pictures" in small.intervals_reason
    assert "at least 4" in small.remark
    assert "three generated pictures" in small.remark
    text = " ".join(report.classes.remarks)
    assert "2 to 60 generated pictures" in text
    assert "by KID" in text
    assert "fewer than 20 pictures" in text


def test_no_class_at_all():
    with pytest.raises(InputError, match=r"no class can be scored; 'a': one generated picture"):
        mifid.score(named({"a": 1, "b": 1}, 0), named({"a": 5, "b": 5}, 1), by="folder")


def test_classes_are_checked_before_any_network_runs(folders, tmp_path):
    def network(_):
        raise AssertionError

    with pytest.raises(InputError, match="no such file"):
        mifid.score(*folders, by=tmp_path / "none.csv", extractor=network)
    (tmp_path / "labels.csv").write_text("cat/000.png,cat\n")
    with pytest.raises(InputError, match="28 of 29 generated pictures have no label"):
        mifid.score(*folders, by=tmp_path / "labels.csv", extractor=network)
    with pytest.raises(InputError, match="no names"):
        mifid.score(iter([drawn("photo", 4)]), folders[1], by="folder", extractor=network)


def test_a_part_of_the_pictures(folders, tmp_path):
    """With a limit, labels of pictures that are not drawn are in order."""
    lines = [
        f"{path.parent.name}/{path.name},{path.parent.name}" for path in folders[0].rglob("*.png")
    ]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    report = mifid.score(*folders, by=tmp_path / "labels.csv", limit=20, extractor=Counting(), ci=0)
    assert sum(score.n_generated for score in report.classes.scores) == 20
    assert not any("fit no picture" in warning for warning in report.warnings)


def test_overflow_is_a_classs_own(folders):
    ours, theirs = named({"a": 6, "b": 6}, 0), named({"a": 6, "b": 6}, 1)
    values = ours.values.astype(np.float64)
    values[:6] *= 1e160
    report = mifid.score(Features(values, ours.names), theirs, by="folder", ci=0, metrics=("kid",))
    assert "overflows" in by_label(report)["a"].remark
    assert by_label(report)["b"].values["kid"]
