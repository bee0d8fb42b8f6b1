"""Pictures in a folder, or files that match a glob pattern."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mifid.errors import InputError, PictureError
from mifid.files import no_such_file
from mifid.images.archive import MAX_ENTRY_BYTES
from mifid.images.decoding import mending
from mifid.images.source import Source, is_picture, pick_pictures

__all__ = [
    "FolderSource",
    "accepts",
    "accepts_pattern",
    "content_of",
    "matching",
    "no_match",
    "open_folder",
    "open_pattern",
]


class FolderSource(Source):
    """Files on disk, sorted by their path below ``root``.

    Attributes:
        paths: of the pictures, in the order of their names.
    """

    travels = True

    def __init__(self, description: str, root: Path, paths: Iterable[Path]) -> None:
        self.description = description
        found = sorted((_name_below(root, path), path) for path in paths)
        kept, self.skipped = pick_pictures([name for name, _ in found], description)
        self.names = [found[i][0] for i in kept]
        self.paths = [found[i][1] for i in kept]

    def read(self, index: int) -> bytes:
        """Return the file's bytes.

        Raises:
            PictureError: it cannot be read, or is larger than a picture may be.
        """
        try:
            return content_of(self.paths[index])
        except OSError as error:
            reason = error.strerror or str(error)
        raise PictureError(
            f"'{self.names[index]}' cannot be read: {reason}",
            hint=mending(),
        )


class _UnfitError(OSError):
    """A file that must not be read."""


def content_of(path: Path) -> bytes:
    """Return a regular file's bytes, without ever blocking.

    Opening a named pipe blocks until somebody writes. Kernel logs, which a link may point to, have
    size 0 as regular files but block on read: so no more than the size is read.

    Raises:
        OSError: it cannot be read, or is larger than a picture may be.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # opening a device can have side effects
        raise _UnfitError("it is not a regular file")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _UnfitError("it is not a regular file")
        if status.st_size > MAX_ENTRY_BYTES:
            raise _UnfitError(
                f"it has {status.st_size:,} bytes; a picture may have at most {MAX_ENTRY_BYTES:,}"
            )
        return file.read(status.st_size)


def _name_below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def accepts(given: object) -> bool:
    """Return whether this is a folder."""
    return isinstance(given, str | os.PathLike) and Path(given).is_dir()


def open_folder(given: str | os.PathLike[str]) -> FolderSource:
    """Open all pictures below a folder; follow links to folders, but read each folder once."""
    root = Path(given)
    return FolderSource(f"folder {root}", root, _walk(root))


def accepts_pattern(given: object) -> bool:
    """Return whether this is a glob pattern, and not an existing file; or one picture file."""
    if not isinstance(given, str | os.PathLike):
        return False
    text = os.fspath(given)
    if Path(text).is_file():
        return is_picture(Path(text).name) is None
    return glob.has_magic(text)


def open_pattern(given: str | os.PathLike[str]) -> FolderSource:
    """Open the files that match a pattern such as ``out/**/*.png``.

    Raises:
        InputError: no picture matches.
    """
    pattern = os.path.expanduser(os.fspath(given))
    if Path(pattern).is_file():
        return FolderSource(f"file {pattern}", Path(pattern).parent, [Path(pattern)])
    matches = matching(pattern)
    found = [p for p in matches if os.path.isfile(p)]
    if not found:
        raise no_match(pattern, matches)
    # Through a link to a parent folder, `**` finds every file many times: keep it once.
    once = {_place(p): Path(p) for p in sorted(found, key=len, reverse=True)}
    paths = list(once.values())
    root = Path(os.path.commonpath([p.parent for p in paths]))
    return FolderSource(f"pattern {pattern}", root, paths)


def matching(pattern: str) -> list[str]:
    """Return the files and folders that match a pattern, in any order."""
    return glob.glob(_literal(pattern), recursive=True)


def no_match(pattern: str, folders: Sequence[str] = ()) -> InputError:
    """Return the error for a pattern that matches no file, but these folders."""
    if folders:
        return InputError(
            f"the pattern {pattern} matches {len(folders):,} folders and no file",
            hint=f"For the files in them: {os.path.join(pattern, '*')}",
        )
    letters = (
        "In a pattern, [..] stands for one of several letters, * and ? for any, and ** for folders "
        "at any depth."
    )
    if not set("*?") & set(pattern):  # a name with brackets, more likely
        return no_such_file(pattern, hint=letters)
    return InputError(f"no file matches the pattern {pattern}", hint=letters)


def _literal(pattern: str) -> str:
    """Escape existing folders in a pattern: ``run[1]`` is taken as a name first."""
    folder, parts = "", pattern.split("/")
    for i in range(len(parts) - 1):
        path = "/".join(parts[: i + 1])
        if path and not os.path.isdir(path):
            break
        folder = glob.escape(path) + "/"
    return folder + "/".join(parts[folder.count("/") :])


def _walk(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}") from error

    seen = set()
    for folder, folders, files in os.walk(root, onerror=fail, followlinks=True):
        status = os.stat(folder)
        # Hidden and visible paths separately: a hidden link to a folder must not hide the folder.
        hidden = is_picture(f"{os.path.relpath(folder, root)}/a.png") is not None
        here = (status.st_dev, status.st_ino, hidden)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        folders.sort()
        for file in files:
            yield Path(folder, file)


def _place(path: str) -> tuple[str, str]:
    """Return a file's folder, with links resolved, and its name."""
    folder, name = os.path.split(path)
    return os.path.realpath(folder), name
