"""What of a report the page of a score tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mifid.evidence.evidence import Evidence
from mifid.metrics.base import Measured
from mifid.side import Side
from mifid.submission.checking import Check
from mifid.uncertainty.bias import Bias
from mifid.uncertainty.intervals import Uncertainty

__all__ = ["Scored"]


class Scored(Protocol):
    """What of a :class:`mifid.Report` the page tells."""

    @property
    def fid(self) -> float | None: ...  # noqa: D102 - the report's own
    @property
    def mifid(self) -> float | None: ...  # noqa: D102
    @property
    def mifid_reason(self) -> str | None: ...  # noqa: D102
    @property
    def memorization_distance(self) -> float | None: ...  # noqa: D102
    @property
    def epsilon(self) -> float: ...  # noqa: D102
    @property
    def penalized(self) -> bool: ...  # noqa: D102
    @property
    def inputs(self) -> Mapping[str, Side]: ...  # noqa: D102
    @property
    def protocol(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def not_comparable(self) -> str | None: ...  # noqa: D102
    @property
    def uncertainty(self) -> Uncertainty | None: ...  # noqa: D102
    @property
    def uncertainty_reason(self) -> str | None: ...  # noqa: D102
    @property
    def bias(self) -> Bias | None: ...  # noqa: D102
    @property
    def bias_reason(self) -> str | None: ...  # noqa: D102
    @property
    def metrics(self) -> Mapping[str, Measured]: ...  # noqa: D102
    @property
    def warnings(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def check(self) -> Check | None: ...  # noqa: D102
    @property
    def evidence(self) -> Evidence | None: ...  # noqa: D102
