"""select(): which pictures of a set to train on."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mifid.errors import InputError, recorded_warnings, setting, warn
from mifid.files import given_source, is_url
from mifid.formatting import listed
from mifid.images import (
    Source,
    Stream,
    Subset,
    check_ranges,
    is_picture,
    open_images,
    range_of,
    warn_of_unused_ranges,
)
from mifid.inputs import GivenSide, of_side
from mifid.pipeline import (
    ComputedSide,
    Keywords,
    Options,
    Pipeline,
    choose_network,
    compute_side,
    open_sides,
    pipeline_for,
    with_options,
)
from mifid.registry import did_you_mean, meant
from mifid.selection.choices import (
    AgainstRandom,
    Choice,
    by_search,
    by_style,
    compare_with_random,
    most_typical,
)
from mifid.selection.dropping import Dropped, drop_by, thresholds_of
from mifid.selection.measures import Floats, PixelMeasures, Rows, directions, measure
from mifid.selection.search import Genetic
from mifid.selection.selection import Selection
from mifid.statistics import FeatureMatrix, Features

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["select"]

_NETWORK = "lite0"
_SEARCHED, _KEPT = "held-out pictures that the search saw", "held-out pictures that it did not see"


@with_options
def select(
    source: Any,
    *,
    drop: str | Sequence[str] | Mapping[str, float | None] = (),
    keep: int | None = None,
    style: int | None = None,
    like: Any = None,
    search: int | None = None,
    held_out: Any = None,
    population: int = Genetic.population,
    generations: int = Genetic.generations,
    mutation: float = Genetic.mutation,
    **keywords: Unpack[Keywords],
) -> Selection:
    """Choose the pictures of a set to train on: drop some, then choose among the others.

    ``extractor=None`` is lite0 here. docs/training.md defines the measures, and says by which
    numbers their thresholds were chosen.

    Args:
        source: the pictures, in any form that can be read twice.
        drop: criteria by which pictures go: ``"dark"``, ``"blurred"``, ``"duplicates"``,
            ``"outliers"``; with other thresholds as ``"dark=50,blurred"`` or ``{"dark": 50}``.
        keep: take so many of the most typical pictures, which have near neighbours.
        style: take so many of one style: those nearest to ``like``.
        like: what shows the style: the name of one of the pictures, or any pictures. None: the
            tightest cluster.
        search: take so many by a genetic search for the least Fréchet distance to one half of
            ``held_out``; the other half judges the result.
        held_out: pictures that are not in the source, or a file of their features. With ``keep``
            or ``style`` the choice is compared with random ones at all of them.
        population, generations, mutation: of the search; see
            :class:`mifid.selection.search.Genetic`.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        Selection: ``.names``, ``.reasons``, ``.measures``; ``.save("names.txt")`` for
        ``train-baseline --select``, ``.sheet("sheet.html")``.

    Raises:
        MifidError: an input that cannot be used, or fewer pictures than asked for.

    >>> import numpy as np
    >>> pictures = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    >>> pictures[1], pictures[2] = pictures[0], 0
    >>> def colours(batch):
    ...     return batch.float().mean(dim=(2, 3))
    >>> chosen = select(pictures, drop="dark,duplicates", extractor=colours)
    >>> chosen.names
    ('[0]', '[3]', '[4]', '[5]')
    >>> chosen.reasons["[2]"]
    'brightness 0.0, below 60'
    """
    options = Options.of(select, keywords)
    thresholds = thresholds_of(drop)
    method, count = _asked(
        {"keep": keep, "style": style, "search": search}, like=like, held_out=held_out
    )
    settings = Genetic(population=population, generations=generations, mutation=mutation)
    _check_used(settings, method)
    given = {"source": source} | ({} if held_out is None else {"held_out": held_out})
    check_ranges(options.value_range, given if like is None else given | {"like": like})
    random = np.random.RandomState(options.seed)
    with recorded_warnings() as warned, open_sides(given, options) as sides:
        ranged = {side.label: side.ranged for side in sides} | {"like": like is not None}
        warn_of_unused_ranges(options.value_range, ranged)
        pictures = _pictures(sides[0])
        options = choose_network(options, sides, otherwise=_NETWORK)
        pipeline = pipeline_for(sides, options)
        assert pipeline is not None  # the source has pictures
        # What may be refused comes first, the many pictures last.
        _left({}, len(pictures), count, asked=method)
        held = [compute_side(side, pipeline) for side in sides[1:]]
        references = _references(held, random, halved=method == "search")
        shown, called = _shown(like, pictures, pipeline, options)
        computed = compute_side(sides[0], pipeline)
        features = _features(computed)
        _warn_of_shared(computed, held)
        pixels = Pipeline(PixelMeasures(), options).features(pictures, "pixels")
        measures = measure(features, pixels)
        dropped = drop_by(measures, thresholds)
        left = _left(dropped, len(measures), count, asked=method)
        choice = None
        if method == "keep":
            choice = most_typical(measures, left, count)
        elif method == "style":
            choice = by_style(measures, left, count, like=shown, called=called)
        elif method == "search":
            choice = by_search(
                features.values,
                left,
                count,
                held_out=references[_SEARCHED],
                settings=settings,
                random=random,
                progress=options.reporter,
            )
        chosen = left if choice is None else choice.rows
        comparisons = _compared(features.values, chosen, references, random)
    return Selection(
        measures=measures,
        dropped=dropped | _missed(choice, left),
        thresholds=thresholds,
        choice=choice,
        comparisons=comparisons,
        source=computed.description,
        extractor=pipeline.extractor.identity.name,
        warnings=tuple(warned),
        given=source,
        value_range=options.value_range,
    )


def _asked(counts: Mapping[str, int | None], *, like: Any, held_out: Any) -> tuple[str, int]:
    """Return the argument that says how many pictures to take, and their number; or "", 0."""
    given = {name: count for name, count in counts.items() if count is not None}
    if len(given) > 1:
        raise InputError(
            f"{listed(map(setting, given))} are given together; each chooses in its own way",
            hint="Give one of them.",
        )
    method, count = next(iter(given.items()), ("", 0))
    if method and (not hasattr(count, "__index__") or count < 2):
        raise InputError(f"{setting(method)} is {count!r}; expected 2 or more pictures")
    if like is not None and method != "style":
        raise InputError(
            f"{setting('like')} is given without {setting('style')}",
            hint=f"Say how many to take: {setting('style', 30)}.",
        )
    if method == "search" and held_out is None:
        raise InputError(
            f"{setting('search')} needs {setting('held_out')}, pictures to be near to",
            hint="Give pictures that are not in the source; one half of them judges the result.",
        )
    return method, count


def _check_used(settings: Genetic, method: str) -> None:
    """Refuse settings of a search if there is none."""
    if method != "search" and settings != Genetic():
        usual = asdict(Genetic())
        given = [name for name, value in asdict(settings).items() if value != usual[name]]
        raise InputError(
            f"{listed(map(setting, given))} {'is' if len(given) == 1 else 'are'} given without "
            f"{setting('search')}",
            hint=f"Say how many the search takes: {setting('search', 30)}.",
        )


def _pictures(side: GivenSide) -> Source:
    """Return the pictures to choose from.

    Raises:
        InputError: they pass by once, or there are only features.
    """
    if not isinstance(side.input, Source):
        raise InputError(
            f"{setting('source')}: {side.description} has no pictures that can be read twice",
            hint="Give a folder, an archive, an array or a list of pictures.",
        )
    for doubt in side.input.doubts:
        warn(doubt)
    return side.input


def _features(side: ComputedSide) -> Features:
    if isinstance(side.computed, Features):
        return side.computed
    raise InputError(
        f"{setting(side.opened.label)}: {side.opened.description} is mean and covariance only; "
        "the features of single pictures are needed",
        hint="Give the pictures, or a file of mifid reference build.",
    )


def _references(
    held_out: Sequence[ComputedSide], random: np.random.RandomState, *, halved: bool
) -> dict[str, FeatureMatrix]:
    """Return title -> held-out features; for a search, one half for it and one to judge it."""
    for side in held_out:
        values = _features(side).values
        if not halved:
            return {"held-out pictures": values}
        if len(values) < 4:
            raise InputError(
                f"{setting('held_out')} has {len(values)} pictures; {setting('search')} needs at "
                "least 4: a half of two for the search, and another one to judge its result"
            )
        order, half = random.permutation(len(values)), len(values) // 2
        return {_SEARCHED: values[order[:half]], _KEPT: values[order[half:]]}
    return {}


def _warn_of_shared(source: ComputedSide, held_out: Sequence[ComputedSide]) -> None:
    """Warn of held-out pictures that are also among those to choose from, byte for byte."""
    own = set(source.outcome.digests or ()) - {None}
    if shared := sum(each in own for side in held_out for each in side.outcome.digests or ()):
        warn(
            f"{shared:,} held-out pictures are also among those to choose from: the distance "
            "rewards choosing them"
        )


def _left(dropped: Mapping[int, Dropped], n: int, count: int, *, asked: str) -> Rows:
    """Return the rows that are not dropped.

    Raises:
        InputError: there are none, or fewer than asked for.
    """
    left = np.setdiff1d(np.arange(n), list(dropped))
    if len(left) >= max(1, count):
        return left
    by = Counter(each.criterion for each in dropped.values())
    went = listed(f"{number:,} {name}" for name, number in by.items())
    wanted = f"{setting(asked)} is {count:,}, but " if count else ""
    there = f"{len(left):,} of {n:,} pictures are left: {went} went" if by else f"there are {n:,}"
    raise InputError(
        f"{wanted}{there}",
        hint=" ".join(
            [f"Lower {setting(asked)}."] * bool(count)
            + [f"Drop fewer, with other thresholds: {setting('drop', 'dark=40')}."] * bool(by)
        ),
    )


def _shown(
    like: Any, pictures: Source, pipeline: Pipeline, options: Options
) -> tuple[Floats | None, str]:
    """Return the directions of the pictures that show the style, and what they are called."""
    if like is None:
        return None, ""
    is_path = isinstance(like, str | os.PathLike)
    with of_side(setting("like") if is_path else "like"):
        path = given_source(like) if is_path else ""
        opened: Source | Stream
        if is_path and path in pictures.names and not os.path.exists(path):
            opened, called = Subset(pictures, [pictures.names.index(path)]), f"'{path}'"
        elif is_path and not (is_url(path) or os.path.exists(path) or glob.has_magic(path)):
            raise _no_picture(path, pictures.names)
        else:
            single = os.path.isfile(path) and is_picture(os.path.basename(path)) is None
            own_range = range_of(options.value_range, "like")
            opened = open_images([path] if single else like, value_range=own_range)
            called = f"'{os.path.basename(path)}'" if single else f"those of {opened.description}"
        with closing(opened):
            return directions(pipeline.features(opened, "like").values), called


def _no_picture(name: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"there is no file '{name}', and none of the {len(names):,} pictures has this name",
        hint=f"{did_you_mean(meant(name, list(names)))}Give the path of a picture, or a name such "
        f"as '{names[0]}'.",
    )


def _compared(
    features: FeatureMatrix,
    chosen: Rows,
    references: Mapping[str, FeatureMatrix],
    random: np.random.RandomState,
) -> tuple[AgainstRandom, ...]:
    if references and not 2 <= len(chosen) < len(features):
        warn(
            f"{len(chosen):,} of {len(features):,} pictures stay: there are no other choices of "
            "so many to compare with at the held-out pictures"
        )
        return ()
    return compare_with_random(features, chosen, held_out=references, random=random)


def _missed(choice: Choice | None, left: Rows) -> dict[int, Dropped]:
    """Return the rows that were left but not chosen, and why."""
    if choice is None:
        return {}
    found = {}
    for row in np.setdiff1d(left, choice.rows).tolist():
        value = float(choice.values[row]) if choice.quantity else float(row)
        number = f"{choice.quantity} {value:.3f}, " if choice.quantity else ""
        found[row] = Dropped(choice.name, f"{number}{choice.missed}", value)
    return found
