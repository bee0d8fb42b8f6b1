"""Galleries of models: the same photos painted by several generators, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mifid import files
from mifid.baseline.config import Data
from mifid.baseline.data import Photos, to_pixels
from mifid.baseline.figures import NAMES, heat_map, save_picture, sheet
from mifid.baseline.generation import FOREIGN_SIZE, LoadedGenerator, Painter, load_generator
from mifid.errors import InputError, OutputError, setting
from mifid.evidence import Card, Gallery, Shown, random_rows, write_with_pictures
from mifid.extractors import choose_device, isolated
from mifid.formatting import number
from mifid.images import Pixels
from mifid.progress import Progress, Task, choose

__all__ = ["GalleryModel", "ModelGallery", "check_gallery_output", "gallery"]

_ENDINGS = (".html", ".png", ".jpg", ".jpeg")
_PHOTO = "photo"
_MOST_PHOTOS = 100
_MOST_BYTES = 256e6  # of all pictures in memory; of more than that each gets fewer pixels
_LARGEST = 448  # pixels a side
_COLUMNS = 4  # a picture and maps: U-GAT-IT's
_NAMED = "ours=run/"

Models = Mapping[str, str | os.PathLike[str]] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class GalleryModel:
    """A model of a gallery.

    Attributes:
        label: of its column.
        origin: file and network, in words, with the step of its weights.
        size: pixels a side at which it paints.
        scores: name of a metric -> value in its own run; empty: not known.
        maps: labels of the maps that it shows.
        notes: what one should know to compare its pictures.
    """

    label: str
    origin: str
    size: int
    scores: Mapping[str, float]
    maps: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def score(self) -> str:
        """Its scores in a few words; empty: none is known."""
        return ", ".join(f"{NAMES[name]} {number(value, 2)}" for name, value in self.scores.items())


@dataclass(frozen=True)
class ModelGallery:
    """A gallery that was written.

    Attributes:
        path: of the file.
        photos: names of the photos that it shows.
        of: number of the photos that they were drawn from.
        seed: of the draw.
        models: from left to right.
    """

    path: Path
    photos: tuple[str, ...]
    of: int
    seed: int
    models: tuple[GalleryModel, ...]

    @property
    def drawn(self) -> str:
        """Which photos it shows, in words."""
        count = f"{len(self.photos):,} photo{'' if len(self.photos) == 1 else 's'}"
        if len(self.photos) == self.of:
            return count
        return f"{count} of {self.of:,}, drawn at random (seed {self.seed})"


@isolated()
def gallery(
    *,
    models: Models,
    photos: Any,
    output: str | os.PathLike[str],
    limit: int = 12,
    seed: int = 2020,
    size: int | None = None,
    device: str = "auto",
    progress: Progress | bool | None = None,
) -> ModelGallery:
    """Show the same photos painted by several models side by side, with the models' maps.

    Models may paint at different sizes: every photo is scaled to each model's size, and cut to a
    square around its middle. One model is in memory at a time.

    Args:
        models: label -> a file of a trained generator, or the folder of a run; or a sequence of
            these, each with or without a label before it (``"ours=run/"``). Files of other programs
            are read as by :func:`mifid.generate`.
        photos: anything that :func:`mifid.images.open_images` opens, except a stream.
        output: the page (.html) or the sheet (.png, .jpg, .jpeg) to write.
        limit: the most photos that are shown, 1 to 100.
        seed: of the draw, if there are more photos, and of the noise that some models are given.
        size: pixels a side at which generators of other programs paint; None: 256.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        progress: where progress is reported.

    Returns:
        ModelGallery: what was shown.

    Raises:
        InputError: no models or photos, a label twice, a value out of its range.
        PictureError: a photo is damaged or tiny.
        WeightsError: a file holds no generator, or one that cannot paint at ``size``.
        OutputError: the gallery cannot be written there, or would overwrite a model or photo.
    """
    if not 1 <= limit <= _MOST_PHOTOS:
        raise InputError(f"{setting('limit')} is {limit}; expected 1 to {_MOST_PHOTOS}")
    labelled = _labelled(models)
    path = check_gallery_output(output, inputs=[*labelled.values(), *_paths(photos)])
    chosen = choose_device(device)
    _check_models(labelled.values(), size, chosen)
    with closing(_fitted(photos, FOREIGN_SIZE)) as given:
        rows = random_rows(len(given.names), limit, seed=seed)
        of, names = len(given.names), tuple(given.names[row] for row in rows)
    columns = 1 + _COLUMNS * len(labelled)
    side = min(_LARGEST, math.isqrt(int(_MOST_BYTES / (3 * len(rows) * columns))))
    shown: list[GalleryModel] = []
    painted: dict[str, list[Pixels]] = {}
    with choose(progress).task("paint", len(rows) * len(labelled), "picture") as task:
        for label, file in labelled.items():
            loaded = load_generator(file, device=chosen, size=size, given_as="models")
            painter = Painter(loaded.network, device=chosen, seed=seed)
            with closing(_fitted(photos, loaded.config.data.size)) as given:
                made = _paint(painter, given, rows, side, task)
            painted |= {_titled(label, kind): pictures for kind, pictures in made.items()}
            shown.append(_described(label, loaded, tuple(made)[1:], size))
    with closing(_fitted(photos, min(side, max(model.size for model in shown)))) as given:
        unpainted = {_PHOTO: [given.load(row) for row in rows]}
    written = ModelGallery(path, names, of, seed, tuple(shown))
    write = _write_page if path.suffix.lower() == ".html" else _write_sheet
    write(written, unpainted | painted)
    return written


def _check_models(
    models: Iterable[str | os.PathLike[str]], size: int | None, device: torch.device
) -> None:
    """Read all models, so that a damaged one is met before the first one paints.

    Raises:
        InputError: a size is given, but no model needs one.
        WeightsError: a file holds no generator, or one that cannot paint at ``size``.
    """
    foreign = [
        load_generator(file, device=device, size=size, given_as="models").foreign for file in models
    ]
    if size is not None and not any(foreign):
        raise InputError(
            f"{setting('size')} is {size}, but all models are mifid's, whose files have their size",
            hint=f"Leave {setting('size')} out.",
        )


def check_gallery_output(
    output: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]] = ()
) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written.

    Args:
        output: of the gallery.
        inputs: files and folders that it must not overwrite, or put itself in the place of a file
            of.
    """
    path = files.check_output(output, _ENDINGS)
    for each in map(Path, inputs):
        if path.exists() and each.exists():
            within = each.is_dir() and path.parent.samefile(each) and path.suffix != ".html"
            if path.samefile(each) or within:
                raise OutputError(
                    f"{path} is among the photos or models and would be overwritten",
                    hint="Give another file.",
                )
    return path


def _labelled(models: Models) -> dict[str, Path]:
    """Return label -> file; without labels, the names of files, or of the runs' folders.

    Raises:
        InputError: none, an empty label, a label twice, or a file that is missing.
    """
    if isinstance(models, str | os.PathLike):
        models = [models]
    if isinstance(models, Mapping):
        pairs = [(str(label), Path(file)) for label, file in models.items()]
    else:
        pairs = [_parted(given) for given in models]
    if not pairs:
        raise InputError(
            "a gallery needs a model", hint="Give the file or the run of at least one."
        )
    labelled: dict[str, Path] = {}
    for label, file in pairs:
        if not label:
            raise InputError(
                f"the model {file} has an empty label", hint=f"Give one, such as {_NAMED}."
            )
        if label == _PHOTO:
            raise InputError(
                f"the label '{label}' of {file} is that of the photos",
                hint=f"Give another one, such as {_NAMED}.",
            )
        if label in labelled:
            raise InputError(
                f"two models have the label '{label}': {labelled[label]} and {file}",
                hint=f"Give each model a label of its own, such as {_NAMED}.",
            )
        if not file.exists():
            raise InputError(
                f"model '{label}': no such file or folder: {file}",
                hint="Give a file of weights or the folder of a run, with or without a label: "
                f"{_NAMED}.",
            )
        labelled[label] = file
    return labelled


def _parted(given: str | os.PathLike[str]) -> tuple[str, Path]:
    """Return label and file of ``NAME=FILE`` or ``FILE``; a file whose name has a = is a file."""
    label, equals, file = os.fspath(given).partition("=")
    if equals and not Path(given).exists():
        return label.strip(), Path(file)
    path = Path(given)
    folder = path if path.is_dir() else path.parent
    return (folder.resolve().name if path.is_dir() or path.stem == "best" else path.stem), path


def _paths(photos: Any) -> Iterator[str | os.PathLike[str]]:
    """Yield the files and folders among what was given as photos."""
    for each in photos if isinstance(photos, list | tuple) else [photos]:
        if isinstance(each, str | os.PathLike):
            yield each


def _fitted(photos: Any, size: int) -> Photos:
    """Open the photos at a size. A single picture is a set of one."""
    if isinstance(photos, str | os.PathLike) and Path(photos).suffix.lower() in _ENDINGS[1:]:
        photos = [photos]
    return Photos(photos, data=Data(size=size, fit="crop"), limit=None)


def _paint(
    painter: Painter, photos: Photos, rows: Sequence[int], side: int, task: Task
) -> dict[str, list[Pixels]]:
    """Return what a model makes of photos, one after the other: "" -> pictures, label -> maps."""
    columns: dict[str, list[Pixels]] = {}
    for place, row in enumerate(rows):
        photo = torch.from_numpy(np.stack([photos.load(row)]))
        made = painter.run(photo, first=place)
        size = made.picture.shape[-1]
        kinds = {"": to_pixels(made.picture)} | {
            label: heat_map(values.float().cpu().numpy(), side=size)
            for label, values in made.maps.items()
        }
        for kind, (picture,) in kinds.items():
            columns.setdefault(kind, []).append(_at_most(picture, side))
        task.advance()
    return columns


def _at_most(picture: Pixels, side: int) -> Pixels:
    if len(picture) <= side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _titled(label: str, kind: str) -> str:
    return f"{label}: {kind}" if kind else label


def _described(
    label: str, loaded: LoadedGenerator, maps: tuple[str, ...], asked: int | None
) -> GalleryModel:
    size, notes = loaded.config.data.size, list(loaded.notes)
    if loaded.foreign and asked is None:
        notes.append(
            f"its file does not say at which size it was trained; {size} x {size} is assumed, as "
            f"{setting('size')} is not given"
        )
    if not loaded.network.sees_pictures:
        notes.append("it paints from noise and does not see the photos")
    given = loaded.facts.get("scores")
    scores = {
        name: float(given[name])
        for name in NAMES
        if isinstance(given, dict)
        and isinstance(given.get(name), int | float)
        and math.isfinite(given[name])
    }
    return GalleryModel(label, loaded.origin, size, scores, maps, tuple(notes))


def _write_page(made: ModelGallery, columns: Mapping[str, Sequence[Pixels]]) -> None:
    rows = [
        Card(tuple(Shown(name, column[row]) for column in columns.values()), tuple(columns))
        for row, name in enumerate(made.photos)
    ]
    write_with_pictures(
        made.path,
        "baseline/gallery.html",
        galleries=[Gallery(tuple(rows))],
        largest=_LARGEST,
        title=f"{made.drawn.partition(' of ')[0]} by {_models(len(made.models))}",
        made_gallery=made,
        columns=list(columns),
        rows=rows,
    )


def _models(count: int) -> str:
    return f"{count:,} model{'' if count == 1 else 's'}"


def _write_sheet(made: ModelGallery, columns: Mapping[str, Sequence[Pixels]]) -> None:
    """Write a picture whose cells have one size: smaller ones are enlarged smoothly."""
    side = max(len(picture) for column in columns.values() for picture in column)
    rows = [[_enlarged(each, side) for each in row] for row in zip(*columns.values(), strict=True)]
    save_picture(made.path, sheet(rows, labels=list(columns)))


def _enlarged(picture: Pixels, side: int) -> Pixels:
    if len(picture) == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
