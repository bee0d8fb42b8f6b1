"""compare(): places, differences and verdicts; what is shared, what is refused."""

import csv
import io
import itertools
import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.comparison.comparing import compare
from mifid.errors import (
    CompatibilityError,
    FeatureError,
    InputError,
    MifidWarning,
    OutputError,
    PictureError,
)
from mifid.progress import Lines
from mifid.statistics.features import Features
from mifid.statistics.provenance import Provenance
from mifid.statistics.statistics import Statistics
from mifid.uncertainty.intervals import LARGEST

REAL = drawn("painting", 30)
GOOD = repainted(40)
NEAR = np.clip(GOOD.astype(int) + (np.arange(40) % 3)[:, None, None, None], 0, 255).astype(np.uint8)
WORSE = GOOD // 4
QUICK = {"extractor": colours, "replicates": 200, "epsilon": 0.0}


def found(submissions, reference=REAL, **settings):
    return compare(submissions, reference, **(QUICK | settings))


def plain(comparison):
    told = comparison.to_dict()
    del told["seconds"]
    return told


def rows(n, *, seed=0, names="named", shift=0.0, provenance=None):
    values = np.random.RandomState(seed).randn(n, 5).astype(np.float32) + np.float32(shift)
    called = tuple(f"{names} {i:05}" for i in range(n)) if names else None
    return Features(values, called, provenance or Provenance())


# Places and verdicts


def test_the_numbers_and_intervals_are_those_of_score():
    comparison = found({"good": GOOD, "worse": WORSE})
    for name, images in (("good", GOOD), ("worse", WORSE)):
        report, standing = mifid.score(images, REAL, **QUICK), comparison[name]
        assert (standing.fid, standing.mifid) == (report.fid, report.mifid)
        assert standing.memorization_distance == report.memorization_distance
        for kind, interval in report.uncertainty.intervals.items():
            ours = standing.intervals[kind]
            assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    assert comparison.protocol == report.protocol
    assert comparison.not_comparable == report.not_comparable


def test_a_clearly_worse_one():
    comparison = found({"worse": WORSE, "good": GOOD})
    best, worse = comparison.standings
    assert (best.name, best.rank, best.verdict) == ("good", 1, "the lowest MiFID")
    assert (best.difference, best.probability_better) == (None, None)
    assert (worse.name, worse.rank) == ("worse", 2)
    assert worse.difference == worse.mifid - best.mifid
    assert 0 < worse.difference_interval.low < worse.difference < worse.difference_interval.high
    assert worse.probability_better == 0
    assert worse.verdict == "worse than the best: the interval of the difference is wholly above 0"
    assert comparison.summary == (
        f"good has the lowest MiFID, {best.mifid:.3f}, "
        "and every other submission is worse by more than noise."
    )


def test_what_noise_can_explain():
    reference = rows(40, seed=1)
    one, other = rows(50, seed=2, names="a"), rows(60, seed=3, names="b")
    comparison = found({"one": one, "other": other, "far": rows(50, seed=4, shift=3)}, reference)
    best, second, far = comparison.standings
    assert {best.name, second.name} == {"one", "other"}
    assert second.difference_interval.low < 0 < second.difference_interval.high
    assert 0.025 < second.probability_better < 0.6
    assert second.verdict.startswith("not distinguishable from the best")
    assert not second.paired
    assert far.worse
    assert f"{second.name} is not distinguishable from {best.name}" in comparison.summary
    assert f"far is worse than {best.name}" in comparison.summary


def test_the_same_pictures_twice(tmp_path):
    names = [f"renamed {i}" for i in range(40)][::-1]
    folder = write_pictures(tmp_path / "good", GOOD, names=names)
    comparison = found({"z": GOOD, "y": mifid.features(GOOD, extractor=colours), "x": WORSE})
    best, again, worse = comparison.standings
    assert (best.name, best.rank, again.name, again.rank, worse.rank) == ("y", 1, "z", 1, 3)
    assert again.verdict == "holds the same pictures as y"
    assert again.cells()[-2:] == ("same pictures", "")
    assert (again.difference, again.probability_better) == (0.0, 0.5)
    assert (again.difference_interval.low, again.difference_interval.high) == (0.0, 0.0)
    archive = shutil.make_archive(str(tmp_path / "good"), "zip", folder)
    twice = found([folder, archive])
    assert twice.standings[1].verdict == "holds the same pictures as good"
    assert twice.summary.endswith("; no other pictures to rank.")


def test_the_order_in_which_they_are_given_changes_nothing():
    submissions = {"good": GOOD, "near": NEAR, "worse": WORSE, "other": repainted(35, seed=50)}
    forth = found(submissions, cache=False)
    back = found(dict(reversed(submissions.items())), cache=False)
    assert plain(forth) == plain(back)


def test_another_submission_widens_intervals_of_differences_and_changes_nothing_else():
    two = found({"good": GOOD, "worse": WORSE}, cache=False)
    three = found({"good": GOOD, "worse": WORSE, "far": 255 - WORSE}, cache=False)
    alone, together = two["worse"], three["worse"]
    assert together.intervals == alone.intervals
    assert together.probability_better == alone.probability_better
    one, other = alone.difference_interval, together.difference_interval
    assert other.low < one.low < one.high < other.high
    assert other.standard_error == one.standard_error
    assert (two.simultaneous, three.simultaneous) == (2, 3)
    assert "hold all at once (95% for all pairs of the 3 submissions" in three.text()
    assert "at once" not in two.text()


def test_a_copy_is_no_further_submission():
    comparison = found({"good": GOOD, "again": GOOD[::-1].copy(), "worse": WORSE}, cache=False)
    two = found({"again": GOOD[::-1].copy(), "worse": WORSE}, cache=False)
    assert comparison.simultaneous == 2
    assert comparison["worse"].difference_interval == two["worse"].difference_interval


# Different numbers of pictures


def test_fewer_pictures_alone_make_no_model_worse():
    wide = np.random.RandomState(1)

    def made(n):
        return Features((wide.randn(n, 30) + 0.2).astype(np.float32))

    seconds = []
    for _ in range(12):
        submissions = {"few": made(30), "many": made(210)}
        comparison = found(submissions, made(40), cache=False, replicates=100)
        seconds.append(comparison.standings[1])
    # FID at all pictures is the smaller one's loss each time; no verdict is.
    assert {standing.name for standing in seconds} == {"few"}
    assert sum(standing.worse or standing.better for standing in seconds) <= 1
    assert all(0.02 < standing.probability_better < 0.98 for standing in seconds[:3])


def test_numbers_that_differ_are_judged_at_the_smaller_one():
    reference = rows(40, seed=1)
    many = rows(120, seed=3, shift=1)
    submissions = {"few": rows(30, seed=2, shift=3), "many": many}
    comparison = found(submissions, reference)
    best, few = comparison.standings
    assert (best.name, few.compared_at) == ("many", 30)
    assert few.mifid - best.mifid == few.difference > few.equal_difference > 0
    at_30 = [
        mifid.fid(Features(many.values[i * 30 :][:30]), reference, extractor=colours)
        for i in range(4)
    ]
    assert few.fid - few.equal_difference == pytest.approx(np.mean(at_30), rel=0.03)
    assert few.difference_interval.low < few.equal_difference < few.difference_interval.high
    assert few.worse
    assert few.verdict.startswith("worse than the best at 30 pictures each: ")
    assert few.cells()[2] == "30"
    assert few.cells()[-2].startswith("at 30 each: +")
    assert "Submissions hold different numbers of pictures" in comparison.text()
    again = found(submissions, reference)
    assert plain(again) == plain(comparison)


def test_a_model_that_leads_by_its_number_only():
    reference = rows(40, seed=1)
    rare = Features(np.random.RandomState(5).randn(8, 5).astype(np.float32))
    many = rows(400, seed=3, shift=0.55)
    comparison = found({"rare": rare, "many": many}, reference)
    best, second = comparison.standings
    assert (best.name, second.name) == ("many", "rare")
    assert second.equal_difference < 0 < second.difference
    assert second.probability_better > 0.5


def test_better_at_equal_numbers_is_said():
    wide = np.random.RandomState(7)
    few, many, reference = (
        Features((scale * wide.randn(n, 40)).astype(np.float32))
        for n, scale in ((100, 1), (2000, 1.2), (300, 1))
    )
    comparison = found({"few": few, "many": many}, reference, replicates=100)
    best, second = comparison.standings
    assert (best.name, second.name, second.better, second.worse) == ("many", "few", True, False)
    assert second.verdict.startswith("better than the best at 100 pictures each: ")
    assert comparison.summary.startswith(
        "At equal numbers of pictures few is better than many. The table is in the order of scores "
        "at all pictures, where many has the lowest MiFID, "
    )


def test_numbers_that_differ_without_intervals_are_remarked_on():
    submissions = {"few": rows(30, seed=2), "many": rows(120, seed=3)}
    comparison = found(submissions, rows(40, seed=1), ci=0, replicates=1000)
    assert comparison.standings[1].compared_at is None
    assert "the larger ones are favoured" in comparison.text()


def test_three_numbers_of_pictures_and_a_stream():
    batches = (GOOD[i : i + 16] for i in range(0, 40, 16))
    comparison = found({"stream": batches, "half": GOOD[:20], "third": WORSE[:13]})
    assert [comparison[name].side.n for name in ("stream", "half", "third")] == [40, 20, 13]
    best = comparison.best.side.n
    for standing in comparison.standings[1:]:
        assert standing.compared_at == min(standing.side.n, best)


def test_the_seed_decides():
    submissions = {"good": GOOD, "worse": WORSE}
    one, other = (found(submissions, seed=seed) for seed in (1, 2))
    assert plain(one) == plain(found(submissions, seed=1))
    assert one["worse"].difference_interval != other["worse"].difference_interval
    assert one["worse"].difference == other["worse"].difference


def test_same_names_are_paired_and_other_names_are_not(tmp_path):
    good = write_pictures(tmp_path / "good", GOOD)
    near = write_pictures(tmp_path / "near", NEAR, ending="bmp")
    names = [f"x{i:03}" for i in range(40)]
    renamed = write_pictures(tmp_path / "renamed", NEAR, names=names)
    paired, apart = (
        found([good, other], resample=("generated",)).standings[1] for other in (near, renamed)
    )
    assert (paired.paired, apart.paired) == (True, False)
    assert paired.difference == apart.difference
    spreads = [s.difference_interval.standard_error for s in (paired, apart)]
    assert spreads[1] > 3 * spreads[0]


@pytest.mark.filterwarnings("ignore:submission copies. the 30:mifid.errors.MifidWarning")
def test_a_penalty_is_told():
    with pytest.warns(MifidWarning, match="submission copies: 30 of 30 generated pictures are ref"):
        comparison = found({"copies": REAL[[0, 1, 2] * 10], "good": GOOD}, epsilon=0.0001)
    assert any(told.startswith("submission copies: the 30") for told in comparison.warnings)
    worse, penalized = comparison["copies"].verdict.split("; ")
    assert worse.startswith("worse than the best")
    assert penalized.startswith("penalized: its memorization distance ")
    assert penalized.endswith(" is below the threshold 0.0001, so FID is divided by the distance")
    assert comparison["copies"].penalized
    assert comparison.best.name == "good"
    assert "penalized" not in comparison.best.verdict


def test_how_often_resamples_are_penalized_is_told():
    distance = found({"good": GOOD, "worse": WORSE}).best.memorization_distance
    for epsilon in (distance * 0.999, distance * 1.001):
        settings = {"epsilon": epsilon, "cache": False}
        comparison = found({"good": GOOD, "worse": WORSE}, **settings)
        report = mifid.score(GOOD, REAL, **(QUICK | settings))
        good = comparison["good"]
        assert good.below_threshold == report.uncertainty.below_threshold
        assert 0.1 < good.below_threshold < 0.9
        said = f"{100 * good.below_threshold:.0f}% of its resamples are penalized"
        assert said in good.verdict
        close = ": its distance is close to the threshold"
        assert (said + close in good.verdict) == (not good.penalized)


def test_single_intervals_are_those_of_score_whatever_the_others_are_called(tmp_path):
    submissions = {name: rows(50, seed=i, names=name) for i, name in enumerate("abc")}
    submissions["nameless"] = rows(50, seed=7, names=None)
    reference = rows(40, seed=9)
    comparison = found(submissions, reference, cache=False)
    for name, features in submissions.items():
        report = mifid.score(features, reference, **(QUICK | {"cache": False}))
        for kind, interval in report.uncertainty.intervals.items():
            ours = comparison[name].intervals[kind]
            assert asdict(ours) == pytest.approx(asdict(interval))
    assert not any(s.paired for s in comparison.standings)


def test_a_separate_memorization_reference():
    settings = {"memorization_reference": GOOD, "epsilon": 0.0001}
    with pytest.warns(MifidWarning, match="submission good: the generated and the memorization"):
        comparison = found({"good": GOOD, "worse": WORSE}, **settings)
    assert comparison["good"].memorization_distance < 1e-12
    report = mifid.score(WORSE, REAL, **(QUICK | settings))
    assert comparison["worse"].mifid == report.mifid
    assert set(comparison.references) == {"reference", "memorization_reference"}
    assert comparison.references["memorization_reference"].n == 40


def test_without_intervals():
    comparison = found({"good": GOOD, "worse": WORSE}, ci=0, replicates=1000)
    worse = comparison["worse"]
    assert (worse.intervals, worse.difference_interval) == ({}, None)
    assert worse.probability_better is None
    assert worse.verdict.endswith("behind the best; no interval: switched off")
    assert comparison.level is None
    assert "whether worse trails by noise" in comparison.summary
    assert "Intervals" not in comparison.text()


def test_two_large_sides_are_said_to_be_approximate(monkeypatch):
    assert LARGEST < 20_000
    monkeypatch.setattr("mifid.uncertainty.intervals.LARGEST", 3)
    comparison = found({"good": GOOD, "worse": WORSE})
    assert comparison.methods == ("jackknife",)
    assert "to first order only" in comparison.text()
    assert comparison["worse"].worse


def test_many_pictures_have_intervals_only_when_asked_for(monkeypatch):
    monkeypatch.setattr("mifid.comparison.submissions.MOST_PICTURES", 35)
    submissions = {"good": GOOD, "worse": WORSE}
    assert "when a level is given" in found(submissions)["worse"].interval_reason
    assert found(submissions, ci=90)["worse"].difference_interval.level == 90


# What some sides cannot give


def test_statistics_are_not_ranked_among_scores(tmp_path):
    Statistics.from_features(rows(40, seed=2).values).save(tmp_path / "bare.npz")
    submissions = {"bare": tmp_path / "bare.npz", "one": rows(50), "two": rows(50, shift=2)}
    comparison = found(submissions, rows(40, seed=1))
    assert comparison.ranked_by == "mifid"
    bare = comparison.standings[-1]
    assert (bare.name, bare.rank, bare.mifid, bare.difference) == ("bare", None, None, None)
    assert bare.fid > 0
    assert bare.verdict.startswith("not ranked: the generated side is mean and covariance only")
    assert bare.interval_reason.startswith("it is mean and covariance only")


def test_a_reference_of_statistics_ranks_by_fid():
    statistics = Statistics.from_features(rows(40, seed=1).values)
    comparison = found({"one": rows(50), "far": rows(50, shift=2)}, statistics)
    assert comparison.ranked_by == "fid"
    far = comparison["far"]
    assert far.difference == far.fid - comparison.best.fid
    assert "no interval: the reference is mean and covariance only" in far.verdict
    assert "no MiFID: the reference is mean and covariance only" in far.verdict
    assert "Ranked by FID: fewer than two submissions have a MiFID." in comparison.text()


def test_training_statistics_leave_fid_and_its_intervals():
    training = Statistics.from_features(rows(40, seed=1).values)
    submissions = {"one": rows(50), "far": rows(50, shift=2)}
    comparison = found(submissions, rows(40, seed=1), memorization_reference=training)
    assert comparison.ranked_by == "fid"
    assert set(comparison["far"].intervals) == {"fid"}
    assert comparison["far"].worse


def test_features_without_names_and_streams():
    batches = (GOOD[i : i + 16] for i in range(0, 40, 16))
    comparison = found({"stream": batches, "worse": WORSE})
    assert comparison.best.name == "stream"
    assert not comparison["worse"].paired
    nameless = {"one": rows(50, names=None), "two": rows(50, names=None, shift=2)}
    assert not found(nameless, rows(40, seed=1))["two"].paired


def test_two_pictures_have_no_interval_and_that_is_said():
    comparison = found({"good": GOOD, "two": GOOD[:2] // 4})
    reason = "it holds two pictures only; resampling needs at least three"
    assert comparison["two"].interval_reason == reason
    assert f"no interval: {reason}" in comparison["two"].verdict
    assert comparison["good"].intervals


# Work


def test_the_reference_is_computed_once_and_each_submission_too():
    counting = Counting()
    submissions = {"good": GOOD, "worse": WORSE}
    found(submissions, extractor=counting, cache=False)
    assert counting.pictures == 30 + 40 + 40
    found(submissions, extractor=counting)
    found({**submissions, "more": NEAR}, extractor=counting)
    assert counting.pictures == 2 * (30 + 40 + 40) + 40


def test_a_bad_submission_loses_nothing_and_is_named(tmp_path):
    good = write_pictures(tmp_path / "a_good", GOOD)
    bad = write_pictures(tmp_path / "b_bad", WORSE)
    (bad / "broken.png").write_bytes(b"nothing")
    counting = Counting()
    with pytest.raises(PictureError, match=r"submission b_bad: .*broken\.png"):
        found([good, bad], extractor=counting)
    (bad / "broken.png").unlink()
    before = counting.pictures
    found([good, bad], extractor=counting)
    assert counting.pictures == before + 40
    (bad / "broken.png").write_bytes(b"nothing")
    left_out = found([good, bad], extractor=counting, skip_bad=True)["b_bad"]
    assert left_out.side.bad[0][0] == "broken.png"


def test_all_are_opened_before_any_is_computed(tmp_path):
    counting = Counting()
    with pytest.raises(InputError, match="no such file or folder"):
        found([GOOD, tmp_path / "missing"], extractor=counting)
    assert counting.pictures == 0


# Names


def test_names(tmp_path):
    one, two = tmp_path / "one" / "images", tmp_path / "two" / "images"
    write_pictures(one, GOOD)
    write_pictures(two, WORSE)
    other = write_pictures(tmp_path / "other", NEAR)
    comparison = found([one, two, other, other, GOOD])
    assert {s.name for s in comparison.standings} == {
        str(one),
        str(two),
        str(other),
        f"{other} (2)",
        "submission 5",
    }
    with pytest.raises(KeyError):
        comparison["images"]


# What is refused


@pytest.mark.parametrize("given", [[GOOD], {"good": GOOD}, "only.zip", []])
def test_fewer_than_two(given):
    with pytest.raises(InputError, match=r"nothing to compare(.|\n)*mifid score"):
        found(given)


def test_several_extractors():
    made_by = [Provenance(extractor=name, fingerprint=name) for name in ("first", "second")]
    submissions = {"a_b": rows(9, provenance=made_by[1]), "c": rows(9, provenance=made_by[0])}
    with pytest.raises(CompatibilityError) as caught:
        found(submissions, rows(9, seed=1, provenance=made_by[0]))
    assert caught.value.message == (
        "the reference was made with extractor 'first', the submission a_b with 'second'"
    )


def test_widths_that_differ_name_the_submission():
    with pytest.raises(FeatureError, match="submission b: generated features have width 3"):
        found({"a": rows(9), "b": Features(np.eye(3, dtype=np.float32))}, rows(9, seed=1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ci": 20}, "ci is 20"),
        ({"epsilon": 2}, "epsilon is 2"),
        ({"replicates": 5}, "replicates is 5"),
        ({"resample": ("both",)}, "resample is both"),
    ],
)
def test_settings_without_a_meaning(settings, said):
    with pytest.raises(InputError, match=said):
        found({"good": GOOD, "worse": WORSE}, **settings)


@pytest.mark.parametrize("label", ["submission bad_one.npz", "reference"])
def test_a_damaged_file_among_several_is_named(label, tmp_path):
    good, bad = rows(9).values, rows(9).values.copy()
    bad[3] = np.nan
    np.savez(tmp_path / "good.npz", features=good)
    np.savez(tmp_path / "bad_one.npz", features=bad)
    np.savez(tmp_path / "other.npz", features=good + 1)
    paths = [tmp_path / name for name in ("good.npz", "other.npz", "bad_one.npz")]
    reference = paths.pop(2 if label == "reference" else 0)
    with pytest.raises(FeatureError, match=f"^{label}: .*(NaN|finite)"):
        found(paths, reference)


def test_a_single_picture():
    with pytest.raises(FeatureError, match=r"^submission single: array .* holds one picture"):
        found({"good": GOOD, "single": GOOD[:1]})


# What it says


def test_json_holds_all_of_it():
    comparison = found({"good": GOOD, "worse": WORSE})
    told = json.loads(comparison.to_json())
    assert told == json.loads(json.dumps(comparison.to_dict()))
    assert set(told) == {
        "best",
        "ranked_by",
        "summary",
        "submissions",
        "references",
        "epsilon",
        "level",
        "methods",
        "replicates",
        "resampled",
        "limit",
        "seed",
        "simultaneous",
        "remarks",
        "warnings",
        "comparable_with_kaggle",
        "not_comparable_reason",
        "protocol",
        "seconds",
    }
    best, worse = told["submissions"]
    assert set(best) == set(worse)
    assert worse["difference_interval"]["low"] > 0
    assert (worse["name"], worse["n"], worse["source"]) == (
        "worse",
        40,
        "array of shape (40, 32, 32, 3)",
    )
    assert set(worse["fid_interval"]) == {
        "low",
        "high",
        "level",
        "standard_error",
        "replicates_bias",
    }
    assert told["seconds"]["uncertainty"] >= 0


def test_the_text_and_the_notebook():
    comparison = found({"good": GOOD, "worse <b>": WORSE})
    lines = comparison.text().splitlines()
    assert lines[0].split("  ")[0] == ""
    assert lines[1].startswith("1  good ")
    assert lines[2].startswith("2  worse <b> ")
    assert "< 1%" in lines[2]
    assert "worse <b>: worse than the best" in comparison.text()
    assert str(comparison) == comparison.text()
    page = comparison._repr_html_()
    assert "worse &lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_a_row_of_csv_holds_its_own_warnings_and_those_of_the_whole(tmp_path):
    few = {"copies": REAL[:6], "blank": np.full_like(GOOD[:6], 9), "good": GOOD[:6]}
    comparison = found(few)
    comparison.save(tmp_path / "c.csv")
    lines = csv.DictReader((tmp_path / "c.csv").read_text().splitlines())
    told = {line["submission"]: json.loads(line["warnings"]) for line in lines}
    whole = [w for w in comparison.warnings if w.startswith("Few pictures: ")]
    assert len(whole) == 1
    for name in few:
        own = [w for w in comparison.warnings if w.startswith(f"submission {name}: ")]
        assert sorted(told[name]) == sorted(own + whole)
        assert list(comparison[name].warnings) == own
        assert bool(own) == (name != "good")


def test_files_are_whole_or_told(tmp_path):
    comparison = found({"good": GOOD, "worse": WORSE})
    for ending in ("json", "csv", "txt"):
        comparison.save(tmp_path / f"x.{ending}")
        comparison.save(tmp_path / f"x.{ending}")  # replaced, not appended
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 3
    assert json.loads((tmp_path / "x.json").read_text()) == json.loads(comparison.to_json())
    with pytest.raises(OutputError, match=r"not one of \.json, \.csv, \.txt, \.html"):
        comparison.save(tmp_path / "x.pdf")
    with pytest.raises(OutputError, match="does not exist; make it first"):
        comparison.save(tmp_path / "none" / "x.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (0.08123, "0.08123"),
        (1.23456, "1.2346"),
        (61.2345678, "61.235"),
        (101.98155, "101.98"),
        (85829.3, "85829"),
        (1.6e16, "1.600e+16"),
        (-12.3456, "-12.346"),
    ],
)
def test_numbers_have_about_five_digits(value, text):
    from mifid.comparison.comparison import number

    assert number(value) == text


def test_a_pattern_instead_of_submissions_says_what_it_matches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.zip").touch()
    for pattern, told in (
        ("nothere*.zip", "no file matches the pattern nothere*.zip"),
        ("*.zip", "The pattern matches 2 files; without quotes each is a submission."),
    ):
        with pytest.raises(InputError) as caught:
            mifid.compare([pattern], GOOD)
        assert told in f"{caught.value.message} {caught.value.hint}"


def test_a_log_says_which_of_the_submissions_is_worked_on():
    log, time = io.StringIO(), itertools.count(step=7)
    lines = Lines(log, first=0, every=0, now=lambda: next(time))  # a line whenever it is asked

    def slow(batch):
        lines.tick()
        return colours(batch)

    given = {"good": GOOD, "near": NEAR, "worse": WORSE}
    found(given, extractor=slow, progress=lines, ci=0, replicates=1000)
    told = log.getvalue()
    assert all(f"({done} of 3 submissions" in told for done in (0, 1, 2))
    assert " left)" in told
