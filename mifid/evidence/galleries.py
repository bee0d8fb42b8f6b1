"""Galleries: nearest pairs, the most influential and copied pictures, random sheets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mifid.errors import UnavailableError
from mifid.evidence.evidence import Album, Shown
from mifid.evidence.tables import PictureTable, TrainingTable
from mifid.formatting import spelled_out
from mifid.rendering import (
    GREY,
    VERMILION,
    data_uri,
    encode_small,
    in_own_style,
    new_figure,
    render_page,
    write_html,
)

__all__ = [
    "Card",
    "Gallery",
    "Thumbnail",
    "best_influence",
    "encode_thumbnails",
    "most_copied",
    "nearest_pairs",
    "never_approached",
    "plot_gallery",
    "random_rows",
    "random_sheet",
    "worst_influence",
    "write_with_pictures",
]

_STEPS = (
    (448, 85),
    (320, 84),
    (256, 83),
    (224, 82),
    (192, 80),
    (160, 76),
    (128, 72),
    (96, 66),
    (64, 58),
    (48, 48),
)
"""Pixels a side and JPEG quality, tried in turn until all thumbnails fit together."""

MAX_BYTES = 5_000_000
"""The most bytes of a page: what mail and notebooks still take. Thumbnails get what is left."""

NO_ROOM = "left out to keep the page small"


@dataclass(frozen=True)
class Card:
    """Pictures that belong together, with their caption.

    Attributes:
        pictures: one, or a generated one and a training picture.
        roles: of each picture, such as ``"generated"``; may be empty.
        headline: the most important number; may be empty.
        remark: further text; may be empty.
        marked: whether it is highlighted, as near copies are.
    """

    pictures: tuple[Shown, ...]
    roles: tuple[str, ...] = ()
    headline: str = ""
    remark: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Gallery:
    """Cards in order, and a note about them. Without cards the note says why there are none."""

    cards: tuple[Card, ...]
    note: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as it is embedded in a page.

    Attributes:
        name: in its set.
        uri: ``data:`` and the picture; empty if ``missing`` says why.
        width, height: in pixels.
        missing: empty if there is a picture.
    """

    name: str
    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""


def encode_thumbnails(
    pictures: Sequence[Shown], *, max_bytes: int, largest: int = 224
) -> list[Thumbnail]:
    """Encode pictures so that their data URIs have at most ``max_bytes`` characters together.

    All get the same size and quality: the best of the steps that fits, of at most ``largest``
    pixels a side. If none fits, the last pictures are left out, and say so.
    """
    for side, quality in ((side, quality) for side, quality in _STEPS if side <= largest):
        encoded = [_encode(picture, side, quality) for picture in pictures]
        if sum(len(uri) for uri, _ in encoded) <= max_bytes:
            break
    thumbnails = []
    for picture, (uri, (width, height)) in zip(pictures, encoded, strict=True):
        max_bytes -= len(uri)
        if picture.pixels is None:
            thumbnails.append(Thumbnail(picture.name, missing=picture.missing))
        elif max_bytes < 0:
            thumbnails.append(Thumbnail(picture.name, missing=NO_ROOM))
        else:
            thumbnails.append(Thumbnail(picture.name, uri, width, height))
    return thumbnails


@in_own_style
def write_with_pictures(
    path: str | os.PathLike[str],
    template: str,
    *,
    galleries: Iterable[Gallery],
    largest: int = 224,
    **values: Any,
) -> None:
    """Write a page, whole or not at all, of at most 5 MB: pictures are made small enough.

    Args:
        path: of the page.
        template: within mifid; its ``thumbnail(picture)`` returns a picture's :class:`Thumbnail`.
        galleries: all that it shows.
        largest: most pixels a side of a picture, 48 to 448.
        values: what else it shows, by the names that it uses.

    Raises:
        OutputError: it cannot be written there.
    """
    pictures = [one for gallery in galleries for card in gallery.cards for one in card.pictures]

    def rendered(thumbnails: Iterable[Thumbnail]) -> str:
        by_picture = dict(zip(map(id, pictures), thumbnails, strict=True))
        return render_page(template, thumbnail=lambda shown: by_picture[id(shown)], **values)

    # Once without a picture, to know what there is left for them.
    bare = rendered(Thumbnail(picture.name, " ") for picture in pictures)
    room = MAX_BYTES - len(bare.encode(errors="backslashreplace"))
    write_html(path, rendered(encode_thumbnails(pictures, max_bytes=room, largest=largest)))


def plot_gallery(gallery: Gallery, *, title: str, columns: int = 3) -> Figure:
    """Plot a gallery for a notebook: each card's pictures side by side below its headline.

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
            _plot(axes, picture)
            if j < len(card.roles):
                axes.set_xlabel(card.roles[j], fontsize=8, color=GREY)
            if j == 0:
                colour = VERMILION if card.marked else "black"
                axes.set_title(card.headline, loc="left", fontsize=9, color=colour)
    return figure


def _widths(columns: int, wide: int) -> list[float]:
    return [width for _ in range(columns) for width in [1.0] * wide + [0.15]][:-1]


def _plot(axes: Axes, picture: Shown) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if picture.pixels is not None:
        axes.imshow(picture.pixels)
        return
    # parse_math: matplotlib would take $...$ in file names for formulas.
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


def _encode(picture: Shown, side: int, quality: int) -> tuple[str, tuple[int, int]]:
    if picture.pixels is None:
        return "", (0, 0)
    content, size = encode_small(Image.fromarray(picture.pixels), side=side, quality=quality)
    return data_uri(content), size


_GENERATED, _TRAINING = "generated", "training"


def nearest_pairs(
    table: PictureTable, *, generated: Album, training: Album | None, count: int = 12
) -> Gallery:
    """Show the generated pictures that are nearest to a training picture, next to that picture.

    Args:
        table: of the generated pictures.
        generated: opened.
        training: opened; None: its pictures are not available, only their names are shown.
        count: largest number of pairs.
    """
    cards = tuple(
        _pair(table, row, generated, training) for row in _ints(table.nearest_pairs(count))
    )
    some = "none is a near copy" if not table.near_copies else "near copies are marked"
    return Gallery(
        cards,
        f"The {len(cards):,} generated pictures that are nearest to a training picture, nearest "
        f"first: {some}."
        if cards
        else "No generated picture has a distance: all their features are zero.",
    )


def worst_influence(table: PictureTable, *, generated: Album, count: int = 12) -> Gallery:
    """Show the pictures without which FID would decrease most.

    Raises:
        UnavailableError: there is no influence.
    """
    cards = _influential(table, table.worst(count), generated)
    if not cards:
        return Gallery((), "None: FID would be higher without any single picture.")
    return Gallery(cards, "Without one of these FID would be lower.")


def best_influence(table: PictureTable, *, generated: Album, count: int = 12) -> Gallery:
    """Show the pictures without which FID would increase most.

    Raises:
        UnavailableError: there is no influence.
    """
    cards = _influential(table, table.best(count), generated)
    if not cards:
        return Gallery((), "None: FID would be lower without any single picture.")
    return Gallery(cards, "Without one of these FID would be higher.")


def most_copied(
    table: TrainingTable, *, training: Album, generated: Album | None, count: int = 6
) -> Gallery:
    """Show the training pictures that are the nearest of most generated ones, with the nearest.

    Args:
        table: of the training pictures.
        training: opened.
        generated: opened; None: its pictures are not available.
        count: largest number of training pictures.
    """
    cards = []
    for row in _ints(table.most_copied(count)):
        shown, roles = [training.show(row)], [_TRAINING]
        if generated is not None and table.nearest_row[row] >= 0:
            shown.append(generated.show(int(table.nearest_row[row])))
            roles.append("its nearest generated")
        near = int(table.near_copies[row])
        cards.append(
            Card(
                tuple(shown),
                tuple(roles),
                f"nearest to {int(table.copied[row]):,}",
                f"near copies: {near:,}" if near else "",
                marked=near > 0,
            )
        )
    return Gallery(
        tuple(cards),
        "The training pictures that are the nearest ones of the most generated pictures."
        if cards
        else "No generated picture has a nearest training picture.",
    )


def never_approached(table: TrainingTable, *, training: Album, count: int = 12) -> Gallery:
    """Show training pictures that are nearest to no generated picture, the farthest first."""
    rows = table.never_approached
    cards = tuple(
        Card((training.show(row),), headline=f"{table.distance[row]:.4f}", remark="to the nearest")
        for row in _ints(rows[:count])
    )
    total = len(table)
    if not len(rows):
        return Gallery(
            (),
            f"Each of the {total:,} training pictures is the nearest one of a generated picture.",
        )
    return Gallery(
        cards,
        f"{len(rows):,} of {total:,} training pictures are the nearest one of no generated "
        "picture. The farthest of them:",
    )


def _pair(table: PictureTable, row: int, generated: Album, training: Album | None) -> Card:
    shown, roles = [generated.show(row)], [_GENERATED]
    remark = "near copy" if table.near_copy[row] else ""
    if training is not None:
        shown.append(training.show(int(table.nearest_row[row])))
        roles.append(_TRAINING)
    else:
        remark = ", ".join(filter(None, [remark, f"nearest: {table.nearest[row]}"]))
    return Card(
        tuple(shown),
        tuple(roles),
        f"{table.distance[row]:.4f}",
        remark,
        marked=bool(table.near_copy[row]),
    )


def _influential(table: PictureTable, rows: Iterable[int], generated: Album) -> tuple[Card, ...]:
    total, mean, covariance = table.influence, table.influence_mean, table.influence_covariance
    assert total is not None
    assert mean is not None
    assert covariance is not None
    return tuple(
        Card(
            (generated.show(row),),
            headline=f"{total[row]:+.4f}".replace("-", "−"),
            remark=f"mean {mean[row]:+.4f}, covariance {covariance[row]:+.4f}".replace("-", "−"),
        )
        for row in _ints(rows)
    )


def _ints(rows: Iterable[int]) -> list[int]:
    return [int(row) for row in rows]


def random_rows(n: int, count: int, *, seed: int) -> list[int]:
    """Draw ``count`` different rows of 0..n-1, in ascending order; all if n is smaller."""
    if n <= count:
        return list(range(n))
    drawn: list[int] = np.random.RandomState(seed).choice(n, count, replace=False).tolist()
    return sorted(drawn)


def random_sheet(album: Album, *, seed: int, count: int = 12) -> Gallery:
    """Show randomly drawn pictures, the same with every run.

    Args:
        album: opened.
        seed: of the draw.
        count: largest number of pictures, without repetition.
    """
    rows = random_rows(len(album), count, seed=seed)
    return Gallery(
        tuple(Card((album.show(row),)) for row in rows),
        f"{len(rows):,} of {len(album):,}, drawn at random (seed {seed})",
    )
