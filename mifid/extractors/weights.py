"""The trained weights: where they are found, how they are fetched, checked and read."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.errors import WeightsError, first_line, setting
from mifid.extractors.downloads import DownloadError, download
from mifid.files import cache_folder, no_such_file, sha256_of_file
from mifid.progress import Progress
from mifid.unpickling import load_script

if TYPE_CHECKING:
    import torch

__all__ = [
    "FILES",
    "INCEPTION",
    "PUBLISHED",
    "PublishedFile",
    "Weights",
    "fetch",
    "find",
    "load_state_dict",
    "obtain",
    "places",
    "refuse_other_network",
]


@dataclass(frozen=True)
class PublishedFile:
    """A weights file that published numbers are made with.

    Attributes:
        extractor: the one that reads it.
        title: of its network, in messages.
        size: of the file, in words.
        sha256: of its bytes.
        urls: where it can be fetched; all have the same bytes.
        folders: (place, folder) in which other tools keep it, besides torch hub's cache.
    """

    extractor: str
    title: str
    size: str
    sha256: str
    urls: tuple[str, ...]
    folders: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the file has at its sources; ours is the first."""
        return tuple(url.rpartition("/")[2] for url in self.urls)

    @property
    def is_kaggles(self) -> bool:
        """Whether Kaggle scores with it."""
        return self.sha256 == PUBLISHED

    @property
    def variable(self) -> str:
        """Environment variable that may name the file."""
        own = "" if self.is_kaggles else "_" + self.extractor.upper().replace("-", "_")
        return f"MIFID_WEIGHTS{own}"

    @property
    def command(self) -> str:
        """Command that fetches the file."""
        own = "" if self.is_kaggles else f" --extractor {self.extractor}"
        return f"mifid weights fetch{own}"


PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of Inception's file (95,628,359 bytes); torch-fidelity and pytorch-fid share it."""

INCEPTION = PublishedFile(
    "inception",
    "Inception",
    "95 MB",
    PUBLISHED,
    (
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
    ),
)

FILES = {
    file.extractor: file
    for file in (
        INCEPTION,
        PublishedFile(
            "dinov2",
            "DINOv2 ViT-L/14",
            "1.2 GB",
            "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
            ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",),
        ),
        PublishedFile(
            "dinov2-b14",
            "DINOv2 ViT-B/14",
            "346 MB",
            "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
            ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",),
        ),
        PublishedFile(
            "clip-l14-336",
            "CLIP ViT-L/14@336px",
            "0.9 GB",
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
            (
                "https://openaipublic.azureedge.net/clip/models/"
                "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/"
                "ViT-L-14-336px.pt",
            ),
            (("CLIP's cache", "~/.cache/clip"),),
        ),
    )
}
"""Extractor -> its file."""

KAGGLE_INPUT = Path("/kaggle/input")


@dataclass(frozen=True)
class Weights:
    """A weights file.

    Attributes:
        path: the file.
        place: why it was taken, such as ``"MIFID_WEIGHTS"``.
        sha256: of its bytes.
        expected: SHA-256 of the published file.
    """

    path: Path
    place: str
    sha256: str
    expected: str = PUBLISHED

    @property
    def published(self) -> bool:
        """Whether it is the file that everybody's scores are made with."""
        return self.sha256 == self.expected


def places(
    explicit: str | os.PathLike[str] | None = None, file: PublishedFile = INCEPTION
) -> Iterator[tuple[str, Path]]:
    """Yield (place, path) in the order of search; only the first two may not exist."""
    if explicit is not None:
        yield setting("weights"), Path(explicit).expanduser()
    if given := os.environ.get(file.variable):
        yield file.variable, Path(given).expanduser()
    folders = [("mifid's cache", cache_folder() / "weights"), ("torch hub's cache", _torch_hub())]
    folders += [(place, Path(folder).expanduser()) for place, folder in file.folders]
    yield from ((place, folder / name) for place, folder in folders for name in file.names)
    if KAGGLE_INPUT.is_dir():
        for folder, _, files in os.walk(KAGGLE_INPUT):
            yield from (
                ("/kaggle/input", Path(folder, f)) for f in sorted(files) if f in file.names
            )


def find(
    explicit: str | os.PathLike[str] | None = None, file: PublishedFile = INCEPTION
) -> Weights | None:
    """Return the first file there is, or None.

    Raises:
        WeightsError: a file that was named explicitly does not exist.
    """
    for place, path in places(explicit, file):
        if path.is_file():
            return Weights(path, place, sha256_of_file(path), file.sha256)
        if place in {setting("weights"), file.variable}:
            raise _no_file(place, path, file)
    return None


def _no_file(place: str, path: Path, file: PublishedFile) -> WeightsError:
    """Return the error for a file that was named and is not there."""
    if path.is_dir():
        inside = next((path / name for name in file.names if (path / name).is_file()), None)
        hint = f"Give the file in it: {inside}" if inside else f"Give a file, as {file.names[0]}."
        return WeightsError(f"{place}: {path} is a folder", hint=hint)
    missing = no_such_file(path, hint="Without it the weights are looked for; see `mifid weights`.")
    return WeightsError(f"{place}: {missing.message}", hint=missing.hint)


def obtain(
    explicit: str | os.PathLike[str] | None, progress: Progress, file: PublishedFile = INCEPTION
) -> Weights:
    """Return the first file there is, or download it into our cache.

    Raises:
        WeightsError: none is here and none can be fetched; the hint lists every way out.
    """
    return find(explicit, file) or fetch(progress, file)


def fetch(progress: Progress, file: PublishedFile = INCEPTION) -> Weights:
    """Download a published file into our cache, checked by its hash.

    Raises:
        WeightsError: no source can be reached, or what came is not the published file.
    """
    target = cache_folder() / "weights" / file.names[0]
    failures = []
    for url in file.urls:
        try:
            download(url, target, sha256=file.sha256, progress=progress)
            return Weights(target, "downloaded", sha256_of_file(target), file.sha256)
        except DownloadError as error:
            failures.append(f"  {url}\n    {error}")
    raise WeightsError(
        f"the {file.title} weights are not on this machine and cannot be downloaded:\n"
        + "\n".join(failures),
        hint=_ways_out(file),
    )


def _torch_hub() -> Path:
    """torch.hub's checkpoint folder, found as torch.hub finds it."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def _ways_out(file: PublishedFile) -> str:
    others = [("torch hub's", _torch_hub()), *((place, folder) for place, folder in file.folders)]
    return "\n".join(
        [
            "Ways out:",
            f"  - where there is a network, fetch {file.urls[0]}",
            *(f"    (or {url}, the same file)" for url in file.urls[1:]),
            f"    and put it into {cache_folder() / 'weights'}, or name it with "
            f"{setting('weights', 'FILE')}",
            f"    or the environment variable {file.variable}",
            *(f"  - what other tools have fetched into {folder} is found" for _, folder in others),
            "  - on Kaggle without internet, add a dataset that holds the file; /kaggle/input is",
            "    searched",
            f"  - score now, with another trained network: {setting('extractor', 'lite0')}",
            f"    (not {'Kaggle' if file.is_kaggles else file.title}'s number)",
        ]
    )


def load_state_dict(
    path: Path, *, sha256: str | None = None, file: PublishedFile = INCEPTION
) -> Mapping[str, torch.Tensor]:
    """Read tensors by name. A state dict that holds code is refused (``weights_only=True``).

    Of an archive of TorchScript only the tensors are read, by mifid's own interpreter; the code in
    it is neither compiled nor run, as ``torch.jit.load`` would do.

    Args:
        path: of a file that ``torch.save`` or ``torch.jit.save`` wrote.
        sha256: what the file had when it was looked at; None: any.
        file: the one that should be there, for messages.

    Raises:
        WeightsError: the file holds no tensors by name, is damaged, or is another file by now.
    """
    import torch

    try:
        content = path.read_bytes()  # once: what is hashed is what is loaded
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if sha256 not in {None, hashlib.sha256(content).hexdigest()}:
        raise WeightsError(
            f"{path} changed while it was read", hint="Let what writes it finish first."
        )
    try:
        members = _members(content)
        if any(name.endswith("constants.pkl") for name in members):
            read = load_script(io.BytesIO(content))
            return {name: torch.from_numpy(array) for name, array in read.items()}
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damage can make zipfile and torch raise nearly anything
        raise WeightsError(
            f"{path} cannot be read as network weights: {first_line(error)}",
            hint="Expected a file that torch.save or torch.jit.save wrote, whole; "
            f"`{file.command}` gets the published one.",
        ) from error
    if not isinstance(loaded, dict) or not all(torch.is_tensor(v) for v in loaded.values()):
        raise WeightsError(
            f"{path} is no state dict: it holds a {type(loaded).__name__}",
            hint=f"Expected a dict of tensors, as {file.names[-1]} is.",
        )
    return loaded


def _members(content: bytes) -> list[str]:
    """Return the names in a file of torch's, none of a pickle; torch looks at no checksum.

    Raises:
        ValueError: it is none, or damaged.
    """
    if content.startswith(b"\x80"):  # a pickle, as torch wrote before version 1.6
        return []
    if not content.startswith(b"PK\x03\x04"):
        raise ValueError(f"it begins with {content[:16]!r}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is another")
    if not any(name.endswith("data.pkl") for name in names):
        held = ", ".join(names[:4]) or "nothing"
        raise ValueError(f"it is a zip (such as .npz) that torch did not write: {held}")
    return names


def refuse_other_network(
    expected: Mapping[str, tuple[int, ...]],
    given: Mapping[str, torch.Tensor],
    *,
    hint: str,
    optional: Sequence[str] = (),
) -> None:
    """Refuse weights whose names or shapes are not a network's.

    Args:
        expected: name -> shape.
        given: name -> tensor.
        hint: of the error.
        optional: ends of names that may be missing.

    Raises:
        WeightsError: it says what does not fit.
    """
    needed = {key for key in expected if not key.endswith(tuple(optional))}
    missing = sorted(needed - given.keys())
    foreign = sorted(given.keys() - expected.keys())
    shapes = [key for key in needed & given.keys() if expected[key] != tuple(given[key].shape)]
    if not (missing or foreign or shapes):
        return
    details = []
    if missing:
        details.append(f"{len(missing)} layers are missing (such as {missing[0]})")
    if foreign:
        details.append(f"{len(foreign)} are foreign (such as {foreign[0]})")
    for key in sorted(shapes)[:1]:
        details.append(f"{key} is {tuple(given[key].shape)}, not {expected[key]}")
    raise WeightsError(f"the weights are another network's: {'; '.join(details)}", hint=hint)
