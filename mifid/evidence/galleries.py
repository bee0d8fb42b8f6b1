"""Cards of pictures: for a page as thumbnails, for a notebook as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mifid.errors import UnavailableError
from mifid.evidence.album import Shown
from mifid.rendering.canvas import GREY, VERMILION, in_own_style, new_figure
from mifid.rendering.html import spelled_out
from mifid.rendering.thumbnails import data_uri, encode_small, size_of_uri

__all__ = ["Card", "Gallery", "Thumbnail", "encode_thumbnails", "plot_gallery"]

_STEPS = ((224, 82), (192, 80), (160, 76), (128, 72), (96, 66), (64, 58), (48, 48))
"""Pixels a side and quality of JPEG, tried in turn until all thumbnails fit together."""

NO_ROOM = "left out to keep the page small"


@dataclass(frozen=True)
class Card:
    """Pictures that belong together, and what is to be said of them.

    Attributes:
        pictures: one, or a generated one and a training picture.
        roles: what each is, ``"generated"``; may be empty.
        headline: the number that matters; may be empty.
        remark: more; may be empty.
        marked: whether it deserves attention, as a near copy does.
    """

    pictures: tuple[Shown, ...]
    roles: tuple[str, ...] = ()
    headline: str = ""
    remark: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Gallery:
    """Cards in order, and a line about them. Without cards the line says why there are none."""

    cards: tuple[Card, ...]
    note: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as it is put into a page.

    Attributes:
        name: as in its set.
        uri: ``data:`` and the picture; empty where ``missing`` says why.
        width, height: in pixels.
        missing: empty if it is there.
    """

    name: str
    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""


def encode_thumbnails(pictures: Sequence[Shown], *, max_bytes: int) -> list[Thumbnail]:
    """Encode pictures so that their addresses take at most ``max_bytes`` characters together.

    All get the same size and quality: the best of seven steps that fits. If none does, the first
    pictures are kept and the rest say that they were left out.
    """
    for side, quality in _STEPS:
        encoded = [_encode(picture, side, quality) for picture in pictures]
        if sum(size_of_uri(content) for content, _ in encoded if content) <= max_bytes:
            break
    thumbnails = []
    for picture, (content, (width, height)) in zip(pictures, encoded, strict=True):
        cost = size_of_uri(content) if content else 0
        max_bytes -= cost
        if picture.pixels is None:
            thumbnails.append(Thumbnail(picture.name, missing=picture.missing))
        elif max_bytes < 0:
            thumbnails.append(Thumbnail(picture.name, missing=NO_ROOM))
        else:
            thumbnails.append(Thumbnail(picture.name, data_uri(content), width, height))
    return thumbnails


@in_own_style
def plot_gallery(gallery: Gallery, *, title: str, columns: int = 3) -> Figure:
    """Draw a gallery for a notebook: each card's pictures side by side, its headline above them.

    Raises:
        UnavailableError: it has no cards; the message is its note.
    """
    if not gallery.cards:
        raise UnavailableError(gallery.note or "there are no pictures to show")
    wide = max(len(card.pictures) for card in gallery.cards)
    columns = min(columns, len(gallery.cards))
    rows = -(-len(gallery.cards) // columns)
    figure = new_figure(title, height=0.5 + 1.1 * rows * 6 / (columns * wide) + 0.35 * rows)
    # An empty column between cards shows which pictures belong together.
    grid = figure.add_gridspec(rows, columns * (wide + 1) - 1, width_ratios=_widths(columns, wide))
    for i, card in enumerate(gallery.cards):
        row, column = divmod(i, columns)
        for j, picture in enumerate(card.pictures):
            axes = figure.add_subplot(grid[row, column * (wide + 1) + j])
            _draw(axes, picture)
            if j < len(card.roles):
                axes.set_xlabel(card.roles[j], fontsize=8, color=GREY)
            if j == 0:
                colour = VERMILION if card.marked else "black"
                axes.set_title(card.headline, loc="left", fontsize=9, color=colour)
    return figure


def _widths(columns: int, wide: int) -> list[float]:
    return [width for _ in range(columns) for width in [1.0] * wide + [0.15]][:-1]


def _draw(axes: Axes, picture: Shown) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if picture.pixels is not None:
        axes.imshow(picture.pixels)
        return
    # File names may hold what matplotlib would take for formulas.
    axes.text(
        0.5,
        0.5,
        f"cannot be shown:\n{spelled_out(picture.name)[:24]}",
        ha="center",
        va="center",
        fontsize=7,
        color=GREY,
        parse_math=False,
        transform=axes.transAxes,
    )


def _encode(picture: Shown, side: int, quality: int) -> tuple[bytes, tuple[int, int]]:
    if picture.pixels is None:
        return b"", (0, 0)
    return encode_small(Image.fromarray(picture.pixels), side=side, quality=quality)
