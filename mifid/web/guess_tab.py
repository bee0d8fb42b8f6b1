"""The tab that asks which painting is real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import escape

from mifid.errors import InputError
from mifid.formatting import listed
from mifid.web.quiz import ROUNDS, Quiz
from mifid.web.sessions import Session
from mifid.web.study import FoolingRate
from mifid.web.tab import Tab, words

__all__ = ["GuessTab"]

_NO_QUIZ = """
**No pictures to guess.** The quiz shows a real painting beside one that a painter made. Start the
page with both:

```sh
mifid serve --real-paintings monet_jpg/ --paintings my-monet=images.zip
mifid serve --real-paintings monet_jpg/ --painter run/ --photos photo_jpg/
```
"""


class GuessTab(Tab):
    """Shows pairs of a real and a painted picture, and keeps which one visitors take for real."""

    def build(self) -> None:
        """Add the tab's parts to the page."""
        if self.contents.pool is None:
            gr.Markdown(_NO_QUIZ)
            return
        kept = (
            "Each answer is kept for a study, with a random number instead of your name."
            if self.contents.is_kept
            else "Answers are counted, and forgotten when the page is stopped."
        )
        words(
            f"<p>Which one is the real painting? {ROUNDS} rounds; the other picture of each pair "
            f"was painted by {escape(listed(self.contents.pool.painted, 'or'))}.</p>"
            f"<p class='soft'>{kept} All pictures are cut to squares of 256 pixels and encoded "
            "alike.</p>"
        )
        state = words("", elem_id="round")
        with gr.Row(elem_id="pair"):
            sides = [self._side(name) for name in ("left", "right")]
        start = gr.Button("Start", variant="primary", elem_id="guess-start")
        result = words("", elem_id="result")
        pictures, buttons = zip(*sides, strict=True)
        asked: dict[str, Any] = {
            "outputs": [start, state, *pictures, *buttons, result],
            "api_visibility": "private",
            "show_progress": "hidden",
        }
        start.click(self.start, None, **asked)
        for button, answer in zip(buttons, (self.left, self.right), strict=True):
            button.click(answer, None, **asked)

    @staticmethod
    def _side(name: str) -> tuple[Any, Any]:
        with gr.Column(min_width=140):
            picture = gr.Image(
                label=f"The {name} one",
                show_label=False,
                interactive=False,
                visible=False,
                type="filepath",
                buttons=[],
                elem_id=f"picture-{name}",
            )
            button = gr.Button(f"The {name} one is real", visible=False, elem_id=name)
        return picture, button

    def start(self, request: gr.Request) -> tuple[Any, ...]:
        """Begin a quiz."""
        assert self.contents.pool is not None
        with self.session(request) as session:
            # Another quiz of the same page is another visit: its pictures may come again.
            number = session.kept["quizzes"] = session.kept.get("quizzes", 0) + 1
            session.kept["quiz"] = Quiz(self.contents.pool, f"{session.visitor}-{number}")
            return _asked(session, "")

    def left(self, request: gr.Request) -> tuple[Any, ...]:
        """Take the left one for real."""
        return self._answered(request, left=True)

    def right(self, request: gr.Request) -> tuple[Any, ...]:
        """Take the right one for real."""
        return self._answered(request, left=False)

    def _answered(self, request: gr.Request, *, left: bool) -> tuple[Any, ...]:
        with self.session(request) as session:
            quiz: Quiz | None = session.kept.get("quiz")
            if quiz is None or quiz.current is None:
                raise InputError("no quiz is running", hint="Press Start.")
            real = "left" if quiz.current.real_is_left else "right"
            answer = quiz.answer(left=left)
            self.contents.study.add(answer)
            verdict = "Fooled" if answer.fooled else "Right"
            said = (
                f"{verdict}: the {real} one was real, the other one was painted by "
                f"{answer.painter}."
            )
            if quiz.current is not None:
                return _asked(session, said)
            return _ended(quiz, said, self.contents.study.rates())


def _asked(session: Session, said: str) -> tuple[Any, ...]:
    quiz: Quiz = session.kept["quiz"]
    current = quiz.current
    assert current is not None
    folder = session.new_folder("guess")
    shown = []
    for side, content in (("left", current.left), ("right", current.right)):
        path = folder / f"{side}.jpg"
        path.write_bytes(content)
        shown.append(gr.Image(value=str(path), visible=True))
    text = f"<p>{escape(said)}</p><p><strong>Round {current.number} of {ROUNDS}</strong></p>"
    pressed = [gr.Button(visible=True), gr.Button(visible=True)]
    return (gr.Button(visible=False), text, *shown, *pressed, "")


def _ended(quiz: Quiz, said: str, rates: Sequence[FoolingRate]) -> tuple[Any, ...]:
    rows = "".join(
        f"<tr><td>{escape(rate.painter)}</td><td>{rate.rate:.0%}</td>"
        f"<td>{rate.low:.0%} to {rate.high:.0%}</td><td>{rate.answers:,}</td></tr>"
        for rate in rates
    )
    result = (
        f"<p><strong>You found {quiz.right} of {ROUNDS} real paintings.</strong></p>"
        "<div class='scroll'><table><thead><tr><th>painter</th><th>fooled</th>"
        "<th>95% interval</th><th>answers of all visitors</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        "<p class='soft'>50% fooled is what guessing gives: such paintings cannot be told from "
        "real ones at this size.</p>"
    )
    images = [gr.Image(value=None, visible=False) for _ in range(2)]
    buttons = [gr.Button(visible=False) for _ in range(2)]
    again = gr.Button("Start again", visible=True)
    return (again, f"<p>{escape(said)}</p>", *images, *buttons, result)
