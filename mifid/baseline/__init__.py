"""The reference trainer: photos and paintings in, a generator and its pictures out.

It imports no metric; whoever trains hands in what scores (:class:`mifid.baseline.run.loop.Scorer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.distributed import PeerError as PeerError
    from mifid.baseline.page import commands as commands
    from mifid.baseline.rules import idle as idle
    from mifid.baseline.training import train_baseline as train_baseline

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "distributed": ["PeerError"],
        "page": ["commands"],
        "rules": ["idle"],
        "training": ["train_baseline"],
    },
)
