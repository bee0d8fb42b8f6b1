"""Figures and HTML pages: what all of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.rendering.canvas import BLUE as BLUE
    from mifid.rendering.canvas import GREEN as GREEN
    from mifid.rendering.canvas import GREY as GREY
    from mifid.rendering.canvas import VERMILION as VERMILION
    from mifid.rendering.canvas import YELLOW as YELLOW
    from mifid.rendering.canvas import finish as finish
    from mifid.rendering.canvas import in_own_style as in_own_style
    from mifid.rendering.canvas import inline_svg as inline_svg
    from mifid.rendering.canvas import log_if_wide as log_if_wide
    from mifid.rendering.canvas import new_figure as new_figure
    from mifid.rendering.canvas import pixels_of as pixels_of
    from mifid.rendering.canvas import save_figure as save_figure
    from mifid.rendering.canvas import say as say
    from mifid.rendering.histograms import draw_rgb_histograms as draw_rgb_histograms
    from mifid.rendering.html import Command as Command
    from mifid.rendering.html import Plot as Plot
    from mifid.rendering.html import data_uri as data_uri
    from mifid.rendering.html import encode_small as encode_small
    from mifid.rendering.html import html_table as html_table
    from mifid.rendering.html import render_page as render_page
    from mifid.rendering.html import shortened as shortened
    from mifid.rendering.html import write_html as write_html

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "canvas": [
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
        ],
        "histograms": ["draw_rgb_histograms"],
        "html": [
            "Command",
            "Plot",
            "data_uri",
            "encode_small",
            "html_table",
            "render_page",
            "shortened",
            "write_html",
        ],
    },
)
