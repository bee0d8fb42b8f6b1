"""Decoding processes and the memory they share.

Not :mod:`multiprocessing`: its ``spawn`` runs the user's script again, which must then be guarded
by ``if __name__ == "__main__"``, and its ``fork`` breaks CUDA. The processes started here import
only this library.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TypeAlias

import numpy as np

from mifid.errors import (
    InputError,
    MifidError,
    MifidWarning,
    OutputError,
    option_names,
    setting,
    warn,
)
from mifid.images.decoding import Outcome
from mifid.images.source import Decoded, Source
from mifid.machine import can_start_python, python_environment

__all__ = ["Area", "ProcessDecoder", "Reply", "Sent", "can_travel"]

LANES = 2
"""Requests that a process has at a time. Each is decoded into its own part of the area."""

AREA_BYTES = 16 << 20
"""Enough for LANES chunks of 8 pictures of 512 x 512. Larger ones go through the pipe."""


@dataclass(frozen=True)
class Placed:
    """Pixels in the area: ``shape`` (H, W, 3) uint8 from byte ``offset`` on."""

    offset: int
    shape: tuple[int, ...]
    mode: str


Sent: TypeAlias = Outcome | Placed
"""An :data:`Outcome` as it is sent through the pipe."""

Reply: TypeAlias = tuple[list[Sent], list[tuple[type[Warning], str]]]
"""The outcomes of a chunk's pictures, and the warnings that were issued."""


class Area:
    """A file of ``AREA_BYTES``, mapped by both processes.

    Not POSIX shared memory, of which containers often have only 64 MB.
    """

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), AREA_BYTES)
        self._placed = 0

    def place(self, outcomes: Iterable[Outcome]) -> list[Sent]:
        """Write pixels into the next part of the area, as far as they fit."""
        sent: list[Sent] = []
        room = AREA_BYTES // LANES
        used = self._placed % LANES * room
        end = used + room
        self._placed += 1
        for outcome in outcomes:
            size = outcome.pixels.nbytes if isinstance(outcome, Decoded) else 0
            if isinstance(outcome, Decoded) and used + size <= end:
                shape = outcome.pixels.shape
                np.copyto(
                    np.frombuffer(self._map, np.uint8, size, used).reshape(shape), outcome.pixels
                )
                sent.append(Placed(used, shape, outcome.mode))
                used += size
            else:
                sent.append(outcome)
        return sent

    def take(self, sent: Iterable[Sent]) -> list[Outcome]:
        """Return copies of the pixels in the area, which may then be overwritten."""
        return [self._copied(one) if isinstance(one, Placed) else one for one in sent]

    def _copied(self, placed: Placed) -> Decoded:
        size = int(np.prod(placed.shape))
        pixels = np.frombuffer(self._map, np.uint8, size, placed.offset).reshape(placed.shape)
        return Decoded(pixels.copy(), placed.mode)


def make_area_file() -> str:
    """Return the path of a new file for an :class:`Area`; the caller removes it.

    Raises:
        OutputError: no space for it.
    """
    path = None
    try:
        handle, path = tempfile.mkstemp(prefix="mifid-decode-")
        with open(handle, "wb") as file:
            # Written, not only truncated to size: on a full disk, writing to the mapping of a
            # sparse file kills the process.
            file.write(bytes(AREA_BYTES))
    except OSError as error:
        if path is not None:
            with suppress(OSError):
                os.unlink(path)
        folder = os.path.dirname(path) if path else "any folder for temporary files"
        raise OutputError(
            f"cannot write the {AREA_BYTES:,} bytes that processes exchange pictures by, in "
            f"{folder}: {error.strerror or error}",
            hint=f"Set TMPDIR to a folder on a larger disk, or use fewer {setting('workers')}.",
        ) from error
    return path


def can_travel(source: Source) -> bool:
    """Return whether other processes can decode a source's pictures.

    They can if the pictures are read from files and Python can be started: in programs that are
    frozen or embed Python, ``sys.executable`` is another program.
    """
    return source.travels and can_start_python()


class ProcessDecoder:
    """Decoder of chunks in ``workers`` processes; several threads may call it.

    A context manager: at its end no process and no file is left. Each process holds a copy of the
    source, which means of its names, not of its pictures.

    Attributes:
        calls: the number of threads that should call it at a time.

    Raises:
        InputError: the source cannot travel.
        OutputError: no space for the files that pass pixels.
    """

    def __init__(self, source: Source, workers: int) -> None:
        if not can_travel(source):
            raise InputError(
                f"{source.description} cannot be decoded in other processes",
                hint="Decode pictures in memory, streams and compressed tars in threads.",
            )
        self._source = source
        self._count = workers
        self.calls = LANES * workers
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._cleanup = ExitStack()

    def __enter__(self) -> ProcessDecoder:
        pickled = pickle.dumps(self._source, protocol=pickle.HIGHEST_PROTOCOL)
        with self._cleanup:  # if a process cannot be started, the others end
            for _ in range(self._count):
                worker = _Worker(self._source, pickled)
                self._cleanup.callback(worker.close)
                self._workers.append(worker)
            for _ in range(LANES):
                for worker in self._workers:
                    self._idle.put(worker)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __call__(self, indices: range, room: int) -> list[Outcome]:
        """Decode a chunk, as :func:`mifid.images.decoding.decode_chunk` does.

        Raises:
            MifidError: the process died.
        """
        worker = self._idle.get()
        try:
            return worker.decode(indices, room)
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """End running calls at once, with an error."""
        for worker in self._workers:
            worker.kill()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()


class _Asked:
    """A request and, once it has arrived, its reply, with pixels copied from the area."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.warnings: list[tuple[type[Warning], str]] = []
        self.answered = False


class _Worker:
    """One process, its pipes and its area. ``close`` after the last call of ``decode``.

    ``LANES`` threads may call ``decode`` at a time, so that the next request is already sent when
    a reply is written: the process never waits for this one.
    """

    def __init__(self, source: Source, pickled: bytes) -> None:
        self._source = source
        self._path = make_area_file()
        try:
            self._area = Area(self._path)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mifid.images.worker", self._path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=python_environment(),
                # Ctrl-C in a terminal goes to all processes of its group.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            self._remove_file()
            raise
        # Sent with the first chunk, from its thread: a large source fills the pipe, and would
        # delay the start of the next process until this one runs.
        self._source_and_options: tuple[bytes, Mapping[str, str]] | None = (pickled, option_names())
        self._sending, self._receiving = threading.Lock(), threading.Lock()
        self._asked: deque[_Asked] = deque()

    def decode(self, indices: range, room: int) -> list[Outcome]:
        try:
            with self._sending:
                mine = self._ask(indices, room)
            with self._receiving:
                while not mine.answered:
                    self._receive()
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise self._death(indices) from error
        for category, text in mine.warnings:
            if issubclass(category, MifidWarning):
                warn(text)
            else:
                warnings.warn(text, category, stacklevel=2)
        return mine.outcomes

    def _ask(self, indices: range, room: int) -> _Asked:
        assert self._process.stdin is not None
        if self._source_and_options is not None:
            pickle.dump(self._source_and_options, self._process.stdin)
            self._source_and_options = None
        pickle.dump((indices, room), self._process.stdin)
        self._process.stdin.flush()
        self._asked.append(_Asked())
        return self._asked[-1]

    def _receive(self) -> None:
        """Wait for the next reply. It answers the oldest request, of whichever thread."""
        assert self._process.stdout is not None
        reply: Reply = pickle.load(self._process.stdout)
        asked = self._asked.popleft()
        sent, asked.warnings = reply
        asked.outcomes = self._area.take(sent)
        asked.answered = True

    def _death(self, indices: range) -> MifidError:
        with suppress(subprocess.TimeoutExpired):  # its pipes break before it has ended
            self._process.wait(timeout=2)
        self.kill()
        code = self._process.wait()
        how = f"with exit code {code}"
        if code < 0:
            how = f"killed by {_signal_name(-code)}"
        first, last = (self._source.names[i] for i in (indices[0], indices[-1]))
        return MifidError(
            f"{self._source.description}: a decoding process ended, {how}, at one of the "
            f"pictures '{first}' to '{last}'",
            hint=f"If the machine ran out of memory, use fewer {setting('workers')}.",
        )

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # data that could not be sent is no longer needed
                    pipe.close()
        self._process.wait()
        del self._area  # Windows removes no file that is mapped
        self._remove_file()

    def _remove_file(self) -> None:
        Path(self._path).unlink(missing_ok=True)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
