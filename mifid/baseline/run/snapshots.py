"""Snapshots of a generator during training: samples, scores, and the weights of the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from mifid.baseline.config import Config
from mifid.baseline.data import PictureSet, to_pixels
from mifid.baseline.figures import (
    heat_map,
    plot_losses,
    plot_scores,
    sample_grid,
    save_picture,
)
from mifid.baseline.gan import Method, Shown, check_state
from mifid.baseline.generation import Painter, as_submitted, save_generator
from mifid.baseline.models import GeneratorNetwork
from mifid.baseline.run.clock import StopRequest
from mifid.baseline.run.records import Recorder, read_metrics
from mifid.baseline.run.symptoms import difference
from mifid.errors import MifidError, warn
from mifid.images import Pixels
from mifid.submission import Rules

__all__ = ["Best", "Scorer", "Snapshots"]


class Scorer(Protocol):
    """A function that scores pictures; the caller gives it, as the trainer imports no metric."""

    @property
    def name(self) -> str:
        """What must be equal for two scores to be comparable."""

    def __call__(self, pictures: Iterable[Pixels]) -> Mapping[str, float | None]:
        """Score batches (B, H, W, 3) uint8; the lowest value of the chosen metric is the best."""


@dataclass(frozen=True)
class Best:
    """The snapshot that scored best: ``weights`` are ``"raw"`` or ``"ema"``."""

    step: int
    weights: str
    scores: Mapping[str, float | None]


class _StoppedError(Exception):
    """A signal came while a snapshot was scored."""


class Snapshots:
    """Snapshots of the painting generator, raw and averaged, scored on photos not trained on.

    Args:
        config: all settings.
        folder: of the run; ``best.safetensors`` and ``samples/`` are written there.
        networks: ``"raw"``, and ``"ema"`` if there is an average.
        method: gives the columns of the sample grids, and the terms of the plot of losses.
        held_back: photos to score on; empty: nothing is scored, the last snapshot is the best.
        shown: photos of the sample grids.
        scorer: scores the painted photos; None: nothing is scored.
        recorder: of the scores.
        rules: of the competition: pictures are scored as they would be submitted.
        device: of the networks.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        networks: Mapping[str, GeneratorNetwork],
        method: Method,
        held_back: PictureSet,
        shown: PictureSet,
        scorer: Scorer | None,
        recorder: Recorder,
        rules: Rules,
        device: torch.device,
    ) -> None:
        self._config = config
        self._folder = folder
        self._networks = networks
        self._method = method
        self._held_back, self._shown = held_back, shown
        self._scorer = scorer if len(held_back) else None
        self._recorder = recorder
        self._rules = rules
        self._device = device
        self.best: Best | None = None
        self._last: float | None = None  # the better score of the last snapshot

    @property
    def standing(self) -> str:
        """The last score and the best one, in a few words; empty: there is none."""
        if self._last is None:
            return ""
        metric = self._config.score.metric
        best = self._value()
        return f"{metric} {self._last:.4g}" + (f" (best {best:.4g})" if best < self._last else "")

    @property
    def best_file(self) -> Path:
        """The file of the best generator."""
        return self._folder / "best.safetensors"

    def record_photos(self, scores: Mapping[str, float | None]) -> None:
        """Record the score of the unpainted held-back photos, for comparison."""
        self._record(scores, step=0, fraction=0.0, seconds=0.0, weights="photos")

    def take(self, *, step: int, fraction: float, seconds: float, stop: StopRequest) -> bool:
        """Write samples, score all weights, and keep them if they are the best so far.

        Returns:
            bool: False if a signal came before all was scored; nothing is kept or recorded then.
        """
        copied = self._write_samples(step)
        try:
            scored = {name: self._score(net, stop) for name, net in self._networks.items()}
        except _StoppedError:
            return False
        best = self._best_of(scored)
        if best is not None and (self.best is None or self._value(scored[best]) < self._value()):
            self._keep(step, best, scored[best])
        elif self._scorer is None or (fraction >= 1 and self.best is None):
            self._keep(step, self._sampled, {})
        if best is not None:
            self._last = self._value(scored[best])
        for name, scores in scored.items():
            if scores:
                self._record(scores, step=step, fraction=fraction, seconds=seconds, weights=name)
        sample = {"step": step, "fraction": fraction, "seconds": seconds, "difference": copied}
        self._recorder.write("sample", {**sample, "weights": self._sampled})
        rows = read_metrics(self._folder)
        plot_losses(rows, self._folder / "losses.png", terms=self._method.terms)
        plot_scores(rows, self._folder / "score.png", metric=self._config.score.metric)
        return True

    def _best_of(self, scored: Mapping[str, Mapping[str, float | None]]) -> str | None:
        """Return the weights with the lowest score; None if no score is a finite number."""
        values = {name: self._value(scores) for name, scores in scored.items()}
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        return min(finite, key=finite.__getitem__) if finite else None

    def _value(self, scores: Mapping[str, float | None] | None = None) -> float:
        """Return the chosen metric of some scores, or of the best so far."""
        if scores is None:
            scores = self.best.scores if self.best is not None else {}
        value = scores.get(self._config.score.metric)
        return math.inf if value is None else value

    def _record(
        self,
        scores: Mapping[str, float | None],
        *,
        step: int,
        fraction: float,
        seconds: float,
        weights: str,
    ) -> None:
        known = {name: value for name, value in scores.items() if value is not None}
        best = self.best is not None and (step, weights) == (self.best.step, self.best.weights)
        row: dict[str, float | int | str | None] = {
            "step": step,
            "fraction": fraction,
            "seconds": seconds,
            "weights": weights,
            "photos": len(self._held_back),
            "best": best,
            **known,
        }
        self._recorder.write("score", row)

    def _keep(self, step: int, weights: str, scores: Mapping[str, float | None]) -> None:
        self.best = Best(step, weights, dict(scores))
        both = self._config.checkpoint.keep_raw
        save_generator(
            self.best_file,
            networks=self._networks if both else {weights: self._networks[weights]},
            config=self._config,
            best=weights,
            facts={"step": step, "scores": dict(scores)},
        )

    def _score(self, network: GeneratorNetwork, stop: StopRequest) -> Mapping[str, float | None]:
        if self._scorer is None:
            return {}
        try:
            return self._scorer(
                as_submitted(painted, rules=self._rules) for painted in self._painted(network, stop)
            )
        except MifidError as error:  # one score must not end hours of training
            warn(f"a snapshot could not be scored: {error}")
            return {}

    def _painted(self, network: GeneratorNetwork, stop: StopRequest) -> Iterator[Pixels]:
        painter = Painter(network, device=self._device, seed=self._config.training.seed)
        first = 0
        for photos in self._held_back.batches():
            if stop:  # after SIGTERM there may be half a minute left, a scoring may take five
                raise _StoppedError
            yield painter.paint(photos, first=first)
            first += len(photos)

    @property
    def _sampled(self) -> str:
        """The weights that paint the samples: the averaged ones, if there are any."""
        return "ema" if "ema" in self._networks else "raw"

    def _write_samples(self, step: int) -> float | None:
        """Write the sheet of samples; return the difference of photos and paintings on it."""
        photos = self._shown.take(np.arange(len(self._shown)))
        network = self._networks[self._sampled]
        columns = self._method.columns(network, photos.cpu().numpy(), self._show)
        grid = sample_grid(columns)
        path = self._folder / "samples" / f"step-{step:08}.jpg"
        path.parent.mkdir(exist_ok=True)
        save_picture(path, grid)
        self._recorder.show(grid, step=step)
        if "photo" not in columns or "painting" not in columns:  # it sees no photos
            return None
        return difference(columns["photo"], columns["painting"])

    def _show(self, network: nn.Module, pictures: Pixels) -> Shown:
        assert isinstance(network, GeneratorNetwork)
        painter = Painter(network, device=self._device, seed=self._config.training.seed)
        painted = painter.run(torch.from_numpy(pictures), first=0)
        maps = {
            label: heat_map(values.float().cpu().numpy(), side=pictures.shape[1])
            for label, values in painted.maps.items()
        }
        return Shown(to_pixels(painted.picture), maps)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {} if self.best is None else asdict(self.best)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        if state:
            known = {name: value for name, value in state["scores"].items() if value is not None}
            like = {"step": 0, "weights": "", "scores": dict.fromkeys(known, 0.0)}
            check_state({**state, "scores": known}, like, name="best")
        self.best = Best(state["step"], state["weights"], state["scores"]) if state else None
