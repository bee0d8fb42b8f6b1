"""Pictures for the benchmarks: drawing, listing, zipping."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

SUFFIXES = {".jpg", ".jpeg", ".png"}


def pictures_of(folder: Path) -> list[Path]:
    """Return the pictures of a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def zip_pictures(folder: Path, target: Path, count: int | None = None) -> int:
    """Zip the first pictures of a folder; return their number.

    If ``count`` is larger than the folder, pictures are repeated under other names.
    """
    pictures = pictures_of(folder)
    count = len(pictures) if count is None else count
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            turn, index = divmod(number, len(pictures))
            name = pictures[index].name
            archive.write(pictures[index], f"{turn}_{name}" if turn else name)
    return count


def draw_pictures(*, folder: str, count: int, kind: str, first: int = 0) -> int:
    """Draw JPEGs of 256 x 256 into a new folder, with one process per core; return their number.

    Pictures are numbered from ``first``: equal numbers are equal pictures. The folder gets its
    name when all are drawn.
    """
    new = Path(f"{folder}.new")
    new.mkdir(parents=True, exist_ok=True)
    names = [new / f"{number:05}.jpg" for number in range(count)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_draw, [kind] * count, range(first, first + count), names, chunksize=8))
    new.replace(folder)
    return count


def draw(kind: str, number: int) -> Any:
    """Draw a picture (256, 256, 3): a landscape photo, the same repainted, or another painting."""
    import numpy as np

    from mifid.demo import brush_strokes, landscape, painting

    random = np.random.RandomState
    kinds: dict[str, Callable[[], Any]] = {
        "photo": lambda: landscape(random(number)),
        "repainted": lambda: brush_strokes(landscape(random(number)), random(number)),
        "painting": lambda: painting(random(100_000 + number)),
    }
    return kinds[kind]()


def _draw(kind: str, number: int, path: Path) -> None:
    from mifid.submission import encode_picture

    path.write_bytes(encode_picture(draw(kind, number)))
