"""Paintings of photos: of any size, in files, by the painters at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.painting.collection import PainterEntry as PainterEntry
    from mifid.painting.collection import add_painter as add_painter
    from mifid.painting.collection import open_painter as open_painter
    from mifid.painting.collection import painters as painters
    from mifid.painting.collection import painters_folder as painters_folder
    from mifid.painting.collection import remove_painter as remove_painter
    from mifid.painting.painting import paint as paint
    from mifid.painting.photo_files import FailedPhoto as FailedPhoto
    from mifid.painting.photo_files import PaintedFiles as PaintedFiles
    from mifid.painting.photo_files import PaintedPhoto as PaintedPhoto
    from mifid.painting.photo_files import paint_files as paint_files

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "collection": [
            "PainterEntry",
            "add_painter",
            "open_painter",
            "painters",
            "painters_folder",
            "remove_painter",
        ],
        "painting": ["paint"],
        "photo_files": ["FailedPhoto", "PaintedFiles", "PaintedPhoto", "paint_files"],
    },
)
