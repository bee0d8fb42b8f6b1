"""References by name: found on this machine or fetched, checked, and read.

``mifid.score("out/", "cifar10-train")`` and ``--ref cifar10-train`` take a name of
:data:`REFERENCES` where a path is taken; ``mifid references`` lists them. (``mifid reference
build`` is something else: it makes a file of your own pictures.)

None of the publishers states the hash of a file. So the hash of the first file is recorded beside
it, and what is read afterwards must have the same (trust on first use).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mifid.errors import InputError, MifidError, setting, warn
from mifid.extractors import KAGGLE_INPUT, DownloadError, download
from mifid.files import (
    atomic_write,
    cache_folder,
    make_folder,
    no_such_file,
    sha256_of_file,
)
from mifid.progress import Progress, Silent
from mifid.references.entries import COMPETITION, REFERENCES, WIDTH, Reference
from mifid.registry import did_you_mean, meant
from mifid.statistics import formats

__all__ = [
    "Found",
    "chosen",
    "fetch_reference",
    "find_pictures",
    "locate",
    "name_of",
    "named_sets",
    "open_named",
    "recorded",
    "references_folder",
]


@dataclass(frozen=True)
class Found:
    """A reference that is at hand.

    Attributes:
        reference: its entry.
        path: of the file or folder.
        place: why it was taken, such as ``"mifid's cache"``.
        sha256: of the file; empty: a folder.
        recorded: whether the hash was compared with one that was recorded at the first use.
    """

    reference: Reference
    path: Path
    place: str
    sha256: str = ""
    recorded: bool = False

    @property
    def trust(self) -> str:
        """What the hash was compared with, in words; empty for a folder."""
        if not self.sha256:
            return ""
        if self.reference.sha256:
            return "the published file"
        return (
            "the file of the first use; none is published"
            if self.recorded
            else "recorded now, at the first use; none is published"
        )

    @property
    def description(self) -> str:
        """What it is, for a report."""
        reference = self.reference
        if not self.sha256:
            return f"{reference.name}: folder {self.path}"
        what = {"statistics": "mean and covariance"}.get(reference.holds, reference.holds)
        return (
            f"{reference.name}: {what} in {self.path} (sha256 {self.sha256[:16]}..., {self.trust})"
        )


# Names in place of paths

_SUGGESTED = 4  # names


def open_named(
    given: Any, progress: Progress | None = None
) -> tuple[Found, formats.Contents | None] | None:
    """Return the reference that a name stands for; None: ``given`` is no name.

    A path that exists is no name. The file of a fetched reference is recognised by its path.

    Returns:
        Where it is; and what its file holds, None for a folder of pictures.

    Raises:
        InputError: the name is a misspelt one; or it cannot be fetched, or is another file than
            before. The hint lists every way out.
    """
    if not isinstance(given, str | os.PathLike):
        return None
    name = os.fsdecode(given)
    reference = REFERENCES.get(name)
    if os.path.lexists(name):
        if reference is not None and (reference.urls or _of_layouts(reference)):
            warn(
                f"{name} is a path here, and the name of a reference (see `mifid references`): "
                "the path is used"
            )
        reference = REFERENCES.get(name_of(name) or "")
        if reference is None:
            return None
    if reference is None:
        _refuse_misspelt(name)
        return None
    if reference.folder:
        return find_pictures(reference), None
    return fetch_reference(reference, progress)


def named_sets(given: Any) -> Any:
    """Return a list of sets with names of folders of pictures replaced by the folders' paths.

    What is no list of paths comes back as it is.

    Raises:
        InputError: a name of a file, whose features or statistics cannot be joined with others; or
            a misspelt one.
    """
    if not isinstance(given, list | tuple):
        return given
    if not all(isinstance(each, str | os.PathLike) for each in given):
        return given
    return [_of_set(each) for each in given]


def _of_set(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    name = os.fsdecode(path)
    if os.path.lexists(name):
        return path
    reference = REFERENCES.get(name)
    if reference is None:
        _refuse_misspelt(name)
        return path
    if not reference.folder:
        raise InputError(
            f"the reference {name} is a file of {reference.holds}; only sets of pictures can be "
            "joined",
            hint="Give it alone.",
        )
    return str(find_pictures(reference).path)


def name_of(path: str | os.PathLike[str]) -> str | None:
    """Return the name of the reference whose fetched file this is; None: it is another file."""
    given = Path(path)
    if given.resolve().parent != references_folder().resolve():
        return None
    return next((name for name, each in REFERENCES.items() if each.file == given.name), None)


def _refuse_misspelt(name: str) -> None:
    """Raise InputError for what is neither a path nor a name, but looks like a name."""
    separated = any(each in name for each in ("/", os.sep, "~", "\0")) or not name.strip()
    if separated or glob.has_magic(name) or Path(name).suffix:
        return
    near = did_you_mean(meant(name, list(REFERENCES))[:_SUGGESTED])
    missing = no_such_file(name)
    hint = f"{missing.hint} {near}`mifid references` lists the references by name.".strip()
    raise InputError(f"{missing.message}, and no reference has this name", hint=hint)


# The competition's folders


def _input_folder() -> Path:
    """Return the folder in which inputs lie: ``MIFID_INPUT``, else Kaggle's."""
    return Path(os.environ.get("MIFID_INPUT") or KAGGLE_INPUT).expanduser()


def _of_layouts(reference: Reference) -> Path | None:
    """Return the folder where Kaggle mounts it, or has mounted it; None: it is not there."""
    folder = _input_folder()
    for place in (folder, folder / COMPETITION, folder / "competitions" / COMPETITION):
        if (place / reference.folder).is_dir():
            return place / reference.folder
    return None


def find_pictures(reference: Reference) -> Found:
    """Find a folder of the competition.

    In the folder of inputs itself, where Kaggle mounts the competition, then anywhere below.

    Raises:
        InputError: it is not there, or there are several.
    """
    root = _input_folder()
    place = _place_of_input()
    found = _of_layouts(reference)
    if found is not None:
        return Found(reference, found, place)
    below = sorted(
        Path(folder, reference.folder)
        for folder, folders, _ in os.walk(root)
        if reference.folder in folders
    )
    if len(below) == 1:
        return Found(reference, below[0], place)
    if below:
        raise InputError(
            f"{reference.name}: there are {len(below)} folders {reference.folder} in {root}: "
            f"{', '.join(map(str, below[:3]))}{', ...' * (len(below) > 3)}",
            hint="Give the path of one of them.",
        )
    missing = "" if root.is_dir() else f" ({root} does not exist)"
    raise InputError(
        f"{reference.name}: there is no folder {reference.folder} in {place}{missing}",
        hint="Give its path; or set the variable MIFID_INPUT to a folder that holds it, at any "
        f"depth. On Kaggle, add the competition {COMPETITION} to the notebook's inputs.",
    )


def _place_of_input() -> str:
    """Return where inputs are searched, in words."""
    given = os.environ.get("MIFID_INPUT")
    return f"MIFID_INPUT={given}" if given else str(KAGGLE_INPUT)


# Files


def references_folder() -> Path:
    """Return the folder of fetched references, in the cache."""
    return cache_folder() / "references"


def locate(reference: Reference) -> tuple[str, Path] | None:
    """Return (place, path) of a reference that is at hand, unchecked; None: it is not."""
    if reference.folder:
        try:
            found = find_pictures(reference)
        except InputError:
            return None
        return found.place, found.path
    target = references_folder() / reference.file
    if target.is_file():
        return "mifid's cache", target
    for folder, _, files in os.walk(_input_folder()):
        if reference.file in files:
            return _place_of_input(), Path(folder, reference.file)
    return None


def fetch_reference(
    reference: Reference, progress: Progress | None = None
) -> tuple[Found, formats.Contents]:
    """Find a reference's file, or download it into our cache; check and read it.

    Returns:
        Where it is, and what it holds, with the provenance that its publisher states.

    Raises:
        InputError: it is a folder, which only Kaggle gives out; it is not here and cannot be
            fetched; it is another file than the published one, or than at its first use; it
            holds something else. The hint says what to do.
    """
    if reference.folder:
        raise InputError(
            f"{reference.name} is the folder {reference.folder} of the competition, no file",
            hint=f"Kaggle gives it out: {reference.home}/data",
        )
    target = references_folder() / reference.file
    expected = reference.sha256 or recorded(reference)
    at_hand = locate(reference)
    place, path = at_hand or ("downloaded", _fetch(reference, target, expected, progress))
    sha256 = sha256_of_file(path)
    if expected not in {None, sha256}:
        raise _another_file(reference, path, sha256, expected)
    try:
        contents = formats.read(path)
        _check_contents(reference, contents)
    except MifidError as error:
        what = str(path)
        if at_hand is None and expected is None:  # such as a page that says that it has moved
            path.unlink(missing_ok=True)
            what = f"what came from {' or '.join(reference.urls)}"
        raise InputError(
            f"{what} is not the reference {reference.name}: {error.message}",
            hint=f"See {reference.home}.",
        ) from error
    if expected is None:
        _record(target, sha256)
    found = Found(reference, path, place, sha256, recorded=expected is not None)
    n = reference.pictures if contents.n is None else contents.n
    return found, replace(contents, provenance=reference.provenance, n=n)


def _fetch(
    reference: Reference, target: Path, expected: str | None, progress: Progress | None
) -> Path:
    failures = []
    for url in reference.urls:
        try:
            download(url, target, sha256=expected, progress=progress or Silent(), what="reference")
            return target
        except DownloadError as error:
            failures.append(f"  {url}\n    {error}")
    record = _record_of(target)
    changed = f"\n  - {record} holds the hash of its first use; delete it to take another file"
    raise InputError(
        f"the reference {reference.name} is not on this machine and cannot be downloaded:\n"
        + "\n".join(failures),
        hint="Ways out:\n"
        f"  - where there is a network, fetch {reference.urls[0]}\n"
        f"    and put it into {target.parent}\n"
        "  - on Kaggle without internet, add a data set that holds the file; "
        f"{KAGGLE_INPUT} is\n    searched (elsewhere: the folder that the variable MIFID_INPUT "
        "names)\n"
        f"  - give real pictures in place of the name with {setting('reference')}"
        + changed
        * record.is_file(),
    )


def _another_file(
    reference: Reference, path: Path, sha256: str, expected: str | None
) -> InputError:
    record = _record_of(references_folder() / reference.file)
    published = reference.sha256 is not None
    what = "the published file" if published else "the file that was used first"
    hint = f"Delete {path}: it is then fetched again."
    if not published:
        hint += f" To trust this one from now on, delete {record} instead."
    return InputError(
        f"{reference.name}: {path} is not {what}: its sha256 is {sha256}, expected {expected}",
        hint=hint,
    )


def _check_contents(reference: Reference, contents: formats.Contents) -> None:
    """Refuse features or statistics of another width than Inception's."""
    values = contents.mu if contents.features is None else contents.features
    assert values is not None
    if values.shape[-1] != WIDTH:
        raise InputError(f"it has features of width {values.shape[-1]:,}, not {WIDTH:,}")
    if reference.holds == "features" and contents.features is None:
        raise InputError("it holds no features")


def _record_of(target: Path) -> Path:
    """Return the file that keeps the hash of the first use, as ``sha256sum`` writes it."""
    return target.with_name(target.name + ".sha256")


def recorded(reference: Reference) -> str | None:
    """Return the SHA-256 that a reference's file had at its first use; None: it was never used.

    Raises:
        InputError: the record is damaged.
    """
    record = _record_of(references_folder() / reference.file)
    if not reference.file or not record.is_file():
        return None
    try:
        words = record.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        words = []
    if not words or len(words[0]) != 64:
        raise InputError(
            f"{record} holds no hash", hint="Delete it: the hash is then recorded again."
        )
    return words[0]


def _record(target: Path, sha256: str) -> None:
    make_folder(target.parent, hint="Name another folder with the variable MIFID_CACHE.")
    with atomic_write(_record_of(target)) as file:
        file.write(f"{sha256}  {target.name}\n".encode())


def chosen(names: Sequence[str]) -> list[Reference]:
    """Return the references of these names.

    Raises:
        InputError: an unknown name, with the nearest ones.
    """
    for name in names:
        if name not in REFERENCES:
            near = did_you_mean(meant(name, list(REFERENCES))[:_SUGGESTED])
            raise InputError(
                f"unknown reference '{name}'", hint=f"{near}`mifid references` lists all."
            )
    return [REFERENCES[name] for name in names]
