"""The tab that judges submissions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from mifid.errors import InputError
from mifid.formatting import size_text
from mifid.web.judging import judge
from mifid.web.limits import check_submissions
from mifid.web.tab import NETWORK, PROGRESS, Tab, words

__all__ = ["JudgeTab"]

_NO_REFERENCE = (
    "Submissions are **only checked**. For scores, start the page with real pictures: "
    "`mifid serve --ref monets=monet_jpg/`"
)


class JudgeTab(Tab):
    """Checks submissions, scores one or compares several, and shows the report in a frame."""

    def build(self) -> None:
        """Add the tab's parts to the page."""
        limits, names = self.contents.limits, list(self.contents.references)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                archives = gr.File(
                    label="images.zip, or several to compare",
                    file_count="multiple",
                    file_types=[".zip"],
                    height=160,
                    elem_id="archives",
                )
                words(
                    f"<p class='soft'>At most {limits.submissions} zips of "
                    f"{size_text(limits.upload)} each.</p>"
                )
            with gr.Column(scale=2, min_width=300):
                if not names:
                    gr.Markdown(_NO_REFERENCE)
                reference = gr.Radio(
                    names,
                    value=names[0] if names else None,
                    label="Real pictures",
                    visible=bool(names),
                )
                start = gr.Button("Judge", variant="primary", elem_id="judge-start")
        summary = words("", elem_id="summary")
        report = words("", elem_id="report")
        download = gr.DownloadButton("Download the report", visible=False, elem_id="report-file")
        start.click(
            self.judge,
            [archives, reference],
            [summary, report, download],
            show_progress_on=[summary],
            api_visibility="private",
            **NETWORK,
        )

    def judge(
        self, archives: Any, reference: Any, request: gr.Request, progress: Any = PROGRESS
    ) -> tuple[Any, ...]:
        """Check, and score or compare."""
        limits, references = self.contents.limits, self.contents.references
        with self.session(request) as session:
            if not archives:
                raise InputError("no zip is given", hint="Drop images.zip into the field.")
            folder = session.new_folder("judge")
            taken = session.take(archives, folder, most=limits.submissions)
            check_submissions(taken, limits)
            beside = [Path(path).parent for path in references.values()]
            found = judge(
                taken,
                references[reference] if reference else None,
                reference_name=reference or "",
                folder=folder,
                progress=self.timed(session, progress),
                options=self.contents.options,
                hide=partial(self.sessions.hide_paths, session=session, further=beside),
            )
            if found.page is None:
                return found.summary, "", gr.DownloadButton(value=None, visible=False)
            frame = _framed(found.page.read_text(encoding="utf-8"))
            return found.summary, frame, gr.DownloadButton(value=str(found.page), visible=True)


def _framed(page: str) -> str:
    """Return a page in a frame without scripts, forms or an origin.

    The base lets links to parts of the page stay in the frame: without it, they would load the page
    around the frame into it (https://html.spec.whatwg.org/#fallback-base-url).
    """
    inside = page.replace("<head>", "<head><base href='about:srcdoc'>", 1)
    return Markup("<iframe sandbox title='Report' srcdoc='{}'></iframe>").format(inside)
