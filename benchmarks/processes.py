"""Separate processes for commands, functions and `mifid score`, with their time and memory.

On Linux, the peak memory of a process starts with that of its parent. So the measuring process
stays small and imports no torch.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
"""Root of the measured checkout."""

PERIOD = 5.0
"""Seconds between samples of the memory of all processes; a sample takes about 50 ms per GiB."""

MIB = 1 << 20
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of `ru_maxrss`."""


@dataclass(frozen=True)
class Measured:
    """Time, memory and output of a finished command."""

    seconds: float  # wall-clock time from its start to its end
    cpu_seconds: float  # of all its processes; depends less on other programs
    peak_mib: float  # resident, of its largest process
    together_mib: float | None  # of all its processes, if watched and known
    code: int
    stdout: str
    stderr: str

    @property
    def costs(self) -> dict[str, Any]:
        """Time and memory, by name."""
        names = ("seconds", "cpu_seconds", "peak_mib", "together_mib")
        return {name: getattr(self, name) for name in names}


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
    watch: bool = False,
) -> Measured:
    """Run a command to its end, with ``env`` added to the environment.

    Args:
        command: words of the command.
        env: additional variables.
        codes: exit codes of success.
        watch: sample the memory of all its processes together, every `PERIOD` seconds.

    Raises:
        click.ClickException: the exit code is not in ``codes``; the message has the last output.
    """
    done = measured(command, {**os.environ, **(env or {})}, watch=watch)
    if done.code not in codes:
        said = f"{done.stdout[-500:]}\n{done.stderr[-2000:]}".strip()
        raise click.ClickException(f"{' '.join(command[1:4])} failed with {done.code}:\n{said}")
    return done


def measured(command: Sequence[str], env: Mapping[str, str], *, watch: bool) -> Measured:
    """Run a command to its end, in an environment."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=env)
        with _together(process.pid, watch) as found:
            # wait4 returns this process's usage; getrusage(RUSAGE_CHILDREN) the most of all so far.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Measured(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mib=usage.ru_maxrss * UNIT / MIB,
            together_mib=max(found, default=None),
            code=process.returncode,
            stdout=out.read(),
            stderr=err.read(),
        )


def call(
    function: str, *, env: Mapping[str, str] | None = None, watch: bool = False, **given: Any
) -> tuple[Any, Measured]:
    """Call ``module:function`` of this package in a new process; return its value, through JSON.

    Raises:
        click.ClickException: it failed.
    """
    done = run(child(function, given), env={**path(), **(env or {})}, watch=watch)
    return json.loads(done.stdout.splitlines()[-1]), done


def child(function: str, given: Mapping[str, Any]) -> list[str]:
    """Return the command that calls ``module:function`` of this package."""
    task = json.dumps(given, default=str)
    return [sys.executable, "-m", "benchmarks.processes", f"benchmarks.{function}", task]


def path() -> dict[str, str]:
    """Return the environment in which a process finds this package from any folder."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def mifid(*words: str) -> list[str]:
    """Return a command of mifid."""
    return [sys.executable, "-m", "mifid_cli", *words]


def score(
    images: Path,
    reference: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    watch: bool = False,
) -> tuple[dict[str, Any], Measured]:
    """Run `mifid score IMAGES --ref REFERENCE --json` with more options; return its JSON.

    Raises:
        click.ClickException: it failed.
    """
    given = [str(images), "--ref", str(reference), *options, "--json"]
    done = run(mifid("score", *given), env=env, watch=watch)
    return json.loads(done.stdout), done


def peak_mib() -> float:
    """Return the peak resident memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / MIB


@contextmanager
def _together(root: int, watch: bool) -> Iterator[list[float]]:
    """Sample the memory of a process and its descendants; yield the MiB of each sample.

    This is the proportional set size, which divides shared memory among its processes. Systems
    without /proc give no numbers.
    """
    found: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(PERIOD):
            if mib := sum(map(_mib, _with_descendants(root))):
                found.append(mib)

    watcher = threading.Thread(target=look, daemon=True)
    if watch:
        watcher.start()
    try:
        yield found
    finally:
        ended.set()
        if watch:
            watcher.join()


def _with_descendants(root: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # "pid (name) state parent ..."; the name may hold anything.
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[int(folder.name)] = int(words[1])
    found = [root]
    for parent in found:  # grows meanwhile
        found += [pid for pid, its_parent in parents.items() if its_parent == parent]
    return found


def _mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    name, task = sys.argv[1:]
    module, _, function = name.partition(":")
    print(json.dumps(getattr(import_module(module), function)(**json.loads(task))))
