"""What features were computed with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

__all__ = ["UNKNOWN", "Provenance"]

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Provenance:
    """What computed the features: what the number depends on, and what it does not.

    ``fingerprint`` stands for the network, its weights and the resize: features of different
    fingerprints must never meet in one metric. The rest is told in the report.
    ``not_comparable`` says why scores are not comparable with Kaggle's; None if they are.
    """

    extractor: str = UNKNOWN
    fingerprint: str | None = None
    not_comparable: str | None = "the file does not say which extractor made it"
    weights_sha256: str | None = None
    resize: str = UNKNOWN
    decoder: str = UNKNOWN
    dtype: str = UNKNOWN
    device: str = UNKNOWN
    backend: str = UNKNOWN
    batch_size: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return a JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read what :meth:`to_json` wrote; fields of later versions are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in json.loads(text).items() if key in known})
