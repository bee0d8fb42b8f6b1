"""The settings of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.config.schema import Config as Config

__getattr__, __dir__ = lazy_names(__name__, {"Config": "schema"})
