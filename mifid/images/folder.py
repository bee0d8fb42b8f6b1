"""Pictures in a folder, or those that a glob pattern names."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from mifid.errors import InputError
from mifid.images.source import Source, is_picture, no_pictures

__all__ = ["FolderSource", "accepts", "accepts_pattern", "open_folder", "open_pattern"]


class FolderSource(Source):
    """Files on disk, sorted by their path below ``root``."""

    def __init__(self, description: str, root: Path, paths: Iterable[Path]) -> None:
        self.description = description
        self.skipped = Counter()
        kept: list[tuple[str, Path]] = []
        for path in paths:
            name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            reason = is_picture(name)
            if reason:
                self.skipped[reason] += 1
            else:
                kept.append((name, path))
        kept.sort()
        if not kept:
            raise no_pictures(description, self.skipped)
        self.names = [name for name, _ in kept]
        self._paths = [path for _, path in kept]

    def read(self, index: int) -> bytes:
        """Return the file's bytes."""
        path = self._paths[index]
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def accepts(given: object) -> bool:
    """Folders."""
    return isinstance(given, str | os.PathLike) and Path(given).is_dir()


def open_folder(given: str | os.PathLike[str]) -> FolderSource:
    """Open all pictures below a folder, links followed once."""
    root = Path(given)
    return FolderSource(f"folder {root}", root, _walk(root))


def accepts_pattern(given: object) -> bool:
    """Glob patterns, unless a file has just that name; and a single picture file."""
    if not isinstance(given, str | os.PathLike):
        return False
    text = os.fspath(given)
    if Path(text).is_file():
        return is_picture(Path(text).name) is None
    return glob.has_magic(text)


def open_pattern(given: str | os.PathLike[str]) -> FolderSource:
    """Open the files that a pattern such as ``out/**/*.png`` names."""
    pattern = os.path.expanduser(os.fspath(given))
    if Path(pattern).is_file():
        paths = [Path(pattern)]
    else:
        paths = [Path(p) for p in glob.glob(pattern, recursive=True) if os.path.isfile(p)]
    root = Path(os.path.commonpath([p.parent for p in paths])) if paths else Path()
    return FolderSource(f"pattern {pattern}", root, paths)


def _walk(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}") from error

    for folder, folders, files in os.walk(root, onerror=fail):
        folders.sort()
        for file in files:
            yield Path(folder, file)
