"""Batches decoded ahead, in threads or processes, within a limit of memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from contextvars import copy_context
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from queue import SimpleQueue
from threading import Condition
from types import TracebackType
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mifid.errors import OutputError, PictureError, first_line, warn
from mifid.images.decoding import NoRoomError, Outcome, chunks, decode_chunk
from mifid.images.source import Decoded, Pixels, Source, digest
from mifid.images.workers import ProcessDecoder
from mifid.machine import available_cores

__all__ = ["Batch", "BatchReader", "Decoders", "at_a_time", "default_workers", "digests"]

Decoders: TypeAlias = Literal["threads", "processes"]
"""Kind of decoder. Processes need a moment to start, and a source that can travel."""

_CHUNK = 8
"""Most pictures in a chunk: passing them on one by one costs time under the interpreter lock."""

_MOST_BATCH = 128 << 20
"""Most bytes of pixels in a batch, unless one picture has more: as floats they are 4 times that."""


@dataclass(frozen=True)
class Batch:
    """``pixels`` (B, H, W, 3) uint8 of the source's pictures ``indices`` (B,)."""

    pixels: Pixels
    indices: npt.NDArray[np.int64]


def default_workers() -> int:
    """Return one worker per core: two keep a network on a CPU busy, but a GPU needs all."""
    return max(2, available_cores())


class BatchReader:
    """A single iteration over a source, in batches decoded ahead in threads or in processes.

    Pillow releases the interpreter lock while it decodes, so threads run beside the network. It
    holds the lock for everything else, so processes are faster on many cores. Pixels, errors and
    counters are the same.

    Args:
        source: what to read; for processes, one that ``can_travel``
            (:func:`mifid.images.workers.can_travel`).
        batch_size: pictures at a time.
        workers: threads or processes; None: one a core, at least two.
        skip_bad: leave out pictures that cannot be decoded.
        decoders: threads or processes.

    Attributes, complete after the iteration:
        converted: pictures that were not RGB, by mode.
        bad: (index, reason) of pictures left out, with ``skip_bad``.
        sizes: pictures by (width, height).
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        workers: int | None,
        skip_bad: bool,
        decoders: Decoders = "threads",
    ) -> None:
        self._source = source
        self._batch_size = batch_size
        self._workers = workers or default_workers()
        self._skip_bad = skip_bad
        self._decoders = decoders
        self.converted: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.sizes: Counter[tuple[int, int]] = Counter()

    def __iter__(self) -> Generator[Batch, None, None]:
        # Threads and processes end when this generator is closed, not at garbage collection.
        with closing(self._decoded()) as pictures:
            yield from self._grouped(pictures)

    def _grouped(self, pictures: Iterable[tuple[int, Decoded]]) -> Iterator[Batch]:
        waiting: dict[tuple[int, ...], list[tuple[int, Pixels]]] = {}
        for index, decoded in pictures:
            shape, size = decoded.pixels.shape, decoded.pixels.nbytes
            self._record(decoded)
            waiting.setdefault(shape, []).append((index, decoded.pixels))
            del decoded  # otherwise its pixels stay in memory while the next picture is decoded
            if len(waiting[shape]) == at_a_time(self._batch_size, size):
                yield _batch(waiting.pop(shape))
            elif sum(map(len, waiting.values())) >= 4 * self._batch_size:
                # Many sizes: bound what waits by passing on the largest group as it is.
                yield _batch(waiting.pop(max(waiting, key=lambda s: len(waiting[s]))))
            elif sum(map(_bytes, waiting.values())) > _MOST_BATCH:
                yield _batch(waiting.pop(max(waiting, key=lambda s: _bytes(waiting[s]))))
        while waiting:
            yield _batch(waiting.pop(next(iter(waiting))))

    def _record(self, decoded: Decoded) -> None:
        if decoded.mode != "RGB":
            self.converted[decoded.mode] += 1
        self.sizes[decoded.pixels.shape[1], decoded.pixels.shape[0]] += 1

    def _decoded(self) -> Generator[tuple[int, Decoded], None, None]:
        """Yield the pictures that can be decoded, in order."""
        with closing(self._outcomes()) as outcomes:
            for index, outcome in outcomes:
                if isinstance(outcome, Decoded):
                    yield index, outcome
                elif not isinstance(outcome, PictureError):
                    raise outcome
                elif self._skip_bad:
                    self.bad.append((index, outcome.message))
                else:
                    where = f"{self._source.description}: {outcome.message}"
                    raise PictureError(where, hint=outcome.hint) from outcome

    def _outcomes(self) -> Generator[tuple[int, Outcome], None, None]:
        """Yield the outcome of every picture; about two batches are decoded ahead.

        Fewer, if they are large: see :class:`Room`.
        """
        size = _chunk_size(self._batch_size, self._workers)
        todo = chunks(len(self._source), size)
        with ExitStack() as stack:
            decoder = self._started(stack, most=-(-len(self._source) // size))
            pool = stack.enter_context(
                ThreadPoolExecutor(decoder.calls, thread_name_prefix="mifid-decode")
            )
            room = Room()
            ahead: deque[tuple[Chunk, Future[None]]] = deque()

            def submit(most: int) -> None:
                for indices in islice(todo, most):
                    chunk = Chunk(indices)
                    # In this call's context, so that a thread's warnings belong to the call.
                    future = pool.submit(copy_context().run, chunk.decode, decoder, room)
                    ahead.append((chunk, future))

            try:
                submit(2 * self._batch_size // size)
                while ahead:
                    chunk, _ = ahead.popleft()
                    submit(1)
                    room.await_chunk(chunk)
                    while (part := chunk.parts.get()) is not None:
                        indices, outcomes, taken = part
                        room.give_back(taken, chunk)
                        outcomes.reverse()
                        for index in indices:  # keep no reference to pictures that are passed on
                            yield index, outcomes.pop()
            finally:
                for _, future in ahead:
                    future.cancel()
                room.stop()
                decoder.stop()

    def _started(self, stack: ExitStack, *, most: int) -> ThreadDecoder | ProcessDecoder:
        """Start at most ``most`` processes, or threads where processes cannot be started."""
        if self._decoders == "processes":
            processes = ProcessDecoder(self._source, min(self._workers, most))
            try:
                return stack.enter_context(processes)
            except (OutputError, OSError) as error:
                warn(
                    "pictures are decoded in threads, not in processes, which is slower beside a "
                    f"GPU: {first_line(error)}"
                )
        return stack.enter_context(ThreadDecoder(self._source, self._workers))


def _chunk_size(batch_size: int, workers: int) -> int:
    """Return the pictures in a chunk, so that every worker gets several chunks of two batches."""
    return max(1, min(_CHUNK, 2 * batch_size // (4 * workers)))


def digests(source: Source, *, workers: int | None = None) -> list[bytes | None]:
    """Return each picture's :func:`mifid.images.source.digest`, or None if it is unreadable."""

    def one(index: int) -> bytes | None:
        try:
            return digest(source.read(index))
        except PictureError:
            return None  # decoding it raises the error, or skips and counts it

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        parts = pool.map(lambda part: [one(i) for i in part], chunks(len(source), _CHUNK))
        return list(chain.from_iterable(parts))


def at_a_time(batch_size: int, picture_bytes: int) -> int:
    """Return the number of pictures of this size in a batch: at most ``batch_size``."""
    return max(1, min(batch_size, _MOST_BATCH // max(1, picture_bytes)))


def _bytes(group: list[tuple[int, Pixels]]) -> int:
    return len(group) * group[0][1].nbytes


def _batch(group: list[tuple[int, Pixels]]) -> Batch:
    indices = np.array([index for index, _ in group], dtype=np.int64)
    if len(group) == 1:  # avoids a copy of large pictures
        return Batch(group[0][1][None], indices)
    return Batch(np.stack([pixels for _, pixels in group]), indices)


class ThreadDecoder:
    """Decoder of chunks in the calling threads. Its counterpart is ProcessDecoder.

    Attributes:
        calls: the number of threads that should call it at a time.
    """

    def __init__(self, source: Source, workers: int) -> None:
        self.calls = workers
        self._source = source
        self._stopped = False

    def __enter__(self) -> ThreadDecoder:
        return self

    def __call__(self, indices: range, room: int) -> list[Outcome]:
        """Decode a chunk, until its end, ``room`` is used up, or ``stop`` is called."""
        running = takewhile(lambda _: not self._stopped, decode_chunk(self._source, indices, room))
        return list(running)

    def stop(self) -> None:
        """End running calls after their current picture."""
        self._stopped = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


MOST_AHEAD = 256 << 20
"""Bytes of pixels decoded, or being decoded, and not taken yet; a single picture may be larger."""

_FIRST_GUESS = 2 << 20  # 8 pictures of 256 x 256
_MOST_GUESS = 32 << 20

_Part: TypeAlias = tuple[range, list[Outcome], int]


class Chunk:
    """A few pictures that one thread or process decodes and passes on in parts (usually one).

    Attributes:
        indices: of the pictures.
        parts: (indices, outcomes, bytes of pixels), in order, and None at the end.
        ready: bytes of pixels in ``parts``.
    """

    def __init__(self, indices: range) -> None:
        self.indices = indices
        self.parts: SimpleQueue[_Part | None] = SimpleQueue()
        self.ready = 0

    def decode(self, decoder: ThreadDecoder | ProcessDecoder, room: Room) -> None:
        """Decode the chunk, and wait for room before each part."""
        todo = self.indices
        try:
            needed, total, ended = room.guess, 0, False
            while todo and not ended and room.take(needed, self):
                outcomes, taken, needed = decoder(todo, needed), needed, room.guess
                ended = not outcomes  # the reader has stopped
                if outcomes and isinstance(outcomes[-1], NoRoomError):
                    needed = outcomes[-1].needed
                    del outcomes[-1]
                size = sum(each.pixels.nbytes for each in outcomes if isinstance(each, Decoded))
                total += size
                room.settle(taken, size, self)
                if outcomes:
                    ended = _is_fatal(outcomes[-1])
                    done, todo = todo[: len(outcomes)], todo[len(outcomes) :]
                    self.parts.put((done, outcomes, size))
            if total:
                room.guess = min(total, _MOST_GUESS)
        except BaseException as error:
            self.parts.put((todo[:1], [error], 0))
        finally:
            self.parts.put(None)


class Room:
    """Memory that all chunks share.

    Args:
        most: bytes.

    Attributes:
        guess: bytes that a chunk probably needs: as many as the last one.
    """

    def __init__(self, most: int = MOST_AHEAD) -> None:
        self.guess = min(_FIRST_GUESS, most)
        self._most = most
        self._used = 0
        self._changed = Condition()
        self._awaited: Chunk | None = None
        self._stopped = False

    def take(self, size: int, chunk: Chunk) -> bool:
        """Wait until there is room for ``size`` bytes; False: the reader has stopped.

        The chunk that the network waits for always has room for one picture.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._fits(size, chunk))
            if not self._stopped:
                self._used += size
            return not self._stopped

    def _fits(self, size: int, chunk: Chunk) -> bool:
        return self._used + size <= self._most or (chunk is self._awaited and not chunk.ready)

    def settle(self, taken: int, size: int, chunk: Chunk) -> None:
        """Replace the bytes that were taken by the ``size`` bytes that are used."""
        with self._changed:
            self._used += size - taken
            chunk.ready += size
            self._changed.notify_all()

    def give_back(self, size: int, chunk: Chunk) -> None:
        """Release ``size`` bytes of a chunk, which the network has received."""
        with self._changed:
            self._used -= size
            chunk.ready -= size
            self._changed.notify_all()

    def await_chunk(self, chunk: Chunk) -> None:
        """Set which chunk is needed next."""
        with self._changed:
            self._awaited = chunk
            self._changed.notify_all()

    def stop(self) -> None:
        """End all waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _is_fatal(outcome: Outcome) -> bool:
    return isinstance(outcome, BaseException) and not isinstance(outcome, PictureError)
