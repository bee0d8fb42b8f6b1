"""A line of metrics.jsonl and metrics.csv: what it may hold, how it is written and read."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mifid.errors import InputError
from mifid.registry import suggest

__all__ = [
    "COLUMNS",
    "JSON_NAME",
    "LOSSES",
    "Value",
    "csv_header",
    "csv_lines",
    "json_line",
    "metric_row",
    "read_metrics",
]

Value = float | int | str
"""What a line holds under a name. ``bool`` is an ``int``."""

JSON_NAME = "metrics.jsonl"

LOSSES = (
    "generator_adversarial_painting",
    "generator_adversarial_photo",
    "cycle_painting",
    "cycle_photo",
    "identity_painting",
    "identity_photo",
    "discriminator_painting",
    "discriminator_photo",
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "train": ("step", "epoch", "fraction", "seconds", "images_per_second", "rate", *LOSSES),
    "score": (
        "step",
        "fraction",
        "seconds",
        "weights",
        "mifid",
        "fid",
        "memorization_distance",
        "best",
        "photos",
    ),
}
"""What a line of each kind may hold, beside ``kind``. All but ``step`` may be absent."""

# Each name once, in the order of first mention: one header that holds for both kinds.
_CSV_COLUMNS = ("kind", *dict.fromkeys(name for names in COLUMNS.values() for name in names))

_STEPS = 2**53  # whole numbers below it are exact as floats too

# JSON has no such numbers; these strings are read by Python's float() and JavaScript's Number().
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run, oldest first, each with ``kind``; none if there is no file.

    A run may be writing at the same time: a last line that is not whole is passed over.

    Raises:
        InputError: metrics.jsonl cannot be read, or is damaged elsewhere than in its last line.
    """
    path = folder / JSON_NAME
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", hint="May you read it?"
        ) from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    rows = []
    for number, line in numbered:
        row = _parsed(line)
        if row is not None:
            rows.append(row)
        elif number != numbered[-1][0]:  # the last may have been cut off by a kill
            raise InputError(
                f"line {number} of {path} is damaged: expected a JSON object with a 'kind', a "
                f"whole 'step' and numbers, got {line[:40]!r}",
                hint="Remove that line to go on without it; other programs must not write there.",
            )
    return rows


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: no JSON, or no UTF-8
        return None
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        return None
    read: dict[str, Any] = {
        name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value
        for name, value in row.items()
    }
    whole = type(read.get("step")) is int and 0 <= read["step"] < _STEPS
    return read if whole and all(_fits(name, value) for name, value in read.items()) else None


def _fits(name: str, value: object) -> bool:
    """Say whether a column may hold this; columns of later versions may hold any plain value."""
    if name in ("kind", "weights"):
        return isinstance(value, str)
    if not any(name in names for names in COLUMNS.values()):
        return isinstance(value, Value)
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _STEPS)


def metric_row(kind: str, values: Mapping[str, Value | None]) -> dict[str, Value]:
    """Return the values in the columns' order, with the kind in front; None is left out.

    Raises:
        InputError: an unknown kind or column, no ``step``, or a value that is no plain one.
    """
    if kind not in COLUMNS:
        raise InputError(f"unknown kind of line '{kind}'", hint=suggest(kind, COLUMNS))
    names = COLUMNS[kind]
    for name in values:
        if name not in names:
            raise InputError(
                f"a '{kind}' line has no column '{name}'", hint=suggest(name, list(names))
            )
    if type(values.get("step")) is not int:
        raise InputError(
            f"a '{kind}' line needs a whole 'step', got {values.get('step')!r}",
            hint="Give the number of steps that are done.",
        )
    given = ((name, values.get(name)) for name in names)
    return {
        "kind": kind,
        **{name: _plain(name, value) for name, value in given if value is not None},
    }


def _plain(name: str, value: object) -> Value:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):  # NumPy's numbers too, whose repr() is no number
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise InputError(
        f"column '{name}' takes a number or a text, got {type(value).__name__}",
        hint="Read tensors first, all of them at once: tensor.tolist().",
    )


def json_line(row: Mapping[str, Value]) -> bytes:
    """Return a row as a line of metrics.jsonl: strict JSON, NaN and infinities as strings."""
    valid = {name: _json_value(value) for name, value in row.items()}
    return json.dumps(valid, allow_nan=False).encode() + b"\n"


def _json_value(value: Value) -> Value:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def csv_header() -> bytes:
    """Return the first line of metrics.csv."""
    return csv_lines([dict(zip(_CSV_COLUMNS, _CSV_COLUMNS, strict=True))])


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as lines of metrics.csv; what a row does not have is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")  # half a surrogate is no UTF-8
