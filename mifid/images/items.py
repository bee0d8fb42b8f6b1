"""Single pictures in Python: lists, rows of data sets, generators."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from mifid.errors import InputError, PictureError
from mifid.files import given_path, given_source, no_such_file
from mifid.images.arrays import Stacker, as_rgb, is_array, mode_of, positions
from mifid.images.decoding import decode, mending, to_rgb
from mifid.images.joined import files, open_paths
from mifid.images.ranges import ValueRange
from mifid.images.source import Decoded, Pixels, Source, Stream, is_picture, no_pictures

__all__ = ["COLUMNS", "accepts", "open_items", "stream"]

COLUMNS = (
    *("image", "images", "img", "imgs", "pixel_values", "picture", "pictures"),
    *("jpg", "jpeg", "png", "webp"),
)
"""Keys under which rows that are dicts hold their picture; the last ones are WebDataset's."""

_ALONE = "Give only the pictures, such as (row[0] for row in data) or (row['KEY'] for row in data)."

_GROUP = 32  # single pictures of a stream that go to the network together
_GROUP_BYTES = 64 << 20

Part: TypeAlias = "Pixels | Image.Image | bytes | Path"
"""A stack (N, H, W, C) uint8, or one picture that is still to be decoded."""


class ItemSource(Source):
    """Pictures in memory, in the order given. Names are the positions."""

    def __init__(
        self, parts: Sequence[Part], description: str, stacker: Stacker | None = None
    ) -> None:
        self.description = description
        self.skipped = Counter()
        if stacker is not None:
            self.doubts, self.ranged = stacker.doubts(), stacker.ranged
        self._items: list[Part] = []
        for part in parts:
            self._items.extend(part if isinstance(part, np.ndarray) else [part])
        self.names = positions(len(self._items))
        if not self.names:
            raise no_pictures(description, self.skipped)

    def read(self, index: int) -> bytes | Decoded:
        """Return picture ``index``: a file's bytes, or pixels (H, W, 3)."""
        item, name = self._items[index], self.names[index]
        if isinstance(item, np.ndarray):
            return Decoded(np.asarray(as_rgb(item)), mode_of(item))
        if isinstance(item, Image.Image):
            return to_rgb(item, name)
        return item if isinstance(item, bytes) else _read(item)


class ItemStream(Stream):
    """A stream over items of any accepted kind; single pictures of one size are grouped."""

    def __init__(
        self,
        items: Iterable[Any],
        description: str = "a stream of batches",
        *,
        value_range: ValueRange | None = None,
    ) -> None:
        self._items = items
        self._stacker = Stacker(value_range)
        super().__init__(self._stacks(), description)

    def __iter__(self) -> Iterator[Pixels]:
        left = self.limit
        waiting: list[Pixels] = []
        for batch in self.batches:
            pixels = batch[:left]
            if left is not None:
                left -= len(pixels)
            if waiting and (len(pixels) > 1 or pixels.shape[1:] != waiting[0].shape[1:]):
                yield np.concatenate(waiting)
                waiting = []
            waiting.append(pixels)
            most = max(1, min(_GROUP, _GROUP_BYTES // pixels[0].size))
            if len(pixels) > 1 or len(waiting) >= most:
                yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                waiting = []
            if left == 0:
                break
        if waiting:
            yield np.concatenate(waiting)
        self._stacker.finish(self.description)
        self.doubts = self._stacker.doubts()

    def _stacks(self) -> Iterator[Pixels]:
        """Yield pixels (N, H, W, 3) as they come."""
        met = 0
        for number, item in enumerate(self._items):
            for part in _parts(item, f"item {number}", self._stacker):
                try:
                    pixels, mode = _decoded(part, str(met))
                except PictureError as error:
                    if not self.skip_bad:
                        raise
                    self.bad.append((met, error.message))
                    met += 1
                    continue
                if mode != "RGB":
                    self.converted[mode] += len(pixels)
                met += len(pixels)
                if len(pixels):
                    yield pixels
            if self._stacker.clearly_off():  # the stream may be endless
                self._stacker.finish(self.description)


def accepts(given: object) -> bool:
    """Return whether this is a list, a tuple, an array of names, or a single picture."""
    if isinstance(given, Mapping):
        return len(given) > 0
    names = is_array(given) and not isinstance(given, Image.Image)
    return names or isinstance(given, list | tuple) or _is_encoded(given) or _is_pil(given)


def open_items(given: Any, value_range: ValueRange | None = None) -> Source:
    """Open a list of pictures, of rows that hold one each, or of paths; or a single picture.

    Raises:
        InputError: an item is not a picture, or could be several; the message says which item.
    """
    items = given.tolist() if is_array(given) else given
    if not isinstance(items, list | tuple):
        items = [items]
    elif _is_labelled(items):
        items = [next(item for item in items if _looks_like_pictures(item))]
    if items and all(isinstance(item, str | os.PathLike) for item in items):
        return open_paths([given_source(item) for item in items], value_range)
    stacker = Stacker(value_range)
    parts = [
        part
        for number, item in enumerate(items)
        for part in _parts(item, f"item {number}", stacker)
    ]
    stacker.finish("the list")
    if parts and all(isinstance(part, Path) for part in parts):
        return files([part for part in parts if isinstance(part, Path)])
    n = sum(len(part) if isinstance(part, np.ndarray) else 1 for part in parts)
    kind = "PIL image" if parts and all(map(_is_pil, parts)) else "picture"
    kind += "s" * (n > 1) + " in memory" * kind.startswith("picture")
    return ItemSource(parts, f"{n} {kind}" if n else "an empty list", stacker)


def stream(given: Any, value_range: ValueRange | None = None) -> ItemStream:
    """Open an iterable, or a data set with a length and access by position.

    It is read once, from the first to the last item: a second reading may give other pictures.
    """
    sized = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    words = {"description": f"{type(given).__name__} of {len(given):,} items"} if sized else {}
    # Without __iter__, Python would ask for items beyond the length until an IndexError.
    items = given if hasattr(given, "__iter__") else (given[i] for i in range(len(given)))
    return ItemStream(items, value_range=value_range, **words)


def _parts(item: Any, where: str, stacker: Stacker) -> Iterator[Part]:
    """Yield the pictures, or stacks of pictures, in an item of a list or stream.

    Raises:
        InputError: there is none, or it is not clear which part is the picture.
    """
    if isinstance(item, str | os.PathLike):
        yield _file(item, where)
    elif _is_pil(item):
        yield item
    elif is_array(item):
        yield stacker(item, where)
    elif _is_encoded(item):
        yield _encoded(item, where)
    elif isinstance(item, Mapping):
        yield from _row(item, where, stacker)
    elif isinstance(item, list | tuple):
        yield from _group(item, where, stacker)
    else:
        name = type(item).__name__
        what = "None" if item is None else f"a{'n' * (name[0] in 'aeiou')} {name}"
        raise InputError(f"{where} is {what}, not a picture", hint=_ALONE)


def _row(row: Mapping[Any, Any], where: str, stacker: Stacker) -> Iterator[Part]:
    if "bytes" in row:  # how Hugging Face's data sets keep an encoded picture
        content = row["bytes"]
        yield from _parts(row.get("path") if content is None else content, where, stacker)
        return
    found = [key for key in COLUMNS if key in row and _looks_like_pictures(row[key])]
    if len(found) != 1:
        keys = ", ".join(str(key) for key in row) or "none"
        which = f"{' and '.join(found)} hold pictures" if found else "none holds pictures"
        raise InputError(
            f"{where} is a {type(row).__name__} with the keys {keys}; {which}; expected one of "
            f"{', '.join(COLUMNS)}",
            hint="Give only the pictures: (row['KEY'] for row in data).",
        )
    yield from _parts(row[found[0]], f"{where}['{found[0]}']", stacker)


def _group(group: Sequence[Any], where: str, stacker: Stacker) -> Iterator[Part]:
    """Yield the picture or batch beside its labels; or each picture of a list of them."""
    found = [item for item in group if _looks_like_pictures(item)]
    if not found:
        found = [item for item in group if is_array(item) and len(item.shape) == 2]
    several = isinstance(group, list) and not any(map(_is_batch, found))
    if len(found) == 1 or (found and len(found) == len(group) and several):
        for item in found:
            yield from _parts(item, where, stacker)
        return
    parts = ", ".join(map(_described, group[:4])) + (", ..." if len(group) > 4 else "")
    which = f"{len(found)} of them can be the pictures" if found else "none is a picture"
    raise InputError(
        f"{where} is a {type(group).__name__} of {parts or 'nothing'}: {which}", hint=_ALONE
    )


def _is_labelled(items: Sequence[Any]) -> bool:
    """Return whether this is a pair of all pictures and all labels: ``(x_train, y_train)``."""
    found = [item for item in items[:4] if _looks_like_pictures(item)]
    return 2 <= len(items) <= 3 and len(found) == 1 and _is_batch(found[0])


def _looks_like_pictures(item: Any) -> bool:
    if isinstance(item, str | os.PathLike):
        return is_picture(os.path.basename(os.fspath(item))) is None or os.path.isfile(item)
    if is_array(item):
        return len(item.shape) >= 3
    if isinstance(item, Mapping):
        return "bytes" in item or any(key in item for key in COLUMNS)
    if isinstance(item, list | tuple):
        return any(_looks_like_pictures(part) for part in item[:4])
    return _is_pil(item) or _is_encoded(item)


def _is_batch(item: Any) -> bool:
    return isinstance(item, list) or (is_array(item) and len(item.shape) > 3)


def _is_pil(item: object) -> bool:
    return isinstance(item, Image.Image)


def _is_encoded(item: object) -> bool:
    return isinstance(item, bytes | bytearray | memoryview) or _is_file(item)


def _is_file(item: object) -> bool:
    return hasattr(item, "read") and hasattr(item, "readline")


def _encoded(item: Any, where: str) -> bytes:
    if _is_file(item):
        if hasattr(item, "seekable") and item.seekable():
            item.seek(0)
        item = item.read()
    if isinstance(item, str):
        raise InputError(
            f"{where} is a file opened as text", hint="Open it as bytes: open(path, 'rb')."
        )
    return bytes(item)


def _file(given: str | os.PathLike[str], where: str) -> Path:
    try:
        path = given_path(given)
    except InputError as error:
        raise InputError(f"{where}: {error.message}", hint=error.hint) from error
    if os.path.isdir(path):
        raise InputError(
            f"{where} is the folder {path}; expected a picture file",
            hint="Give a folder by itself, or a list that holds nothing but paths.",
        )
    if not os.path.isfile(path):
        raise no_such_file(path, hint=f"It is {where}.")
    return Path(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"'{path}' cannot be read: {error.strerror or error}",
            hint=mending(),
        ) from error


def _decoded(part: Part, name: str) -> tuple[Pixels, str]:
    """Return the pixels (N, H, W, 3) and mode of a part."""
    if isinstance(part, np.ndarray):
        return as_rgb(part), mode_of(part)
    if isinstance(part, Image.Image):
        found = to_rgb(part, name)
    else:
        path = isinstance(part, Path)
        found = decode(_read(part), str(part)) if path else decode(part, name)  # type: ignore[arg-type]
    return found.pixels[None], found.mode


def _described(item: Any) -> str:
    if is_array(item):
        return f"{str(item.dtype).removeprefix('torch.')} {tuple(item.shape)}"
    return type(item).__name__
