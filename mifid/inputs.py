"""What a user may give as a side of the comparison: pictures, features, or statistics."""

from __future__ import annotations

import os
from typing import Any

from mifid import formats
from mifid.features import Features
from mifid.images import Source, Stream, open_images
from mifid.statistics import Statistics

__all__ = ["Input", "open_input"]

Input = Source | Stream | Features | Statistics


def open_input(given: Any, *, value_range: tuple[float, float] | None = None) -> Input:
    """Open anything that scoring accepts; see :func:`mifid.images.open_images` for pictures.

    Raises:
        InputError: it cannot be used, and why.
    """
    if isinstance(given, Features | Statistics):
        return given
    if isinstance(given, str | os.PathLike) and formats.holds_statistics(given):
        contents = formats.read(given)
        if contents.features is not None:
            return Features.from_contents(contents)
        return Statistics.from_contents(contents)
    return open_images(given, value_range=value_range)
