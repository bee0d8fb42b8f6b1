"""explain(): why two scores differ, from what their JSON files record."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from mifid.errors import InputError, first_line
from mifid.explanation.changes import changes, inputs, number, numbers, section
from mifid.explanation.conclusions import PROTOCOL, causes, conclude
from mifid.explanation.explanation import Explanation
from mifid.report import Report

__all__ = ["explain"]

_HINT = "Write one with: mifid score IMAGES --ref REF --json -o score.json"

_LARGEST = 1 << 24

_NEEDED = ("epsilon", "inputs", "n_generated", "n_reference", "protocol")
"""What every version has written; without it less can be explained."""

Given = str | os.PathLike[str] | Mapping[str, Any] | Report


def explain(a: Given, b: Given) -> Explanation:
    """Explain why two scores differ.

    Args:
        a, b: JSON files of ``mifid score``, what :meth:`mifid.Report.to_dict` returned, or reports.

    Returns:
        Explanation: ``.text()``, ``.to_json()``.

    Raises:
        InputError: no such file, or one that holds no score.

    >>> score = {"fid": 40.0, "protocol": {"resize": "one"}, "inputs": {}}
    >>> other = {"fid": 44.0, "protocol": {"resize": "other"}, "inputs": {}}
    >>> [change.field for change in explain(score, other).changes]
    ['resize']
    """
    (name_a, score_a), (name_b, score_b) = _open(a, "a"), _open(b, "b")
    paired = tuple(numbers(score_a, score_b))
    sides = tuple(inputs(score_a, score_b))
    changed = tuple(changes(score_a, score_b))
    found = tuple(causes(score_a, score_b, changes=changed, inputs=sides))
    conclusions = conclude(
        score_a, score_b, numbers=paired, changes=changed, inputs=sides, causes=found
    )
    return Explanation(
        a=name_a,
        b=name_b,
        numbers=paired,
        inputs=sides,
        changes=changed,
        untold=tuple(c.name for c in found if c.kind == PROTOCOL and not c.differs),
        notes=tuple(_notes(score_a, score_b)),
        conclusions=tuple(conclusions),
    )


def _open(given: Given, fallback: str) -> tuple[str, Mapping[str, Any]]:
    """Return the name of a score, and its contents."""
    if isinstance(given, Report):
        return fallback, given.to_dict()
    if isinstance(given, Mapping):
        return fallback, _checked(given, fallback)
    path = Path(given)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)  # /dev/zero has no end
        if len(content) > _LARGEST:
            raise InputError(
                f"{path} is larger than {_LARGEST:,} bytes, as no score is", hint=_HINT
            )
        return str(path), _checked(_parsed(content.decode("utf-8-sig")), str(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {first_line(error)}", hint=_HINT) from error


def _checked(score: Any, name: str) -> Mapping[str, Any]:
    found = score if isinstance(score, Mapping) else {}
    values = [number(found, key) for key in ("mifid", "fid", "memorization_distance")]
    measured = any(value is not None for value in values) or bool(section(found, "metrics"))
    if not measured or not isinstance(found.get("protocol"), Mapping):
        raise InputError(
            f"{name} holds no score: expected an object with 'fid' or 'mifid' and 'protocol', got "
            f"{_shape(score)}",
            hint=_HINT,
        )
    return found


def _shape(score: Any) -> str:
    if not isinstance(score, Mapping):
        return f"a {type(score).__name__}"
    keys = [str(key) for key in score]
    return f"one with {', '.join(keys[:5]) or 'nothing'}{', ...' if len(keys) > 5 else ''}"


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which no score does")


def _notes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Yield what one of the two does not contain, as the JSON of another version may not."""
    versions = [section(score, "protocol").get("version", "unknown") for score in (a, b)]
    if versions[0] != versions[1]:
        yield f"Written by different versions of mifid: a by {versions[0]}, b by {versions[1]}."
    for name, score in (("a", a), ("b", b)):
        missing = [key for key in _NEEDED if key not in score]
        if missing:
            yield f"{name} does not record {', '.join(missing)}: what depends on these is unknown."
    for name, score, other in (("a", a, b), ("b", b, a)):
        only = sorted(str(key) for key in {*score} - {*other} if key not in _NEEDED)
        if only:
            yield f"Only {name} records {', '.join(only)}."
