"""Why two scores differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.explanation.explaining import explain as explain

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "explaining": ["explain"],
    },
)
