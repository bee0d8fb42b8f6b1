"""Memory of all processes that were started, together: tools that decode in processes have many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Together", "together"]

PERIOD = 5.0
"""Seconds between looks; each costs the machine about 50 ms a GiB."""

KIB_PER_MIB = 1024


class Together:
    """What `together` found.

    Attributes:
        peak_mib: the most; None on systems that don't tell, and for what ends before the first
            look.
    """

    peak_mib: float | None = None


@contextmanager
def together() -> Iterator[Together]:
    """Watch all processes that this one starts meanwhile, and those that they start.

    Counted is the proportional set size: memory that several share is shared out among them.
    """
    found, ended = Together(), threading.Event()
    before = set(_descendants(os.getpid()))

    def watch() -> None:
        while not ended.wait(PERIOD):
            if mib := sum(map(_mib, set(_descendants(os.getpid())) - before)):
                found.peak_mib = max(mib, found.peak_mib or 0.0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def _descendants(root: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # "pid (name) state parent ..."; the name may hold anything.
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue  # it has ended
    found = [root]
    for parent in found:  # grows meanwhile
        found += [pid for pid, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def _mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / KIB_PER_MIB
