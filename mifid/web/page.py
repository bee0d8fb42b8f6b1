"""The page: three tabs, made with gradio, which only this file and the tabs import."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr
from markupsafe import escape

from mifid.images import decoder_version
from mifid.machine import __version__
from mifid.web.guess_tab import GuessTab
from mifid.web.judge_tab import JudgeTab
from mifid.web.paint_tab import LABELS, PaintTab
from mifid.web.sessions import Sessions
from mifid.web.tab import Contents, Tab, words

__all__ = ["LABELS", "Contents", "build_page", "head", "style", "theme"]


def theme() -> Any:
    """Return the theme: fonts of the system, since gradio's own are fetched from elsewhere."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def head() -> str:
    """Return a script that marks a page to which browsers give no camera and no clipboard."""
    return (
        "<script>document.documentElement.classList.toggle('insecure', !isSecureContext)</script>"
    )


def style() -> str:
    """Return the page's own style sheet."""
    return files("mifid").joinpath("web/page.css").read_text(encoding="utf-8")


def build_page(contents: Contents, sessions: Sessions) -> Any:
    """Return the page, a ``gradio.Blocks``."""
    with gr.Blocks(
        title="mifid",
        analytics_enabled=False,
        delete_cache=(60, round(contents.limits.idle)),
    ) as page:
        words(
            "<header><h1>mifid</h1><p>Paint photos, judge submissions, and guess which painting is "
            "real.</p></header>"
        )
        for name, tab in (("Paint", PaintTab), ("Judge", JudgeTab), ("Guess", GuessTab)):
            with gr.Tab(name):
                tab(contents, sessions).build()
        words(
            f"<footer>mifid {escape(__version__)}. Pictures stay on the machine that serves this "
            "page, and are removed when you close it. Decoder of scores: "
            f"{escape(decoder_version())}.</footer>"
        )
        page.unload(_Closing(contents, sessions).close)
    page.queue(max_size=contents.limits.waiting, default_concurrency_limit=4, api_open=False)
    return page


class _Closing(Tab):
    """No tab, but what happens when the page is closed."""

    def close(self, request: gr.Request) -> None:
        """Remove the files of a visitor."""
        self.sessions.close(request.session_hash)
