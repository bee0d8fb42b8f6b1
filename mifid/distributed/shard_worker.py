"""What computes shards, in whatever process: one network and one opened set of pictures."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import make_key
from mifid.errors import (
    InputError,
    MifidError,
    MifidWarning,
    OutputError,
    first_line,
    recorded_warnings,
    setting,
    warn,
)
from mifid.extractors import Extractor, has_accelerator
from mifid.files import check_output, given_path, is_url, make_folder
from mifid.images import Source, Stream, Subset, Unchanged, decoder_version, digests, thinned
from mifid.inputs import check_limit
from mifid.pipeline import Extraction, Options, open_pictures, provenance_of
from mifid.statistics import Part, Shard, check_fit, parts_in

__all__ = ["Answer", "Job", "Partial", "ShardWorker", "answered", "on_own_gpu"]

_OTHER_FOLDER = "Name a folder that you may write to."


@dataclass(frozen=True)
class Job:
    """What all shards of a store have in common. It can be sent to other processes.

    Attributes:
        images: anything that holds pictures, but no stream.
        store: the folder of the parts.
        options: how features are computed.
    """

    images: Any
    store: str
    options: Options


@dataclass(frozen=True)
class Partial:
    """What is known of a shard once its part is in the store.

    Attributes:
        part: its header.
        computed: False: the part was there already.
    """

    part: Part
    computed: bool


@dataclass(frozen=True)
class Answer:
    """What a process answers to a shard: a partial, or the error; and the warnings on the way."""

    partial: Partial | None = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()

    def value(self) -> Partial:
        """Issue the warnings; return the partial, or raise the error."""
        for text in self.warnings:
            warn(text)
        if self.error is not None:
            raise self.error
        assert self.partial is not None
        return self.partial


def answered(compute: Callable[[Shard], Partial], shard: Shard) -> Answer:
    """Return the answer to a shard; an error is one, too, and not a death of the process."""
    with recorded_warnings() as warned, warnings.catch_warnings():
        warnings.simplefilter("ignore", MifidWarning)  # the driver issues them
        try:
            return Answer(compute(shard), None, tuple(warned))
        except Exception as error:
            portable = error
            try:
                pickle.loads(pickle.dumps(error))
            except Exception:
                portable = MifidError(f"shard {shard}: {type(error).__name__}: {first_line(error)}")
            return Answer(None, portable, tuple(warned))


def on_own_gpu(job: Job, number: int) -> Job:
    """Return the job of process ``number`` of this machine: with several GPUs, on one of its own.

    A device that names one, such as ``"cuda:1"``, is kept.
    """
    if job.options.device not in ("auto", "cuda") or not has_accelerator():
        return job
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus < 2:
        return job
    return replace(job, options=replace(job.options, device=f"cuda:{number % gpus}"))


class ShardWorker:
    """Computes shards of one job, one after the other; a context manager.

    Raises:
        MifidError: the pictures cannot be used.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._options = job, job.options
        self._folder = Path(job.store)
        check_limit(self._options.limit)
        opened = open_pictures(job.images, self._options)
        if isinstance(opened, Stream):
            raise InputError(
                f"{opened.description} passes by once; shards need pictures that can be read in "
                "any order",
                hint="Give a folder, an archive, an array or a list.",
            )
        self._available = None
        limit = self._options.limit
        if limit is not None and len(opened) > limit:
            self._available = len(opened)
            opened = thinned(opened, limit, self._options.seed)
        self._source = opened

    @cached_property
    def _network(self) -> Extractor:
        """The network; its weights are sought once pictures and folder are known to be usable."""
        network = self._options.network
        if network.identity.fingerprint is None:
            raise InputError(
                f"extractor {network.identity.name} has no fingerprint, so the parts of a store "
                "could be of different versions of it",
                hint="Give the function an attribute fingerprint: a text that changes whenever the "
                "features would.",
            )
        return network

    def __enter__(self) -> ShardWorker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._source.close()

    def compute(self, shard: Shard) -> Partial:
        """Write the part of a shard into the store, unless it is there already.

        Raises:
            InputError: more shards than pictures; the store holds parts of something else; or a
                picture cannot be decoded.
            CompatibilityError: the store holds parts of another network.
            WeightsError: the weights of the network cannot be found.
            OutputError: the store cannot be written.
        """
        total = len(self._source)
        if shard.count > total:
            raise InputError(
                f"{self._source.description} holds only {total:,} pictures, fewer than there are "
                f"shards ({shard.count:,})",
                hint=f"Use at most {total:,}: {setting('shard', f'1/{total}')}, or with an engine "
                f"{setting('shards', total)}.",
            )
        rows = shard.rows(total)
        pictures = Subset(self._source, rows)
        self._check_folder()
        part = self._header(shard)
        there = self._check_store(part)
        found = digests(pictures, workers=self._options.workers)
        part = replace(part, key=_key(part, found))
        same = [one for one in there if one.shard == shard and one.key == part.key]
        if same:
            return Partial(same[0], computed=False)
        self._refuse_other(part, there)
        part = self._computed(part, pictures, found)
        # With its first part: a job that fails leaves no empty store, and removes none that another
        # job is about to write to.
        make_folder(self._folder, hint=_OTHER_FOLDER)
        return Partial(part.write(self._folder), computed=True)

    def _check_folder(self) -> None:
        """Refuse now a store that cannot be written later, without making it."""
        there = self._folder.absolute()
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():  # a file, or a link to nothing
            raise OutputError(
                f"cannot make the folder {self._folder}: {there} is no folder", hint=_OTHER_FOLDER
            )
        check_output(there / "part.npz")

    def _header(self, shard: Shard) -> Part:
        given = self._job.images
        path = isinstance(given, str | os.PathLike) and not is_url(os.fspath(given))
        return Part(
            shard=shard,
            total=len(self._source),
            key="",
            n=0,
            width=0,
            provenance=provenance_of(self._network, device="", batch_size=None),
            source=self._source.description,
            images=os.path.abspath(given_path(given)) if path else None,
            available=self._available,
            skipped=dict(self._source.skipped),
        )

    def _check_store(self, part: Part) -> list[Part]:
        """Return the parts of this shard in the store; refuse a store of something else.

        A part that cannot be read is no part: it is computed again.
        """
        there: list[Part] = []
        for path in parts_in(self._folder):
            number = int(path.name.split("-")[1])
            if there and number != part.shard.number:
                continue  # one of another shard is enough to see what the store is of
            try:
                one = Part.read(path)
            except MifidError:
                continue
            check_fit(part, one, str(self._folder))
            there.append(one)
        return [one for one in there if one.shard == part.shard]

    def _refuse_other(self, part: Part, there: list[Part]) -> None:
        for other in there:
            raise InputError(
                f"{other.where} is of other pictures than those of shard {part.shard} now",
                hint="If the pictures changed, compute all shards again, into another folder; if "
                "only those of this shard did, remove its part.",
            )

    def _computed(self, part: Part, pictures: Source, found: list[bytes | None]) -> Part:
        extraction = Extraction(
            Unchanged(pictures, found), self._network, self._options, f"shard {part.shard}"
        )
        kept, values = _gather(extraction, pictures)
        first = part.shard.rows(part.total).start
        rows = b"".join(digest or bytes(32) for digest in found)
        for doubt in self._source.doubts:
            warn(doubt)
        return replace(
            part,
            n=len(kept),
            width=values.shape[1],
            provenance=extraction.provenance,
            converted=dict(extraction.converted),
            bad=tuple((first + i, pictures.name(i), why) for i, why in extraction.bad),
            doubts=tuple(self._source.doubts),
            inspection=extraction.inspection,
            arrays={
                "features": values,
                "names": np.array([pictures.name(i) for i in kept], dtype=np.str_),
                "indices": kept + first,
                "digests": np.frombuffer(rows, np.uint8).reshape(-1, 32),
                "readable": np.array([digest is not None for digest in found]),
            },
        )


def _gather(
    extraction: Extraction, pictures: Source
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return rows and features; of a shard whose pictures are all left out, none of width 0."""
    try:
        return extraction.gather()
    except InputError:
        if len(extraction.bad) < len(pictures):
            raise
    return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)


def _key(part: Part, found: list[bytes | None]) -> str:
    """Hash what a part depends on: network, decoder, pictures in their order, training set."""
    return make_key(
        "mifid part 1",
        part.provenance.fingerprint or "",
        decoder_version(),
        part.training or "",
        *(digest or b"unreadable" for digest in found),
    )[:16]
