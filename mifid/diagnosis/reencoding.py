"""A set of pictures as it would be if it had been saved in another encoding."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mifid.errors import PictureError
from mifid.images import Pixels, Source, decode, default_workers

__all__ = ["ENCODINGS", "Encoding", "Reencoded", "mean_change"]


@dataclass(frozen=True)
class Encoding:
    """A way to save a picture.

    Attributes:
        name: ``"jpeg-75"``.
        title: as :func:`mifid.images.inspection.encoding_of` calls it.
        format: Pillow's.
        lossless: whether every pixel comes back as it was.
        options: Pillow's.
    """

    name: str
    title: str
    format: str
    lossless: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def _jpeg(name: str, quality: int, subsampling: str) -> Encoding:
    options = {"quality": quality, "subsampling": subsampling}
    return Encoding(name, f"JPEG quality {quality}, {subsampling}", "JPEG", options=options)


ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        _jpeg("jpeg-75", 75, "4:2:0"),  # the competition's monet_jpg; Pillow's default
        _jpeg("jpeg-90", 90, "4:2:0"),
        _jpeg("jpeg-95", 95, "4:2:0"),  # save(quality=95) in Pillow
        _jpeg("jpeg-95-444", 95, "4:4:4"),  # the competition's TFRecords
        # Pixels are the same at any level; 1 is several times faster than the default.
        Encoding("png", "PNG", "PNG", lossless=True, options={"compress_level": 1}),
    )
}
"""name -> how a picture is saved."""


class Reencoded(Source):
    """The pictures of ``source``, decoded and encoded again; closing it is its owner's business.

    Its contents are other bytes, so hashes and cached features are its own.
    """

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._source = source
        self._encoding = encoding
        self.description = f"{source.description}, encoded again as {encoding.title}"
        self.names, self.skipped = source.names, source.skipped
        self.travels = source.travels

    def read(self, index: int) -> bytes:
        """Return the picture's new file.

        Raises:
            PictureError: the picture cannot be decoded.
        """
        buffer = io.BytesIO()
        image = Image.fromarray(_pixels(self._source, index))
        image.save(buffer, self._encoding.format, **self._encoding.options)
        return buffer.getvalue()


def mean_change(
    source: Source, other: Source, indices: Iterable[int], *, workers: int | None = None
) -> float | None:
    """Return by how many levels (0..255) the pixels of two sources differ, on average.

    Args:
        source, other: the same pictures, of the same sizes.
        indices: which of them; those that cannot be decoded are left out.
        workers: decoding threads.

    Returns:
        The mean absolute difference over pixels and channels, every picture counting the same;
        None if none can be decoded.
    """

    def one(index: int) -> float | None:
        try:
            before, after = _pixels(source, index), _pixels(other, index)
        except PictureError:
            return None
        return float(np.abs(before.astype(np.int16) - after).mean())

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        changes = [change for change in pool.map(one, indices) if change is not None]
    return float(np.mean(changes)) if changes else None


def _pixels(source: Source, index: int) -> Pixels:
    content = source.read(index)
    if isinstance(content, bytes):
        content = decode(content, source.names[index])
    return content.pixels
