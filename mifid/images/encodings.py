"""Encodings of picture files: format, JPEG quality, chroma subsampling."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from PIL import Image, JpegImagePlugin

from mifid.errors import PictureError
from mifid.images.decoding import open_header
from mifid.images.source import Decoded, Source

__all__ = ["count_encodings", "encoding_of"]

_SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def count_encodings(source: Source, indices: Iterable[int]) -> Counter[str]:
    """Count the encodings of a source's pictures ``indices``, without the unreadable ones."""
    found: Counter[str] = Counter()
    for index in indices:
        try:
            found[encoding_of(source.read(index))] += 1
        except PictureError:
            continue  # decoding it raises the error, or skips and counts it
    return found


def encoding_of(content: bytes | Decoded) -> str:
    """Return ``"JPEG quality 75, 4:2:0"``, ``"PNG"``, ..., from the header.

    A JPEG's quality is known only if its tables are the standard's, as libjpeg and Pillow write
    them; else it is ``"JPEG of other tables, 4:2:0"``.
    """
    if isinstance(content, Decoded):
        return "pixels, never encoded"
    try:
        with open_header(content, "") as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                return _jpeg(image)
            return image.format or "unknown"
    except MemoryError:
        raise
    except Exception:  # of any type: a header may name fewer components than it has
        return "unknown"  # decoding it raises the error


def _jpeg(image: JpegImagePlugin.JpegImageFile) -> str:
    quality = _qualities().get(_tables(image))
    what = "of other tables" if quality is None else f"quality {quality}"
    sampling = "grey" if image.mode == "L" else _SAMPLINGS.get(JpegImagePlugin.get_sampling(image))
    return f"JPEG {what}, {sampling or 'other subsampling'}"


def _tables(image: JpegImagePlugin.JpegImageFile) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table) for _, table in sorted(image.quantization.items()))


@lru_cache(maxsize=1)
def _qualities() -> dict[tuple[tuple[int, ...], ...], int]:
    """Return the quality that writes each set of quantization tables, in colour and in grey."""
    found: dict[tuple[tuple[int, ...], ...], int] = {}
    for quality in range(100, 0, -1):
        for mode in ("RGB", "L"):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=quality)
            with Image.open(buffer) as image:
                assert isinstance(image, JpegImagePlugin.JpegImageFile)
                found[_tables(image)] = quality
    return found
