"""Sessions of visitors: the folder of each, the files that it was given, and what it is shown."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import escape

__all__ = ["Session", "Sessions", "clean_name"]

_LONGEST_NAME = 80


def clean_name(name: str) -> str:
    """Return a file name of plain letters, without a folder, that no system takes amiss.

    >>> clean_name("../../My photo (1).JPG"), clean_name("..."), clean_name("é\\x00.png")
    ('My-photo-1.JPG', 'file', 'file.png')
    """
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot or not re.fullmatch("[A-Za-z0-9]{1,8}", ending):
        stem, ending = last, ""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:_LONGEST_NAME] or "file"
    return f"{plain}.{ending}" if ending else plain


@dataclass
class Session:
    """One visitor's page, from when it is opened until it is closed.

    Attributes:
        folder: of its files.
        visitor: a random name, for the study.
        uploads: files that it uploaded and that were used.
        kept: what one step of the page leaves for the next one.
        used: when something was last asked for, in seconds of :func:`time.monotonic`.
        closed: whether the page was closed.
    """

    folder: Path
    visitor: str = field(default_factory=lambda: secrets.token_hex(8))
    uploads: set[Path] = field(default_factory=set)
    kept: dict[str, Any] = field(default_factory=dict)
    used: float = 0.0
    closed: bool = False

    def new_folder(self, purpose: str) -> Path:
        """Make an empty folder for a purpose; the former one of that purpose is removed."""
        former = self.kept.get(f"folder of {purpose}")
        if former is not None:
            shutil.rmtree(former, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=self.folder))
        self.kept[f"folder of {purpose}"] = made
        return made

    def take(self, uploads: Iterable[str], into: Path, *, most: int) -> list[Path]:
        """Link uploaded files into a folder, under clean names of which no two are the same.

        Args:
            uploads: their paths.
            into: the folder.
            most: files that are linked; the caller refuses more.
        """
        taken = []
        for upload in [Path(each) for each in uploads][: most + 1]:
            name = clean_name(upload.name)
            target = into / name
            for number in range(2, most + 3):
                if not target.exists():
                    break
                target = (into / name).with_stem(f"{Path(name).stem}-{number}")
            try:
                os.link(upload, target)
            except OSError:  # a file system without links
                shutil.copyfile(upload, target)
            self.uploads.add(upload)
            taken.append(target)
        return taken


class Sessions:
    """All open sessions.

    Args:
        folder: of all files; each session has a folder in it.
        most: sessions at a time; a further one closes the one that was used longest ago.
        idle: seconds after which a session that does nothing is closed.
        now: a clock in seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most: int,
        idle: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._most, self._idle, self._now = most, idle, now
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, key: str) -> Session:
        """Return the session of a page, whose key the browser drew; it is opened if it is new."""
        self.close_idle()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                session = Session(Path(tempfile.mkdtemp(prefix="visit-", dir=self.folder)))
            self._open.pop(key, None)
            self._open[key] = session  # the last one used is the last one
            session.used = self._now()
            surplus = list(self._open)[: -self._most]
        for each in surplus:
            self.close(each)
        return session

    def close(self, key: str) -> None:
        """Close a session and remove its files; uploads that others use, too, are kept."""
        with self._lock:
            session = self._open.pop(key, None)
            if session is None:
                return
            session.closed = True
            others = {upload for other in self._open.values() for upload in other.uploads}
        shutil.rmtree(session.folder, ignore_errors=True)
        for upload in session.uploads - others:
            with suppress(OSError):
                upload.unlink()
                upload.parent.rmdir()  # gradio makes a folder for each

    def close_idle(self) -> None:
        """Close sessions that have done nothing for long."""
        oldest = self._now() - self._idle
        with self._lock:
            idle = [key for key, session in self._open.items() if session.used < oldest]
        for key in idle:
            self.close(key)

    def __len__(self) -> int:
        return len(self._open)

    def hide_paths(self, text: str, session: Session, further: Iterable[Path] = ()) -> str:
        """Return a text for a visitor, without paths of this machine.

        Files of the session keep their names. Of other files nothing is shown but what comes after
        the folders of the user, of temporary files, of Python and of the server.

        Args:
            text: plain, or HTML.
            session: whose visitor reads it.
            further: folders that are left out like those of the session.
        """
        own = [*(path for path in session.kept.values() if isinstance(path, Path)), session.folder]
        for folder in sorted([*own, *further], key=lambda path: -len(str(path))):
            text = _without(text, f"{folder}{os.sep}", "")
        around = {str(self.folder.parent), str(Path.home()), os.getcwd(), tempfile.gettempdir()}
        for root in sorted(around | {sys.prefix, sys.base_prefix}, key=lambda root: -len(root)):
            if len(root) > 1:
                text = _without(text, root, "…")
        return text


def _without(text: str, path: str, instead: str) -> str:
    return text.replace(path, instead).replace(str(escape(path)), instead)
