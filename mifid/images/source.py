"""Source and Stream: the interfaces of all sets of pictures; subsets; file endings."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, PictureError, warn

__all__ = [
    "EXTENSIONS",
    "LOST",
    "SPECIAL",
    "WITHOUT_ENDING",
    "WITHOUT_LINKS",
    "Decoded",
    "Pixels",
    "Source",
    "Stream",
    "Subset",
    "Unchanged",
    "digest",
    "evenly",
    "is_picture",
    "no_pictures",
    "pick_pictures",
    "sampled",
    "thinned",
]

Pixels = npt.NDArray[np.uint8]
"""One picture (H, W, 3) or a batch (N, H, W, 3): uint8 RGB, 0..255."""

EXTENSIONS = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp"),
        *("png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm"),
    )
)
"""Endings of files that are read. Their first bytes, not the ending, decide how."""

_UNREAD = frozenset(
    f".{ending}"
    for ending in (
        *("avif", "heic", "heif", "jp2", "j2k", "jxl", "tga", "ico", "psd", "svg", "exr", "hdr"),
        *("pfm", "dng", "cr2", "nef", "arw", "raw", "pcx", "sgi", "xcf", "dds", "eps", "pdf"),
        *("mp4", "avi", "mov", "webm", "mkv"),
    )
)
"""Endings of pictures and videos that are not read: decoders differ, or are other programs."""

_ARCHIVES = frozenset(
    f".{ending}"
    for ending in ("zip", "tar", "tgz", "gz", "bz2", "xz", "zst", "7z", "rar", "tfrec", "tfrecord")
)

_GIVE_FILE = "Give {path} itself (unpack it first, if it is in an archive)."
_WRITE_OUT = "{path} is not a picture file: write the pictures in it to a folder or a zip."
_ADVICE = {
    **dict.fromkeys(_ARCHIVES, _GIVE_FILE),
    **dict.fromkeys([".npy", ".npz", ".pt", ".pkl", ".parquet"], _GIVE_FILE),
    ".arrow": "In Python, give the data set: datasets.load_from_disk(folder).",
    **dict.fromkeys([".mdb", ".h5", ".hdf5", ".db", ".idx"], _WRITE_OUT),
    **dict.fromkeys(_UNREAD, "Save such pictures as PNG, which is lossless."),
    "": "Rename the files with the ending of their kind, such as .jpg; other files are not read.",
}
"""Ending -> advice for a set that holds no pictures, but files of this ending."""

_SHOWN_ENDINGS = 8
_RUN, _IN_RUN = "config.toml", "in the folder of a training run"
WITHOUT_LINKS = "Put the files themselves into the archive, not links: tar -h, or zip without -y."
_RUN_ADVICE = (
    "Give its images.zip (mifid generate writes one), or its subfolder that holds the pictures."
)


@dataclass(frozen=True)
class Decoded:
    """Pixels (H, W, 3) uint8 RGB, and their original mode (``"RGB"``: not converted)."""

    pixels: Pixels
    mode: str = "RGB"


class Source(ABC):
    """A set of named pictures that can be read in any order, from several threads.

    Attributes:
        description: what the user gave, for messages and reports.
        names: one per picture, sorted; not necessarily unique (a zip may hold a name twice).
        skipped: number of entries that were skipped, by reason.
        travels: whether it can be pickled, and the copy in another process reads the same files.
            False for pictures in memory: sending them would cost more than decoding them here.
        doubts: what speaks against the range that was given for its floats.
        ranged: whether it has floats, for which the range was needed.
    """

    description: str
    names: Sequence[str]
    skipped: Counter[str]
    travels: bool = False
    doubts: tuple[str, ...] = ()
    ranged: bool = False

    @abstractmethod
    def read(self, index: int) -> bytes | Decoded:
        """Return picture ``index`` as an encoded file, or as pixels if it has no file."""

    def name(self, index: int) -> str:
        """Return the name of picture ``index``."""
        return self.names[index]

    def container_sha256(self) -> bytes | None:
        """Return the hash of the one file that holds all pictures.

        None if there is no such file, or if it changed since it was opened. With the hash, the
        pictures' own digests need not be computed: reading one file is many times faster than
        reading its entries.
        """
        return None

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:  # noqa: B027 - most sources keep no file open
        """Close files; the source must not be read afterwards."""


class Stream:
    """Batches that can be read once, in unknown number: a model may generate while it is scored.

    Attributes:
        batches: yields pixels (N, H, W, 3) uint8.
        description: what the user gave.
        limit: number of pictures after which it stops; None: at the end.
        skip_bad: leave out pictures that cannot be decoded.
        ranged: True: it may have floats, for which a range is needed.

    Attributes, complete after the iteration:
        converted: pictures that were not RGB, by mode.
        bad: (number, reason) of pictures left out, with ``skip_bad``.
        doubts: what speaks against the range that was given for its floats.
    """

    ranged = True

    def __init__(self, batches: Iterable[Pixels], description: str = "a stream of batches") -> None:
        self.batches = batches
        self.description = description
        self.skipped: Counter[str] = Counter()
        self.limit: int | None = None
        self.skip_bad = False
        self.converted: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.doubts: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Pixels]:
        left = self.limit
        for batch in self.batches:
            yield batch if left is None else batch[:left]
            left = None if left is None else left - len(batch)
            if left is not None and left <= 0:
                return

    def name(self, index: int) -> str:
        """Return the name of picture ``index``: its number."""
        return str(index)

    def close(self) -> None:
        """Do nothing: the iterable belongs to the caller."""


def is_picture(path: str) -> str | None:
    """Return None if an entry of this name is read, else the reason to skip it."""
    # Not pathlib, which takes 20 times as long: archives hold thousands of entries.
    parts = path.replace("\\", "/").split("/")
    if any((part[:1] == "." and part.strip(".")) or part == "__MACOSX" for part in parts):
        return "hidden or __MACOSX"
    ending = _ending(parts[-1])
    if ending in EXTENSIONS:
        return None
    if not ending:
        return WITHOUT_ENDING
    # Anything may follow a dot: " Smith" in "Mrs. Smith" is not an ending worth reporting.
    plain = len(ending) <= 12 and ending.isascii() and ending[1:].replace("_", "").isalnum()
    return f"ending in {ending}" if plain else _OTHERS


_OTHERS = "of other endings"
WITHOUT_ENDING = "without an ending"
SPECIAL = "of a special kind (pipe, device)"
LOST = "linked from elsewhere"


def _ending(name: str) -> str:
    """Return a name's ending with its dot, in lower case; ``""`` for none, and for ``".png"``."""
    stem, dot, suffix = name.rpartition(".")
    return (dot + suffix).lower() if stem and suffix else ""


def pick_pictures(
    names: Sequence[str], description: str, *, beside: Counter[str] | None = None
) -> tuple[list[int], Counter[str]]:
    """Choose the pictures among the files of a folder or an archive.

    Warns of skipped files that may hold pictures: archives, and formats that are not read.

    Args:
        names: of all files, including hidden ones: paths within the folder or archive.
        description: of the set, for messages.
        beside: number of files that were skipped before, by reason.

    Returns:
        The positions of the pictures, and the number of skipped files by reason.

    Raises:
        InputError: there are none, or it is the folder of a training run, whose pictures are
            plots and samples.
    """
    runs = _run_folders(names)
    if "" in runs:
        raise InputError(
            f"{description} is the folder of a training run: its pictures are plots and samples, "
            "not results",
            hint=_RUN_ADVICE,
        )
    kept: list[int] = []
    skipped = Counter(beside)
    examples: dict[str, str] = {}  # the first skipped file of each ending
    for position, name in enumerate(names):
        reason = is_picture(name)
        if runs and any(name.startswith(run) for run in runs):
            reason = _IN_RUN
        if reason is None:
            kept.append(position)
            continue
        skipped[reason] += 1
        if reason[:1] != "h" and reason != _IN_RUN:
            ending = _ending(name)
            examples[ending] = min(name, examples.get(ending, name))
    if not kept:
        raise no_pictures(description, _summed(skipped), examples)
    _warn_of_unread(description, skipped, examples)
    return kept, _summed(skipped)


def _run_folders(names: Sequence[str]) -> list[str]:
    """Return the folders, as ``"a/b/"``, that ``mifid train-baseline`` wrote; ``""`` is the top."""
    found = [name[: -len(_RUN)] for name in names if name.rpartition("/")[2] == _RUN]
    present = set(names) if found else set()
    runs = [f for f in found if {f"{f}metrics.jsonl", f"{f}best.safetensors"} & present]
    return ["" if run == "./" else run for run in runs]


def _warn_of_unread(description: str, skipped: Counter[str], examples: dict[str, str]) -> None:
    for endings, what in ((_ARCHIVES, "archives"), (_UNREAD, "pictures of other formats")):
        found = sorted(endings & set(examples), key=lambda ending: examples[ending])
        if found:
            count = sum(skipped[f"ending in {ending}"] for ending in found)
            warn(
                f"{description}: {what} in it are not read: {count:,} (first: {examples[found[0]]})"
            )


def _summed(skipped: Counter[str]) -> Counter[str]:
    """Sum up the rarest endings, of which there may be thousands, under one reason."""
    endings = [(-n, reason) for reason, n in skipped.items() if reason.startswith("ending in ")]
    rare = {reason for _, reason in sorted(endings)[_SHOWN_ENDINGS:]}
    found: Counter[str] = Counter()
    for reason, count in skipped.items():
        found[_OTHERS if reason in rare else reason] += count
    return found


def digest(content: bytes | Decoded) -> bytes:
    """Return the SHA-256 of an encoded picture, or of the shape and values of pixels."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    shape = f"pixels {content.pixels.shape}\n".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(content.pixels).tobytes()).digest()


def describe_skipped(skipped: Counter[str]) -> str:
    """Return ``"3 files hidden or __MACOSX, 1 file ending in .txt"``."""
    return ", ".join(
        f"{count:,} file{'s' * (count != 1)} {reason}" for reason, count in sorted(skipped.items())
    )


def no_pictures(
    description: str, skipped: Counter[str], examples: Mapping[str, str] | None = None
) -> InputError:
    """Return the error for a set without pictures.

    Args:
        description: of the set.
        skipped: number of files that were skipped, by reason.
        examples: one file of each ending that was found.
    """
    found = f"; it holds {describe_skipped(skipped)}" if skipped else "; it is empty"
    hint = f"Expected files ending in {' '.join(sorted(EXTENSIONS))} (any case), at any depth."
    advice = [_ADVICE[e].format(path=name) for e, name in (examples or {}).items() if e in _ADVICE]
    if any(fnmatch(name, "*part-*-*.npz") for name in (examples or {}).values()):
        advice = ["A feature store is given by the folder of its parts, on disk."]
    if skipped[LOST]:
        advice = [WITHOUT_LINKS]
    if skipped[_IN_RUN]:
        advice = [_RUN_ADVICE]
    return InputError(f"no pictures in {description}{found}", hint=" ".join([*advice[:1], hint]))


class Subset(Source):
    """The pictures of ``source`` at ``indices``. Closing the source is left to its owner."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self.indices = indices
        self.description, self.skipped = source.description, source.skipped
        self.names = [source.names[i] for i in indices]
        self.travels, self.doubts, self.ranged = source.travels, source.doubts, source.ranged

    def read(self, index: int) -> bytes | Decoded:
        """Return the source's picture ``indices[index]``."""
        return self._source.read(self.indices[index])


def evenly(n: int, limit: int) -> list[int]:
    """Choose at most ``limit`` of ``range(n)``, evenly spaced."""
    chosen = min(n, limit)
    return [i * n // chosen for i in range(chosen)]


def sampled(n: int, limit: int, seed: int) -> list[int]:
    """Draw at most ``limit`` of ``range(n)``, in order; a smaller limit draws a subset of these.

    Not evenly spaced ones: names often alternate by subject.
    """
    order = np.random.RandomState(seed).permutation(n)
    return [int(index) for index in np.sort(order[:limit])]


def thinned(source: Source, limit: int, seed: int) -> Source:
    """Draw ``limit`` pictures of a source, or return it; closing the result closes the source."""
    if len(source) <= limit:
        return source
    return _Thinned(source, sampled(len(source), limit, seed))


class _Thinned(Subset):
    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Unchanged(Source):
    """The pictures of ``source``, each checked against its digest when it is read.

    So results belong to the contents that were hashed, even if another program writes to the files
    or arrays meanwhile. Closing the source is left to its owner.

    Args:
        source: any.
        digests: SHA-256 of each picture (:func:`mifid.images.source.digest`), None if it could
            not be read.
    """

    def __init__(self, source: Source, digests: Sequence[bytes | None]) -> None:
        self._source, self._digests = source, digests
        self.description, self.skipped = source.description, source.skipped
        self.names, self.travels = source.names, source.travels

    def read(self, index: int) -> bytes | Decoded:
        """Return the source's picture.

        Raises:
            PictureError: it could not be read before, either.
            InputError: it changed, or cannot be read any more.
        """
        expected = self._digests[index]
        try:
            content = self._source.read(index)
        except PictureError:
            if expected is not None:
                raise self._changed(index) from None
            raise
        if isinstance(content, Decoded):
            # A copy, since the caller's array may change between hashing and use.
            content = Decoded(np.array(content.pixels), content.mode)
        if digest(content) != expected:
            raise self._changed(index)
        return content

    def name(self, index: int) -> str:
        """Return the source's name of the picture."""
        return self._source.name(index)

    def container_sha256(self) -> bytes | None:
        """Return the source's hash."""
        return self._source.container_sha256()

    def _changed(self, index: int) -> InputError:
        return InputError(
            f"{self.description}: '{self.names[index]}' changed while it was read",
            hint="Wait until the program that writes it has finished, or score a copy.",
        )
