"""Histograms of red, green and blue, set beside set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mifid.errors import InputError
from mifid.images import Pixels
from mifid.rendering.canvas import (
    BLUE,
    GREEN,
    VERMILION,
    finish,
    in_own_style,
    new_figure,
)

__all__ = ["FIRST", "draw_rgb_histograms", "rgb_shares"]

Floats = npt.NDArray[np.float64]

_CHANNELS = (("red", VERMILION, "-"), ("green", GREEN, "--"), ("blue", BLUE, "-."))

FIRST = 100
"""Number of pictures of a set that are counted, as in report B."""


@in_own_style
def draw_rgb_histograms(sets: Mapping[str, Pixels | Sequence[Pixels]]) -> Figure:
    """Draw how often each level of red, green and blue occurs, a panel a set, on equal axes.

    As in report B: over the first 100 pictures of each set, and without level 0, whose peak (black
    borders, underexposure) would flatten all else. Shares, not counts, as sets differ in size.

    Args:
        sets: what each is called -> pixels (N, H, W, 3) uint8, or pictures (h, w, 3) of any sizes.

    Raises:
        InputError: a set is empty, or not (N, H, W, 3) uint8.
    """
    for name, pictures in sets.items():
        _check(name, pictures)
    title = f"Levels of red, green and blue (first {FIRST} pictures of each set; level 0 left out)"
    figure = new_figure(title, height=1.2 + 2.3 * max(1, len(sets)))
    shares = {name: rgb_shares(pictures[:FIRST]) for name, pictures in sets.items()}
    top = _top(list(shares.values()))
    for i, (name, pictures) in enumerate(sets.items()):
        axes = figure.add_subplot(len(sets), 1, i + 1)
        _draw_channels(axes, shares[name])
        about = [f"not drawn: level 0, {shares[name][:, 0].mean():.1f} %"]
        if (peak := shares[name][:, 1:].max()) > top:
            about.append(f"highest peak: {peak:.1f} %, cut off")
        count = f"{min(len(pictures), FIRST)} picture{'s'[: len(pictures) > 1]}"
        finish(axes, title=f"{name}: {count} ({'; '.join(about)})", y="% of values a level")
        axes.set_xticks([1, *range(32, 255, 32), 255])
        axes.set_xlim(0, 256)
        axes.set_ylim(0, top)
        if i == 0:  # outside: no place within is free of curves in every set
            figure.legend(
                handles=axes.lines, loc="outside lower left", ncols=3, frameon=False, fontsize=9
            )
        if i == len(sets) - 1:
            axes.set_xlabel("level, dark to bright")
    return figure


def _check(name: str, pictures: Pixels | Sequence[Pixels]) -> None:
    whole = [pictures] if isinstance(pictures, np.ndarray) else [one[None] for one in pictures]
    for pixels in whole:
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise InputError(
                f"the histogram of '{name}' takes pixels (N, H, W, 3) uint8, N at least 1, "
                f"got {pixels.shape} {pixels.dtype}",
                hint="Give the pictures as they would be saved.",
            )
    if not whole:
        raise InputError(f"the histogram of '{name}' takes at least one picture, got none")


def _draw_channels(axes: Axes, shares: Floats) -> None:
    levels = np.arange(1, 256)
    for (channel, colour, style), values in zip(_CHANNELS, shares, strict=True):
        axes.plot(levels, values[1:], color=colour, ls=style, lw=1.5, label=channel)
        axes.fill_between(levels, values[1:], color=colour, alpha=0.08, lw=0)


def _top(shares: Sequence[Floats]) -> float:
    """Return the axis' end: single high levels, as of blown highlights, may leave the panel."""
    usual = max((float(np.quantile(values[:, 1:], 0.98)) for values in shares), default=0.0)
    highest = max((float(values[:, 1:].max()) for values in shares), default=0.0)
    return 1.1 * min(highest, 1.6 * usual or highest) or 1.0


def rgb_shares(pictures: Pixels | Sequence[Pixels]) -> Floats:
    """Return how many percent of a channel's values are at each level.

    Args:
        pictures: (N, H, W, 3) uint8, or pictures (h, w, 3) of any sizes; each pixel counts once.

    Returns:
        (3, 256) float64; each row sums to 100.
    """
    counts = np.zeros((3, 256))
    for pixels in pictures:
        counts += [np.bincount(pixels[..., i].ravel(), minlength=256) for i in range(3)]
    shares: Floats = 100 * counts / counts.sum(axis=1, keepdims=True)
    return shares
