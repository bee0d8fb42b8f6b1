"""One side of a comparison, as it was given and as reports tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mifid.errors import terminal_safe

__all__ = ["Side"]


@dataclass(frozen=True)
class Side:
    """One side of the comparison, as it was given.

    Attributes:
        source: what was given, in words.
        n: number of pictures, None if a statistics file does not say.
        available: pictures there were, of which a limit took n; None: all were taken.
        sha256: of the contents, whatever the names; None for streams.
        cached: whether the features came from the cache.
        skipped: entries passed over, by reason.
        converted: pictures that were not RGB, by mode.
        bad: (name, reason) of pictures left out with skip_bad.
    """

    source: str
    n: int | None
    sha256: str | None = None
    cached: bool = False
    skipped: Mapping[str, int] = field(default_factory=dict)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()
    available: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what was scored, as plain values."""
        return {
            "source": self.source,
            "n": self.n,
            "available": self.available,
            "sha256": self.sha256,
            "cached": self.cached,
            "converted": dict(self.converted),
        }

    def skipped_dict(self) -> dict[str, Any]:
        """Return what was not scored, as plain values."""
        return {
            "entries": dict(self.skipped),
            "bad": [{"name": name, "reason": reason} for name, reason in self.bad],
        }

    @property
    def count(self) -> str:
        """The number of pictures as text."""
        return "unknown" if self.n is None else f"{self.n:,}"

    @property
    def remark(self) -> str:
        """What was given, and what of it was passed over or converted."""
        parts = [self.source]
        if self.available is not None:
            parts.append(f"drawn from {self.available:,}")
        if self.skipped:
            parts.append(f"skipped {_listed(self.skipped)}")
        if self.bad:
            first = self.bad[0][0]
            parts.append(f"left out {len(self.bad)} bad (first: {first})")
        if self.converted:
            parts.append(f"converted to RGB {_listed(self.converted)}")
        return terminal_safe("; ".join(parts)).replace("\n", "\\n")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
