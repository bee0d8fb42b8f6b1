"""Reference files: features and statistics of real pictures, computed once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mifid.extractors import EXACT, Extractor
from mifid.files import check_output
from mifid.images import ValueRange
from mifid.pipeline.pipeline import features
from mifid.progress import Progress
from mifid.statistics import Features
from mifid.uncertainty import SEED

__all__ = ["build_reference", "reference_file"]


def build_reference(
    images: Any,
    out: str | os.PathLike[str],
    *,
    extractor: str | Callable[..., Any] | Extractor = "inception",
    weights: str | Path | None = None,
    backend: str = "auto",
    precision: str = EXACT,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    value_range: ValueRange | None = None,
    limit: int | None = None,
    seed: int = SEED,
    cache: bool = True,
    progress: Progress | bool | None = None,
) -> Features:
    """Compute a reference and write it as .npz: mu, sigma, features, names, n, provenance.

    ``mu`` and ``sigma`` are float64 with ddof 1 under the names that pytorch-fid and clean-fid
    read; ``features`` makes MiFID possible. Arguments are those of :func:`mifid.features`.

    Raises:
        OutputError: ``out`` cannot be written, or has an ending that is not ``.npz`` (none: it is
            added); found out before any picture is read.
        MifidError: as :func:`mifid.features`.
    """
    target = reference_file(out)
    computed = features(
        images,
        extractor=extractor,
        weights=weights,
        backend=backend,
        precision=precision,
        device=device,
        batch_size=batch_size,
        workers=workers,
        skip_bad=skip_bad,
        value_range=value_range,
        limit=limit,
        seed=seed,
        cache=cache,
        progress=progress,
    )
    computed.save(target)
    return computed


def reference_file(out: str | os.PathLike[str]) -> Path:
    """Return the file that :func:`build_reference` writes: ``out``, with .npz if it has no ending.

    Raises:
        OutputError: another ending, or a place that cannot be written.
    """
    file = Path(out)
    if file.name and not file.suffix:
        file = file.with_name(f"{file.name}.npz")
    return check_output(file, (".npz",))
