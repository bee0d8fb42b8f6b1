"""Warnings of a call: each once, and in everything that its result is shown as."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mifid
from mifid.errors import MifidWarning, recorded_warnings, warn
from mifid.formatting import terminal_safe


def colours(batch: Any) -> Any:
    return batch.float().mean(dim=(2, 3))


def test_a_call_records_each_text_once_and_so_does_the_call_around_it():
    with warnings.catch_warnings(record=True) as met, recorded_warnings() as outer:
        warnings.simplefilter("always")
        warn("a")
        with recorded_warnings() as inner:
            warn("b")
            warn("b")
            warn("a")
    assert inner == ["b", "a"]
    assert outer == ["a", "b"]
    assert [str(one.message) for one in met] == ["a", "b"]
    assert all(one.category is MifidWarning for one in met)


def test_a_warning_outside_any_call_is_only_issued():
    with pytest.warns(MifidWarning, match="alone"):
        warn("alone")


@pytest.fixture
def same(random: np.random.RandomState) -> Any:
    pictures = random.randint(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    with pytest.warns(MifidWarning, match="are the same"):
        return mifid.score(pictures, pictures, extractor=colours, cache=False)


def test_score_shows_its_warnings_in_text_json_csv_notebook_and_page(same: Any, tmp_path: Path):
    (text,) = [warning for warning in same.warnings if "are the same" in warning]
    assert f"Warning: {text}" in same.text()
    assert text in json.loads(same.to_json())["warnings"]
    assert text in same._repr_html_()
    same.save(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert text in json.loads(row["warnings"])
    same.save(tmp_path / "page.html")
    assert text in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_commands_a_terminal_is_spelled_out():
    assert terminal_safe("a\x1b]0;t\x07\u202eb\nc") == "a\\x1b]0;t\\x07\\u202eb\nc"
