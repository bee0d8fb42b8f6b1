"""Downloads: resumed where they broke off, checked by their hash, whole or not there at all."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from mifid.files import sha256_of_file
from mifid.progress import Progress

__all__ = ["DownloadError", "download"]

_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_BLOCK = 1 << 18


class DownloadError(Exception):
    """Why a file did not come."""


def download(
    url: str, target: Path, *, sha256: str | None, progress: Progress, what: str = "weights"
) -> None:
    """Fetch ``url`` to ``target``.

    No library does both: pooch and torch.hub begin again where a download broke off, and
    huggingface_hub resumes only downloads from its own hub.

    What has come so far is kept in ``target + ".part"``; the next call, in this process or
    another, goes on from there if the server still has the same file. Two processes at once: the
    second waits, then finds the file.

    Args:
        url: of the file.
        target: where it is written; its folder is made.
        sha256: of its bytes; None: it is not known, and a file that is there is not fetched again.
        progress: where the bytes are counted.
        what: is fetched, in one word.

    Raises:
        DownloadError: the server cannot be reached or refuses, the disk cannot be written, or
            what came has another hash (it is thrown away).
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            if target.is_file() and sha256 in {None, sha256_of_file(target)}:
                return
            if sha256 is None and not _tag(part).is_file():
                part.unlink(missing_ok=True)  # nothing would tell parts of two files apart
            _receive_with_retries(url, part, progress, what)
            _tag(part).unlink(missing_ok=True)
            if sha256 is not None:
                _check(part, sha256)
            os.replace(part, target)
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error.strerror or error}") from error


def _tag(part: Path) -> Path:
    """Return the file that keeps the server's name of the version that a part is of."""
    return part.with_name(part.name + ".tag")


def _receive_with_retries(url: str, part: Path, progress: Progress, what: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            _receive(url, part, progress, what)
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


def _receive(url: str, part: Path, progress: Progress, what: str) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "mifid"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if _tag(part).is_file():  # a server that has another version by now sends that, whole
            request.add_header("If-Range", _tag(part).read_text(encoding="latin-1"))
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # it is all here, or was never the same file: the hash decides
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        total = _total(response.headers, have if resumed else 0)
        if not resumed:
            part.unlink(missing_ok=True)
            _keep_tag(response.headers, part)
        with part.open("ab") as file, progress.task(what, total, "B") as task:
            task.advance(have if resumed else 0)
            while block := response.read(_BLOCK):
                file.write(block)
                task.advance(len(block))
        if total is not None and part.stat().st_size < total:
            raise http.client.IncompleteRead(b"", total - part.stat().st_size)


def _keep_tag(headers: Mapping[str, str], part: Path) -> None:
    """Keep what If-Range takes: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag")
    if tag is None or tag.startswith("W/"):
        tag = headers.get("Last-Modified")
    if tag is None:
        _tag(part).unlink(missing_ok=True)
    else:
        _tag(part).write_text(tag, encoding="latin-1")


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
