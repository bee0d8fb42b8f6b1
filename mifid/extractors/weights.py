"""The trained weights: where they are found, how they are fetched, checked and read."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from mifid.errors import WeightsError, first_line, setting
from mifid.files import cache_folder, no_such_file, sha256_of_file
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch

__all__ = [
    "FILE_NAMES",
    "PUBLISHED",
    "DownloadError",
    "Weights",
    "download",
    "fetch",
    "find",
    "load_state_dict",
    "obtain",
    "places",
]

_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_BLOCK = 1 << 18


class DownloadError(Exception):
    """Why a file did not come."""


def download(url: str, target: Path, *, sha256: str, progress: Progress) -> None:
    """Fetch ``url`` to ``target``.

    No library does both: pooch and torch.hub begin again where a download broke off, and
    huggingface_hub resumes only downloads from its own hub.

    What has come so far is kept in ``target + ".part"``; the next call, in this process or
    another, goes on from there. Two processes at once: the second waits, then finds the file.

    Raises:
        DownloadError: the server cannot be reached or refuses, the disk cannot be written, or
            what came has another hash (it is thrown away).
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            if target.is_file() and sha256_of_file(target) == sha256:
                return
            _receive_with_retries(url, part, progress)
            _check(part, sha256)
            os.replace(part, target)
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error.strerror or error}") from error


def _receive_with_retries(url: str, part: Path, progress: Progress) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            _receive(url, part, progress)
            return
        except urllib.error.HTTPError as error:
            raise DownloadError(f"the server answers {error.code} {error.reason}") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error
            if attempt == _ATTEMPTS - 1:
                raise DownloadError(f"{type(error).__name__}: {reason}") from error
        except ConnectionError as error:
            if attempt == _ATTEMPTS - 1:
                raise DownloadError(str(error)) from error


def _receive(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "mifid"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # it is all here, or was never the same file: the hash decides
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        total = _total(response.headers, have if resumed else 0)
        with (
            part.open("ab" if resumed else "wb") as file,
            progress.task("weights", total, "B") as task,
        ):
            task.advance(have if resumed else 0)
            while block := response.read(_BLOCK):
                file.write(block)
                task.advance(len(block))
        if total is not None and part.stat().st_size < total:
            raise http.client.IncompleteRead(b"", total - part.stat().st_size)


def _total(headers: Mapping[str, str], have: int) -> int | None:
    length = headers.get("Content-Length")
    return None if length is None else have + int(length)


def _check(part: Path, sha256: str) -> None:
    actual = sha256_of_file(part)
    if actual != sha256:
        part.unlink()
        raise DownloadError(
            f"what came is not the published file: its sha256 is {actual}, expected {sha256}"
        )


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
            raise _no_file(place, path)
    return None


def _no_file(place: str, path: Path) -> WeightsError:
    """Return the error for a file that was named and is not there."""
    if path.is_dir():
        inside = next((path / name for name in FILE_NAMES if (path / name).is_file()), None)
        hint = f"Give the file in it: {inside}" if inside else f"Give a file, as {FILE_NAMES[0]}."
        return WeightsError(f"{place}: {path} is a folder", hint=hint)
    missing = no_such_file(path, hint="Without it the weights are looked for; see `mifid weights`.")
    return WeightsError(f"{place}: {missing.message}", hint=missing.hint)


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
            f"  - score now, with another trained network: {setting('extractor', 'lite0')}",
            "    (not Kaggle's number)",
        ]
    )


def load_state_dict(path: Path, *, sha256: str | None = None) -> Mapping[str, torch.Tensor]:
    """Read tensors by name; a file that holds code is refused (``weights_only=True``).

    Args:
        path: of a file that ``torch.save`` wrote.
        sha256: what the file had when it was looked at; None: any.

    Raises:
        WeightsError: the file is no state dict, is damaged, or is another file by now.
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
    _check_kind(content, path)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damage can make torch raise nearly anything
        raise _unreadable(path, first_line(error)) from error
    if not isinstance(loaded, dict) or not all(torch.is_tensor(v) for v in loaded.values()):
        raise WeightsError(
            f"{path} is no state dict: it holds a {type(loaded).__name__}",
            hint="Expected a dict of tensors, as pt_inception-2015-12-05-6726825d.pth is.",
        )
    return loaded


def _check_kind(content: bytes, path: Path) -> None:
    """Refuse what is no file of torch's, or a damaged one: torch looks at no checksum."""
    if content.startswith(b"\x80"):  # a pickle, as torch wrote before version 1.6
        return
    if not content.startswith(b"PK\x03\x04"):
        raise _unreadable(path, f"it begins with {content[:16]!r}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            damaged = archive.testzip()
    except Exception as error:  # damage can make zipfile raise nearly anything
        raise _unreadable(path, first_line(error)) from error
    if damaged is not None:
        raise _unreadable(path, f"the checksum of {damaged} is another")
    if not any(name.endswith("data.pkl") for name in names):
        held = ", ".join(names[:4]) or "nothing"
        raise _unreadable(path, f"it is a zip (such as .npz) that torch did not write: {held}")


def _unreadable(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} cannot be read as network weights: {why}",
        hint="Expected a .pth file that torch.save wrote, whole; `mifid weights fetch` gets the "
        "published one.",
    )
