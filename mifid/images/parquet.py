"""Parquet tables with a column of pictures, and data sets of Hugging Face, which are such tables.

A picture is a value of bytes, an encoded file; or a struct of ``bytes`` and ``path``, as Hugging
Face's data sets keep it. The rows keep their order.

Format: https://parquet.apache.org/docs/file-format
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from collections import Counter, OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, NamedTuple

from mifid.errors import InputError, PictureError, first_line
from mifid.formatting import listed, size_text, spelled_out
from mifid.images.archive import MAX_ENTRY_BYTES, Container, LocalFile
from mifid.images.arrays import positions
from mifid.images.decoding import mending
from mifid.images.folder import content_of
from mifid.images.items import COLUMNS
from mifid.images.signatures import LENGTH, advice_on, kind_of
from mifid.images.source import Source, no_pictures

__all__ = ["ParquetSource", "accepts", "accepts_data_set", "open_data_set", "open_parquet"]

_ENDINGS = (".parquet", ".pq")
_MAGIC = b"PAR1"
_MOST_GROUP = 1 << 30
_KEPT_GROUPS = 2  # threads read neighbouring rows
_ROWS = 32  # decoded at a time, so that what a group unpacks to is known before it is all there
_MOST_SHOWN = 12


class _Column(NamedTuple):
    """A column of pictures; ``is_struct``: of structs with ``bytes``, and ``has_path`` beside."""

    name: str
    is_struct: bool
    has_path: bool


class ParquetSource(Source):
    """The rows of a Parquet file.

    A row group (usually 100 to 1,000 rows) is decoded as a whole; the last ones are kept.
    """

    def __init__(self, container: Container) -> None:
        self.description = f"table {container}"
        self.skipped = Counter()
        self.travels = container.travels
        self._container = container
        self._attach()
        metadata = self._table.metadata
        self._ends = list(
            accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        )
        if not self._ends or not self._ends[-1]:
            raise no_pictures(self.description, self.skipped)
        self._column = _column_of(self._table.schema_arrow, self.description)
        self.names = self._named()

    def _attach(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[int, list[bytes | None] | str] = OrderedDict()
        file, self._table = _opened(self._container)
        self._close = weakref.finalize(self, file.close)

    def __getstate__(self) -> dict[str, Any]:
        own = {"_lock", "_groups", "_table", "_close"}
        return {key: value for key, value in vars(self).items() if key not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._container.refuse_changed()
        self._attach()

    def read(self, index: int) -> bytes:
        """Return the bytes in a row.

        Raises:
            PictureError: the row holds none, or its row group is damaged.
        """
        number = bisect_right(self._ends, index)
        with self._lock:
            group = self._groups.get(number)
            if group is None:
                group = self._groups[number] = self._decoded(number)
            self._groups.move_to_end(number)
            while len(self._groups) > _KEPT_GROUPS:
                self._groups.popitem(last=False)
        if isinstance(group, str):
            raise PictureError(f"row group {number} of {self._container}: {group}", hint=mending())
        content: bytes | None = group[index - self._ends[number]]  # from the end
        if content is None:
            raise PictureError(
                f"row {index} of {self._container} holds no bytes in column '{self._column.name}'",
                hint="A path beside it is not followed. In Python, give the data set: "
                f"datasets.Dataset.from_parquet(file). {mending()}",
            )
        return content

    def container_sha256(self) -> bytes | None:
        """Return the identity of the file; None if it changed since it was opened."""
        return self._container.identity()

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _decoded(self, number: int) -> list[bytes | None] | str:
        """Return the pictures of a row group; a text: why they cannot be read."""
        import pyarrow

        name, is_struct, _ = self._column
        found: list[bytes | None] = []
        size = 0
        leaf = f"{name}.bytes" if is_struct else name
        try:
            for batch in self._table.iter_batches(_ROWS, row_groups=[number], columns=[leaf]):
                column = batch.column(0).field("bytes") if is_struct else batch.column(0)
                size += column.nbytes
                if size > _MOST_GROUP:
                    return (
                        f"its pictures have more than {size_text(_MOST_GROUP)}; write the table "
                        "with smaller groups (row_group_size=100)"
                    )
                found += column.to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError, IndexError) as error:
            return f"it is damaged: {first_line(error)}"
        if len(found) != self._ends[number] - (self._ends[number - 1] if number else 0):
            return "it has another number of rows than the table of contents says"
        return [None if one is None or len(one) > MAX_ENTRY_BYTES else one for one in found]

    def _named(self) -> list[str]:
        """Return the rows' positions, and the names of files that stand beside the bytes."""
        import pyarrow

        rows = positions(self._ends[-1])
        name, _, has_path = self._column
        if not has_path:
            return rows
        try:
            column = self._table.read(columns=[f"{name}.path"]).column(0).combine_chunks()
            paths = column.field("path").to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise _damaged(self._container, error) from error
        return [
            f"{row}/{os.path.basename(path.replace(chr(92), '/'))}" if path else row
            for row, path in zip(rows, paths, strict=True)
        ]


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet tables are read by pyarrow, which is not installed",
            hint="pip install 'mifid[parquet]'",
        ) from error
    return pyarrow


def _opened(container: Container) -> tuple[IO[bytes], Any]:
    """Open a Parquet file and read its table of contents.

    Raises:
        InputError: it is none, or a damaged one; or pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    try:
        file = container.open()
    except OSError as error:
        raise InputError(f"cannot read {container}: {error.strerror or error}") from error
    try:
        return file, pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        file.seek(0)
        start = file.read(LENGTH)
        file.close()
        kind = kind_of(start)
        if kind is not None and not start.startswith(_MAGIC):
            raise InputError(
                f"{container} is not a Parquet table: it is {kind.words}",
                hint=advice_on(kind, "Make it again."),
            ) from error
        raise _damaged(container, error) from error
    except BaseException:
        file.close()
        raise


def _damaged(container: Container, error: Exception) -> InputError:
    return InputError(
        f"{container} is not a readable Parquet table: {first_line(error)}",
        hint="Make it again; a broken upload or download is shorter than the original.",
    )


def _column_of(schema: Any, description: str) -> _Column:
    """Return the column of pictures.

    Raises:
        InputError: there is none, or it is not clear which it is.
    """
    found = [column for field in schema if (column := _pictures_in(field))]
    if len(found) > 1:
        found = [column for column in found if column.name in COLUMNS] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(f"'{column.name}'" for column in found)
        raise InputError(
            f"{description} has several columns that may be the pictures: {names}",
            hint="In Python, give one: mifid.score((row['NAME'] for row in table), ...).",
        )
    kinds = [f"{spelled_out(field.name)} ({field.type})" for field in schema]
    more = f" and {len(kinds) - _MOST_SHOWN} more" if len(kinds) > _MOST_SHOWN else ""
    raise InputError(
        f"{description} has no column of pictures; its columns are: "
        f"{', '.join(kind[:80] for kind in kinds[:_MOST_SHOWN])}{more}",
        hint="Expected encoded files as bytes, or Hugging Face's structs of bytes and path. For "
        "a column of paths, write these to a list of files.",
    )


def _pictures_in(field: Any) -> _Column | None:
    types = _pyarrow().types

    def is_bytes(kind: Any) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    if is_bytes(field.type):
        return _Column(field.name, is_struct=False, has_path=False)
    if not types.is_struct(field.type):
        return None
    parts = {part.name: part.type for part in field.type}
    if not is_bytes(parts.get("bytes")):
        return None
    path = parts.get("path")
    has_path = path is not None and bool(types.is_string(path) or types.is_large_string(path))
    return _Column(field.name, is_struct=True, has_path=has_path)


def accepts(given: object) -> bool:
    """Return whether this is a file that ends in .parquet, or begins as one."""
    if not isinstance(given, str | os.PathLike) or not os.path.isfile(given):
        return False
    if os.fspath(given).lower().endswith(_ENDINGS):
        return True
    try:
        with Path(given).open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def open_parquet(given: str | os.PathLike[str]) -> ParquetSource:
    """Open a Parquet file with a column of pictures.

    Raises:
        InputError: it is damaged, has no such column, or pyarrow is not installed.
    """
    return ParquetSource(LocalFile(Path(given)))


class DataSetSource(Source):
    """A data set of Hugging Face, in memory or mapped from its files. Names are positions.

    The encoded files are read, not the pictures that the data set decodes: so they are what they
    are in a folder, and are not rotated by their tags.
    """

    def __init__(self, data: Any, column: str) -> None:
        self.description = f"{type(data).__name__} of {len(data):,} rows"
        self.skipped = Counter()
        self._rows = data.with_format("arrow")
        self._column = column
        self.names = positions(len(data))

    def read(self, index: int) -> bytes:
        """Return the bytes in a row, or those of the file that it names.

        Raises:
            PictureError: it has neither, or the file cannot be read.
        """
        value: bytes | str | dict[str, Any] | None = (
            self._rows[index : index + 1].column(self._column)[0].as_py()
        )
        where = f"row {index} of the data set"
        if isinstance(value, dict):
            content = value.get("bytes")
            value = value.get("path") if content is None else content
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise PictureError(f"{where} holds no picture", hint=mending())
        try:
            return content_of(Path(value))
        except OSError as error:
            raise PictureError(
                f"{where} names a file that cannot be read: {error.strerror or error}",
                hint=mending(),
            ) from error


def accepts_data_set(given: object) -> bool:
    """Return whether this is a data set of Hugging Face that can be read more than once."""
    kind = _data_set_kind(given)
    if kind != "Dataset":
        return kind.endswith("DatasetDict")
    # With a transform of the user's own, the pictures are what it returns: items of a stream.
    return getattr(given, "format", {}).get("type") != "custom" and bool(_image_columns(given))


def open_data_set(given: Any) -> DataSetSource:
    """Open the column of pictures of a data set.

    Raises:
        InputError: it has several such columns, or it is a dict of splits.
    """
    if isinstance(given, dict):
        splits = [str(name) for name in given]
        raise InputError(
            f"this is a {type(given).__name__} with the splits {listed(splits) or 'none'}; "
            "expected one of them",
            hint=f"Give it by its name: data['{splits[0] if splits else 'train'}'].",
        )
    columns = _image_columns(given)
    columns = [name for name in columns if name in COLUMNS] or columns
    if len(columns) > 1:
        raise InputError(
            f"the data set has several columns of pictures: {listed(columns)}",
            hint=f"Give one: data.select_columns('{columns[0]}').",
        )
    if not len(given):
        raise InputError("the data set has no rows")
    return DataSetSource(given, columns[0])


def _data_set_kind(given: object) -> str:
    """Return the name of a class of the library ``datasets``; empty: it is of none."""
    for base in type(given).__mro__:
        if base.__module__.partition(".")[0] == "datasets":
            return base.__name__
    return ""


def _image_columns(data: Any) -> list[str]:
    features = getattr(data, "features", None) or {}
    return [name for name, feature in features.items() if type(feature).__name__ == "Image"]
