"""Pipeline: pictures to features or statistics, through the cache; and features()."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifid.cache import make_key
from mifid.errors import InputError, setting, warn
from mifid.extractors import SPATIAL_WIDTH, Extractor
from mifid.images import (
    Inspection,
    Source,
    Stream,
    Unchanged,
    decoder_version,
    digests,
    open_images,
    thinned,
    warn_of_unused_ranges,
)
from mifid.inputs import check_limit
from mifid.pipeline.inference import Extraction
from mifid.pipeline.options import Keywords, Options, with_options
from mifid.statistics import Features, Provenance, Statistics, holds_statistics

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Digests",
    "Outcome",
    "Pipeline",
    "content_hash",
    "digests_from_entry",
    "digests_to_entry",
    "features",
    "features_of",
    "from_entry",
    "inspection_from_entry",
    "open_pictures",
    "statistics_from_entry",
    "statistics_to_entry",
    "to_entry",
]

Digests = list[bytes | None]
"""SHA-256 of each picture of a source, None where it could not be read."""


def content_hash(found: Digests) -> str:
    """Hash a set of pictures by their contents, whatever their names and order."""
    return make_key(*sorted(digest or b"unreadable" for digest in found))


def digests_to_entry(found: Digests) -> dict[str, npt.NDArray[Any]]:
    """Return the cache entry for the digests of pictures, in the order of their names."""
    rows = b"".join(digest or bytes(32) for digest in found)
    readable = np.array([digest is not None for digest in found])
    return {"digests": np.frombuffer(rows, np.uint8).reshape(-1, 32), "readable": readable}


def digests_from_entry(entry: dict[str, npt.NDArray[Any]]) -> Digests:
    """Return the digests in a cache entry."""
    rows, readable = entry["digests"], entry["readable"]
    return [row.tobytes() if good else None for row, good in zip(rows, readable, strict=True)]


def to_entry(
    computed: Features, found: Digests, bad: list[tuple[int, str]], inspection: Inspection
) -> dict[str, npt.NDArray[Any]]:
    """Return the cache entry for features, ordered by content: file names may change."""
    rank = _by_content(found, {index for index, _ in bad})
    rows = np.array(
        [[_hex(found[i]), computed.bad[row][0], why] for row, (i, why) in enumerate(bad)]
    )
    return {
        "features": computed.values[rank],
        "bad": rows.astype(np.str_).reshape(-1, 3),
        "converted": np.array(json.dumps(dict(computed.converted))),
        "inspection": np.array(inspection.to_json()),
        "provenance": np.array(computed.provenance.to_json()),
    }


def from_entry(entry: dict[str, npt.NDArray[Any]], source: Source, found: Digests) -> Features:
    """Give an entry's features the names and order that the pictures have in this source."""
    reasons = {str(digest): (str(name), str(reason)) for digest, name, reason in entry["bad"]}
    bad = {index for index, digest in enumerate(found) if _hex(digest) in reasons}
    values = np.empty_like(entry["features"])
    values[_by_content(found, bad)] = entry["features"]
    return Features(
        values=values,
        names=tuple(name for index, name in enumerate(source.names) if index not in bad),
        provenance=Provenance.from_json(str(entry["provenance"])),
        converted=json.loads(str(entry["converted"])),
        bad=tuple(
            # The reason names the picture as it was called when it was found bad.
            (source.names[i], reason.replace(f"'{name}'", f"'{source.names[i]}'"))
            for i in sorted(bad)
            for name, reason in [reasons[_hex(found[i])]]
        ),
    )


def statistics_to_entry(
    statistics: Statistics, converted: Mapping[str, int], inspection: Inspection
) -> dict[str, npt.NDArray[Any]]:
    """Return the cache entry for statistics."""
    return {
        "mu": statistics.mu,
        "sigma": statistics.sigma,
        "n": np.array(statistics.n),
        "converted": np.array(json.dumps(dict(converted))),
        "inspection": np.array(inspection.to_json()),
        "provenance": np.array(statistics.provenance.to_json()),
    }


def statistics_from_entry(
    entry: dict[str, npt.NDArray[Any]],
) -> tuple[Statistics, Mapping[str, int]]:
    """Return the statistics in a cache entry, and how many pictures were not RGB."""
    statistics = Statistics.from_moments(
        mu=entry["mu"],
        sigma=entry["sigma"],
        n=int(entry["n"]),
        provenance=Provenance.from_json(str(entry["provenance"])),
    )
    return statistics, json.loads(str(entry["converted"]))


def inspection_from_entry(entry: dict[str, npt.NDArray[Any]]) -> Inspection:
    """Return the properties of the pixels in a cache entry of features or statistics."""
    return Inspection.from_json(str(entry["inspection"]))


def _by_content(found: Digests, bad: set[int]) -> list[int]:
    """Rows of the good pictures, sorted by content."""
    good = [digest for index, digest in enumerate(found) if index not in bad]
    return sorted(range(len(good)), key=lambda row: good[row] or b"")


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else "unreadable"


@with_options
def features(images: Any, **keywords: Unpack[Keywords]) -> Features:
    """Compute the features of pictures, or read them from the cache.

    Args:
        images: anything that holds pictures (see :func:`mifid.images.open_images`).
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        Features: ``.values`` (N, D) float32 and ``.names``, in the order of names; ``.bad`` names
        the pictures that were left out.

    Raises:
        MifidError: bad pictures, missing weights; the message says what to do.

    >>> import numpy as np
    >>> pictures = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    >>> def brightness(batch):
    ...     return batch.float().mean(dim=(2, 3))
    >>> features(pictures, extractor=brightness).values.shape
    (4, 3)
    """
    options = Options.of(features, keywords)
    options.warn_of_unused_seed()
    return features_of(open_pictures(images, options), options)


def features_of(source: Source | Stream, options: Options, *, spatial: bool = False) -> Features:
    """Compute the features of opened pictures, and close them.

    With ``spatial`` also their spatial features, if the network has them.
    """
    check_limit(options.limit, least=1)
    available = None
    if options.limit is not None and isinstance(source, Stream):
        source.limit = options.limit
    elif options.limit is not None and isinstance(source, Source) and len(source) > options.limit:
        available = len(source)
        source = thinned(source, options.limit, options.seed)
    with closing(source):
        pipeline = Pipeline(options.network, options)
        found = pipeline.features(source, "features", spatial=spatial)
    for doubt in source.doubts:
        warn(doubt)
    inspection = pipeline.outcomes["features"].inspection
    colours = None if inspection is None else inspection.colours
    return replace(found, available=available, colours=colours)


def open_pictures(images: Any, options: Options) -> Source | Stream:
    """Open the pictures that features are computed from.

    Raises:
        InputError: it cannot be opened; it holds features or statistics already.
    """
    try:
        opened = open_images(images, value_range=options.single_range)
    except InputError as error:
        if not (isinstance(images, str | os.PathLike) and holds_statistics(images)):
            raise
        raise InputError(
            f"{os.fspath(images)} holds features or statistics already, and no pictures",
            hint=f"It can be scored against as it is: give it as {setting('reference')}.",
        ) from error
    warn_of_unused_ranges(options.value_range, {"images": opened.ranged})
    return opened


@dataclass(frozen=True)
class Outcome:
    """What is known of a source after its features were computed.

    Attributes:
        sha256: of the contents, whatever the names; None for streams.
        cached: whether the features came from the cache.
        converted: pictures that were not RGB, by mode.
        bad: (name, reason) of pictures that were left out.
        digests: one a picture; None for streams.
        inspection: properties of the pixels; None: there are no pictures.
    """

    sha256: str | None = None
    cached: bool = False
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()
    digests: Digests | None = None
    inspection: Inspection | None = None


class Pipeline:
    """One extractor and the options of a call, applied to any number of sources.

    Args:
        extractor: what computes features; that of the options, or a variant of it.
        options: of the call.

    Attributes:
        seconds: time spent by stage (``"hash generated"``, ``"extract generated"``, ...).
        outcomes: what is known of each source, by label.
    """

    def __init__(self, extractor: Extractor, options: Options) -> None:
        self.extractor = extractor
        self._options = options
        if options.device not in {"auto", "cpu"}:  # refused also where the cache holds everything
            from mifid.extractors import choose_devices

            choose_devices(options.device)
        # Features of an extractor without a fingerprint could be mistaken for another's.
        self._cache = options.store if extractor.identity.fingerprint else None
        self.seconds: dict[str, float] = {}
        self.outcomes: dict[str, Outcome] = {}

    def features(self, source: Source | Stream, label: str, *, spatial: bool = False) -> Features:
        """Return a source's features, in the order of its names.

        With ``spatial`` also its spatial features, in the same pass, if the network has them.
        """
        spatial = spatial and self._with_spatial is not None
        if isinstance(source, Stream):
            computed, extraction = self._extract(source, label, spatial=spatial)
            self.outcomes[label] = _outcome(extraction, computed.bad, None)
            return computed
        found = self._hash(source, label)
        kept = self._kept_features(source, found, label, spatial=spatial)
        if kept is not None and (kept.spatial is not None or not spatial):
            return kept
        computed, extraction = self._extract(Unchanged(source, found), label, spatial=spatial)
        if kept is not None:  # the same to the last bit, whatever is computed beside them
            computed = replace(computed, values=kept.values)
        self.outcomes[label] = _outcome(extraction, computed.bad, found)
        parts = {"features": computed.values, "spatial": computed.spatial}
        for kind, values in parts.items():
            if values is not None:
                part = replace(computed, values=values, spatial=None)
                entry = to_entry(part, found, extraction.bad, extraction.inspection)
                self._store(self._key(kind, content_hash(found)), label, entry)
        return computed

    def statistics(self, source: Source | Stream, label: str) -> Statistics:
        """Return the statistics of a source without holding all its features in memory."""
        if isinstance(source, Stream):
            return self._accumulate(source, label, None)
        found = self._hash(source, label)
        sha256 = content_hash(found)
        key = self._key("statistics", sha256)
        entry = self._load(key, label)
        if entry is not None:
            statistics, converted = statistics_from_entry(entry)
            self.outcomes[label] = Outcome(
                sha256, True, converted, (), found, inspection_from_entry(entry)
            )
            return statistics
        kept = self._kept_features(source, found, label)
        if kept is not None:
            return Statistics.from_features(kept.values, provenance=kept.provenance)
        statistics = self._accumulate(Unchanged(source, found), label, found)
        outcome = self.outcomes[label]
        if not outcome.bad:  # an entry of numbers could not name them
            assert outcome.inspection is not None
            entry = statistics_to_entry(statistics, outcome.converted, outcome.inspection)
            self._store(key, label, entry)
        return statistics

    def _kept_features(
        self, source: Source, found: Digests, label: str, *, spatial: bool = False
    ) -> Features | None:
        sha256 = content_hash(found)
        entry = self._load(self._key("features", sha256), label)
        if entry is None or (len(entry["bad"]) and not self._options.skip_bad):
            return None
        kept = from_entry(entry, source, found)
        beside = self._load(self._key("spatial", sha256), label) if spatial else None
        if beside is not None:
            kept = replace(kept, spatial=from_entry(beside, source, found).values)
        self.outcomes[label] = Outcome(
            sha256, True, kept.converted, kept.bad, found, inspection_from_entry(entry)
        )
        return kept

    def _accumulate(self, source: Source | Stream, label: str, found: Digests | None) -> Statistics:
        extraction = self._extraction(source, label)
        statistics = Statistics()
        with self._timed(f"extract {label}"), closing(iter(extraction)) as parts:
            for _, values in parts:
                statistics.update(values)
        statistics.provenance = extraction.provenance
        bad = tuple((source.name(index), reason) for index, reason in extraction.bad)
        self.outcomes[label] = _outcome(extraction, bad, found)
        return statistics

    def _extract(
        self, source: Source | Stream, label: str, *, spatial: bool
    ) -> tuple[Features, Extraction]:
        extraction = self._extraction(source, label, spatial=spatial)
        with self._timed(f"extract {label}"):
            kept, values = extraction.gather()
        own, beside = values, None
        if spatial:
            own, beside = (
                np.ascontiguousarray(part) for part in np.split(values, [-SPATIAL_WIDTH], axis=1)
            )
        named = isinstance(source, Source)
        computed = Features(
            values=own,
            spatial=beside,
            names=tuple(source.name(i) for i in kept) if named else None,
            provenance=extraction.provenance,
            converted=dict(extraction.converted),
            bad=tuple((source.name(index), reason) for index, reason in extraction.bad),
        )
        return computed, extraction

    def _extraction(
        self, source: Source | Stream, label: str, *, spatial: bool = False
    ) -> Extraction:
        extractor = self._with_spatial if spatial else self.extractor
        assert extractor is not None
        return Extraction(source, extractor, self._options, label)

    @cached_property
    def _with_spatial(self) -> Extractor | None:
        return self.extractor.with_spatial()

    def _hash(self, source: Source, label: str) -> Digests:
        """Digests of all pictures: of a single file, from the cache if it was read before."""
        hashing = f"hash {label}"
        with self._timed(hashing), self._options.reporter.task(hashing, None, ""):
            whole = source.container_sha256() if self._cache is not None else None
            if self._cache is None or whole is None:
                return digests(source, workers=self._options.workers)
            key = make_key("mifid digests 2", type(source).__name__, whole)
            entry = self._cache.load(key)
            if entry is not None and len(entry["digests"]) == len(source):
                return digests_from_entry(entry)
            found = digests(source, workers=self._options.workers)
            if source.container_sha256() == whole:  # else these may be of another file's pictures
                self._cache.store(key, digests_to_entry(found))
            return found

    def _key(self, kind: str, sha256: str) -> str:
        fingerprint = self.extractor.identity.fingerprint or ""
        return make_key(f"mifid {kind} 3", fingerprint, decoder_version(), sha256)

    def _load(self, key: str, label: str) -> dict[str, npt.NDArray[Any]] | None:
        if self._cache is None:
            return None
        with self._timed(f"cache {label}"):
            return self._cache.load(key)

    def _store(self, key: str, label: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
        if self._cache is not None:
            with self._timed(f"cache {label}"):
                self._cache.store(key, arrays)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def _outcome(
    extraction: Extraction, bad: tuple[tuple[str, str], ...], found: Digests | None
) -> Outcome:
    """Return the outcome of a source that the network has just processed."""
    return Outcome(
        None if found is None else content_hash(found),
        False,
        dict(extraction.converted),
        bad,
        found,
        extraction.inspection,
    )
