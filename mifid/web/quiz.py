"""The quiz "which is the real painting?": pictures, pairs, and what a visitor answered."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageOps

from mifid.errors import InputError, setting
from mifid.images import Decoded, Source, decode, evenly, open_images
from mifid.web.study import Answer

__all__ = ["ROUNDS", "Pool", "Quiz", "Round", "open_pool"]

ROUNDS = 10

_SIDE = 256
_QUALITY = 92
_MOST = 500
"""Pictures of one side."""


@dataclass(frozen=True)
class Pool:
    """Pictures to draw pairs from: name -> JPEG.

    All are cut square from the middle, 256 pixels a side and written by the same encoder without
    metadata, so that only what they show can give them away.

    Attributes:
        real: the real paintings.
        painted: painter -> its pictures.
    """

    real: Mapping[str, bytes]
    painted: Mapping[str, Mapping[str, bytes]]


def open_pool(real: Any, painted: Mapping[str, Any]) -> Pool:
    """Read the pictures of a quiz.

    Args:
        real: the real paintings, in any form that :func:`mifid.images.open_images` takes.
        painted: painter -> its pictures, in the same forms.

    Raises:
        InputError: something without pictures, or with fewer than a quiz has rounds.
        PictureError: a picture that cannot be decoded.
    """
    found = {name: _pictures(given) for name, given in painted.items()}
    originals = _pictures(real)
    for name, pictures in {setting("real"): originals, **found}.items():
        if len(pictures) < ROUNDS:
            raise InputError(
                f"{name} has {len(pictures):,} pictures; a quiz needs {ROUNDS} or more of each side"
            )
    return Pool(originals, found)


def _pictures(given: Any) -> dict[str, bytes]:
    source = open_images(given)
    if not isinstance(source, Source):
        raise InputError(f"{source.description} can be read only once; expected files")
    try:
        chosen = evenly(len(source), _MOST)
        return {source.names[index]: _encoded(source, index) for index in chosen}
    finally:
        source.close()


def _encoded(source: Source, index: int) -> bytes:
    content = source.read(index)
    decoded = content if isinstance(content, Decoded) else decode(content, source.names[index])
    image = ImageOps.fit(Image.fromarray(decoded.pixels), (_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


@dataclass(frozen=True)
class Round:
    """A pair of pictures, one of them real.

    Attributes:
        number: 1 to :data:`ROUNDS`.
        painter: of the other one.
        painting: name of the other one.
        real: name of the real one.
        real_is_left: where the real one is.
        left: JPEG.
        right: JPEG.
    """

    number: int
    painter: str
    painting: str
    real: str
    real_is_left: bool
    left: bytes
    right: bytes


@dataclass
class Quiz:
    """Ten rounds for one visitor. No picture comes twice, and painters come about equally often.

    Args:
        pool: the pictures.
        visitor: a random name.
        generator: draws pictures, painters and sides; the default cannot be foreseen.
        now: a clock in seconds.
    """

    pool: Pool
    visitor: str
    generator: random.Random = field(default_factory=random.SystemRandom)
    now: Callable[[], float] = time.monotonic
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rounds = self._drawn()
        self._shown_at = self.now()

    def _drawn(self) -> list[Round]:
        draw = self.generator
        painters = sorted(self.pool.painted)
        order: list[str] = []
        while len(order) < ROUNDS:
            order += draw.sample(painters, len(painters))
        real = draw.sample(sorted(self.pool.real), ROUNDS)
        paintings = {
            name: draw.sample(sorted(self.pool.painted[name]), ROUNDS) for name in painters
        }
        rounds = []
        for number, (painter, name) in enumerate(zip(order, real, strict=False), start=1):
            other = paintings[painter].pop()
            pair = self.pool.real[name], self.pool.painted[painter][other]
            is_left = draw.random() < 0.5
            left, right = pair if is_left else pair[::-1]
            rounds.append(Round(number, painter, other, name, is_left, left, right))
        return rounds

    @property
    def current(self) -> Round | None:
        """The round that waits for an answer; None: all were answered."""
        return self._rounds[len(self.answers)] if len(self.answers) < ROUNDS else None

    @property
    def right(self) -> int:
        """Answers that found the real picture."""
        return sum(not answer.fooled for answer in self.answers)

    def answer(self, *, left: bool) -> Answer:
        """Answer the current round: the real picture is the left or the right one.

        Raises:
            InputError: all rounds were answered.
        """
        current = self.current
        if current is None:
            raise InputError("all rounds of this quiz were answered")
        now = self.now()
        given = Answer(
            self.visitor,
            current.number,
            current.painter,
            current.painting,
            current.real,
            left is not current.real_is_left,
            now - self._shown_at,
        )
        self.answers.append(given)
        self._shown_at = now
        return given
