"""Scores pictures again and again against the same paintings: what a training loop needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mifid.extractors import Extractor, open_extractor
from mifid.images import Stream
from mifid.images.source import Pixels
from mifid.pipeline import features
from mifid.progress import Progress, choose
from mifid.report import Report
from mifid.scoring import score

__all__ = ["Judge"]


class Judge:
    """One extractor and one reference.

    Args:
        paintings: what is trained on; memorization is measured against these.
        held_out: paintings that nobody trains on, the reference of FID; None: ``paintings``.
        extractor, weights, backend, device, workers: as for :func:`mifid.score`.
    """

    def __init__(
        self,
        paintings: Any,
        *,
        held_out: Any = None,
        extractor: str | Callable[..., Any] | Extractor = "inception",
        weights: str | Path | None = None,
        backend: str = "auto",
        device: str = "auto",
        workers: int | None = None,
        progress: Progress | bool | None = None,
    ) -> None:
        shown = choose(progress)
        self._device, self._workers = device, workers
        self._extractor = open_extractor(
            extractor, weights=weights, backend=backend, progress=shown
        )
        self._paintings, self._reference = (
            None
            if given is None
            else features(
                given,
                extractor=self._extractor,
                device=device,
                workers=workers,
                progress=shown,
            )
            for given in (paintings, held_out)
        )

    @property
    def name(self) -> str:
        """The extractor's name and fingerprint: scores of others cannot be compared."""
        identity = self._extractor.identity
        return f"{identity.name} {(identity.fingerprint or 'unknown')[:12]}"

    def __call__(self, pictures: Iterable[Pixels]) -> dict[str, float | None]:
        """Score batches (B, H, W, 3) uint8."""
        report = self.report(Stream(pictures))
        return {
            "mifid": report.mifid,
            "fid": report.fid,
            "memorization_distance": report.memorization_distance,
        }

    def report(self, images: Any, *, progress: Progress | bool | None = False) -> Report:
        """Score anything that holds pictures."""
        return score(
            images,
            self._reference if self._reference is not None else self._paintings,
            memorization_reference=None if self._reference is None else self._paintings,
            extractor=self._extractor,
            device=self._device,
            workers=self._workers,
            progress=progress,
        )
