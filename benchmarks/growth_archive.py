"""What a zip of very many pictures costs before the first of them is decoded."""

from __future__ import annotations

import resource
import sys
import time
import zipfile
from contextlib import closing
from typing import Any

from mifid.images import Source, digests, open_images

__all__ = ["make_archive", "open_archive"]


def make_archive(*, path: str, entries: int) -> int:
    """Write a zip of tiny stored entries that are named like pictures; return how many."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(entries):
            archive.writestr(f"{number:07}.jpg", f"{number:016}")
    return entries


def open_archive(*, path: str) -> dict[str, Any]:
    """Open the zip and hash its entries, as a run does.

    Returns:
        ``entries``; ``open`` and ``hash``, each with ``seconds`` and ``mib``: what it added to the
        most that this process ever held. The process that wrote the zip must be another one.
    """
    found: dict[str, Any] = {}
    before, start = _peak_mib(), time.perf_counter()
    source = open_images(path)
    assert isinstance(source, Source)  # a file always is
    with closing(source):
        found["open"] = {"seconds": time.perf_counter() - start, "mib": _peak_mib() - before}
        before, start = _peak_mib(), time.perf_counter()
        hashes = digests(source)
        found["hash"] = {"seconds": time.perf_counter() - start, "mib": _peak_mib() - before}
    return {"entries": len(hashes), **found}


def _peak_mib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
