"""Everything that a run needs to go on as if nothing had happened, in one file a process."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch

from mifid.baseline.processes import Processes
from mifid.errors import InputError, OutputError, first_line
from mifid.files import atomic_write

__all__ = ["KEPT", "Checkpoints", "random_state", "restore_random_state"]

KEPT = 2
_VERSION = 1


class Checkpoints:
    """The checkpoints of one run, the last :data:`KEPT` of them kept.

    Several processes write a file each: their image pools and dropout differ.
    """

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder = folder
        self._processes = processes

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all, then remove those that are too old.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        rank, world = self._processes.rank, self._processes.world
        path = self._path(step, rank)
        with self._processes.together():  # a step counts when every process has written it
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(path, {"version": _VERSION, "world": world, "step": step, **state})
        for old in self._steps(rank)[:-KEPT]:
            self._path(old, rank).unlink(missing_ok=True)
        return path

    def last(self) -> int | None:
        """Return the last step that every process has written; None if there is none.

        Raises:
            InputError: another number of processes has written them.
        """
        world, steps = self._processes.world, self._steps(0)
        whole = [
            step for step in steps if all(self._path(step, rank).is_file() for rank in range(world))
        ]
        if steps and not whole:
            self._read(self._path(steps[-1], 0))  # fewer processes wrote fewer files
        return whole[-1] if whole else None

    def load(self, step: int) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; nothing but tensors and plain values is unpickled.

        Raises:
            InputError: it is damaged, of another version, or of another number of processes.
        """
        return self._read(self._path(step, self._processes.rank))

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            version, world = state["version"], state["world"]
        except (
            OSError,
            RuntimeError,
            KeyError,
            TypeError,
            EOFError,
            pickle.UnpicklingError,
        ) as error:
            rank = self._processes.rank
            others = [own.name for s in self._steps(rank) if (own := self._path(s, rank)) != path]
            before = f" (there is also {others[-1]})" if others else ""
            raise InputError(
                f"{path} is not a readable checkpoint: {first_line(error)}",
                hint=f"Remove it to go on from the one before{before}, or train anew.",
            ) from error
        if version != _VERSION:
            raise InputError(
                f"{path} has checkpoint version {version}; this mifid reads version {_VERSION}",
                hint="Go on with the version of mifid that wrote it, or train anew.",
            )
        if world != self._processes.world:
            written_by = "1 process" if world == 1 else f"{world} processes"
            started = "one process" if world == 1 else f"torchrun --nproc-per-node {world}"
            raise InputError(
                f"{path} was written by {written_by}; there are {self._processes.world}",
                hint=f"Go on with {started}.",
            )
        return state

    def _steps(self, rank: int) -> list[int]:
        pattern = re.compile(rf"step-(\d+)\.rank{rank}\.pt")
        found = (pattern.fullmatch(path.name) for path in self._folder.glob("*.pt"))
        return sorted(int(match[1]) for match in found if match)

    def _path(self, step: int, rank: int) -> Path:
        return self._folder / f"step-{step:08}.rank{rank}.pt"


def _write(path: Path, state: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's own words for a write that failed
            raise OutputError(
                f"cannot write {path}: {first_line(error)}",
                hint="Is there space on the disk? The checkpoint before it is kept.",
            ) from error


def random_state() -> dict[str, Any]:
    """Return torch's own generators' states: dropout draws from them."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Go on where :func:`random_state` was taken."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
