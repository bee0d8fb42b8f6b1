"""Many submissions against one reference: which is best, and is it noise?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.comparison.comparing import compare as compare
    from mifid.comparison.comparison import Comparison as Comparison
    from mifid.comparison.comparison import Standing as Standing
    from mifid.comparison.comparison import check_output as check_output

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "comparing": ["compare"],
        "comparison": ["Comparison", "Standing", "check_output"],
    },
)
