"""Pictures of a run folder as a page holds them: small, and within the page itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mifid.errors import MifidError, first_line
from mifid.images.decode import decode

__all__ = ["MAX_BYTES", "Picture", "load_picture"]

MAX_BYTES = 560_000
"""Six pictures of so many, a third larger as base64, stay below 5 MB together."""

_SIDES = (1400, 1100, 800, 600, 400, 250)  # px, the first that fits


@dataclass(frozen=True)
class Picture:
    """A picture of the run folder, as the page holds it.

    Attributes:
        name: within the folder.
        caption: what it shows.
        uri: ``data:`` and the picture; empty if there is none.
        width, height: in pixels.
        missing: why there is none.
    """

    name: str
    caption: str
    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""


def load_picture(folder: Path, name: str, caption: str) -> Picture:
    """Return a picture of the folder; one that is missing or damaged comes with the reason."""
    try:
        image = Image.fromarray(decode((folder / name).read_bytes(), name).pixels)
    except FileNotFoundError:
        return Picture(name, caption, missing="there is no such file")
    except (OSError, MifidError) as error:
        return Picture(name, caption, missing=first_line(error))
    kind, content = _small(image, lossless=name.endswith(".png") and "/" not in name)
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    shown = Image.open(io.BytesIO(content))
    return Picture(name, caption, uri, shown.width, shown.height)


def _small(image: Image.Image, *, lossless: bool) -> tuple[str, bytes]:
    """Encode a picture in at most so many bytes; plots without loss if they fit so."""
    tries = [("png", side) for side in _SIDES[:1] if lossless] + [("jpeg", side) for side in _SIDES]
    content = b""
    for kind, side in tries:
        buffer = io.BytesIO()
        copy = image.copy()
        copy.thumbnail((side, side * 3), Image.Resampling.LANCZOS)  # tall sheets: width counts
        if kind == "png":
            copy.save(buffer, "PNG", optimize=True)
        else:
            copy.save(buffer, "JPEG", quality=85)
        content = buffer.getvalue()
        if len(content) <= MAX_BYTES:
            break
    return kind, content
