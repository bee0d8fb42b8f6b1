"""A decoding process: ``python -m mifid.images.worker AREA``, started by mifid.images.workers.

AREA is the path of the shared file. Its pipes carry pickled objects. Input: ``(pickled source,
names of options)``, then requests (range of indices, bytes of room). Output: a
:data:`~mifid.images.workers.Reply` to each request. It imports no network, and ends with its input.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO

from mifid.errors import MifidError, first_line, name_options
from mifid.images.decoding import decode_chunk
from mifid.images.source import Source
from mifid.images.workers import Area, Reply, Sent

__all__ = ["main"]


def main() -> None:
    """Answer requests until the input ends."""
    # The parent handles Ctrl-C, and then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    area = Area(sys.argv[1])
    # Both processes have mapped it. Without a name it disappears even if the parent is killed.
    with suppress(OSError):  # Windows keeps the name, and the parent removes it
        os.unlink(sys.argv[1])
    try:
        _serve(sys.stdin.buffer, _take_over_stdout(), area)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        os._exit(0)  # the parent has finished or was killed


def _take_over_stdout() -> BinaryIO:
    """Return the pipe to the parent; redirect what code prints to stderr."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


def _serve(requests: BinaryIO, replies: BinaryIO, area: Area) -> None:
    pickled, options = pickle.load(requests)
    name_options(options)
    try:
        source: Source | BaseException = pickle.loads(pickled)
    except Exception as error:  # the files are gone, the module is not importable, ...
        source = error
    while True:
        indices, room = pickle.load(requests)
        reply = _reply(source, indices, room, area)
        pickle.dump(reply, replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


def _reply(source: Source | BaseException, indices: range, room: int, area: Area) -> Reply:
    if isinstance(source, BaseException):
        return [_portable(source)], []
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")  # the parent's filters decide
        # One picture at a time into the area: holding many would allocate memory every time.
        sent = [_portable(one) for one in area.place(decode_chunk(source, indices, room))]
    return sent, [(each.category, str(each.message)) for each in met]


def _portable(one: Sent) -> Sent:
    """Replace errors that cannot be pickled by a MifidError with their text."""
    if not isinstance(one, BaseException):
        return one
    try:
        pickle.loads(pickle.dumps(one))
    except Exception:
        return MifidError(f"{type(one).__name__} in a decoding process: {first_line(one)}")
    return one


if __name__ == "__main__":
    main()
