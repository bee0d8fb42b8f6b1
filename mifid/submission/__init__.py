"""images.zip: written whole, and checked as Kaggle would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.submission.writer import Rules as Rules
    from mifid.submission.writer import write_submission as write_submission

__getattr__, __dir__ = lazy_names(__name__, {"Rules": "writer", "write_submission": "writer"})
