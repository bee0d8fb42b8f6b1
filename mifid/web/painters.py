"""Painters that the page offers, each open and used by one visitor at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.errors import InputError, MifidError, setting
from mifid.images import open_header
from mifid.painting import PaintedFiles, open_painter, paint, paint_files, painters
from mifid.progress import Progress
from mifid.web.sessions import clean_name

if TYPE_CHECKING:
    from mifid.baseline.generation import LoadedGenerator

__all__ = ["OpenPainter", "given_painters", "open_painters", "photo_as_painted"]


@dataclass(frozen=True)
class OpenPainter:
    """A painter in memory.

    Attributes:
        name: as the page shows it.
        generator: its network.
        device: that it paints on.
        lock: of the network, whose norms compute something else while it paints in tiles.
    """

    name: str
    generator: LoadedGenerator
    device: str
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> str:
        """A name of a folder for its paintings."""
        return clean_name(self.name)

    def paint(
        self,
        photo: Path,
        folder: Path,
        *,
        variants: int,
        strength: float,
        size: int | None,
        progress: Progress,
    ) -> PaintedFiles:
        """Paint a photo into files of a folder.

        Args:
            photo: its file.
            folder: for the paintings; it is made.
            variants: number of paintings.
            strength: as of :func:`mifid.paint`.
            size: pixels of the shorter side; smaller photos are not enlarged. None: as the photo.
            progress: of the work.
        """
        with self.lock:
            return paint_files(
                [photo],
                folder,
                painter=self.generator,
                variants=variants,
                strength=strength,
                size=_at_most(photo, size),
                exif="none",
                device=self.device,
                progress=progress,
            )


def photo_as_painted(
    photo: Path, painter: OpenPainter, size: tuple[int, int], folder: Path
) -> Path:
    """Write a photo as its paintings are: upright, of their size, as a JPEG; return its path."""
    path = folder / f"{photo.stem}-{size[0]}x{size[1]}.jpg"
    if not path.exists():
        shown = paint(photo, painter=painter.generator, strength=0, size=min(size), device="cpu")
        shown.save(path, "JPEG", quality=90)
    return path


def _at_most(photo: Path, size: int | None) -> int | None:
    """Return the size, or None if the photo's shorter side has no more pixels."""
    if size is None:
        return None
    try:
        with open_header(photo.read_bytes(), photo.name) as image:
            return size if min(image.size) > size else None
    except InputError:  # said where it is painted
        return None


def open_painters(
    given: Sequence[str | os.PathLike[str]],
    *,
    device: str = "auto",
    skip: Callable[[str], object],
) -> Mapping[str, OpenPainter]:
    """Open the painters that are given, and those at hand.

    Args:
        given: names of :func:`mifid.painting.painters`, files of weights, folders of runs.
        device: to paint on.
        skip: called with a line about a painter at hand that cannot be used.

    Raises:
        InputError: no such painter, or two of one name.
        WeightsError: a file that is no generator that is known.
    """
    opened = given_painters(given, device)
    for entry in painters():
        if entry.name in opened:
            continue
        try:
            opened[entry.name] = _opened(entry.name, entry.name, device)
        except MifidError as error:
            skip(f"the painter '{entry.name}' cannot be used: {error.message}")
    return opened


def given_painters(given: Sequence[str | os.PathLike[str]], device: str) -> dict[str, OpenPainter]:
    """Open the painters that are given, without those at hand.

    Args and errors are those of :func:`open_painters`.
    """
    opened: dict[str, OpenPainter] = {}
    for each in given:
        name = _name(each)
        if name in opened:
            raise InputError(
                f"{setting('painters')}: two painters are called '{name}'",
                hint="Give one of them another name: mifid painters add FILE --name NAME",
            )
        opened[name] = _opened(name, each, device)
    return opened


def _opened(name: str, given: str | os.PathLike[str], device: str) -> OpenPainter:
    from mifid.extractors import choose_device

    generator = open_painter(given, device=choose_device(device))
    if not generator.network.sees_pictures:
        raise InputError(f"{given} makes pictures of noise, not of photos; it is no painter")
    return OpenPainter(name, generator, device)


def _name(given: str | os.PathLike[str]) -> str:
    """Name a painter by its file, or by its run's folder if the file is called best."""
    path = Path(given)
    stem = path.stem if path.suffix else path.name
    return path.resolve().parent.name if stem == "best" else stem or path.resolve().name
