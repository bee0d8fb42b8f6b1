"""Where the trained Inception weights are found, fetched and checked. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mifid.errors import WeightsError, setting
from mifid.extractors.download import DownloadError, download
from mifid.files import cache_folder, sha256_of_file
from mifid.progress import Progress

__all__ = ["FILE_NAMES", "PUBLISHED", "Weights", "fetch", "find", "obtain", "places"]

PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of the published file (95,628,359 bytes); torch-fidelity and pytorch-fid share it."""

URLS = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
)

FILE_NAMES = tuple(url.rpartition("/")[2] for url in URLS)

KAGGLE_INPUT = Path("/kaggle/input")


@dataclass(frozen=True)
class Weights:
    """A weights file.

    Attributes:
        path: the file.
        place: why it was taken, such as ``"MIFID_WEIGHTS"``.
        sha256: of its bytes.
    """

    path: Path
    place: str
    sha256: str

    @property
    def published(self) -> bool:
        """Whether it is the file that everybody's scores are made with."""
        return self.sha256 == PUBLISHED


def places(explicit: str | os.PathLike[str] | None = None) -> Iterator[tuple[str, Path]]:
    """Yield (place, file) in the order of search; only the first two may not exist."""
    if explicit is not None:
        yield setting("weights"), Path(explicit).expanduser()
    if given := os.environ.get("MIFID_WEIGHTS"):
        yield "MIFID_WEIGHTS", Path(given).expanduser()
    folders = [("mifid's cache", cache_folder() / "weights"), ("torch hub's cache", _torch_hub())]
    yield from ((place, folder / name) for place, folder in folders for name in FILE_NAMES)
    if KAGGLE_INPUT.is_dir():
        for folder, _, files in os.walk(KAGGLE_INPUT):
            yield from (
                ("/kaggle/input", Path(folder, f)) for f in sorted(files) if f in FILE_NAMES
            )


def find(explicit: str | os.PathLike[str] | None = None) -> Weights | None:
    """Return the first file there is, or None.

    Raises:
        WeightsError: a file that was named explicitly does not exist.
    """
    for place, path in places(explicit):
        if path.is_file():
            return Weights(path, place, sha256_of_file(path))
        if place in {setting("weights"), "MIFID_WEIGHTS"}:
            raise WeightsError(f"{place}: no such file: {path}", hint=_ways_out())
    return None


def obtain(explicit: str | os.PathLike[str] | None, progress: Progress) -> Weights:
    """Return the first file there is, or download it into our cache.

    Raises:
        WeightsError: none is here and none can be fetched; the hint lists every way out.
    """
    return find(explicit) or fetch(progress)


def fetch(progress: Progress) -> Weights:
    """Download the published weights into our cache (95 MB), checked by their hash.

    Raises:
        WeightsError: no source can be reached, or what came is not the published file.
    """
    target = cache_folder() / "weights" / FILE_NAMES[0]
    failures = []
    for url in URLS:
        try:
            download(url, target, sha256=PUBLISHED, progress=progress)
            return Weights(target, "downloaded", sha256_of_file(target))
        except DownloadError as error:
            failures.append(f"  {url}\n    {error}")
    raise WeightsError(
        "the Inception weights are not on this machine and cannot be downloaded:\n"
        + "\n".join(failures),
        hint=_ways_out(),
    )


def _torch_hub() -> Path:
    """torch.hub's checkpoint folder, found as torch.hub finds it."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def _ways_out() -> str:
    return "\n".join(
        [
            "Ways out:",
            f"  - where there is a network, fetch {URLS[0]}",
            f"    (or {URLS[1]}, the same file)",
            f"    and put it into {cache_folder() / 'weights'}, or name it with "
            f"{setting('weights', 'FILE')}",
            "    or the environment variable MIFID_WEIGHTS",
            f"  - what pytorch-fid or torch-fidelity have fetched into {_torch_hub()} is found",
            "  - on Kaggle without internet, add a dataset that holds the file; /kaggle/input is",
            "    searched",
            "  - to try everything else without weights: "
            f"{setting('extractor', 'inception-random')} {setting('epsilon', 0.03)}",
            "    (its scores are not comparable with Kaggle's)",
        ]
    )
