"""Pictures in a folder, or those that a glob pattern names."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from mifid.errors import InputError, PictureError, setting
from mifid.images.source import Source, is_picture, no_pictures

__all__ = ["FolderSource", "accepts", "accepts_pattern", "open_folder", "open_pattern"]


class FolderSource(Source):
    """Files on disk, sorted by their path below ``root``."""

    travels = True

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
        """Return the file's bytes.

        Raises:
            PictureError: it cannot be read.
        """
        path = self._paths[index]
        try:
            if stat.S_ISREG(path.stat().st_mode):
                return path.read_bytes()
            reason = "it is no regular file"  # reading a named pipe would wait for ever
        except OSError as error:
            reason = error.strerror or str(error)
        raise PictureError(
            f"'{self.names[index]}' cannot be read: {reason}",
            hint=f"Mend or remove it, or leave such pictures out with {setting('skip_bad', True)}.",
        )


def accepts(given: object) -> bool:
    """Folders."""
    return isinstance(given, str | os.PathLike) and Path(given).is_dir()


def open_folder(given: str | os.PathLike[str]) -> FolderSource:
    """Open all pictures below a folder; links to folders are followed, each folder read once."""
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
        found = (p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))
        # Through a link to a folder above, `**` finds every file again and again: once is enough.
        once = {_place(p): Path(p) for p in sorted(found, key=len, reverse=True)}
        paths = list(once.values())
    root = Path(os.path.commonpath([p.parent for p in paths])) if paths else Path()
    return FolderSource(f"pattern {pattern}", root, paths)


def _walk(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}") from error

    seen = set()
    for folder, folders, files in os.walk(root, onerror=fail, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for file in files:
            yield Path(folder, file)


def _place(path: str) -> tuple[str, str]:
    """Where a file lies once links to folders are resolved."""
    folder, name = os.path.split(path)
    return os.path.realpath(folder), name
