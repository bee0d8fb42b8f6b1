"""A page for people: paint photos, judge submissions, guess which painting is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.web.gate import is_loopback as is_loopback
    from mifid.web.limits import Limits as Limits
    from mifid.web.serving import serve as serve
    from mifid.web.space import Space as Space
    from mifid.web.space import write_space as write_space
    from mifid.web.study import FoolingRate as FoolingRate
    from mifid.web.study import fooling_rates as fooling_rates

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "gate": ["is_loopback"],
        "limits": ["Limits"],
        "serving": ["serve"],
        "space": ["Space", "write_space"],
        "study": ["FoolingRate", "fooling_rates"],
    },
)
