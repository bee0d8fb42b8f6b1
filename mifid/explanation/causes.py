"""What can be behind a difference between two scores, sorted by what it reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mifid import formatting
from mifid.explanation.changes import (
    MEASURE,
    MIFID_ALONE,
    MUCH,
    NETWORK,
    ROUNDING,
    UNKNOWN_EFFECT,
    Change,
    InputPair,
    NumberPair,
)
from mifid.metrics import METRICS

__all__ = ["Grounds", "listed", "within"]

_ALL = ("generated", "reference", "training", "held_out")

_LEAST = {"memorization": 0.1, "kid": 0.01, "fld": 1.0, "ct": 1.0}
"""Measures that may be near 0, and of what order they otherwise are: rounding is against that."""


@dataclass(frozen=True)
class Grounds:
    """What differs, and what cannot be told to be equal.

    Attributes:
        sides: label -> whether its pictures are the same, None if that cannot be told.
        protocol: fields that differ and can move all numbers.
        pictures: numbers of pictures, used or left out, that differ.
        rounding: fields that differ and move numbers by rounding.
        untold: fields that can move all numbers and that not both scores tell.
        sizes_untold: numbers of pictures that one of the two does not tell.
        settings: measure -> its settings that differ.
        settings_untold: measures whose settings not both tell.
        epsilon: whether the thresholds differ; None if one is not told.
        version: whether both come from one version of mifid.
        pictured: whether any side was read from pictures, whose order no hash tells.
    """

    sides: Mapping[str, bool | None]
    protocol: tuple[str, ...]
    pictures: tuple[str, ...]
    rounding: tuple[str, ...]
    untold: tuple[str, ...]
    sizes_untold: tuple[str, ...]
    settings: Mapping[str, tuple[str, ...]]
    settings_untold: frozenset[str]
    epsilon: bool | None
    version: bool
    pictured: bool

    @classmethod
    def of(
        cls,
        changes: Sequence[Change],
        inputs: Sequence[InputPair],
        *,
        untold: Sequence[str],
        settings_untold: frozenset[str],
        epsilons: bool,
    ) -> Grounds:
        """Sort them.

        Args:
            changes, inputs, untold, settings_untold: of :mod:`mifid.explanation.changes`.
            epsilons: whether both scores tell their threshold.
        """
        told = [change for change in changes if change.told]
        moving = [change.field for change in told if change.effect in (MUCH, UNKNOWN_EFFECT)]
        sides = {pair.label: pair.same for pair in inputs}
        settings: dict[str, tuple[str, ...]] = {}
        for change in told:
            if change.effect == MEASURE:
                named = change.field.split(" of ")[0]
                settings[change.measure] = (*settings.get(change.measure, ()), named)
        not_told = {c.measure for c in changes if c.effect == MEASURE and not c.told}
        return cls(
            sides=sides,
            protocol=_protocol(moving),
            pictures=tuple(field for field in moving if "pictures" in field),
            rounding=tuple(c.field for c in told if c.effect == ROUNDING),
            untold=(*untold, *_unknown(changes)),
            sizes_untold=_sizes_untold(changes, sides),
            settings=settings,
            settings_untold=settings_untold | not_told,
            epsilon=any(c.effect == MIFID_ALONE for c in told) if epsilons else None,
            version=not any(change.field == "version" for change in changes),
            pictured=not all(pair.computed for pair in inputs),
        )

    def different(self, measures: Iterable[str]) -> list[str]:
        """Name the sides these measures need whose pictures are others."""
        return [side for side in self._needed(measures) if self.sides.get(side) is False]

    def unsure(self, measures: Iterable[str]) -> list[str]:
        """Name the sides these measures need whose pictures cannot be told to be the same."""
        return [side for side in self._needed(measures) if self.sides.get(side) is None]

    def _needed(self, measures: Iterable[str]) -> list[str]:
        needs = {
            need for name in measures for need in (METRICS[name].needs if name in METRICS else _ALL)
        }
        if "logits" in needs:
            needs.add("generated")
        if "training" in needs and "training" not in self.sides:
            needs.add("reference")
        known = {*self.sides, "held_out"}  # without a side of its own, training is the reference
        return [side for side in _ALL if side in needs & known]


def within(pairs: Iterable[NumberPair], relative: float) -> bool:
    """Say whether the numbers of all pairs differ by no more than that, relative to their size."""
    return all(abs(pair.difference or 0.0) <= relative * _size(pair) for pair in pairs)


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does."""
    return formatting.listed(name.replace("_", " ") for name in names)


def _size(pair: NumberPair) -> float:
    return max(abs(pair.a or 0.0), abs(pair.b or 0.0), _LEAST.get(pair.measure, 0.0))


def _protocol(moving: Sequence[str]) -> tuple[str, ...]:
    fields = [field for field in moving if "pictures" not in field]
    if any(field in NETWORK for field in fields):  # they are what a fingerprint stands for
        fields = [field for field in fields if field != "fingerprint"]
    return tuple(fields)


def _unknown(changes: Sequence[Change]) -> list[str]:
    # A library that only one version lists is not taken to move the numbers.
    return [
        c.field
        for c in changes
        if c.effect == UNKNOWN_EFFECT and not c.told and not c.field.startswith("version of ")
    ]


def _sizes_untold(changes: Sequence[Change], sides: Mapping[str, bool | None]) -> tuple[str, ...]:
    same = {f"number of {label} pictures" for label, equal in sides.items() if equal}
    return tuple(
        c.field for c in changes if "pictures" in c.field and not c.told and c.field not in same
    )
