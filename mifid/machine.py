"""Processor cores, memory, second Python processes, the installed version."""

from __future__ import annotations

import math
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "__version__",
    "available_cores",
    "available_memory",
    "can_start_python",
    "python_environment",
]


def can_start_python() -> bool:
    """Return whether ``sys.executable`` is Python: in frozen programs it is the program itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def python_environment() -> dict[str, str]:
    """Return an environment in which Python imports what this process can, but not from the cwd."""
    path = [entry or os.getcwd() for entry in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


_CGROUP = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Return the number of cores that this process may use.

    Python's own count is the machine's. A process may be bound to some of them, and a container may
    have a limited share of their time (cgroups, version 2 and 1).
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, math.ceil(min(cores, _quota_2(), _quota_1())))


_MEMORY = Path("/proc/meminfo")


def available_memory() -> int | None:
    """Return the bytes that new work may use without swapping; None: the system does not say.

    It is Linux's estimate, or the limit of a container (cgroups, version 2 and 1) if that is less.
    """
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        available = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, LookupError):
        return None
    limits = [_numbers(_CGROUP / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    return int(min([available, *(limit[0] for limit in limits if limit)]))


def _quota_2() -> float:
    return _quota(_numbers(_CGROUP / "cpu.max"))


def _quota_1() -> float:
    folder = _CGROUP / "cpu"
    return _quota(_numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us"))


def _quota(found: list[float]) -> float:
    """Return the cores from (time granted, period); infinite if there is no limit."""
    if len(found) == 2 and min(found) > 0:
        return found[0] / found[1]
    return math.inf


def _numbers(path: Path) -> list[float]:
    """Return the numbers in a file (``max`` is infinite); empty if there is no such file."""
    try:
        return [float(word.replace("max", "inf")) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []


try:
    __version__ = version("mifid")
except PackageNotFoundError:  # a checkout on PYTHONPATH
    __version__ = "0+unknown"
