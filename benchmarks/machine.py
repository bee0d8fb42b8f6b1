"""What the benchmarks share: a measured command, the machine in words, a section of Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["Measured", "describe_machine", "markdown_table", "run_measured", "write_section"]

MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """A command that has ended.

    Attributes:
        seconds: wall-clock time from start to exit.
        cpu_seconds: processor time, with that of the processes that it started. It depends less
            on what else the machine does.
        peak_mib: the most memory (resident) that its largest process held. Processes that it
            started count one by one, not together.
        code: its exit status.
        stdout: all it printed.
        stderr: all it complained about.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    code: int
    stdout: str
    stderr: str


def run_measured(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end, with ``env`` added to the environment.

    On Linux a process's peak starts with that of the process that started it, so the caller
    should be small: import no torch into it.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(env or {})}
        )
        # wait4 tells this one process's usage; getrusage(RUSAGE_CHILDREN) the most of all so far.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        out.seek(0)
        err.seek(0)
        return Measured(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mib=usage.ru_maxrss * unit / MIB,
            code=process.returncode,
            stdout=out.read(),
            stderr=err.read(),
        )


def describe_machine(packages: Iterable[str]) -> str:
    """Return one line: processor, cores, memory, system, Python and what is installed."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    hardware = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
    software = [f"Python {platform.python_version()}"]
    for package in packages:
        with suppress(PackageNotFoundError):
            software.append(f"{package} {version(package)}")
    return f"{hardware}; {', '.join(software)}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first are set to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- begin name -->`` and ``<!-- end name -->`` in a Markdown file.

    A file or section that is not there is made; everything else stays as it is.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = path.read_text() if path.is_file() else "# Benchmarks\n"
    before, found, rest = old.partition(begin)
    if found:
        _, closed, after = rest.partition(end)
        if not closed:
            raise ValueError(f"{path}: '{begin}' is never closed; put '{end}' after its section")
    else:
        before, after = f"{old.rstrip()}\n\n", "\n"
    path.write_text(before + section + after)
