"""The settings of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.config.file import absolute as absolute
    from mifid.baseline.config.file import read_run_file as read_run_file
    from mifid.baseline.config.file import write_run_file as write_run_file
    from mifid.baseline.config.schema import Augment as Augment
    from mifid.baseline.config.schema import Checkpoint as Checkpoint
    from mifid.baseline.config.schema import Config as Config
    from mifid.baseline.config.schema import Data as Data
    from mifid.baseline.config.schema import DiffAugment as DiffAugment
    from mifid.baseline.config.schema import Discriminator as Discriminator
    from mifid.baseline.config.schema import Generator as Generator
    from mifid.baseline.config.schema import Inpainting as Inpainting
    from mifid.baseline.config.schema import Inputs as Inputs
    from mifid.baseline.config.schema import Loss as Loss
    from mifid.baseline.config.schema import Optimiser as Optimiser
    from mifid.baseline.config.schema import Schedule as Schedule
    from mifid.baseline.config.settings import Setting as Setting
    from mifid.baseline.config.settings import as_dict as as_dict
    from mifid.baseline.config.settings import assigned as assigned
    from mifid.baseline.config.settings import changed as changed
    from mifid.baseline.config.settings import describe as describe
    from mifid.baseline.config.settings import differences as differences
    from mifid.baseline.config.settings import format_duration as format_duration
    from mifid.baseline.config.settings import from_dict as from_dict
    from mifid.baseline.config.settings import override as override
    from mifid.baseline.config.settings import parse_duration as parse_duration
    from mifid.baseline.config.settings import setting_named as setting_named
    from mifid.baseline.config.settings import shown as shown
    from mifid.baseline.config.settings import titled as titled

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "file": ["absolute", "read_run_file", "write_run_file"],
        "schema": [
            "Augment",
            "Checkpoint",
            "Config",
            "Data",
            "DiffAugment",
            "Discriminator",
            "Generator",
            "Inpainting",
            "Inputs",
            "Loss",
            "Optimiser",
            "Schedule",
        ],
        "settings": [
            "Setting",
            "as_dict",
            "assigned",
            "changed",
            "describe",
            "differences",
            "format_duration",
            "from_dict",
            "override",
            "parse_duration",
            "setting_named",
            "shown",
            "titled",
        ],
    },
)
