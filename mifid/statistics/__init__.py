"""Features, their mean and covariance, and the files that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.statistics.feature_store import FeatureStore as FeatureStore
    from mifid.statistics.feature_store import Part as Part
    from mifid.statistics.feature_store import Shard as Shard
    from mifid.statistics.feature_store import check_fit as check_fit
    from mifid.statistics.features import FeatureMatrix as FeatureMatrix
    from mifid.statistics.features import Features as Features
    from mifid.statistics.features import check_finite as check_finite
    from mifid.statistics.formats import holds_statistics as holds_statistics
    from mifid.statistics.formats import parts_in as parts_in
    from mifid.statistics.formats import read as read
    from mifid.statistics.formats import write as write
    from mifid.statistics.provenance import UNKNOWN as UNKNOWN
    from mifid.statistics.provenance import Provenance as Provenance
    from mifid.statistics.provenance import protocol as protocol
    from mifid.statistics.statistics import Computed as Computed
    from mifid.statistics.statistics import Statistics as Statistics

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "feature_store": ["FeatureStore", "Part", "Shard", "check_fit"],
        "features": ["FeatureMatrix", "Features", "check_finite"],
        "formats": ["holds_statistics", "parts_in", "read", "write"],
        "provenance": ["UNKNOWN", "Provenance", "protocol"],
        "statistics": ["Computed", "Statistics"],
    },
)
