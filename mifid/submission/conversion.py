"""Conversion of pictures from any source into a submission that the competition accepts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from mifid.errors import InputError, OutputError, PictureError, setting
from mifid.files import check_output, given_source, occupied
from mifid.formatting import listed
from mifid.images import Decoded, Pixels, Source, decode, default_workers, open_header, open_images
from mifid.progress import Progress, Task, choose
from mifid.submission.checking import Check, check
from mifid.submission.writer import (
    MONET,
    Rules,
    encode_picture,
    entry_names,
    write_submission,
)

__all__ = ["Zipped", "zip_pictures"]

_FITS = ("exact", "crop", "stretch")
"""How pictures of another size are treated: refused, cut to the middle, or stretched."""

_EXAMPLES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Zipped:
    """A submission that was made of existing pictures.

    Attributes:
        path: of the archive.
        pictures: number of its pictures.
        unchanged: number of those whose files were taken as they are.
        resized: number of those that had another size.
        converted: number of those that were decoded and encoded again, by format and colour mode,
            such as ``"PNG RGBA"``.
        check: of the archive.
    """

    path: Path
    pictures: int
    unchanged: int
    resized: int
    converted: dict[str, int]
    check: Check


@dataclass(frozen=True)
class _Kind:
    """What the header of a picture says."""

    format: str
    mode: str
    size: tuple[int, int]


def zip_pictures(
    pictures: Any,
    output: str | os.PathLike[str] = "images.zip",
    *,
    fit: str = "exact",
    quality: int = 95,
    rules: Rules = MONET,
    workers: int | None = None,
    force: bool = False,
    progress: Progress | bool | None = None,
) -> Zipped:
    """Write pictures into a submission, under their own names; refuse what Kaggle would refuse.

    Files that the competition accepts are taken unchanged. All others are decoded as Kaggle's code
    decodes them (rotation tags ignored, transparency dropped, the first of several frames) and
    encoded again. Everything is checked before the archive is written, and the archive afterwards.

    Args:
        pictures: anything that :func:`mifid.images.open_images` opens, except a stream.
        output: the archive to write; its name must be the one that the rules ask for.
        fit: pictures of another size: ``"exact"`` refuses them, ``"crop"`` scales them and cuts out
            the middle, ``"stretch"`` scales both sides separately.
        quality: of JPEG, 1 to 100, for pictures that are encoded.
        rules: of the competition.
        workers: threads; None: one for each core, at least two.
        force: replace an existing archive.
        progress: where progress is reported.

    Raises:
        InputError: too few or too many pictures, pictures of another size, two of one name, a
            setting out of its range.
        PictureError: a picture cannot be decoded.
        OutputError: the archive cannot be written, has another name, or exists.

    >>> zip_pictures("painted/", "images.zip", fit="crop")  # doctest: +SKIP
    """
    _check_settings(fit, quality)
    path = _checked_output(output, pictures, rules, force=force)
    shown, threads = choose(progress), workers or default_workers()
    with _opened(pictures) as source, ThreadPoolExecutor(threads) as pool:
        names = entry_names(source.names, rules=rules)
        _check_number(source, rules)
        with shown.task("look", len(names), "picture") as task:
            kinds = list(_each(lambda index: _kind(source, index), len(names), pool, task))
        others = [index for index, kind in enumerate(kinds) if kind.size != rules.size]
        if others and fit == "exact":
            raise _of_other_sizes(source, kinds, others, rules)
        unchanged = [kind == _Kind(rules.format, rules.mode, rules.size) for kind in kinds]

        def file(index: int) -> bytes:
            return _file(source, index, fit=fit, quality=quality, rules=rules, as_is=unchanged)

        with (
            shown.task("zip", len(names), "picture") as task,
            write_submission(path, rules=rules) as writer,
        ):
            for name, content in zip(names, _each(file, len(names), pool, task), strict=True):
                writer.add_encoded(name, content)
    again = [kind for kind, as_is in zip(kinds, unchanged, strict=True) if not as_is]
    changed = Counter(f"{kind.format} {kind.mode}" for kind in again)
    return Zipped(
        path=path,
        pictures=len(names),
        unchanged=sum(unchanged),
        resized=len(others),
        converted=dict(sorted(changed.items())),
        check=check(path, rules=rules, workers=threads, progress=shown),
    )


def _each(
    make: Callable[[int], T], number: int, pool: ThreadPoolExecutor, task: Task
) -> Iterator[T]:
    """Yield what ``make`` returns for each index, in order, from the threads of a pool."""
    for made in pool.map(make, range(number)):
        task.advance()
        yield made


def _check_settings(fit: str, quality: int) -> None:
    if fit not in _FITS:
        raise InputError(f"{setting('fit')} is '{fit}'; expected {listed(_FITS, 'or')}")
    if not 1 <= quality <= 100:
        raise InputError(f"{setting('quality')} is {quality}; expected 1 to 100")


def _checked_output(
    output: str | os.PathLike[str], pictures: Any, rules: Rules, *, force: bool
) -> Path:
    """Return the path to write to, or raise OutputError now."""
    path = Path(output)
    if path.name != rules.file_name:
        raise OutputError(
            f"the archive would be named {path.name}; '{rules.competition}' accepts only "
            f"{rules.file_name}",
            hint=f"Give {setting('output', str(path.with_name(rules.file_name)))}; a folder may "
            "stand before it.",
        )
    check_output(path)
    if isinstance(pictures, str | os.PathLike) and path.exists():
        given = given_source(pictures)
        if os.path.exists(given) and path.samefile(given):
            raise OutputError(
                f"{path} has the pictures and would be overwritten",
                hint="Give another folder for the archive.",
            )
    if path.exists() and not force:
        raise occupied(path, "which would be replaced")
    return path


@contextmanager
def _opened(pictures: Any) -> Iterator[Source]:
    """Yield the pictures as a source, closed afterwards if it was opened here."""
    source = open_images(pictures)
    if not isinstance(source, Source):
        raise InputError(
            f"the pictures are given as {source.description}; expected pictures that can be read "
            "twice",
            hint="Give a path, an array (N, H, W, 3), a tensor or PIL images.",
        )
    if source is pictures:
        yield source
        return
    with closing(source):
        yield source


def _check_number(source: Source, rules: Rules) -> None:
    if not rules.at_least <= len(source) <= rules.at_most:
        few = len(source) < rules.at_least
        raise InputError(
            f"{source.description} has {len(source):,} picture{'s' * (len(source) != 1)}; "
            f"'{rules.competition}' accepts {rules.at_least:,} to {rules.at_most:,}",
            hint="Paint more photos: the competition has 7,038." if few else "Take some away.",
        )


@contextmanager
def _blamed(source: Source) -> Iterator[None]:
    """Add to an error which set the picture is of, and that none can be left out."""
    try:
        yield
    except PictureError as error:
        raise PictureError(
            f"{source.description}: {error.message}", hint="Repair or remove it."
        ) from error


def _kind(source: Source, index: int) -> _Kind:
    """Return what a picture is, by its header.

    Raises:
        PictureError: it cannot be read.
    """
    with _blamed(source):
        content = source.read(index)
        if isinstance(content, Decoded):
            height, width = content.pixels.shape[:2]
            return _Kind("pixels", content.mode, (width, height))
        with open_header(content, source.names[index]) as header:
            return _Kind(header.format or "", header.mode, header.size)


def _of_other_sizes(
    source: Source, kinds: Sequence[_Kind], others: Sequence[int], rules: Rules
) -> InputError:
    width, height = rules.size
    shown = [
        f"{source.names[index]} ({kinds[index].size[0]} x {kinds[index].size[1]})"
        for index in others[:_EXAMPLES]
    ]
    if len(others) > _EXAMPLES:
        shown.append(f"{len(others) - _EXAMPLES:,} more")
    return InputError(
        f"{source.description}: {len(others):,} of {len(kinds):,} pictures are not {width} x "
        f"{height}: {listed(shown)}",
        hint=f"To resize them, choose how: {setting('fit', 'crop')} scales them and cuts out the "
        f"middle, {setting('fit', 'stretch')} stretches them.",
    )


def _file(
    source: Source, index: int, *, fit: str, quality: int, rules: Rules, as_is: Sequence[bool]
) -> bytes:
    """Return a picture's file as the competition accepts it.

    Raises:
        PictureError: it cannot be decoded. Files that are kept are decoded, too.
    """
    with _blamed(source):
        content = source.read(index)
        decoded = content if isinstance(content, Decoded) else decode(content, source.names[index])
    if as_is[index] and isinstance(content, bytes):
        return content
    pixels = _fitted(decoded.pixels, rules.size, fit)
    return encode_picture(pixels, format=rules.format, quality=quality)


def _fitted(pixels: Pixels, size: tuple[int, int], fit: str) -> Pixels:
    """Return pixels (H, W, 3) uint8 at a size (width, height)."""
    if pixels.shape[1::-1] == size:
        return pixels
    image, lanczos = Image.fromarray(pixels), Image.Resampling.LANCZOS
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, size, method=lanczos))
    return np.asarray(image.resize(size, lanczos))
