"""Provenance of features: extractor, weights, resize, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mifid.errors import InputError, first_line
from mifid.machine import __version__

__all__ = ["UNKNOWN", "Provenance", "protocol"]

UNKNOWN = "unknown"
_AGAIN = "Make the file again: mifid reference build."


@dataclass(frozen=True)
class Provenance:
    """With what features were computed.

    ``fingerprint`` identifies the network, its weights and the resize: features with different
    fingerprints must never be compared. The rest is for the report. ``not_comparable`` says why
    scores are not comparable with Kaggle's; None if they are.
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
        """Read what :meth:`to_json` wrote; ignore fields of later versions.

        Raises:
            InputError: anything else, such as a field of another type.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"its provenance is not valid JSON: {first_line(error)}", hint=_AGAIN
            ) from error
        if not isinstance(found, dict):
            raise InputError(
                f"its provenance is a {type(found).__name__}; expected a JSON object", hint=_AGAIN
            )
        known = {f.name for f in fields(cls)}
        kept = {key: value for key, value in found.items() if key in known}
        for key, value in kept.items():
            if not _fits(key, value):
                raise InputError(
                    f"its provenance has a {type(value).__name__} as {key}", hint=_AGAIN
                )
        return cls(**kept)


def _fits(key: str, value: object) -> bool:
    if key == "versions":
        return isinstance(value, dict) and all(type(version) is str for version in value.values())
    if value is None:
        return key in ("fingerprint", "not_comparable", "weights_sha256", "batch_size")
    return type(value) is (int if key == "batch_size" else str)


def protocol(provenance: Provenance) -> dict[str, Any]:
    """Return everything that the numbers depend on in addition to the pictures."""
    return {
        "version": __version__,
        "extractor": provenance.extractor,
        "fingerprint": provenance.fingerprint,
        "weights_sha256": provenance.weights_sha256,
        "resize": provenance.resize,
        "decoder": provenance.decoder,
        "ddof": 1,
        "dtype": provenance.dtype,
        "device": provenance.device,
        "backend": provenance.backend,
        "batch_size": provenance.batch_size,
        "versions": dict(provenance.versions),
    }
