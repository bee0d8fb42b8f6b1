"""Source, what every set of pictures is; parts of it, and one that must not change."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    "describe_skipped",
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
"""Of files that are read. What is in them is told by their contents, whatever the ending."""

_UNREAD = frozenset(
    f".{ending}"
    for ending in (
        *("avif", "heic", "heif", "jp2", "j2k", "jxl", "tga", "ico", "psd", "svg", "exr", "hdr"),
        *("pfm", "dng", "cr2", "nef", "arw", "raw", "pcx", "sgi", "xcf", "dds", "eps", "pdf"),
        *("mp4", "avi", "mov", "webm", "mkv"),
    )
)
"""Endings of pictures, and videos, that are not read: decoders differ, or need other programs."""

_ARCHIVES = frozenset(
    f".{ending}"
    for ending in ("zip", "tar", "tgz", "gz", "bz2", "xz", "zst", "7z", "rar", "tfrec", "tfrecord")
)

_GIVE_FILE = "Give {path} itself (unpack it first, if it is in an archive)."
_WRITE_OUT = "{path} is no picture file: write the pictures that it holds to a folder or a zip."
_ADVICE = {
    **dict.fromkeys(_ARCHIVES, _GIVE_FILE),
    **dict.fromkeys([".npy", ".npz", ".pt", ".pkl"], _GIVE_FILE),
    **dict.fromkeys([".mdb", ".parquet", ".arrow", ".h5", ".hdf5", ".db", ".idx"], _WRITE_OUT),
    **dict.fromkeys(_UNREAD, "Save such pictures as PNG, which loses nothing."),
    "": "Give the files the ending of what they are, such as .jpg; others are not looked into.",
}
"""What to do with a set that holds nothing else than files of this ending."""

_SHOWN_ENDINGS = 8
_RUN, _IN_RUN = "config.toml", "in the folder of a training run"
WITHOUT_LINKS = "Make the archive of the files that the links lead to: tar -h, or zip without -y."
_RUN_ADVICE = (
    "Give the images.zip in it (mifid generate writes one), or the folder in it that holds the "
    "pictures."
)


@dataclass(frozen=True)
class Decoded:
    """Pixels (H, W, 3) uint8 RGB, and the mode they had (``"RGB"``: nothing was converted)."""

    pixels: Pixels
    mode: str = "RGB"


class Source(ABC):
    """A set of named pictures that can be read in any order, from several threads.

    Attributes:
        description: what the user gave, for messages and reports.
        names: one a picture, sorted; not necessarily unique (a zip may hold a name twice).
        skipped: how many entries were passed over, by reason.
        travels: whether it can be pickled, and its copy in another process reads the same pictures
            from files. False where pictures are in memory: sending them would cost more than
            reading them here.
        doubts: what speaks against the range that was stated for its floats.
    """

    description: str
    names: Sequence[str]
    skipped: Counter[str]
    travels: bool = False
    doubts: tuple[str, ...] = ()

    @abstractmethod
    def read(self, index: int) -> bytes | Decoded:
        """Return picture ``index`` as an encoded file, or as pixels if it never was one."""

    def name(self, index: int) -> str:
        """Return what picture ``index`` is called."""
        return self.names[index]

    def container_sha256(self) -> bytes | None:
        """Return the hash of the one file that holds all pictures.

        None if there is no such file, or if it is not the one any more that was opened.
        The same file holds the same pictures under the same names: their digests need not be
        computed again, and reading one file whole is many times faster than its entries.
        """
        return None

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Release files; reading afterwards is an error."""


class Stream:
    """Batches that pass by once, of unknown number: for a model that generates as it is scored.

    Attributes:
        batches: yields pixels (N, H, W, 3) uint8.
        description: what the user gave.
        limit: stop after so many pictures, without asking for more; None: go on to the end.
        skip_bad: go on without pictures that cannot be decoded.

    Attributes, complete when it has passed:
        converted: pictures that were not RGB, by mode.
        bad: (number, reason) of pictures left out, with ``skip_bad``.
        doubts: what speaks against the range that was stated for its floats.
    """

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
        """Return what picture ``index`` is called: its number."""
        return str(index)

    def close(self) -> None:
        """Do nothing: what yields the batches is the caller's."""


def is_picture(path: str) -> str | None:
    """Return None if an entry of this name is to be read, else the reason to skip it."""
    # Plain string work: archives hold thousands of entries, and pathlib takes 20 times as long.
    parts = path.replace("\\", "/").split("/")
    if any((part[:1] == "." and part.strip(".")) or part == "__MACOSX" for part in parts):
        return "hidden or __MACOSX"
    ending = _ending(parts[-1])
    if ending in EXTENSIONS:
        return None
    if not ending:
        return WITHOUT_ENDING
    # Anything may stand behind a dot: "Mrs. Smith" has no ending that would be worth a line.
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

    What is passed over and may hold pictures all the same (archives, formats that are not read)
    is warned of.

    Args:
        names: of all files, hidden ones too: paths from the folder or the archive on.
        description: of the set, for messages.
        beside: what is passed over already, by reason.

    Returns:
        The positions of the pictures, and how many files are passed over, by reason.

    Raises:
        InputError: there are none, or it is the folder of a training run, of which the pictures
            are plots and samples.
    """
    runs = _run_folders(names)
    if "" in runs:
        raise InputError(
            f"{description} is the folder of a training run: its pictures are plots and samples",
            hint=_RUN_ADVICE,
        )
    kept: list[int] = []
    skipped = Counter(beside)
    examples: dict[str, str] = {}  # the first file of each ending that is passed over
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
    """Return the reasons with the rarest endings put together, lest there be thousands."""
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
    """Return the error for a set that holds nothing to score.

    Args:
        description: of the set.
        skipped: how many files were passed over, by reason.
        examples: one file of each ending that was met.
    """
    found = f"; it holds {describe_skipped(skipped)}" if skipped else "; it is empty"
    hint = f"Expected files ending in {' '.join(sorted(EXTENSIONS))} (any case), at any depth."
    advice = [_ADVICE[e].format(path=name) for e, name in (examples or {}).items() if e in _ADVICE]
    if skipped[LOST]:
        advice = [WITHOUT_LINKS]
    if skipped[_IN_RUN]:
        advice = [_RUN_ADVICE]
    return InputError(f"no pictures in {description}{found}", hint=" ".join([*advice[:1], hint]))


class Subset(Source):
    """The pictures of ``source`` at ``indices``; closing it is the source's owner's business."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self.indices = indices
        self.description, self.skipped = source.description, source.skipped
        self.names = [source.names[i] for i in indices]
        self.travels, self.doubts = source.travels, source.doubts

    def read(self, index: int) -> bytes | Decoded:
        """Return what the source holds at ``indices[index]``."""
        return self._source.read(self.indices[index])


def evenly(n: int, limit: int) -> list[int]:
    """Choose at most ``limit`` of ``range(n)``, as evenly as can be; always the same ones."""
    chosen = min(n, limit)
    return [i * n // chosen for i in range(chosen)]


def sampled(n: int, limit: int, seed: int) -> list[int]:
    """Draw at most ``limit`` of ``range(n)``, in order; a smaller limit draws some of the same.

    Not evenly: names often alternate by what they show.
    """
    order = np.random.RandomState(seed).permutation(n)
    return [int(index) for index in np.sort(order[:limit])]


def thinned(source: Source, limit: int, seed: int) -> Source:
    """Return ``limit`` pictures of a source, or all if it holds no more; closing it closes all."""
    if len(source) <= limit:
        return source
    return _Thinned(source, sampled(len(source), limit, seed))


class _Thinned(Subset):
    def close(self) -> None:
        """Close what the pictures are of."""
        self._source.close()


class Unchanged(Source):
    """The pictures of ``source``, each checked against its digest as it is read.

    What is computed of them is then of the contents that the digests name, whatever else writes
    to the files or arrays meanwhile. Closing it is the source's owner's business.

    Args:
        source: any.
        digests: SHA-256 of each picture (:func:`mifid.images.source.digest`), None where it could
            not be read.
    """

    def __init__(self, source: Source, digests: Sequence[bytes | None]) -> None:
        self._source, self._digests = source, digests
        self.description, self.skipped = source.description, source.skipped
        self.names, self.travels = source.names, source.travels

    def read(self, index: int) -> bytes | Decoded:
        """Return what the source holds.

        Raises:
            PictureError: it can be read no more than before.
            InputError: it is another picture by now, or cannot be read any more.
        """
        expected = self._digests[index]
        try:
            content = self._source.read(index)
        except PictureError:
            if expected is not None:
                raise self._changed(index) from None
            raise
        if isinstance(content, Decoded):
            # A copy: pixels that are hashed and decoded in place may change in between.
            content = Decoded(np.array(content.pixels), content.mode)
        if digest(content) != expected:
            raise self._changed(index)
        return content

    def name(self, index: int) -> str:
        """Return what the source calls it."""
        return self._source.name(index)

    def container_sha256(self) -> bytes | None:
        """Return the source's."""
        return self._source.container_sha256()

    def _changed(self, index: int) -> InputError:
        return InputError(
            f"{self.description}: '{self.names[index]}' changed while it was read",
            hint="Let what writes there finish first, or score a copy.",
        )
