"""Programs that show a run while it trains: TensorBoard and Weights & Biases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

from mifid.errors import UnavailableError, first_line, setting, warn
from mifid.images import Pixels

__all__ = ["TRACKERS", "TensorBoard", "Tracker", "Trackers", "WandB"]


class Tracker(Protocol):
    """A program that shows a run. Open one with ``Tracker(folder, settings, resume_from)``."""

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Show numbers of a step, by name; those before the last ``/`` of a name are a heading."""

    def picture(self, pixels: Pixels, *, step: int) -> None:
        """Show the sheet of samples (H, W, 3) uint8 of a step."""

    def page(self, path: Path, text: str, *, step: int) -> None:
        """Show report.html, or the text of its main parts if the program shows no pages."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files below ``tensorboard/``, each line at once; of the page its text, as Markdown."""

    def __init__(self, folder: Path, _: Mapping[str, Any], resume_from: int | None) -> None:
        # Events cannot be removed; TensorBoard hides those from this step on.
        purge = resume_from + 1 if resume_from else None
        writer = _module("tensorboard", "torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(folder / "tensorboard"), purge_step=purge)

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Write numbers of a step."""
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)
        self._writer.flush()

    def picture(self, pixels: Pixels, *, step: int) -> None:
        """Write the sheet of samples."""
        self._writer.add_image("samples", pixels, step, dataformats="HWC")
        self._writer.flush()

    def page(self, path: Path, text: str, *, step: int) -> None:
        """Write the text, with the name of the page."""
        self._writer.add_text("report", f"{text}\n\nThe whole report: `{path}`", step)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases, in ``wandb/``.

    It keeps to wandb's own environment: WANDB_MODE=offline writes files alone, WANDB_PROJECT names
    another project than ``mifid``. A run that goes on has the same id.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], resume_from: int | None) -> None:
        wandb = self._wandb = _module("wandb", "wandb")
        identity = folder / "wandb" / "mifid-id.txt"
        if resume_from and identity.is_file():
            name = identity.read_text(encoding="utf-8").strip()
        else:
            name = secrets.token_hex(4)
            identity.parent.mkdir(parents=True, exist_ok=True)
            identity.write_text(name, encoding="utf-8")
        try:
            self._run = wandb.init(
                project=None if _is_set("WANDB_PROJECT") else "mifid",
                name=folder.resolve().name,
                id=name,
                resume="allow",
                dir=str(folder),
                config=dict(settings),
                settings=wandb.Settings(console="off"),  # our output is the caller's
            )
        except Exception as error:  # of the network, of a login that is missing, and others
            raise UnavailableError(
                f"{setting('wandb')}: Weights & Biases cannot be started: {first_line(error)}",
                hint="Log in with `wandb login` or WANDB_API_KEY, set WANDB_MODE=offline to write "
                f"files alone, or leave out {setting('wandb')}.",
            ) from error
        # Its own count of steps never goes back; a run that goes on does.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Log numbers of a step."""
        self._run.log({**values, "step": step})

    def picture(self, pixels: Pixels, *, step: int) -> None:
        """Log the sheet of samples."""
        self._run.log({"samples": self._wandb.Image(pixels), "step": step})

    def page(self, path: Path, text: str, *, step: int) -> None:  # noqa: ARG002 - it shows pages
        """Log the page as it is."""
        content = path.read_text(encoding="utf-8")
        self._run.log({"report": self._wandb.Html(content, inject=False), "step": step})

    def close(self) -> None:
        """Send what is left, or write it."""
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
}
"""Argument of training and extra of the package -> what opens it."""

_MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}


class Trackers(AbstractContextManager["Trackers"]):
    """The trackers of a run, which begins before they are opened.

    One that fails while the run trains is closed with a warning: it must not end the training.

    Args:
        names: keys of :data:`TRACKERS`.
        settings: of the run, which a tracker may show.

    Raises:
        UnavailableError: one is not installed.
    """

    def __init__(
        self, names: Iterable[str] = (), *, settings: Mapping[str, Any] | None = None
    ) -> None:
        self._names = tuple(names)
        self._settings = settings or {}
        self._opened: dict[str, Tracker] = {}
        for name in self._names:
            _module(name, _MODULES[name])

    def open(self, folder: Path, *, resume_from: int | None) -> None:
        """Open all of them.

        Args:
            folder: of the run.
            resume_from: the step at which it goes on; None or 0: it begins.

        Raises:
            UnavailableError: one cannot be opened. A run that begins then has no files of any.
        """
        try:
            for name in self._names:
                self._opened[name] = TRACKERS[name](folder, self._settings, resume_from)
        except UnavailableError:
            self.__exit__()
            if not resume_from:  # else the folder would be refused as not empty next time
                for name in self._names:
                    rmtree(folder / name, ignore_errors=True)
            raise

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Show numbers of a step, by name."""
        self._each(lambda tracker: tracker.scalars(values, step=step))

    def picture(self, pixels: Pixels, *, step: int) -> None:
        """Show the sheet of samples (H, W, 3) uint8 of a step."""
        self._each(lambda tracker: tracker.picture(pixels, step=step))

    def page(self, path: Path, text: str, *, step: int) -> None:
        """Show report.html, or the text of its main parts."""
        self._each(lambda tracker: tracker.page(path, text, step=step))

    def _each(self, show: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._opened.items()):
            try:
                show(tracker)
            except Exception as error:  # whatever another program and its network raise
                del self._opened[name]
                warn(
                    f"{setting(name)} failed and gets nothing more of this run: "
                    f"{type(error).__name__}: {first_line(error)}"
                )

    def __exit__(self, *_: object) -> None:
        self._each(lambda tracker: tracker.close())
        self._opened.clear()


def _module(name: str, module: str) -> Any:
    """Import what a tracker needs.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"{setting(name)}: {name} cannot be used: {error}",
            hint=f"pip install 'mifid[{name}]', or leave out {setting(name)}.",
        ) from error


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable))
