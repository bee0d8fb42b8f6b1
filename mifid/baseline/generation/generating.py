"""generate(): photos and a generator's weights to images.zip, checked."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mifid import files
from mifid.baseline.config import Config
from mifid.baseline.data import Photos
from mifid.baseline.generation.painter import AssemblyLine, Painter
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
    "fingerprint_of",
    "generate",
]

_MADE = "mifid generate "  # begins the comment of an archive; the job follows
_BYTES_PER_PIXEL = 60_000 / 256**2  # of a JPEG file of quality 95, amply


def check_settings(
    *, batch_size: int | None, workers: int | None, limit: int | None, quality: int
) -> None:
    """Raise InputError for what is out of its range; None is a default."""
    for name, value in (("batch_size", batch_size), ("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise InputError(f"{setting(name)} is {value}; expected 1 or more")
    if not 1 <= quality <= 100:
        raise InputError(f"{setting('quality')} is {quality}; expected 1 to 100")


def check_output(path: Path, *, photos: Any, pictures: int, rules: Rules, force: bool) -> None:
    """Raise OutputError now if ``pictures`` could not be written to ``path`` later.

    Args:
        path: of the archive.
        photos: what is painted, which the archive must not overwrite.
        pictures: their number.
        rules: they are written by.
        force: replace whatever lies there.
    """
    files.check_output(path, (Path(rules.file_name).suffix,))
    if isinstance(photos, str | os.PathLike) and path.exists() and _is_same(path, photos):
        raise OutputError(
            f"{path} holds the photos and would be overwritten", hint="Name another file."
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
    """Raise OutputError if an archive lies there that another job has made, or none of ours.

    Args:
        path: of the archive to write.
        job: this one; empty: not known yet.
    """
    if not path.exists():
        return
    made = comment_of(path)
    if not made.startswith(_MADE):
        raise occupied(path, "which mifid generate did not make")
    if job and made != f"{_MADE}{job}":
        raise occupied(path, "made with other weights, of other photos, or with other settings")


def fingerprint_of(parts: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits, others for other parts (of what JSON can hold)."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_same(path: Path, given: str | os.PathLike[str]) -> bool:
    return os.path.exists(given) and path.samefile(given)  # a glob pattern is no file


_CUDA_BATCH_SIZE = 32

# Milliseconds a picture in batches of 1, 2, 8, on 2 cores: U-Net 80, 46, 44 (its weights are read
# once a batch); ResNet-9 246, 281, 328 (one picture's maps just fit into the caches).
_CPU_BATCH_SIZES = {"unet": 8}


@dataclass(frozen=True)
class Generated:
    """A submission that was written.

    Attributes:
        path: of the archive.
        pictures: how many it holds.
        seconds: all of it took, without what earlier runs did.
        network_seconds: of these, those spent in the network.
        resumed: pictures that an earlier run had finished.
        which: weights painted, ``"raw"`` or ``"ema"``.
        check: what a check of the archive found.
        notes: what the user should know, all of it warned of too.
    """

    path: Path
    pictures: int
    seconds: float
    network_seconds: float
    resumed: int
    which: str
    check: Check
    notes: tuple[str, ...]


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
    seed: int = 0,
    force: bool = False,
    progress: Progress | bool | None = None,
) -> Generated:
    """Paint photos into a submission, under the photos' names.

    Equal input makes an equal archive, byte for byte, on the same kind of device, with the same
    torch, number of threads and ``batch_size``: another batch size may round the odd pixel the
    other way. A run that was ended, even by kill -9, is gone on with by the next call with the
    same input.

    Args:
        checkpoint: a file of a training run, such as ``best.safetensors``.
        photos: whatever :func:`mifid.images.open_images` opens, but a stream. For a network that
            paints from noise they give only number and names.
        output: the archive to write.
        which: ``"raw"`` or ``"ema"`` weights; None: the best.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        batch_size: photos at a time; None: 32 on CUDA, on a CPU 8 for a U-Net and else 1.
        workers: threads that decode and encode; None: one a core, at least two.
        quality: of JPEG, 1 to 100.
        rules: the competition's.
        limit: take only so many photos, the first by name.
        seed: of the noise that a ``dcgan`` paints from.
        force: replace an archive that is there, even if something else made it; False: only one
            that is of the same weights, photos and settings.
        progress: where progress is announced.

    Returns:
        Generated: with a check of the archive, which may have been refused.

    Raises:
        InputError: photos that cannot be used, or a setting out of its range.
        WeightsError: the checkpoint cannot be used.
        OutputError: the archive cannot be written, another process is writing it, or another one
            is there.
        MifidError: the network paints NaN, or memory does not suffice for it.
    """
    started = time.perf_counter()
    check_settings(batch_size=batch_size, workers=workers, limit=limit, quality=quality)
    shown = choose(progress)
    path = Path(output)
    chosen = choose_device(device)
    generator = _loaded(checkpoint, which, chosen)
    size = batch_size or default_batch_size(generator.config, chosen)
    threads = workers or default_workers()
    with Photos(photos, data=generator.config.data, limit=limit) as given:
        names = entry_names(given.names, rules=rules)
        check_output(path, photos=photos, pictures=len(names), rules=rules, force=force)
        from_noise = hasattr(generator.network, "latent")
        contents = () if from_noise else given.examine(workers=threads, progress=shown)
        wanted = {
            "generator": [generator.sha256, generator.which],
            "photos": [names, *contents],
            "picture": [asdict(rules), quality, seed if from_noise else None],
        }
        job = fingerprint_of(wanted)
        if not force:
            _refuse_others(path, job)
        notes = _size_notes(generator, rules)
        fingerprint = fingerprint_of(
            {
                **wanted,
                "batch": size,
                "computed with": [str(torch.__version__), decoder_version(), chosen.type],
                "threads": torch.get_num_threads(),
            }
        )
        line = AssemblyLine(
            Painter(generator.network, device=chosen, seed=seed),
            load=_blank if from_noise else given.load,
            encode=partial(_encode, rules=rules, quality=quality),
            batch_size=size,
            workers=threads,
        )
        resumed = _write(
            path, line, names, fingerprint=fingerprint, job=job, group=size, progress=shown
        )
    notes += _memory_notes(line, size)
    found = check(path, rules=rules, workers=threads, progress=shown)
    return Generated(
        path=path,
        pictures=len(names),
        seconds=time.perf_counter() - started,
        network_seconds=line.network_seconds,
        resumed=resumed,
        which=generator.which,
        check=found,
        notes=notes,
    )


def default_batch_size(config: Config, device: torch.device) -> int:
    """Return how many photos at a time are the fastest for a network on a kind of device."""
    if device.type == "cuda":
        return _CUDA_BATCH_SIZE
    return _CPU_BATCH_SIZES.get(config.generator.network, 1)


def as_submitted(pictures: Pixels, *, rules: Rules = MONET, quality: int = 95) -> Pixels:
    """Return what is read from a submission that holds these: resized, compressed, decoded.

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
    path: Path,
    line: AssemblyLine,
    names: Sequence[str],
    *,
    fingerprint: str,
    job: str,
    group: int,
    progress: Progress,
) -> int:
    """Write what is missing; return how many pictures were there."""
    with (
        progress.task("generate", len(names), "picture") as task,
        resumable_archive(
            path, names=names, fingerprint=fingerprint, group=group, comment=f"{_MADE}{job}"
        ) as archive,
        _repeatable(),
    ):
        resumed = archive.done
        task.advance(resumed)
        with closing(line.run(resumed, len(names))) as files:
            for file in files:
                archive.add(file)
                task.advance()
    return resumed


def _encode(pixels: Pixels, *, rules: Rules, quality: int) -> bytes:
    height, width = pixels.shape[:2]
    if (width, height) != rules.size:
        image = Image.fromarray(pixels).resize(rules.size, Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
    return encode_picture(pixels, format=rules.format, quality=quality)


def _blank(_index: int) -> Pixels:
    """Stand in for a photo that nobody looks at."""
    return np.zeros((1, 1, 3), np.uint8)


def _loaded(
    checkpoint: str | os.PathLike[str] | LoadedGenerator, which: str | None, device: torch.device
) -> LoadedGenerator:
    if not isinstance(checkpoint, LoadedGenerator):
        return load_generator(checkpoint, which=which, device=device)
    if which not in (None, checkpoint.which):
        raise InputError(
            f"the generator was loaded with its {checkpoint.which} weights; got which='{which}'",
            hint="Load it with these, or leave `which` out.",
        )
    checkpoint.network.to(device)
    return checkpoint


def _size_notes(generator: LoadedGenerator, rules: Rules) -> tuple[str, ...]:
    size = generator.config.data.size
    width, height = rules.size
    if (size, size) == rules.size:
        return ()
    return _noted(
        f"the generator paints {size} x {size} pixels; its pictures are resized to "
        f"{width} x {height}, which {rules.competition} takes"
    )


def _memory_notes(line: AssemblyLine, batch_size: int) -> tuple[str, ...]:
    if line.fitting is None:
        return ()
    return _noted(
        f"batches of {batch_size} did not fit into memory and were painted in parts of "
        f"{line.fitting}: give {setting('batch_size', line.fitting)} the next time"
    )


def _noted(text: str) -> tuple[str, ...]:
    warn(text, stacklevel=4)
    return (text,)


@contextmanager
def _repeatable() -> Iterator[None]:
    """Let cuDNN choose only algorithms that give the same bits each time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
