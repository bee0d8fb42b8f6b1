"""Packing: pack() makes a bundle that paints on Kaggle, pack_training() one that trains there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mifid.baseline import choose_config
from mifid.baseline.config import assigned
from mifid.baseline.generation import load_generator
from mifid.baseline.presets import preset as preset_named
from mifid.errors import InputError, setting, warn
from mifid.extractors import FILES, find
from mifid.files import given_path
from mifid.kaggle.bundle import (
    DATASET,
    DATASET_METADATA,
    NOTEBOOK,
    NOTEBOOK_METADATA,
    Bundle,
    check_names,
    check_place,
    open_bundle,
    write_json,
    written_bundle,
)
from mifid.kaggle.cells import notebook_json, render_cells
from mifid.kaggle.wheels import pack_wheels
from mifid.machine import __version__
from mifid.references import COMPETITION

__all__ = ["NAME", "pack", "pack_training"]

NAME = "mifid-monet"
"""Name of the data set and of the notebook, if none is given."""

_ONE_GPU, _TWO_GPUS = "NvidiaTeslaT4", "NvidiaTeslaT4Highmem"  # "GPU T4" and "GPU T4 x2"
_BUDGET = "280m"  # of 5 hours; installation and rehearsal take the rest
_WEIGHTS = "*inception-2015-12-05-6726825d.pth"  # each of the names that the file has
_DESCRIPTION = (
    "Packed by mifid (Apache-2.0) for a notebook without internet: wheels of Python packages, each "
    "under its own licence, and what its notebook paints or scores with."
)


def pack(
    generator: str | os.PathLike[str],
    output: str | os.PathLike[str] = "bundle",
    *,
    user: str | None,
    name: str = NAME,
    wheels: str | os.PathLike[str] | None = None,
) -> Bundle:
    """Write a data set and a notebook with which a trained generator paints on Kaggle.

    Args:
        generator: as for :func:`mifid.generate`: a run's folder, its ``best.safetensors``, or
            another program's file.
        output: the bundle's folder: new, empty, or an unchanged bundle, which is replaced.
        user: Kaggle's user name, as in the address of the profile.
        name: of the data set and of the notebook: 6 to 50 small letters, digits and hyphens.
        wheels: folder of further wheels, for Python 3.12 on Linux; all are packed.

    Raises:
        WeightsError: no generator, or a run without its best snapshot.
        InputError: a name that Kaggle refuses; a package without a wheel that fits.
        OutputError: the folder holds other files, or cannot be written.
    """
    check_names(user, name)
    check_place(Path(output))
    load_generator(generator, given_as="source")  # refuses what cannot paint, here and not there
    file = Path(generator)
    file = file / "best.safetensors" if file.is_dir() else file
    packed = f"generator{file.suffix}"
    with written_bundle(Path(output)) as folder:
        shutil.copyfile(file, folder / DATASET / packed)
        _write_files(folder, f"{user}", name, wheels, _ONE_GPU, generator=packed)
    return open_bundle(output)


def pack_training(
    output: str | os.PathLike[str] = "bundle",
    *,
    user: str | None,
    name: str = NAME,
    preset: str | None = None,
    settings: Iterable[str] = (),
    wheels: str | os.PathLike[str] | None = None,
) -> Bundle:
    """Write a data set and a notebook that trains on Kaggle, on up to two GPUs and in its 5 hours.

    Args:
        output, user, name, wheels: as for :func:`pack`.
        preset, settings: as for :func:`mifid.train_baseline`. Without ``training.budget`` among
            the settings the training gets 280 minutes.

    Raises:
        InputError: settings that cannot be trained with; otherwise as :func:`pack`.
        OutputError: as :func:`pack`.
    """
    given = list(settings)
    _refuse_files(given)
    if "training.budget" not in map(assigned, given):
        given.append(f"training.budget={_BUDGET}")
    check_names(user, name)
    check_place(Path(output))
    if preset is not None and preset_named(preset).init:
        raise InputError(
            f"the preset {preset} begins with {preset_named(preset).init}, which a notebook that "
            "trains does not have",
            hint=f"Give another one: {setting('preset', 'kaggle-5h')}.",
        )
    inputs, config = choose_config(
        photos="photo_jpg",
        monets="monet_jpg",
        held_out=None,
        out=Path("run"),
        preset_name=preset,
        config=None,
        settings=given,
        resume=False,
    )
    batch = config.training.batch
    gpus, accelerator = (1, _ONE_GPU) if batch % 2 else (2, _TWO_GPUS)
    if gpus == 1:
        warn(
            f"training.batch is {batch}, which two GPUs cannot share: the notebook trains on one "
            f"({setting('settings', f'training.batch={2 * batch}')} trains on two)"
        )
    changes = {assigned(each): each.partition("=")[2].strip() for each in given}
    chosen = {"preset": inputs.preset, "settings": changes, "gpus": gpus}
    with written_bundle(Path(output)) as folder:
        _write_files(folder, f"{user}", name, wheels, accelerator, **chosen)
    return open_bundle(output)


def _refuse_files(settings: Iterable[str]) -> None:
    """Refuse settings that name a file of this machine.

    Raises:
        InputError: there is one.
    """
    for assignment in settings:
        if assigned(assignment).startswith("data.select_"):
            raise InputError(
                f"{assignment} names a file of this machine, which Kaggle does not have",
                hint="Leave it out.",
            )


def _write_files(
    folder: Path,
    user: str,
    name: str,
    wheels: str | os.PathLike[str] | None,
    accelerator: str,
    **values: Any,
) -> None:
    """Write everything but the generator; ``values`` are for the template of the notebook."""
    pack_wheels(folder / DATASET, None if wheels is None else Path(given_path(wheels)))
    _copy_weights(folder / DATASET)
    title = name.replace("-", " ").title()
    cells = render_cells(
        title=title,
        version=f"mifid {__version__}",
        competition=COMPETITION,
        user=user,
        slug=name,
        accelerator=accelerator,
        weights=_WEIGHTS,
        train="preset" in values,
        **values,
    )
    code_file = f"{name}.ipynb"
    (folder / NOTEBOOK / code_file).write_text(notebook_json(cells), encoding="utf-8")
    dataset = {
        "title": title,
        "id": f"{user}/{name}",
        "licenses": [{"name": "other"}],
        "description": _DESCRIPTION,
    }
    notebook = {
        "id": f"{user}/{name}",
        "title": title,  # Kaggle makes the address of a notebook from its title
        "code_file": code_file,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": False,
        "machine_shape": accelerator,
        "dataset_sources": [f"{user}/{name}"],
        "competition_sources": [COMPETITION],
        "kernel_sources": [],
        "model_sources": [],
    }
    write_json(folder / DATASET_METADATA, dataset)
    write_json(folder / NOTEBOOK_METADATA, notebook)


def _copy_weights(folder: Path) -> None:
    """Copy the weights of Kaggle's Inception, if they are on this machine."""
    found = find()
    if found is not None and found.published:
        shutil.copyfile(found.path, folder / FILES["inception"].names[0])
        return
    warn(
        "the weights of Kaggle's Inception are not on this machine and so not in the bundle: "
        "without another data set that has them, the notebook scores with lite0, which is not "
        "Kaggle's number (mifid weights fetch downloads them)"
    )
