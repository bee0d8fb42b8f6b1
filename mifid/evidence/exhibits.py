"""Which pictures are worth a look: from the tables of pictures to galleries."""

from __future__ import annotations

from collections.abc import Iterable

from mifid.evidence.album import Album
from mifid.evidence.galleries import Card, Gallery
from mifid.evidence.pictures import PictureTable
from mifid.evidence.training_pictures import TrainingTable

__all__ = ["best_influence", "most_copied", "nearest_pairs", "never_approached", "worst_influence"]

_GENERATED, _TRAINING = "generated", "training"


def nearest_pairs(
    table: PictureTable, *, generated: Album, training: Album | None, count: int = 12
) -> Gallery:
    """Show the generated pictures that are nearest to a training picture, beside that picture.

    Args:
        table: of the generated pictures.
        generated: opened.
        training: opened; None: its pictures are not at hand, their names alone are told.
        count: at most so many pairs.
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
        else "No generated picture has a distance: all of its features are zero.",
    )


def worst_influence(table: PictureTable, *, generated: Album, count: int = 12) -> Gallery:
    """Show the pictures without which FID would fall most.

    Raises:
        UnavailableError: there is no influence.
    """
    cards = _influential(table, table.worst(count), generated)
    if not cards:
        return Gallery((), "None: FID would be higher without any single picture.")
    return Gallery(cards, "Without one of these FID would be lower.")


def best_influence(table: PictureTable, *, generated: Album, count: int = 12) -> Gallery:
    """Show the pictures without which FID would rise most.

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
    """Show the training pictures that most generated ones are nearest to, beside the nearest.

    Args:
        table: of the training pictures.
        training: opened.
        generated: opened; None: its pictures are not at hand.
        count: at most so many.
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
        "The training pictures that the most generated pictures are nearest to."
        if cards
        else "No generated picture has a nearest training picture.",
    )


def never_approached(table: TrainingTable, *, training: Album, count: int = 12) -> Gallery:
    """Show training pictures that no generated picture is nearest to, the farthest first."""
    rows = table.never_approached
    cards = tuple(
        Card((training.show(row),), headline=f"{table.distance[row]:.4f}", remark="to the nearest")
        for row in _ints(rows[:count])
    )
    total = len(table)
    if not len(rows):
        return Gallery((), f"Each of the {total:,} training pictures is the nearest of some.")
    return Gallery(
        cards,
        f"{len(rows):,} of {total:,} training pictures are the nearest of no generated picture. "
        "Those farthest from any generated picture:",
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
