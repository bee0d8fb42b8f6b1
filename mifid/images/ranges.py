"""Pixels that are not uint8: from their stated range to 256 levels, with what does not fit it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, setting
from mifid.images.source import Pixels

__all__ = [
    "Quantizer",
    "SideRanges",
    "ValueRange",
    "check_ranges",
    "range_of",
    "stated_for",
]

ValueRange = tuple[float, float]

SideRanges: TypeAlias = "ValueRange | Mapping[str, ValueRange]"
"""One range for all sides, or one a side, by its label; ``""``: of all that have none."""

_SIDE: ContextVar[tuple[str | None, bool]] = ContextVar("mifid_side", default=("", False))
"""What :func:`stated_for` was given last."""

_MARGIN = 0.01
"""Of the range: rounding and the ringing of resizes stay within it."""

_STRAY = 0.001
"""At most such a share of a set's values may lie beyond the margin."""

_CLEARLY = 0.1
"""Such a share of the first batches is no accident."""

_AS_LEVELS: dict[ValueRange, str] = {
    (0, 1): "(x * 255).round()",
    (-1, 1): "((x + 1) * 127.5).round()",
    (0, 255): "x.round()",
}
"""How values of the usual ranges become 0..255."""

_AT_ONCE = 1 << 22  # values: what is in between needs a multiple of their memory


class Quantizer:
    """Rounds the values of one set to the nearest of 256 levels, and counts those out of range.

    Values a little outside are clipped, as a saved picture would be. More than 0.1 % of a set's
    values beyond 1 % of the range are an error: the range is another one, and clipping would make a
    plausible, wrong score. One instance a set; call :meth:`finish` after the last batch.

    Args:
        value_range: what black and white are, such as (0, 1), (-1, 1) or (0, 255); None: not known,
            so that anything but uint8 is refused, as guessing is how wrong scores are made.

    Raises:
        InputError: not two numbers, the lower first.
    """

    def __init__(self, value_range: ValueRange | None) -> None:
        self._side, self._by_side = _SIDE.get()
        self._range = None if value_range is None else self._checked(value_range)
        self._count = self._beyond = 0
        self._low, self._high = math.inf, -math.inf
        self._whole = True

    def __call__(self, array: npt.NDArray[Any], where: str) -> Pixels:
        """Return an array of any shape as uint8; what is uint8 stays as it is.

        Raises:
            InputError: its type or range is not known, or it holds NaN.
        """
        if array.dtype == np.uint8:
            return array
        if not _measured(array.dtype, self._range):
            raise _unknown_type(array, where)
        if self._range is None:
            raise InputError(
                f"{where} is {array.dtype}, and its range is not known",
                hint=self._how_to_state(array, where),
            )
        levels = np.empty(array.shape, np.uint8)
        if array.size:
            rows = _rows_at_once(array)
            parts = [slice(start, start + rows) for start in range(0, len(array), rows)]
            self._beyond += sum(
                self._part(array, part, levels[part], self._range, where) for part in parts
            )
            self._count += array.size
        return levels

    def clearly_off(self) -> bool:
        """Say whether no look at the rest of the set is needed to refuse it."""
        return self._beyond > _CLEARLY * self._count

    def finish(self, where: str) -> None:
        """Refuse the set if too many of its values were out of range.

        Raises:
            InputError: what was met, and what range fits it.
        """
        if self._beyond > _STRAY * self._count:
            raise self._misfit(where)

    def doubt(self) -> str | None:
        """Say why the stated range is hardly the right one; None if nothing speaks against it."""
        if self._range is None or not self._count:
            return None
        met = f"values go from {self._low:.4g} to {self._high:.4g} in a stated range of "
        met += _text(self._range)
        fits = _fitting(self._low, self._high)
        better = ""
        if fits is not None and fits != self._range:
            better = f"; {_text(fits)} fits them{self._stated(': ', fits)}"
        if self._range[0] < 0 <= self._low:
            return f"{met}: none is below 0{better}"
        if better and fits == (0, 1):
            return f"{met}{better}"
        if self._whole and self._range[1] - self._range[0] <= 2:
            return f"{met}, and all are whole numbers, as if cast to integers"
        return None

    def _part(
        self,
        whole: npt.NDArray[Any],
        part: slice,
        out: Pixels,
        value_range: ValueRange,
        where: str,
    ) -> int:
        """Fill ``out`` and return how many values are clearly out of range."""
        low, high = value_range
        array = whole[part]
        if array.dtype.kind == "f" and array.dtype.itemsize < 4:
            array = array.astype(np.float32)
        least, most = float(array.min()), float(array.max())
        if not (math.isfinite(least) and math.isfinite(most)):  # NaN is the minimum where it is met
            raise _no_numbers(whole, where)
        self._low, self._high = min(self._low, least), max(self._high, most)
        self._whole = self._whole and bool((array == np.rint(array)).all())
        scaled = (array - low) * (255.0 / (high - low))
        np.rint(scaled).clip(0, 255, out=out, casting="unsafe")
        margin = _MARGIN * (high - low)
        if low - margin <= least and most <= high + margin:
            return 0
        return int(np.count_nonzero((array < low - margin) | (array > high + margin)))

    def _misfit(self, where: str) -> InputError:
        assert self._range is not None
        fits = _fitting(self._low, self._high)
        if fits is not None and fits != self._range:
            hint = f"{_text(fits)} fits them{self._stated(': ', fits)}."
        elif -6 < self._low < -0.5 and 0.5 < self._high < 6:
            hint = "If they were normalised, undo it: x * std + mean. Else clip them on purpose."
        else:
            hint = "Bring them to 0..1 first, or clip what is outside on purpose: x.clip(0, 1)."
        return InputError(
            f"{where} holds values from {self._low:.4g} to {self._high:.4g}; "
            f"{self._beyond / self._count:.1%} of them are clearly outside the stated range of "
            f"{_text(self._range)}",
            hint=hint,
        )

    def _how_to_state(self, array: npt.NDArray[Any], where: str) -> str:
        """Say what range the first values fit, and how they become uint8, taken everywhere.

        Raises:
            InputError: they are no numbers.
        """
        first = array[: _rows_at_once(array)] if array.ndim and len(array) else array
        if not first.size:
            return "Give uint8."
        low, high = float(first.min()), float(first.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise _no_numbers(array, where)
        met, fits = f"Values go from {low:.4g} to {high:.4g}", _fitting(low, high)
        if fits is not None:
            stated = self._stated("; or state their range: ", fits)
            return f"{met}: give {_AS_LEVELS[fits]}.astype('uint8'){stated}."
        met += ", which is none of the usual ranges: 0 to 1, -1 to 1, 0 to 255. Give uint8"
        if self._side is None:
            return f"{met}."
        usual = " or ".join(self._stated("", fits) for fits in ((0, 1), (-1, 1)))
        return f"{met}; or bring them to a range and state it: {usual}."

    def _stated(self, before: str, fits: Any) -> str:
        """Return how a range is stated for this set, after ``before``; nothing if it cannot be."""
        if self._side is None:
            return ""
        everywhere = f"{before}{setting('value_range', fits)}"
        if not self._side:
            return everywhere
        own = setting("value_range", {self._side: fits})
        if self._by_side:
            return f"{before}{own}"
        return everywhere if self._range is None else f"{everywhere}; of this side alone: {own}"

    def _checked(self, value_range: Any) -> ValueRange:
        try:
            low, high = (float(value) for value in value_range)
            good = low < high and math.isfinite(high - low)
        except (TypeError, ValueError):
            good = False
        if isinstance(value_range, str) or not good:
            given = {self._side: value_range} if self._by_side else value_range
            usual = [setting("value_range", fits) for fits in _AS_LEVELS]
            raise InputError(
                f"{setting('value_range', given)} is no range; expected what black and white are, "
                f"the lower first: {', '.join(usual)}"
            )
        return low, high


@contextmanager
def stated_for(label: str | None, *, by_side: bool = False) -> Iterator[None]:
    """Let what is opened within the block say in its messages how its range is stated.

    Args:
        label: of the side that is opened; empty: there are no sides, but one range, as it is
            outside of such blocks; None: no range can be stated.
        by_side: each side's range is stated by itself.
    """
    token = _SIDE.set((label, by_side))
    try:
        yield
    finally:
        _SIDE.reset(token)


def range_of(value_range: SideRanges | None, label: str) -> ValueRange | None:
    """Return the range of one side's values; None: not known."""
    if not isinstance(value_range, Mapping):
        return value_range
    return value_range.get(label, value_range.get(""))


def check_ranges(value_range: SideRanges | None, labels: Collection[str]) -> None:
    """Raise InputError for a range of a side that is not among those given."""
    if not isinstance(value_range, Mapping):
        return
    for name in value_range:
        if name and name not in labels:
            raise InputError(
                f"{setting('value_range')} is stated for '{name}', which is no side that is given",
                hint=f"Sides that are given: {', '.join(labels)}.",
            )


def _no_numbers(array: npt.NDArray[Any], where: str) -> InputError:
    """Count the values that are NaN or infinite."""
    step = _rows_at_once(array)
    bad = rows = 0
    for start in range(0, len(array), step):
        found = ~np.isfinite(array[start : start + step])
        bad += int(found.sum())
        rows += int(found.reshape(len(found), -1).any(axis=1).sum())
    return InputError(
        f"{where} holds NaN or infinite pixels: {bad:,} of {array.size:,} values, in {rows:,} of "
        f"{len(array):,} pictures",
        hint="Did what made them diverge? Without such pictures: "
        "x[np.isfinite(x).all(axis=(1, 2, 3))].",
    )


def _rows_at_once(array: npt.NDArray[Any]) -> int:
    return max(1, _AT_ONCE // max(1, math.prod(array.shape[1:])))


def _measured(dtype: np.dtype[Any], value_range: ValueRange | None) -> bool:
    """Floats; and integers whose stated range has as many levels as a picture."""
    if dtype.kind in "iu":
        return value_range is not None and value_range[1] - value_range[0] >= 255
    return dtype.kind == "f"


def _unknown_type(array: npt.NDArray[Any], where: str) -> InputError:
    met, hint = f"{array.dtype}", ""
    if array.dtype.kind == "b":
        hint = "If True is white: (x * 255).astype('uint8'), of a tensor (x * 255).to(torch.uint8)."
    elif array.dtype.kind in "iu" and array.size:
        low, high = int(array.min()), int(array.max())
        met += f" from {low} to {high}"
        if low >= 0 and 1 < high <= 255:
            hint = "They fit: x.astype('uint8'), of a tensor x.to(torch.uint8)."
        elif low >= 0 and high <= 1:
            hint = "Were they floats in 0..1 before? Multiply by 255 before they become integers."
        else:
            hint = "Bring them to 0..255 as uint8."
    return InputError(
        f"{where} is {met}; expected uint8 in 0..255, or floats with their range", hint=hint
    )


def _fitting(low: float, high: float) -> ValueRange | None:
    """Return the usual range that values from ``low`` to ``high`` fill."""
    if low >= -0.01 and 0.1 < high <= 1.01:
        return (0, 1)
    if -1.02 <= low < -0.1 and high <= 1.02:
        return (-1, 1)
    if low >= -2.55 and 16 < high <= 257.55:
        return (0, 255)
    return None


def _text(value_range: ValueRange) -> str:
    return f"{value_range[0]:g} to {value_range[1]:g}"
