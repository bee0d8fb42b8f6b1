"""The result of an explanation: numbers and differences side by side, and the conclusions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mifid.explanation.changes import ABSENT, EFFECTS, Change, InputPair, NumberPair, known
from mifid.formatting import aligned, json_text, number, terminal_safe

__all__ = ["Explanation"]


@dataclass(frozen=True)
class Explanation:
    """The result of :func:`mifid.explanation.explaining.explain`.

    Attributes:
        a, b: the names of the two scores.
        numbers: in pairs, the headline first.
        inputs: which of the pictures are the same.
        changes: fields of the protocol that differ, or that only one of the two records.
        untold: fields that can move all numbers and that not both scores record.
        notes: what only one of the JSON files contains.
        conclusions: a verdict on each group of numbers, and what it means.
    """

    a: str
    b: str
    numbers: tuple[NumberPair, ...]
    inputs: tuple[InputPair, ...]
    changes: tuple[Change, ...]
    untold: tuple[str, ...]
    notes: tuple[str, ...]
    conclusions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values. Keys are stable; later versions may add some."""
        return {
            "a": self.a,
            "b": self.b,
            "numbers": {pair.name: asdict(pair) for pair in self.numbers},
            "inputs": {pair.label: asdict(pair) for pair in self.inputs},
            "changes": [{**asdict(change), "told": change.told} for change in self.changes],
            "untold": list(self.untold),
            "notes": list(self.notes),
            "conclusions": list(self.conclusions),
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json_text(self.to_dict())

    def text(self) -> str:
        """Return all of it as text for the terminal."""
        parts = [f"a: {self.a}\nb: {self.b}", "\n".join(self._table())]
        parts.append("\n".join(_side(pair) for pair in self.inputs))
        parts += ["\n".join(part) for part in self._by_effect()]
        parts += ["\n".join(self.notes)] if self.notes else []
        return terminal_safe("\n\n".join([*parts, "\n".join(self.conclusions)]))

    __str__ = text

    def _table(self) -> Iterator[str]:
        yield from aligned([("", "a", "b", "b - a", "%"), *map(_row, self.numbers)], "<>>>>")

    def _by_effect(self) -> Iterator[list[str]]:
        for effect, meaning in EFFECTS.items():
            found = [c for c in self.changes if c.effect == effect and c.told]
            if found:
                yield [f"Changed, {meaning}:", *map(_line, found)]
        one_sided = [change for change in self.changes if not change.told]
        if one_sided:
            yield ["Recorded in only one of the two:", *map(_line, one_sided)]


def _row(pair: NumberPair) -> tuple[str, ...]:
    percent = "" if pair.percent is None else number(pair.percent, 2, flags="+")
    difference = "" if pair.difference is None else f"{pair.difference:+.6g}"
    return pair.title, number(pair.a, 6), number(pair.b, 6), difference, percent


def _side(pair: InputPair) -> str:
    what = {True: "the same", False: "different", None: "unknown"}[pair.same]
    named = pair.a if pair.a == pair.b else f"{pair.a} | {pair.b}"
    return f"{pair.label.replace('_', ' ')}: {what} ({pair.why}): {named}"


def _line(change: Change) -> str:
    return f"  {change.field}: {_value(change.a)} -> {_value(change.b)} ({change.why})"


def _value(value: Any) -> str:
    if not known(value):
        return ABSENT
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text  # hashes
