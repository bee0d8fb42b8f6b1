"""report.html of real scores: all of it is there, or the page says what is not and why."""

import html
import re
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from toys import colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import OutputError
from mifid.evidence.evidence import Evidence
from mifid.inputs import Side
from mifid.report.page import write_page
from mifid.report.report import Report
from mifid.statistics.features import Features
from mifid.statistics.provenance import Provenance
from mifid.submission.checking import Check, Finding
from mifid.submission.writer import MONET

pytestmark = pytest.mark.usefixtures("unrendered")  # plots are tested where they are made

MADE, REAL = repainted(22), drawn("painting", 8)
SHEET = 12  # pictures of a side that the random sheet shows


def features(n, seed=0, names=None):
    return Features(np.random.RandomState(seed).rand(n, 6).astype(np.float32) + 0.5, names)


@pytest.fixture
def page(tmp_path):
    """Save a report as a page; return its text without tags, and count its pictures."""

    def write(report):
        report.save(tmp_path / "report.html")
        source = (tmp_path / "report.html").read_text(encoding="utf-8")
        body = re.sub(r"<style.*?</style>|<svg.*?</svg>", " ", source, flags=re.DOTALL)
        text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
        left_out = re.findall(r"Left out: ([^(]*) \((.*?)\)\.(?= |$)", text)
        return SimpleNamespace(
            source=source,
            text=text,
            left_out=dict(left_out),
            images=source.count("<img "),
            plots=source.count("<svg"),
        )

    return write


@pytest.fixture
def pair(tmp_path):
    return write_pictures(tmp_path / "made", MADE), write_pictures(tmp_path / "real", REAL)


def reasons(found):
    return list(found.left_out.values())


def influential(report):
    """How many pictures the galleries of worst and best influence show."""
    return len(report.pictures.worst(12)) + len(report.pictures.best(12))


def test_a_score_of_two_folders_has_everything(page, pair):
    report = mifid.score(*pair, extractor=colours, replicates=100, metrics=["mifid", "kid", "pr"])
    found = page(report)
    assert reasons(found) == ["it was not checked: --submission does, and mifid check"]
    assert found.plots == 4
    # 12 pairs; up to 6 copied and their nearest; worst and best; both sheets; never approached.
    copied, never = (
        len(report.training_pictures.most_copied(6)),
        len(report.training_pictures.never_approached),
    )
    assert found.images == 2 * 12 + 2 * copied + never + influential(report) + SHEET + 8
    for name, decimals in (("mifid", 2), ("fid", 2), ("memorization_distance", 4)):
        interval = report.uncertainty.intervals[name]
        value = getattr(report, name)
        for number in (value, interval.low, interval.high):
            assert f"{number:,.{decimals}f}" in found.text
    assert report.uncertainty.remark in found.text
    assert report.bias.sentence in found.text
    assert "colours is not the network that Kaggle scores with" in found.text
    assert "Kernel Inception Distance" in found.text
    assert "made against real" in found.text
    assert report.inputs["generated"].sha256 in found.text
    nearest = report.pictures.nearest_pairs(1)[0]
    assert f"{report.pictures.distance[nearest]:.4f}" in found.text
    assert report.pictures.names[nearest] in found.source


def test_features_without_names_show_what_can_be_shown(page):
    found = page(mifid.score(features(30), features(20, 1), replicates=100, cache=False))
    assert found.images == 0
    assert found.plots == 3  # distances, map, bias
    assert "the generated side is only features: its pictures cannot be shown" in reasons(found)
    assert "the reference side is only features: its pictures cannot be shown" in reasons(found)
    assert "mifid score " not in found.text


def test_a_reference_without_pictures_still_names_the_nearest(page, pair, tmp_path):
    names = tuple(f"monet-{i}" for i in range(8))
    real = mifid.features(REAL, extractor=colours)
    Features(real.values, names, real.provenance).save(tmp_path / "real.npz")
    report = mifid.score(pair[0], tmp_path / "real.npz", extractor=colours, ci=0)
    found = page(report)
    nearest = report.pictures.nearest_pairs(1)[0]
    assert f"nearest: {report.pictures.nearest[nearest]}" in found.text
    assert "the reference side is only features: its pictures cannot be shown" in (reasons(found))
    assert found.images == 12 + influential(report) + SHEET  # pairs' halves, the generated sheet


def test_a_reference_of_statistics_leaves_the_number_and_reasons(page, pair, tmp_path):
    real = mifid.features(REAL, extractor=colours)
    mifid.Statistics.from_features(real.values, provenance=real.provenance).save(tmp_path / "s.npz")
    report = mifid.score(pair[0], tmp_path / "s.npz", extractor=colours)
    found = page(report)
    assert f"{report.fid:,.2f}" in found.text
    # The distance was asked for: why it is not there is said, beside MiFID's reason, and why it
    # is not known whether copies limit the score.
    assert found.text.count(report.mifid_reason) == 4
    assert f"There is no MiFID: {report.mifid_reason}." in found.text
    assert "not asked for" not in found.text
    assert f"No intervals: {report.uncertainty_reason}." in found.text
    assert "the reference side is mean and covariance only, without single pictures" in (
        reasons(found)
    )
    assert found.images == SHEET
    assert found.plots == 0


def test_a_separate_training_set_is_what_pairs_are_with(page, pair):
    training = drawn("painting", 5, seed=80)
    report = mifid.score(
        *pair, memorization_reference=training, extractor=colours, ci=0, metrics="mifid"
    )
    found = page(report)
    copied = len(report.training_pictures.most_copied(6))
    never = len(report.training_pictures.never_approached)
    assert copied + never == 5
    assert found.images == 2 * 12 + 2 * copied + never + influential(report) + SHEET + 8


def test_numbers_that_were_not_asked_for(page, pair):
    found = page(mifid.score(*pair, extractor=colours, metrics=["fid"], replicates=100))
    assert "not asked for" in found.text
    assert "threshold" not in found.text.split("Memorization distance")[0]
    found = page(mifid.score(*pair, extractor=colours, metrics=["kid"]))
    assert "not asked for" in found.text
    assert "No intervals: neither FID nor memorization distance was computed." in found.text
    assert "neither FID nor memorization distance was computed" in reasons(found)


def test_a_stream_is_said_to_have_passed(page):
    stream = (part for part in (MADE[:10], MADE[10:]))
    found = page(mifid.score(stream, REAL, extractor=colours, replicates=100))
    assert found.images == 0
    assert found.plots == 1  # the bias, which was computed before
    gone = [why for why in reasons(found) if "a stream, which can be read only once" in why]
    assert len(gone) >= 9
    assert "mifid score " not in found.text


def test_measures_that_were_left_out_say_why(page):
    report = mifid.score(features(3), features(3, 1), ci=0, metrics=["mifid", "kid", "prdc"])
    found = page(report)
    assert "Kernel Inception Distance" in found.text
    for name in ("pr", "dc"):
        assert report.metrics[name].omitted in found.text
    assert "none were asked for" not in found.text


@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_pictures(n, page):
    report = mifid.score(MADE[:n], REAL[:n], extractor=colours, cache=False)
    found = page(report)
    assert f"FID cannot be extrapolated from {n} generated pictures" in found.text
    assert (report.uncertainty is None) == (n == 2)
    assert ("No intervals: " in found.text) == (n == 2)
    assert found.plots == 3


@pytest.mark.filterwarnings("ignore:the generated and the reference:mifid.errors.MifidWarning")
def test_identical_sets(page, pair):
    report = mifid.score(pair[1], pair[1], extractor=colours, cache=False)
    assert report.fid < 1e-9
    found = page(report)
    assert "8 of 8 generated pictures are nearer than 0.1" in found.text
    assert found.plots == 3
    never = len(report.training_pictures.never_approached)
    copied = len(report.training_pictures.most_copied(6))
    assert found.images == 2 * 8 + 2 * copied + never + influential(report) + 8 + 8


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")  # of sets that are all equal
@pytest.mark.parametrize(("made", "real"), [(30, 0), (0, 20), (30, 20)], ids=str)
def test_sides_of_zeros(made, real, page):
    g, r = features(30).values.copy(), features(20, 1).values.copy()
    g[:made], r[:real] = 0, 0
    report = mifid.score(Features(g), Features(r), metrics=["fid"], cache=False)
    assert report.uncertainty is None
    found = page(report)
    assert f"{report.fid:,.2f}" in found.text
    assert any("no memorization distance" in why or "no generated" in why for why in reasons(found))


def test_pictures_that_are_gone_are_said(page, pair):
    report = mifid.score(*pair, extractor=colours, ci=0)
    for path in pair[0].iterdir():
        path.unlink()
    found = page(report)
    assert any("cannot be opened again" in why for why in reasons(found))
    assert f"{report.fid:,.2f}" in found.text


def test_the_check_is_shown(page, pair):
    from dataclasses import replace

    report = mifid.score(*pair, extractor=colours, ci=0)
    finding = Finding("refused", "number of pictures", "22", "Generate 7,000 to 9,999.")
    found = page(replace(report, check=Check("made", MONET, (finding,))))
    assert "Generate 7,000 to 9,999." in found.text
    assert f"It would be refused by '{MONET.competition}'." in found.text
    assert "it was not checked" not in found.text


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; rm -rf ~ #",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "-rf",
    "a\nb\x1b[31m",
    "&lt;b&gt;",
]


def test_hostile_names_are_text(page, tmp_path):
    names = [name.replace("/", "\u2215") for name in HOSTILE]
    made = write_pictures(tmp_path / "<b>made</b>", MADE[:9], names=names)
    real = write_pictures(tmp_path / "real", REAL[:4], names=names[:4])
    found = page(mifid.score(made, real, extractor=colours, ci=0))
    assert found.images > 20
    assert "<script" not in found.source
    assert "<b>made" not in found.source
    assert "49" not in re.findall(r"alt=\"([^\"]*)", found.source)
    assert not re.search(r"<img[^>]*onerror", re.sub(r'"[^"]*"', '""', found.source))
    assert "\u202e" not in found.source
    assert "\x1b" not in found.source
    assert "{{ 7 * 7 }}" in html.unescape(found.source)


# The command that repeats a score


def scored(*, given=None, asked=None, extractor="inception", check=None, **changes):
    sides = {"generated": features(4), "reference": features(4, 1)}
    given = {"generated": "a.zip", "reference": "monet"} if given is None else given
    values = {
        "fid": 1.0,
        "memorization_distance": 0.2,
        "memorization_distance_thresholded": 1.0,
        "epsilon": 0.1,
        "mifid": 1.0,
        "mifid_reason": None,
        "inputs": {"generated": Side("zip a.zip", 4), "reference": Side("folder monet", 4)},
        "protocol": {"extractor": extractor},
        "not_comparable": None,
        "seconds": {},
        "check": check,
        "evidence": Evidence(sides, given, asked=asked or {}, **changes.pop("evidence", {})),
    }
    return Report(**(values | changes))


def command(tmp_path, report):
    write_page(tmp_path / "r.html", report)
    source = (tmp_path / "r.html").read_text(encoding="utf-8")
    lines = re.findall(r"(mifid score .*?)</", source, re.DOTALL)
    assert len(lines) <= 1
    return shlex.split(html.unescape(lines[0])) if lines else None


PLAIN = ["mifid", "score", "a.zip", "--ref", "monet"]


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, []),
        ({"metrics": ("mifid",), "ci": None, "resample": ("generated", "reference")}, []),
        ({"replicates": 1000, "seed": 2020, "backend": "auto", "device": "auto"}, []),
        ({"weights": None, "batch_size": None, "skip_bad": False}, []),
        ({"metrics": ("fid",)}, ["--metrics", "fid"]),
        ({"metrics": ("mifid", "kid")}, ["--metrics", "mifid,kid"]),
        ({"metrics": ("all",)}, ["--metrics", "all"]),
        ({"ci": 0}, ["--ci", "0"]),
        ({"ci": 95.0}, ["--ci", "95.0"]),
        ({"resample": ("reference",)}, ["--ci-over", "reference"]),
        ({"replicates": 500}, ["--replicates", "500"]),
        ({"seed": 0}, ["--seed", "0"]),
        ({"weights": "my w.pth"}, ["--weights", "my w.pth"]),
        ({"backend": "torch", "device": "cuda:1"}, ["--backend", "torch", "--device", "cuda:1"]),
        ({"batch_size": 7}, ["--batch-size", "7"]),
        ({"skip_bad": True}, ["--skip-bad"]),
    ],
    ids=str,
)
def test_the_command_says_what_is_not_the_default(asked, more, tmp_path):
    assert command(tmp_path, scored(asked=asked)) == PLAIN + more


def test_the_command_holds_all_sides_and_the_rest(tmp_path):
    given = {
        "generated": "-my images.zip",
        "reference": "it's",
        "memorization_reference": "$(rm -rf ~)",
        "held_out": "a;b",
    }
    check = Check("a.zip", MONET, ())
    report = scored(given=given, extractor="mine:f", check=check, epsilon=0.123456789)
    assert command(tmp_path, report) == [
        *("mifid", "score", "./-my images.zip", "--ref", "it's"),
        *("--memorization-ref", "$(rm -rf ~)", "--held-out", "a;b"),
        *("--epsilon", "0.123456789", "--extractor", "mine:f", "--submission"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"given": {"generated": MADE, "reference": "monet"}},
        {"given": {"generated": "a.zip", "reference": features(4)}},
        {"given": {}},
        {"given": {"generated": "a\nb.zip", "reference": "monet"}},
        {"extractor": "colours"},
        {"extractor": "unknown"},
    ],
    ids=["array", "features", "nothing", "a line end", "function", "unknown"],
)
def test_what_no_command_repeats_has_none(changes, tmp_path):
    assert command(tmp_path, scored(**changes)) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evidence": {"value_range": (0, 1)}}, ["--value-range", "0,1"]),
        (
            {"evidence": {"value_range": {"generated": (-1, 1), "reference": (0, 1)}}},
            ["--value-range", "generated=-1,1", "--value-range", "reference=0,1"],
        ),
        (
            {"evidence": {"value_range": {"": (0, 1), "reference": (-1, 1)}}},
            ["--value-range", "0,1", "--value-range", "reference=-1,1"],
        ),
        ({"asked": {"limit": 9, "seed": 3}}, ["--limit", "9"]),
    ],
)
def test_ranges_and_limits_are_repeated(changes, words, tmp_path):
    found = command(tmp_path, scored(**changes))
    assert " ".join(words) in " ".join(found)


def test_all_that_is_drawn_follows_the_seed(page, pair):
    report = mifid.score(*pair, extractor="toys:colours", seed=7, limit=14, ci=0)
    text = page(report).text
    assert "12 of 14, drawn at random (seed 7)" in text
    assert "14 of 22 generated pictures" in text
    assert "--seed 7 --limit 14" in text
    assert report.evidence.seed == 7


@pytest.mark.parametrize(
    ("reference", "called"),
    [
        ("real/monet", "monet"),
        (["real/monet/"], "monet"),
        (["real/monet", "real/more"], "monet and more"),
        ([f"real/{number}" for number in range(9)], "folder monet"),
        (REAL, "folder monet"),
    ],
    ids=["one", "a list of one", "two", "many", "array"],
)
def test_a_title_names_sides_in_one_form(reference, called, tmp_path):
    report = scored(given={"generated": "a/images.zip", "reference": reference})
    write_page(tmp_path / "r.html", report)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"<h1>images.zip against {called}</h1>" in page


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_page(tmp_path / "no" / "r.html", scored())
    assert list(tmp_path.iterdir()) == []


def test_a_function_has_no_name_that_a_command_line_knows(page, pair):
    report = mifid.score(*pair, extractor=lambda batch: colours(batch), ci=0)
    assert "mifid score " not in page(report).text


def test_features_of_inception_are_repeated_by_their_files(tmp_path):
    provenance = Provenance("inception", "x", None)
    for name, seed in (("g", 0), ("r", 1)):
        Features(features(4, seed).values, provenance=provenance).save(tmp_path / f"{name}.npz")
    report = mifid.score(tmp_path / "g.npz", tmp_path / "r.npz", ci=0)
    assert command(tmp_path, report) == [
        *("mifid", "score", str(tmp_path / "g.npz"), "--ref", str(tmp_path / "r.npz")),
        *("--ci", "0"),
    ]
