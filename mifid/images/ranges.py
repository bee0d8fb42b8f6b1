"""Conversion of pixels that are not uint8 from their range to 256 levels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, setting, warn
from mifid.images.source import Pixels

__all__ = [
    "Quantizer",
    "SideRanges",
    "ValueRange",
    "check_ranges",
    "range_of",
    "refuse_no_ranges",
    "stated_for",
    "warn_of_unused_ranges",
]

ValueRange = tuple[float, float]

SideRanges: TypeAlias = "ValueRange | Mapping[str, ValueRange]"
"""One range for all sides, or one per side, by its label; ``""`` is the default."""

_SIDE: ContextVar[tuple[str | None, bool]] = ContextVar("mifid_side", default=("", False))
"""The innermost :func:`stated_for`: label, by_side."""

_MARGIN = 0.01
"""Part of the range by which values may exceed it: rounding and ringing of resizes."""

_STRAY = 0.001
"""Largest share of a set's values that may lie beyond the margin."""

_CLEARLY = 0.1
"""Share of the first batches' values beyond the margin at which the set is refused at once."""

_AS_LEVELS: dict[ValueRange, str] = {
    (0, 1): "(x * 255).round()",
    (-1, 1): "((x + 1) * 127.5).round()",
    (0, 255): "x.round()",
}
"""Code that brings values of the usual ranges to 0..255."""

_AT_ONCE = 1 << 22  # values; intermediate arrays need several times their memory


class Quantizer:
    """Rounding of one set's values to the nearest of 256 levels.

    Values a little out of range are clipped, as when a picture is saved. If more than 0.1 % of a
    set's values are out of range by more than 1 % of it, the range must be wrong, and clipping
    would give a plausible, wrong score: an error. Use one instance a set, and call :meth:`finish`
    after the last batch.

    Args:
        value_range: values of black and white, such as (0, 1), (-1, 1) or (0, 255); None: not
            known. Then anything but uint8 is refused, since a wrong guess gives a wrong score.

    Raises:
        InputError: not two numbers, the lower first.
    """

    def __init__(self, value_range: ValueRange | None) -> None:
        self._side, self._by_side = _SIDE.get()
        shown = {self._side: value_range} if self._by_side else value_range
        self._range = None if value_range is None else _checked(value_range, shown)
        self._count = self._beyond = 0
        self._low, self._high = math.inf, -math.inf
        self._whole = True

    def __call__(self, array: npt.NDArray[Any], where: str) -> Pixels:
        """Convert an array of any shape to uint8; uint8 stays as it is.

        Raises:
            InputError: its type is not supported, its range is not known, or it holds NaN.
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

    @property
    def used(self) -> bool:
        """Whether values that are not uint8 were converted."""
        return self._count > 0

    def clearly_off(self) -> bool:
        """Return whether the set can be refused before its last batch."""
        return self._beyond > _CLEARLY * self._count

    def finish(self, where: str) -> None:
        """Refuse the set if too many of its values are out of range.

        Raises:
            InputError: with the values that were found, and the range that fits them.
        """
        if self._beyond > _STRAY * self._count:
            raise self._misfit(where)

    def doubt(self) -> str | None:
        """Describe why the given range is probably wrong; None if nothing speaks against it."""
        if self._range is None or not self._count:
            return None
        found = f"values go from {self._low:.4g} to {self._high:.4g} in a stated range of "
        found += _text(self._range)
        fits = _fitting(self._low, self._high)
        better = ""
        if fits is not None and fits != self._range:
            better = f"; {_text(fits)} fits them{self._stated(': ', fits)}"
        if self._range[0] < 0 <= self._low:
            return f"{found}: none is below 0{better}"
        if better and fits == (0, 1):
            return f"{found}{better}"
        if self._whole and self._range[1] - self._range[0] <= 2:
            return f"{found}, and all are whole numbers, as if they had been cast to integers"
        return None

    def _part(
        self,
        whole: npt.NDArray[Any],
        part: slice,
        out: Pixels,
        value_range: ValueRange,
        where: str,
    ) -> int:
        """Fill ``out`` and return the number of values beyond the margin."""
        low, high = value_range
        array = whole[part]
        if array.dtype.kind == "f" and array.dtype.itemsize < 4:
            array = array.astype(np.float32)
        least, most = float(array.min()), float(array.max())
        if not (math.isfinite(least) and math.isfinite(most)):  # the minimum with NaN is NaN
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
            hint = "If they were normalised, undo it: x * std + mean. Otherwise clip them yourself."
        else:
            hint = "Scale them to 0..1 first, or clip them yourself: x.clip(0, 1)."
        return InputError(
            f"{where} holds values from {self._low:.4g} to {self._high:.4g}; "
            f"{self._beyond / self._count:.1%} of them are clearly outside the stated range of "
            f"{_text(self._range)}",
            hint=hint,
        )

    def _how_to_state(self, array: npt.NDArray[Any], where: str) -> str:
        """Return the hint: which range the first values fit, and how to convert or state them.

        Raises:
            InputError: the values are not finite.
        """
        first = array[: _rows_at_once(array)] if array.ndim and len(array) else array
        if not first.size:
            return "Give pixels as uint8."
        low, high = float(first.min()), float(first.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise _no_numbers(array, where)
        found, fits = f"Values go from {low:.4g} to {high:.4g}", _fitting(low, high)
        if fits is not None:
            stated = self._stated("; or state their range: ", fits)
            return f"{found}: give {_AS_LEVELS[fits]}.astype('uint8'){stated}."
        found += ", which is none of the usual ranges: 0 to 1, -1 to 1, 0 to 255. Give uint8"
        if self._side is None:
            return f"{found}."
        usual = " or ".join(self._stated("", fits) for fits in ((0, 1), (-1, 1)))
        return f"{found}; or scale them to a range and state it: {usual}."

    def _stated(self, before: str, fits: Any) -> str:
        """Return ``before`` and how to state a range for this set; empty if it cannot be stated."""
        if self._side is None:
            return ""
        everywhere = f"{before}{setting('value_range', fits)}"
        if not self._side:
            return everywhere
        own = setting("value_range", {self._side: fits})
        if self._by_side:
            return f"{before}{own}"
        return everywhere if self._range is None else f"{everywhere}; for this side only: {own}"


@contextmanager
def stated_for(label: str | None, *, by_side: bool = False) -> Iterator[None]:
    """Set, within the block, how messages say that a range is stated.

    Args:
        label: of the side that is opened; empty: there are no sides, but one range, as outside of
            such blocks; None: no range can be stated.
        by_side: each side has a range of its own.
    """
    token = _SIDE.set((label, by_side))
    try:
        yield
    finally:
        _SIDE.reset(token)


def range_of(value_range: SideRanges | None, label: str) -> ValueRange | None:
    """Return the range of one side's values; None: it is not known."""
    if not isinstance(value_range, Mapping):
        return value_range
    return value_range.get(label, value_range.get(""))


def refuse_no_ranges(value_range: Any) -> None:
    """Raise InputError for what is no range, of all sides or of one."""
    by_side = isinstance(value_range, Mapping)
    for side, each in (value_range if by_side else {"": value_range}).items():
        if each is not None:
            _checked(each, {side: each} if by_side else each)


def _checked(value_range: Any, shown: Any) -> ValueRange:
    """Return (low, high).

    Raises:
        InputError: not two numbers, the lower first.
    """
    try:
        low, high = (float(value) for value in value_range)
        good = low < high and math.isfinite(high - low)
    except (TypeError, ValueError):
        good = False
    if isinstance(value_range, str) or not good:
        usual = [setting("value_range", fits) for fits in _AS_LEVELS]
        raise InputError(
            f"{setting('value_range', shown)} is not a range; expected the values of black and "
            f"white, the lower first: {', '.join(usual)}"
        )
    return low, high


def warn_of_unused_ranges(value_range: SideRanges | None, ranged: Mapping[str, bool]) -> None:
    """Warn of a range that no pictures need.

    Args:
        value_range: as it was given.
        ranged: label of a side -> whether it has values for which a range is needed.
    """
    if value_range is None:
        return
    asked = value_range if isinstance(value_range, Mapping) else {"": value_range}
    for side, each in asked.items():
        its = [side] if side else [label for label in ranged if label not in asked]
        if any(ranged.get(label) for label in its):
            continue
        other = "other " * (len(asked) > 1)
        where = f"the {side.replace('_', ' ')} side has no" if side else f"there are no {other}"
        warn(
            f"{setting('value_range', {side: each} if side else each)} has no effect: "
            f"{where.strip()} arrays of floats, and other pictures have values of 0 to 255",
            stacklevel=3,
        )


def check_ranges(value_range: SideRanges | None, labels: Collection[str]) -> None:
    """Raise InputError for a range of a side that is not among those given."""
    if not isinstance(value_range, Mapping):
        return
    for name in value_range:
        if name and name not in labels:
            raise InputError(
                f"{setting('value_range')} is given for '{name}', but no such side is given",
                hint=f"Sides that are given: {', '.join(labels)}.",
            )


def _no_numbers(array: npt.NDArray[Any], where: str) -> InputError:
    """Return the error for values that are NaN or infinite, with their number."""
    step = _rows_at_once(array)
    bad = rows = 0
    for start in range(0, len(array), step):
        found = ~np.isfinite(array[start : start + step])
        bad += int(found.sum())
        rows += int(found.reshape(len(found), -1).any(axis=1).sum())
    return InputError(
        f"{where} holds NaN or infinite pixels: {bad:,} of {array.size:,} values, in {rows:,} of "
        f"{len(array):,} pictures",
        hint="Did the generator diverge? To leave such pictures out: "
        "x[np.isfinite(x).all(axis=(1, 2, 3))].",
    )


def _rows_at_once(array: npt.NDArray[Any]) -> int:
    return max(1, _AT_ONCE // max(1, math.prod(array.shape[1:])))


def _measured(dtype: np.dtype[Any], value_range: ValueRange | None) -> bool:
    """Return whether values are floats, or integers whose range has at least 256 levels."""
    if dtype.kind in "iu":
        return value_range is not None and value_range[1] - value_range[0] >= 255
    return dtype.kind == "f"


def _unknown_type(array: npt.NDArray[Any], where: str) -> InputError:
    found, hint = f"{array.dtype}", ""
    if array.dtype.kind == "b":
        hint = "If True is white: (x * 255).astype('uint8'); a tensor: (x * 255).to(torch.uint8)."
    elif array.dtype.kind in "iu" and array.size:
        low, high = int(array.min()), int(array.max())
        found += f" from {low} to {high}"
        if low >= 0 and 1 < high <= 255:
            hint = "They fit: give x.astype('uint8'); a tensor: x.to(torch.uint8)."
        elif low >= 0 and high <= 1:
            hint = "Were they floats in 0..1? Multiply by 255 before you cast them to integers."
        else:
            hint = "Scale them to 0..255 and give uint8."
    return InputError(
        f"{where} is {found}; expected uint8 in 0..255, or floats with their range", hint=hint
    )


def _fitting(low: float, high: float) -> ValueRange | None:
    """Return the usual range that values from ``low`` to ``high`` fit; None: none does."""
    if low >= -0.01 and 0.1 < high <= 1.01:
        return (0, 1)
    if -1.02 <= low < -0.1 and high <= 1.02:
        return (-1, 1)
    if low >= -2.55 and 16 < high <= 257.55:
        return (0, 255)
    return None


def _text(value_range: ValueRange) -> str:
    return f"{value_range[0]:g} to {value_range[1]:g}"
