"""Records of a run: metrics.jsonl, metrics.csv, and what trackers are given.

metrics.jsonl is the one that is read again; metrics.csv has the same lines for spreadsheets, and is
written again from it when a run goes on.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mifid.baseline.run.symptoms import Watch
from mifid.errors import InputError, warn
from mifid.files import atomic_write, cannot_write
from mifid.images import Pixels
from mifid.registry import suggest
from mifid.trackers import Trackers

__all__ = [
    "COLUMNS",
    "JSON_NAME",
    "Recorder",
    "Value",
    "columns_of",
    "csv_lines",
    "json_line",
    "metric_row",
    "read_metrics",
]

Value = float | int | str
"""A value in a line. ``bool`` is an ``int``."""

JSON_NAME = "metrics.jsonl"

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "train": ("step", "epoch", "fraction", "seconds", "images_per_second", "rate"),
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
    "precision": ("step", "precision", "device", "reason"),
    "sample": ("step", "fraction", "seconds", "weights", "difference"),
    "warning": ("step", "symptom", "text"),
}
"""Columns of a line of each kind, beside ``kind``. All but ``step`` may be absent.

A line of training also has the losses of its method, and in float16 the scale of the losses and the
number of steps since the last line that were left out. A line of precision says what was chosen.
"""

_TEXTS = ("kind", "weights", "precision", "device", "reason", "symptom", "text")

_STEPS = 2**53  # whole numbers below it are exact as floats too

# JSON has no such numbers; Python's float() and JavaScript's Number() read these strings.
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run, oldest first, each with ``kind``; none if there is no file.

    A last line that is not whole is ignored, since a run may be writing it.

    Raises:
        InputError: metrics.jsonl cannot be read, or a line before the last one is damaged.
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
                hint="Remove that line to go on without it. Only mifid may write this file.",
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
    fits = all(_fits(read["kind"], name, value) for name, value in read.items())
    return read if whole and fits else None


def _fits(kind: str, name: str, value: object) -> bool:
    """Return whether a column may have this value.

    Losses may have any name, and all else of a line of training is a number too. Other lines of
    later versions may have columns with any value.
    """
    if name in _TEXTS:
        return isinstance(value, str)
    if kind != "train" and not any(name in names for names in COLUMNS.values()):
        return isinstance(value, Value)
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _STEPS)


def columns_of(losses: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the columns of each kind of line, with the losses of a method."""
    return {**COLUMNS, "train": (*COLUMNS["train"], *losses, "loss_scale", "skipped_steps")}


def metric_row(
    kind: str, values: Mapping[str, Value | None], columns: Mapping[str, Sequence[str]]
) -> dict[str, Value]:
    """Return the kind, and the values in the order of ``columns``; None is left out.

    Raises:
        InputError: an unknown kind or column, no ``step``, or a value that is no plain one.
    """
    if kind not in columns:
        raise InputError(f"unknown kind of line '{kind}'", hint=suggest(kind, columns))
    names = columns[kind]
    for name in values:
        if name not in names:
            raise InputError(
                f"a '{kind}' line has no column '{name}'", hint=suggest(name, list(names))
            )
    if type(values.get("step")) is not int:
        raise InputError(
            f"a '{kind}' line needs a whole 'step', got {values.get('step')!r}",
            hint="Give the number of steps trained.",
        )
    given = ((name, values.get(name)) for name in names)
    return {
        "kind": kind,
        **{name: _plain(name, value) for name, value in given if value is not None},
    }


def _plain(name: str, value: object) -> Value:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):  # also NumPy's numbers, whose repr() is not a number
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


def csv_lines(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, Sequence[str]],
    *,
    header: bool = False,
) -> bytes:
    """Return rows as lines of metrics.csv; columns that a row does not have are empty."""
    text = io.StringIO()
    # Each name once, in the order of first mention: one header for all kinds.
    names = ("kind", *dict.fromkeys(name for each in columns.values() for name in each))
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")  # half a surrogate is not UTF-8


_CSV_NAME = "metrics.csv"

# Columns that are not drawn in TensorBoard, beside texts.
_NO_CURVE = frozenset({"step", "fraction", "seconds", "weights", "best", "photos"})


class Recorder(AbstractContextManager["Recorder"]):
    """Writer of a run folder's metrics files; the system has each line at once.

    Open one with :meth:`open`; it is a context manager.
    """

    def __init__(
        self,
        folder: Path,
        *,
        losses: Sequence[str] = (),
        trackers: Trackers | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._paths = (folder / JSON_NAME, folder / _CSV_NAME)
        self._losses = losses
        self._columns = columns_of(losses)
        self._trackers = trackers or Trackers()
        self._watch = watch or Watch()
        # Unbuffered: lines survive a kill -9.
        self._files = tuple(_open_to_append(path) for path in self._paths)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        losses: Sequence[str] = (),
        discriminators: Sequence[str] = (),
        trackers: Trackers | None = None,
        resume_from: int | None = None,
    ) -> Recorder:
        """Open a run folder; repair its files after an interruption.

        Args:
            folder: exists already.
            losses: names of the method's losses.
            discriminators: names of those that discriminators minimise.
            trackers: are given numbers and samples, too; they are open, and stay so.
            resume_from: the step at which the run goes on. Later lines are removed, as they will be
                written again. None keeps all lines.

        Raises:
            InputError: a line of metrics.jsonl before the last one is damaged.
            OutputError: the folder is missing, or cannot be written.
        """
        rows = [
            row for row in read_metrics(folder) if resume_from is None or row["step"] <= resume_from
        ]
        with atomic_write(folder / JSON_NAME) as file:
            file.writelines(json_line(row) for row in rows)
        with atomic_write(folder / _CSV_NAME) as file:
            file.write(csv_lines(rows, columns_of(losses), header=True))
        watch = Watch(losses, discriminators, rows)
        return cls(folder, losses=losses, trackers=trackers, watch=watch)

    def write(self, kind: str, values: Mapping[str, Value | None]) -> None:
        """Append a line; warn, with a line of its own, if it shows that the training goes wrong.

        Args:
            kind: a key of :data:`COLUMNS`.
            values: ``step`` and any of that kind's other columns, in ``"train"`` also losses;
                numbers, not tensors. None is left out.

        Raises:
            InputError: an unknown kind or column, no ``step``, or a value that is not plain.
            OutputError: the line cannot be written; one of the files may have it then.
        """
        row = metric_row(kind, values, self._columns)
        lines = (json_line(row), csv_lines([row], self._columns))
        for file, path, line in zip(self._files, self._paths, lines, strict=True):
            _append(file, line, path)
        if curves := _curves(row, self._losses):
            self._trackers.scalars(curves, step=int(row["step"]))
        for found in self._watch.see(row):
            self.write("warning", {"step": found.step, "symptom": found.name, "text": found.text})
            warn(found.text)

    def show(self, pixels: Pixels, *, step: int) -> None:
        """Show the sample pictures of a step in the trackers.

        Args:
            pixels: (H, W, 3) uint8, as in ``samples/``.
            step: of the snapshot.
        """
        self._trackers.picture(pixels, step=step)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _curves(row: Mapping[str, Value], losses: Sequence[str]) -> dict[str, float]:
    """Return the numbers of a row by the names of their curves: raw and EMA below one heading."""
    curves: dict[str, float] = {}
    for name, value in row.items():
        if name in _NO_CURVE or isinstance(value, str):
            continue
        if row["kind"] == "score":
            curves[f"score/{name}/{row.get('weights', 'raw')}"] = value
        elif row["kind"] == "sample":
            curves[f"sample/{name}"] = value
        else:
            curves[f"loss/{name}" if name in losses else f"train/{name}"] = value
    return curves


def _open_to_append(path: Path) -> io.FileIO:
    def opener(name: str, flags: int) -> int:  # does not follow a link that somebody put there
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

    try:
        return open(path, "ab", buffering=0, opener=opener)
    except OSError as error:
        raise cannot_write(path, error) from error


def _append(file: io.FileIO, line: bytes, path: Path) -> None:
    """Write a whole line or nothing: half a line would damage the next one."""
    start = file.seek(0, io.SEEK_END)
    rest = line
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        with suppress(OSError):
            file.truncate(start)
        raise cannot_write(path, error) from error
