"""Metric: the interface of a metric, and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError

__all__ = ["NOT_ASKED", "Blocks", "Measured", "Metric", "blocks_of", "require_one_width", "rows_of"]

NOT_ASKED = "not asked for"


@runtime_checkable
class Blocks(Protocol):
    """Features (N, D) of more pictures than memory holds, such as a feature store.

    It is recognized by its method, which has a name that no library of arrays uses.
    """

    def __len__(self) -> int:
        """Return N."""

    def row_blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Yield all features, B >= 1 rows (B, D) at a time, in order."""


@dataclass(frozen=True)
class Metric:
    """A metric, and its description for tables.

    Attributes:
        name: as users ask for it, ``"kid"``.
        title: in full, ``"Kernel Inception Distance"``.
        better: ``"lower"``, ``"higher"``, or a value such as ``"near 50"``.
        source: the paper, and the equation or code that is implemented.
        function: ``f(**sides, **settings) -> {value name: value}``, all arguments keyword-only.
        values: each value's name -> its meaning; the first is the headline.
        needs: which of ``"generated"``, ``"reference"``, ``"training"``, ``"held_out"`` (feature
            arrays (N, D)), ``"generated_spatial"``, ``"reference_spatial"`` (Inception's spatial
            features) and ``"logits"`` (of the generated pictures, (N, classes)) it takes.
        settings: the function's other arguments and their defaults (``{"k": 3}``), for reports.
        remark: what a reader should know, in half a sentence; may be empty.
        sees: which faults of pictures move it, as docs/meaning.md measured; empty: not measured.
        misses: which faults it does not see, or takes for better pictures.
        directions: value name -> which way is better, where it differs from ``better``.
        absent: value name -> why the function may leave it out.
        moments: whether a side may also be :class:`mifid.metrics.frechet.Moments`.
        blocks: whether the generated side may also be :class:`Blocks`, whose rows need not be held
            at once. FID and MiFID take their moments instead.
    """

    name: str
    title: str
    better: str
    source: str
    function: Callable[..., Mapping[str, float]]
    values: Mapping[str, str]
    needs: tuple[str, ...] = ("generated", "reference")
    settings: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    sees: str = ""
    misses: str = ""
    directions: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    moments: bool = False
    blocks: bool = False

    @property
    def sides(self) -> frozenset[str]:
        """Sides whose pictures it is computed from: ``"generated"``, ``"reference"``, ..."""
        sides = {need.removesuffix("_spatial") for need in self.needs}
        return frozenset("generated" if side == "logits" else side for side in sides)

    def direction(self, value: str) -> str:
        """Return which way a value is better; empty for deviations and sizes."""
        if value.endswith(("_std", "_size")):
            return ""
        return self.directions.get(value, self.better)


@dataclass(frozen=True)
class Measured:
    """A metric's result, or why there is none.

    Attributes:
        name: of the metric.
        values: value name -> float; empty if it was left out.
        settings: with which it was computed.
        omitted: why it was left out; empty if it was computed.
    """

    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    omitted: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return values and settings, or ``{"omitted": why}``."""
        if self.omitted:
            return {"omitted": self.omitted}
        return {**self.values, "settings": dict(self.settings)}


def blocks_of(features: npt.ArrayLike | Blocks) -> Iterator[npt.NDArray[Any]]:
    """Yield features block by block; an array (N, D) is one block."""
    yield from features.row_blocks() if isinstance(features, Blocks) else [np.asarray(features)]


def rows_of(features: npt.ArrayLike | Blocks, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return some rows (B, D) of features, in ascending order; of blocks, no others are held."""
    found, start = [], 0
    for block in blocks_of(features):
        first, last = np.searchsorted(rows, [start, start + len(block)])
        found.append(block[rows[first:last] - start])
        start += len(block)
    return np.concatenate(found)


def require_one_width(**widths: int) -> None:
    """Raise FeatureError unless the features of all sides have the width of the side named last."""
    *_, (against, expected) = widths.items()
    for side, width in widths.items():
        if width != expected:
            raise FeatureError(
                f"{side.replace('_', ' ')} features have width {width}, "
                f"{against.replace('_', ' ')} features {expected}",
                hint="They come from different extractors; compute them with the same one.",
            )
