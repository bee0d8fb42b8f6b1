"""Monitor: scores what a generator makes now; loggers get value, interval and nearest pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mifid.errors import FeatureError, InputError, UnavailableError, first_line, warn
from mifid.evaluation import check_metrics
from mifid.evidence import Album, Shown, nearest_pairs, plot_gallery
from mifid.extractors import own_draws
from mifid.images import Decoded, Pixels, Stream, is_array, open_images, range_of
from mifid.metric import Group, several_processes
from mifid.metrics import METRICS
from mifid.pipeline import (
    Keywords,
    Options,
    choose_network,
    features,
    idle_options,
    open_sides,
    with_options,
)
from mifid.rendering import pixels_of
from mifid.report import Report
from mifid.scoring import score
from mifid.statistics import Features
from mifid.trackers import Tracker, tracker_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Monitor", "showing"]

PREFIX = "mifid/"
_PAIRS = f"{PREFIX}nearest_pairs"


class Monitor:
    """Scores a generator whenever it is called, as :func:`mifid.score` does.

    Loggers get the values, their 95% intervals and the generated pictures that are nearest to real
    ones, each next to it. In several processes each samples its share; all of them must call it.

    Args:
        sample: returns the pictures of this process, such as batches (N, 3, H, W); called without
            gradients, and random numbers are set back afterwards.
        reference: the real pictures, in any form that :func:`mifid.score` takes.
        show: what shows numbers and pairs, one or a list: a SummaryWriter, a run of wandb, the
            module mlflow, a logger of Lightning, a tracker of accelerate.
        pairs: number of nearest pairs that are shown; 0: none.
        metrics, memorization_reference, held_out, epsilon, ci: as in :func:`mifid.score`.
        keywords: as of :class:`mifid.pipeline.Options`; ``limit`` is that of each process's sample.

    Attributes:
        report: the last score, in the first process; None: there is none yet.

    Raises:
        InputError: a reference that cannot be used, or ``show`` is nothing that shows something.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> real, painted = random.randint(0, 256, (2, 8, 16, 16, 3), dtype=np.uint8)
    >>> def colours(batch):
    ...     return batch.float().mean(dim=(2, 3))
    >>> monitor = Monitor(lambda: [painted], real, extractor=colours, metrics=["fid"])
    >>> sorted(monitor(step=100))
    ['mifid/fid', 'mifid/fid_high', 'mifid/fid_low']
    """

    @with_options
    def __init__(
        self,
        sample: Callable[[], Iterable[Any]],
        reference: Any,
        *,
        show: Any = (),
        pairs: int = 9,
        metrics: Sequence[str] | None = None,
        memorization_reference: Any = None,
        held_out: Any = None,
        epsilon: float | None = None,
        ci: float | None = None,
        **keywords: Unpack[Keywords],
    ) -> None:
        options = Options.of(Monitor, keywords)
        given = {
            "reference": reference,
            "memorization_reference": memorization_reference,
            "held_out": held_out,
        }
        given = {label: raw for label, raw in given.items() if raw is not None}
        wanted = check_metrics("mifid" if metrics is None else metrics, epsilon)
        logits = any("logits" in METRICS[name].needs for name in wanted)
        with open_sides(given, options) as sides:
            self._options = choose_network(options, sides)  # refused now, not after an epoch
            ranged = [side.label for side in sides if side.ranged]
            self._done_with = idle_options(sides, logits=logits)
        # A sample is scored by its features; files of pictures need no range, either.
        ranges = {label: range_of(options.value_range, label) for label in ranged}
        self._ranges = {label: found for label, found in ranges.items() if found is not None}
        self._sample = sample
        self._reference = reference
        self._pairs = pairs
        self._asked: dict[str, Any] = {
            "metrics": metrics,
            "memorization_reference": memorization_reference,
            "held_out": held_out,
            "epsilon": epsilon,
            "ci": ci,
        }
        listed = show if isinstance(show, list | tuple) else (show,)
        self._trackers = [tracker_of(each) for each in listed]
        self.report: Report | None = None

    def __call__(self, step: int, *, pictures_to: Iterable[Any] = ()) -> dict[str, float]:
        """Score the generator and show it.

        Args:
            step: of the training.
            pictures_to: further loggers that are shown the nearest pairs alone, since a library
                logs the numbers that are returned.

        Returns:
            Name -> value, such as ``mifid/fid``, ``mifid/fid_low``, ``mifid/fid_high``; the same in
            all processes.

        Raises:
            MifidError: as :func:`mifid.score`; or several processes sampled the same pictures.
        """
        group = Group() if several_processes() else None
        pictures: list[Pixels] = []
        found: Features | None = None
        failure: Exception | None = None
        try:
            pictures = self._sampled()
            found = self._features(pictures)
        except Exception as error:  # the others wait for this process: they hear of it first
            failure = error
        whole, counts = _joined(found, failure, group)
        values: dict[str, float] = {}
        rows: list[int] = []
        first = group is None or group.rank == 0
        if first:
            try:
                self.report = self._scored(whole)
                values = _numbers(self.report)
                rows = self._nearest(self.report)
            except Exception as error:
                failure = error
        if group is not None:
            failure, values, rows = group.objects((failure, values, rows))[0]
        if failure is not None:
            raise failure
        shown = _thumbnails(rows, pictures, counts, group)
        if first:
            self._show(values, shown, step, [tracker_of(each) for each in pictures_to])
        return values

    def ignite(self, engine: Any) -> None:
        """Handle an event of ignite: the numbers become metrics of the engine.

        ``trainer.add_event_handler(Events.EPOCH_COMPLETED(every=5), monitor.ignite)``
        """
        engine.state.metrics.update(self(engine.state.iteration))

    def accelerate(self, accelerator: Any, *, step: int) -> dict[str, float]:
        """Score, and log to all trackers of an accelerator; all its processes must call it."""
        values = self(step, pictures_to=showing(accelerator.trackers))
        accelerator.log(values, step=step)
        return values

    def _sampled(self) -> list[Pixels]:
        with torch.no_grad(), own_draws():
            given = self._sample()
            stream = open_images(
                iter([given] if is_array(given) else given),
                value_range=range_of(self._options.value_range, "generated"),
            )
            assert isinstance(stream, Stream)
            stream.limit = self._options.limit
            return [picture for batch in stream for picture in batch]

    def _features(self, pictures: list[Pixels]) -> Features | None:
        if not pictures:
            return None
        kept = ("extractor", "weights", "backend", "precision", "device", "batch_size", "workers")
        options = {name: getattr(self._options, name) for name in kept}
        return features(pictures, cache=False, progress=False, **options)

    def _scored(self, whole: Features | None) -> Report:
        if whole is None:
            raise FeatureError(
                "sample() gave no pictures", hint="It must return batches, such as (N, 3, H, W)."
            )
        # The sample is cut already, and the network has seen it.
        names = {field.name for field in fields(Options)} - {"limit", *self._done_with}
        options = {name: getattr(self._options, name) for name in names}
        options["value_range"] = self._ranges or None
        return score(whole, self._reference, **self._asked, **options)

    def _nearest(self, report: Report) -> list[int]:
        if not self._pairs:
            return []
        try:
            return [int(row) for row in report.pictures.nearest_pairs(self._pairs)]
        except UnavailableError:  # the reference is mean and covariance
            return []

    def _show(
        self,
        values: Mapping[str, float],
        shown: Mapping[int, Shown],
        step: int,
        more: list[Tracker],
    ) -> None:
        sheet = self._sheet(shown) if shown and (self._trackers or more) else None
        for tracker in (*self._trackers, *more):
            try:
                if tracker in self._trackers:
                    tracker.scalars(values, step=step)
                if sheet is not None:
                    tracker.picture(sheet, step=step, name=_PAIRS)
            except Exception as error:  # of another program: it must not end the training
                warn(
                    f"{type(tracker).__name__} could not show the score of step {step:,}: "
                    f"{type(error).__name__}: {first_line(error)}"
                )

    def _sheet(self, shown: Mapping[int, Shown]) -> Pixels:
        """Draw the nearest pairs, with their distances."""
        assert self.report is not None
        assert self.report.evidence is not None
        evidence, table = self.report.evidence, self.report.pictures

        def pixels(row: int) -> Decoded:
            found = shown[row].pixels
            assert found is not None
            return Decoded(found)

        generated = Album(table.names, pixels)
        with ExitStack() as files:
            try:
                training = files.enter_context(evidence.album(evidence.training_label))
            except UnavailableError:  # only its features are there
                training = None
            gallery = nearest_pairs(
                table, generated=generated, training=training, count=self._pairs
            )
            title = "Nearest pairs: generated and training picture"
            return pixels_of(plot_gallery(gallery, title=title))


def showing(loggers: Iterable[Any]) -> list[Tracker]:
    """Return those of a library's loggers that can be shown pictures."""
    found = []
    for each in loggers:
        try:
            found.append(tracker_of(each))
        except InputError:
            continue
    return found


def _joined(
    found: Features | None, failure: Exception | None, group: Group | None
) -> tuple[Features | None, list[int]]:
    """Return the features of all processes, and how many each has.

    Raises:
        Exception: the first failure of a process; in all of them.
        InputError: two processes have the same pictures.
    """
    if group is None:
        if failure is not None:
            raise failure
        return found, [0 if found is None else len(found)]
    mine = None if found is None else (len(found), found.values.shape[1], found.sha256)
    provenance = None if found is None else found.provenance
    facts = group.objects((failure, mine, provenance))
    for other, _, _ in facts:
        if other is not None:
            raise failure or other
    seen: dict[str, int] = {}
    for rank, (_, fact, _) in enumerate(facts):
        if fact is not None and seen.setdefault(fact[2], rank) != rank:
            raise InputError(
                f"processes {seen[fact[2]]} and {rank} sampled the same pictures",
                hint="Let each draw its own random numbers, for example from "
                "torch.Generator().manual_seed(seed + rank).",
            )
    known = [each for each in facts if each[1] is not None]
    if not known:
        return None, [0] * len(facts)
    counts = [0 if fact is None else fact[0] for _, fact, _ in facts]
    width = known[0][1][1]
    values = np.zeros((0, width), np.float32) if found is None else found.values
    return Features(group.rows(values, counts), provenance=known[0][2]), counts


def _thumbnails(
    rows: Sequence[int], pictures: list[Pixels], counts: list[int], group: Group | None
) -> dict[int, Shown]:
    """Return the pictures of these rows of all processes' features."""
    before = 0 if group is None else sum(counts[: group.rank])
    album = Album([""] * len(pictures), lambda row: Decoded(pictures[row]))
    own = {row: album.show(row - before) for row in rows if before <= row < before + len(pictures)}
    if group is None:
        return own
    return {row: shown for part in group.objects(own) for row, shown in part.items()}


def _numbers(report: Report) -> dict[str, float]:
    found: dict[str, float] = {}
    intervals = {} if report.uncertainty is None else report.uncertainty.intervals
    for name in ("mifid", "fid", "memorization_distance"):
        value = getattr(report, name)
        if value is not None:
            found[name] = value
        if value is not None and name in intervals:
            found[f"{name}_low"] = intervals[name].low
            found[f"{name}_high"] = intervals[name].high
    for measured in report.metrics.values():
        found |= measured.values
    return {f"{PREFIX}{name}": float(value) for name, value in found.items()}
