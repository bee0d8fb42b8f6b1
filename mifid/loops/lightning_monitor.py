"""LightningMonitor: a callback of Lightning that scores the generator after epochs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from mifid.errors import InputError, UnavailableError
from mifid.loops.monitor import Monitor, showing

__all__ = ["LightningMonitor"]

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _callback() -> type[Any] | None:
    """Return the class Callback of the package that the program uses; None: none is installed."""
    used = [name for name in _PACKAGES if name in sys.modules]
    for name in (*used, *_PACKAGES):
        try:
            found: type[Any] = import_module(name).Callback
        except ModuleNotFoundError as error:
            if error.name not in ("lightning", "lightning.pytorch", "pytorch_lightning"):
                raise
        else:
            return found
    return None


_CALLBACK = _callback()


class LightningMonitor(_CALLBACK or object):  # type: ignore[misc]  # known at run time
    """Scores the generator after epochs of training.

    Numbers are logged as ``self.log`` does, for all loggers, ModelCheckpoint and EarlyStopping; the
    loggers of TensorBoard, W&B and MLflow also get the nearest pairs.

    Args:
        monitor: what scores.
        every_n_epochs: epochs between scores.

    Raises:
        InputError: ``every_n_epochs`` is below 1.
        UnavailableError: Lightning is not installed.
    """

    def __init__(self, monitor: Monitor, *, every_n_epochs: int = 1) -> None:
        if _CALLBACK is None:
            raise UnavailableError(
                "LightningMonitor needs Lightning, which is not installed",
                hint="pip install lightning",
            )
        super().__init__()
        if not hasattr(every_n_epochs, "__index__") or every_n_epochs < 1:
            raise InputError(f"every_n_epochs is {every_n_epochs!r}; expected 1 or more")
        self._monitor = monitor
        self._every = every_n_epochs

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score, and log the numbers."""
        if (trainer.current_epoch + 1) % self._every:
            return
        values = self._monitor(trainer.global_step, pictures_to=showing(trainer.loggers))
        # All processes have the same numbers; Lightning warns where none are averaged.
        pl_module.log_dict(values, sync_dist=trainer.world_size > 1)
