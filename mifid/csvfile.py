"""A CSV file of scores, a line a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifid.errors import OutputError

__all__ = ["COLUMNS", "appended", "check_columns", "refuse_history"]

COLUMNS = (
    "fid",
    "fid_low",
    "fid_high",
    "memorization_distance",
    "memorization_distance_thresholded",
    "epsilon",
    "mifid",
    "mifid_low",
    "mifid_high",
    "mifid_reason",
    "n_generated",
    "n_reference",
    "comparable_with_kaggle",
    "not_comparable_reason",
    "generated",
    "reference",
    "extractor",
    "metrics",
    "warnings",
)

_TELLTALE = frozenset({"mifid_reason", "generated", "reference"})
"""Columns that no other table of ours has, and that every version of this one had."""


def appended(file: Path, row: Mapping[str, Any]) -> str:
    """Return the file's text with one more line, and a heading if there was none.

    Raises:
        OutputError: the file has other columns, or is no text.
    """
    before = check_columns(file)
    lines = io.StringIO()
    writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
    if not before:
        writer.writeheader()
    writer.writerow({column: row[column] for column in COLUMNS})
    gap = "" if not before or before.endswith("\n") else "\n"
    return before + gap + lines.getvalue()


def check_columns(file: Path) -> str:
    """Return the text of a CSV file that can be appended to; empty if there is none.

    Raises:
        OutputError: the file has other columns, or is no text.
    """
    try:
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(
            f"cannot append to {file}: {error}", hint="Give another file name."
        ) from error
    if before and next(csv.reader([before.splitlines()[0]]), []) != list(COLUMNS):
        raise OutputError(
            f"cannot append to {file}: its columns are not this version's",
            hint="Give another file name.",
        )
    return before


def refuse_history(file: Path) -> None:
    """Keep a file of scores from being written anew: its lines are of many runs.

    Raises:
        OutputError: the file is one.
    """
    if file.suffix.lower() != ".csv" or not file.is_file():
        return
    # utf-8-sig: spreadsheets put a mark before the heading. What is no text is no history.
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        heading = next(csv.reader([lines.readline()]), [])
    if set(heading) >= _TELLTALE:
        raise OutputError(
            f"cannot write {file} anew: it is a history of scores, as mifid score -o appends to",
            hint="Give another file name.",
        )
