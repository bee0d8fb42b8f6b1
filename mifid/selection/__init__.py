"""Which pictures to train on: choosing them, and lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.selection.page import check_sheet_output as check_sheet_output
    from mifid.selection.picture_lists import check_list_output as check_list_output
    from mifid.selection.picture_lists import indices_listed as indices_listed
    from mifid.selection.selecting import select as select
    from mifid.selection.selection import Selection as Selection

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "page": ["check_sheet_output"],
        "picture_lists": ["check_list_output", "indices_listed"],
        "selecting": ["select"],
        "selection": ["Selection"],
    },
)
