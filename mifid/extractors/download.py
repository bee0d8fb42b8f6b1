"""One file from the net: with progress, resumed where it stopped, checked, whole or absent."""

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


def download(url: str, target: Path, *, sha256: str, progress: Progress) -> None:
    """Fetch ``url`` to ``target``.

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
