"""score(): every kind of input, and what is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import (
    CompatibilityError,
    FeatureError,
    InputError,
    MifidWarning,
    UnavailableError,
    WeightsError,
)
from mifid.extractors import THRESHOLDS
from mifid.extractors.base import Extractor, Identity
from mifid.metrics import CORE, METRICS
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.pipeline.pipeline import Pipeline
from mifid.statistics.formats import write
from mifid.statistics.provenance import Provenance

pytestmark = pytest.mark.usefixtures("few_resamples")

GENERATED, REFERENCE = repainted(14), drawn("painting", 9)


@pytest.fixture(scope="module")
def expected():
    """The number by hand, from features computed without the library's pipeline."""
    g, r = (
        colours(torch.from_numpy(x).permute(0, 3, 1, 2)).float().numpy()
        for x in (GENERATED, REFERENCE)
    )
    fid = frechet_distance(generated=g, reference=r)
    distance = memorization_distance(generated=g, reference=r)
    return {"fid": fid, "memorization_distance": distance, "features": (g, r)}


def assert_expected(report, expected):
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.memorization_distance == pytest.approx(
        expected["memorization_distance"], rel=1e-6
    )
    assert report.mifid == mifid.penalized(
        fid=report.fid, memorization_distance=report.memorization_distance
    )
    assert (report.n_generated, report.n_reference) == (14, 9)


def as_folder(tmp_path):
    return write_pictures(tmp_path / "generated", GENERATED)


def as_pattern(tmp_path):
    return str(as_folder(tmp_path) / "*.png")


def as_zip(tmp_path):
    import shutil

    return shutil.make_archive(str(tmp_path / "images"), "zip", as_folder(tmp_path))


def as_tar_gz(tmp_path):
    import shutil

    return shutil.make_archive(str(tmp_path / "images"), "gztar", as_folder(tmp_path))


def as_npy(tmp_path):
    np.save(tmp_path / "images.npy", GENERATED)
    return tmp_path / "images.npy"


def as_npz(tmp_path):
    np.savez(tmp_path / "images.npz", arr_0=GENERATED)
    return tmp_path / "images.npz"


def as_array(_):
    return GENERATED


def as_tensor(_):
    return torch.from_numpy(GENERATED).permute(0, 3, 1, 2)


def as_pil(_):
    return [Image.fromarray(picture) for picture in GENERATED]


def as_generator(_):
    return (GENERATED[i : i + 5] for i in range(0, 14, 5))


def as_features_file(tmp_path):
    mifid.features(GENERATED, extractor=colours).save(tmp_path / "f.npz")
    return tmp_path / "f.npz"


def as_features(_):
    return mifid.features(GENERATED, extractor=colours)


EVERY_FORM = [
    as_array,
    as_features,
    as_features_file,
    as_folder,
    as_generator,
    as_npy,
    as_npz,
    as_pattern,
    as_pil,
    as_tar_gz,
    as_tensor,
    as_zip,
]


@pytest.mark.parametrize("form", EVERY_FORM, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_number(form, tmp_path, expected):
    report = mifid.score(form(tmp_path), REFERENCE, extractor=colours)
    assert_expected(report, expected)
    # ... and may be the reference as well.
    swapped = mifid.score(REFERENCE, form(tmp_path), extractor=colours)
    assert swapped.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert swapped.memorization_distance != report.memorization_distance


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_floats_with_their_range(value_range, expected):
    low, high = value_range
    tensor = torch.from_numpy(GENERATED).permute(0, 3, 1, 2).float() / 255 * (high - low) + low
    report = mifid.score(tensor, REFERENCE, extractor=colours, value_range=value_range)
    assert_expected(report, expected)


def test_fid_alone(expected):
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid"], extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.memorization_distance is None
    assert report.mifid is None
    assert report.mifid_reason == "not asked for"


def test_memorization_alone(expected):
    report = mifid.score(GENERATED, REFERENCE, metrics="memorization", extractor=colours)
    assert report.fid is None
    assert report.memorization_distance == pytest.approx(
        expected["memorization_distance"], rel=1e-6
    )


@pytest.fixture
def held(monkeypatch):
    """Labels of the sides whose features are held in memory."""
    labels = []
    real = Pipeline.features

    def noted(self, source, label, **settings):
        labels.append(label)
        return real(self, source, label, **settings)

    monkeypatch.setattr(Pipeline, "features", noted)
    return labels


def test_many_pictures_stream_when_only_fid_is_asked_for(monkeypatch, expected, held):
    monkeypatch.setattr("mifid.pipeline.sides._KEEP_FEATURES", 10)
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid"], extractor=colours)
    assert held == ["reference"]
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)


def test_fewer_pictures_stream_when_no_interval_is_asked_for(monkeypatch, expected, held):
    monkeypatch.setattr("mifid.pipeline.sides.STREAMED_FROM", 10)
    report = mifid.score(GENERATED, REFERENCE, metrics=("fid",), ci=0, extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert held == ["reference"]
    mifid.score(GENERATED, REFERENCE, metrics=("fid",), extractor=colours)
    assert sorted(held) == ["generated", "reference", "reference"]


def test_kept_features_give_statistics_without_a_network(monkeypatch, expected):
    counting = Counting()
    whole = mifid.score(GENERATED, REFERENCE, extractor=counting)
    met = counting.pictures
    monkeypatch.setattr("mifid.pipeline.sides.STREAMED_FROM", 10)
    again = mifid.score(GENERATED, REFERENCE, metrics=("fid",), ci=0, extractor=counting)
    assert counting.pictures == met
    assert again.fid == pytest.approx(whole.fid, rel=1e-9)
    assert again.inputs["generated"].cached


def test_a_generator_streams_when_only_fid_is_asked_for(expected):
    report = mifid.score(as_generator(None), REFERENCE, metrics=["fid"], extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.n_generated == 14


def test_a_separate_memorization_reference(expected):
    training = drawn("painting", 5, seed=100)
    report = mifid.score(GENERATED, REFERENCE, memorization_reference=training, extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    alone = mifid.score(GENERATED, training, metrics="memorization", extractor=colours)
    assert report.memorization_distance == alone.memorization_distance
    assert report.inputs["memorization_reference"].n == 5


def test_epsilon_decides_on_the_penalty():
    lenient = mifid.score(GENERATED, REFERENCE, extractor=colours, epsilon=0.0)
    strict = mifid.score(GENERATED, REFERENCE, extractor=colours, epsilon=1.0)
    assert not lenient.penalized
    assert lenient.memorization_distance_thresholded == 1.0
    assert strict.penalized
    assert strict.mifid == pytest.approx(strict.fid / strict.memorization_distance)


def test_copies_of_the_reference_are_punished():
    with pytest.warns(MifidWarning) as met:
        report = mifid.score(REFERENCE[[0, 1, 2] * 3], REFERENCE, extractor=colours)
    told = [str(warning.message) for warning in met]
    assert told[0].startswith("9 of 9 generated pictures are reference pictures, byte for byte")
    assert told[1].startswith("generated: the 9 pictures are 3 different ones, again and again")
    assert list(report.warnings) == told
    assert report.memorization_distance < 1e-12
    assert report.mifid > 1e9


@pytest.mark.parametrize("cache", [True, False])
def test_one_picture_that_is_left_is_told_with_its_side(tmp_path, cache):
    write_pictures(tmp_path / "out", GENERATED[:1])
    (tmp_path / "out" / "broken.png").write_bytes(b"no picture")
    given = {"extractor": Counting(), "skip_bad": True, "cache": cache}
    for _ in range(2):  # the second time from the cache
        with pytest.raises(FeatureError, match=r"generated: folder .*out gave one picture, 1 were"):
            mifid.score(tmp_path / "out", REFERENCE, **given)


def test_identical_sets():
    with pytest.warns(MifidWarning, match="generated and the reference pictures are the same: FID"):
        report = mifid.score(REFERENCE, REFERENCE, extractor=colours)
    assert 0 <= report.fid < 1e-9


def test_identical_sets_are_known_by_their_contents_and_by_their_features(tmp_path):
    """In another order, streamed to statistics, or one of them a file of features."""
    same = pytest.warns(MifidWarning, match="Was a path given twice?")
    with same:
        mifid.score(REFERENCE[::-1], REFERENCE, extractor=colours, ci=0)
    with same:
        mifid.score(REFERENCE, REFERENCE[::-1], extractor=colours, metrics="fid", ci=0)
    mifid.build_reference(REFERENCE, tmp_path / "r.npz", extractor=colours)
    with same:
        mifid.score(REFERENCE, tmp_path / "r.npz", extractor=colours, ci=0)


def test_pictures_that_are_all_that_was_trained_on_are_warned_of():
    with pytest.warns(MifidWarning, match="and the memorization reference pictures are the same"):
        report = mifid.score(
            GENERATED, REFERENCE, memorization_reference=GENERATED, extractor=colours, ci=0
        )
    assert report.memorization_distance < 1e-12


def test_parts_of_the_reference_are_counted():
    n = len(REFERENCE)
    with pytest.warns(MifidWarning, match=f"{n - 1} of {n - 1} generated pictures are reference"):
        mifid.score(REFERENCE[:-1], REFERENCE, extractor=colours, ci=0)
    mixed = np.concatenate([GENERATED, REFERENCE[:2]])
    with pytest.warns(MifidWarning, match=f"2 of {len(mixed)} generated pictures .* byte for byte"):
        mifid.score(mixed, REFERENCE, extractor=colours, ci=0)
    with pytest.warns(MifidWarning, match=f"2 of {len(mixed)} generated pictures .* features"):
        mifid.score(iter([mixed]), REFERENCE, extractor=colours, ci=0, batch_size=99)
    with pytest.warns(MifidWarning, match="2 of .* are memorization reference pictures"):
        mifid.score(
            mixed, GENERATED // 2, memorization_reference=REFERENCE, extractor=colours, ci=0
        )
    mifid.score(mixed, REFERENCE, metrics="is", extractor=colours)  # looks at them alone


def test_a_reference_of_statistics_gives_fid_and_says_why_not_mifid(tmp_path, expected):
    r = expected["features"][1]
    moments = {"mu": r.astype(float).mean(0), "sigma": np.cov(r.astype(float).T)}
    write(tmp_path / "s.npz", **moments, n=None, provenance=Provenance("colours"))
    report = mifid.score(GENERATED, tmp_path / "s.npz", extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.mifid is None
    assert report.mifid_reason == (
        "the reference is mean and covariance only; the memorization distance needs pictures or "
        "their features"
    )
    assert json.loads(report.to_json())["mifid"] is None
    assert report.n_reference is None
    # With the training pictures themselves it can be had.
    whole = mifid.score(
        GENERATED, tmp_path / "s.npz", memorization_reference=REFERENCE, extractor=colours
    )
    assert whole.mifid is not None


def test_generated_statistics_give_fid_alone(tmp_path, expected):
    statistics = mifid.Statistics.from_features(expected["features"][0])
    report = mifid.score(statistics, REFERENCE, extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert "generated" in report.mifid_reason


def test_statistics_on_both_sides_need_no_extractor(expected):
    g, r = (mifid.Statistics.from_features(x) for x in expected["features"])
    report = mifid.score(g, r, extractor="inception")
    assert report.fid == pytest.approx(
        frechet_distance(generated=Moments(g.mu, g.sigma), reference=Moments(r.mu, r.sigma))
    )


def test_another_extractors_reference_is_refused_by_name(tmp_path):
    made = mifid.features(REFERENCE, extractor=Counting("v1"))
    made.save(tmp_path / "r.npz")
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(GENERATED, tmp_path / "r.npz", extractor="inception-random")
    assert "Counting" in caught.value.message
    assert "inception-random" in caught.value.message
    assert "build_reference(" in caught.value.hint
    with pytest.raises(CompatibilityError, match="with other weights"):
        mifid.score(GENERATED, tmp_path / "r.npz", extractor=Counting("v2"))


def test_features_of_two_extractors_are_refused():
    one = mifid.Features(np.ones((3, 4), np.float32), provenance=Provenance("a", "1"))
    other = mifid.Features(np.ones((3, 4), np.float32), provenance=Provenance("b", "2"))
    with pytest.raises(CompatibilityError, match=r"'b'.*'a'"):
        mifid.score(one, other)


def test_features_of_two_precisions_are_refused():
    one, other = (
        mifid.Features(np.ones((3, 4), np.float32), provenance=Provenance("a", t, dtype=t))
        for t in ("float32", "bfloat16")
    )
    with pytest.raises(CompatibilityError, match=r"with 'a' in float32, not bfloat16") as caught:
        mifid.score(one, other)
    assert "the same precision" in caught.value.hint


def test_features_of_other_width_are_refused():
    wide = mifid.Features(np.ones((5, 7), np.float32))
    with pytest.raises(FeatureError, match=r"generated features have width 6, reference .* 7"):
        mifid.score(GENERATED, wide, extractor=colours)


@pytest.mark.parametrize("side", ["generated", "reference"])
def test_one_picture_is_refused_before_any_work(side, tmp_path):
    counting = Counting()
    one = write_pictures(tmp_path / "one", REFERENCE[:1])
    given = (one, REFERENCE) if side == "generated" else (GENERATED, one)
    with pytest.raises(FeatureError, match=f"{side}: folder .*one holds one picture"):
        mifid.score(*given, extractor=counting)
    assert counting.pictures == 0


def test_a_stream_of_one_picture_is_refused():
    with pytest.raises(FeatureError, match="gave one picture; a covariance needs two"):
        mifid.score(iter([REFERENCE[:1]]), REFERENCE, extractor=colours)


def test_unknown_metric():
    with pytest.raises(InputError, match="unknown metric 'mfid'") as caught:
        mifid.score(GENERATED, REFERENCE, metrics=["mfid"], extractor=colours)
    assert "Did you mean 'mifid'?" in caught.value.hint


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_epsilon_out_of_range(epsilon):
    with pytest.raises(InputError, match="expected 0 to 1"):
        mifid.score(GENERATED, REFERENCE, epsilon=epsilon, extractor=colours)


def test_names_and_order_do_not_matter(tmp_path):
    ordered = write_pictures(tmp_path / "a", GENERATED)
    names = [f"{i * 7919 % 14:02}" for i in range(14)]
    shuffled = write_pictures(tmp_path / "b", GENERATED, names=names)
    one, other = (
        mifid.score(folder, REFERENCE, extractor=colours) for folder in (ordered, shuffled)
    )
    assert one.fid == pytest.approx(other.fid, rel=1e-12)
    assert one.memorization_distance == pytest.approx(other.memorization_distance, rel=1e-12)
    assert one.inputs["generated"].sha256 == other.inputs["generated"].sha256


def test_cached_scores_are_the_same_number():
    one, other = (mifid.score(GENERATED, REFERENCE, extractor=Counting()) for _ in range(2))
    assert not one.inputs["generated"].cached
    assert other.inputs["generated"].cached
    assert (one.fid, one.mifid) == (other.fid, other.mifid)
    assert one.protocol == other.protocol


@pytest.mark.network
def test_inception_random_end_to_end():
    report = mifid.score(
        repainted(4, 64), drawn("painting", 4, 64), extractor="inception-random", device="cpu"
    )
    assert report.fid > 0
    assert report.not_comparable == "inception-random has seeded, not trained weights"
    assert report.to_dict()["comparable_with_kaggle"] is False
    assert "Not comparable with Kaggle" in report.text()


def made_by(extractor, seed=0, n=8):
    values = np.random.RandomState(seed).rand(n, 6).astype(np.float32) + 10  # nearly the same
    return mifid.Features(values, None, Provenance(extractor, "f", not_comparable="other"))


@pytest.mark.parametrize(
    ("extractor", "given", "used", "penalized"),
    [
        ("inception", None, 0.1, True),
        ("inception-random", None, None, False),
        ("inception-random", 0.1, 0.1, True),
        ("lite0", None, THRESHOLDS["lite0"], True),
        ("lite0", 0.0, 0.0, False),
        ("my:own", None, 0.1, True),
    ],
)
@pytest.mark.filterwarnings("ignore::mifid.MifidWarning")
def test_each_network_has_its_own_threshold(extractor, given, used, penalized):
    report = mifid.score(
        made_by(extractor), made_by(extractor, 1), epsilon=given, ci=0, extractor=colours
    )
    assert report.epsilon == used
    assert json.loads(report.to_json())["epsilon"] == used
    assert report.penalized is penalized
    assert (report.mifid > 2 * report.fid) is penalized
    assert ("no threshold: no penalty" in report.text()) is (used is None)
    assert report.evidence.pictures.near_copies == (8 if penalized else 0)
    comparison = mifid.compare(
        {"a": made_by(extractor), "b": made_by(extractor, 2)},
        made_by(extractor, 1),
        epsilon=given,
        ci=0,
        extractor=colours,
    )
    assert comparison.epsilon == used
    assert comparison["a"].penalized is penalized
    assert json.loads(comparison.to_json())["epsilon"] == used


# Intervals, bias and other measures


def cloud(n, seed=0, names=None, width=6):
    values = np.random.RandomState(seed).rand(n, width).astype(np.float32) + 0.5
    return mifid.Features(values, names)


def apart_from_time(report):
    """The report as JSON without what may differ between two runs."""
    data = json.loads(report.to_json())
    data.pop("seconds")
    data.pop("date", None)  # to the second
    for side in data["inputs"].values():
        side.pop("cached")
    return data


@pytest.mark.parametrize(
    "settings",
    [{}, {"ci": 80}, {"resample": ("reference",)}, {"replicates": 200}, {"seed": 1}],
    ids=str,
)
def test_the_headline_is_the_same_to_the_last_bit_with_and_without_intervals(settings):
    sides = cloud(40, 1), cloud(30, 2)
    off = mifid.score(*sides, ci=0)
    on = mifid.score(*sides, **settings)
    for name in ("fid", "memorization_distance", "memorization_distance_thresholded", "mifid"):
        assert getattr(on, name) == getattr(off, name)
    assert off.uncertainty is None
    assert (off.uncertainty_reason, off.bias_reason) == ("switched off", "switched off")
    for name in ("fid", "memorization_distance", "mifid"):
        interval = on.uncertainty.intervals[name]
        assert interval.low <= getattr(on, name) <= interval.high
    assert on.bias.fid == on.fid


def test_a_seed_gives_its_interval_again_and_another_gives_another():
    sides = cloud(40, 1), cloud(30, 2)
    one, again, other = (
        mifid.score(*sides, seed=seed, replicates=100, cache=False) for seed in (3, 3, 4)
    )
    assert apart_from_time(one) == apart_from_time(again)
    assert one.uncertainty.intervals != other.uncertainty.intervals
    assert one.fid == other.fid


def test_a_second_run_from_the_cache_says_the_same(monkeypatch):
    settings = {"metrics": ["mifid", "kid", "prdc"], "replicates": 100, "held_out": GENERATED[:5]}
    many = repainted(21)
    first = mifid.score(many, REFERENCE, extractor=Counting(), **settings)
    assert first.uncertainty is not None
    assert first.bias is not None
    monkeypatch.setattr("mifid.uncertainty.assessment.uncertainty", None)
    monkeypatch.setattr("mifid.uncertainty.assessment.estimate_bias", None)
    counting = Counting()
    second = mifid.score(many, REFERENCE, extractor=counting, **settings)
    assert counting.pictures == 0
    assert apart_from_time(second) == apart_from_time(first)


def test_intervals_of_one_side_alone_are_narrower():
    def width(*resample):
        found = mifid.score(cloud(40, 1), cloud(30, 2), resample=resample, replicates=200)
        interval = found.uncertainty.intervals["fid"]
        return interval.high - interval.low

    both = width("generated", "reference")
    assert width("generated") < both
    assert width("reference") < both


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ci": 100}, "ci is 100"),
        ({"ci": 30}, "ci is 30"),
        ({"resample": ()}, "resample is empty"),
        ({"replicates": 10}, "replicates is 10"),
        ({"seed": -1, "ci": 0, "metrics": "kid"}, "seed is -1"),
    ],
)
def test_settings_of_intervals_are_checked_before_the_work(settings, said):
    counting = Counting()
    with pytest.raises(InputError, match=said):
        mifid.score(GENERATED, REFERENCE, extractor=counting, **settings)
    assert counting.pictures == 0


def test_training_statistics_leave_fid_its_interval_and_nothing_else():
    training = mifid.Statistics.from_features(cloud(20, 5).values)
    report = mifid.score(cloud(40, 1), cloud(30, 2), memorization_reference=training)
    assert set(report.uncertainty.intervals) == {"fid"}
    assert (report.memorization_distance, report.mifid) == (None, None)
    whole = mifid.score(cloud(40, 1), cloud(30, 2))
    assert report.uncertainty.intervals["fid"] == whole.uncertainty.intervals["fid"]
    assert "interval" in report.text()


@pytest.mark.parametrize(
    ("metrics", "names"),
    [("fid", {"fid"}), ("memorization", {"memorization_distance"})],
)
def test_intervals_are_of_what_was_asked_for(metrics, names):
    report = mifid.score(cloud(40, 1), cloud(30, 2), metrics=metrics, replicates=100)
    assert set(report.uncertainty.intervals) == names
    assert (report.bias is None) == (metrics == "memorization")


def test_one_measure_alone_has_neither_number_nor_interval():
    report = mifid.score(cloud(40, 1), cloud(30, 2), metrics="kid")
    assert (report.fid, report.memorization_distance, report.mifid) == (None, None, None)
    assert (report.uncertainty, report.bias) == (None, None)
    assert report.uncertainty_reason == "neither FID nor memorization distance was computed"
    assert list(report.metrics) == ["kid"]
    assert report.metrics["kid"].settings["seed"] == 2020
    assert "uncertainty" not in report.seconds


def test_all_measures_of_statistics_leave_fid_and_their_reasons():
    sides = [mifid.Statistics.from_features(cloud(20, seed).values) for seed in (1, 2)]
    report = mifid.score(*sides, metrics="all")
    assert report.fid > 0
    assert "mean and covariance only" in report.mifid_reason
    assert "mean and covariance only" in report.uncertainty_reason
    assert all(one.omitted for one in report.metrics.values())
    assert set(report.metrics) == set(METRICS) - set(CORE)
    json.loads(report.to_json())
    for ask in (lambda: report.pictures, lambda: report.training_pictures):
        with pytest.raises(mifid.MifidError, match="mean and covariance only"):
            ask()


def test_measures_of_memorization_are_to_what_was_trained_on():
    sides, training = (cloud(40, 1), cloud(30, 2)), cloud(30, 3)
    own, same = (
        mifid.score(*sides, memorization_reference=given, metrics=["authpct", "kid"])
        for given in (training, None)
    )
    expected = METRICS["authpct"].function(
        generated=sides[0].values, training=training.values, **METRICS["authpct"].settings
    )
    assert own.metrics["authpct"].values == expected
    assert own.metrics["authpct"].values != same.metrics["authpct"].values
    assert own.metrics["kid"] == same.metrics["kid"]


def test_held_out_pictures_are_the_floor_and_feed_their_measures(random):
    counting = Counting()
    report = mifid.score(
        drawn("photo", 24),
        REFERENCE,
        held_out=drawn("painting", 8, seed=30),
        metrics=["mifid", "fld"],
        extractor=counting,
        replicates=100,
    )
    assert counting.pictures == 24 + 9 + 8
    assert report.inputs["held_out"].n == 8
    assert report.bias.n_held_out == 8
    assert report.bias.floor_held_out > 0
    assert report.metrics["fld"].values
    without = mifid.score(drawn("photo", 24), REFERENCE, extractor=colours, ci=0)
    assert report.mifid == without.mifid


def test_held_out_features_of_another_width_are_refused():
    for ci in (0, None):
        with pytest.raises(FeatureError, match=r"held out features have width 7, reference .* 6"):
            mifid.score(cloud(30), cloud(20, 1), held_out=cloud(9, 2, width=7), ci=ci)


def test_many_streamed_pictures_have_fid_and_say_why_there_is_no_interval(monkeypatch, expected):
    monkeypatch.setattr("mifid.pipeline.sides._KEEP_FEATURES", 10)
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid"], extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.uncertainty is None
    assert report.uncertainty_reason == report.bias_reason
    assert "generated side is mean and covariance only" in report.uncertainty_reason
    with pytest.raises(mifid.MifidError, match="the generated side is mean and covariance only"):
        _ = report.pictures


def test_a_stream_has_intervals_and_measures_but_keeps_no_pictures():
    stream = (GENERATED[i : i + 5] for i in range(0, 14, 5))
    report = mifid.score(
        stream, REFERENCE, extractor=colours, metrics=["mifid", "kid"], replicates=100
    )
    assert set(report.uncertainty.intervals) == {"fid", "memorization_distance", "mifid"}
    assert report.metrics["kid"].values
    assert report.evidence is None
    for ask in (lambda: report.pictures, lambda: report.plot("map")):
        with pytest.raises(
            UnavailableError, match="a stream, which can be read only once"
        ) as caught:
            ask()
        assert caught.value.hint


@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_pictures_with_everything_asked_for(n):
    report = mifid.score(cloud(n, 1), cloud(n, 2), metrics="all", extractor=colours)
    assert report.mifid > 0
    assert (report.uncertainty is None) == (n == 2)
    assert report.bias is None
    assert "k 3: at least 4 generated pictures are needed" in report.metrics["pr"].omitted
    assert "k 5: at least 6 reference pictures are needed" in report.metrics["dc"].omitted
    assert report.metrics["kid"].values
    assert len(report.pictures) == n
    json.loads(report.to_json())
    assert report.text()


@pytest.mark.filterwarnings("ignore:the generated and the reference:mifid.errors.MifidWarning")
def test_identical_sets_have_everything():
    same = cloud(25)
    report = mifid.score(same, same, metrics="all", extractor=colours, replicates=100)
    assert 0 <= report.fid < 1e-9
    assert report.memorization_distance < 1e-12
    assert report.uncertainty.intervals["fid"].low < 1e-9
    assert report.pictures.near_copies == 25
    assert np.isfinite(report.pictures.influence).all()
    assert report.training_pictures.copied.tolist() == [1] * 25
    assert report.metrics["authpct"].values["authpct"] == 0
    json.loads(report.to_json())


@pytest.mark.filterwarnings("ignore:3 of 30 generated pictures are reference pictures")
def test_rows_of_zeros_have_everything():
    g, r = cloud(30, 1).values.copy(), cloud(20, 2).values.copy()
    g[:3], r[5] = 0, 0
    report = mifid.score(
        mifid.Features(g), mifid.Features(r), metrics="all", extractor=colours, replicates=100
    )
    assert np.isnan(report.pictures.distance).sum() == 3
    assert report.memorization_distance == memorization_distance(generated=g[3:], reference=r)
    assert report.metrics["vendi"].values
    json.loads(report.to_json())


def test_a_reference_of_zeros_has_a_fid_and_says_what_it_has_not():
    zeros = mifid.Features(np.zeros((20, 6), np.float32))
    with pytest.warns(MifidWarning, match="reference: all 20 pictures have the same features"):
        report = mifid.score(cloud(30), zeros, metrics=["fid", "kid", "authpct", "pr"])
    assert report.fid > 0
    assert (
        report.uncertainty_reason
        == "there is no memorization distance: all reference features are zero"
    )
    assert report.metrics["kid"].values


def test_features_without_names_have_numbers():
    report = mifid.score(cloud(4), cloud(3, 1), ci=0)
    assert report.pictures.names == ("0", "1", "2", "3")
    assert set(report.pictures.nearest) <= {"0", "1", "2"}
    named = mifid.score(cloud(4), cloud(3, 1, names=("a", "b", "c")), ci=0)
    assert set(named.pictures.nearest) <= {"a", "b", "c"}


# Inception Score: from the features' own network, or not at all


class Classifying(Extractor):
    """colours(), and a classifier of three classes."""

    def __init__(self, name="classifying", fails=False, dtype="float32"):
        self.name, self.fails, self.dtype, self.pictures = name, fails, dtype, 0

    @property
    def identity(self):
        return Identity(self.name, f"{self.name} {self.dtype}", dtype=self.dtype)

    def load(self, device="auto"):
        return "cpu"

    def __call__(self, pixels):
        self.pictures += len(pixels)
        return colours(torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2)).float().numpy()

    def classifier(self):
        if self.fails:
            raise WeightsError("the weights cannot be read:\n  a list", hint="Get them.")
        return np.random.RandomState(0).randn(3, 6).astype(np.float32) / 50


def test_the_inception_score_needs_no_second_pass(tmp_path):
    extractor = Classifying()
    report = mifid.score(GENERATED, REFERENCE, metrics="is", extractor=extractor, cache=False)
    assert extractor.pictures == 14 + 9
    (name, value), *_ = report.metrics["is"].values.items()
    assert name == "is"
    features = colours(torch.from_numpy(GENERATED).permute(0, 3, 1, 2)).float().numpy()
    expected = METRICS["is"].function(
        logits=features.astype(np.float64) @ extractor.classifier().T.astype(np.float64),
        **METRICS["is"].settings,
    )
    assert value == pytest.approx(expected["is"], rel=1e-9)
    # From a file of features neither.
    mifid.features(GENERATED, extractor=extractor).save(tmp_path / "f.npz")
    mifid.features(REFERENCE, extractor=extractor).save(tmp_path / "r.npz")
    extractor = Classifying()
    again = mifid.score(tmp_path / "f.npz", tmp_path / "r.npz", metrics="is", extractor=extractor)
    assert again.metrics["is"].values["is"] == pytest.approx(value, rel=1e-9)
    assert extractor.pictures == 0


def test_features_of_another_network_or_of_an_unknown_one_have_no_inception_score(tmp_path):
    mifid.features(GENERATED, extractor=Classifying("one")).save(tmp_path / "f.npz")
    for generated in (tmp_path / "f.npz", cloud(14)):
        report = mifid.score(generated, generated, metrics="is", extractor=Classifying("two"))
        assert "which these features come without" in report.metrics["is"].omitted


def test_features_of_another_precision_have_no_inception_score(tmp_path):
    mifid.features(GENERATED, extractor=Classifying(dtype="bfloat16")).save(tmp_path / "f.npz")
    sides = [tmp_path / "f.npz"] * 2
    report = mifid.score(*sides, metrics="is", extractor=Classifying())
    said = report.metrics["is"].omitted
    assert all(each in said for each in ("in bfloat16", "precision", "in float32"))
    same = mifid.score(*sides, metrics="is", extractor=Classifying(dtype="bfloat16"))
    assert same.metrics["is"].values["is"] >= 1


def test_no_weights_are_sought_for_features_of_another_network(monkeypatch):
    monkeypatch.setattr("mifid.pipeline.options.open_extractor", None)
    report = mifid.score(cloud(14), cloud(9, 1), metrics=["mifid", "is"], replicates=100)
    assert report.mifid is not None
    assert "which these features come without" in report.metrics["is"].omitted


def test_weights_that_cannot_be_had_leave_everything_else(monkeypatch):
    def no_weights(*_, **__):
        raise WeightsError("the weights are not on this machine and cannot be downloaded:\n  url")

    provenance = Provenance("inception", "x", None)
    monkeypatch.setattr("mifid.pipeline.options.open_extractor", no_weights)
    sides = (mifid.Features(cloud(14, s).values, provenance=provenance) for s in (0, 1))
    report = mifid.score(*sides, metrics=["mifid", "is"], replicates=100)
    assert report.mifid is not None
    assert report.metrics["is"].omitted == (
        "needs the network's classifier: the weights are not on this machine and cannot be "
        "downloaded"
    )


def test_a_classifier_that_cannot_be_read_leaves_everything_else():
    broken = mifid.score(
        GENERATED, REFERENCE, metrics=["fid", "is"], extractor=Classifying(fails=True), ci=0
    )
    assert broken.fid is not None
    assert "the weights cannot be read" in broken.metrics["is"].omitted


def test_an_extractor_without_a_classifier_has_no_inception_score():
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid", "is"], extractor=colours, ci=0)
    assert "which these features come without" in report.metrics["is"].omitted


def test_what_is_on_file_is_to_be_made_anew_not_the_pictures(tmp_path):
    made = mifid.features(GENERATED, extractor=Counting("v1"))
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(made, REFERENCE, extractor="inception-random")
    assert "make the generated again" in caught.value.hint
    assert "extractor='inception-random'" in caught.value.hint


def test_one_call_gives_one_number():
    generated, real = repainted(12), drawn("painting", 10, seed=100)
    report = mifid.score(generated, real, extractor=colours, ci=0)
    assert mifid.fid(generated, real, extractor=colours) == report.fid
    assert mifid.mifid(generated, real, extractor=colours) == report.mifid
    assert mifid.mifid(generated, real, extractor=colours, epsilon=0) == pytest.approx(report.fid)
    with pytest.raises(TypeError, match=r"mifid\(\) got .*'epsilom'. Did you mean 'epsilon'"):
        mifid.mifid(generated, real, epsilom=0)
    with pytest.raises(TypeError, match=r"fid\(\) got an unexpected"):
        mifid.fid(generated, real, epsilon=0)
    moments = mifid.Statistics.from_features(mifid.features(real, extractor=colours).values)
    assert mifid.fid(generated, moments, extractor=colours) == pytest.approx(report.fid)
    with pytest.raises(UnavailableError, match=r"there is no MiFID: .* mean and covariance only"):
        mifid.mifid(generated, moments, extractor=colours)
