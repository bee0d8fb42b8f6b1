"""What the benchmarks that run other tools ask for, and how it is checked and told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from peer_job import Job
from peers import TOOLS

__all__ = ["FILE", "FOLDER", "check_outputs", "choose", "make_job", "name_of", "repeated"]

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def choose(asked: str, known: Iterable[str]) -> list[str]:
    """Split names at commas; mifid is always among them. In the order of those known.

    Raises:
        click.ClickException: one is unknown, or not installed.
    """
    names, wanted = list(known), {"mifid", *asked.split(",")}
    if unknown := sorted(wanted - set(names)):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(names)}.")
    chosen = [name for name in names if name in wanted]
    for name in chosen:
        try:
            version(TOOLS[name].package)
        except PackageNotFoundError as error:
            hint = "pip install -e '.[peers]', or leave it out with --tools"
            raise click.ClickException(f"{name} is not installed: {hint}") from error
    return chosen


def check_outputs(*files: Path | None) -> None:
    """Refuse now, not after the work, what could not be written.

    Raises:
        click.UsageError: a file's folder is not there.
    """
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: there is no folder {file.parent}")


def make_job(
    folder: Path,
    *,
    generated: Path | None,
    reference: Path | None,
    weights: Path | None,
    draw: tuple[int, int],
    batch_size: int,
) -> Job:
    """What is not given is made in ``folder``."""
    return Job(
        generated=generated or folder / "generated",
        reference=reference or folder / "reference",
        weights=weights or folder / "inception-random.pth",
        peers=folder / "peers",
        batch_size=batch_size,
        draw=draw,
    )


def name_of(weights: Path | None) -> str:
    """Say which weights they are, without a path."""
    if weights is None:
        return "mifid's `inception-random` weights (seeded, not trained)"
    return f"weights of sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}..."


def repeated(script: str, options: Mapping[str, Any]) -> str:
    """Return the command with those options that are given; a path is told as FOLDER or FILE."""
    words = [f"python benchmarks/{script}"]
    for option, value in options.items():
        if isinstance(value, Path):
            words.append(f"{option} {'FOLDER' if value.is_dir() else 'FILE'}")
        elif value:
            words.append(f"{option} {value}")
    return " ".join(words)
