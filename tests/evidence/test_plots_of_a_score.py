"""Plots of a score: what is drawn is what was computed; as SVG it is the page's own."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf

from mifid.errors import InputError, UnavailableError
from mifid.evidence.plots import plot_bias, plot_distances, plot_map, plot_rgb
from mifid.rendering.canvas import BLUE, VERMILION, inline_svg
from mifid.rendering.histograms import draw_rgb_histograms, rgb_shares

SIZES = np.array([50, 100, 200, 400])


def bias(**changes):
    values = {
        "fid_infinity": 20.0,
        "slope": 400.0,
        "sizes": SIZES,
        "fids": 20 + 400 / SIZES,
        "floor_halves": 12.5,
        "halves_n": 150,
        "held_out_at_equal": None,
        "equal_n": 0,
    }
    return SimpleNamespace(**values | changes)


def bars(axes):
    """Counts by colour, and the edges of the bars."""
    found = {}
    for patch in axes.patches:
        counts, edges, _ = patch.get_data()
        found[mpl.colors.to_hex(patch.get_facecolor()).lower()] = counts
    return found, edges


def test_distances_are_counted_on_their_side_of_the_threshold(random):
    distances = np.concatenate([random.uniform(0.02, 0.5, 500), [0.1, 0.1, np.nextafter(0.1, 0)]])
    figure = plot_distances(distances, epsilon=0.1)
    (axes,) = figure.axes
    counts, edges = bars(axes)
    assert counts[VERMILION.lower()].sum() == (distances < 0.1).sum()
    assert counts[BLUE.lower()].sum() == (distances >= 0.1).sum()
    assert edges[0] <= distances.min()
    assert edges[-1] >= distances.max()
    assert np.abs(edges - 0.1).min() < 1e-12
    # Outside the axes, where they lie on no bar and on no other line.
    assert axes.get_legend() is None
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["threshold 0.1", f"mean {distances.mean():.4f}"]


@pytest.mark.parametrize(
    "distances", [[0.0], [1.0], [0.0, 0.0], [0.1], [0.05, np.nan], [1e-12], [0.3] * 9]
)
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_distances_of_all_kinds(distances, epsilon):
    (axes,) = plot_distances(np.array(distances), epsilon=epsilon, mean=0.2).axes
    counts, _ = bars(axes)
    assert sum(one.sum() for one in counts.values()) == np.isfinite(distances).sum()


def test_no_distance_is_no_plot():
    with pytest.raises(UnavailableError, match="no generated picture has a distance"):
        plot_distances(np.array([np.nan]), epsilon=0.1)


def test_map(random):
    generated, reference = random.rand(2000, 2), random.rand(30, 2)
    clouds = SimpleNamespace(generated=generated, reference=reference, explained=(0.125, 0.05))
    figure = plot_map(clouds, seed=0)
    (axes,) = figure.axes
    drawn, other = (np.asarray(points.get_offsets()) for points in axes.collections)
    assert len(np.unique(drawn, axis=0)) == 1500
    assert {tuple(point) for point in drawn} <= {tuple(point) for point in generated}
    np.testing.assert_array_equal(other, reference)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["generated (1,500 of 2,000)", "reference (30)"]
    assert axes.get_xlabel() == "first direction (12.5 % of variance)"
    again = plot_map(clouds, seed=0).axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(again, drawn)


def test_bias():
    figure = plot_bias(bias())
    (axes,) = figure.axes
    points, line, end, floor = axes.lines
    np.testing.assert_allclose(points.get_xdata(), -1 / SIZES)
    np.testing.assert_allclose(points.get_ydata(), 20 + 400 / SIZES)
    np.testing.assert_allclose(line.get_ydata(), [20, 28])
    assert (end.get_xdata()[0], end.get_ydata()[0]) == (0, 20)
    assert set(floor.get_ydata()) == {12.5}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[1:] == ["infinitely many: 20.00", "halves of the reference (150 each): 12.50"]
    figure.draw_without_rendering()
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["∞", "400", "100", "50"]  # 200 would touch 400
    places = list(axes.get_xticks())
    assert places == sorted(places, reverse=True)  # infinitely many at the right
    assert axes.get_xlim()[1] == 0


def test_bias_with_and_without_held_out_pictures():
    assert len(plot_bias(bias()).axes[0].lines) == 4
    lines = plot_bias(bias(equal_n=24, held_out_at_equal=9.0)).axes[0].lines
    assert lines[-1].get_label() == "held-out pictures, 24 of them: 9.00"
    assert set(lines[-1].get_ydata()) == {9.0}


def test_levels_of_pictures_of_any_size(random):
    pictures = [random.randint(0, 256, (h, 8, 3), dtype=np.uint8) for h in (4, 9)]
    both = np.concatenate(pictures)
    np.testing.assert_allclose(rgb_shares(pictures), rgb_shares(both[None]))
    figure = plot_rgb({"generated": pictures, "reference": both[None]})
    first, second = figure.axes
    for one, other in zip(first.lines, second.lines, strict=True):
        np.testing.assert_allclose(one.get_ydata(), other.get_ydata())
        assert list(one.get_xdata()) == list(range(1, 256))
    assert first.get_title(loc="left").startswith("generated: 2 pictures\n(not drawn: level 0, ")
    figure.draw_without_rendering()
    (legend,) = figure.legends  # where no curve can cross it
    assert [text.get_text() for text in legend.get_texts()] == ["red", "green", "blue"]
    assert not any(legend.get_window_extent().overlaps(a.get_window_extent()) for a in figure.axes)


@pytest.mark.parametrize("pictures", [[], [np.zeros((4, 4), np.uint8)], [np.zeros((4, 4, 3))]])
def test_levels_of_what_are_no_pictures(pictures):
    with pytest.raises(InputError, match="histogram of 'generated'"):
        draw_rgb_histograms({"generated": pictures})


HOSTILE = "</svg><script>x</script>\"' \\1 #0072B2"


def test_svg_is_the_pages_own():
    before = dict(mpl.rcParams)
    figure = plot_distances(np.array([0.05, 0.2, 0.3]), epsilon=0.1)
    svg = inline_svg(figure, label=HOSTILE, prefix="one")
    root = ElementTree.fromstring(
        str(svg).replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    )
    assert root.get("aria-label") == HOSTILE
    assert root.get("role") == "img"
    tags = {element.tag for element in root.iter()}
    assert tags <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect", "tspan"}
    words = " ".join(filter(None, (element.text for element in root.iter("text"))))
    assert "threshold 0.1" in words
    assert "Distance to the nearest" not in words  # the page has a heading
    assert [text.get_visible() for text in figure.texts] == [True]
    styles = " ".join(re.findall(r'style="([^"]*)"', svg))
    assert not re.search("#[0-9a-f]{6}", styles)
    assert {"var(--ink)", "var(--blue)", "var(--vermilion)", "var(--soft)", "var(--line)"} <= set(
        re.findall(r"var\(--\w+\)", styles)
    )
    assert "DejaVu" not in svg
    assert dict(mpl.rcParams) == before
    assert not Gcf.figs


def test_svgs_share_a_page_without_sharing_names():
    figure = plot_distances(np.array([0.05, 0.2, 0.3]), epsilon=0.1)
    one, other = (inline_svg(figure, label="", prefix=prefix) for prefix in ("one", "other"))
    ids, others = (set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other))
    assert ids
    assert not ids & others
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one))
    assert {a or b for a, b in used} <= ids
    assert one == inline_svg(figure, label="", prefix="one")
