"""Plots: what is drawn is what was recorded; nothing of pyplot's is touched."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from PIL import Image

from mifid.baseline.figures import curves
from mifid.baseline.figures.curves import (
    plot_losses,
    plot_scores,
    running_mean,
)
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.errors import InputError, OutputError
from mifid.rendering import draw_rgb_histograms
from mifid.rendering.histograms import rgb_shares

TERMS, LOSSES = CycleGan.terms, CycleGan.losses


def train(n, **changes):
    return [
        {"kind": "train", "step": 50 * i, **{name: 1 + i + j for j, name in enumerate(LOSSES)}}
        | changes
        for i in range(1, n + 1)
    ]


def scores(raw, ema=(), **changes):
    sides = [("raw", raw), ("ema", ema)]
    return [
        {"kind": "score", "step": 10 * (i + 1), "seconds": 3600.0 * i, "weights": name}
        | {"mifid": value, "fid": 2 * value, "photos": 512}
        | changes
        for name, values in sides
        for i, value in enumerate(values)
    ]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would have been saved."""
    figures = []
    monkeypatch.setattr(curves, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_losses_are_drawn_by_name(drawn):
    plot_losses(train(3) + scores([9.0]), "x.png", terms=TERMS)
    adversarial, reconstruction = drawn[0].axes
    assert legend(adversarial) == [
        "painting generator",
        "painting discriminator",
        "photo generator",
        "photo discriminator",
    ]
    for axes, label, name in (
        (adversarial, "photo discriminator", "discriminator_photo"),
        (reconstruction, "identity, paintings", "identity_painting"),
        (reconstruction, "cycle, photos", "cycle_photo"),
    ):
        line = lines(axes)[label]
        assert list(line.get_xdata()) == [50, 100, 150]
        assert list(line.get_ydata()) == [row[name] for row in train(3)]
    # Colour and style each tell what they are said to tell.
    styles = {(line.get_color(), line.get_linestyle()) for line in lines(adversarial).values()}
    assert len(styles) == 4


def test_losses_that_a_method_does_not_have_are_left_out(drawn):
    names = ("generator_adversarial_painting", "discriminator_painting")
    rows = [{key: row[key] for key in ("kind", "step", *names)} for row in train(3)]
    plot_losses(rows, "x.png", terms=TERMS)
    (axes,) = drawn[0].axes
    assert legend(axes) == ["painting generator", "painting discriminator"]


def test_many_losses_are_smoothed_and_it_is_said(drawn):
    rows = train(200)
    plot_losses(rows, "x.png", terms=TERMS)
    title = drawn[0].get_suptitle()
    assert "mean of 9 neighbouring lines" in title
    line = lines(drawn[0].axes[1])["cycle, photos"]
    values = np.array([row["cycle_photo"] for row in rows], float)
    assert line.get_ydata()[100] == pytest.approx(values[96:105].mean())
    plot_losses(rows[:49], "x.png", terms=TERMS)
    assert "mean" not in drawn[1].get_suptitle()


def test_reconstruction_is_logarithmic_where_it_falls_far_and_hinge_never_is(drawn):
    rows = [{"kind": "train", "step": i, "cycle_photo": 1 / i} for i in range(1, 20)]
    plot_losses(rows, "x.png", terms=TERMS)
    rows = [{"kind": "train", "step": i, "discriminator_photo": -(10.0**i)} for i in range(5)]
    plot_losses(rows, "x.png", terms=TERMS)
    assert [figure.axes[0].get_yscale() for figure in drawn] == ["log", "linear"]


def test_running_mean_is_the_plain_one():
    values = np.random.RandomState(0).rand(50)
    expected = [values[max(0, i - 3) : i + 4].mean() for i in range(50)]
    np.testing.assert_allclose(running_mean(values, 7), expected, rtol=1e-12)
    np.testing.assert_array_equal(running_mean(values, 1), values)
    np.testing.assert_allclose(running_mean(values[:3], 9), np.full(3, values[:3].mean()))


def test_running_mean_leaves_gaps():
    means = running_mean(np.array([1.0, math.nan, 3.0, math.inf, 5.0]), 3)
    np.testing.assert_array_equal(means, [1.0, math.nan, 3.0, math.nan, 5.0])


def test_the_photos_own_score_is_a_line_and_never_the_best(drawn):
    photos = {**scores([30.0], [])[0], "step": 0, "weights": "photos"}
    plot_scores([photos, *scores([90.0, 80.0], [95.0, 85.0])], "x.png")
    found = lines(drawn[0].axes[0])
    assert set(found["the photos, unpainted: 30.00"].get_ydata()) == {30.0}
    assert "best: 80.00 (as trained, step 20)" in found


def test_scores(drawn):
    raw, ema = [90.0, 80, 70, 60, 50, 55, 53], [95.0, 85, 75, 65, 52, 49, 48]
    plot_scores(scores(raw, ema) + train(2), "x.png")
    axes, top = drawn[0].axes
    found = lines(axes)
    assert list(found["weights as trained"].get_ydata()) == raw
    assert list(found["moving average of the weights (EMA)"].get_ydata()) == ema
    average = found["mean of their last 5 scores"]
    np.testing.assert_allclose(average.get_ydata(), [70.0, 63.0, 57.6])
    assert list(average.get_xdata()) == [50, 60, 70]
    best = found["best: 48.00 (EMA, step 70)"]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (70, 48)
    assert axes.get_ylabel() == "MiFID (lower is better)"
    assert drawn[0].get_suptitle() == "MiFID over the run, on 512 photos"
    assert top.get_xlabel() == "hours since the start"
    assert [label.get_text() for label in top.get_xticklabels()][-1] == "6.0"
    assert top.get_xlim() == axes.get_xlim()


def test_scores_by_another_metric(drawn):
    plot_scores(scores([30.0, 20.0]), "x.png", metric="fid")
    axes = drawn[0].axes[0]
    assert axes.get_ylabel() == "FID (lower is better)"
    assert list(lines(axes)["weights as trained"].get_ydata()) == [60, 40]


def test_scores_that_are_missing_or_no_number_are_left_out(drawn):
    rows = scores([50.0, math.nan, 40.0])
    rows[0].pop("mifid")
    plot_scores(rows, "x.png")
    assert list(lines(drawn[0].axes[0])["weights as trained"].get_xdata()) == [30]


@pytest.mark.parametrize(("values", "scale"), [([50.0, 40.0], "linear"), ([2.5e16, 40.0], "log")])
def test_astronomical_scores_do_not_hide_the_others(values, scale, drawn):
    plot_scores(scores(values), "x.png")
    axes = drawn[0].axes[0]
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low < min(values)
    assert max(values) < high
    drawn[0].draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert 2 <= sum(bool(label) for label in labels) <= 30


def x_labels(figure):
    """What stands below the first axis; marks beyond its ends are there, but not drawn."""
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_xlim()
    marks = figure.axes[0].get_xticklabels()
    return [mark.get_text() for mark in marks if low <= mark.get_position()[0] <= high]


def test_a_single_snapshot_is_one_mark_below_the_axis(drawn):
    plot_scores(scores([50.0], [40.0], step=9), "x.png")
    assert x_labels(drawn[0]) == ["9"]
    found = lines(drawn[0].axes[0])
    star = next(line for label, line in found.items() if label.startswith("best"))
    for label in ("weights as trained", "moving average of the weights (EMA)"):
        assert found[label].get_markersize() == 7
        assert found[label].get_zorder() > star.get_zorder()  # not hidden by it


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10_000])
def test_no_step_is_written_twice(steps, drawn):
    plot_losses(
        [row | {"step": i + 1} for i, row in enumerate(train(min(steps, 200)))],
        "x.png",
        terms=TERMS,
    )
    labels = x_labels(drawn[0])
    assert labels
    assert len(set(labels)) == len(labels)


def test_a_single_line_of_losses_is_marks_that_differ(drawn):
    plot_losses(train(1), "x.png", terms=TERMS)
    found = lines(drawn[0].axes[0])
    marks = {(line.get_color(), line.get_markerfacecolor()) for line in found.values()}
    assert len(marks) == 4  # solid is filled, dashed is hollow
    assert {(line.get_marker(), line.get_markersize()) for line in found.values()} == {("o", 7)}


def test_shares_are_counts(random):
    pixels = random.randint(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    shares = rgb_shares(pixels)
    np.testing.assert_allclose(shares.sum(axis=1), 100)
    assert shares[1, 17] == pytest.approx(100 * (pixels[..., 1] == 17).mean())


def test_histograms_leave_zeros_out_and_share_their_axes():
    some = np.full((2, 4, 4, 3), (0, 10, 20), np.uint8)
    some[:, 0] = 90
    many = np.concatenate(
        [np.full((100, 4, 4, 3), 30, np.uint8), np.full((9, 4, 4, 3), 40, np.uint8)]
    )
    first, second = draw_rgb_histograms({"Monet": some, "generated": many}).axes
    red = lines(first)["red"]
    assert list(red.get_xdata()) == list(range(1, 256))
    assert red.get_ydata()[90 - 1] == 25
    assert red.get_ydata().sum() == 25  # the other 75 % are zeros
    assert lines(second)["blue"].get_ydata()[30 - 1] == 100  # the first 100 alone
    assert lines(second)["blue"].get_ydata()[40 - 1] == 0
    assert first.get_ylim() == second.get_ylim()
    assert first.get_title(loc="left") == "Monet: 2 pictures (not drawn: level 0, 25.0 %)"
    assert second.get_title(loc="left") == "generated: 100 pictures (not drawn: level 0, 0.0 %)"


def test_a_peak_may_leave_the_panel_but_that_is_said():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    bright = pixels.copy()
    bright[:, 8:] = 255
    even, peak = draw_rgb_histograms({"even": pixels, "bright": bright}).axes
    assert even.get_ylim()[1] < 1
    assert "cut off" not in even.get_title(loc="left")
    assert "highest peak: 50.0 %, cut off" in peak.get_title(loc="left")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 3, 8, 8), np.uint8), np.zeros((1, 8, 8, 3))],
)
def test_histograms_of_what_are_no_pictures(pixels):
    with pytest.raises(InputError, match=r"histogram of 'Monet' takes pixels \(N, H, W, 3\) uint8"):
        draw_rgb_histograms({"Monet": pixels})


def png_size(path):
    with Image.open(path) as image:
        image.load()
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        return image.size


def test_the_files(tmp_path):
    before = dict(mpl.rcParams)
    plot_losses(train(1), tmp_path / "losses.png", terms=TERMS)
    plot_scores(scores([50.0]), tmp_path / "score.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["losses.png", "score.png"]
    assert {png_size(path)[0] for path in tmp_path.iterdir()} == {1350}
    assert dict(mpl.rcParams) == before
    assert not Gcf.figs


def test_nothing_recorded_is_said(drawn):
    plot_losses([], "x.png", terms=TERMS)
    plot_scores([], "x.png")
    texts = [[text.get_text() for text in figure.axes[0].texts] for figure in drawn]
    assert texts == [["no losses were logged"], ["nothing was scored"]]


def test_ten_thousand_rows(tmp_path):
    plot_losses(train(10_000), tmp_path / "losses.png", terms=TERMS)
    assert (tmp_path / "losses.png").stat().st_size < 400_000


def test_no_folder(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        plot_scores(scores([50.0]), tmp_path / "missing" / "score.png")
