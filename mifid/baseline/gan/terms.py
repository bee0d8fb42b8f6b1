"""Losses of a method as records, curves and progress bar show them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ADVERSARIAL", "RECONSTRUCTION", "Panel", "Term"]


@dataclass(frozen=True)
class Panel:
    """A panel of the plot of losses.

    Attributes:
        title: what its lines are.
        ratio: largest through smallest loss, from which its axis is logarithmic.
    """

    title: str
    ratio: float


ADVERSARIAL = Panel(
    "Adversarial losses: generators solid, discriminators dashed",
    30.0,  # generator and discriminator differ by a small factor: a linear axis shows it best
)
RECONSTRUCTION = Panel(
    "Reconstruction losses: cycle solid, identity dashed",
    4.0,  # they fall steeply at first, but their later values are of interest
)


@dataclass(frozen=True)
class Term:
    """One number that each step of a method returns.

    Attributes:
        name: its column in metrics.csv and metrics.jsonl.
        label: of its line.
        panel: that its line is drawn in.
        side: ``"painting"`` or ``"photo"``, each with a colour.
        style: matplotlib's, ``"-"``, ``"--"``, ``":"`` or ``"-."``: lines of a side differ by it.
        total: the sum in the progress bar that it is a part of, such as ``"G"``; empty: none.
            Those of ``"D"`` are watched: a discriminator that has won teaches nothing.
    """

    name: str
    label: str
    panel: Panel
    side: str = "painting"
    style: str = "-"
    total: str = ""
