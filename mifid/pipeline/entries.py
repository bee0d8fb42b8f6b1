"""Features or statistics of a set of pictures as a cache entry, whatever these are called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import make_key
from mifid.images import Source
from mifid.images.inspection import Inspection
from mifid.statistics.features import Features
from mifid.statistics.provenance import Provenance
from mifid.statistics.statistics import Statistics

__all__ = [
    "Digests",
    "content_hash",
    "digests_from_entry",
    "digests_to_entry",
    "from_entry",
    "inspection_from_entry",
    "statistics_from_entry",
    "statistics_to_entry",
    "to_entry",
]

Digests = list[bytes | None]
"""SHA-256 of each picture of a source, None where it could not be read."""


def content_hash(found: Digests) -> str:
    """Hash a set of pictures by their contents, whatever their names and order."""
    return make_key(*sorted(digest or b"unreadable" for digest in found))


def digests_to_entry(found: Digests) -> dict[str, npt.NDArray[Any]]:
    """Keep the digests of an archive's pictures, in the order of its names."""
    rows = b"".join(digest or bytes(32) for digest in found)
    readable = np.array([digest is not None for digest in found])
    return {"digests": np.frombuffer(rows, np.uint8).reshape(-1, 32), "readable": readable}


def digests_from_entry(entry: dict[str, npt.NDArray[Any]]) -> Digests:
    """Return the digests of an archive's pictures."""
    rows, readable = entry["digests"], entry["readable"]
    return [row.tobytes() if good else None for row, good in zip(rows, readable, strict=True)]


def to_entry(
    computed: Features, found: Digests, bad: list[tuple[int, str]], inspection: Inspection
) -> dict[str, npt.NDArray[Any]]:
    """Keep features in the order of contents, so that they fit the same pictures renamed."""
    rank = _by_content(found, {index for index, _ in bad})
    rows = np.array(
        [[_hex(found[i]), computed.bad[row][0], why] for row, (i, why) in enumerate(bad)]
    )
    return {
        "features": computed.values[rank],
        "bad": rows.astype(np.str_).reshape(-1, 3),
        "converted": np.array(json.dumps(dict(computed.converted))),
        "inspection": np.array(inspection.to_json()),
        "provenance": np.array(computed.provenance.to_json()),
    }


def from_entry(entry: dict[str, npt.NDArray[Any]], source: Source, found: Digests) -> Features:
    """Give an entry's features the names and order that the pictures have in this source."""
    reasons = {str(digest): (str(name), str(reason)) for digest, name, reason in entry["bad"]}
    bad = {index for index, digest in enumerate(found) if _hex(digest) in reasons}
    values = np.empty_like(entry["features"])
    values[_by_content(found, bad)] = entry["features"]
    return Features(
        values=values,
        names=tuple(name for index, name in enumerate(source.names) if index not in bad),
        provenance=Provenance.from_json(str(entry["provenance"])),
        converted=json.loads(str(entry["converted"])),
        bad=tuple(
            # The reason names the picture as it was called when it was found bad.
            (source.names[i], reason.replace(f"'{name}'", f"'{source.names[i]}'"))
            for i in sorted(bad)
            for name, reason in [reasons[_hex(found[i])]]
        ),
    )


def statistics_to_entry(
    statistics: Statistics, converted: Mapping[str, int], inspection: Inspection
) -> dict[str, npt.NDArray[Any]]:
    """Keep statistics, how many of their pictures were not RGB, and what these look like."""
    return {
        "mu": statistics.mu,
        "sigma": statistics.sigma,
        "n": np.array(statistics.n),
        "converted": np.array(json.dumps(dict(converted))),
        "inspection": np.array(inspection.to_json()),
        "provenance": np.array(statistics.provenance.to_json()),
    }


def statistics_from_entry(
    entry: dict[str, npt.NDArray[Any]],
) -> tuple[Statistics, Mapping[str, int]]:
    """Return what :func:`statistics_to_entry` kept."""
    statistics = Statistics.from_moments(
        mu=entry["mu"],
        sigma=entry["sigma"],
        n=int(entry["n"]),
        provenance=Provenance.from_json(str(entry["provenance"])),
    )
    return statistics, json.loads(str(entry["converted"]))


def inspection_from_entry(entry: dict[str, npt.NDArray[Any]]) -> Inspection:
    """Return what the pictures of an entry of features or statistics look like."""
    return Inspection.from_json(str(entry["inspection"]))


def _by_content(found: Digests, bad: set[int]) -> list[int]:
    """Rows of the good pictures, sorted by content."""
    good = [digest for index, digest in enumerate(found) if index not in bad]
    return sorted(range(len(good)), key=lambda row: good[row] or b"")


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else "unreadable"
