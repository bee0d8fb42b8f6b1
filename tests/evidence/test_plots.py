"""report.plot(): each kind draws what it says, or says why it cannot."""

import io

import matplotlib.figure
import numpy as np
import pytest
from toys import colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import InputError, UnavailableError
from mifid.evidence.plots import PLOTS
from mifid.statistics.features import Features

# Few and equal pictures on purpose: scores warn of them.
pytestmark = pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")

PAINTINGS = drawn("painting", 9)
KINDS = ("distances", "pairs", "histograms", "map")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of a folder and an array, with enough pictures for a bias."""
    folder = write_pictures(tmp_path_factory.mktemp("set") / "out", repainted(24, 32))
    return mifid.score(folder, PAINTINGS, extractor=colours, replicates=100, cache=False)


def features(n, names=None, seed=0):
    return Features(np.random.RandomState(seed).rand(n, 6).astype(np.float32) + 0.5, names)


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_every_kind_is_a_figure_that_can_be_saved(kind, report):
    figure = report.plot(kind)
    assert isinstance(figure, matplotlib.figure.Figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    assert file.getvalue()[:4] == b"\x89PNG"


def test_the_kinds_are_those_that_were_promised():
    assert tuple(PLOTS) == KINDS


def test_distances_are_those_of_the_table_and_of_its_threshold(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "mifid.evidence.plots.plot_distances", lambda values, *, epsilon: shown.append(epsilon)
    )
    mifid.score(features(5), features(4), ci=0, epsilon=0.25).plot("distances")
    assert shown == [0.25]


def test_pairs_are_the_nearest_beside_what_they_are_nearest_to(report):
    figure = report.plot("pairs")
    images = [image.get_array() for axes in figure.axes for image in axes.images]
    assert len(images) == 2 * 9
    row = report.pictures.nearest_pairs(1)[0]
    with report.evidence.album("generated") as ours, report.evidence.album("reference") as theirs:
        expected = ours.show(row).pixels, theirs.show(report.pictures.nearest_row[row]).pixels
    for image, pixels in zip(images[:2], expected, strict=True):
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_histograms_and_map_show_both_sides(report):
    titles = [axes.get_title(loc="left") for axes in report.plot("histograms").axes]
    assert [title.split(":")[0] for title in titles] == ["generated", "reference"]
    assert [title.split(": ")[1].split("\n")[0] for title in titles] == [
        "24 pictures",
        "9 pictures",
    ]
    points = [c.get_offsets() for axes in report.plot("map").axes for c in axes.collections]
    assert sorted(len(cloud) for cloud in points) == [9, 24]


def test_pictures_that_have_changed_since_are_a_reason(tmp_path):
    folder = write_pictures(tmp_path / "out", PAINTINGS[:3])
    report = mifid.score(folder, PAINTINGS, extractor=colours, ci=0)
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(UnavailableError, match="none of the generated pictures can be read"):
        report.plot("histograms")


def test_an_unknown_kind_is_told_with_the_nearest(report):
    with pytest.raises(InputError, match="unknown plot 'distance'") as caught:
        report.plot("distance")
    assert "Did you mean 'distances'?" in caught.value.hint
    with pytest.raises(InputError) as caught:
        report.plot("xyz")
    assert "There are: bias, distances, histograms, map, pairs." in caught.value.hint


def test_no_bias_says_why(report):
    off = mifid.score(features(30), features(20, seed=1), ci=0)
    with pytest.raises(UnavailableError, match=r"^there is no bias to plot: switched off$"):
        off.plot("bias")
    few = mifid.score(features(5), features(20, seed=1), replicates=100)
    with pytest.raises(UnavailableError, match="cannot be extrapolated from 5 generated pictures"):
        few.plot("bias")


def test_features_alone_are_drawn_as_far_as_can_be():
    alone = mifid.score(features(30), features(20, seed=1), ci=0)
    for kind in ("distances", "map"):
        assert alone.plot(kind).axes
    for kind in ("pairs", "histograms"):
        with pytest.raises(UnavailableError, match="the generated side is only features"):
            alone.plot(kind)


@pytest.mark.parametrize("kind", ["distances", "pairs", "map"])
def test_a_reference_of_statistics_is_named(kind):
    reference = mifid.Statistics.from_features(mifid.features(PAINTINGS, extractor=colours).values)
    report = mifid.score(repainted(4), reference, extractor=colours, ci=0)
    with pytest.raises(UnavailableError, match="the reference side is "):
        report.plot(kind)


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_a_stream_keeps_nothing_to_draw_and_says_what_would(kind):
    generated = (batch for batch in [repainted(4, 32)])
    report = mifid.score(generated, drawn("painting", 4, 32), extractor=colours, ci=0)
    assert report.fid is not None
    with pytest.raises(UnavailableError, match="a stream, which can be read only once") as caught:
        report.plot(kind)
    assert "Score a folder, zip, array or features file instead." in caught.value.hint


@pytest.mark.filterwarnings("ignore:the generated and the reference:mifid.errors.MifidWarning")
def test_identical_sets_are_drawn():
    same = features(24)
    report = mifid.score(same, same, replicates=100, cache=False)
    for kind in ("distances", "map", "bias"):
        assert report.plot(kind).axes
    assert (report.pictures.distance < 1e-12).all()


@pytest.mark.filterwarnings("ignore:the generated and the reference:mifid.errors.MifidWarning")
def test_equal_pictures_have_no_map_and_that_is_said():
    same = Features(np.ones((5, 6), np.float32))
    with pytest.raises(UnavailableError, match="all pictures have the same features"):
        mifid.score(same, same, ci=0).plot("map")


@pytest.mark.parametrize("kind", ["distances", "map", "bias"])
def test_the_users_own_style_changes_no_plot(kind, report):
    """As a matplotlibrc in the current folder may; this one asks for LaTeX."""
    own = {"text.usetex": True, "font.size": 3, "axes.facecolor": "red", "savefig.facecolor": "red"}
    plain = report.plot(kind)._repr_png_()
    with matplotlib.rc_context(own):
        assert report.plot(kind)._repr_png_() == plain
