"""What generation checks before its long job, and what tells one job from another."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifid.errors import InputError, OutputError
from mifid.files import check_writable
from mifid.submission.writer import Rules

__all__ = ["check_output", "check_settings", "fingerprint_of"]

_BYTES_PER_PIXEL = 60_000 / 256**2  # of a JPEG file of quality 95, amply


def check_settings(
    *, batch_size: int | None, workers: int | None, limit: int | None, quality: int
) -> None:
    """Raise InputError for what is out of its range; None is a default."""
    for name, value in (("batch_size", batch_size), ("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; expected 1 or more")
    if not 1 <= quality <= 100:
        raise InputError(f"quality is {quality}; expected 1 to 100")


def check_output(path: Path, *, photos: Any, pictures: int, rules: Rules) -> None:
    """Raise OutputError now if ``pictures`` could not be written to ``path`` later.

    Args:
        path: of the archive.
        photos: what is painted, which the archive must not overwrite.
        pictures: their number.
        rules: they are written by.
    """
    ending = Path(rules.file_name).suffix
    if path.suffix.lower() != ending:
        raise OutputError(
            f"cannot write {path}: a submission is a {ending} file",
            hint=f"Name it {rules.file_name}, as {rules.competition} takes it.",
        )
    check_writable(path)
    if isinstance(photos, str | os.PathLike) and path.exists() and _is_same(path, photos):
        raise OutputError(
            f"{path} holds the photos and would be overwritten", hint="Name another file."
        )
    width, height = rules.size
    there = sum(p.lstat().st_size for p in path.parent.glob(f".{glob.escape(path.name)}.*.partial"))
    needed = int(pictures * width * height * _BYTES_PER_PIXEL) - there
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise OutputError(
            f"{pictures:,} pictures need about {needed / 1e6:,.0f} MB, "
            f"and {path.parent.absolute()} has {free / 1e6:,.0f} MB left",
            hint="Make space, or write to another disk.",
        )


def fingerprint_of(parts: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits, others for other parts (of what JSON can hold)."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_same(path: Path, given: str | os.PathLike[str]) -> bool:
    return os.path.exists(given) and path.samefile(given)  # a glob pattern is no file
