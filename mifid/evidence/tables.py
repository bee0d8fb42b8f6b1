"""Tables of pictures as files: .csv for any program, .parquet for large ones with types."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mifid.csvfile import csv_lines, refuse_history
from mifid.errors import OutputError
from mifid.evidence.columns import Column
from mifid.evidence.pictures import PictureTable
from mifid.evidence.training_pictures import TrainingTable
from mifid.files import atomic_write, check_writable
from mifid.images.source import printable

__all__ = ["TABLE_FORMATS", "check_table_output", "write_table"]

TABLE_FORMATS = (".csv", ".parquet")


def check_table_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise now, before the long job, if no table can be written there.

    Raises:
        OutputError: an unknown ending, a folder that is missing or cannot be written,
            ``.parquet`` without pyarrow, or a ``.csv`` that is a history of scores.
    """
    file = Path(path)
    if _format(file) == ".parquet":
        _pyarrow(file)
    check_writable(file)
    refuse_history(file)
    return file


def write_table(path: str | os.PathLike[str], table: PictureTable | TrainingTable) -> None:
    """Write a table, a picture a line, in the format of the path's ending, whole or not at all.

    The columns are those of ``table.columns()``, in that order; lines are in the order of the
    features. What there is not (no distance, no nearest picture) is an empty cell in CSV and null
    in Parquet.

    CSV: UTF-8, a heading, ``true`` and ``false``, floats with all their digits. A name that begins
    with ``=``, ``+``, ``-``, ``@`` or a tab, which a spreadsheet would take for a formula, has a
    ``'`` before it. Parquet: string, int64, float64 and bool.

    Raises:
        OutputError: as :func:`check_table_output`, or the disk is full.
    """
    file = Path(path)
    if _format(file) == ".parquet":
        content = _parquet(_pyarrow(file), table.columns())
        with atomic_write(file) as out:
            out.write(content)
    else:
        refuse_history(file)
        with atomic_write(file) as out:
            out.writelines(line.encode() for line in _csv_lines(table.columns()))


def _format(file: Path) -> str:
    ending = file.suffix.lower()
    if ending not in TABLE_FORMATS:
        raise OutputError(
            f"cannot write the table {file}: its ending is not one of {', '.join(TABLE_FORMATS)}",
            hint="The ending says which format is written.",
        )
    return ending


def _csv_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    yield from csv_lines([columns])
    yield from csv_lines(zip(*(_cells(column) for column in columns.values()), strict=True))


def _cells(column: Column) -> Iterable[str | float | None]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (_cell(value) for value in values)


def _cell(value: str | float | None) -> str | float | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return None
    # Of a float the csv module writes the shortest text that reads back as the same.
    return printable(value) if isinstance(value, str) else value


def _parquet(pyarrow: Any, columns: Mapping[str, Column]) -> bytes:
    table = pyarrow.table({name: _arrow(pyarrow, column) for name, column in columns.items()})
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, buffer)
    return bytes(buffer.getvalue())


def _arrow(pyarrow: Any, column: Column) -> Any:
    if isinstance(column, np.ndarray):
        return pyarrow.array(column, from_pandas=True)  # NaN becomes null
    texts = [None if text is None else printable(text) for text in column]
    return pyarrow.array(texts, pyarrow.string())


def _pyarrow(file: Path) -> Any:
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise OutputError(
            f"cannot write the table {file}: Parquet needs pyarrow, which is not installed",
            hint="pip install 'mifid[parquet]', or give a name that ends in .csv.",
        ) from error
    return pyarrow
