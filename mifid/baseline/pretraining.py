"""Pretraining: pretrain() makes a generator that fills holes, to begin a training with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.baseline.training import Trained, train_baseline
from mifid.errors import InputError, setting

if TYPE_CHECKING:
    from mifid.baseline.choosing import Init
    from mifid.baseline.config import Config
    from mifid.progress import Progress

__all__ = ["DEFAULT", "METHOD", "pretrain"]

METHOD = "inpainting"
"""The training method."""

DEFAULT = "uvcgan2-pretrain"
"""The preset that is used if none is given."""


def pretrain(
    photos: str | Path | None = None,
    monets: str | Path | None = None,
    out: str | Path = "pretrained",
    *,
    preset: str | None = None,
    generator_of: str | None = None,
    config: Config | str | Path | None = None,
    settings: Iterable[str] = (),
    resume: bool = False,
    anyway: bool = False,
    init: Init | None = None,
    device: str = "auto",
    gpus: int = 1,
    workers: int | None = None,
    skip_bad: bool = False,
    tensorboard: bool = False,
    wandb: bool = False,
    progress: Progress | bool | None = None,
) -> Trained:
    """Train a generator to fill holes in photos and paintings; it does not learn to paint.

    Its folder, or ``best.safetensors`` in it, is what ``train_baseline(..., init=...)`` takes: for
    all generators of the run, or for one, as ``{"painter": folder}``. Nothing is scored.

    Args:
        photos, monets: as for :func:`~mifid.baseline.train_baseline`. The setting
            ``inpainting.domains`` chooses whose pictures are filled.
        out: the folder, new or empty; it is that of a run.
        preset: one with ``training.method=inpainting``; None: ``"uvcgan2-pretrain"``.
        generator_of: the preset whose generator is trained; None: that of ``preset``.
        config, settings, resume, anyway, init, device, gpus, workers, skip_bad, tensorboard, wandb,
            progress: as for ``train_baseline``.

    Returns:
        Trained: without archive, check and report.

    Raises:
        MifidError: settings or pictures that cannot be trained with; a diverged run.
    """
    settings = list(settings)
    if preset is None and config is None and not resume:
        preset = DEFAULT
    _check_method(preset, config, settings, resume_in=Path(out) if resume else None)
    return train_baseline(
        photos,
        monets,
        out,
        preset=preset,
        config=config,
        settings=[*_generator(generator_of, settings), *settings],
        resume=resume,
        anyway=anyway,
        init=init,
        score=False,
        device=device,
        gpus=gpus,
        workers=workers,
        skip_bad=skip_bad,
        tensorboard=tensorboard,
        wandb=wandb,
        progress=progress,
    )


def _check_method(
    preset: str | None,
    config: Config | str | Path | None,
    settings: list[str],
    *,
    resume_in: Path | None,
) -> None:
    """Refuse what trains another method.

    Raises:
        InputError: a preset, a file, a setting or the run that goes on has another method.
    """
    from mifid.baseline.config import Config, assigned, read_run_file
    from mifid.baseline.presets import PRESETS
    from mifid.baseline.presets import preset as preset_named
    from mifid.baseline.run import CONFIG

    given, chosen = "", None
    if preset is not None:
        given, chosen = f"the preset {preset}", preset_named(preset).config
    elif isinstance(config, Config):
        given, chosen = setting("config"), config
    elif config is not None:
        given, chosen = str(config), read_run_file(config)[1]
    elif resume_in is not None and (resume_in / CONFIG).is_file():
        given, chosen = str(resume_in), read_run_file(resume_in / CONFIG)[1]
    found = chosen.training.method if chosen is not None else METHOD
    if "training.method" in map(assigned, settings):
        given, found = setting("settings"), "set"
    if found != METHOD:
        fitting = [name for name, each in PRESETS.items() if each.config.training.method == METHOD]
        raise InputError(
            f"{given} has a training.method of its own ({found}); pretraining is {METHOD}",
            hint=f"Give one of the presets {', '.join(fitting)}; for the generator of another one "
            f"{setting('generator_of', 'NAME')}. Other methods are trained by train-baseline.",
        )


def _generator(generator_of: str | None, settings: list[str]) -> list[str]:
    """Return the settings of a preset's generator, without those that the user has given."""
    from mifid.baseline.config import assigned, describe, shown
    from mifid.baseline.presets import preset as preset_named

    if generator_of is None:
        return []
    own = set(map(assigned, settings))
    return [
        f"{each.name}={shown(each.value)}"
        for each in describe(preset_named(generator_of).config)
        if each.section == "generator" and each.name not in own
    ]
