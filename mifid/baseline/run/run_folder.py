"""Folders of runs: locked by one process at a time, with one configuration."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from mifid.baseline.config import Config, Inputs, differences, read_run_file
from mifid.baseline.distributed import Processes
from mifid.baseline.run.length import as_long
from mifid.errors import InputError, OutputError, setting
from mifid.files import cannot_write, make_folder, not_empty

__all__ = [
    "CONFIG",
    "Owner",
    "check_folder",
    "contents",
    "locked",
    "opened",
]

CONFIG = "config.toml"
_LOCK = ".lock"
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.tmp")


@dataclass(frozen=True)
class Owner:
    """The processes of a run's folder. Each machine has one, unless they share a disk.

    Attributes:
        is_first: whether this process is the one that locks its folder and writes its CONFIG.
        processes: number of processes that write into the folder of the run's first process.
    """

    is_first: bool
    processes: int


@contextmanager
def opened(
    folder: Path, inputs: Inputs, config: Config, *, resume: bool, processes: Processes
) -> Iterator[Owner]:
    """Lock and check the folder within the block, on each machine that has its own.

    Raises:
        MifidError: as :func:`locked` and :func:`check_folder`, on any machine.
    """
    with ExitStack() as stack:
        with processes.together():
            if processes.is_first:
                stack.enter_context(locked(folder))
                check_folder(folder, inputs, config, resume=resume)
        apart = _apart(folder, processes)
        mine = apart[processes.rank] and processes.is_first_here
        with processes.together():
            if mine:
                stack.enter_context(locked(folder))
                check_folder(folder, inputs, config, resume=resume)
        yield Owner(mine or processes.is_first, apart.count(False))


def _apart(folder: Path, processes: Processes) -> list[bool]:
    """Return, for each process, whether its folder is another than the first process's.

    The paths do not show it: a path can be on a common disk or on a disk of each machine. So the
    first process makes a file, and the others look for it.
    """
    (number,) = processes.from_first([float(secrets.randbits(32))])
    path = folder / f".{CONFIG}.{int(number):08x}.tmp"  # swept, if it is left over
    with processes.together():
        if processes.is_first:
            try:
                path.touch()
            except OSError as error:
                raise cannot_write(path, error, hint=f"Give another {setting('out')}.") from error
    found = processes.of_all([int(path.exists())])
    if processes.is_first:
        path.unlink(missing_ok=True)
    return [seen == [0] for seen in found]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if it is missing, and lock it against other runs within the block.

    What is made here is removed after a block that wrote no :data:`CONFIG`. The system releases the
    lock when the process ends, even if it is killed.

    Raises:
        OutputError: the folder cannot be made, another process is training in it, or it has
            contents that are not a run's.
    """
    if folder.is_dir() and not (folder / CONFIG).is_file():
        _refuse_others(folder)  # before anything is written into it
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = FileLock(folder / _LOCK, timeout=0)
    make_folder(folder, hint=f"Give another {setting('out')}.")
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another process is training in {folder}",
            hint=f"Wait for it, stop it, or give another {setting('out')}.",
        ) from error
    except OSError as error:
        raise cannot_write(folder, error, hint=f"Give another {setting('out')}.") from error
    try:
        _sweep(folder)
        yield
    finally:
        if not (folder / CONFIG).exists():
            with suppress(OSError):  # Windows keeps files that are open
                (folder / _LOCK).unlink()
        lock.release()
        if not (folder / CONFIG).exists():
            with suppress(OSError):  # another program has written into it
                for path in made:
                    path.rmdir()


def check_folder(folder: Path, inputs: Inputs, config: Config, *, resume: bool) -> None:
    """Refuse a folder that is not empty for a new run, or of another run for one that goes on.

    Paths of the pictures and the length of the run may have changed: the contents of the
    pictures are compared by :mod:`mifid.baseline.run.identity`.

    Raises:
        OutputError: a new run, but the folder is not empty.
        InputError: the run in the folder has another configuration.
    """
    file = folder / CONFIG
    if resume:
        _check_same(file, inputs, config)
        return
    if file.is_file():
        raise OutputError(
            f"{folder} already has a run",
            hint=f"Add {setting('resume', True)} to go on with it, or give another "
            f"{setting('out')}.",
        )
    _refuse_others(folder)


def _refuse_others(folder: Path) -> None:
    others = sorted(p.name for p in folder.iterdir() if p.name != _LOCK and not _is_left_over(p))
    if others:
        raise not_empty(folder, others, option="out")


def _is_left_over(path: Path) -> bool:
    """Return whether this is a temporary file of a killed process."""
    found = _TEMPORARY.fullmatch(path.name)
    # The first file that a run writes is CONFIG.
    return found is not None and (found[1] == CONFIG or (path.parent / CONFIG).is_file())


def _sweep(folder: Path) -> None:
    """Remove temporary files of killed processes, which can be large: no other one is running."""
    checkpoints = folder / "checkpoints"
    left = [path for path in folder.iterdir() if _is_left_over(path)]
    if (folder / CONFIG).is_file() and checkpoints.is_dir():
        left += [path for path in checkpoints.iterdir() if _TEMPORARY.fullmatch(path.name)]
    for path in left:
        with suppress(OSError):
            path.unlink()


def contents(folder: Path) -> list[tuple[str, int]]:
    """Return names and bytes of the contents of a run's folder, the largest first."""
    found = []
    for path in folder.iterdir():
        files = path.rglob("*") if path.is_dir() else (path,)
        size = sum(file.lstat().st_size for file in files if file.is_file())
        found.append((path.name + "/" * path.is_dir(), size))
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))


def _check_same(file: Path, inputs: Inputs, config: Config) -> None:
    then_inputs, then = read_run_file(file)
    lists = {key: getattr(then.data, key) for key in ("select_photos", "select_paintings")}
    same = replace(as_long(config, then), data=replace(config.data, **lists))
    changes = differences(then, same)
    changes += [
        f"{setting(key)}: {was} -> {now}"
        for key in ("extractor", "epsilon")
        if (was := getattr(then_inputs, key)) != (now := getattr(inputs, key))
    ]
    if changes:
        shown = "; ".join(changes[:5]) + (f"; and {len(changes) - 5} more" if changes[5:] else "")
        raise InputError(
            f"{file.parent} has a run with another configuration: {shown}",
            hint="Leave these settings out to go on as it began, or begin another run in another "
            f"{setting('out')}.",
        )
