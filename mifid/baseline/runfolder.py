"""The folder of a run: one process at a time, one configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mifid.baseline.config import Config
from mifid.baseline.runfile import Inputs, read_run_file
from mifid.baseline.settings import differences
from mifid.errors import InputError, OutputError, setting

__all__ = ["CONFIG", "check_folder", "check_identity", "locked"]

CONFIG = "config.toml"
_LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other runs out of it within the block.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        OutputError: it cannot be made, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the run folder {folder}: {error.strerror}",
            hint=f"Give another {setting('out')}.",
        ) from error
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another process is training in {folder}",
            hint=f"Wait for it, stop it, or give another {setting('out')}.",
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write in the run folder {folder}: {error.strerror}",
            hint=f"Give another {setting('out')}.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_folder(folder: Path, inputs: Inputs, config: Config, *, resume: bool) -> None:
    """See that a new run finds the folder empty, and one that goes on finds itself.

    Raises:
        OutputError: a new run, but the folder holds something already.
        InputError: nothing to resume, or it was another configuration.
    """
    file = folder / CONFIG
    if resume:
        if not file.is_file():
            raise InputError(
                f"nothing to resume in {folder}: it holds no {CONFIG}",
                hint=f"Leave out {setting('resume')} to begin a run, or give the {setting('out')} "
                "of the one to go on with.",
            )
        _check_same(file, inputs, config)
        return
    if file.is_file():
        raise OutputError(
            f"{folder} holds a run already",
            hint=f"Add {setting('resume', True)} to go on with it, or give another "
            f"{setting('out')}.",
        )
    others = sorted(path.name for path in folder.iterdir() if path.name != _LOCK)
    if others:
        raise OutputError(
            f"{folder} is not empty: it holds {', '.join(others[:3])}"
            + (f" and {len(others) - 3} more" if len(others) > 3 else ""),
            hint=f"Give a new or an empty folder as {setting('out')}, so that nothing is "
            "overwritten.",
        )


def check_identity(folder: Path, *, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other pictures, on another device, or with scores of another scorer.

    Raises:
        InputError: which of them differs.
    """
    given = [setting(name) for name in ("photos", "monets", "device", "extractor", "weights")]
    for what, value in now.items():
        if then[what] != value:
            plural = what.endswith("s")
            told = "are not those" if plural else "is not the one"
            shown = "" if plural else f": {then[what]}, now {value}"
            raise InputError(
                f"{folder}: the {what} {told} that the run began with{shown}",
                hint=f"Give the same {', '.join(given)} as then, or train anew in another "
                f"{setting('out')}.",
            )


def _check_same(file: Path, inputs: Inputs, config: Config) -> None:
    then_inputs, then = read_run_file(file)
    changes = differences(then, config)
    changes += [
        f"inputs.{key}: {was} -> {now}"
        for key, was in vars(then_inputs).items()
        # The preset's name changes nothing, and older files do not hold it.
        if key != "preset" and (now := getattr(inputs, key)) != was
    ]
    if changes:
        shown = "; ".join(changes[:5]) + (f"; and {len(changes) - 5} more" if changes[5:] else "")
        raise InputError(
            f"{file.parent} holds a run with another configuration: {shown}",
            hint="Leave the options out to go on as it began, or train anew in another "
            f"{setting('out')}.",
        )
