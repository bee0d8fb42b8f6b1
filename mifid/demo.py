"""The demonstration's own small competition: drawn photos, drawn paintings, a submission."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mifid.drawing import brush_strokes, landscape, painting
from mifid.errors import OutputError, setting
from mifid.files import atomic_write
from mifid.progress import Progress
from mifid.submission import MONET, Rules, encode_picture, write_submission

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
        OutputError: the folder cannot be written.
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


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
