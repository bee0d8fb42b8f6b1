"""What a run writes down as it goes: metrics.jsonl, metrics.csv, TensorBoard if asked for.

metrics.jsonl is the record; metrics.csv is the same for spreadsheets, and is made from it
whenever a run goes on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mifid.baseline.run.metric_lines import (
    JSON_NAME,
    LOSSES,
    Value,
    csv_header,
    csv_lines,
    json_line,
    metric_row,
    read_metrics,
)
from mifid.errors import OutputError, UnavailableError, setting
from mifid.files import atomic_write
from mifid.images.source import Pixels

__all__ = ["Recorder", "check_tensorboard", "read_metrics"]

_CSV_NAME = "metrics.csv"

# Where a line stands, or what it says in words: no curves in TensorBoard.
_NO_CURVE = frozenset({"step", "fraction", "seconds", "weights", "best", "photos"})


def check_tensorboard() -> None:
    """See that TensorBoard's files can be written.

    Raises:
        UnavailableError: it is not installed.
    """
    _summary_writer_class()


class Recorder:
    """Appends lines to the metrics files of a run folder; each is out of this process at once.

    Open one with :meth:`open`; it is a context manager.
    """

    def __init__(self, folder: Path, *, tensorboard: Any = None) -> None:
        self._paths = (folder / JSON_NAME, folder / _CSV_NAME)
        self._tensorboard = tensorboard
        # Unbuffered: what was written survives a kill -9.
        self._files = tuple(_open_to_append(path) for path in self._paths)

    @classmethod
    def open(
        cls, folder: Path, *, tensorboard: bool = False, resume_from: int | None = None
    ) -> Recorder:
        """Open a run folder, mending what an interruption left there.

        Args:
            folder: exists already.
            tensorboard: also write event files, below ``tensorboard/``.
            resume_from: the step at which the run goes on. Later lines are dropped: they will be
                written again. None keeps all lines.

        Raises:
            InputError: metrics.jsonl is damaged elsewhere than in its last line.
            OutputError: the folder is missing, or cannot be written.
            UnavailableError: TensorBoard is not installed.
        """
        # What can fail comes before the first change.
        summary_writer = _summary_writer_class() if tensorboard else None
        rows = [
            row for row in read_metrics(folder) if resume_from is None or row["step"] <= resume_from
        ]
        with atomic_write(folder / JSON_NAME) as file:
            file.writelines(json_line(row) for row in rows)
        with atomic_write(folder / _CSV_NAME) as file:
            file.write(csv_header() + csv_lines(rows))
        if summary_writer is None:
            return cls(folder)
        # Events cannot be taken back; TensorBoard hides those from this step on.
        purge = None if resume_from is None else resume_from + 1
        return cls(
            folder, tensorboard=summary_writer(str(folder / "tensorboard"), purge_step=purge)
        )

    def write(self, kind: str, values: Mapping[str, Value | None]) -> None:
        """Append a line.

        Args:
            kind: a key of :data:`COLUMNS`.
            values: ``step`` and any of that kind's other columns; numbers, not tensors. None is
                left out.

        Raises:
            InputError: an unknown kind or column, no ``step``, or a value that is no plain one.
            OutputError: it cannot be written; the line is then in neither or in one of the files.
        """
        row = metric_row(kind, values)
        lines = (json_line(row), csv_lines([row]))
        for file, path, line in zip(self._files, self._paths, lines, strict=True):
            _append(file, line, path)
        if self._tensorboard is not None:
            for tag, value in _curves(row):
                self._tensorboard.add_scalar(tag, value, row["step"])
            self._tensorboard.flush()

    def show(self, pixels: Pixels, *, step: int) -> None:
        """Show the sample pictures of a step in TensorBoard, if it was asked for.

        Args:
            pixels: (H, W, 3) uint8, as in ``samples/``.
            step: at which they were painted.
        """
        if self._tensorboard is not None:
            self._tensorboard.add_image("samples", pixels, step, dataformats="HWC")
            self._tensorboard.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _curves(row: Mapping[str, Value]) -> list[tuple[str, float]]:
    """Return TensorBoard's (tag, value) of a row: raw and EMA side by side under one heading."""
    curves: list[tuple[str, float]] = []
    for name, value in row.items():
        if name in _NO_CURVE or isinstance(value, str):
            continue
        if row["kind"] == "score":
            curves.append((f"score/{name}/{row.get('weights', 'raw')}", value))
        else:
            curves.append((f"loss/{name}" if name in LOSSES else f"train/{name}", value))
    return curves


def _open_to_append(path: Path) -> io.FileIO:
    def opener(name: str, flags: int) -> int:  # a link put there since it was made is not followed
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

    try:
        return open(path, "ab", buffering=0, opener=opener)
    except OSError as error:
        raise _cannot_append(path, error) from error


def _append(file: io.FileIO, line: bytes, path: Path) -> None:
    """Write a whole line or nothing: half a line would damage the next."""
    start = file.seek(0, io.SEEK_END)
    rest = line
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        with suppress(OSError):
            file.truncate(start)
        raise _cannot_append(path, error) from error


def _cannot_append(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror or error}",
        hint="Is there space on the disk, and may you write there?",
    )


def _summary_writer_class() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UnavailableError(
            f"TensorBoard's files cannot be written: {error}",
            hint=f"pip install 'mifid[tensorboard]', or leave out {setting('tensorboard')}.",
        ) from error
    return SummaryWriter
