"""Section of docs/benchmarks.md on the GPU, from results.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.gpu.stage import STAGES
from benchmarks.machine import markdown_table

Outcome = Mapping[str, Any]

REPEAT = """\
Measured by `python -m benchmarks.gpu --device cuda --out FOLDER --docs docs/benchmarks.md`. This
needs a checkout, and mifid with the extra `peers`, in an environment with CUDA in torch."""


def describe(results: Mapping[str, Any]) -> str:
    """Return the section."""
    stages: Mapping[str, Outcome] = results["stages"]
    parts = ["## On a GPU"]
    if results["toy"]:
        parts.append("**Toy sizes: these numbers only show that every stage runs.**")
    elif results["device"] == "cpu":
        parts.append("**Run on a CPU: no number is from a GPU.**")
    parts += _outcomes(stages)
    for name, (_, text) in STAGES.items():
        if found := stages.get(name, {}).get("found"):
            parts += [f"### {name}", text, *_tables(found)]
    return "\n\n".join(filter(None, [*parts, REPEAT]))


def _outcomes(stages: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield tables of the outcomes of all stages and of all checks."""
    rows = []
    for name in STAGES:
        one = stages.get(name, {"status": "not measured", "seconds": "", "why": ""})
        rows.append([name, *(digits(one[key])[:160] for key in ("status", "seconds", "why"))])
    yield markdown_table(["stage", "outcome", "seconds", "why"], rows)
    checks = [
        [name, check["name"], digits(check["value"]), check["bound"], digits(check["passed"])]
        for name, one in stages.items()
        for check in one["checks"]
    ]
    yield markdown_table(["stage", "check", "found", "expected", "passed"], checks)


def _tables(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the single numbers of a stage, then a table of each list or dict of rows."""
    single = []
    tables = {}
    for name, value in found.items():
        rows = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(rows, dict):
            single.append([_words(name), digits(value)])
        elif rows and all(isinstance(row, dict) for row in rows.values()):
            tables[name] = rows
        else:
            single += [[f"{_words(name)}: {key}", digits(each)] for key, each in rows.items()]
    if single:
        yield markdown_table(["found", ""], single)
    for name, rows in tables.items():
        keys = list(dict.fromkeys(key for row in rows.values() for key in row))
        cells = [[str(k), *(digits(row.get(key, "")) for key in keys)] for k, row in rows.items()]
        yield markdown_table([_words(name), *map(_words, keys)], cells)


def digits(value: Any) -> str:
    """Return six digits of a number, enough for FID; words are unchanged."""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)} {digits(each)}" for key, each in value.items())
    if not isinstance(value, int | float):
        return str("" if value is None else value).replace("|", "/")
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.6g}"


def _words(name: str) -> str:
    return name.replace("_", " ")
