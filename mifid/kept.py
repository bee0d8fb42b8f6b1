"""Uncertainty and bias, kept on disk: seconds of work that the same features never need twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mifid.cache import Cache, make_key
from mifid.statistics.features import Features

__all__ = ["kept"]


def kept(
    cache: Cache | None,
    what: str,
    compute: Callable[[], Mapping[str, Any]],
    *,
    sides: Mapping[str, Features | None],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return plain values from the cache, or compute and keep them.

    Args:
        cache: None: nothing is kept.
        what: names the computation and its version: ``"uncertainty 1"``.
        compute: gives a dict that JSON can hold.
        sides: all features that it depends on, by role.
        settings: everything else that it depends on.
    """
    if cache is None:
        return dict(compute())
    key = make_key(
        f"mifid kept 2 {what}",
        json.dumps(settings, sort_keys=True),
        *(f"{role} {_digest(side)}" for role, side in sorted(sides.items())),
    )
    entry = cache.load(key)
    if entry is not None:
        found: dict[str, Any] = json.loads(str(entry["json"]))
        return found
    computed = dict(compute())
    # Floats survive JSON to the last bit: Python writes the shortest text that reads back equal.
    cache.store(key, {"json": np.array(json.dumps(computed))})
    return computed


def _digest(side: Features | None) -> str:
    if side is None:
        return "none"
    return f"{side.values.shape} {side.sha256}"
