"""A figure as SVG within a page: its colours are the page's, so that it follows light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from mifid.rendering.canvas import BLUE, GREEN, GREY, VERMILION, YELLOW, in_own_style

__all__ = ["inline_svg"]

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
    head = f'<svg class="drawn" viewBox="{found.group(1)}" role="img" aria-label="{escape(label)}">'
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
