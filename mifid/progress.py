"""Progress of long tasks: bars, lines, or nothing (the library's default)."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, TextIO

__all__ = ["Bars", "Lines", "Progress", "Silent", "Task", "choose", "is_watched", "note"]

_FIRST_SECONDS = 10.0
"""Shorter tasks print no line."""

_EVERY_SECONDS = 30.0
"""Half a minute between lines, so that a log grows every minute even if a line is late."""

_TICK_SECONDS = 1.0


class Task(Protocol):
    """One running task."""

    def advance(self, steps: int = 1) -> None:
        """Report that ``steps`` more are done."""

    def status(self, text: str) -> None:
        """Report the state in a few words."""


class Progress(Protocol):
    """Display of running tasks. Any object with this method is one; :func:`note` is optional."""

    def task(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Open a task of ``total`` steps (None: unknown); an empty unit means no steps."""


def note(progress: Progress, text: str) -> None:
    """Show a fact about the work once, in a line, on a display that has a method ``note``."""
    show = getattr(progress, "note", None)
    if show is not None:
        show(text)


class _Nothing:
    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def status(self, text: str) -> None:
        """Do nothing."""


class Silent:
    """No display."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:  # noqa: ARG002
        """Open a silent task."""
        yield _Nothing()


class _BarTask:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, steps: int = 1) -> None:
        self._bar.update(steps)

    def status(self, text: str) -> None:
        self._bar.set_postfix_str(text)


def _tqdm() -> Any:
    # Without widgets tqdm.auto would print a warning and use text: so use text directly.
    return import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm").tqdm


_BAR_FORMATS = {
    "%": "{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
    "": "{desc}: {elapsed}{postfix}",
}


class Bars:
    """tqdm's bars, with rate and time left: on ``stream`` (stderr), or as notebook widgets."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def note(self, text: str) -> None:
        """Write a line above the bars."""
        _tqdm().write(text, file=self._stream or sys.stderr)

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        """Open a bar; "B" is shown as kB and MB, "%" only as a part, no unit only as the time."""
        bar = _tqdm()(
            bar_format=_BAR_FORMATS.get(unit),
            total=total,
            desc=label,
            unit=unit if unit == "B" else f" {unit}s",
            unit_scale=unit == "B",
            file=self._stream or sys.stderr,
            leave=False,
            dynamic_ncols=True,
        )
        try:
            yield _BarTask(bar)
        finally:
            bar.close()


class _LineTask:
    def __init__(self, label: str, total: int | None, unit: str, now: float) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done, self._status = 0, ""
        self._began = now
        self.is_written = False

    def advance(self, steps: int = 1) -> None:
        self._done += steps

    def status(self, text: str) -> None:
        self._status = text

    def line(self, now: float, *, within: Sequence[_LineTask] = ()) -> str:
        """Return ``features: 120 of 300 pictures, 4.1 a second, 0:29 so far, 0:44 left``.

        Args:
            now: the time.
            within: the tasks that this one is a part of, of which those with steps are reported.
        """
        seconds = now - self._began
        parts = [self._count(), self._rate(seconds), self._status, f"{_clock(seconds)} so far"]
        parts.append(self._left(now))
        outer = [
            ", ".join(filter(None, (t._count(), t._status, t._left(now))))
            for t in within
            if t._unit
        ]
        text = f"{self._label}: {', '.join(filter(None, parts))}"
        return f"{text} ({'; '.join(outer)})" if outer else text

    def _left(self, now: float) -> str:
        if not self._total or not 0 < self._done < self._total:
            return ""
        return f"{_clock((now - self._began) * (self._total / self._done - 1))} left"

    def _count(self) -> str:
        if not self._unit:
            return ""
        if self._unit == "%":
            return f"{self._done / max(self._total or 1, 1):.0%}"
        done, of = _amount(self._done, self._unit), ""
        if self._total is not None:
            of = f" of {_amount(self._total, self._unit)}"
        return f"{done}{of}" + ("" if self._unit == "B" else f" {self._unit}s")

    def _rate(self, seconds: float) -> str:
        if not self._done or self._unit in ("", "%") or seconds <= 0:
            return ""
        return f"{_amount(self._done / seconds, self._unit)} a second"


def _amount(number: float, unit: str) -> str:
    if unit == "B":
        return f"{number / 1e6:,.1f} MB"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.3g}"


def _clock(seconds: float) -> str:
    """Return a time as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Lines:
    """Plain lines for logs: the first ten seconds after the start, then one every half minute.

    A thread writes them, so also during long steps such as a large matrix product. Quick tasks
    write no line, and a stream that cannot be written to is no error.

    Args:
        stream: None: the stderr at the time of the line.
        first: seconds from the start of the task to the first line.
        every: seconds between lines.
        now: a clock in seconds.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        first: float = _FIRST_SECONDS,
        every: float = _EVERY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._first, self._every, self._now = first, every, now
        self._tasks: list[_LineTask] = []
        self._due_at = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def note(self, text: str) -> None:
        """Write a line now."""
        with self._lock:
            self._print(text)

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        """Open a task; of several open tasks, the last one is reported, as a part of the others."""
        task = _LineTask(label, total, unit, self._now())
        with self._lock:
            if not self._tasks:
                self._begin()
            self._tasks.append(task)
        try:
            yield task
            with self._lock:
                if task.is_written and unit:  # a task with lines gets a last one
                    self._write(task)
        finally:
            with self._lock:
                self._tasks.remove(task)
                if not self._tasks:
                    self._ended.set()

    def tick(self) -> None:
        """Write a line if one is due."""
        with self._lock:
            if self._tasks and self._now() >= self._due_at:
                self._write(self._tasks[-1])

    def _begin(self) -> None:
        self._due_at = self._now() + self._first
        self._ended = threading.Event()
        threading.Thread(target=self._watch, args=(self._ended,), daemon=True).start()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(_TICK_SECONDS):
            self.tick()

    def _write(self, task: _LineTask) -> None:
        now = self._now()
        self._due_at, task.is_written = now + self._every, True
        within = self._tasks[: self._tasks.index(task)] if task in self._tasks else []
        self._print(task.line(now, within=within))

    def _print(self, line: str) -> None:
        stream = self._stream if self._stream is not None else sys.stderr
        if stream is None:  # Python was started without one
            return
        with suppress(OSError, ValueError):  # a broken pipe, or a closed file
            print(line, file=stream, flush=True)


def is_watched(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal at which somebody may sit.

    None (pythonw) and closed streams are not. Kaggle's "Save & Run All" gives commands a terminal,
    but of what they write to it only a log remains.
    """
    try:
        return stream is not None and stream.isatty() and not _in_kaggle_batch()
    except ValueError:
        return False


def _in_kaggle_batch() -> bool:
    return os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Batch"


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def choose(progress: Progress | bool | None) -> Progress:
    """Return the Progress for a caller's argument: None is True in notebooks, else False.

    True shows bars to people, and lines to logs: of Kaggle's batch runs, of nohup, of SLURM.
    """
    if progress is None:
        progress = _in_notebook()
    if not isinstance(progress, bool):
        return progress
    if not progress:
        return Silent()
    notebook = _in_notebook() and not _in_kaggle_batch()
    return Bars() if notebook or is_watched(sys.stderr) else Lines()
