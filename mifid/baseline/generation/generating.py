"""Generation: generate() makes a checked images.zip of photos and a generator's weights."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mifid import files
from mifid.baseline.config import Config
from mifid.baseline.data import Photos
from mifid.baseline.generation.painter import AssemblyLine, Painter, seed_of
from mifid.baseline.generation.photo_variants import (
    archive_of,
    check_variants,
    like_picture,
    make_folders,
)
from mifid.baseline.generation.weights_file import LoadedGenerator, load_generator
from mifid.errors import InputError, OutputError, setting, warn
from mifid.extractors import choose_device, isolated
from mifid.files import check_space, occupied
from mifid.images import Pixels, decode, decoder_version, default_workers
from mifid.progress import Progress, choose
from mifid.submission import (
    MONET,
    Check,
    Rules,
    check,
    comment_of,
    encode_picture,
    entry_names,
    resumable_archive,
)

__all__ = [
    "Generated",
    "as_submitted",
    "check_output",
    "check_settings",
    "default_batch_size",
    "drops",
    "fingerprint_of",
    "generate",
]

_MADE = "mifid generate "  # the beginning of an archive's comment; the job follows
_BYTES_PER_PIXEL = 60_000 / 256**2  # of a JPEG file of quality 95, amply


def check_settings(
    *,
    batch_size: int | None,
    workers: int | None,
    limit: int | None,
    quality: int,
    variants: int = 1,
) -> None:
    """Raise InputError for a value out of its range; None is a default."""
    given = {"batch_size": batch_size, "workers": workers, "limit": limit, "variants": variants}
    for name, value in given.items():
        if value is not None and value < 1:
            raise InputError(f"{setting(name)} is {value}; expected 1 or more")
    if not 1 <= quality <= 100:
        raise InputError(f"{setting('quality')} is {quality}; expected 1 to 100")


def check_output(path: Path, *, photos: Any, pictures: int, rules: Rules, force: bool) -> None:
    """Raise OutputError now if ``pictures`` could not be written to ``path`` later.

    Args:
        path: of the archive.
        photos: which the archive must not overwrite.
        pictures: number of pictures.
        rules: of the competition.
        force: replace any file.
    """
    files.check_output(path, (Path(rules.file_name).suffix,))
    if isinstance(photos, str | os.PathLike) and path.exists() and _is_same(path, photos):
        raise OutputError(
            f"{path} has the photos and would be overwritten", hint="Give another file."
        )
    if not force:
        _refuse_others(path)
    width, height = rules.size
    there = sum(p.lstat().st_size for p in path.parent.glob(f".{glob.escape(path.name)}.*.partial"))
    needed = int(pictures * width * height * _BYTES_PER_PIXEL) - there
    check_space(
        path.parent, needed, f"{pictures:,} pictures", hint="Make space, or write to another disk."
    )


def _refuse_others(path: Path, job: str = "") -> None:
    """Raise OutputError if another job, or another program, has made the archive that is there.

    Args:
        path: of the archive to write.
        job: hash of this job; empty: not known yet.
    """
    if not path.exists():
        return
    made = comment_of(path)
    if not made.startswith(_MADE):
        raise occupied(path, "which mifid generate did not make")
    if job and made != f"{_MADE}{job}":
        raise occupied(path, "made with other weights, of other photos, or with other settings")


def fingerprint_of(parts: Mapping[str, Any]) -> str:
    """Return a hash of parts, in types of JSON: 12 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_same(path: Path, given: str | os.PathLike[str]) -> bool:
    return os.path.exists(given) and path.samefile(given)  # a glob pattern is not a file


_CUDA_BATCH_SIZE = 32

# Milliseconds for each picture in batches of 1, 2, 8, on 2 cores: U-Net 80, 46, 44 (its weights are
# read once in each batch); ResNet-9 246, 281, 328 (one picture's maps just fit into the caches).
_CPU_BATCH_SIZES = {"unet": 8}


@dataclass(frozen=True)
class Generated:
    """A submission that was written.

    Attributes:
        path: of the archive.
        pictures: number of its pictures.
        seconds: that this call took.
        network_seconds: of these, the time in the network.
        resumed: number of pictures that an earlier call had finished.
        which: weights that painted, ``"raw"`` or ``"ema"``.
        check: of the archive.
        notes: what the user should know; each was also a warning.
        origin: file and network of the weights, in words.
        variants: the second variant of the photos, the third, ..., if any were asked for.
    """

    path: Path
    pictures: int
    seconds: float
    network_seconds: float
    resumed: int
    which: str
    check: Check
    notes: tuple[str, ...]
    origin: str = ""
    variants: tuple[Generated, ...] = ()


@isolated()
def generate(
    checkpoint: str | os.PathLike[str] | LoadedGenerator,
    photos: Any,
    output: str | os.PathLike[str],
    *,
    which: str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    quality: int = 95,
    rules: Rules = MONET,
    limit: int | None = None,
    size: int | None = None,
    dropout: bool | None = None,
    seed: int = 0,
    variants: int = 1,
    like: Any = None,
    force: bool = False,
    progress: Progress | bool | None = None,
) -> Generated:
    """Paint photos into a submission, under the photos' names.

    Equal input makes an equal archive, byte for byte, on the same kind of device, with the same
    torch, number of threads and ``batch_size``: another batch size may round a few pixels
    differently. After an interruption, even by kill -9, the next call with the same input goes on.

    Args:
        checkpoint: a file of a training run, such as ``best.safetensors``, or the run's folder; or
            a state dict of a generator of the CycleGAN repository (``latest_net_G_A.pth``), of
            CUT (``latest_net_G.pth``) or of U-GAT-IT.
        photos: anything that :func:`mifid.images.open_images` opens, except a stream. For a
            network that paints from noise they give only number and names.
        output: the archive to write.
        which: ``"raw"`` or ``"ema"`` weights; None: the best.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        batch_size: photos at a time; None: 32 on CUDA, on a CPU 8 for a U-Net and else 1.
        workers: threads that decode and encode; None: one for each core, at least two.
        quality: of JPEG, 1 to 100.
        rules: of the competition.
        limit: take only so many photos, the first by name.
        size: pixels a side at which another program's generator paints, as its file does not say
            it; None: 256. Photos of another size are stretched to it.
        dropout: whether the generator's dropout stays on while it paints, as some reports do; None:
            as its setting ``generator.paint_dropout`` says. Each picture has its own draws.
        seed: of noise, of the choice of maps, and of dropout.
        variants: how many versions of each photo to paint, by other draws of these: variant k is
            what ``seed + k - 1`` paints. The first is ``output``, and variant 2 of ``images.zip``
            is ``variant-2/images.zip``, with the same names.
        like: a picture, or its path, whose map a ``map_resnet`` paints all photos with; None: each
            photo is painted with the map of one of the 16 paintings that the generator's file
            holds, drawn from ``seed``.
        force: replace any archive that is there; False: only one of the same weights, photos and
            settings.
        progress: where progress is reported.

    Returns:
        Generated: with a check of the archive, which may say that Kaggle would refuse it.

    Raises:
        InputError: photos that cannot be used, or a setting out of its range.
        WeightsError: the checkpoint cannot be used.
        OutputError: the archive cannot be written, another process is writing it, or another one
            is there.
        MifidError: the network paints NaN, or there is too little memory.
    """
    started = time.perf_counter()
    check_settings(
        batch_size=batch_size, workers=workers, limit=limit, quality=quality, variants=variants
    )
    chosen = choose_device(device)
    generator = _loaded(checkpoint, which, chosen, size)
    if like is not None:
        generator = like_picture(generator, like)
    dropped = drops(generator, dropout)
    check_variants(generator, variants, drops=dropped, liked=like is not None)
    archives = [archive_of(Path(output), variant) for variant in range(1, variants + 1)]
    make_folders(archives)
    with closing(Photos(photos, data=generator.config.data, limit=limit)) as given:
        names = entry_names(given.names, rules=rules)
        for archive in archives:
            check_output(archive, photos=photos, pictures=len(names), rules=rules, force=force)
        work = _Work(
            generator=generator,
            photos=given,
            names=names,
            rules=rules,
            quality=quality,
            drops=dropped,
            device=chosen,
            batch_size=batch_size or default_batch_size(generator.config, chosen),
            workers=workers or default_workers(),
            progress=choose(progress),
        )
        jobs = [work.wanted(seed_of(v, seed=seed)) for v in range(1, variants + 1)]
        if not force:
            for archive, wanted in zip(archives, jobs, strict=True):
                _refuse_others(archive, fingerprint_of(wanted))
        notes = _foreign_notes(generator, size) + _size_notes(generator, rules)
        made = [
            work.paint(archive, wanted, seed=seed_of(variant, seed=seed))
            for variant, (archive, wanted) in enumerate(zip(archives, jobs, strict=True), start=1)
        ]
    seconds = time.perf_counter() - started - sum(other.seconds for other in made[1:])
    first = replace(made[0], seconds=seconds, notes=notes + made[0].notes)
    return replace(first, variants=tuple(made[1:]))


@dataclass(frozen=True)
class _Work:
    """What all variants of a submission share."""

    generator: LoadedGenerator
    photos: Photos
    names: Sequence[str]
    rules: Rules
    quality: int
    drops: bool
    device: torch.device
    batch_size: int
    workers: int
    progress: Progress

    @cached_property
    def _contents(self) -> Sequence[str]:
        """The SHA-256 of each photo; none, if the network does not see them."""
        if not self.generator.network.sees_pictures:
            return ()
        return self.photos.examine(workers=self.workers, progress=self.progress)

    def wanted(self, seed: int) -> dict[str, Any]:
        """Return what the pictures of a seed follow from, but for the computation."""
        generator = self.generator
        drawn = seed if generator.network.noise else None
        wanted = {
            "generator": [generator.sha256, generator.which],
            "photos": [self.names, *self._contents],
            "picture": [asdict(self.rules), self.quality, drawn],
        }
        if self.drops:
            wanted["dropout"] = [seed]
        if generator.foreign:
            wanted["size"] = [generator.config.data.size]
        return wanted

    def paint(self, path: Path, wanted: Mapping[str, Any], *, seed: int) -> Generated:
        """Write and check the archive of a seed."""
        started, generator = time.perf_counter(), self.generator
        line = AssemblyLine(
            Painter(generator.network, device=self.device, seed=seed, dropout=self.drops),
            load=self.photos.load if generator.network.sees_pictures else _blank,
            encode=partial(_encode, rules=self.rules, quality=self.quality),
            batch_size=self.batch_size,
            workers=self.workers,
        )
        opening = resumable_archive(
            path,
            names=self.names,
            fingerprint=fingerprint_of({**wanted, **_computation(self.device, self.batch_size)}),
            group=self.batch_size,
            comment=f"{_MADE}{fingerprint_of(wanted)}",
        )
        with _deterministic(), opening as archive:
            resumed = archive.done
            _write(archive.add, line, resumed, len(self.names), progress=self.progress)
        notes = _memory_notes(line, self.batch_size)
        found = check(path, rules=self.rules, workers=self.workers, progress=self.progress)
        return Generated(
            path=path,
            pictures=len(self.names),
            seconds=time.perf_counter() - started,
            network_seconds=line.network_seconds,
            resumed=resumed,
            which=generator.which,
            check=found,
            notes=notes,
            origin=generator.origin,
        )


def drops(generator: LoadedGenerator, asked: bool | None) -> bool:
    """Return whether dropout is on while painting; None: as the generator's setting says.

    Raises:
        InputError: it is asked for, and the generator has none.
    """
    network = generator.network
    if asked and not network.dropouts:
        raise InputError(
            f"{setting('dropout', True)}: the generator has no dropout",
            hint=f"Leave {setting('dropout')} out; generators trained with generator.dropout have "
            "it.",
        )
    return bool(network.dropouts) and (network.paint_dropout if asked is None else asked)


def _computation(device: torch.device, batch_size: int) -> dict[str, Any]:
    """Return what the bytes of a picture depend on, beside the job."""
    return {
        "batch": batch_size,
        "computed with": [str(torch.__version__), decoder_version(), device.type],
        "threads": torch.get_num_threads(),
    }


def default_batch_size(config: Config, device: torch.device) -> int:
    """Return the fastest number of photos at a time, for a network on a kind of device."""
    if device.type == "cuda":
        return _CUDA_BATCH_SIZE
    return _CPU_BATCH_SIZES.get(config.generator.network, 1)


def as_submitted(pictures: Pixels, *, rules: Rules = MONET, quality: int = 95) -> Pixels:
    """Return pictures as they are read from a submission: resized, compressed, decoded.

    Args:
        pictures: (B, H, W, 3) uint8.
        rules: the competition's.
        quality: of JPEG.

    Returns:
        (B, height, width, 3) uint8, of the rules' size.
    """
    files = (_encode(picture, rules=rules, quality=quality) for picture in pictures)
    return np.stack([decode(file, "a picture").pixels for file in files])


def _write(
    add: Callable[[bytes], None], line: AssemblyLine, done: int, number: int, *, progress: Progress
) -> None:
    """Paint the pictures ``done <= i < number``, and add their files to an archive."""
    with (
        progress.task("generate", number, "picture") as task,
        closing(line.run(done, number)) as made,
    ):
        task.advance(done)
        for file in made:
            add(file)
            task.advance()


def _encode(pixels: Pixels, *, rules: Rules, quality: int) -> bytes:
    height, width = pixels.shape[:2]
    if (width, height) != rules.size:
        image = Image.fromarray(pixels).resize(rules.size, Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
    return encode_picture(pixels, format=rules.format, quality=quality)


def _blank(_index: int) -> Pixels:
    """Return a picture instead of a photo, for a network that does not see photos."""
    return np.zeros((1, 1, 3), np.uint8)


def _loaded(
    checkpoint: str | os.PathLike[str] | LoadedGenerator,
    which: str | None,
    device: torch.device,
    size: int | None,
) -> LoadedGenerator:
    if not isinstance(checkpoint, LoadedGenerator):
        loaded = load_generator(checkpoint, which=which, device=device, size=size)
        if size is not None and size != (trained := loaded.config.data.size):
            raise InputError(
                f"{setting('size')} is {size}, but the generator of {checkpoint} was trained at "
                f"{trained}",
                hint=f"Leave {setting('size')} out: it is for files of other programs, which do "
                "not say their size.",
            )
        return loaded
    if which not in (None, checkpoint.which):
        raise InputError(
            f"which is '{which}'; expected '{checkpoint.which}', as the generator was loaded with "
            "these weights",
            hint="Leave `which` out, or load the generator with the other weights.",
        )
    checkpoint.network.to(device)
    return checkpoint


def _foreign_notes(generator: LoadedGenerator, asked: int | None) -> tuple[str, ...]:
    if not generator.foreign:
        return ()
    size = generator.config.data.size
    assumed = "" if asked else f", as {setting('size')} is not given"
    why = f"{assumed}: its file does not say at which size it was trained"
    if generator.says_size:
        why = ", the only size that it takes"
    return _noted(
        f"the pictures are painted by {generator.origin}, at {size} x {size} pixels{why}; photos "
        "of another size are stretched"
    ) + tuple(text for note in generator.notes for text in _noted(note))


def _size_notes(generator: LoadedGenerator, rules: Rules) -> tuple[str, ...]:
    size = generator.config.data.size
    width, height = rules.size
    if (size, size) == rules.size:
        return ()
    return _noted(
        f"the generator makes pictures of {size} x {size} pixels; they are resized to "
        f"{width} x {height}, the size that {rules.competition} takes"
    )


def _memory_notes(line: AssemblyLine, batch_size: int) -> tuple[str, ...]:
    if line.fitting is None:
        return ()
    return _noted(
        f"batches of {batch_size} did not fit into memory and were painted in parts of "
        f"{line.fitting}; next time give {setting('batch_size', line.fitting)}"
    )


def _noted(text: str) -> tuple[str, ...]:
    warn(text, stacklevel=4)
    return (text,)


@contextmanager
def _deterministic() -> Iterator[None]:
    """Let cuDNN use only algorithms that give the same bits each time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
