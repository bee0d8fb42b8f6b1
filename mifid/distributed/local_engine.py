"""Engine ``local``: processes of this machine, each with a network of its own.

    python -m mifid.distributed.local_engine   is such a process

Its pipes carry pickled objects. Input: the job, the names of options and the process's number, then
shards. Output: an :data:`Answer` to each. A process that dies is started again, and gets the shard
that it was at; all others go on.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import BinaryIO

from mifid.distributed.shard_worker import Answer, Job, Partial, ShardWorker, answered, on_own_gpu
from mifid.errors import InputError, MifidError, first_line, name_options, option_names, setting
from mifid.machine import available_cores, can_start_python, python_environment
from mifid.statistics import Shard

__all__ = ["run"]

_TRIES = 3
"""How often a shard is given out if processes die at it."""


def run(
    job: Job, shards: Sequence[Shard], *, processes: int | None, address: str | None
) -> Iterator[Partial]:
    """Compute shards in processes; yield what is known of each, in the order they are done.

    Every process uses one thread for its network, unless ``OMP_NUM_THREADS`` says otherwise, so
    that results do not depend on the number of processes.

    Args:
        job: what to compute.
        shards: which.
        processes: how many; None: one a core.
        address: of no meaning here.

    Raises:
        InputError: the job cannot be sent to other processes, or none can be started.
        MifidError: that a shard raised, or processes that die again and again.
    """
    del address
    if not can_start_python():
        raise InputError(
            "no second Python can be started from here",
            hint=f"Compute shards one by one: {setting('shard', '1/16')}.",
        )
    beginning = _pickled(job)
    todo: SimpleQueue[Shard] = SimpleQueue()
    for shard in shards:
        todo.put(shard)
    answers: SimpleQueue[Answer] = SimpleQueue()
    count = min(processes or available_cores(), len(shards))
    workers = [_Process(beginning, number) for number in range(count)]
    threads = [
        threading.Thread(target=worker.serve, args=(todo, answers), daemon=True)
        for worker in workers
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in shards:
            yield answers.get().value()
    finally:
        for worker in workers:
            worker.close()
        for thread in threads:
            thread.join()


def _pickled(job: Job) -> bytes:
    try:
        return pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # what objects do when they are pickled, nobody knows
        raise InputError(
            f"the pictures or the extractor cannot be sent to other processes: {first_line(error)}",
            hint="Give pictures as a path, and an extractor as 'package.module:function'.",
        ) from error


class _Process:
    """One process, and the thread of this one that gives it shards."""

    def __init__(self, beginning: bytes, number: int) -> None:
        self._beginning, self._number = beginning, number
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def serve(self, todo: SimpleQueue[Shard], answers: SimpleQueue[Answer]) -> None:
        while not self._closed:
            try:
                shard = todo.get_nowait()
            except Empty:
                return
            try:
                answers.put(self._computed(shard))
            except Exception as error:  # else the generator would wait for it for ever
                answers.put(Answer(error=error))

    def _computed(self, shard: Shard) -> Answer:
        how = ""
        for _ in range(_TRIES):
            try:
                return self._ask(shard)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                if self._closed:
                    break
                how = self._death(error)
        return Answer(
            error=MifidError(
                f"shard {shard}: the process that computed it died {_TRIES} times, last {how}",
                hint=f"If the machine ran out of memory, use fewer {setting('processes')} or a "
                f"smaller {setting('batch_size')}. Finished shards are kept.",
            )
        )

    def _ask(self, shard: Shard) -> Answer:
        with self._lock:
            if self._closed:
                raise EOFError
            if self._process is None:
                self._process = self._started()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump(shard, process.stdin)
        process.stdin.flush()
        found: Answer = pickle.load(process.stdout)
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mifid.distributed.local_engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OMP_NUM_THREADS": "1", **python_environment()},
            start_new_session=True,  # Ctrl-C in a terminal goes to all processes of its group
        )
        assert process.stdin is not None
        with suppress(OSError):  # it died: reading its answer says so
            pickle.dump((self._beginning, dict(option_names()), self._number), process.stdin)
        return process

    def _death(self, error: Exception) -> str:
        process, self._process = self._process, None
        if process is None:
            return first_line(error)
        process.kill()
        code = process.wait()
        _close_pipes(process)
        return f"by signal {-code}" if code < 0 else f"with exit code {code}"

    def close(self) -> None:
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.kill()
            process.wait()
            _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError, ValueError):
                pipe.close()


def main() -> None:
    """Answer shards until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what code prints goes to stderr
    with suppress(EOFError, BrokenPipeError):
        _serve(requests, answers)
    os._exit(0)  # the parent has finished or was killed


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    beginning, options, number = pickle.load(requests)
    name_options(options)
    worker: ShardWorker | None = None

    def compute(shard: Shard) -> Partial:
        nonlocal worker
        if worker is None:
            worker = ShardWorker(on_own_gpu(pickle.loads(beginning), number))
        return worker.compute(shard)

    while True:
        shard = pickle.load(requests)
        pickle.dump(answered(compute, shard), answers)
        answers.flush()


if __name__ == "__main__":
    main()
