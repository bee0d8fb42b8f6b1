"""The demonstration's own small competition: drawn photos, drawn paintings, a submission."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mifid.drawing import brush_strokes, landscape, painting
from mifid.errors import OutputError, setting
from mifid.files import atomic_write
from mifid.progress import Progress
from mifid.submission.writer import MONET, Rules, encode_picture, write_submission

__all__ = ["PICTURES", "Demo", "draw_demo"]

PICTURES = 64
"""On each side: enough to show the work in seconds, far too few for a stable FID."""


@dataclass(frozen=True)
class Demo:
    """What was drawn.

    Attributes:
        photos: a folder of landscapes.
        paintings: a folder of paintings, the reference.
        held_out: a folder of other paintings, which nothing is trained on.
        submission: a zip of the photos, repainted by brush strokes instead of a network.
        copies: a zip of paintings of the reference: what a memorizing network would hand in.
        rules: the competition's rules, for so few pictures.
    """

    photos: Path
    paintings: Path
    held_out: Path
    submission: Path
    copies: Path
    rules: Rules


def draw_demo(folder: Path, progress: Progress, *, pictures: int = PICTURES) -> Demo:
    """Draw photos and paintings into ``folder`` and zip two submissions; the same every time.

    Raises:
        OutputError: the folder cannot be written, or holds something else than an earlier demo.
    """
    rules = replace(MONET, competition="mifid demo", at_least=pictures, at_most=pictures)
    demo = Demo(
        photos=folder / "photo_jpg",
        paintings=folder / "monet_jpg",
        held_out=folder / "monet_held_out",
        submission=folder / "images.zip",
        copies=folder / "copies" / "images.zip",
        rules=rules,
    )
    _refuse_others(demo, folder, pictures)
    for path in (demo.photos, demo.paintings, demo.held_out, demo.copies.parent):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {path}: {error.strerror}",
                hint=f"Give another {setting('out')}.",
            ) from error
    with (
        progress.task("draw", pictures, "picture") as task,
        write_submission(demo.submission, rules=rules) as submission,
        write_submission(demo.copies, rules=rules) as copies,
    ):
        for number in range(pictures):
            name = f"{number:03}.jpg"
            photo = landscape(np.random.RandomState(number))
            painted = encode_picture(painting(np.random.RandomState(10_000 + number)))
            _write(demo.photos / name, encode_picture(photo))
            _write(demo.paintings / name, painted)
            if number < max(pictures // 2, 2):
                other = painting(np.random.RandomState(20_000 + number))
                _write(demo.held_out / name, encode_picture(other))
            submission.add(name, brush_strokes(photo, np.random.RandomState(number)))
            if number < pictures // 2:
                copies.add_encoded(name, painted)
                copies.add_encoded(f"again-{name}", painted)
            task.advance()
    return demo


def _refuse_others(demo: Demo, folder: Path, pictures: int) -> None:
    """See that nothing is drawn over: the folder is empty, or all of an earlier demo.

    An earlier one is known by its first photo, which is the same every time, and by its names.
    """
    found = [path for path in folder.rglob("*") if not path.is_dir()] if folder.is_dir() else []
    names = {f"{number:03}.jpg" for number in range(pictures)}
    sides = (demo.photos, demo.paintings, demo.held_out)
    first = demo.photos / "000.jpg"
    drawn = encode_picture(landscape(np.random.RandomState(0)))
    if not found or (
        first.is_file()
        and first.read_bytes() == drawn
        and all(path.name in names for path in found if path.parent in sides)
    ):
        return
    raise OutputError(
        f"{folder} is not empty: it holds {found[0].relative_to(folder)}"
        + (f" and {len(found) - 1:,} more" if len(found) > 1 else ""),
        hint=f"Give a new or an empty folder as {setting('out')}, so that nothing is drawn over.",
    )


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
