"""results.json: the machine and every stage's outcome; stages run elsewhere are merged in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpu_recorder import write_json

__all__ = ["NAME", "Results", "merged"]

NAME = "results.json"


class Results:
    """The outcomes by stage.

    Args:
        folder: where results.json is, or will be; what it holds already is kept.
        device: ``"cuda"`` or ``"cpu"``.
        toy: whether the sizes are toys'.

    Raises:
        ValueError: it holds results of another device or size.
    """

    def __init__(self, folder: Path, *, device: str, toy: bool) -> None:
        self._path = folder / NAME
        self.told: dict[str, Any] = {"device": device, "toy": toy, "machine": {}, "stages": {}}
        if self._path.is_file():
            kept = json.loads(self._path.read_text())
            for key in ("device", "toy"):
                if kept[key] != self.told[key]:
                    raise ValueError(
                        f"{self._path}: its {key} is {kept[key]}, not {self.told[key]}; "
                        "give another --out"
                    )
            self.told = kept

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Outcome by stage: status, seconds, limit_seconds, error, found, checks, errors."""
        stages: dict[str, dict[str, Any]] = self.told["stages"]
        return stages

    def keep(self, name: str, outcome: Mapping[str, Any]) -> None:
        """Keep a stage's outcome, or what there is of it so far."""
        if self.stages.get(name) != outcome:
            self.stages[name] = dict(outcome)
            write_json(self._path, self.told)

    def describe(self, machine: Mapping[str, Any]) -> None:
        """Keep what the machine is."""
        self.told["machine"] = dict(machine)
        write_json(self._path, self.told)


def merged(folders: list[Path]) -> dict[str, Any] | None:
    """Return the results in several folders as one, later ones over earlier; None: there are none.

    Raises:
        ValueError: they are of several devices or sizes.
    """
    found: dict[str, Any] | None = None
    for folder in folders:
        if not (folder / NAME).is_file():
            continue
        told = json.loads((folder / NAME).read_text())
        if found is None:
            found = told
            continue
        if (found["device"], found["toy"]) != (told["device"], told["toy"]):
            raise ValueError(f"{folder}: results of another device or size than those before")
        found["stages"] |= told["stages"]
        found["machine"] |= told["machine"]
    return found
