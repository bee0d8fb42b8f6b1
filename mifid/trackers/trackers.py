"""Programs that show a run while it trains: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

from mifid.errors import InputError, UnavailableError, first_line, setting, warn
from mifid.images import Pixels

__all__ = ["TRACKERS", "MLflow", "TensorBoard", "Tracker", "Trackers", "WandB", "tracker_of"]


class Tracker(Protocol):
    """A program that shows a run."""

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Show numbers of a step, by name; those before the last ``/`` of a name are a heading."""

    def picture(self, pixels: Pixels, *, step: int, name: str = "samples") -> None:
        """Show a picture (H, W, 3) uint8 of a step, such as the sheet of samples."""

    def page(self, path: Path, text: str, *, step: int) -> None:
        """Show report.html, or the text of its main parts if the program shows no pages."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files, each line at once; of the page its text, as Markdown.

    Args:
        writer: a SummaryWriter.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    @classmethod
    def open(cls, folder: Path, _: Mapping[str, Any], resume_from: int | None) -> TensorBoard:
        """Open the event files of a run, below ``tensorboard/``."""
        # Events cannot be removed; TensorBoard hides those from this step on.
        purge = resume_from + 1 if resume_from else None
        writer = _module("tensorboard", "torch.utils.tensorboard").SummaryWriter
        return cls(writer(str(folder / "tensorboard"), purge_step=purge))

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Write numbers of a step."""
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)
        self._writer.flush()

    def picture(self, pixels: Pixels, *, step: int, name: str = "samples") -> None:
        """Write a picture."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")
        self._writer.flush()

    def page(self, path: Path, text: str, *, step: int) -> None:
        """Write the text, with the name of the page."""
        self._writer.add_text("report", f"{text}\n\nThe whole report: `{path}`", step)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases.

    Args:
        run: what ``wandb.init()`` returns.
        step: name of the value that is the step of the others: its own count of steps never goes
            back, and a run that goes on does.
        of: pattern of the names of these others.
    """

    def __init__(self, run: Any, *, step: str = "step", of: str = "*") -> None:
        self._wandb = _module("wandb", "wandb")
        self._run = run
        self._step = step
        run.define_metric(step)
        run.define_metric(of, step_metric=step)

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], resume_from: int | None) -> WandB:
        """Begin a run in ``wandb/``, or go on with it: it has the same id.

        It keeps to wandb's own environment: WANDB_MODE=offline writes files alone, WANDB_PROJECT
        names another project than ``mifid``.

        Raises:
            UnavailableError: it cannot be started.
        """
        wandb = _module("wandb", "wandb")
        identity = folder / "wandb" / "mifid-id.txt"
        if resume_from and identity.is_file():
            name = identity.read_text(encoding="utf-8").strip()
        else:
            name = secrets.token_hex(4)
            identity.parent.mkdir(parents=True, exist_ok=True)
            identity.write_text(name, encoding="utf-8")
        try:
            run = wandb.init(
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
        return cls(run)

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Log numbers of a step."""
        self._run.log({**values, self._step: step})

    def picture(self, pixels: Pixels, *, step: int, name: str = "samples") -> None:
        """Log a picture."""
        self._run.log({name: self._wandb.Image(pixels), self._step: step})

    def page(self, path: Path, text: str, *, step: int) -> None:  # noqa: ARG002 - it shows pages
        """Log the page as it is."""
        content = path.read_text(encoding="utf-8")
        self._run.log({"report": self._wandb.Html(content, inject=False), self._step: step})

    def close(self) -> None:
        """Send what is left, or write it."""
        self._run.finish()


class MLflow:
    """A run of MLflow.

    Args:
        client: an MlflowClient.
        run_id: of the run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Log numbers of a step."""
        for name, value in values.items():
            self._client.log_metric(self._run_id, name, value, step=step)

    def picture(self, pixels: Pixels, *, step: int, name: str = "samples") -> None:
        """Log a picture."""
        self._client.log_image(self._run_id, pixels, key=name, step=step)

    def page(self, path: Path, text: str, *, step: int) -> None:  # noqa: ARG002 - it shows pages
        """Log the page as it is."""
        self._client.log_artifact(self._run_id, str(path))

    def close(self) -> None:
        """End nothing: the run belongs to the caller."""


def tracker_of(given: Any) -> Tracker:
    """Return the tracker that shows something in what a training loop has opened already.

    Args:
        given: a SummaryWriter; a run of wandb; the module mlflow, whose active run is taken; a
            logger of Lightning or a tracker of accelerate for one of these; or a :class:`Tracker`.

    Raises:
        InputError: something else.
    """
    if all(hasattr(given, name) for name in ("scalars", "picture")):
        tracker: Tracker = given
        return tracker
    if hasattr(given, "add_scalar") and hasattr(given, "add_image"):
        return TensorBoard(given)
    if hasattr(given, "define_metric") and hasattr(given, "log"):
        return WandB(given, step="mifid/step", of="mifid/*")
    of_mlflow = _of_mlflow(given)
    if of_mlflow is not None:
        return of_mlflow
    inner = getattr(given, "experiment", None) or getattr(given, "tracker", None)
    if inner is not None and inner is not given:
        return tracker_of(inner)
    raise InputError(
        f"a {type(given).__name__} cannot be shown anything",
        hint="Expected a SummaryWriter, a run of wandb, the module mlflow, a logger of Lightning "
        "or a tracker of accelerate for these, or an object with scalars(values, step=) and "
        "picture(pixels, step=, name=).",
    )


def _of_mlflow(given: Any) -> MLflow | None:
    """Return the tracker of MLflow itself, of Lightning's logger or of accelerate's; None: none."""
    if getattr(given, "__name__", "") == "mlflow":
        active = given.active_run() or given.start_run()
        return MLflow(given.MlflowClient(), active.info.run_id)
    if hasattr(given, "run_id") and hasattr(given, "experiment"):
        return MLflow(given.experiment, given.run_id)
    if type(given).__name__ == "MLflowTracker":
        return MLflow(import_module("mlflow").MlflowClient(), given.tracker.info.run_id)
    return None


TRACKERS: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Tracker]] = {
    "tensorboard": TensorBoard.open,
    "wandb": WandB.open,
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
