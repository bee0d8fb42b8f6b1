"""Limits of what one visitor of the page may ask for."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mifid.errors import InputError, MifidError
from mifid.formatting import size_text
from mifid.images import BROKEN, LocalFile, files_of, open_header, open_zip_file
from mifid.progress import Task

__all__ = [
    "LimitError",
    "Limits",
    "TimedProgress",
    "check_photos",
    "check_submissions",
]


class LimitError(MifidError):
    """Something that is more than a visitor may ask for."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one visitor of the page may ask for.

    Attributes:
        upload: bytes of one file.
        stored: bytes of the files of all visitors together.
        photos: photos that are painted at a time.
        pixels: pixels of one photo.
        variants: paintings of one photo by one painter.
        submissions: zips that are compared at a time.
        pictures: files in one zip.
        seconds: time of one task, and of one upload.
        waiting: tasks that wait for their turn; a further one is refused.
        visitors: sessions that are open at a time; a further one closes the oldest.
        idle: seconds until the files of a visitor who does nothing are removed.
    """

    upload: int = 500_000_000
    stored: int = 8_000_000_000
    photos: int = 20
    pixels: int = 50_000_000
    variants: int = 4
    submissions: int = 4
    pictures: int = 20_000
    seconds: float = 900.0
    waiting: int = 20
    visitors: int = 200
    idle: float = 3600.0

    @classmethod
    def for_strangers(cls) -> Limits:
        """Return lower limits, for a page that anybody may open."""
        return cls(
            upload=200_000_000,
            stored=4_000_000_000,
            photos=6,
            pixels=25_000_000,
            variants=2,
            seconds=300.0,
        )


def check_photos(photos: Sequence[Path], limits: Limits) -> None:
    """Raise LimitError for too many photos or too large ones.

    Files that are no pictures pass: they are refused with their reason where they are painted.
    """
    if len(photos) > limits.photos:
        raise LimitError(
            f"{len(photos):,} photos are given; at most {limits.photos:,} are painted at a time"
        )
    for path in photos:
        _check_size(path, limits)
        try:
            with open_header(path.read_bytes(), path.name) as image:
                width, height = image.size
        except InputError:
            continue
        if width * height > limits.pixels:
            raise LimitError(
                f"'{path.name}' has {width:,} x {height:,} pixels; at most {limits.pixels:,} in "
                "all are painted here",
                hint="Save it smaller and give it again.",
            )


def check_submissions(archives: Sequence[Path], limits: Limits) -> None:
    """Raise LimitError for too many archives, or for one of too many files.

    Raises:
        InputError: a file that is no zip, or a damaged one.
    """
    if len(archives) > limits.submissions:
        raise LimitError(
            f"{len(archives):,} archives are given; at most {limits.submissions:,} are compared at "
            "a time"
        )
    for path in archives:
        _check_size(path, limits)
        if (count := _entries(path, limits)) > limits.pictures:
            raise _too_many(path, f"{count:,}", limits)


def _check_size(path: Path, limits: Limits) -> None:
    if (size := path.stat().st_size) > limits.upload:
        raise LimitError(
            f"'{path.name}' has {size_text(size)}; at most {size_text(limits.upload)} are taken"
        )


def _too_many(path: Path, count: str, limits: Limits) -> LimitError:
    return LimitError(
        f"'{path.name}' holds {count} files; at most {limits.pictures:,} are read",
        hint="Kaggle's competition takes at most 10,000 pictures.",
    )


_ENTRY_BYTES = 512
"""Of an entry in a table of contents: 46 and its name, as a generous mean."""


def _entries(path: Path, limits: Limits) -> int:
    """Return the number of files in a zip, whose table of contents is read if it is not too long.

    zipfile reads that table at once, and holds hundreds of bytes for each of millions of entries.
    """
    try:
        with (
            _ShortReads(io.FileIO(path), _ENTRY_BYTES * limits.pictures) as file,
            zipfile.ZipFile(file) as archive,
        ):
            return len(files_of(archive))
    except _TooLongError as error:
        raise _too_many(path, f"more than {limits.pictures:,}", limits) from error
    except BROKEN:
        with open_zip_file(
            LocalFile(path)
        ) as archive:  # raises an error that says what the file is
            return len(files_of(archive))


class _TooLongError(Exception):
    """A read of more bytes than are needed."""


class _ShortReads(io.BufferedReader):
    """A file of which at most ``most`` bytes are read at a time."""

    def __init__(self, file: io.FileIO, most: int) -> None:
        super().__init__(file)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes; None or less than 0: all that is left."""
        limited = size is not None and 0 <= size <= self._most
        content = super().read(size if limited else self._most + 1)
        if len(content) > self._most:
            raise _TooLongError
        return content


class TimedProgress:
    """A progress that ends a task at a limit of time, and shows how far it is.

    The task ends at its next step, so a step that takes long is finished first.

    Args:
        seconds: from now on.
        show: called with the share that is done (None: unknown) and a few words.
        is_over: whether nobody waits for the result any more.
        now: a clock in seconds.

    Raises:
        LimitError: from within the task, when its time is over.
    """

    def __init__(
        self,
        seconds: float,
        show: Callable[[float | None, str], object] = lambda _share, _text: None,
        *,
        is_over: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._show, self._is_over, self._now = seconds, show, is_over, now
        self._until = now() + seconds

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        """Open a task."""
        yield _TimedTask(self, label, total, unit)

    def check(self) -> None:
        """Raise LimitError if the time is over."""
        if self._is_over():
            raise LimitError("the page was closed")
        if self._now() > self._until:
            raise LimitError(
                f"this took longer than {self._seconds:,.0f} seconds and was stopped",
                hint="Give fewer or smaller pictures.",
            )

    def show(self, share: float | None, text: str) -> None:
        """Show the state, if there is time left."""
        self.check()
        self._show(share, text)


class _TimedTask:
    def __init__(self, progress: TimedProgress, label: str, total: int | None, unit: str) -> None:
        self._progress, self._label, self._total, self._unit = progress, label, total, unit
        self._done = 0
        self._tell()

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self._tell()

    def status(self, text: str) -> None:  # noqa: ARG002
        self._progress.check()

    def _tell(self) -> None:
        share = min(1.0, self._done / self._total) if self._total else None
        counted = self._unit not in ("", "%", "B") and self._total is not None
        count = f": {self._done:,} of {self._total:,} {self._unit}s" if counted else ""
        self._progress.show(share, f"{self._label}{count}")
