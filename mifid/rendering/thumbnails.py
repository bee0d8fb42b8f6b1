"""Pictures made small, and put into a page itself."""

from __future__ import annotations

import base64
import io

from PIL import Image

__all__ = ["data_uri", "encode_small", "size_of_uri"]


def encode_small(
    image: Image.Image, *, side: int, quality: int = 85, tallness: int = 1, kind: str = "JPEG"
) -> tuple[bytes, tuple[int, int]]:
    """Shrink a picture, never enlarge it, and encode it.

    Args:
        image: RGB.
        side: the most pixels it may be wide.
        quality: of JPEG.
        tallness: how many times ``side`` it may be high.
        kind: ``"JPEG"`` or ``"PNG"``.

    Returns:
        The file, and its width and height in pixels.
    """
    copy = image.copy()
    copy.thumbnail((side, side * tallness), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    copy.save(buffer, kind, optimize=True, **({"quality": quality} if kind == "JPEG" else {}))
    return buffer.getvalue(), copy.size


def data_uri(content: bytes, *, kind: str = "JPEG") -> str:
    """Return a picture file as a ``data:`` address, which needs no other file."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"


def size_of_uri(content: bytes, *, kind: str = "JPEG") -> int:
    """Return how many characters :func:`data_uri` takes."""
    return len(f"data:image/{kind.lower()};base64,") + 4 * -(-len(content) // 3)
