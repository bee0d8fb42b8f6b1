"""HuggingFaceMonitor: a callback of the Hugging Face Trainer that scores the generator."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from mifid.errors import InputError, UnavailableError
from mifid.loops.monitor import Monitor

__all__ = ["HuggingFaceMonitor"]


_CALLBACK: type[Any] | None = None
if find_spec("transformers") is not None:
    from transformers import TrainerCallback

    _CALLBACK = TrainerCallback


class HuggingFaceMonitor(_CALLBACK or object):  # type: ignore[misc]  # known at run time
    """Scores the generator after epochs of training.

    Numbers go through ``Trainer.log`` to its history and to all that it reports to. Pictures go to
    what the monitor shows (``Monitor(show=...)``).

    Args:
        monitor: what scores.
        trainer: to which it is added, by ``trainer.add_callback(...)``.
        every_n_epochs: epochs between scores.

    Raises:
        InputError: ``every_n_epochs`` is below 1.
        UnavailableError: transformers is not installed.
    """

    def __init__(self, monitor: Monitor, trainer: Any, *, every_n_epochs: int = 1) -> None:
        if _CALLBACK is None:
            raise UnavailableError(
                "HuggingFaceMonitor needs transformers, which is not installed",
                hint="pip install transformers",
            )
        if not hasattr(every_n_epochs, "__index__") or every_n_epochs < 1:
            raise InputError(f"every_n_epochs is {every_n_epochs!r}; expected 1 or more")
        self._monitor = monitor
        self._trainer = trainer
        self._every = every_n_epochs

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Score, and log the numbers."""
        if round(state.epoch) % self._every == 0:
            self._trainer.log(self._monitor(state.global_step))
