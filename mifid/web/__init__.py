"""A page for people: paint photos, judge submissions, guess which painting is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.web.limits import Limits as Limits
    from mifid.web.serving import serve as serve
    from mifid.web.study import FoolingRate as FoolingRate
    from mifid.web.study import fooling_rates as fooling_rates

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "limits": ["Limits"],
        "serving": ["serve"],
        "study": ["FoolingRate", "fooling_rates"],
    },
)
