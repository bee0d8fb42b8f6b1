"""What a stage found, kept on disk as it goes: one that is stopped has lost nothing."""

from __future__ import annotations

import json
import math
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Recorder", "last_lines", "write_json"]


class Recorder:
    """Numbers, checks and errors of one stage.

    Args:
        path: JSON file, written again with each of them: ``"found"``, ``"checks"``, ``"errors"``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = {}
        self._checks: list[dict[str, Any]] = []
        self._errors: list[dict[str, str]] = []
        self._write()

    def record(self, name: str, value: Any) -> None:
        """Keep a number, or a list or dict of them; a number's unit is part of its name."""
        self._found[name] = _plain(value)
        self._write()

    def at_most(self, name: str, value: float, bound: float) -> None:
        """Check ``value <= bound``; NaN is not."""
        self._check(name, value, f"at most {bound:g}", bool(value <= bound))

    def at_least(self, name: str, value: float, bound: float) -> None:
        """Check ``value >= bound``; NaN is not."""
        self._check(name, value, f"at least {bound:g}", bool(value >= bound))

    def holds(self, name: str, value: bool, otherwise: str = "") -> None:
        """Check that something is so; ``otherwise`` says what is instead."""
        self._check(name, "yes" if value else f"no {otherwise}".strip(), "yes", bool(value))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run a part of a stage that the others can do without: its error is kept, and told."""
        try:
            yield
        except Exception as error:
            self.fail(name, error)

    def fail(self, part: str, error: BaseException) -> None:
        """Keep an error; a package that is missing is told by its name."""
        text = "".join(traceback.format_exception(error))
        if isinstance(error, ModuleNotFoundError):
            text += f"\nthe package of module '{error.name}' is missing: see gpu.py wheels"
        self._errors.append({"part": part, "error": last_lines(text)})
        self._write()

    @property
    def sound(self) -> bool:
        """Whether there was no error, and every check passed."""
        return not self._errors and all(check["passed"] for check in self._checks)

    def _check(self, name: str, value: float | str, bound: str, passed: bool) -> None:
        self._checks.append(
            {"name": name, "value": _plain(value), "bound": bound, "passed": passed}
        )
        self._write()

    def _write(self) -> None:
        told = {"found": self._found, "checks": self._checks, "errors": self._errors}
        write_json(self._path, told)


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(new, path)


def last_lines(text: str, most: int = 12) -> str:
    """Return the end of an error's text."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-most:])[-2000:]


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers, paths and tuples into JSON's; NaN and infinities into words."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, Path):
        return value.name
    number = float(value)
    return number if math.isfinite(number) else str(number)
