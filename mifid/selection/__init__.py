"""Which pictures to train on: lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.selection.picture_lists import check_list_output as check_list_output
    from mifid.selection.picture_lists import indices_listed as indices_listed
    from mifid.selection.picture_lists import write_list as write_list

__getattr__, __dir__ = lazy_names(
    __name__,
    {"picture_lists": ["check_list_output", "indices_listed", "write_list"]},
)
