"""Store of pictures that are fitted once into a file of pixels, which runs share."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from mifid.baseline.config import Data, titled
from mifid.baseline.data.fitting import FittedSource
from mifid.baseline.distributed import Processes
from mifid.errors import InputError, first_line, setting, warn
from mifid.files import atomic_write, cache_folder, cannot_write, check_space, make_folder
from mifid.images import (
    BatchReader,
    Pixels,
    Source,
    Stream,
    Subset,
    Unchanged,
    decoder_version,
    digests,
    open_images,
    stated_for,
)
from mifid.progress import Progress
from mifid.selection import indices_listed
from mifid.statistics import holds_statistics

__all__ = [
    "PixelStore",
    "Writer",
    "open_side",
    "read",
    "refuse_shared",
    "store_pixels",
    "store_sides",
]


_BATCH = 64
_ABANDONED_SECONDS = 24 * 3600


@dataclass(frozen=True, eq=False)
class PixelStore:
    """Pictures of one size.

    Attributes:
        names: N, in the order of the source.
        pixels: (N, S, S, 3) uint8, memory-mapped, read-only.
        sha256: of the pixels and names, whatever their source.
        description: number and source, for reports.
        indices: of the pixels, in the order in which a run has them; None: as they are.
    """

    names: tuple[str, ...]
    pixels: Pixels
    sha256: str
    description: str = ""
    indices: npt.NDArray[np.int64] | None = None

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Indices (N,) of the pixels in the run's order."""
        return np.arange(len(self.names)) if self.indices is None else self.indices


class Writer:
    """A writer of a file of pixels, one batch after the other.

    Args:
        file: empty, open for writing.
        count: largest number of pictures.
        size: pixels a side.
    """

    def __init__(self, file: IO[bytes], *, count: int, size: int) -> None:
        self._file = file
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        self._end = file.tell() + count * size * size * 3
        self._crc = 0
        self._digest = hashlib.sha256(f"{size} x {size}\n".encode())

    def append(self, pixels: Pixels) -> None:
        """Write pictures (B, S, S, 3)."""
        content = pixels.tobytes()
        self._file.write(content)
        self._crc = zlib.crc32(content, self._crc)
        self._digest.update(content)

    def finish(self, names: Sequence[str]) -> None:
        """Write names and checksums; fewer pictures than ``count`` leave a hole in the file."""
        self._digest.update(json.dumps(list(names)).encode())
        sha256 = self._digest.hexdigest()
        crc = zlib.crc32(_listed(names, sha256), self._crc)
        self._file.seek(self._end)
        seal = {"crc32": crc, "sha256": sha256, "names": list(names)}
        self._file.write(json.dumps(seal).encode())


def read(path: str | os.PathLike[str], *, size: int) -> PixelStore:
    """Map a file and check all of it (gigabytes a second).

    Raises:
        FileNotFoundError: the file does not exist.
        Exception: of nearly any kind, if it is damaged.
    """
    with Path(path).open("rb") as file:
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if shape[1:] != (size, size, 3) or fortran or dtype != np.dtype(np.uint8):
            raise ValueError(f"it has {dtype} of shape {shape}")
        start = file.tell()
        file.seek(shape[0] * size * size * 3, os.SEEK_CUR)
        seal = json.loads(file.read())
        # Mapped from the open file: its path may name another file by now.
        mapped = np.memmap(file, dtype=np.uint8, mode="r", offset=start, shape=shape)
    names, sha256 = tuple(seal["names"]), seal["sha256"]
    pixels = mapped[: len(names)]
    if zlib.crc32(_listed(names, sha256), zlib.crc32(pixels.data)) != seal["crc32"]:
        raise ValueError("its checksum is wrong")
    return PixelStore(names, pixels, sha256)


def _listed(names: Sequence[str], sha256: str) -> bytes:
    """Return what the checksum covers beside the pixels."""
    return json.dumps([*names, sha256]).encode()


def store_pixels(
    source: Source,
    *,
    label: str,
    data: Data,
    progress: Progress,
    workers: int | None = None,
    skip_bad: bool = False,
) -> PixelStore:
    """Decode a source's pictures into the cache, or find them there.

    If several processes need the same pictures at once, one decodes and the others wait.

    Args:
        source: pictures of any size; they are decoded once, and only hashed from then on.
        label: ``"photos"`` or ``"paintings"``, as in the settings' names.
        data: which pictures to take, their size, and how others are brought to it.
        progress: where decoding is reported.
        workers: decoding threads; None: one for each core, at least two.
        skip_bad: leave out what cannot be decoded, with a warning.

    Raises:
        InputError: fewer than 2 pictures; sizes that ``data.fit`` refuses; names of no picture.
        PictureError: a picture cannot be decoded, or is tiny.
        OutputError: no space on the disk, or no right to write there.
    """
    chosen = Subset(source, _choose(source, label, data))
    _refuse_few(len(chosen), source, label, restricted=len(chosen) < len(source))
    # The hash of the one file that the pictures are in, or else of each of them.
    found = source.container_sha256() or digests(chosen, workers=workers)
    path = _folder() / f"{_key(found, source, chosen, data)}.npy"
    complete = 0 if skip_bad else len(chosen)
    stored = _load(path, size=data.size, complete=complete)
    if stored is None:
        with _lock(path):
            # A process that waited finds the file that the other one has written.
            stored = _load(path, size=data.size, complete=complete)
            if stored is None:
                _sweep(path.parent)
                check_space(
                    path.parent,
                    len(chosen) * data.size**2 * 3,
                    f"the decoded {label}",
                    hint="Name a folder on a larger disk with MIFID_CACHE, make room (mifid cache "
                    f"clear), or train on fewer: {setting(f'data.limit_{label}', 'N')}.",
                )
                given = chosen if isinstance(found, bytes) else Unchanged(chosen, found)
                fitted = FittedSource(given, size=data.size, fit=data.fit)
                with atomic_write(path) as file:
                    _write(file, fitted, label, progress, workers=workers, skip_bad=skip_bad)
                    if isinstance(found, bytes) and source.container_sha256() != found:
                        raise InputError(
                            f"{source.description} changed while it was read",
                            hint="Wait until it is complete, or train on a copy.",
                        )
                stored = read(path, size=data.size)
    _refuse_few(len(stored.names), source, label, restricted=True)
    if missing := sorted((Counter(chosen.names) - Counter(stored.names)).elements()):
        warn(
            f"{len(missing):,} of {len(chosen):,} {label} cannot be decoded, or are tiny, and are "
            f"left out; the first of them: '{missing[0]}'"
        )
    description = f"{len(stored.names):,} {label} from {source.description}"
    return replace(stored, description=description)


def _choose(source: Source, label: str, data: Data) -> Sequence[int]:
    """Return the indices that the settings select: of the named pictures the first by name."""
    indices: Sequence[int] = range(len(source))
    if file := getattr(data, f"select_{label}"):
        indices = indices_listed(source.names, file=file, setting=titled(f"data.select_{label}"))
    return indices[: getattr(data, f"limit_{label}") or None]


def _key(found: bytes | list[bytes | None], source: Source, chosen: Subset, data: Data) -> str:
    """Return a hash of what the pixels are made from: equal only if the pixels are."""
    if isinstance(found, bytes):
        identity = [type(source).__name__, found.hex(), list(chosen.indices)]
    else:
        identity = [list(chosen.names), [each.hex() if each else None for each in found]]
    policy = ["mifid pixels 2", decoder_version(), data.size, data.fit]
    return hashlib.sha256(json.dumps([policy, identity]).encode()).hexdigest()


def _load(path: Path, *, size: int, complete: int) -> PixelStore | None:
    """Return the stored pictures, if there are at least ``complete`` of them."""
    try:
        stored = read(path, size=size)
    except FileNotFoundError:
        return None
    except Exception as error:  # damage can make NumPy and json raise nearly anything
        warn(f"cached pixels {path} are damaged and are decoded again: {first_line(error)}")
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):  # a read-only cache is still a cache
        os.utime(path)  # mark as used, for mifid cache show
    return stored if len(stored.names) >= complete else None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one process decode: the eight of a node would fill the disk eight times."""
    lock = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        lock.acquire()
    except OSError as error:
        hint = "Name a folder that you may write to with MIFID_CACHE."
        raise cannot_write(path, error, hint=hint) from error
    try:
        yield
    finally:
        lock.release()


def _write(
    file: IO[bytes],
    source: FittedSource,
    label: str,
    progress: Progress,
    *,
    workers: int | None,
    skip_bad: bool,
) -> None:
    reader = BatchReader(source, batch_size=_BATCH, workers=workers, skip_bad=skip_bad)
    names: list[str] = []
    with progress.task(f"decode {label}", len(source), "picture") as task:
        writer = Writer(file, count=len(source), size=source.size)
        for batch in reader:
            task.advance(len(batch.pixels))
            names += [source.names[i] for i in batch.indices]
            if not source.others:  # else the others are counted, for the message
                writer.append(batch.pixels)
        if source.others:
            raise source.refusal(label, met=len(names))
        writer.finish(names)


def _refuse_few(count: int, source: Source, label: str, *, restricted: bool) -> None:
    if count >= 2:
        return
    settings = f"data.select_{label}, data.limit_{label} and bad pictures"
    raise InputError(
        f"too few {label} to train on from {source.description}: {count}; expected 2 or more",
        hint=f"{len(source):,} are there; {settings} leave some out."
        if restricted
        else "Training needs photos and paintings, the more the better.",
    )


def _folder() -> Path:
    folder = cache_folder() / "pixels"
    make_folder(folder, hint="Decoded pictures are kept there; name another with MIFID_CACHE.")
    return folder


def _sweep(folder: Path) -> None:
    """Remove temporary files of killed runs."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):  # another process was first
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()


_GIVEN_AS = {"photos": "photos", "paintings": "monets", "held-out paintings": "held_out"}


def open_side(given: str, label: str, *, noted_in: str = "") -> Source:
    """Open pictures that can be read many times.

    Args:
        given: their path.
        label: what they are, for messages.
        noted_in: the file that names the path, if it may not be the user who did.

    Raises:
        InputError: they cannot be opened, or can be read only once.
    """
    try:
        with stated_for(None):
            opened = open_images(given)
    except InputError as error:
        if os.path.isfile(given) and holds_statistics(given):
            raise InputError(
                f"{label}: {given} has features or statistics; expected pictures",
                hint="Give the pictures that they were computed from.",
            ) from error
        if not noted_in:
            where = setting(_GIVEN_AS[label])
            raise InputError(f"{where}: {error.message}", hint=error.hint) from error
        raise InputError(
            f"{label}: {error.message}",
            hint=f"{noted_in} names this path. If the pictures have moved, give their new path as "
            f"{setting(_GIVEN_AS[label])}: the run goes on if they are the same pictures.",
        ) from error
    if isinstance(opened, Stream):
        raise InputError(
            f"{label}: a stream cannot be trained on, as it can be read only once",
            hint="Write its pictures to a folder.",
        )
    return opened


def refuse_shared(photos: PixelStore, paintings: PixelStore) -> None:
    """Refuse photos that are the paintings, and warn if some pictures are on both sides.

    Raises:
        InputError: all paintings, or all photos, are also on the other side.
    """
    # Some rows distinguish most pictures; pictures with equal rows are compared as a whole.
    rows = slice(None, None, max(1, photos.pixels.shape[1] // 8))
    places: dict[bytes, list[int]] = defaultdict(list)
    for index, picture in enumerate(paintings.pixels):
        places[picture[rows].tobytes()].append(index)
    both: set[int] = set()
    on_both = 0
    for picture in photos.pixels:
        near = places.get(picture[rows].tobytes(), ())
        same = [index for index in near if np.array_equal(picture, paintings.pixels[index])]
        on_both += bool(same)
        both.update(same)
    if not both:
        return
    if len(both) == len(paintings.names) or on_both == len(photos.names):
        raise InputError(
            f"{on_both:,} of {photos.description} and {len(both):,} of {paintings.description} "
            "are the same pictures",
            hint=f"{setting('photos')} and {setting('monets')} must be different pictures: the "
            "generators learn to turn the one kind into the other.",
        )
    warn(
        f"{len(both):,} of {len(paintings.names):,} paintings are also among the photos; if one "
        "folder is within the other, separate them"
    )


def store_sides(
    photos: Source,
    paintings: Source,
    *,
    data: Data,
    processes: Processes,
    workers: int | None,
    skip_bad: bool,
    progress: Progress,
) -> tuple[PixelStore, PixelStore]:
    """Return both sides' pixels. The first process of a machine decodes; the others map its files.

    Raises:
        InputError: the processes have different pictures, as their machines do.
        MifidError: as :func:`store_pixels`.
    """
    store = partial(store_pixels, data=data, progress=progress, workers=workers, skip_bad=skip_bad)
    for first in (True, False):
        with processes.together():
            if first is processes.is_first_here:
                stores = (store(photos, label="photos"), store(paintings, label="paintings"))
    for stored, label in zip(stores, ("photos", "paintings"), strict=True):
        _refuse_different(stored, label, processes)
    return stores


def _refuse_different(stored: PixelStore, label: str, processes: Processes) -> None:
    """Refuse pictures that are not the same on all processes: each would train on its own."""
    rows = processes.of_all([len(stored.names), *bytes.fromhex(stored.sha256)])
    with processes.together():  # all know it, so the first one reports it
        for rank, row in enumerate(rows):
            if row != rows[0]:
                raise InputError(
                    f"the {label} of process {rank} are not those of process 0: {row[0]:,} there; "
                    f"here {stored.description}",
                    hint="All machines need the same pictures with the same names. If the files "
                    "are the same, Pillow decodes them differently: install the version of this "
                    f"machine there, {decoder_version()}.",
                )
