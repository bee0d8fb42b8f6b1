"""The cache on disk: arrays by the hash of what they were computed from.

An entry is a file named by its key. It becomes visible whole, by a rename; it carries its key and
checksums, so that whatever damages it is noticed; whatever keeps it from being read or written
(a full disk, missing rights) costs a warning and a computation, never the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, MifidError, first_line, warn
from mifid.files import atomic_write, cache_folder
from mifid.statistics import Features

__all__ = [
    "Cache",
    "Entry",
    "NetworkCache",
    "PixelCache",
    "kept",
    "make_key",
    "read_arrays",
]

DEFAULT_LIMIT = 4 << 30
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_ABANDONED_SECONDS = 24 * 3600

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Entry:
    """A file of the cache: its ``key``, its size in bytes, and when it was last used (epoch s)."""

    key: str
    path: Path
    size: int
    used: float


class Cache:
    """Entries in one folder, the least recently used evicted beyond ``limit`` bytes.

    Args:
        folder: None: ``MIFID_CACHE``, else the platform's cache folder.
        limit: None: ``MIFID_CACHE_SIZE`` (such as ``500M`` or ``20G``), else 4 GiB.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = (folder or cache_folder()) / "features"
        self.limit = _limit_from_environment() if limit is None else limit

    def load(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return an entry's arrays, or None if there is none or it is damaged (with a warning)."""
        path = self._path(key)
        try:
            arrays = read_arrays(path)
            if str(arrays.pop("seal")) != _seal(key, arrays):
                raise ValueError("it is another entry's file, or parts of it are missing")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # Of all entries alike: it is said once a run.
            warn(f"the cache {self.folder} cannot be read: {error.strerror or error}")
            return None
        except Exception as error:  # damage can make NumPy and zipfile raise nearly anything
            warn(f"cache entry {path} is damaged and is computed again: {first_line(error)}")
            _remove(path)
            return None
        with suppress(OSError):  # a read-only cache is still a cache
            os.utime(path)  # mark as used, for eviction
        return arrays

    def store(self, key: str, arrays: Arrays) -> None:
        """Keep arrays under a key; where that is impossible, warn and go on."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path(key)) as file:
                np.savez(file, seal=np.array(_seal(key, arrays)), **arrays)  # type: ignore[arg-type]
        except (MifidError, OSError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            why = getattr(cause, "strerror", None) or first_line(error)
            warn(f"features could not be kept for the next run in {self.folder}: {why}")
        self.evict(keep=key)

    def entries(self) -> list[Entry]:
        """Return all entries, the most recently used first."""
        return _entries(self.folder, "*.npz")

    def evict(self, *, keep: str | None = None) -> None:
        """Remove the least recently used entries beyond the limit, and what killed runs left."""
        total = 0
        for entry in self.entries():
            total += entry.size
            if total > self.limit and entry.key != keep:
                _remove(entry.path)
        _remove_abandoned(self.folder)

    def clear(self) -> list[Entry]:
        """Remove all entries and return what they were."""
        return _clear(self.folder, self.entries())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


class PixelCache:
    """Training pictures that :mod:`mifid.baseline.data.store` decoded: listed and removed here.

    They don't count against ``MIFID_CACHE_SIZE``: one set of them (1.4 GB for the competition)
    would push out the features of many runs, and is in use for hours.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "pixels"

    def entries(self) -> list[Entry]:
        """Return all entries, the most recently used first."""
        return _entries(self.folder, "*.npy")

    def clear(self) -> list[Entry]:
        """Remove all entries and return what they were; who reads one now can go on."""
        removed = _clear(self.folder, self.entries())
        for path in self.folder.glob(".*.lock"):
            _remove(path)
        return removed


class NetworkCache:
    """Networks that were converted for OpenVINO: a folder each, 90 MB.

    :mod:`mifid.extractors.backends.openvino_backend` makes and reads them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "openvino"

    def entries(self) -> list[Entry]:
        """Return all entries, the most recently used first."""
        found = []
        for path in self.folder.glob("*/sha256.json"):  # written last
            statuses = [status for file in path.parent.iterdir() if (status := _status(file))]
            size = sum(status.st_size for status in statuses)
            used = max((status.st_mtime for status in statuses), default=0.0)
            found.append(Entry(path.parent.name, path.parent, size, used))
        return sorted(found, key=lambda entry: -entry.used)

    def tidy(self) -> None:
        """Remove what killed runs left."""
        _remove_abandoned(self.folder)

    def clear(self) -> list[Entry]:
        """Remove all entries and return what they were."""
        return _clear(self.folder, self.entries())


def make_key(*parts: bytes | str) -> str:
    """Return a key for content: equal only if all parts are, in order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read a .npz of ours whole, each array's header included.

    Raises:
        OSError: it is not there, or cannot be read.
        Exception: of nearly any kind, if it is damaged.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        # NumPy reads as far as an array's header says. Were that damaged, the end of the entry,
        # where zipfile compares the checksum (CRC-32), might never be reached.
        if (damaged := archive.zip.testzip()) is not None:
            raise ValueError(f"the checksum of {damaged} is another")
        return {name: archive[name] for name in archive.files}


def _entries(folder: Path, pattern: str) -> list[Entry]:
    found = []
    for path in folder.glob(pattern):
        status = _status(path)
        if status is not None:
            found.append(Entry(path.stem, path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def _status(path: Path) -> os.stat_result | None:
    """None: another process evicted it, or it is not ours to look at."""
    try:
        return path.stat()
    except OSError:
        return None


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        status = _status(path)
        if status is not None and time.time() - status.st_mtime > _ABANDONED_SECONDS:
            _remove(path)


def _clear(folder: Path, entries: list[Entry]) -> list[Entry]:
    for path in [entry.path for entry in entries] + list(folder.glob(".*.tmp")):
        _remove(path)
    return entries


def _seal(key: str, arrays: Arrays) -> str:
    """What an entry must say of itself: whose it is, and all that it holds."""
    held = (f"{name} {array.dtype.str} {array.shape}" for name, array in arrays.items())
    return "\n".join([key, *sorted(held)])


def _limit_from_environment() -> int:
    text = os.environ.get("MIFID_CACHE_SIZE", "").strip().upper().removesuffix("B")
    if not text:
        return DEFAULT_LIMIT
    number, unit = (text[:-1], text[-1]) if text[-1] in "KMGT" else (text, "")
    try:
        limit = int(float(number) * _UNITS[unit])
        if limit < 0:
            raise ValueError("negative")
        return limit
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"MIFID_CACHE_SIZE is '{os.environ['MIFID_CACHE_SIZE']}'", hint="Expected 500M or 20G."
        ) from error


def _remove(path: Path) -> None:
    with suppress(OSError):  # already gone, or not ours to remove: no number is wrong for it
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def kept(
    cache: Cache | None,
    what: str,
    compute: Callable[[], Mapping[str, Any]],
    *,
    sides: Mapping[str, Features | None],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return plain values from the cache, or compute and keep them.

    Args:
        cache: None: nothing is kept.
        what: names the computation and its version: ``"uncertainty 1"``.
        compute: gives a dict that JSON can hold.
        sides: all features that it depends on, by role.
        settings: everything else that it depends on.
    """
    if cache is None:
        return dict(compute())
    key = make_key(
        f"mifid kept 2 {what}",
        json.dumps(settings, sort_keys=True),
        *(f"{role} {_digest(side)}" for role, side in sorted(sides.items())),
    )
    entry = cache.load(key)
    if entry is not None:
        found: dict[str, Any] = json.loads(str(entry["json"]))
        return found
    computed = dict(compute())
    # Floats survive JSON to the last bit: Python writes the shortest text that reads back equal.
    cache.store(key, {"json": np.array(json.dumps(computed))})
    return computed


def _digest(side: Features | None) -> str:
    if side is None:
        return "none"
    return f"{side.values.shape} {side.sha256}"
