"""Pictures of a run folder as a page holds them: small, and within the page itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mifid.errors import MifidError, first_line
from mifid.images.decode import decode
from mifid.rendering.thumbnails import data_uri, encode_small

__all__ = ["MAX_BYTES", "Picture", "load_picture"]

MAX_BYTES = 900_000
"""Three pictures of so many, a third larger as base64, and the plots stay below 5 MB together."""

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
    kind, content, (width, height) = _small(image, lossless=name.endswith(".png"))
    return Picture(name, caption, data_uri(content, kind=kind), width, height)


def _small(image: Image.Image, *, lossless: bool) -> tuple[str, bytes, tuple[int, int]]:
    """Encode a picture in at most so many bytes; those without loss stay so if they fit."""
    tries = [("PNG", side) for side in _SIDES[:1] if lossless] + [("JPEG", side) for side in _SIDES]
    for kind, side in tries:
        # Tall sheets: width counts.
        content, size = encode_small(image, side=side, tallness=3, kind=kind)
        if len(content) <= MAX_BYTES:
            break
    return kind, content, size
