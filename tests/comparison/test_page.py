"""The page of a comparison: all of the result, pictures of each side, every text escaped."""

import html
import re
import shlex
from contextlib import closing
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from toys import colours, drawn, repainted, write_pictures

import mifid
from mifid.comparison.page import plot_differences, plot_scores
from mifid.errors import OutputError, UnavailableError
from mifid.images import open_images, thinned
from mifid.uncertainty import Interval

pytestmark = [
    pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("unrendered"),  # plots are tested where they are made
]

REAL = drawn("painting", 10)
NEAR, FAR = repainted(12), drawn("photo", 12)


@pytest.fixture(scope="module")
def found():
    return mifid.compare(
        {"far": FAR, "near": NEAR}, REAL, extractor=colours, replicates=100, cache=False
    )


def page(comparison, tmp_path):
    comparison.save(tmp_path / "compare.html")
    source = (tmp_path / "compare.html").read_text(encoding="utf-8")
    body = re.sub(r"<style.*?</style>|<svg.*?</svg>", " ", source, flags=re.DOTALL)
    return source, " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_all_of_a_comparison_is_on_the_page(found, tmp_path):
    source, text = page(found, tmp_path)
    assert found.summary in text
    for standing in found.standings:
        assert standing.verdict in text
        for cell in standing.cells():
            assert cell.partition(" (")[0] in text
    for remark in (*found.remarks(), found.advice):
        assert remark in text
    assert source.count("<svg") == 2
    assert source.count("<img ") == 8 + 8 + 8  # both submissions and the reference
    assert "script" not in source
    assert not re.search("https?://", source)
    # The best one's pictures stand first, the reference's last.
    order = [text.rindex(f"{name} 8 of") for name in (found.best.name, "reference")]
    assert order == sorted(order)


def test_with_a_limit_the_samples_are_of_what_was_compared(tmp_path):
    names = [f"{number:02}" for number in range(12)]
    near, far, real = (
        write_pictures(tmp_path / name, pixels, names=names)
        for name, pixels in (("near", NEAR), ("reference", FAR), ("monet", drawn("painting", 12)))
    )
    limited = mifid.compare(
        [near, far],
        real,
        limit=5,
        seed=7,
        replicates=100,
        extractor="toys:colours",
        memorization_reference=real,
    )
    source, text = page(limited, tmp_path)
    assert text.count("5 of 5, drawn at random (seed 7)") == 3
    shown = re.findall('<img [^>]*alt="([^"]*)"', source)
    with closing(open_images(near)) as pictures:
        drawn_ones = thinned(pictures, 5, 7).names
    assert shown == [*drawn_ones] * 3
    # One is called "reference", too: it is not taken for the reference.
    uris = re.findall('<img src="([^"]*)"', source)
    assert len(set(uris)) == 15
    assert "Reference: 5 of 12 pictures" in text
    assert text.count(" 5 of 12 ") == 4  # both references and both submissions
    assert "At most 5 pictures a side were taken (limit=5), drawn at random with the seed 7" in text
    command = shlex.split(re.search("<code>(mifid compare .*?)</code>", source).group(1))
    assert command == [
        *("mifid", "compare", str(near), str(far), "--ref", str(real)),
        *("--memorization-ref", str(real), "--extractor", "toys:colours"),
        *("--replicates", "100", "--seed", "7", "--limit", "5"),
    ]


def test_what_was_left_out_as_bad_is_no_sample(tmp_path):
    near, far = (write_pictures(tmp_path / n, p) for n, p in (("near", NEAR[:3]), ("far", FAR[:3])))
    (near / "bad.png").write_bytes(b"no picture")
    found = mifid.compare([near, far], REAL, extractor=colours, ci=0, skip_bad=True)
    _, text = page(found, tmp_path)
    assert text.count("3 of 3, drawn at random (seed 2020)") == 2
    assert "Cannot be shown" not in text
    assert "mifid compare" not in text  # no command gives an array


def test_warnings_are_on_the_page(tmp_path):
    same = mifid.compare([REAL, NEAR], REAL, extractor=colours, replicates=100, cache=False)
    _, text = page(same, tmp_path)
    for warning in same.warnings:
        assert f"Warning: {warning}" in text


def test_plots_show_values_and_intervals(found):
    (axes,) = plot_scores(found).axes
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert points == [standing.mifid for standing in found.standings]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        standing.name for standing in found.standings
    ]
    (axes,) = plot_differences(found).axes
    behind = found.standings[1]
    spans = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    interval = behind.difference_interval
    assert [interval.low, interval.high] in spans


def of(values, spread):
    """A comparison of scores with intervals, as far as the plots look at it."""
    standings = [
        SimpleNamespace(
            name=f"number {rank}",
            rank=rank,
            worse=False,
            mifid=value,
            intervals={"mifid": Interval(value - spread, value + spread, 95, 1, 0)},
            equal_difference=value - values[0],
            difference_interval=Interval(
                value - values[0] - spread, value - values[0] + spread, 95, 1, 0
            )
            if rank > 1
            else None,
        )
        for rank, value in enumerate(values, 1)
    ]
    return SimpleNamespace(ranked_by="mifid", standings=standings, best=standings[0])


@pytest.mark.parametrize("plot", [plot_scores, plot_differences])
@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((2.5, 19.5, 37602.0, 1.786e17), "symlog"),  # copies make scores astronomical
        ((2.5, 3.5, 7.25), "linear"),
        ((1.2e15, 1.4e15, 1.8e15), "linear"),
        ((0.01, 0.0125, 0.03), "linear"),
    ],
    ids=str,
)
def test_rows_are_told_apart_and_labels_do_not_meet(values, scale, plot):
    figure = plot(of(values, values[0] / 2))
    (axes,) = figure.axes
    assert axes.get_xscale() == scale
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    shown = [label for label in labels if low <= label.get_position()[0] <= high]
    assert len(shown) >= 3
    boxes = [label.get_window_extent() for label in shown]
    assert all(one.x1 < other.x0 for one, other in pairwise(sorted(boxes, key=lambda b: b.x0)))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    places = axes.transData.transform([(point, 0) for point in points])[:, 0]
    assert min(np.diff(sorted(places))) > 5  # pixels


def test_without_intervals_there_are_no_differences(tmp_path):
    plain = mifid.compare([NEAR, FAR], REAL, extractor=colours, ci=0, cache=False)
    with pytest.raises(UnavailableError, match="no difference has an interval"):
        plot_differences(plain)
    source, text = page(plain, tmp_path)
    assert source.count("<svg") == 1
    assert "Differences to the best" not in text


def test_features_have_no_pictures_and_the_page_says_so(tmp_path):
    sides = [mifid.features(pixels, extractor=colours) for pixels in (NEAR, FAR, REAL)]
    source, text = page(mifid.compare(sides[:2], sides[2], ci=0), tmp_path)
    assert source.count("<img ") == 0
    assert text.count("only features: its pictures cannot be shown") == 3


def test_hostile_names_are_text(tmp_path):
    name = "<script>alert(1)</script>\u202e$x^2$"
    made = write_pictures(tmp_path / "a", NEAR)
    hostile = mifid.compare({name: made, "b": FAR}, REAL, extractor=colours, ci=0)
    source, _ = page(hostile, tmp_path)
    assert "<script" not in source
    assert "\u202e" not in source
    assert "&lt;script&gt;" in source


def test_a_page_that_cannot_be_written(found, tmp_path):
    with pytest.raises(OutputError):
        found.save(tmp_path / "no" / "compare.html")
    assert np.isfinite(found.best.fid)
