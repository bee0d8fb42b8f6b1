"""HTML pages that need no other file, and what they show: thumbnails, safe names, commands."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from PIL import Image

from mifid.files import atomic_write
from mifid.formatting import encodable

__all__ = [
    "Command",
    "data_uri",
    "encode_small",
    "load_template",
    "write_html",
]

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of text: a name that holds it shows another name than it is."""


@dataclass(frozen=True)
class Command:
    """A command line, and what it is for. The line is already quoted for a shell."""

    purpose: str
    line: str


def load_template(name: str, *, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """Return a template of this package; all of them extend rendering/base.html.

    Args:
        name: within mifid, ``"baseline/page.html"``.
        filters: what it formats its numbers with.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
    )
    environment.filters |= filters
    return environment.get_template(name)


def write_html(path: str | os.PathLike[str], text: str) -> None:
    """Write a page, whole or not at all.

    File names may hold bytes that are not UTF-8 and marks that turn the direction of text; both
    are spelled out.

    Raises:
        OutputError: it cannot be written there.
    """
    with atomic_write(path) as file:
        file.write(encodable(_without_bidi(text)).encode())


def _without_bidi(text: str) -> str:
    return text.translate({ord(char): f"\\u{ord(char):04x}" for char in _BIDI})


def _source(name: str) -> str:
    return files("mifid").joinpath(name).read_text(encoding="utf-8")


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
