"""Pictures that are dropped: criteria, their thresholds and where these come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mifid.errors import InputError, setting
from mifid.metrics.neighbours import distance_blocks
from mifid.registry import suggest
from mifid.selection.measures import Bits, Measures

__all__ = ["CRITERIA", "Criterion", "Dropped", "Thresholds", "drop_by", "thresholds_of"]

Thresholds: TypeAlias = Mapping[str, float]
"""Name of a criterion -> its threshold, in the order in which they are applied."""


@dataclass(frozen=True)
class Dropped:
    """Why a picture goes.

    Attributes:
        criterion: a name in :data:`CRITERIA`, or what chose among the others.
        reason: in words, with the value.
        value: that was compared; pictures are shown in its order.
        beside: row of the picture that it is a duplicate of.
    """

    criterion: str
    reason: str
    value: float
    beside: int | None = None


Finder: TypeAlias = Callable[[Measures, Bits, float], Iterator[tuple[int, Dropped]]]


@dataclass(frozen=True)
class Criterion:
    """A reason to drop pictures.

    Attributes:
        threshold: the default; docs/training.md has the numbers that it was chosen by.
        rule: what is dropped, ``{}`` being the threshold.
        find: (measures, those still there, threshold) -> rows to drop, and why.
    """

    threshold: float
    rule: str
    find: Finder


def _dark(measures: Measures, _there: Bits, least: float) -> Iterator[tuple[int, Dropped]]:
    for row in np.flatnonzero(measures.brightness < least).tolist():
        value = float(measures.brightness[row])
        yield row, Dropped("dark", f"brightness {value:.1f}, below {least:g}", value)


def _blurred(measures: Measures, _there: Bits, least: float) -> Iterator[tuple[int, Dropped]]:
    for row in np.flatnonzero(measures.sharpness < least).tolist():
        value = float(measures.sharpness[row])
        yield row, Dropped("blurred", f"sharpness {value:.1f}, below {least:g}", value)


def _duplicates(measures: Measures, there: Bits, most: float) -> Iterator[tuple[int, Dropped]]:
    """Go through the pictures by name: one goes if one before it stays that is nearly the same."""
    stays = there.copy()
    for block in distance_blocks(measures.hashes.astype(np.float64)):
        for row, bits in enumerate(np.rint(block.squared), start=block.rows.start):
            if not stays[row] or not row:
                continue
            before = np.where(stays[:row], bits[:row], np.inf)
            other = int(before.argmin())
            if before[other] <= most:
                stays[row] = False
                bit = int(before[other])
                why = f"{bit} of 64 bits differ from '{measures.names[other]}', at most {most:g}"
                yield row, Dropped("duplicates", why, bit, beside=other)


def _outliers(measures: Measures, _there: Bits, most: float) -> Iterator[tuple[int, Dropped]]:
    for row in np.flatnonzero(measures.outlier_score > most).tolist():
        value = float(measures.outlier_score[row])
        yield row, Dropped("outliers", f"outlier score {value:.2f}, above {most:g}", -value)


CRITERIA = {
    "dark": Criterion(60.0, "brightness below {:g}", _dark),
    "blurred": Criterion(100.0, "sharpness below {:g}", _blurred),
    "duplicates": Criterion(6.0, "at most {:g} of 64 bits from one that stays", _duplicates),
    "outliers": Criterion(3.0, "outlier score above {:g}", _outliers),
}
"""Name -> criterion. They are applied in this order, whatever the order they are given in."""


def thresholds_of(given: str | Sequence[str] | Mapping[str, float | None]) -> Thresholds:
    """Return the criteria that a user named, with their thresholds.

    >>> thresholds_of("dark=50,duplicates")
    {'dark': 50.0, 'duplicates': 6.0}

    Args:
        given: ``"dark,blurred=80"``, such words one by one, or name -> threshold (None: the
            default).

    Raises:
        InputError: an unknown name, one given twice, or a threshold that is no number of 0 or more.
    """
    found: dict[str, float] = {}
    for name, threshold in _named(given):
        if name not in CRITERIA:
            raise InputError(
                f"{setting('drop')}: unknown criterion '{name}'", hint=suggest(name, CRITERIA)
            )
        if name in found:
            raise InputError(f"{setting('drop')}: '{name}' is given twice")
        found[name] = CRITERIA[name].threshold if threshold is None else threshold
    return {name: found[name] for name in CRITERIA if name in found}


def _named(
    given: str | Sequence[str] | Mapping[str, float | None],
) -> Iterator[tuple[str, float | None]]:
    pairs: list[tuple[str, Any]] = []
    if isinstance(given, Mapping):
        pairs.extend(given.items())
    else:
        for word in ",".join([given] if isinstance(given, str) else given).split(","):
            name, equals, value = (part.strip() for part in word.partition("="))
            pairs.extend([(name, value if equals else None)] * bool(word.strip()))
    for name, value in pairs:
        try:
            number = None if value is None else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if number is not None and not 0 <= number < math.inf:
            raise InputError(
                f"{setting('drop')}: the threshold of '{name}' is {value!r}; expected a number of "
                "0 or more",
                hint=f"Such as {setting('drop', 'dark=50')}.",
            )
        yield name, number


def drop_by(measures: Measures, thresholds: Thresholds) -> dict[int, Dropped]:
    """Return row -> why it is dropped; the first criterion that applies counts."""
    there = np.ones(len(measures), bool)
    found: dict[int, Dropped] = {}
    for name, threshold in thresholds.items():
        for row, dropped in CRITERIA[name].find(measures, there, threshold):
            found.setdefault(row, dropped)
        there[list(found)] = False
    return found
