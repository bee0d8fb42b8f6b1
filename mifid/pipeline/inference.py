"""Pictures + extractor -> features: the only place that runs a network over data."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, InputError
from mifid.extractors import Extractor, isolated
from mifid.images import (
    Batch,
    BatchReader,
    Decoders,
    Inspection,
    Pixels,
    Source,
    Stream,
    at_a_time,
    can_travel,
    decoder_version,
)
from mifid.machine import available_cores
from mifid.pipeline.options import Options
from mifid.statistics import FeatureMatrix, Provenance, check_finite

__all__ = ["Extraction", "features_of_pixels", "provenance_of"]

_MANY_CORES = 4
_MANY_PICTURES = 1000  # fewer are decoded before processes have started
_PACKAGES = ("mifid", "torch", "torch-fidelity", "timm", "openvino", "numpy", "pillow")


class Extraction:
    """Iterates once over (indices (B,), features (B, D)) of a source, in the order of batches.

    Args:
        source: the pictures.
        extractor: what computes their features.
        options: device, batch size, workers, and what happens to bad pictures.
        label: of the source, for its progress.
        decoders: ``"threads"`` or ``"processes"``; None: processes where a GPU would wait.

    Attributes, complete when the iteration is:
        provenance: what computed the features.
        converted: pictures that were not RGB, by mode.
        bad: (index, reason) of pictures that were left out.
        inspection: what the pictures look like.
        total: number of pictures read.
    """

    def __init__(
        self,
        source: Source | Stream,
        extractor: Extractor,
        options: Options,
        label: str,
        *,
        decoders: Decoders | None = None,
    ) -> None:
        self._source = source
        self._extractor = extractor
        self._options = options
        self._label = label
        self._decoders = decoders
        self.provenance = Provenance()
        self.converted: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.inspection = Inspection()
        self.total = 0

    def __iter__(self) -> Generator[tuple[npt.NDArray[np.int64], FeatureMatrix], None, None]:
        with isolated():
            device = self._extractor.load(self._options.device)
        size = self._options.batch_size or self._extractor.batch_size
        self.provenance = provenance_of(self._extractor, device=device, batch_size=size)
        known = len(self._source) if isinstance(self._source, Source) else None
        with (
            # Closed with this generator: what decodes ends then, not when an error that holds a
            # traceback, and so all of this, is forgotten.
            closing(self._batches(size, device)) as batches,
            self._options.reporter.task(self._label, known, "picture") as task,
        ):
            for batch, features in _computed(self._extractor, batches):
                _check(features, batch, self._extractor, self._source.name)
                self.inspection.add(batch.pixels)
                self.total += len(features)
                task.advance(len(features))
                yield batch.indices, features
        if self.total == 0:
            raise self._nothing()

    def gather(self) -> tuple[npt.NDArray[np.int64], FeatureMatrix]:
        """Run over all pictures; return which there are features of, in order, and the features.

        Raises:
            FeatureError: features that are not a row a picture, of several widths, or not finite.
        """
        rows = _Rows(len(self._source) if isinstance(self._source, Source) else None)
        with closing(iter(self)) as parts:
            for indices, values in parts:
                rows.add(indices, values)
        return rows.finish()

    def _batches(self, size: int, device: str) -> Generator[Batch, None, None]:
        if isinstance(self._source, Stream):
            self._source.skip_bad = self._options.skip_bad
            self.converted, self.bad = self._source.converted, self._source.bad
            yield from _stream_batches(self._source, size)
            return
        reader = BatchReader(
            self._source,
            batch_size=size,
            workers=self._options.workers,
            skip_bad=self._options.skip_bad,
            decoders=self._decoders or _decoders(device, self._source),
        )
        # The reader's counters grow as it is read.
        self.converted, self.bad = reader.converted, reader.bad
        with closing(iter(reader)) as batches:
            yield from batches

    def _nothing(self) -> InputError:
        if self.bad:
            return InputError(
                f"{self._source.description}: all {len(self.bad)} pictures are bad; "
                f"the first: {self.bad[0][1]}"
            )
        return InputError(f"{self._source.description} gave no pictures")


def features_of_pixels(
    pixels: Pixels, extractor: Extractor, *, batch_size: int | None = None
) -> FeatureMatrix:
    """Compute the features (N, D) of pictures in memory, with an extractor that is loaded.

    Args:
        pixels: (N, H, W, 3) uint8, N at least 1.
        extractor: what computes them.
        batch_size: pictures at a time; None: what suits the extractor.

    Raises:
        FeatureError: features that are not a row a picture, or not finite.
    """
    batches = _cut(pixels, 0, batch_size or extractor.batch_size)
    parts = []
    for batch, features in _computed(extractor, batches):
        _check(features, batch, extractor, str)
        parts.append(features)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _computed(
    extractor: Extractor, batches: Iterator[Batch]
) -> Iterator[tuple[Batch, FeatureMatrix]]:
    """Yield batches with their features, while a device is at work on the next ones."""
    under_way: deque[tuple[Batch, Callable[[], FeatureMatrix]]] = deque()
    for batch in batches:
        with isolated():
            under_way.append((batch, extractor.submit(batch.pixels)))
        if len(under_way) >= extractor.in_flight:
            done, features = under_way.popleft()
            yield done, features()
    for done, features in under_way:
        yield done, features()


def _check(
    features: FeatureMatrix, batch: Batch, extractor: Extractor, name_of: Callable[[int], str]
) -> None:
    name = extractor.identity.name
    if features.ndim != 2 or len(features) != len(batch.indices):
        raise FeatureError(
            f"extractor {name} turned {len(batch.indices)} pictures into features of shape "
            f"{features.shape}; expected ({len(batch.indices)}, width)"
        )
    try:
        check_finite(features, f"the features of extractor {name}")
    except FeatureError as error:
        first = int(batch.indices[~np.isfinite(features).all(axis=1)][0])
        raise FeatureError(
            f"extractor {name} gives NaN or infinite features, first for picture "
            f"'{name_of(first)}'",
            hint=error.hint,
        ) from error


def provenance_of(extractor: Extractor, *, device: str, batch_size: int | None) -> Provenance:
    """Return the provenance of features that this extractor computes."""
    identity = extractor.identity
    return Provenance(
        extractor=identity.name,
        fingerprint=identity.fingerprint,
        not_comparable=identity.not_comparable,
        weights_sha256=identity.weights_sha256,
        resize=identity.resize,
        decoder=decoder_version(),
        dtype=identity.dtype,
        device=device,
        backend=extractor.backend,
        batch_size=batch_size,
        versions=dict(_versions()),
    )


def _decoders(device: str, source: Source) -> Decoders:
    """Threads feed any CPU's network; beside a GPU Python's lock ends what they can do."""
    many = len(source) >= _MANY_PICTURES and available_cores() >= _MANY_CORES
    return "processes" if device.startswith("cuda") and many and can_travel(source) else "threads"


def _stream_batches(stream: Stream, size: int) -> Iterator[Batch]:
    start = 0
    for pixels in stream:
        yield from _cut(pixels, start, size)
        start += len(pixels)


def _cut(pixels: Pixels, start: int, size: int) -> Iterator[Batch]:
    """Yield batches of at most ``size`` pictures, which are numbered from ``start`` on."""
    most = at_a_time(size, pixels[0].nbytes) if len(pixels) else size
    for offset in range(0, len(pixels), most):
        part = pixels[offset : offset + most]
        yield Batch(part, np.arange(start + offset, start + offset + len(part)))


@cache  # a look takes 20 ms, as long as a small score
def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # run from a checkout that is not installed
    return found


class _Rows:
    """Features put in their places as they come, so that they are in memory once.

    Args:
        count: of pictures; None: not known before the last one.
    """

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._indices: list[npt.NDArray[np.int64]] = []
        self._parts: list[FeatureMatrix] = []
        self._values: FeatureMatrix | None = None
        self._width: int | None = None

    def add(self, indices: npt.NDArray[np.int64], values: FeatureMatrix) -> None:
        """Add the features (B, D) of pictures ``indices``."""
        width = values.shape[1]
        if self._width not in {None, width}:
            widths = sorted({self._width, width})
            raise FeatureError(f"the extractor's features have several widths: {widths}")
        self._width = width
        self._indices.append(indices)
        if self._count is None:
            self._parts.append(values)
            return
        if self._values is None:
            self._values = np.empty((self._count, width), dtype=np.float32)
        self._values[indices] = values

    def finish(self) -> tuple[npt.NDArray[np.int64], FeatureMatrix]:
        """Return the pictures that there are features of, in order, and their features."""
        indices = np.sort(np.concatenate(self._indices))
        if self._values is None:
            return indices, np.concatenate(self._parts)  # a stream's come in order
        complete = len(indices) == self._count
        return indices, self._values if complete else self._values[indices]
