"""Kaggle: a bundle of data set and notebook for the competition, and its submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.kaggle.bundle import Bundle as Bundle
    from mifid.kaggle.bundle import open_bundle as open_bundle
    from mifid.kaggle.packing import pack as pack
    from mifid.kaggle.packing import pack_training as pack_training
    from mifid.kaggle.submitting import Commands as Commands
    from mifid.kaggle.submitting import commands as commands
    from mifid.kaggle.submitting import submit as submit
    from mifid.kaggle.wheels import write_own_wheel as write_own_wheel

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "bundle": ["Bundle", "open_bundle"],
        "packing": ["pack", "pack_training"],
        "submitting": ["Commands", "commands", "submit"],
        "wheels": ["write_own_wheel"],
    },
)
