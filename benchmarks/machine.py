"""What all benchmarks share: options, the machine, Markdown, and the command that repeats one."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def check_outputs(*files: Path | None) -> None:
    """Refuse output files that cannot be written, before the work begins.

    Raises:
        click.UsageError: the folder of a file does not exist.
    """
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: the folder {file.parent} does not exist")


def describe_machine(packages: Iterable[str]) -> str:
    """Return one line: processor, cores, memory, system, Python and versions of packages."""
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


def again(module: str) -> str:
    """Return the running command with its given options; paths become FOLDER or FILE.

    ``module`` may have a subcommand: ``"scale store"``.
    """
    context = click.get_current_context()
    words = ["python", "-m", *f"benchmarks.{module}".split()]
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in {"about", "json_file"}:
            value = context.params[name]
            for each in value if option.multiple else [value]:
                parts = each if isinstance(each, tuple) else [each]
                words += [option.opts[0], *(_shown(name, part) for part in parts)]
    return shlex.join(words)


def _shown(option: str, value: Any) -> str:
    if option == "docs":
        return f"docs/{value.name}"
    if isinstance(value, Path):
        return "FOLDER" if value.is_dir() else "FILE"
    return str(value)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns except the first are right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- begin name -->`` and ``<!-- end name -->`` in a Markdown file.

    A missing file or section is created; everything else is unchanged.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = path.read_text() if path.is_file() else "# Benchmarks\n"
    before, found, rest = old.partition(begin)
    if found:
        _, closed, after = rest.partition(end)
        if not closed:
            raise ValueError(f"{path}: '{begin}' is not closed; put '{end}' after its section")
    else:
        before, after = f"{old.rstrip()}\n\n", "\n"
    path.write_text(before + section + after)
