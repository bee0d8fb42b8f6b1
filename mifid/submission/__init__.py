"""images.zip: written atomically, converted from any pictures, and checked by Kaggle's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.submission.checking import Check as Check
    from mifid.submission.checking import Finding as Finding
    from mifid.submission.checking import check as check
    from mifid.submission.conversion import Zipped as Zipped
    from mifid.submission.conversion import zip_pictures as zip_pictures
    from mifid.submission.resumable import comment_of as comment_of
    from mifid.submission.resumable import resumable_archive as resumable_archive
    from mifid.submission.writer import MONET as MONET
    from mifid.submission.writer import Rules as Rules
    from mifid.submission.writer import encode_picture as encode_picture
    from mifid.submission.writer import entry_names as entry_names
    from mifid.submission.writer import write_submission as write_submission

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "checking": ["Check", "Finding", "check"],
        "conversion": ["Zipped", "zip_pictures"],
        "resumable": ["comment_of", "resumable_archive"],
        "writer": ["MONET", "Rules", "encode_picture", "entry_names", "write_submission"],
    },
)
