"""Features, their mean and covariance, and the files that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.statistics.statistics import Statistics as Statistics

__getattr__, __dir__ = lazy_names(__name__, {"Statistics": "statistics"})
