"""What the tabs of the page share: what is offered, errors in words, the time of a task."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import escape

from mifid.errors import MifidError
from mifid.web.limits import Limits, TimedProgress
from mifid.web.painters import OpenPainter
from mifid.web.quiz import Pool
from mifid.web.sessions import Session, Sessions
from mifid.web.study import Study

__all__ = ["NETWORK", "PROGRESS", "Contents", "Tab", "words"]

NETWORK: Mapping[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
"""Tasks that run a network wait for each other: two at a time take as long, and more memory."""

PROGRESS = gr.Progress()
"""As the default of an argument, gradio gives the progress of the call there."""


@dataclass(frozen=True)
class Contents:
    """What the page offers.

    Attributes:
        painters: by name.
        references: name -> real pictures to score against; none: submissions are only checked.
        pool: pictures of the quiz; None: there is no quiz.
        study: where answers are kept.
        is_kept: whether it is a file, so that visitors are told.
        limits: of a visitor.
        options: fields of :class:`mifid.pipeline.Options`, for scores.
    """

    painters: Mapping[str, OpenPainter]
    references: Mapping[str, Any]
    pool: Pool | None
    study: Study
    is_kept: bool
    limits: Limits
    options: Mapping[str, Any]


class Tab:
    """A tab of the page. gradio calls its methods: they say by their types what they are given."""

    def __init__(self, contents: Contents, sessions: Sessions) -> None:
        self.contents = contents
        self.sessions = sessions

    @contextmanager
    def session(self, request: gr.Request) -> Iterator[Session]:
        """Yield the visitor's session; errors in the block become messages for the visitor."""
        session = self.sessions.of(request.session_hash)
        try:
            yield session
        except MifidError as error:
            words = f"{error.message}. {error.hint}" if error.hint else error.message
            shown = str(escape(self.sessions.hide_paths(words, session)))
            raise gr.Error(shown, duration=None, print_exception=False) from error
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            said = "The server failed at this task; its terminal shows where."
            raise gr.Error(said, duration=None, print_exception=False) from error

    def timed(self, session: Session, progress: Any) -> TimedProgress:
        """Return a progress that ends a task at the limit, or when the page is closed."""
        return TimedProgress(
            self.contents.limits.seconds,
            lambda share, text: progress(share, desc=text),
            is_over=lambda: session.closed,
        )


def words(html: str, **more: Any) -> Any:
    """Return text on the page, given as HTML."""
    return gr.HTML(html, js_on_load=None, **more)
