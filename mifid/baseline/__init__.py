"""The reference trainer: photos and paintings in, a generator and its pictures out.

The training loop imports no metric; its caller gives it a scorer
(:class:`mifid.baseline.run.snapshots.Scorer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.choosing import choose_config as choose_config
    from mifid.baseline.distributed import PeerError as PeerError
    from mifid.baseline.model_gallery import ModelGallery as ModelGallery
    from mifid.baseline.model_gallery import check_gallery_output as check_gallery_output
    from mifid.baseline.model_gallery import gallery as gallery
    from mifid.baseline.page import commands as commands
    from mifid.baseline.pretraining import pretrain as pretrain
    from mifid.baseline.rules import idle as idle
    from mifid.baseline.training import train_baseline as train_baseline

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "choosing": ["choose_config"],
        "distributed": ["PeerError"],
        "model_gallery": ["ModelGallery", "check_gallery_output", "gallery"],
        "page": ["commands"],
        "pretraining": ["pretrain"],
        "rules": ["idle"],
        "training": ["train_baseline"],
    },
)
