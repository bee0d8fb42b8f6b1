"""How long work tells that it goes on. Silent by default; the library itself never prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, TextIO

__all__ = ["Bars", "Progress", "Silent", "Task", "choose"]


class Task(Protocol):
    """One running piece of work."""

    def advance(self, steps: int = 1) -> None:
        """Say that ``steps`` more are done."""

    def status(self, text: str) -> None:
        """Say in a few words how it goes."""


class Progress(Protocol):
    """Where work is announced. Any object with this method will do."""

    def task(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Open a piece of work of ``total`` steps (None: unknown)."""


class _Nothing:
    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def status(self, text: str) -> None:
        """Do nothing."""


class Silent:
    """Announces nothing."""

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


class Bars:
    """tqdm's bars, with rate and time left: on ``stream`` (stderr), or as notebook widgets."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        """Open a bar; bytes are shown in kB, MB; of "%" only the part is shown."""
        # Without widgets tqdm.auto would warn and draw text: so it is text without a warning.
        tqdm = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm").tqdm
        bar = tqdm(
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}" if unit == "%" else None,
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


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def choose(progress: Progress | bool | None) -> Progress:
    """Turn what a caller gave into a Progress: None shows bars in notebooks only."""
    if progress is None:
        progress = _in_notebook()
    if isinstance(progress, bool):
        return Bars() if progress else Silent()
    return progress
