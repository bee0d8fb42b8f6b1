"""Painters at hand: those that come with mifid, those that the user added, those of runs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifid.errors import InputError, MifidError, OutputError, WeightsError, setting
from mifid.files import atomic_write, given_path, make_folder, no_such_file
from mifid.registry import did_you_mean, meant

if TYPE_CHECKING:
    import torch

    from mifid.baseline.generation import LoadedGenerator

__all__ = [
    "SHIPPED",
    "PainterEntry",
    "add_painter",
    "open_painter",
    "painters",
    "painters_folder",
    "remove_painter",
]

SHIPPED: Mapping[str, str] = {"monet": "trained by mifid on 300 Monets (docs/painter.md)"}
"""Painters that come with mifid: name -> where it comes from, in a few words. The first one paints
if none is named. To add one: ``shipped/NAME.safetensors`` beside this file, and one line here."""

_SHIPPED_FOLDER = Path(__file__).parent / "shipped"
_ENDING = ".safetensors"
_BEST = "best.safetensors"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class PainterEntry:
    """A painter that can be named.

    Attributes:
        name: to paint with; of a run, its folder.
        kind: ``"shipped"``, ``"added"`` or ``"run"``.
        path: of its weights.
        source: what trained it, on what.
        step: training steps; None: not known.
        scores: name -> value, as its run measured them on snapshots: not comparable with another
            run of other pictures or another scoring network.
        problem: why it cannot be used; empty: it can.
    """

    name: str
    kind: str
    path: Path
    source: str = ""
    step: int | None = None
    scores: Mapping[str, float] | None = None
    problem: str = ""


def painters_folder() -> Path:
    """Return the folder of added painters: ``MIFID_PAINTERS``, else in the user's data folder."""
    if given := os.environ.get("MIFID_PAINTERS"):
        return Path(given).expanduser()
    from platformdirs import user_data_dir

    return Path(user_data_dir("mifid", appauthor=False)) / "painters"


def painters(runs: Sequence[str | os.PathLike[str]] = ()) -> list[PainterEntry]:
    """Return the painters at hand: shipped ones, added ones, and those of runs.

    Args:
        runs: folders of runs, or folders that hold some.

    Raises:
        InputError: no such folder, or one without a run.
    """
    shipped = [
        _entry(name, "shipped", _SHIPPED_FOLDER / f"{name}{_ENDING}", about)
        for name, about in SHIPPED.items()
    ]
    added = [_entry(path.stem, "added", path) for path in _added().values()]
    return shipped + added + [entry for folder in runs for entry in _of_runs(folder)]


def add_painter(file: str | os.PathLike[str], name: str, *, force: bool = False) -> PainterEntry:
    """Copy a painter to the painters at hand. Only weights are kept, never code.

    Args:
        file: what :func:`mifid.generate` takes as a checkpoint. Weights of another program are
            written in our format.
        name: small letters, digits, ``-``, ``_`` and ``.``.
        force: replace one of this name.

    Raises:
        InputError: a name that is not allowed or is taken, or a generator that paints no photos.
        WeightsError: the file is no generator that is known.
        OutputError: it cannot be written.
    """
    from mifid.baseline.generation import is_foreign, load_generator, save_generator

    _check_name(name)
    if name in SHIPPED:
        raise InputError(
            f"the painter '{name}' comes with mifid", hint=f"Give another {setting('name')}."
        )
    folder = painters_folder()
    target = folder / f"{name}{_ENDING}"
    if target.exists() and not force:
        raise InputError(
            f"there is a painter '{name}' already: {target}",
            hint=f"Give another {setting('name')}, or replace it: {setting('force', True)}.",
        )
    path = Path(given_path(file))
    loaded = load_generator(path, given_as="file")
    if not loaded.network.sees_pictures:
        raise InputError(f"{file} makes pictures of noise, not of photos; it is no painter")
    path = path / _BEST if path.is_dir() else path
    make_folder(folder, hint="Name another place with the variable MIFID_PAINTERS.")
    if is_foreign(path):
        origin = loaded.origin.removeprefix(f"{path}, ")
        save_generator(
            target,
            networks={loaded.which: loaded.network},
            config=loaded.config,
            best=loaded.which,
            facts={"origin": f"{path.name}, {origin}", "notes": list(loaded.notes)},
        )
    else:
        with path.open("rb") as content, atomic_write(target) as copy:
            shutil.copyfileobj(content, copy)
    return _entry(name, "added", target)


def remove_painter(name: str) -> Path:
    """Remove an added painter; return what was its file.

    Raises:
        InputError: there is none of this name.
        OutputError: it cannot be removed.
    """
    added = _added()
    if name not in added:
        if name in SHIPPED:
            raise InputError(f"the painter '{name}' comes with mifid and cannot be removed")
        raise InputError(f"no painter '{name}' was added", hint=_others(name, list(added)))
    try:
        added[name].unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {added[name]}: {error.strerror or error}") from error
    return added[name]


def open_painter(
    given: str | os.PathLike[str] | LoadedGenerator | None = None,
    *,
    which: str | None = None,
    device: torch.device | str = "cpu",
) -> LoadedGenerator:
    """Return a painter that is ready to paint.

    Args:
        given: a name of :func:`painters`, a file of weights, or a run's folder; a name goes before
            a file or folder, which can be given as ``./name``. None: the first that comes with
            mifid. A painter that is open is returned as it is.
        which: ``"raw"`` or ``"ema"``; None: the best.
        device: for the network.

    Raises:
        InputError: no such painter.
        WeightsError: the file is no generator that is known.
    """
    from mifid.baseline.generation import LoadedGenerator, load_generator

    if isinstance(given, LoadedGenerator):
        if which not in (None, given.which):
            raise InputError(
                f"which is '{which}', but the painter was opened with its {given.which} weights",
                hint="Leave `which` out, or open the painter with the other weights.",
            )
        return given
    path = _path_of(next(iter(SHIPPED)) if given is None else given)
    return load_generator(path, which=which, device=device, given_as="painter")


def _path_of(given: str | os.PathLike[str]) -> Path:
    path = given_path(given)
    added = _added()
    if path in SHIPPED:
        return _SHIPPED_FOLDER / f"{path}{_ENDING}"
    if path in added:
        return added[path]
    if os.path.exists(path):
        return Path(path)
    if os.path.basename(path) == path and not Path(path).suffix:
        raise InputError(
            f"{setting('painter')}: there is no painter '{path}', and no such file or folder",
            hint=_others(path, [*SHIPPED, *added]),
        )
    raise no_such_file(path, hint="Expected a file of weights, a run's folder, or a name.")


def _others(name: str, known: list[str]) -> str:
    if not known:
        return "None was added so far."
    return f"{did_you_mean(meant(name, known))}There are: {', '.join(known)}."


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) and not name.endswith("."):
        return
    like = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    raise InputError(
        f"{setting('name')} is '{name}'; expected small letters, digits, '-', '_' and '.', at "
        "most 64, with a letter or digit first",
        hint=f"Such as {like}." if _NAME.fullmatch(like) else "Such as van-gogh.",
    )


def _added() -> dict[str, Path]:
    found = sorted(painters_folder().glob(f"*{_ENDING}"))
    return {path.stem: path for path in found if _NAME.fullmatch(path.stem)}


def _of_runs(folder: str | os.PathLike[str]) -> Iterator[PainterEntry]:
    path = Path(given_path(folder))
    if not path.is_dir():
        raise no_such_file(path, hint="Expected a run's folder, or a folder that holds runs.")
    found = (
        [path] if (path / _BEST).is_file() else sorted(p.parent for p in path.glob(f"*/{_BEST}"))
    )
    if not found:
        raise WeightsError(
            f"no painter in {path}: neither it nor a folder in it has a {_BEST}",
            hint="It is written with the first snapshot of `mifid train-baseline` that is scored.",
        )
    return (_entry(str(run), "run", run / _BEST) for run in found)


def _entry(name: str, kind: str, path: Path, about: str = "") -> PainterEntry:
    from mifid.baseline.generation import facts_of, origin_of

    try:
        found = facts_of(path)
    except (MifidError, OSError) as error:
        first = error.message if isinstance(error, MifidError) else str(error)
        return PainterEntry(name, kind, path, about, problem=first)
    config, facts = found.config, found.facts
    network = f"{config.generator.network} of width {config.generator.width}"
    step = facts.get("step")
    return PainterEntry(
        name=name,
        kind=kind,
        path=path,
        source=f"{about or origin_of(facts)}, {network}, {config.trained_size} pixels",
        step=step if type(step) is int else None,
        scores=_numbers(facts.get("scores")),
    )


def _numbers(found: Any) -> dict[str, float]:
    items = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in items if type(value) in (int, float)}
