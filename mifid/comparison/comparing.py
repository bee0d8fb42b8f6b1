"""compare(): many submissions, one reference, and whether their differences are noise."""

from __future__ import annotations

import glob
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mifid.cache import Cache
from mifid.comparison.comparison import Comparison
from mifid.comparison.ranking import equalize, judged, order, place, sizes_may_differ, summarize
from mifid.comparison.submissions import Contest, Entry, blamed, plain_namings
from mifid.errors import InputError, recorded_warnings
from mifid.evaluation import check_metrics, check_numbers, check_pictures
from mifid.extractors import EXACT, Extractor, open_extractor
from mifid.formatting import encodable
from mifid.images import SideRanges, check_ranges
from mifid.inputs import GivenSide, open_side
from mifid.metrics import EPSILON
from mifid.pipeline import Settings, compute_side, describe_side, pipeline_for
from mifid.progress import Progress, choose
from mifid.uncertainty import LEVEL, SEED, Resampling

__all__ = ["compare"]

_MIFID = frozenset({"mifid"})


def compare(
    submissions: Iterable[Any] | Mapping[str, Any],
    reference: Any,
    *,
    memorization_reference: Any = None,
    epsilon: float = EPSILON,
    ci: float | None = None,
    resample: Sequence[str] = ("generated", "reference"),
    replicates: int = 1000,
    seed: int = SEED,
    extractor: str | Callable[..., Any] | Extractor = "inception",
    weights: str | Path | None = None,
    backend: str = "auto",
    precision: str = EXACT,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    value_range: SideRanges | None = None,
    limit: int | None = None,
    cache: bool = True,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Rank submissions by MiFID against one reference, and say which differences are noise.

    Every submission is resampled against the same resamples of the reference. Submissions whose
    pictures have the same names (a model's pictures of the same photos) are resampled picture by
    picture together; otherwise their draws are independent. The interval is of the difference,
    which is narrower than two intervals side by side suggest. From three submissions on, these
    intervals hold all at once, so that comparing many makes no difference look real.

    FID falls with the number of pictures. Scores and ranking are at all of them; where two hold
    different numbers, their difference is judged at the smaller one. Features are then held in
    memory (57 MB a submission of 7,000 pictures) until the best one is known.

    Args:
        submissions: at least two, each anything that :func:`mifid.score` takes as images. A mapping
            names them; otherwise they are called by their file names, or by their paths where two
            file names are the same.
        reference: the real pictures.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        epsilon: memorization distances below it are penalized.
        ci: level of the intervals in per cent; 0: none; None: 95 for up to 20,000 pictures.
        resample: which sides could have been other pictures, for the intervals.
        replicates: of the bootstrap that makes them.
        seed: of its draws.
        extractor, weights, backend, precision, device, batch_size, workers, skip_bad, value_range,
            limit, cache, progress: as for :func:`mifid.score`; ``"generated"`` is the submissions.

    Returns:
        Comparison: ``.standings``, best first, ``.summary``, ``.text()``, ``.to_json()``, ...

    Raises:
        InputError: fewer than two submissions.
        CompatibilityError: features of several extractors.
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> real = random.randint(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    >>> near = random.randint(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    >>> def colours(batch):  # any function from pictures to features
    ...     return batch.float().mean(dim=(2, 3))
    >>> found = compare({"near": near, "dark": near // 2}, real, epsilon=0, extractor=colours)
    >>> [standing.name for standing in found.standings]
    ['near', 'dark']
    >>> found["dark"].verdict
    'worse than the best: the interval of the difference is wholly above 0'
    """
    start = time.perf_counter()
    check_metrics(_MIFID, epsilon)
    resampling = Resampling(ci, resample, replicates, seed)
    shown = choose(progress)
    store = Cache() if cache else None
    given = _named(submissions)
    trained_on = [] if memorization_reference is None else ["memorization_reference"]
    check_ranges(value_range, ["generated", "reference", *trained_on])
    with recorded_warnings() as warned, ExitStack() as files:

        def opened(label: str, raw: Any, title: str) -> GivenSide:
            with blamed(title) if label == "submission" else nullcontext():
                side = open_side(label, raw, value_range=value_range, limit=limit, seed=seed)
            return files.enter_context(closing(side))

        # All are opened before any is computed: what cannot be read at all is told at once.
        references = {"reference": opened("reference", reference, "reference")}
        if memorization_reference is not None:
            label = "memorization_reference"
            references[label] = opened(label, memorization_reference, "memorization reference")
        # In the order of names, so that nothing depends on the order they were given in.
        sides, noticed = {}, {}
        for name in sorted(given):
            with recorded_warnings() as noticed[name]:
                side = opened("submission", given[name], f"submission {name}")
            sides[name] = _submission(name, side)
        seconds = {"open": time.perf_counter() - start}
        every = [*references.values(), *sides.values()]
        pipeline = pipeline_for(
            every,
            extractor=extractor,
            network=lambda: open_extractor(
                extractor, weights=weights, backend=backend, precision=precision, progress=shown
            ),
            settings=Settings(device, batch_size, workers, skip_bad),
            cache=store,
            progress=shown,
        )
        known = {label: compute_side(side, pipeline) for label, side in references.items()}
        contest = Contest(
            known,
            pipeline,
            epsilon,
            resampling,
            plain_namings(sides.values()),
            cache=store,
            progress=shown,
            seconds=seconds,
            sides=references,
        )
        keep = skip_bad or sizes_may_differ(sides.values())
        for label, side in references.items():
            check_pictures(side, known[label], pipeline)
        entries = contest.measure(sides, keep=keep)
        check_numbers(
            known,
            competition=False,
            wanted=_MIFID,
            smallest=min((entry.side.n for entry in entries if entry.side.n), default=None),
        )
        comparison = _concluded(contest, entries, seconds)
    seconds |= pipeline.seconds if pipeline else {}
    return replace(
        comparison,
        standings=tuple(
            replace(standing, warnings=(*noticed[standing.name], *standing.warnings))
            for standing in comparison.standings
        ),
        references={
            label: describe_side(side, known[label], pipeline) for label, side in references.items()
        },
        seconds={**seconds, "total": time.perf_counter() - start},
        warnings=tuple(warned),
        limit=limit,
        given=given,
        asked={
            "reference": reference,
            "memorization_reference": memorization_reference,
            "ci": ci,
            "resample": tuple(resample),
            "replicates": replicates,
            "seed": seed,
            "weights": weights,
            "backend": backend,
            "precision": precision,
            "device": device,
            "batch_size": batch_size,
            "skip_bad": skip_bad,
            "value_range": value_range,
            "limit": limit,
        },
    )


def _concluded(contest: Contest, entries: list[Entry], seconds: dict[str, float]) -> Comparison:
    """Rank what was measured and say what is noise; what the references were is still to tell."""
    asked = contest.resampling
    ordered, measure = order(entries)
    start = time.perf_counter()
    entries = equalize(
        ordered,
        ordered[0],
        reference=contest.known["reference"],
        seed=asked.seed,
        cache=contest.cache,
        progress=contest.progress,
    )
    seconds["equal numbers"] = time.perf_counter() - start
    level = LEVEL if asked.ci is None else asked.ci or None
    standings, ranked_by = place(entries, level=level, epsilon=contest.epsilon)
    drawn = [entry.draws for entry in entries if entry.draws is not None]
    return Comparison(
        standings=standings,
        ranked_by=ranked_by,
        references={},
        epsilon=contest.epsilon,
        level=level if drawn else None,
        methods=tuple(sorted({draws.method for draws in drawn})),
        replicates=asked.replicates,
        resampled=tuple(asked.resample),
        seed=asked.seed,
        simultaneous=len(judged(entries, measure)),
        summary=summarize(standings, ranked_by),
        protocol=contest.protocol,
        not_comparable=contest.not_comparable,
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Submission(GivenSide):
    """A side whose label is the user's own word, in which underscores stay."""

    @property
    def title(self) -> str:
        return self.label


def _submission(name: str, side: GivenSide) -> GivenSide:
    return _Submission(
        f"submission {name}", side.description, side.input, side.given, side.available
    )


def _named(submissions: Iterable[Any] | Mapping[str, Any]) -> dict[str, Any]:
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
    return dict(zip(_told_apart(given), given, strict=True))


def _told_apart(given: Sequence[Any]) -> list[str]:
    """File names; whole paths where those are the same; numbers for the same path twice."""
    paths = [
        encodable(os.fspath(item))
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
