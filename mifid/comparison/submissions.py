"""Submissions: naming, opening, and scoring them one by one against one reference."""

from __future__ import annotations

import glob
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mifid.comparison.differences import Draws, draw, features_naming, naming, rows_hash
from mifid.errors import InputError, MifidError, UnavailableError, recorded_warnings, warn
from mifid.evaluation import (
    Numbers,
    check_copies,
    check_pictures,
    check_threshold,
    measure,
    not_comparable,
)
from mifid.files import without_secrets
from mifid.formatting import encodable
from mifid.images import Source
from mifid.inputs import GivenSide, Side
from mifid.pipeline import ComputedSide, Options, Pipeline, compute_side
from mifid.statistics import Computed, Features, Statistics, protocol
from mifid.uncertainty import MOST_PICTURES, Resampling

__all__ = [
    "WANTED",
    "Scored",
    "Scorer",
    "Submission",
    "name_submissions",
    "open_submissions",
    "plain_namings",
]

WANTED = frozenset({"mifid"})
"""The metrics of a comparison."""


@dataclass(frozen=True)
class Submission(GivenSide):
    """A submission, opened: a side whose label is the user's own word, in which underscores stay.

    Attributes:
        warnings: what was noticed while it was opened.
    """

    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The label as it is."""
        return self.label


def name_submissions(submissions: Iterable[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Give every submission a name of its own.

    Raises:
        InputError: fewer than two.
    """
    if isinstance(submissions, str | os.PathLike):
        submissions = [submissions]
    given = list(submissions.values() if isinstance(submissions, Mapping) else submissions)
    if len(given) < 2:
        hint = "Give two or more, or use `mifid score` (mifid.score) for one."
        message = f"there is nothing to compare: {len(given) or 'no'} submission was given"
        if given and isinstance(given[0], str) and glob.has_magic(given[0]):
            matches = len(glob.glob(os.path.expanduser(given[0])))
            hint = f"The pattern matches {matches} files; without quotes each is a submission."
            if not matches:
                message = f"no file matches the pattern {given[0]}: there is nothing to compare"
                hint = "* and ? stand for any letters, ** for folders at any depth."
        raise InputError(message, hint=hint)
    if isinstance(submissions, Mapping):
        return {str(name): value for name, value in submissions.items()}
    return dict(zip(_distinct_names(given), given, strict=True))


def _distinct_names(given: Sequence[Any]) -> list[str]:
    """Return file names, or paths where those are the same, or numbers for the same path twice."""
    paths = [
        without_secrets(encodable(os.fspath(item)))
        if isinstance(item, str | os.PathLike)
        else f"submission {number}"
        for number, item in enumerate(given, 1)
    ]
    short = [os.path.basename(os.path.normpath(path)) for path in paths]
    often = Counter(short)
    names: list[str] = []
    for path, name in zip(paths, short, strict=True):
        wanted = name if often[name] == 1 else path
        again, number = wanted, 1
        while again in names:
            number += 1
            again = f"{wanted} ({number})"
        names.append(again)
    return names


@contextmanager
def open_submissions(given: Mapping[str, Any], options: Options) -> Iterator[dict[str, Submission]]:
    """Open submissions until the end of the block.

    They come in the order of their names, so that nothing depends on the order they are given in.

    Raises:
        MifidError: one cannot be opened; the message names it.
    """
    with ExitStack() as files:
        opened = {}
        for name in sorted(given):
            title = f"submission {name}"
            with _blamed(title), recorded_warnings() as noticed:
                side = files.enter_context(options.opened("submission", given[name]))
            opened[name] = Submission(
                title,
                side.description,
                side.input,
                side.given,
                side.available,
                warnings=tuple(noticed),
            )
        yield opened


@contextmanager
def _blamed(title: str) -> Iterator[None]:
    """Name the side in an error that concerns one of many, unless it does so itself."""
    try:
        yield
    except MifidError as error:
        if title in error.message:
            raise
        # Sides are opened under the label "submission"; the title is more exact.
        message = error.message.removeprefix("submission: ")
        raise type(error)(f"{title}: {message}", hint=error.hint) from error


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Scored:
    """A submission and its numbers.

    Attributes:
        name: what it is called.
        side: what was given.
        numbers: its FID, distance and MiFID.
        contents: hashes of its pictures and of its features; one in common: the same submission.
        draws: replicates of its numbers; None where ``reason`` says why.
        reason: why there are no draws.
        features: as long as FID at fewer pictures may be needed.
        fewer: FID at fewer pictures than it has, by their number; see ranking.py.
        warnings: those issued while it was opened and scored.
    """

    name: str
    side: Side
    numbers: Numbers
    contents: frozenset[str] = frozenset()
    draws: Draws | None = None
    reason: str | None = None
    features: Features | None = None
    fewer: Mapping[int, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def value(self, name: str) -> float | None:
        """Return ``"fid"``, ``"memorization_distance"`` or ``"mifid"``."""
        found: float | None = getattr(self.numbers, name)
        return found


@dataclass(eq=False)
class Scorer:
    """Scores submissions one by one against one reference.

    Of a scored submission only numbers and replicates are kept, so that memory does not grow with
    the number of submissions. Its features are kept too where numbers of pictures differ, since
    ranking.py then needs FID at fewer pictures.

    Attributes:
        references: ``"reference"`` and, if given, ``"memorization_reference"``.
        pipeline: turns pictures into features; None if there are no pictures.
        epsilon: the threshold of the memorization distance; None: there is none.
        resampling: how replicates are made.
        plain: the namings (:func:`plain_namings`) whose pictures are drawn in the order of rows.
        options: of the comparison.
        seconds: wall times are added by stage.
        protocol: what the first submission was computed with.
        not_comparable: the first reason why a score is not Kaggle's; None if all are.
    """

    references: Mapping[str, ComputedSide]
    pipeline: Pipeline | None
    epsilon: float | None
    resampling: Resampling
    plain: frozenset[str]
    options: Options
    seconds: MutableMapping[str, float]
    protocol: Mapping[str, object] = field(init=False, default_factory=dict)
    not_comparable: str | None = field(init=False, default=None)

    @property
    def limit(self) -> float:
        """The threshold as a number: without one, 0, which no distance is below."""
        return self.epsilon or 0.0

    @property
    def known(self) -> dict[str, Computed]:
        """Features or statistics of the references, by label."""
        return {label: side.computed for label, side in self.references.items()}

    def score(self, sides: Mapping[str, Submission], *, keep: bool) -> list[Scored]:
        """Score every submission, and keep its features if ``keep``.

        Raises:
            InputError, FeatureError: one cannot be used; the message names it.
        """
        scored: list[Scored] = []
        with self.options.reporter.task("compare", len(sides), "submission") as task:
            for name, side in sides.items():
                with _blamed(side.title), recorded_warnings() as warned:
                    found = self._score(name, side, scored, keep)
                    network = self.known["reference"].provenance.extractor
                    check_threshold(network, found.numbers.memorization_distance, self.epsilon)
                scored.append(replace(found, warnings=(*side.warnings, *warned)))
                task.advance()
        return scored

    def _score(self, name: str, side: GivenSide, earlier: Iterable[Scored], keep: bool) -> Scored:
        found = compute_side(side, self.pipeline)
        computed, shown = found.computed, found.description
        self.protocol = self.protocol or protocol(computed.provenance)
        self.not_comparable = self.not_comparable or not_comparable(
            {**self.known, "generated": computed}, self.epsilon
        )
        self._warn_of_own_reason(side, computed)
        check_pictures(found)
        check_copies(
            {**self.references, "generated": found}, wanted=WANTED, blamed=f"{side.title}: "
        )
        contents = _contents(shown, computed)
        for other in earlier:
            if other.contents & contents:  # the same to the last digit, whatever the order of rows
                return replace(other, name=name, side=shown, contents=contents)
        spent: dict[str, float] = {}
        numbers = measure(
            generated=computed,
            reference=self.known["reference"],
            training=self._training,
            wanted=WANTED,
            epsilon=self.limit,
            seconds=spent,
        )
        start = time.perf_counter()
        draws, reason = self._draws(computed, numbers)
        spent["uncertainty"] = time.perf_counter() - start
        for stage, taken in spent.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + taken
        features = computed if keep and isinstance(computed, Features) else None
        return Scored(name, shown, numbers, contents, draws, reason, features)

    def _warn_of_own_reason(self, side: GivenSide, computed: Computed) -> None:
        """Warn of what only this submission is not comparable for, such as shards that it lacks."""
        own, reference = computed.provenance.not_comparable, self.known["reference"].provenance
        if own and reference.fingerprint and own not in (reference.not_comparable or ""):
            warn(f"{side.title} is not comparable: {own}")

    @property
    def _training(self) -> Computed:
        return self.known.get("memorization_reference", self.known["reference"])

    def _draws(self, computed: Computed, numbers: Numbers) -> tuple[Draws | None, str | None]:
        reason = self._no_draws(computed)
        if reason is not None:
            return None, reason
        reference, training = self.known["reference"], self._training
        assert isinstance(computed, Features)
        assert isinstance(reference, Features)
        called = features_naming(computed)
        values = asdict(numbers)
        try:
            draws = draw(
                generated=computed,
                reference=reference,
                training=training if isinstance(training, Features) else None,
                headline={
                    name: value for name, value in values.items() if isinstance(value, float)
                },
                epsilon=self.limit,
                resampling=self.resampling,
                naming=called,
                shuffled=called not in self.plain,
                cache=self.options.store,
                progress=self.options.reporter,
            )
        except UnavailableError as error:
            return None, error.message
        return draws, None

    def _no_draws(self, computed: Computed) -> str | None:
        if self.resampling.ci == 0:
            return "switched off"
        for role, words, side in (
            ("generated", "it", computed),
            ("reference", "the reference", self.known["reference"]),
        ):
            if isinstance(side, Statistics):
                return f"{words} is mean and covariance only; pictures cannot be drawn from it"
            if len(side) < 3 and role in self.resampling.resample:
                return f"{words} holds two pictures only; resampling needs at least three"
            if self.resampling.ci is None and len(side) > MOST_PICTURES:
                return (
                    f"{words} holds more than {MOST_PICTURES:,} pictures; intervals are then "
                    "computed only when a level is given"
                )
        return None


def plain_namings(sides: Iterable[GivenSide]) -> frozenset[str]:
    """Choose, for every number of pictures, whose are drawn in the order of their rows.

    Draws depend only on the number of pictures. Submissions with as many pictures under other names
    are shuffled for differences, so that they are not paired; this costs a second resampling.
    """
    first: dict[int, str] = {}
    for side in sides:
        if isinstance(side.input, Features):
            called = features_naming(side.input)
        elif isinstance(side.input, Source):
            called = naming(side.input.names)
        else:
            continue
        n = len(side.input)
        first[n] = min(called, first.get(n, called))
    return frozenset(first.values())


def _contents(side: Side, computed: Computed) -> frozenset[str]:
    found = {side.sha256} if side.sha256 else set()
    if isinstance(computed, Features):
        found.add(rows_hash(computed))
    return frozenset(found)
