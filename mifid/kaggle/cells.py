"""Notebooks for Kaggle, rendered from the template ``notebook.py.jinja``.

The template is Python with a line ``# %%`` before each cell, and ``# %% [markdown]`` before text.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

__all__ = ["notebook_json", "render_cells"]

_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def render_cells(**values: Any) -> list[tuple[str, str]]:
    """Return the cells of a notebook: (kind, source), kind ``"markdown"`` or ``"code"``.

    Args:
        values: of the template, by the names that it uses.
    """
    _, *parts = _CELL.split(_template().render(**values))
    cells = []
    for text, source in zip(parts[::2], parts[1::2], strict=True):
        if text:
            lines = [line.removeprefix("#").removeprefix(" ") for line in source.splitlines()]
            cells.append(("markdown", "\n".join(lines).strip()))
        else:
            cells.append(("code", source.strip()))
    return cells


def notebook_json(cells: list[tuple[str, str]]) -> str:
    """Return a notebook in Jupyter's format, version 4.4."""
    outputs: dict[str, Any] = {"execution_count": None, "outputs": []}
    held: list[dict[str, Any]] = [
        {
            "cell_type": kind,
            "metadata": {},
            "source": source.splitlines(keepends=True),
            **(outputs if kind == "code" else {}),
        }
        for kind, source in cells
    ]
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": held,
        "metadata": {"kernelspec": python, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["python"] = json.dumps  # of text, the same in Python
    text = files("mifid").joinpath("kaggle/notebook.py.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)
