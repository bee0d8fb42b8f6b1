"""Sources of pictures (one file each), decoded in batches ahead of the network."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifid.errors import InputError
from mifid.files import given_source, no_such_file
from mifid.formatting import encodable
from mifid.images.ranges import ValueRange
from mifid.images.signatures import LENGTH, advice_on, kind_of
from mifid.images.source import Source, Stream
from mifid.registry import import_object, lazy_names

__all__ = ["KINDS", "Source", "Stream", "ValueRange", "open_images"]

KINDS = {
    "shards": ("mifid.images.joined:accepts_shards", "mifid.images.joined:open_shards"),
    "URL": ("mifid.images.remote:accepts", "mifid.images.remote:open_url"),
    "TFRecord": ("mifid.images.tfrecord:accepts", "mifid.images.tfrecord:open_tfrecords"),
    "folder": ("mifid.images.folder:accepts", "mifid.images.folder:open_folder"),
    "zip": ("mifid.images.zip:accepts", "mifid.images.zip:open_zip"),
    "array file": ("mifid.images.arrays:accepts_file", "mifid.images.arrays:open_file"),
    "pickled array": ("mifid.images.arrays:accepts_pickled", "mifid.images.arrays:open_pickled"),
    "table": ("mifid.images.parquet:accepts", "mifid.images.parquet:open_parquet"),
    "tar": ("mifid.images.tar:accepts", "mifid.images.tar:open_tar"),
    "list": ("mifid.images.joined:accepts_list", "mifid.images.joined:open_list"),
    "pattern": ("mifid.images.folder:accepts_pattern", "mifid.images.folder:open_pattern"),
    "array": ("mifid.images.arrays:accepts_array", "mifid.images.arrays:open_array"),
    "data set": ("mifid.images.parquet:accepts_data_set", "mifid.images.parquet:open_data_set"),
    "items": ("mifid.images.items:accepts", "mifid.images.items:open_items"),
}
"""kind -> (does it accept what was given, open it). The first that accepts opens."""

_HINT = (
    "Expected a folder, a .zip, .tar, .tar.gz, .tfrec, .parquet, .npy or .npz, a list of files "
    "that ends in .txt, or a glob pattern."
)

_TAKES_RANGE = {"array", "array file", "items", "list", "pickled array", "shards"}


def open_images(given: Any, *, value_range: ValueRange | None = None) -> Source | Stream:
    """Open whatever holds pictures.

    The same pictures give the same set, whatever holds them. Grey is repeated to RGB and alpha is
    dropped; both are counted.

    Args:
        given: a folder, zip, tar, TFRecord, .npy, .npz, glob pattern, a path with braces
            (``shard-{000..199}.tar``) or a list of files (.txt), a URL; an array (N, H, W, 3)
            uint8, or a tensor (N, 3, H, W); a list or an iterable (such as a DataLoader) of
            pictures: arrays, tensors, PIL images, encoded files, paths, or rows that hold one:
            (picture, label), or a dict with a picture under ``image`` or the like; a data set; a
            list of folders, archives and so on, which become one set; or a Source. An iterable
            becomes a Stream, which can be read once; a list does not.
        value_range: the values of black and white in floats, such as (0, 1) or (-1, 1).

    Raises:
        InputError: a missing file, an empty set, or something that holds no pictures.
    """
    if isinstance(given, Source | Stream):
        return given
    if isinstance(given, str | os.PathLike):
        given = given_source(given)
    for kind, (accepts, opener) in KINDS.items():
        if import_object(accepts)(given):
            more = {"value_range": value_range} if kind in _TAKES_RANGE else {}
            source: Source = import_object(opener)(given, **more)
            source.description = encodable(source.description)
            source.names = [encodable(name) for name in source.names]
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
        what = f"the class {given.__name__}; give an instance of it"
    raise InputError(
        f"cannot read pictures from {what}",
        hint="Expected a path, an array, a tensor, PIL images, or an iterable of pictures.",
    )


def _unreadable(path: Path) -> InputError:
    """Return the error for a path that no kind accepts; it says what is there instead."""
    if not path.exists():
        return no_such_file(path, hint=_HINT)
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
        found, advice = f"it begins with {start[:16]!r}", ""
    else:
        found = f"it is {kind.words}"
        listed = "If it is a list of files, give it the ending .txt."
        advice = advice_on(kind, listed if kind.words == "a text" else "")
    return InputError(
        f"{path} holds neither pictures, nor features, nor statistics: {found}",
        hint=f"{advice} {_HINT}".strip(),
    )


if TYPE_CHECKING:
    from mifid.images.archive import BROKEN as BROKEN
    from mifid.images.archive import ArchiveEntry as ArchiveEntry
    from mifid.images.archive import LocalFile as LocalFile
    from mifid.images.archive import climbs_out as climbs_out
    from mifid.images.archive import refuse_bombs as refuse_bombs
    from mifid.images.arrays import Stacker as Stacker
    from mifid.images.arrays import as_rgb as as_rgb
    from mifid.images.arrays import feature_rows as feature_rows
    from mifid.images.arrays import is_array as is_array
    from mifid.images.arrays import pictures_in as pictures_in
    from mifid.images.decoding import decode as decode
    from mifid.images.decoding import decoder_version as decoder_version
    from mifid.images.decoding import open_header as open_header
    from mifid.images.decoding import quiet_pillow as quiet_pillow
    from mifid.images.decoding import to_rgb as to_rgb
    from mifid.images.decoding import webp_size as webp_size
    from mifid.images.inspection import QUALITIES as QUALITIES
    from mifid.images.inspection import Colours as Colours
    from mifid.images.inspection import Inspection as Inspection
    from mifid.images.inspection import count_encodings as count_encodings
    from mifid.images.inspection import measure_colours as measure_colours
    from mifid.images.loader import Batch as Batch
    from mifid.images.loader import BatchReader as BatchReader
    from mifid.images.loader import Decoders as Decoders
    from mifid.images.loader import at_a_time as at_a_time
    from mifid.images.loader import default_workers as default_workers
    from mifid.images.loader import digests as digests
    from mifid.images.ranges import SideRanges as SideRanges
    from mifid.images.ranges import check_ranges as check_ranges
    from mifid.images.ranges import range_of as range_of
    from mifid.images.ranges import refuse_no_ranges as refuse_no_ranges
    from mifid.images.ranges import stated_for as stated_for
    from mifid.images.ranges import warn_of_unused_ranges as warn_of_unused_ranges
    from mifid.images.remote import RemoteFile as RemoteFile
    from mifid.images.remote import ending_of_arrays as ending_of_arrays
    from mifid.images.source import EXTENSIONS as EXTENSIONS
    from mifid.images.source import Decoded as Decoded
    from mifid.images.source import Pixels as Pixels
    from mifid.images.source import Subset as Subset
    from mifid.images.source import Unchanged as Unchanged
    from mifid.images.source import digest as digest
    from mifid.images.source import evenly as evenly
    from mifid.images.source import is_picture as is_picture
    from mifid.images.source import sampled as sampled
    from mifid.images.source import thinned as thinned
    from mifid.images.workers import can_travel as can_travel
    from mifid.images.zip import ENCRYPTED as ENCRYPTED
    from mifid.images.zip import OTHER_METHOD as OTHER_METHOD
    from mifid.images.zip import files_of as files_of
    from mifid.images.zip import is_symlink as is_symlink
    from mifid.images.zip import open_zip_file as open_zip_file
    from mifid.images.zip import read_entry as read_entry
    from mifid.images.zip import unread_method as unread_method

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "archive": ["BROKEN", "ArchiveEntry", "LocalFile", "climbs_out", "refuse_bombs"],
        "arrays": ["Stacker", "as_rgb", "feature_rows", "is_array", "pictures_in"],
        "decoding": [
            "decode",
            "decoder_version",
            "open_header",
            "quiet_pillow",
            "to_rgb",
            "webp_size",
        ],
        "inspection": [
            "QUALITIES",
            "Colours",
            "Inspection",
            "count_encodings",
            "measure_colours",
        ],
        "loader": ["Batch", "BatchReader", "Decoders", "at_a_time", "default_workers", "digests"],
        "ranges": [
            "SideRanges",
            "check_ranges",
            "range_of",
            "refuse_no_ranges",
            "stated_for",
            "warn_of_unused_ranges",
        ],
        "remote": ["RemoteFile", "ending_of_arrays"],
        "source": [
            "EXTENSIONS",
            "Decoded",
            "Pixels",
            "Subset",
            "Unchanged",
            "digest",
            "evenly",
            "is_picture",
            "sampled",
            "thinned",
        ],
        "workers": ["can_travel"],
        "zip": [
            "ENCRYPTED",
            "OTHER_METHOD",
            "files_of",
            "is_symlink",
            "open_zip_file",
            "read_entry",
            "unread_method",
        ],
    },
)
