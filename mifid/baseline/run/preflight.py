"""Checks and measurements before the first step, of what would otherwise fail after hours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mifid import files
from mifid.baseline.config import Config
from mifid.baseline.data import PictureSet
from mifid.baseline.gan import METHODS, Method, parameters
from mifid.baseline.generation import Painter, as_submitted
from mifid.baseline.models import GeneratorNetwork, outline_discriminator, outline_generator
from mifid.baseline.run.building import Parts
from mifid.baseline.run.checkpoint import compact_share
from mifid.baseline.run.snapshots import Scorer
from mifid.errors import setting, warn
from mifid.formatting import size_text
from mifid.machine import available_memory
from mifid.submission import Rules, encode_picture

__all__ = [
    "Space",
    "Trial",
    "check_space",
    "checkpoint_bytes",
    "folder_space",
    "memory_note",
    "score_photos",
    "try_painting",
    "try_scoring",
    "try_training",
    "weights_note",
]

_DISK = 150e6
"""Bytes a second that a slow disk writes."""

_PICTURE = 60_000
"""Bytes of a picture of images.zip, amply: of 256 x 256 pixels, photos have 27,000."""

_LARGE = 1.5e9
"""Bytes of a run folder from which a warning is given."""

_LARGE_NETWORKS = 4e9
"""Bytes of weights, gradients and moments from which a run says so."""

_MOMENTS = {"sgd": 1, "adam_sgd": 3}
"""Optimiser -> numbers that it keeps of each weight; of the others two."""

_FULL = 0.9
"""Part of the free memory of a GPU that a step may take: painting and scoring need some, too."""


def try_painting(
    network: GeneratorNetwork, shown: PictureSet, *, device: torch.device, rules: Rules
) -> float:
    """Paint and encode a few photos with the untrained network; return the seconds of a picture.

    Raises:
        MifidError: the network cannot paint them.
    """
    painter = Painter(network, device=device, seed=0)
    photos = shown.take(np.arange(min(len(shown), 8)))
    painter.paint(photos, first=0)  # the first pass also loads kernels
    start = time.perf_counter()
    for picture in as_submitted(painter.paint(photos, first=0), rules=rules):
        encode_picture(picture, format=rules.format)
    return (time.perf_counter() - start) / len(photos)


@dataclass(frozen=True)
class Trial:
    """What a step of training takes.

    Attributes:
        seconds: of a step.
        memory: bytes of a GPU at the peak, with networks, optimisers and what torch keeps for
            itself; None: not on CUDA, where nothing measures it.
        free: bytes of the GPU that were free before.
    """

    seconds: float
    memory: int | None = None
    free: int = 0


def try_training(build: Callable[[], Parts], device: torch.device) -> Trial:
    """Build a run, train it two steps and throw it away; return what the second step takes.

    Raises:
        MifidError: what training would have failed with.
    """
    if device.type != "cuda":
        return Trial(_second_step(build()))
    torch.cuda.reset_peak_memory_stats(device)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    seconds = _second_step(build())
    return Trial(seconds, torch.cuda.max_memory_reserved(device), free)


def _second_step(parts: Parts) -> float:
    """Train two steps; return the seconds of the second."""
    seconds = 0.0
    for _ in range(2):  # the first also loads kernels, and compiles
        start = time.perf_counter()
        photos, paintings = parts.feed.next()
        losses = parts.method.advance(photos, paintings, fraction=0.0, factor=1.0)
        if parts.average is not None:
            parts.average.update_parameters(parts.method.painter)
        if losses is not None:
            losses.tolist()  # waits for the device; a step that is left out has waited
        seconds = time.perf_counter() - start
    return seconds


def memory_note(trial: Trial) -> str:
    """Return the GPU memory that training needs and what is free; empty: it was not measured.

    Warn if it is so much that painting or scoring may fail.
    """
    if trial.memory is None:
        return ""
    needs = f"{size_text(trial.memory)} of the {size_text(trial.free)} of GPU memory that are free"
    if trial.memory > _FULL * trial.free:
        warn(
            f"training needs {needs}: little is left for painting and scoring. If they fail, lower "
            "training.batch, data.size or generator.width"
        )
    return f"training needs {needs}"


def weights_note(config: Config, device: torch.device) -> str:
    """Return the memory that large networks need before the first picture; empty: they are small.

    Weights, gradients and the optimisers' moments count: of one generator and one discriminator a
    side. Nothing is allocated. Warn if less memory is free.
    """
    size, method = config.trained_size, METHODS[config.training.method]
    outlines: list[nn.Module] = [outline_generator(config.generator, size=size)]
    if method.discriminators:
        outlines.append(outline_discriminator(config.discriminator, size=size))
    weights = max(1, len(method.sides)) * _numbers(outlines)
    needs = 4 * weights * (2 + _MOMENTS.get(config.optimiser.name, 2))
    if needs < _LARGE_NETWORKS:
        return ""
    said = (
        f"the networks have {weights / 1e6:,.1f} million weights: with gradients and the "
        f"optimisers' moments {size_text(needs)} of memory, and more for the maps of a batch"
    )
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else available_memory()
    if free is None:
        return said
    if free < needs:
        light = config.generator.network == "ugatit_full"
        advice = setting("generator.network", "ugatit") + ", its light form" if light else ""
        advice = advice or "a smaller generator.width or discriminator.width"
        warn(f"{said}; {size_text(free)} are free. Take {advice}, or a machine with more memory")
    return f"{said}; {size_text(free)} are free"


def try_scoring(
    scorer: Scorer, photos: PictureSet, *, rules: Rules, measure: bool
) -> tuple[float, float]:
    """Score a few unpainted photos; return the seconds of a score and of each picture in it.

    Both are 0 unless they are to be measured.

    Raises:
        MifidError: what scoring would have failed with after the training.
    """

    def seconds(number: int) -> float:
        start = time.perf_counter()
        score_photos(scorer, photos.spread(number), rules=rules)
        return time.perf_counter() - start

    few, more = 2, min(len(photos), 18)
    seconds(few)  # also loads the network, which later scores do not
    if not measure:
        return 0.0, 0.0
    first = seconds(few)
    if more == few:
        return 0.0, first / few
    each = max(seconds(more) - first, 0.0) / (more - few)
    return max(first - few * each, 0.0), each


def score_photos(scorer: Scorer, photos: PictureSet, *, rules: Rules) -> Mapping[str, float | None]:
    """Return the score of unpainted photos, for comparison."""
    return scorer(as_submitted(batch.cpu().numpy(), rules=rules) for batch in photos.batches())


def checkpoint_bytes(method: Method, *, averaged: bool) -> int:
    """Return the approximate size of a checkpoint: weights, two moments, average and pools."""
    config, weights = method.config, 4 * _numbers(method.networks.values())
    parts = {
        "weights": weights,
        "moments": 2 * weights,
        "average": averaged * 4 * _numbers([method.painter]),
        "pools": 2 * config.training.pool * 3 * 4 * config.trained_size**2,
    }
    share = dict.fromkeys(parts, 1.0) if config.checkpoint.exact else compact_share()
    return int(sum(size * share[part] for part, size in parts.items()))


def best_bytes(method: Method, *, averaged: bool) -> int:
    """Return the approximate size of best.safetensors."""
    both = averaged and method.config.checkpoint.keep_raw
    return (1 + both) * 4 * _numbers([method.painter])


def _numbers(networks: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for weight in parameters(networks))


@dataclass(frozen=True)
class Space:
    """Bytes of a run's folder, approximately.

    Attributes:
        resting: with the checkpoints that are kept, the best generator and images.zip.
        writing: at most, while a checkpoint or the best generator is written.
    """

    resting: int
    writing: int


def folder_space(method: Method, *, averaged: bool, world: int, submission: int) -> Space:
    """Return the space that a run takes.

    Args:
        method: with the networks and settings.
        averaged: whether there is an average of the painting generator.
        world: number of processes, each of which writes checkpoints.
        submission: number of pictures of images.zip.
    """
    checkpoint = world * checkpoint_bytes(method, averaged=averaged)
    best, pictures = best_bytes(method, averaged=averaged), _PICTURE * submission
    kept = method.config.checkpoint.kept * checkpoint
    writing = max(2 * checkpoint + best, kept + 2 * best, kept + best + 2 * pictures)
    return Space(resting=kept + best + pictures, writing=writing)


def check_space(
    folder: Path, method: Method, *, averaged: bool, world: int, submission: int
) -> float:
    """Refuse a run that does not fit on the disk; return the seconds that a checkpoint takes.

    Raises:
        OutputError: too little space.
    """
    checkpoint = checkpoint_bytes(method, averaged=averaged)
    space = folder_space(method, averaged=averaged, world=world, submission=submission)
    files.check_space(
        folder,
        max(space.writing, space.resting),
        "the run",
        hint=f"Make space, give {setting('out')} on another disk, set checkpoint.exact=false, or "
        f"take a smaller generator: {setting('generator.width', 'N')}.",
    )
    if space.resting > _LARGE:
        config = method.config.checkpoint
        smaller = setting("checkpoint.exact", "false") if config.exact else ""
        smaller = smaller or (setting("checkpoint.kept", 1) if config.kept > 1 else "")
        warn(
            f"{folder} will hold about {size_text(space.resting)}, and {size_text(space.writing)} "
            f"while a checkpoint is written: checkpoints of {size_text(world * checkpoint)}, from "
            f"which {setting('resume', True)} goes on, are most of it; once the run is complete, "
            "its checkpoints folder may be deleted" + (f". {smaller} takes less" if smaller else "")
        )
    return checkpoint / _DISK
