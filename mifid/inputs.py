"""Inputs of a score: pictures, features or statistics, opened and named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mifid.cache import Cache, make_key
from mifid.errors import (
    CompatibilityError,
    FeatureError,
    InputError,
    MifidError,
    setting,
    warn,
)
from mifid.extractors import EXTRACTORS, Identity, check_extractor
from mifid.files import given_source, is_url, without_secrets
from mifid.formatting import spelled_out
from mifid.images import (
    Colours,
    RemoteFile,
    SideRanges,
    Source,
    Stream,
    ValueRange,
    ending_of_arrays,
    feature_rows,
    is_picture,
    open_images,
    range_of,
    sampled,
    stated_for,
    thinned,
)
from mifid.progress import Progress
from mifid.references import Found, named_sets, open_named, siblings
from mifid.statistics import UNKNOWN, Features, FeatureStore, Provenance, Statistics, formats

__all__ = [
    "GivenSide",
    "Input",
    "Side",
    "check_limit",
    "limited",
    "of_side",
    "one_picture",
    "open_input",
    "open_side",
    "refuse_mixtures",
    "refuse_other_networks",
    "refuse_useless_network",
]

Input = Source | Stream | Features | Statistics


@dataclass(frozen=True)
class GivenSide:
    """One opened side.

    Attributes:
        label: ``"generated"``, ``"reference"`` or the like.
        description: in words.
        input: the opened pictures, features or statistics.
        given: what the user gave; of a reference by name, its path.
        available: number of pictures before a limit; None: there was no limit, or it is unknown.
        named: the reference, if it was given by its name.
    """

    label: str
    description: str
    input: Input
    given: Any = None
    available: int | None = None
    named: Found | None = None

    @property
    def from_file(self) -> bool:
        """Whether it is features or statistics that were read from a file, not Python objects."""
        return _is_path(self.given) and isinstance(self.input, Features | Statistics)

    @property
    def ranged(self) -> bool:
        """Whether it has pictures of floats, for which a range is needed; a stream may have."""
        return isinstance(self.input, Source | Stream) and self.input.ranged

    @property
    def title(self) -> str:
        """The label in words."""
        return self.label.replace("_", " ")

    def close(self) -> None:
        """Close files."""
        if isinstance(self.input, Source | Stream):
            self.input.close()


def open_input(
    given: Any,
    *,
    value_range: ValueRange | None = None,
    incomplete: bool = False,
    cache: Cache | None = None,
) -> Input:
    """Open anything that scoring accepts; see :func:`mifid.images.open_images` for pictures.

    Floats (N, D), as an array or tensor, are features; a folder with the parts of a feature store
    is one. With ``incomplete``, shards of it may be missing. With ``cache``, a file of features or
    statistics at a URL is fetched once, if the server gives it an ETag.

    Raises:
        InputError: it cannot be used, and why.
    """
    if isinstance(given, Features | Statistics):
        return given
    # With a range of their values, floats (H, W) are a grey picture.
    if value_range is None and (rows := feature_rows(given)) is not None:
        return Features.from_contents(formats.Contents(features=rows))
    if isinstance(given, str | os.PathLike):
        given = given_source(given)
    if isinstance(given, str) and formats.parts_in(given):
        return FeatureStore.open(given, incomplete=incomplete)
    if ending_of_arrays(given):
        return _at_url(given, cache)
    if isinstance(given, str) and not is_url(given) and formats.holds_statistics(given):
        with formats.naming(given):
            return _computed(formats.read(given))
    if isinstance(given, list | tuple) and all(map(_is_path, given)):
        for path in map(given_source, given):
            if not is_url(path) and formats.holds_statistics(path):
                raise InputError(
                    f"{path} holds features or statistics; only sets of pictures can be joined",
                    hint="Give the pictures of each set, or one file made of all of them.",
                )
    return open_images(given, value_range=value_range)


def _at_url(url: str, cache: Cache | None) -> Features | Statistics:
    """Return the features or statistics in a file at a URL."""
    file = RemoteFile.at(url)
    identity = file.identity()
    key = None if identity is None else make_key("mifid file 1", identity)
    kept = cache.load(key) if cache and key else None
    with tempfile.TemporaryDirectory(prefix="mifid-") as folder:
        local = Path(folder, f"file{ending_of_arrays(url)}")
        if kept is None:
            file.save(local)
        else:
            kept["content"].tofile(local)
        try:
            with formats.naming(str(file)):
                found = _computed(formats.read(local, name=str(file)))
        except MifidError as error:
            error.hint = f"{error.hint} If it holds pictures, download it first (curl -LO URL)."
            raise
        if cache and key and kept is None:
            cache.store(key, {"content": np.fromfile(local, np.uint8)})
    return found


def _computed(contents: formats.Contents) -> Features | Statistics:
    if contents.features is not None:
        return Features.from_contents(contents)
    return Statistics.from_contents(contents)


def _open_named(
    found: Found, contents: formats.Contents | None, *, value_range: ValueRange | None
) -> Input:
    """Open what a reference's file holds, or the pictures of its folder."""
    path = str(found.path)
    if contents is not None:
        with formats.naming(path):
            return _computed(contents)
    opened = open_input(path, value_range=value_range)
    expected = found.reference.pictures
    if isinstance(opened, Source) and len(opened) != expected:
        warn(
            f"{found.reference.name}: {path} holds {len(opened):,} pictures, the competition's "
            f"folder {expected:,}"
        )
    return opened


_JUDGED = ("generated", "submission")


def check_limit(limit: int | None, *, least: int = 2) -> None:
    """Raise InputError for a limit that is no number of pictures, or less than ``least``."""
    if limit is not None and not hasattr(limit, "__index__"):
        raise InputError(f"{setting('limit')} is {limit!r}; expected a whole number of pictures")
    if limit is not None and limit < least:
        why = ": a covariance needs two pictures" if least == 2 else ""
        raise InputError(f"{setting('limit')} is {limit}; expected {least} or more{why}")


def limited(given: Input, limit: int, seed: int) -> Input:
    """Draw ``limit`` pictures or rows of a side with a seed; of a stream, take the first ones.

    Mean and covariance stay as they are: no pictures can be taken out of them.
    """
    if isinstance(given, Source):
        return thinned(given, limit, seed)
    if isinstance(given, Stream):
        given.limit = limit
    elif isinstance(given, Features) and len(given) > limit:
        return given.take(sampled(len(given), limit, seed))
    return given


@contextmanager
def of_side(title: str) -> Iterator[None]:
    """Put the name of the side before the text of errors within the block."""
    try:
        yield
    except (InputError, FeatureError) as error:
        raise type(error)(f"{title}: {error.message}", hint=error.hint) from error


def open_side(
    label: str,
    given: Any,
    *,
    value_range: SideRanges | None = None,
    limit: int | None = None,
    seed: int = 0,
    incomplete: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> GivenSide:
    """Open a side, and refuse a single picture before any work is done.

    Sides other than the generated pictures may be the name of a reference
    (:data:`mifid.references.REFERENCES`), which is fetched if it is not at hand; lists of sets may
    have names of folders among them.

    Args:
        label: of the side.
        given: by the user.
        value_range: of all sides, or a mapping with this one's label.
        limit: take at most so many pictures; None: all.
        seed: of their draw.
        incomplete: take a feature store although shards are missing.
        cache: where files of features and statistics at URLs are kept; None: they are not.
        progress: where a download is shown.

    Raises:
        InputError: it cannot be used, and why.
        FeatureError: one picture, which has no covariance.
    """
    ranged = "generated" if label == "submission" else label
    own_range = range_of(value_range, ranged)
    with (
        stated_for(ranged, by_side=isinstance(value_range, Mapping)),
        _of_argument(label, given),
    ):
        if given is None:
            argument = "images" if label == "generated" else label
            raise InputError(
                f"{argument} is None; expected pictures, features or statistics",
                hint="Did a function return nothing?",
            )
        named = None if label in _JUDGED else open_named(given, progress)
        if named is None:
            given = given if label in _JUDGED else named_sets(given)
            opened = open_input(given, value_range=own_range, incomplete=incomplete, cache=cache)
        else:
            given, opened = str(named[0].path), _open_named(*named, value_range=own_range)
    available = opened.available if isinstance(opened, Features) else None
    if limit is not None:
        check_limit(limit)
        if isinstance(opened, Statistics):
            warn(
                f"the {label.replace('_', ' ')} side is mean and covariance only, of all its "
                f"pictures: {setting('limit')} has no effect on it"
            )
        elif not isinstance(opened, Stream) and len(opened) > limit:
            available = available or len(opened)
        opened = limited(opened, limit, seed)
    if isinstance(opened, Source | Stream):
        description = opened.description
    else:
        what = "features" if isinstance(opened, Features) else "mean and covariance"
        place = without_secrets(os.fspath(given)) if _is_path(given) else ""
        description = f"{what} in {place}" if place else what
    found = None if named is None else named[0]
    if found is not None:
        description = found.description
    side = GivenSide(label, description, opened, given, available, found)
    if not isinstance(opened, Stream | Statistics) and len(opened) < 2:
        side.close()
        raise one_picture(side.title, description, given, n=len(opened))
    return side


def one_picture(title: str, description: str, given: Any, *, n: int = 1) -> FeatureError:
    """Return the error for a side of a single picture, with the folder that a file lies in.

    With ``n`` 0, for one of none: of an empty array, or a store whose pictures were all left out.
    """
    hint = "FID compares sets; a single picture has no distribution."
    if _is_path(given) and os.path.isfile(given) and is_picture(os.path.basename(given)) is None:
        hint += f" Give its folder: {os.path.dirname(given) or '.'}"
    return FeatureError(
        f"{title}: {description} holds {'one picture' if n else 'no pictures'}; a covariance needs "
        "two",
        hint=hint,
    )


def _of_argument(label: str, given: Any) -> AbstractContextManager[None]:
    """Name a side in errors about it: for paths as it was given, on the command line its option.

    A submission is called by its name, where there are several.
    """
    several = given if isinstance(given, list | tuple) else [given]
    if not (several and all(map(_is_path, several))):
        return of_side(label.replace("_", " "))
    if label == "submission":
        return nullcontext()
    return of_side(setting("images" if label == "generated" else label))


def _is_path(given: Any) -> bool:
    return isinstance(given, str | os.PathLike)


def refuse_mixtures(sides: Iterable[GivenSide], identity: Identity | None) -> None:
    """Raise CompatibilityError if the sides' features are from different extractors.

    A file that does not say what made it may hold Inception's features, as those of other tools do:
    beside Inception it is taken, and the report says so; beside any other network it is refused.
    What is handed over in Python is the caller's to know.

    Args:
        sides: all sides of a comparison.
        identity: of the extractor that turns pictures into features.

    Raises:
        CompatibilityError: naming both extractors.
    """
    sides = list(sides)
    _refuse_unknown(sides, identity)
    made_by: dict[str, tuple[GivenSide, Identity | Provenance]] = {}
    for side in sides:
        maker = _maker(side, identity)
        if maker.fingerprint is not None:
            made_by.setdefault(maker.fingerprint, (side, maker))
    if len(made_by) > 1:
        raise _mixture(*list(made_by.values())[:2])


_INCEPTION = (
    "inception",
    "inception-clean-fid",
    "inception-pytorch-fid",
    UNKNOWN,
    "dgm-eval inception",
)
"""Names of extractors that may have made a file which does not say what made it."""
_INCEPTION_WIDTH = 2048


def refuse_other_networks(sides: Collection[GivenSide], extractor: object) -> None:
    """Refuse files of another network than the extractor's, before its weights are loaded.

    Raises:
        CompatibilityError: naming both extractors.
    """
    pictures = next((side for side in sides if _pictures(side)), None)
    if pictures is None or not isinstance(extractor, str) or extractor not in EXTRACTORS:
        return
    for side in sides:
        if isinstance(side.input, Features | Statistics):
            maker = side.input.provenance
            if maker.fingerprint is not None and maker.extractor != extractor:
                raise _mixture((side, maker), (pictures, Identity(extractor, None)))


def refuse_useless_network(sides: Collection[GivenSide], extractor: object) -> None:
    """Refuse an extractor that made none of the files, where there are no pictures for it.

    Raises:
        InputError: there is no such extractor.
        CompatibilityError: naming both extractors.
    """
    check_extractor(extractor)
    if not isinstance(extractor, str) or any(map(_pictures, sides)):
        return
    for side in sides:
        made = side.input.provenance if isinstance(side.input, Features | Statistics) else None
        if made is not None and made.fingerprint is not None and made.extractor != extractor:
            raise CompatibilityError(
                f"the {side.title} ({side.description}) was made with extractor "
                f"'{made.extractor}', and not with '{extractor}', for which no side has pictures",
                hint=f"Leave out {setting('extractor')}, or give the pictures.",
            )


def _refuse_unknown(sides: list[GivenSide], identity: Identity | None) -> None:
    for file in sides:
        found = file.input
        if not file.from_file or isinstance(found, Source | Stream):
            continue
        name = found.provenance.extractor
        if name != UNKNOWN and not name.startswith("dgm-eval "):
            continue  # mifid made it
        for other in sides:
            other_name = _name(_maker(other, identity))
            if other_name in (name, UNKNOWN) or {name, other_name} <= set(_INCEPTION):
                if _pictures(other) and other_name in _INCEPTION:
                    _check_width(file, found, other_name)
                continue
            if name == UNKNOWN and _pictures(other) and other_name == "inception-random":
                _check_width(file, found, other_name)
            says = "does not say which network made it" if name == UNKNOWN else f"is of {name}"
            raise CompatibilityError(
                f"the {file.title} ({file.description}) {says}, and the {other.title} is made with "
                f"extractor '{other_name}': a distance between them would mean nothing",
                hint=f"Make the {file.title} again from its pictures: "
                f"{_build(setting('extractor', other_name))}. If you know that it is of this "
                "network, hand it over in Python: mifid.score(..., mifid.Statistics.load(path)).",
            )


def _check_width(file: GivenSide, found: Features | Statistics, extractor: str) -> None:
    width = found.values.shape[1] if isinstance(found, Features) else len(found.mu)
    if width != _INCEPTION_WIDTH:
        raise CompatibilityError(
            f"the {file.title} ({file.description}) has features of width {width:,}, those of "
            f"extractor '{extractor}' have {_INCEPTION_WIDTH:,}: it is another network's",
            hint=f"Make the {file.title} again from its pictures: "
            + _build("" if extractor == "inception" else setting("extractor", extractor)),
        )


def _maker(side: GivenSide, identity: Identity | None) -> Identity | Provenance:
    if isinstance(side.input, Source | Stream):
        assert identity is not None
        return identity
    return side.input.provenance


def _mixture(
    one: tuple[GivenSide, Identity | Provenance], other: tuple[GivenSide, Identity | Provenance]
) -> CompatibilityError:
    if _pictures(one[0]):
        one, other = other, one  # only what was made before can be made again
    (side, maker), (other_side, other_maker) = one, other
    name, other_name = _name(maker), _name(other_maker)
    command = _build()
    if name != other_name:
        difference, option = "", setting("extractor", name)
        command = _build(setting("extractor", other_name))
    elif maker.dtype != other_maker.dtype:
        difference, option = (
            f" in {other_maker.dtype}, not {maker.dtype}",
            f"the same {setting('precision')}",
        )
        command = f"{command} with the same {setting('precision')}"
    else:
        difference, option = " with other weights", "the same weights"
    use = f"Use {option} for the {other_side.title}, or " if _pictures(other_side) else ""
    again = f"make the {side.title} again: {command}"
    if side.named is not None and name != other_name:
        of_other = siblings(side.named.reference, other_name)
        same = f", or {setting('reference', of_other[0])}, the same pictures" if of_other else ""
        use, again = use.removesuffix(", or "), same or f", or {again} from its pictures"
    advice = use + again
    return CompatibilityError(
        f"the {side.title}{f' ({side.description})' * side.from_file} was made with extractor "
        f"'{name}', "
        f"the {other_side.title} with '{other_name}'{difference}",
        hint=advice[0].upper() + advice[1:],
    )


def _build(extractor: str = "") -> str:
    """Return the command or call that makes a file again."""
    if setting("extractor").startswith("--"):
        return f"mifid reference build {extractor}".strip()
    return f"mifid.build_reference(pictures, path{', ' if extractor else ''}{extractor})"


def _pictures(side: GivenSide) -> bool:
    return isinstance(side.input, Source | Stream)


def _name(maker: Identity | Provenance) -> str:
    return maker.name if isinstance(maker, Identity) else maker.extractor


@dataclass(frozen=True)
class Side:
    """One side of the comparison, as it was given.

    Attributes:
        source: what was given, in words.
        n: number of pictures, None if a statistics file does not say.
        available: pictures there were, of which a limit took n; None: all were taken.
        colours: of the pictures; None: there are only features, or they were not measured.
        sha256: of the contents, whatever the names; None for streams.
        cached: whether the features came from the cache.
        skipped: entries passed over, by reason.
        converted: pictures that were not RGB, by mode.
        bad: (name, reason) of pictures left out with skip_bad.
    """

    source: str
    n: int | None
    sha256: str | None = None
    cached: bool = False
    skipped: Mapping[str, int] = field(default_factory=dict)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()
    available: int | None = None
    colours: Colours | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what was scored, as plain values."""
        return {
            "source": self.source,
            "n": self.n,
            "available": self.available,
            "sha256": self.sha256,
            "cached": self.cached,
            "converted": dict(self.converted),
            "colours": None if self.colours is None else self.colours.to_dict(),
        }

    def skipped_dict(self) -> dict[str, Any]:
        """Return what was not scored, as plain values."""
        return {
            "entries": dict(self.skipped),
            "bad": [{"name": name, "reason": reason} for name, reason in self.bad],
        }

    @property
    def count(self) -> str:
        """The number of pictures as text."""
        return "unknown" if self.n is None else f"{self.n:,}"

    @property
    def taken(self) -> str:
        """The number of pictures as text, with that before a limit: ``"15 of 64"``."""
        return self.count if self.available is None else f"{self.count} of {self.available:,}"

    @property
    def remark(self) -> str:
        """What was given, and what of it was skipped or converted."""
        parts = [self.source]
        if self.available is not None:
            parts.append(f"drawn from {self.available:,}")
        if self.skipped:
            parts.append(f"skipped {_listed(self.skipped)}")
        if self.bad:
            first = self.bad[0][0]
            parts.append(f"left out {len(self.bad)} bad (first: {first})")
        if self.converted:
            parts.append(f"converted to RGB {_listed(self.converted)}")
        return spelled_out("; ".join(parts))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
