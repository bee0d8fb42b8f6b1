"""HTML pages that need no other file, and what they show: plots, commands, small pictures."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from mifid.files import atomic_write
from mifid.formatting import number, spelled_out
from mifid.machine import __version__

__all__ = [
    "Command",
    "Plot",
    "data_uri",
    "encode_small",
    "html_table",
    "render_page",
    "shortened",
    "write_html",
]


@dataclass(frozen=True)
class Command:
    """A command line, and what it is for. The line is already quoted for a shell."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Plot:
    """A plot as a page shows it: an ``<svg>`` element, how to read it, and its heading, if any."""

    svg: Markup
    caption: str
    title: str = ""


def render_page(template: str, **values: Any) -> str:
    """Return a page as text. All that a template outputs is escaped and in one line.

    Args:
        template: within mifid, ``"baseline/page.html"``; all extend rendering/base.html.
        values: what it shows, by the names that it uses.
    """
    made = time.strftime("%Y-%m-%d %H:%M")
    return _environment().get_template(template).render(version=__version__, made=made, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_spelled_out,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(
            lambda name: files("mifid").joinpath(name).read_text(encoding="utf-8")
        ),
    )
    environment.filters |= {"number": number, "short": shortened}
    return environment


def _spelled_out(value: Any) -> Any:
    return value if isinstance(value, Markup) else spelled_out(str(value))


def shortened(name: str, most: int = 60) -> str:
    """Return a name in one line, without its middle where it is longer than ``most`` characters.

    Its folder and its number distinguish it from others.

    >>> shortened("folder/0123456789.png", most=14)
    'folder…789.png'
    """
    name = spelled_out(name)
    half = most // 2
    return name if len(name) <= most else f"{name[: half - 1]}…{name[-half:]}"


def html_table(rows: Iterable[Sequence[str]], headings: Sequence[str] = ()) -> str:
    """Return a table for notebooks, every cell escaped."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def write_html(path: str | os.PathLike[str], text: str) -> None:
    """Write a page, whole or not at all; bytes of names that are not UTF-8 become escapes.

    Raises:
        OutputError: it cannot be written there.
    """
    with atomic_write(path) as file:
        file.write(text.encode(errors="backslashreplace"))


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
