"""Checkpoints: all that a run needs to go on, in one file for each process.

The files of all processes are in one folder, or in one folder of each machine.

A file is torch.save's zip, whose comment is the SHA-256 of all bytes before it, so that a damaged
file is noticed before it is trained with. A compact one holds the weights as they are, and what a
run recovers from in about half the space.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from mifid.baseline.distributed import Processes
from mifid.errors import InputError, OutputError, WeightsError, first_line, setting
from mifid.files import atomic_write

__all__ = [
    "Checkpoints",
    "compact_share",
    "is_checkpoint",
    "last_checkpoint",
    "networks_of",
    "random_state",
    "restore_random_state",
]

_VERSION = 2
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_NAME = re.compile(r"step-(\d+)\.rank(\d+)\.pt")
_MOST = 4
"""Steps of a process that others need to know: there are two, and one that was left over."""


class Checkpoints:
    """The last checkpoints of one run.

    Each process writes a file of its own: image pools and dropout differ. Which steps are whole,
    processes ask each other, since they may not see each other's files.

    Args:
        folder: of the files of this process.
        processes: of the run.
        kept: number of checkpoints that are kept, 1 or 2.
        exact: False: compact ones are written; both are read.
    """

    def __init__(
        self, folder: Path, processes: Processes, *, kept: int = 2, exact: bool = True
    ) -> None:
        self._folder = folder
        self._processes = processes
        self._kept = kept
        self._exact = exact

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all. There are never more than two on the disk.

        All but the last one are removed before, and with ``kept=1`` the last one afterwards.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        rank, world = self._processes.rank, self._processes.world
        path = self._path(step, rank)
        whole = self._whole()
        self._keep(whole[-1:])
        with self._processes.together():  # a step counts if every process has written it
            self._folder.mkdir(parents=True, exist_ok=True)
            held = state if self._exact else _compact(state)
            _write(path, {"version": _VERSION, "world": world, "step": step, **held})
        self._keep([*whole[-1:], step][-self._kept :])
        return path

    def _keep(self, steps: Iterable[int]) -> None:
        for old in set(self._steps(self._processes.rank)) - set(steps):
            self._path(old, self._processes.rank).unlink(missing_ok=True)

    def _whole(self) -> list[int]:
        """Return the steps that every process has written; all processes must call it."""
        own = self._steps(self._processes.rank)[-_MOST:]
        rows = self._processes.of_all([*own, *[-1] * (_MOST - len(own))])
        return sorted(set.intersection(*map(set, rows)) - {-1})

    def last(self) -> int | None:
        """Return the last step that every process has written; None: there is none.

        All processes must call it.
        """
        whole = self._whole()
        return whole[-1] if whole else None

    def check_none(self) -> None:
        """Refuse a folder of checkpoints, as no step is there on all processes.

        A run that was killed while it wrote the first one, of step 0, has lost nothing.

        Raises:
            InputError: there are some, perhaps of another number of processes, or of other ones.
        """
        found = sorted(
            (int(match[1]), int(match[2]))
            for path in self._folder.glob("*.pt")
            if (match := _NAME.fullmatch(path.name))
        )
        if not found:
            return
        step, rank = found[-1]
        self._read(path := self._path(step, rank))  # refuses another number of processes
        if step > 0:
            raise InputError(
                f"{path} is there, but no step has a checkpoint of every process (this is process "
                f"{self._processes.rank})",
                hint="Give each machine the --node-rank that it had, with its own folder; or copy "
                "the missing files there; or begin another run.",
            )

    def load(self, step: int) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; only tensors and plain values are unpickled.

        Raises:
            InputError: it is damaged, of another version, or of another number of processes.
        """
        path = self._path(step, self._processes.rank)
        state = self._read(path)
        if type(state.get("step")) is not int or state["step"] != step:
            raise self._unreadable(path, f"it is of step {state.get('step')!r}")
        try:
            return _expanded(state)
        except (AttributeError, KeyError, TypeError, RuntimeError) as error:
            raise self._unreadable(path, first_line(error)) from error

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            with path.open("rb") as file:
                _check_whole(file)
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            version, world = state["version"], state["world"]
        except Exception as error:  # damage can make torch and zipfile raise nearly anything
            raise self._unreadable(path, first_line(error)) from error
        if version != _VERSION:
            raise InputError(
                f"{path} has checkpoint version {version}; this mifid reads version {_VERSION}",
                hint="Go on with the version of mifid that wrote it, or begin another run.",
            )
        if world != self._processes.world:
            written_by = "1 process" if world == 1 else f"{world} processes"
            started = (
                "one process"
                if world == 1
                else f"{setting('gpus', world)}, or torchrun --nproc-per-node {world}"
            )
            raise InputError(
                f"{path} was written by {written_by}; there are {self._processes.world}",
                hint=f"Go on with {started}.",
            )
        return state

    def _unreadable(self, path: Path, why: str) -> InputError:
        rank = self._processes.rank
        others = [own.name for s in self._steps(rank) if (own := self._path(s, rank)) != path]
        before = f" (there is also {others[-1]})" if others else ""
        return InputError(
            f"{path} is not a readable checkpoint: {why}",
            hint=f"Remove it to go on from the one before{before}, or begin another run.",
        )

    def _steps(self, rank: int) -> list[int]:
        found = (_NAME.fullmatch(path.name) for path in self._folder.glob(f"*.rank{rank}.pt"))
        return sorted(int(match[1]) for match in found if match)

    def _path(self, step: int, rank: int) -> Path:
        return self._folder / f"step-{step:08}.rank{rank}.pt"


def is_checkpoint(path: Path) -> bool:
    """Return whether a file is called as a checkpoint of a run."""
    return _NAME.fullmatch(path.name) is not None and path.is_file()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the first process's last checkpoint in a run's folder; None: there is none."""
    found = [
        path for path in (folder / "checkpoints").glob("step-*.rank0.pt") if is_checkpoint(path)
    ]
    return max(found, key=lambda path: int(path.name[5:].partition(".")[0]), default=None)


def networks_of(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the weights of all networks from a checkpoint, of any number of processes.

    Raises:
        WeightsError: it is damaged, or has no networks.
    """
    try:
        with path.open("rb") as file:
            _check_whole(file)
            networks = torch.load(file, map_location="cpu", weights_only=True)["method"]["networks"]
        named = {str(name): dict(weights) for name, weights in networks.items()}
        if not all(isinstance(w, Tensor) for part in named.values() for w in part.values()):
            raise TypeError("its networks hold other things than tensors")
    except Exception as error:  # damage can make torch and zipfile raise nearly anything
        raise WeightsError(
            f"{path} is not a readable checkpoint: {first_line(error)}",
            hint="Give another one of its run, or the run's best.safetensors.",
        ) from error
    return named


def _write(path: Path, state: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch raises this if a write fails
            raise OutputError(
                f"cannot write {path}: {first_line(error)}",
                hint="Is there space on the disk? The checkpoint before it is kept.",
            ) from error
        _seal(file)


def _seal(file: IO[bytes]) -> None:
    """Append the SHA-256 of a zip as its comment."""
    file.seek(-2, os.SEEK_END)
    file.write(struct.pack("<H", _SEAL_BYTES))  # the comment's length ends the zip's directory
    digest = _sha256(file, file.tell())
    file.seek(0, os.SEEK_END)
    file.write(_SEAL + digest)


def _sha256(file: IO[bytes], size: int) -> bytes:
    """Return the hexadecimal SHA-256 of the first ``size`` bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while size and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def _check_whole(file: IO[bytes]) -> None:
    """Compare a file with its SHA-256; older files have only the CRC-32s of their zip.

    Raises:
        ValueError: it is damaged.
        Exception: of nearly any kind, if the zip itself is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _SEAL_BYTES))
    seal = file.read()
    if seal.startswith(_SEAL):
        if seal != _SEAL + _sha256(file, size - _SEAL_BYTES):
            raise ValueError("its SHA-256 is wrong: it was damaged on the disk or in a copy")
    else:
        with zipfile.ZipFile(file) as archive:
            if archive.comment:
                raise ValueError("its end, which has its SHA-256, is damaged")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("its entries are compressed, which torch.save does not do")
            if (bad := archive.testzip()) is not None:
                raise ValueError(f"its part {bad} is damaged: the CRC-32 is wrong")
    file.seek(0)


_FIRST_MOMENTS = ("exp_avg", "momentum_buffer")
"""Moments of Adam and its relatives and of SGD, which a few steps replace, as after a start."""

_SMALL = 1024  # values; smaller tensors are not worth rounding
_ROUNDED = "rounded"
"""Key of a compact checkpoint: the paths of the tensors that were rounded to bfloat16."""


def compact_share() -> dict[str, float]:
    """Return the bytes that a compact checkpoint has of each part, relative to an exact one."""
    return {"weights": 1.0, "moments": 0.25, "average": 0.5, "pools": 0.5}


def _compact(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state in which only the weights are as they were.

    First moments are zeros, which take no space. The average is written as its difference to the
    weights, so that rounding changes it by 1/500 of that small difference. bfloat16 has float32's
    range: no second moment becomes 0, which would divide by nothing.
    """
    rounded: list[str] = []

    def change(path: tuple[Any, ...], tensor: Tensor) -> Tensor:
        large = tensor.dtype == torch.float32 and tensor.numel() > _SMALL
        if not large or path[:2] == ("method", "networks"):
            return tensor
        if path[-1] in _FIRST_MOMENTS:
            return tensor.new_zeros(()).expand(tensor.shape)
        if path[0] == "average":
            own = _averaged(state, path)
            if own is None:
                return tensor
            tensor = tensor - own
        rounded.append(".".join(map(str, path)))
        return tensor.bfloat16()

    return {**_mapped(state, change), _ROUNDED: rounded}


def _expanded(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of :func:`_compact` in float32 again; an exact one as it is."""
    rounded = frozenset(state.pop(_ROUNDED, ()))

    def change(path: tuple[Any, ...], tensor: Tensor) -> Tensor:
        if ".".join(map(str, path)) not in rounded:
            return tensor
        own = _averaged(state, path) if path[0] == "average" else None
        return tensor.float() if own is None else own + tensor.float()

    return _mapped(state, change) if rounded else state


def _averaged(state: dict[str, Any], path: tuple[Any, ...]) -> Tensor | None:
    """Return the painter's weight whose average is at a path; None: there is none."""
    name = str(path[-1]).removeprefix("module.")
    found = state["method"]["networks"].get("painter", {}).get(name)
    return found if isinstance(found, Tensor) else None


def _mapped(
    value: Any, change: Callable[[tuple[Any, ...], Tensor], Tensor], path: tuple[Any, ...] = ()
) -> Any:
    """Return nested dicts and lists with other tensors."""
    if isinstance(value, dict):
        return {key: _mapped(each, change, (*path, key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        changed = [_mapped(each, change, (*path, i)) for i, each in enumerate(value)]
        return type(value)(changed)
    return change(path, value) if isinstance(value, Tensor) else value


def random_state() -> dict[str, Any]:
    """Return the states of torch's own random generators, which dropout uses."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore a state of :func:`random_state`."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
