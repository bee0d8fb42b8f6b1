"""Cache on disk: arrays by the hash of what they were computed from.

An entry is a file named by its key. It is written under another name and renamed, so it is always
complete; it holds its key and checksums, so damage is detected. If it cannot be read or written (a
full disk, missing rights), there is a warning and a computation, never an error.
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

__all__ = ["Cache", "CacheEntry", "NetworkCache", "PixelCache", "kept", "make_key"]

DEFAULT_LIMIT = 4 << 30
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_ABANDONED_SECONDS = 24 * 3600

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class CacheEntry:
    """A file of the cache: its ``key``, its size in bytes, and when it was last used (epoch s)."""

    key: str
    path: Path
    size: int
    used: float


class Cache:
    """Entries in one folder; above ``limit`` bytes the least recently used are evicted.

    Args:
        folder: None: ``MIFID_CACHE``, else the platform's cache folder.
        limit: None: ``MIFID_CACHE_SIZE`` (such as ``500M`` or ``20G``), else 4 GiB.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = (folder or cache_folder()) / "features"
        self.limit = _limit_from_environment() if limit is None else limit

    def load(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return an entry's arrays; None if it is missing or damaged (with a warning)."""
        path = self._path(key)
        try:
            arrays = read_arrays(path)
            if str(arrays.pop("seal")) != _seal(key, arrays):
                raise ValueError("it is the file of another entry, or incomplete")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # The same text for all entries, so that it is issued once per run.
            warn(f"the cache {self.folder} cannot be read: {error.strerror or error}")
            return None
        except Exception as error:  # NumPy and zipfile raise nearly any type on damaged files
            warn(f"cache entry {path} is damaged and is computed again: {first_line(error)}")
            _remove(path)
            return None
        with suppress(OSError):  # the cache may be read-only
            os.utime(path)  # mark as used, for eviction
        return arrays

    def store(self, key: str, arrays: Arrays) -> None:
        """Store arrays under a key; if that is not possible, warn."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path(key)) as file:
                np.savez(file, seal=np.array(_seal(key, arrays)), **arrays)  # type: ignore[arg-type]
        except (MifidError, OSError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            why = getattr(cause, "strerror", None) or first_line(error)
            warn(f"results could not be cached in {self.folder}: {why}")
        self.evict(keep=key)

    def entries(self) -> list[CacheEntry]:
        """Return all entries, the most recently used first."""
        return _entries(self.folder, "*.npz")

    def evict(self, *, keep: str | None = None) -> None:
        """Remove the least recently used entries above the limit, and files of killed runs."""
        total = 0
        for entry in self.entries():
            total += entry.size
            if total > self.limit and entry.key != keep:
                _remove(entry.path)
        _remove_abandoned(self.folder)

    def clear(self) -> list[CacheEntry]:
        """Remove all entries and return what they were."""
        return _clear(self.folder, self.entries())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


class PixelCache:
    """Training pictures that :mod:`mifid.baseline.data.store` decoded.

    They do not count against ``MIFID_CACHE_SIZE``: one set (1.4 GB for the competition) would evict
    the features of many runs, and is in use for hours.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "pixels"

    def entries(self) -> list[CacheEntry]:
        """Return all entries, the most recently used first."""
        return _entries(self.folder, "*.npy")

    def clear(self) -> list[CacheEntry]:
        """Remove all entries and return what they were; running readers can continue."""
        removed = _clear(self.folder, self.entries())
        for path in self.folder.glob(".*.lock"):
            _remove(path)
        return removed


class NetworkCache:
    """Networks that were converted for OpenVINO: one folder each, 90 MB.

    :mod:`mifid.extractors.backends.openvino_backend` writes and reads them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "openvino"

    def entries(self) -> list[CacheEntry]:
        """Return all entries, the most recently used first."""
        found = []
        for path in self.folder.glob("*/sha256.json"):  # written last
            statuses = [status for file in path.parent.iterdir() if (status := _status(file))]
            size = sum(status.st_size for status in statuses)
            used = max((status.st_mtime for status in statuses), default=0.0)
            found.append(CacheEntry(path.parent.name, path.parent, size, used))
        return sorted(found, key=lambda entry: -entry.used)

    def tidy(self) -> None:
        """Remove files of killed runs."""
        _remove_abandoned(self.folder)

    def clear(self) -> list[CacheEntry]:
        """Remove all entries and return what they were."""
        return _clear(self.folder, self.entries())


def make_key(*parts: bytes | str) -> str:
    """Return a key for content; keys are equal only if all parts are, in order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of a .npz in the cache, and check its checksums.

    Raises:
        OSError: it is missing, or cannot be read.
        Exception: of nearly any type, if it is damaged.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        # NumPy reads as much as an array's header says. With a damaged header it may not reach the
        # end of the entry, where zipfile compares the checksum (CRC-32).
        if (damaged := archive.zip.testzip()) is not None:
            raise ValueError(f"the checksum of {damaged} does not match")
        return {name: archive[name] for name in archive.files}


def kept(
    cache: Cache | None,
    what: str,
    compute: Callable[[], Mapping[str, Any]],
    *,
    sides: Mapping[str, Features | None],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return plain values from the cache, or compute and store them.

    Args:
        cache: None: nothing is cached.
        what: name and version of the computation: ``"uncertainty 1"``.
        compute: returns a dict that JSON can represent.
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
    # JSON keeps floats exactly: Python writes the shortest text that gives the same float.
    cache.store(key, {"json": np.array(json.dumps(computed))})
    return computed


def _digest(side: Features | None) -> str:
    if side is None:
        return "none"
    return f"{side.values.shape} {side.sha256}"


def _entries(folder: Path, pattern: str) -> list[CacheEntry]:
    found = []
    for path in folder.glob(pattern):
        status = _status(path)
        if status is not None:
            found.append(CacheEntry(path.stem, path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def _status(path: Path) -> os.stat_result | None:
    """Return a file's status; None if another process evicted it, or it cannot be accessed."""
    try:
        return path.stat()
    except OSError:
        return None


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        status = _status(path)
        if status is not None and time.time() - status.st_mtime > _ABANDONED_SECONDS:
            _remove(path)


def _clear(folder: Path, entries: list[CacheEntry]) -> list[CacheEntry]:
    for path in [entry.path for entry in entries] + list(folder.glob(".*.tmp")):
        _remove(path)
    return entries


def _seal(key: str, arrays: Arrays) -> str:
    """Return the text that an entry must hold: its key, and the names and shapes of its arrays."""
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
            f"MIFID_CACHE_SIZE is '{os.environ['MIFID_CACHE_SIZE']}'",
            hint="Expected a size such as 500M or 20G.",
        ) from error


def _remove(path: Path) -> None:
    with suppress(OSError):  # already removed, or no right to: results are correct all the same
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
