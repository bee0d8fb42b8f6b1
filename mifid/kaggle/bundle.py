"""A bundle: the folder with the data set and the notebook that are uploaded to Kaggle."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mifid.errors import InputError, OutputError, setting
from mifid.files import (
    folder_beside,
    given_path,
    no_such_file,
    not_empty,
    sha256_of_file,
)
from mifid.kaggle.wheels import fitting_wheels

__all__ = [
    "DATASET",
    "DATASET_METADATA",
    "MANIFEST",
    "NOTEBOOK",
    "NOTEBOOK_METADATA",
    "Bundle",
    "check_names",
    "check_place",
    "open_bundle",
    "write_json",
    "written_bundle",
]

DATASET, NOTEBOOK, MANIFEST = "dataset", "notebook", "bundle.json"
DATASET_METADATA = f"{DATASET}/dataset-metadata.json"
NOTEBOOK_METADATA = f"{NOTEBOOK}/kernel-metadata.json"

_FORMAT = "mifid kaggle bundle 1"
_SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_SHORTEST, _LONGEST = 6, 50


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        folder: the bundle.
        handle: ``"user/name"``, both of the data set and of the notebook.
        accelerator: Kaggle's name of the machine that the notebook runs on.
        wheels: names of the wheels in the data set.
        files: number of files that are uploaded.
        size: of these files, in bytes.
    """

    folder: Path
    handle: str
    accelerator: str
    wheels: tuple[str, ...]
    files: int
    size: int

    @property
    def dataset(self) -> Path:
        """Folder of the data set."""
        return self.folder / DATASET

    @property
    def notebook(self) -> Path:
        """Folder of the notebook."""
        return self.folder / NOTEBOOK


def check_names(user: str | None, name: str) -> None:
    """Refuse names that Kaggle would refuse in an address.

    Raises:
        InputError: no user name, or one of the two is not a slug.
    """
    if not user:
        raise InputError(
            "no Kaggle user name is given",
            hint=f"Give {setting('user', 'NAME')}: it ends the address of your profile, "
            "https://www.kaggle.com/NAME.",
        )
    if not _SLUG.fullmatch(user):
        raise InputError(
            f"{setting('user')} is '{user}'; expected small letters, digits and single hyphens",
            hint="It is not the name that is shown, but the end of the address of your profile, "
            "https://www.kaggle.com/NAME.",
        )
    if not (_SLUG.fullmatch(name) and _SHORTEST <= len(name) <= _LONGEST):
        raise InputError(
            f"{setting('name')} is '{name}'; Kaggle accepts {_SHORTEST} to {_LONGEST} small "
            "letters, digits and single hyphens, with none at the ends",
            hint=f"Such as {setting('name', 'mifid-monet')}.",
        )


def check_place(folder: Path) -> None:
    """Refuse a folder in which anything but an unchanged bundle would be overwritten.

    Raises:
        OutputError: it is a file, holds other files, or the bundle in it was changed.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder", hint="Name a new folder.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    made = _manifest(folder)
    foreign = [
        name
        for name, path in _files_in(folder)
        if name != MANIFEST and not _is_unchanged(path, made.get(name))
    ]
    if foreign or not made:
        raise not_empty(folder, foreign or [MANIFEST], option="output")


@contextmanager
def written_bundle(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes the bundle if the block succeeds, else is removed.

    Raises:
        OutputError: it cannot be written.
    """
    with folder_beside(folder) as temporary:
        (temporary / DATASET).mkdir()
        (temporary / NOTEBOOK).mkdir()
        yield temporary
        hashes = {name: sha256_of_file(path) for name, path in _files_in(temporary)}
        write_json(temporary / MANIFEST, {"format": _FORMAT, "files": hashes})
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)  # what is half replaced is no bundle
        for name in (DATASET, NOTEBOOK, MANIFEST):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            os.replace(temporary / name, folder / name)


def open_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Read a bundle, and check that all of it is there.

    Raises:
        InputError: it is no bundle, files of it are missing, its metadata cannot be read, or no
            wheel of mifid in it fits Kaggle's Python.
    """
    path = Path(given_path(folder))
    if not path.exists():
        raise no_such_file(path, hint=_HINT)
    made = _manifest(path)
    if not made:
        raise InputError(f"{path} is not a bundle: it has no {MANIFEST} of mifid", hint=_HINT)
    missing = [name for name in made if not (path / name).is_file()]
    if missing:
        raise InputError(f"{path} is not complete: {missing[0]} is missing", hint=_HINT)
    metadata = _read_json(path / NOTEBOOK_METADATA)
    dataset = _read_json(path / DATASET_METADATA)
    handle = metadata.get("id")
    if not isinstance(handle, str) or handle != dataset.get("id"):
        raise InputError(
            f"{path}: the id in {NOTEBOOK_METADATA} is {handle!r}, in {DATASET_METADATA} "
            f"{dataset.get('id')!r}; expected one user/name in both",
            hint=_HINT,
        )
    check_names(*_parts(handle))
    if "mifid" not in (wheels := fitting_wheels(path / DATASET)):
        found = sorted(wheel.name for wheel in (path / DATASET).glob("*.whl"))
        raise InputError(
            f"{path / DATASET} has no wheel of mifid that fits Kaggle's Python 3.12; it has "
            f"{', '.join(found) or 'no wheels'}",
            hint=_HINT,
        )
    uploaded = [file for name, file in _files_in(path) if name != MANIFEST]
    return Bundle(
        folder=path,
        handle=handle,
        accelerator=str(metadata.get("machine_shape", "")),
        wheels=tuple(sorted(wheel.name for wheel in wheels.values())),
        files=len(uploaded),
        size=sum(file.stat().st_size for file in uploaded),
    )


_HINT = "Make one: mifid kaggle pack run/ --user NAME -o bundle/"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that people read."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _parts(handle: str) -> tuple[str, str]:
    user, _, name = handle.partition("/")
    return user, name


def _manifest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a bundle's files as they were written; empty if it is no bundle."""
    try:
        read = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        made = read["files"] if read["format"] == _FORMAT else {}
        return {str(name): str(digest) for name, digest in made.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}", hint=_HINT) from error
    if not isinstance(read, dict):
        raise InputError(f"{path} holds no JSON object", hint=_HINT)
    return read


def _is_unchanged(path: Path, digest: str | None) -> bool:
    try:
        return digest is not None and sha256_of_file(path) == digest
    except OSError:  # a link to a folder, or to nothing
        return False


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            yield path.relative_to(folder).as_posix(), path
