"""Generators of other programs: their files, and their weights under the names of our networks.

To add a layout: one new file that has ``recognise(weights) -> Recognised | None``, and one line in
the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import Registry, lazy_names

if TYPE_CHECKING:
    from mifid.baseline.foreign.layout import Recognised as Recognised
    from mifid.baseline.foreign.recognition import recognise as recognise
    from mifid.baseline.foreign.torch_file import is_torch_file as is_torch_file
    from mifid.baseline.foreign.torch_file import read_torch_file as read_torch_file

__all__ = ["LAYOUTS", "Recognised", "is_torch_file", "read_torch_file", "recognise"]

LAYOUTS = Registry(
    "layout",
    {
        "cyclegan-resnet": "mifid.baseline.foreign.cyclegan_resnet:recognise",
        "cyclegan-unet": "mifid.baseline.foreign.cyclegan_unet:recognise",
        "ugatit": "mifid.baseline.foreign.ugatit_resnet:recognise",
    },
)
"""Layouts of the weights of generators, in the order in which they are tried."""

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "layout": ["Recognised"],
        "recognition": ["recognise"],
        "torch_file": ["is_torch_file", "read_torch_file"],
    },
)
