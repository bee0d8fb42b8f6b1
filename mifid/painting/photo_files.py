"""paint_files(): photos in files, painted into files."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mifid.baseline.generation import LoadedGenerator
from mifid.errors import InputError, MifidError, OutputError, setting
from mifid.extractors import choose_device, isolated
from mifid.files import atomic_write, check_output, given_path, make_folder, occupied
from mifid.images import EXTENSIONS, Source, open_images
from mifid.painting.collection import open_painter
from mifid.painting.painting import check_painting, sized, small_strokes
from mifid.painting.photo_painter import PhotoPainter
from mifid.painting.photograph import FORMATS, Encoding, encode, photograph_in
from mifid.painting.strength import Variant, paint_variants, variants_of
from mifid.progress import Progress, Silent, choose

__all__ = ["FailedPhoto", "PaintedFiles", "PaintedPhoto", "paint_files"]


@dataclass(frozen=True)
class PaintedPhoto:
    """A photo that was painted.

    Attributes:
        photo: its name, as given.
        outputs: the paintings' files.
        variants: what each of them is, in words.
        size: of the paintings, width and height.
        seconds: for all of them, with decoding and encoding.
        network_seconds: of these, the time in the network.
        notes: what was lost or should be known.
    """

    photo: str
    outputs: tuple[Path, ...]
    variants: tuple[str, ...]
    size: tuple[int, int]
    seconds: float
    network_seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FailedPhoto:
    """A photo that was not painted: its name, why, and what to do."""

    photo: str
    reason: str
    hint: str


@dataclass(frozen=True)
class PaintedFiles:
    """What :func:`paint_files` made.

    Attributes:
        painted: in the order given.
        failed: the others.
        origin: file and network of the painter, in words.
        which: its weights, ``"raw"`` or ``"ema"``.
        loading_seconds: to open the painter.
        painter_notes: what its file does not say, and what is assumed instead.
    """

    painted: tuple[PaintedPhoto, ...]
    failed: tuple[FailedPhoto, ...]
    origin: str
    which: str
    loading_seconds: float
    painter_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes, each once; those of photos with the number of photos and the first of them."""
        counts = Counter(note for photo in self.painted for note in photo.notes)
        first = {n: photo.photo for photo in reversed(self.painted) for n in photo.notes}
        return self.painter_notes + tuple(
            f"{first[note]}: {note}" if n == 1 else f"{n:,} photos (first: {first[note]}): {note}"
            for note, n in counts.items()
        )


@dataclass(frozen=True)
class _Job:
    """Picture ``index`` of ``source``, and the files of its paintings."""

    name: str
    source: Source
    index: int
    outputs: tuple[Path, ...]


@isolated()
def paint_files(
    photos: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    painter: str | os.PathLike[str] | LoadedGenerator | None = None,
    which: str | None = None,
    strength: float = 1.0,
    variants: int = 1,
    size: int | None = None,
    dropout: bool | None = None,
    seed: int = 0,
    device: str = "auto",
    format: str | None = None,
    quality: int = 95,
    exif: str = "without-place",
    profile: bool = True,
    force: bool = False,
    progress: Progress | bool | None = None,
) -> PaintedFiles:
    """Paint photos into files. One that fails does not stop the others.

    Each file is written whole or not at all. A photo is never replaced by its painting.

    Args:
        photos: files, folders, archives or glob patterns.
        output: the painting of one photo, ending in .jpg, .jpeg, .png or .webp; or a folder, in
            which paintings get the names of the photos. With several variants, -1, -2, ... is added
            to the names.
        painter, which, strength, size, dropout, seed, device: as for :func:`mifid.paint`.
        variants: number of paintings of each photo.
        format: ``"jpg"``, ``"png"`` or ``"webp"`` in a folder; None: that of the photo, and jpg for
            photos of other formats.
        quality: of JPEG and WebP, 1 to 100.
        exif: ``"without-place"`` keeps description, camera, date and settings, but no GPS;
            ``"all"`` keeps GPS, too; ``"none"``. A thumbnail, XMP and the maker's notes are always
            dropped.
        profile: keep the ICC profile, without which colours may look different.
        force: replace files that exist.
        progress: where progress is reported.

    Raises:
        InputError: a setting out of its range, no such painter, several photos for one file.
        WeightsError: the painter's file cannot be used.
        OutputError: the folder cannot be made.
    """
    check_painting(strength=strength, size=size)
    encoding = Encoding(quality=quality, exif=exif, profile=profile)
    target = _target(Path(given_path(output)), format)
    shown = choose(progress)
    failed: list[FailedPhoto] = []
    with ExitStack() as stack:
        sources = _opened(photos, stack, failed)
        jobs = _jobs(sources, target, variants=variants, force=force, failed=failed)
        if target.file and (number := len(jobs) + len(failed)) > 1:
            raise InputError(
                f"{target.path} is one file, but {number:,} photos are given",
                hint="Give a folder for the paintings.",
            )
        if not jobs:
            return PaintedFiles((), tuple(failed), "", "", 0.0)
        started = time.perf_counter()
        chosen = choose_device(device)
        generator = open_painter(painter, which=which, device=chosen)
        artist = PhotoPainter(generator, device=chosen, dropout=dropout)
        ways = variants_of(is_random=artist.is_random, count=variants, strength=strength, seed=seed)
        loading = time.perf_counter() - started
        work = _Work(artist, generator, ways, size, encoding)
        painted = _painted(jobs, work, failed, shown)
    return PaintedFiles(
        painted, tuple(failed), generator.origin, generator.which, loading, generator.notes
    )


@dataclass(frozen=True)
class _Target:
    """Where paintings go: one file, or a folder, in which ``ending`` is "" for the photo's own."""

    path: Path
    file: bool
    ending: str

    def outputs(self, name: str, count: int) -> tuple[Path, ...]:
        """Return the files of the paintings of a photo of this name."""
        base = self.path
        if not self.file:
            own = Path(name).suffix.lower()
            ending = self.ending or (own if own in FORMATS else ".jpg")
            base = (self.path / name).with_suffix(ending)
        if count == 1:
            return (base,)
        return tuple(base.with_stem(f"{base.stem}-{number}") for number in range(1, count + 1))


def _target(output: Path, format: str | None) -> _Target:
    if format is not None and f".{format}" not in FORMATS:
        raise InputError(f"{setting('format')} is '{format}'; expected jpg, png or webp")
    ending = output.suffix.lower()
    if output.is_dir() or ending not in EXTENSIONS | FORMATS.keys():
        return _Target(output, file=False, ending=f".{format}" if format else "")
    check_output(output, (*FORMATS,))
    if format and FORMATS[ending] != FORMATS[f".{format}"]:
        raise InputError(
            f"{setting('format')} is '{format}', but {output} ends in {ending}",
            hint=f"Leave {setting('format')} out: it is for paintings in a folder.",
        )
    return _Target(output, file=True, ending=ending)


def _opened(
    photos: Sequence[str | os.PathLike[str]], stack: ExitStack, failed: list[FailedPhoto]
) -> list[Source]:
    """Open what is given; what cannot be opened is added to ``failed``."""
    sources = []
    for given in photos:
        try:
            source = open_images(given)
        except MifidError as error:
            failed.append(FailedPhoto(os.fspath(given), error.message, error.hint))
            continue
        assert isinstance(source, Source)  # paths make no streams
        stack.callback(source.close)
        sources.append(source)
    if not photos:
        raise InputError("no photos are given")
    return sources


def _jobs(
    sources: Sequence[Source],
    target: _Target,
    *,
    variants: int,
    force: bool,
    failed: list[FailedPhoto],
) -> list[_Job]:
    """Return what is to be painted; photos whose paintings cannot be written are ``failed``."""
    given = {os.path.realpath(path) for source in sources for path in getattr(source, "paths", ())}
    taken: dict[str, str] = {}
    jobs = []
    for source in sources:
        for index, name in enumerate(source.names):
            outputs = target.outputs(name, variants)
            try:
                for path in outputs:
                    _check_free(path, given, taken, force=force)
            except OutputError as error:
                failed.append(FailedPhoto(name, error.message, error.hint))
                continue
            taken.update((os.path.realpath(path).casefold(), name) for path in outputs)
            jobs.append(_Job(name, source, index, outputs))
    return jobs


def _check_free(path: Path, given: set[str], taken: Mapping[str, str], *, force: bool) -> None:
    """Raise OutputError if a painting cannot have this path.

    Args:
        path: of the painting.
        given: the photos' own files.
        taken: paths of other paintings, in small letters -> their photo.
        force: replace a file that exists.
    """
    real = os.path.realpath(path)
    if real in given:
        raise OutputError(
            f"{path} is a photo and would be overwritten", hint="Give another file or folder."
        )
    if (other := taken.get(real.casefold())) is not None:
        raise OutputError(
            f"the painting would have the name of another photo's, '{other}': {path}",
            hint="Paint the two into different folders.",
        )
    if path.exists() and (not force or not path.is_file()):
        raise occupied(path, "a file that would be lost" if path.is_file() else "which is no file")


@dataclass(frozen=True)
class _Work:
    """How each photo is painted."""

    artist: PhotoPainter
    generator: LoadedGenerator
    variants: tuple[Variant, ...]
    size: int | None
    encoding: Encoding

    def paint(self, job: _Job, progress: Progress) -> PaintedPhoto:
        """Paint one photo and write its paintings.

        Raises:
            MifidError: it cannot be decoded, painted or written.
        """
        started, before = time.perf_counter(), self.artist.seconds
        photo = photograph_in(job.source, job.index)
        pixels = sized(photo.pixels, self.size)
        notes = [*photo.notes, small_strokes(pixels, self.generator)]
        paintings = paint_variants(pixels, self.artist, self.variants, progress=progress)
        for path, painting in zip(job.outputs, paintings, strict=True):
            form = FORMATS[path.suffix.lower()]
            content, lost = encode(painting, photo, format=form, encoding=self.encoding)
            make_folder(path.parent, hint="Give another folder.")
            with atomic_write(path) as file:
                file.write(content)
            notes += lost
        return PaintedPhoto(
            photo=job.name,
            outputs=job.outputs,
            variants=tuple(variant.words for variant in self.variants),
            size=(pixels.shape[1], pixels.shape[0]),
            seconds=time.perf_counter() - started,
            network_seconds=self.artist.seconds - before,
            notes=tuple(dict.fromkeys(filter(None, notes))),
        )


def _painted(
    jobs: Sequence[_Job], work: _Work, failed: list[FailedPhoto], progress: Progress
) -> tuple[PaintedPhoto, ...]:
    """Paint all; those that cannot be painted are added to ``failed``."""
    painted = []
    several = len(jobs) > 1
    with (progress if several else Silent()).task("paint", len(jobs), "photo") as task:
        for job in jobs:
            try:
                painted.append(work.paint(job, Silent() if several else progress))
            except MifidError as error:
                failed.append(FailedPhoto(job.name, error.message, error.hint))
            except MemoryError:
                hint = f"Paint it smaller: {setting('size', 1024)}."
                failed.append(FailedPhoto(job.name, "out of memory", hint))
            task.advance()
    return tuple(painted)
