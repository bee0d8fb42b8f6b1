"""The result of a score, as text, JSON, CSV and page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.report.class_scores import ClassScore as ClassScore
    from mifid.report.class_scores import ClassScores as ClassScores
    from mifid.report.report import Report as Report
    from mifid.report.report import check_output as check_output
    from mifid.report.text import command_line as command_line

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "class_scores": ["ClassScore", "ClassScores"],
        "report": ["Report", "check_output"],
        "text": ["command_line"],
    },
)
