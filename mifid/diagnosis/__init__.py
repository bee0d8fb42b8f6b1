"""How far the number depends on resizes and encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.diagnosis.diagnosing import diagnose as diagnose
    from mifid.diagnosis.diagnosis import HEADINGS as HEADINGS
    from mifid.diagnosis.diagnosis import Diagnosis as Diagnosis
    from mifid.diagnosis.plot import check_output as check_output
    from mifid.diagnosis.plot import save_diagnosis as save_diagnosis

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "diagnosing": ["diagnose"],
        "diagnosis": ["HEADINGS", "Diagnosis"],
        "plot": ["check_output", "save_diagnosis"],
    },
)
