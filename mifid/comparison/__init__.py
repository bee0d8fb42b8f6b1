"""Many submissions against one reference: which is best, and is it noise?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.comparison.comparison import Comparison as Comparison
    from mifid.comparison.standing import Standing as Standing

__getattr__, __dir__ = lazy_names(__name__, {"Comparison": "comparison", "Standing": "standing"})
