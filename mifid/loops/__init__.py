"""Scores of a generator within training loops of other libraries, and what their loggers show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.loops.hugging_face import HuggingFaceMonitor as HuggingFaceMonitor
    from mifid.loops.lightning_monitor import LightningMonitor as LightningMonitor
    from mifid.loops.monitor import Monitor as Monitor

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "hugging_face": ["HuggingFaceMonitor"],
        "lightning_monitor": ["LightningMonitor"],
        "monitor": ["Monitor"],
    },
)
