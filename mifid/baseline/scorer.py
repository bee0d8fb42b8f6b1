"""Scorer of a run: many scores with one extractor against the same paintings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mifid.errors import MifidWarning
from mifid.evaluation import OF_NUMBERS
from mifid.extractors import Extractor, open_extractor
from mifid.images import Pixels, Stream
from mifid.metrics import EPSILON
from mifid.pipeline import features
from mifid.progress import Progress, choose
from mifid.report import Report
from mifid.scoring import score

__all__ = ["ReferenceScorer"]


class ReferenceScorer:
    """A scorer with one extractor and one reference.

    Args:
        paintings: the training paintings; memorization is measured against these.
        held_out: paintings that are not trained on, the reference of FID; None: ``paintings``.
        epsilon, extractor, weights, backend, device, workers, skip_bad: as for :func:`mifid.score`.
    """

    def __init__(
        self,
        paintings: str | Path,
        *,
        held_out: str | Path | None = None,
        epsilon: float = EPSILON,
        extractor: str | Callable[..., Any] | Extractor = "inception",
        weights: str | Path | None = None,
        backend: str = "auto",
        device: str = "auto",
        workers: int | None = None,
        skip_bad: bool = False,
        progress: Progress | bool | None = None,
    ) -> None:
        self._skip_bad = skip_bad
        self._epsilon, self._device, self._workers = epsilon, device, workers
        self._progress = choose(progress)
        self._extractor = open_extractor(
            extractor, weights=weights, backend=backend, progress=self._progress
        )
        self._given = (paintings, held_out)
        # Computed once, for dozens of scores.
        self._features = tuple(
            None
            if given is None
            else features(
                given,
                extractor=self._extractor,
                device=device,
                workers=workers,
                skip_bad=skip_bad,
                progress=self._progress,
            )
            for given in self._given
        )

    @property
    def name(self) -> str:
        """What must be equal for two scores to be comparable."""
        identity = self._extractor.identity
        fingerprint = (identity.fingerprint or "unknown")[:12]
        return f"{identity.name} {fingerprint}, epsilon {self._epsilon:g}"

    def __call__(self, pictures: Iterable[Pixels]) -> dict[str, float | None]:
        """Score batches (B, H, W, 3) uint8, without warnings of their number.

        These scores are for a choice among snapshots alone.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", OF_NUMBERS, MifidWarning)
            report = self._score(Stream(pictures), self._features, progress=False)
        return {
            "mifid": report.mifid,
            "fid": report.fid,
            "memorization_distance": report.memorization_distance,
        }

    def report(self, images: str | Path) -> Report:
        """Return the report of an archive, with all that the score depends on."""
        return self._score(images, self._given, progress=self._progress)

    def _score(self, images: Any, sides: tuple[Any, ...], *, progress: Progress | bool) -> Report:
        paintings, held_out = sides
        return score(
            images,
            paintings if held_out is None else held_out,
            memorization_reference=None if held_out is None else paintings,
            epsilon=self._epsilon,
            ci=0,
            extractor=self._extractor,
            device=self._device,
            workers=self._workers,
            skip_bad=self._skip_bad,
            progress=progress,
        )
