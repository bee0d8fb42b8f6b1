"""Scorer of a run: many scores with one extractor against the same paintings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifid.errors import MifidWarning
from mifid.evaluation import OF_NUMBERS
from mifid.extractors import threshold
from mifid.images import Pixels, Stream
from mifid.pipeline import Keywords, Options, features
from mifid.report import Report
from mifid.scoring import score

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ReferenceScorer"]


class ReferenceScorer:
    """A scorer with one extractor and one reference.

    Args:
        paintings: the training paintings; memorization is measured against these.
        held_out: paintings that are not trained on, the reference of FID; None: ``paintings``.
        epsilon: as for :func:`mifid.score`.
        keywords: as of :class:`mifid.pipeline.Options`.
    """

    def __init__(
        self,
        paintings: str | Path,
        *,
        held_out: str | Path | None = None,
        epsilon: float | None = None,
        **keywords: Unpack[Keywords],
    ) -> None:
        self._epsilon = epsilon
        self._extractor = Options.of(ReferenceScorer, keywords).network
        self._keywords: Keywords = {**keywords, "extractor": self._extractor}
        self._given = (paintings, held_out)
        # Computed once, for dozens of scores.
        self._features = tuple(
            None if given is None else features(given, **self._keywords) for given in self._given
        )

    @property
    def name(self) -> str:
        """What must be equal for two scores to be comparable."""
        identity = self._extractor.identity
        # All of it: its beginning is the network's name, its end the hash of the weights.
        fingerprint = identity.fingerprint or "unknown"
        epsilon = threshold(identity.name, self._epsilon)
        shown = "none" if epsilon is None else f"{epsilon:g}"
        return f"{identity.name} ({fingerprint}), epsilon {shown}"

    def __call__(self, pictures: Iterable[Pixels]) -> dict[str, float | None]:
        """Score batches (B, H, W, 3) uint8, without warnings of their number.

        These scores are for a choice among snapshots alone.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", OF_NUMBERS, MifidWarning)
            keywords: Keywords = {**self._keywords, "progress": False}
            report = self._score(Stream(pictures), self._features, keywords)
        return {
            "mifid": report.mifid,
            "fid": report.fid,
            "memorization_distance": report.memorization_distance,
        }

    def report(self, images: str | Path) -> Report:
        """Return the report of an archive, with all that the score depends on."""
        return self._score(images, self._given, self._keywords)

    def _score(self, images: Any, sides: tuple[Any, ...], keywords: Keywords) -> Report:
        paintings, held_out = sides
        return score(
            images,
            paintings if held_out is None else held_out,
            memorization_reference=None if held_out is None else paintings,
            epsilon=self._epsilon,
            ci=0,
            **keywords,
        )
