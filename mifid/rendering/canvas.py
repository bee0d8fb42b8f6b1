"""Figures that share one look; saved as PNG, or as SVG within a page."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from mifid.files import atomic_write
from mifid.formatting import spelled_out
from mifid.images import Pixels

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "VERMILION",
    "YELLOW",
    "finish",
    "in_own_style",
    "inline_svg",
    "log_if_wide",
    "new_figure",
    "pixels_of",
    "save_figure",
    "say",
]

P = ParamSpec("P")
T = TypeVar("T")

# Okabe and Ito's colours, which all kinds of colour vision distinguish; line styles repeat it for
# grey prints. https://jfly.uni-koeln.de/color/
BLUE, VERMILION, GREEN, YELLOW, GREY = "#0072B2", "#D55E00", "#009E73", "#F0E442", "#666666"

_DPI = 150


def in_own_style(draw: Callable[P, T]) -> Callable[P, T]:
    """Ignore any matplotlibrc: one in the current folder may ask for LaTeX."""
    return style.context("default")(draw)


class ShownFigure(Figure):
    """A figure that notebooks show; pyplot, whose figures they show too, is the user's."""

    def _repr_png_(self) -> bytes:
        return _png(self, 80)


def new_figure(title: str, *, height: float) -> Figure:
    """Return an empty white figure, 9 inches wide and ``height`` inches high."""
    figure = ShownFigure(figsize=(9.0, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def finish(axes: Axes, *, y: str, title: str = "") -> None:
    """Give axes their labels and the common look; x is a whole number."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def log_if_wide(axes: Axes, values: npt.NDArray[np.floating[Any]], *, ratio: float) -> None:
    """Make y logarithmic, and just fit ``values``, if the largest is ``ratio`` times the smallest.

    Leave it linear where a value is not positive: hinge losses are negative.
    """
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() <= 0 or finite.max() < ratio * finite.min():
        return
    low, high = float(finite.min()), float(finite.max())
    axes.set_yscale("log")
    axes.set_ylim(low / 1.2, high * 1.2)
    # Labels at powers of ten alone would leave a range of one decade without any.
    marks = (1.0, 2.0, 3.0, 5.0, 7.0) if high < 30 * low else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=marks if high < 1000 * low else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def say(axes: Axes, text: str) -> None:
    """Write into empty axes why they are empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=GREY, fontsize=12)
    axes.set_xticks([])
    axes.set_yticks([])


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a PNG of 150 dpi, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with atomic_write(path) as file:
        file.write(_png(figure, _DPI))


def pixels_of(figure: Figure, *, dpi: int = 100) -> Pixels:
    """Return a figure as pixels (H, W, 3) uint8."""
    with Image.open(io.BytesIO(_png(figure, dpi))) as picture:
        return np.asarray(picture.convert("RGB"))


@in_own_style
def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


_GRID = "#dddddd"  # of mifid.rendering.canvas.finish

_COLOURS = {
    "#000000": "ink",
    "#ffffff": "card",
    _GRID: "line",
    GREY: "soft",
    BLUE: "blue",
    VERMILION: "vermilion",
    GREEN: "green",
    YELLOW: "yellow",
}
"""What a plot is drawn in -> the page's variable for it."""

_COLOUR = re.compile("|".join(_COLOURS), re.IGNORECASE)
_VARIABLES = {colour.lower(): f"var(--{name})" for colour, name in _COLOURS.items()}

# Matplotlib's XML head, creation date and style sheet (which would reach the whole page).
_DROPPED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<style.*?</style>", re.S
)
_SIZE = re.compile(r'<svg [^>]*?viewBox="([\d. ]+)"[^>]*>')
_STYLE = re.compile(r'\bstyle="[^"]*"')
_FONTS = re.compile(r"'DejaVu Sans'.*?sans-serif")
_IDS = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(figure: Figure, *, label: str, prefix: str) -> Markup:
    """Return an ``<svg>`` element of a figure, without the figure's title: the page has a heading.

    Args:
        figure: in the colours of :mod:`mifid.rendering.canvas`.
        label: what it shows, for those who cannot see it.
        prefix: goes before all its identifiers: several figures may share a page.
    """
    with _without_title(figure):
        drawn = _svg(figure)
    body = _DROPPED.sub("", drawn)
    body = _IDS.sub(rf"\g<1>{prefix}-", body)
    body = _STYLE.sub(_of_the_page, body)
    found = _SIZE.search(body)
    assert found is not None
    label = escape(spelled_out(label))
    head = f'<svg class="drawn" viewBox="{found.group(1)}" role="img" aria-label="{label}">'
    return Markup(head + body[found.end() :].strip())


def _of_the_page(style: re.Match[str]) -> str:
    coloured = _COLOUR.sub(lambda match: _VARIABLES[match.group().lower()], style.group())
    return _FONTS.sub("system-ui, sans-serif", coloured)


@contextmanager
def _without_title(figure: Figure) -> Iterator[None]:
    shown = [(text, text.get_visible(), text.get_in_layout()) for text in figure.texts]
    for text, _, _ in shown:
        text.set_visible(False)
        text.set_in_layout(False)  # it leaves no gap
    try:
        yield
    finally:
        for text, visible, in_layout in shown:
            text.set_visible(visible)
            text.set_in_layout(in_layout)


@in_own_style
def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Text stays text: smaller, in the page's font, and found by a search.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mifid"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()
