"""Where pictures come from: one file a source, decoded ahead of the network in batches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mifid.errors import InputError
from mifid.files import given_path, no_such_file
from mifid.images.ranges import ValueRange
from mifid.images.signatures import LENGTH, kind_of
from mifid.images.source import Source, Stream, printable
from mifid.registry import import_object

__all__ = ["KINDS", "Source", "Stream", "open_images"]

KINDS = {
    "TFRecord": ("mifid.images.tfrecord:accepts", "mifid.images.tfrecord:open_tfrecords"),
    "folder": ("mifid.images.folder:accepts", "mifid.images.folder:open_folder"),
    "zip": ("mifid.images.zip:accepts", "mifid.images.zip:open_zip"),
    "array file": ("mifid.images.arrays:accepts_file", "mifid.images.arrays:open_file"),
    "pickled array": ("mifid.images.pickled:accepts", "mifid.images.pickled:open_pickled"),
    "tar": ("mifid.images.tar:accepts", "mifid.images.tar:open_tar"),
    "pattern": ("mifid.images.folder:accepts_pattern", "mifid.images.folder:open_pattern"),
    "array": ("mifid.images.arrays:accepts_array", "mifid.images.arrays:open_array"),
    "items": ("mifid.images.items:accepts", "mifid.images.items:open_items"),
}
"""kind -> (does it accept what was given, open it). The first that accepts opens."""

_HINT = "Expected a folder, a .zip, .tar, .tar.gz, .tfrec, .npy or .npz, or a glob pattern."

_BRACES = re.compile(r"\{[^{}]*(\.\.|,)[^{}]*\}")

_TAKES_RANGE = {"array", "array file", "items", "pickled array"}


def open_images(given: Any, *, value_range: ValueRange | None = None) -> Source | Stream:
    """Open whatever holds pictures.

    The same pictures are the same set in whatever they are held. Grey ones are repeated, alpha is
    dropped, and both are counted, as in files.

    Args:
        given: a folder, zip, tar, TFRecord, .npy, .npz or glob pattern; an array (N, H, W, 3)
            uint8, or a tensor (N, 3, H, W); a list or an iterable (such as a DataLoader) of
            pictures: arrays, tensors, PIL images, encoded files, paths, and of rows that hold one:
            (picture, label), or a dict with a picture under ``image`` or the like; a data set; a
            list of folders and the like, which are one set; or a Source. What is asked for its
            items one by one is a Stream, which passes once; a list is not.
        value_range: what black and white are in floats, such as (0, 1) or (-1, 1).

    Raises:
        InputError: no such file, an empty set, or something that holds no pictures.
    """
    if isinstance(given, Source | Stream):
        return given
    if isinstance(given, str | os.PathLike):
        given = given_path(given)
    for kind, (accepts, opener) in KINDS.items():
        if import_object(accepts)(given):
            more = {"value_range": value_range} if kind in _TAKES_RANGE else {}
            source: Source = import_object(opener)(given, **more)
            source.description = printable(source.description)
            source.names = [printable(name) for name in source.names]
            return source
    if isinstance(given, str | os.PathLike):
        raise _unreadable(Path(given))
    one_by_one = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    if not isinstance(given, type) and (isinstance(given, Iterable) or one_by_one):
        passing: Stream = import_object("mifid.images.items:stream")(given, value_range)
        return passing
    name = type(given).__name__
    what = "None" if given is None else f"a{'n' * (name[0] in 'aeiou')} {name}"
    if isinstance(given, type):
        what = f"the class {given.__name__}; give an object of it"
    raise InputError(
        f"cannot take pictures from {what}",
        hint="Expected a path, an array, a tensor, PIL images, or an iterable of pictures.",
    )


def _unreadable(path: Path) -> InputError:
    """Return the error for a path that no kind accepts, saying what is there instead."""
    if not path.exists():
        return _missing(path)
    if not path.is_file():
        return InputError(
            f"{path} is neither a file nor a folder",
            hint="Pipes and devices cannot be read twice; write the pictures to a zip or folder.",
        )
    try:
        with path.open("rb") as file:
            start = file.read(LENGTH)
    except OSError as error:
        return InputError(
            f"cannot read {path}: {error.strerror or error}", hint="Check its permissions."
        )
    kind = kind_of(start)
    if kind is None:
        told, advice = f"it begins with {start[:16]!r}", ""
    else:
        told, advice = f"it is {kind.words}", kind.advice
        if kind.words.endswith("picture") and not advice:
            advice = "Give it the ending of what it is, such as .jpg."
        elif kind.words == "a text":
            advice = "A list of files is given in Python: mifid.score(open(path).read().split())."
    return InputError(
        f"{path} is neither pictures, nor features, nor statistics: {told}",
        hint=f"{advice} {_HINT}".strip(),
    )


def _missing(path: Path) -> InputError:
    braces = _BRACES.search(str(path))
    if braces:
        return InputError(
            f"no such file or folder: {path}",
            hint=f"{braces.group()} is not unfolded here. One file or folder is read at a time, or "
            "what a pattern of * and ? names: put the pictures into one folder, zip or tar.",
        )
    return no_such_file(path, hint=_HINT)
