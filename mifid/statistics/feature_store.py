"""Feature stores: features in a folder of parts, each computed by one shard of the pictures.

A part is ``part-00003-<key>.npz``: of shard 3, with a key of what its features depend on. It is
written whole or not at all, so any number of machines can fill a store, and a job that was ended
goes on with what is missing. Merged, parts are in the order of the pictures' indices, whatever the
order they came in.

| In a part | contents |
|---|---|
| ``part`` | JSON: shard, numbers of pictures, key, source, left out pictures, colours, ... |
| ``features, names, indices`` | of the pictures that could be decoded, and their places |
| ``digests, readable`` | SHA-256 of every picture of the shard |
| ``mu, scatter`` | of at least as many pictures as features: their statistics |
| ``provenance`` | as in a file of features, which a part is |
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import CompatibilityError, InputError, MifidError, first_line, setting
from mifid.files import atomic_write
from mifid.formatting import listed
from mifid.images import Inspection
from mifid.statistics import formats
from mifid.statistics.features import FeatureMatrix, Features, check_finite
from mifid.statistics.provenance import Provenance
from mifid.statistics.statistics import Statistics

__all__ = ["FeatureStore", "Part", "Shard", "check_fit"]

Array = npt.NDArray[Any]

_VERSION = 1
_SHOWN = 8
_AHEAD = 2
"""Parts that are read while the ones before them are used."""


@dataclass(frozen=True, order=True)
class Shard:
    """Shard ``number`` of ``count``: a range of a set's pictures, by their index.

    >>> [list(Shard(number, 3).rows(8)) for number in (1, 2, 3)]
    [[0, 1], [2, 3, 4], [5, 6, 7]]

    Raises:
        InputError: the number is not one of 1 to ``count``.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(
                f"{setting('shard')} is {self}: there is no such shard",
                hint=f"Expected 1/{max(self.count, 1)} to {max(self.count, 1)}/"
                f"{max(self.count, 1)}; SLURM numbers them so with --array=1-{max(self.count, 1)}.",
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text such as ``"3/16"``.

        Raises:
            InputError: it is none.
        """
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
        if found is None:
            raise InputError(
                f"{setting('shard')} is '{text}'; expected NUMBER/COUNT, such as 3/16",
                hint="Shards are numbered from 1.",
            )
        return cls(int(found[1]), int(found[2]))

    def rows(self, total: int) -> range:
        """Return the indices of its pictures, of a set of ``total``."""
        first, last = (number * total // self.count for number in (self.number - 1, self.number))
        return range(first, last)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Part:
    """What one shard gave: all that is known without its features, which are read when asked for.

    Attributes:
        shard: of which it is the part.
        total: number of pictures of the whole set.
        key: hash of what the features depend on.
        n: number of pictures with features.
        width: of the features; 0 if no picture could be decoded.
        provenance: with what they were computed.
        source: the whole set, in words.
        images: the path of its pictures; None: they were not given as a path.
        available: pictures before a limit drew ``total``; None: there was no limit.
        training: SHA-256 of the training features that distances are to; None: there are none.
        skipped: entries of the set that were passed over, by reason.
        converted: pictures of the shard that were not RGB, by mode.
        bad: (index, name, reason) of its pictures that were left out.
        doubts: what speaks against the range that was given for floats.
        inspection: what its pictures look like.
        path: of the file; None: not written yet.
        arrays: what is not in the file, but in memory; for parts that are made.
    """

    shard: Shard
    total: int
    key: str
    n: int
    width: int
    provenance: Provenance
    source: str
    images: str | None = None
    available: int | None = None
    training: str | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[int, str, str], ...] = ()
    doubts: tuple[str, ...] = ()
    inspection: Inspection = field(default_factory=Inspection)
    path: Path | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Part:
        """Read the header of a part.

        Raises:
            InputError: it is cut short, damaged, or of a later version.
        """
        with _reading(path), formats.opened(path) as data:
            found = json.loads(str(data["part"][()]))
            if found["version"] > _VERSION:
                raise InputError(f"{path} is of a later version of mifid", hint="Update mifid.")
            return cls(
                shard=Shard(*found["shard"]),
                total=int(found["total"]),
                key=str(found["key"]),
                n=int(found["n"]),
                width=int(found["width"]),
                provenance=Provenance.from_json(str(data["provenance"][()])),
                source=str(found["source"]),
                images=found["images"],
                available=found["available"],
                training=found["training"],
                skipped=dict(found["skipped"]),
                converted=dict(found["converted"]),
                bad=tuple((int(i), str(name), str(why)) for i, name, why in found["bad"]),
                doubts=tuple(map(str, found["doubts"])),
                inspection=Inspection.from_json(json.dumps(found["inspection"])),
                path=path,
            )

    def write(self, folder: Path) -> Part:
        """Write it into a store, whole or not at all; return it as it is read from there.

        Raises:
            OutputError: it cannot be written.
        """
        header = {
            "version": _VERSION,
            "shard": [self.shard.number, self.shard.count],
            "total": self.total,
            "key": self.key,
            "n": self.n,
            "width": self.width,
            "source": self.source,
            "images": self.images,
            "available": self.available,
            "training": self.training,
            "skipped": dict(self.skipped),
            "converted": dict(self.converted),
            "bad": self.bad,
            "doubts": self.doubts,
            "inspection": json.loads(self.inspection.to_json()),
        }
        arrays = dict(self.arrays)
        if self.has_statistics:
            arrays |= _moments(arrays["features"])
        path = folder / f"part-{self.shard.number:05}-{self.key}.npz"
        texts = {"part": json.dumps(header), "provenance": self.provenance.to_json()}
        held: dict[str, Any] = {name: np.str_(text) for name, text in texts.items()} | arrays
        with atomic_write(path) as file:
            np.savez(file, **held)
        return replace(self, path=path, arrays={})

    def load(self, *names: str) -> list[Array]:
        """Read arrays of the part.

        Raises:
            InputError: it is damaged, or lacks one.
        """
        if self.path is None:
            found = [self.arrays[name] for name in names]
        else:
            with _reading(self.path), formats.opened(self.path) as data:
                found = [data[name] for name in names]
        for name, array in zip(names, found, strict=True):
            kind, rows = self._expected(name)
            if array.shape[:1] != (rows,) or array.dtype.kind != kind:
                raise _damaged(self.where, f"'{name}' is not that of its shard")
        return found

    def _expected(self, name: str) -> tuple[str, int]:
        """Return the kind of an array's dtype, and the number of its rows."""
        if name in ("digests", "readable"):
            return "u" if name == "digests" else "b", len(self.shard.rows(self.total))
        if name in ("mu", "scatter"):
            return "f", self.width
        return {"features": "f", "indices": "i", "names": "U"}[name], self.n

    @property
    def where(self) -> str:
        """The file in words."""
        return f"the part of shard {self.shard}" if self.path is None else str(self.path)

    @property
    def has_statistics(self) -> bool:
        """Whether the file also holds mean and scatter: these are not larger than the features."""
        return self.n >= max(self.width, 1)

    def rows(self) -> FeatureMatrix:
        """Read the features (n, D).

        Raises:
            InputError, FeatureError: they are not those of the header.
        """
        values, indices = self.load("features", "indices")
        whole = self.shard.rows(self.total)
        if (
            values.shape != (self.n, self.width)
            or indices.ndim != 1
            or not set(indices[:1].tolist() + indices[-1:].tolist()) <= set(whole)
            or (np.diff(indices) <= 0).any()
        ):
            raise _damaged(self.where, "its features are not those of its shard")
        check_finite(values, f"{self.where}: the features")
        return values

    def statistics(self) -> Statistics:
        """Return the statistics of the features, without reading these if the part holds both."""
        if self.has_statistics:
            mu, scatter = self.load("mu", "scatter")
            if mu.shape != (self.width,) or scatter.shape != (self.width, self.width):
                raise _damaged(self.where, "its statistics are not those of its features")
            for moments in (mu[None], scatter):
                check_finite(moments, f"{self.where}: the statistics")
            return Statistics.from_scatter(
                n=self.n, mean=mu, scatter=scatter, provenance=self.provenance
            )
        if self.n == 0:
            return Statistics(provenance=self.provenance)
        return Statistics.from_features(self.rows(), provenance=self.provenance)


def _moments(values: Array) -> dict[str, Array]:
    found = Statistics.from_features(values)
    return {"mu": found.mu, "scatter": found.scatter}


class FeatureStore(Features):
    """Features in the parts of a folder, in the order of the pictures' indices.

    It is used like :class:`Features`; ``values`` are read when they are first asked for.

    Args:
        parts: in any order; those of one shard with one key are one.
        incomplete: take it although shards are missing, and mark it as not comparable.
        where: the folder, for messages.

    Raises:
        CompatibilityError: parts of different networks.
        InputError: no parts, parts that contradict each other, or missing shards.

    Attributes:
        parts: one a shard, in order.
        missing: shards without a part; only with ``incomplete``.
        total: number of pictures of the whole set.
        width: of the features.
        inspection: what the pictures look like.
        skipped: entries of the set that were passed over, by reason.
        doubts: what speaks against the range that was given for floats.
        images: the path of the pictures; None: they were not given as a path.
        training: SHA-256 of the training features that the parts hold distances to, or None.
    """

    def __init__(
        self, parts: Iterable[Part], *, incomplete: bool = False, where: str = "the store"
    ) -> None:
        self._where = where
        ordered = _one_a_shard(parts, where)
        first = ordered[0]
        there = {part.shard.number for part in ordered}
        missing = [n for n in range(1, first.shard.count + 1) if n not in there]
        if missing and not incomplete:
            raise _incomplete(missing, first.shard.count, where)
        widths = {part.width for part in ordered if part.n}
        if len(widths) > 1:
            raise InputError(
                f"{where} holds features of several widths: "
                f"{listed(list(map(str, sorted(widths))))}"
            )
        self.parts = tuple(ordered)
        self.missing = tuple(Shard(n, first.shard.count) for n in missing)
        self.total = first.total
        self.width = max(widths, default=0)
        self.images, self.training = first.images, first.training
        self.skipped = Counter(first.skipped)
        self.doubts = tuple(dict.fromkeys(d for part in ordered for d in part.doubts))
        self.inspection = Inspection()
        converted: Counter[str] = Counter()
        for part in ordered:
            self.inspection.merge(part.inspection)
            converted.update(part.converted)
        bad = tuple((name, reason) for part in ordered for _, name, reason in part.bad)
        vars(self).update(
            provenance=_joined(ordered, self.missing),
            converted=dict(converted),
            bad=bad,
            available=first.available,
            spatial=None,
            colours=self.inspection.colours,
        )

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, incomplete: bool = False) -> FeatureStore:
        """Open a folder of parts.

        Raises:
            MifidError: as the class; or a part that is damaged, which the message names.
        """
        files = formats.parts_in(folder)
        if not files:
            raise InputError(
                f"{os.fspath(folder)} holds no parts of a feature store",
                hint="mifid features SOURCE -o STORE makes them: part-00001-....npz",
            )
        parts = map(Part.read, files)
        return cls(parts, incomplete=incomplete, where=os.fspath(folder))

    def __len__(self) -> int:
        return sum(part.n for part in self.parts)

    @cached_property
    def values(self) -> FeatureMatrix:
        """(N, D) float32, finite, read-only; read when they are first asked for."""
        values = np.empty((len(self), self.width), dtype=np.float32)
        start = 0
        for rows in self.row_blocks():
            values[start : start + len(rows)] = rows
            start += len(rows)
        values.flags.writeable = False
        return values

    @cached_property
    def names(self) -> tuple[str, ...]:
        """N names, in the order of the set."""
        return tuple(str(name) for part in self.parts for name in part.load("names")[0])

    @cached_property
    def digests(self) -> list[bytes | None]:
        """SHA-256 of each picture, None where it could not be read."""
        found: list[bytes | None] = []
        for part in self.parts:
            rows, readable = part.load("digests", "readable")
            found += [
                row.tobytes() if good else None for row, good in zip(rows, readable, strict=True)
            ]
        return found

    def take(self, rows: npt.NDArray[np.int64] | Sequence[int]) -> Features:
        """Return the features of some pictures, by their rows."""
        wanted = np.asarray(rows, dtype=np.int64)
        values = np.empty((len(wanted), self.width), dtype=np.float32)
        start = 0
        for part in self.parts:
            here = np.flatnonzero((wanted >= start) & (wanted < start + part.n))
            if len(here):
                values[here] = part.rows()[wanted[here] - start]
            start += part.n
        return Features(
            values,
            tuple(self.names[row] for row in wanted),
            self.provenance,
            self.converted,
            self.bad,
            self.available,
        )

    def row_blocks(self) -> Iterator[FeatureMatrix]:
        """Yield the features (n, D) of one part after the other."""
        for part in self.parts:
            if part.n:
                yield part.rows()

    def statistics(self) -> Statistics:
        """Return mean and covariance, merged in the order of shards; few parts are in memory.

        Features of parts smaller than D are added row by row: a D x D matrix of each takes longer.
        Those of larger parts k with n_k pictures, means m_k and scatters M_k, of N pictures with
        mean m, are ``sum_k M_k + n_k (m_k - m)(m_k - m)^T`` (Chan, Golub and LeVeque 1979), where
        the last terms are one product.
        """
        merged = Statistics()
        large = [part for part in self.parts if part.has_statistics]
        for part in self.parts:
            if part.n and not part.has_statistics:
                merged.update(part.rows())
        if large:
            counts = np.array([part.n for part in large], dtype=np.float64)
            means = np.empty((len(large), self.width))
            scatter = np.zeros((self.width, self.width))
            for k, found in enumerate(_read_ahead(large)):
                means[k] = found.mu
                scatter += found.scatter
            mean = counts @ means / counts.sum()
            rows = np.sqrt(counts)[:, None] * (means - mean)
            scatter += rows.T @ rows
            merged.merge(Statistics.from_scatter(n=int(counts.sum()), mean=mean, scatter=scatter))
        merged.provenance = self.provenance
        return merged


def _read_ahead(parts: Sequence[Part]) -> Iterator[Statistics]:
    """Yield the statistics of each part, while those of the next ones are being read."""
    under_way: deque[Future[Statistics]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        for part in parts:
            under_way.append(pool.submit(part.statistics))
            if len(under_way) > _AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _one_a_shard(parts: Iterable[Part], where: str) -> list[Part]:
    """Return one part a shard, in order.

    Raises:
        CompatibilityError: they are of different networks.
        InputError: there are none, or they contradict each other.
    """
    found: dict[int, Part] = {}
    first = None
    for part in sorted(parts, key=lambda part: (part.shard, part.key)):
        first = first or part
        check_fit(part, first, where)
        other = found.setdefault(part.shard.number, part)
        if other.key != part.key:
            raise InputError(
                f"{where} holds two different parts of shard {part.shard}: {_file(other)} and "
                f"{_file(part)}",
                hint="The pictures changed between them. Remove the older one.",
            )
    if not found:
        raise InputError(f"{where} holds no parts of a feature store")
    return [found[number] for number in sorted(found)]


def check_fit(part: Part, other: Part, where: str) -> None:
    """Raise an error unless two parts can be of one store.

    Raises:
        CompatibilityError: they are of different networks.
        InputError: of other sets of pictures, other numbers of shards, or another training set.
    """
    one, two = part.provenance, other.provenance
    apart = "Use one folder for each."
    if one.fingerprint != two.fingerprint:
        raise CompatibilityError(
            f"{where} holds parts of different networks: {_file(other)} of {_network(two)}, "
            f"{_file(part)} of {_network(one)}",
            hint=apart,
        )
    for what, theirs, ours in (
        ("numbers of shards", other.shard.count, part.shard.count),
        ("numbers of pictures of the set", other.total, part.total),
        ("decoders", two.decoder, one.decoder),
        ("training sets", _digest(other.training), _digest(part.training)),
        ("numbers of pictures before the limit", other.available, part.available),
    ):
        if theirs != ours:
            raise InputError(
                f"{where} holds parts of different {what}: {_file(other)} of {theirs}, "
                f"{_file(part)} of {ours}",
                hint=f"They are not shards of one set. {apart}",
            )


def _digest(sha256: str | None) -> str:
    return "none" if sha256 is None else f"{sha256[:12]}..."


def _network(provenance: Provenance) -> str:
    return f"{provenance.extractor} ({provenance.dtype}, {provenance.resize})"


def _file(part: Part) -> str:
    return f"shard {part.shard}" if part.path is None else part.path.name


def _incomplete(missing: Sequence[int], count: int, where: str) -> InputError:
    shown = [f"{number}/{count}" for number in missing[:_SHOWN]]
    more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
    return InputError(
        f"{where} is incomplete, without {len(missing):,} of {count:,} shards: "
        f"{', '.join(shown)}{more}",
        hint=f"Compute them: mifid features SOURCE -o {where} --shard {shown[0]}; or take what is "
        f"there, which is marked as not comparable: {setting('incomplete', True)}",
    )


def _joined(parts: Sequence[Part], missing: Sequence[Shard]) -> Provenance:
    """Return the provenance of all parts; machines may differ in device, backend and versions."""
    all_of_them = [part.provenance for part in parts]
    first = all_of_them[0]
    sizes = {each.batch_size for each in all_of_them}
    versions: dict[str, set[str]] = {}
    for each in all_of_them:
        for package, version in each.versions.items():
            versions.setdefault(package, set()).add(version)
    reasons = [first.not_comparable] if first.not_comparable else []
    if missing:
        reasons.append(
            f"without {len(missing):,} of the {missing[0].count:,} shards of the feature store"
        )
    return replace(
        first,
        not_comparable="; ".join(reasons) or None,
        device=", ".join(sorted({each.device for each in all_of_them})),
        backend=", ".join(sorted({each.backend for each in all_of_them})),
        batch_size=first.batch_size if len(sizes) == 1 else None,
        versions={package: ", ".join(sorted(found)) for package, found in versions.items()},
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Name the part, and say what to do, in errors about a damaged file."""
    try:
        yield
    except MifidError as error:
        if str(path) in error.message:
            raise
        raise _damaged(str(path), error.message) from error
    except (*formats.DAMAGED, TypeError) as error:
        raise _damaged(str(path), first_line(error)) from error


def _damaged(where: str, why: str) -> InputError:
    return InputError(
        f"{where} cannot be read: {why}",
        hint="It may be cut short or damaged. Remove it and compute its shard again: "
        "mifid features SOURCE -o STORE --shard NUMBER/COUNT",
    )
