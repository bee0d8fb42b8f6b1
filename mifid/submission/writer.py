"""Rules of a competition for images.zip, and a writer that follows them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mifid.errors import InputError
from mifid.files import atomic_write
from mifid.images import Pixels
from mifid.submission.resumable import stored_entry

__all__ = [
    "MONET",
    "Rules",
    "SubmissionWriter",
    "encode_picture",
    "entry_names",
    "write_submission",
]

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}


@dataclass(frozen=True)
class Rules:
    """What a competition accepts.

    Attributes:
        competition: its name.
        file_name: of the archive.
        at_least, at_most: number of pictures.
        format: Pillow's name of the file format.
        size: (width, height) in pixels.
        mode: Pillow's name of the colour mode.
    """

    competition: str
    file_name: str
    at_least: int
    at_most: int
    format: str
    size: tuple[int, int]
    mode: str


MONET = Rules(
    competition="I'm Something of a Painter Myself",
    file_name="images.zip",
    at_least=7_000,
    at_most=10_000,
    format="JPEG",
    size=(256, 256),
    mode="RGB",
)


class SubmissionWriter:
    """Writer of a submission, picture by picture. Create it with :func:`write_submission`.

    Entries are stored, since compressed pictures do not deflate; their dates are fixed, so that
    equal pictures give equal archives.
    """

    def __init__(self, archive: zipfile.ZipFile, rules: Rules) -> None:
        self._archive = archive
        self._rules = rules
        self._names: set[str] = set()

    def add(self, name: str, pixels: Pixels, *, quality: int = 95) -> None:
        """Encode pixels (H, W, 3) uint8 and add them, with the name of a photo.

        Raises:
            InputError: another size than the rules', or a name that was added before.
        """
        width, height = self._rules.size
        if pixels.shape != (height, width, 3):
            raise InputError(
                f"picture {name} has shape {pixels.shape}; "
                f"'{self._rules.competition}' expects {(height, width, 3)}",
                hint="Resize it before you add it.",
            )
        self.add_encoded(name, encode_picture(pixels, format=self._rules.format, quality=quality))

    def add_encoded(self, name: str, content: bytes) -> None:
        """Add an encoded file.

        Raises:
            InputError: the name was added before.
        """
        entry = _entry_name(name, self._rules)
        if entry in self._names:
            raise _called_twice(entry)
        self._names.add(entry)
        self._archive.writestr(stored_entry(entry), content)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def write_submission(
    path: str | os.PathLike[str], *, rules: Rules = MONET
) -> Iterator[SubmissionWriter]:
    """Yield a writer; the archive is written only if the block ends without an error.

    Raises:
        OutputError: it cannot be written there.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        yield SubmissionWriter(archive, rules)


def entry_names(names: Iterable[str], *, rules: Rules = MONET) -> list[str]:
    """Return the names that these pictures get in a submission, in the same order.

    Raises:
        InputError: two of them would get the same name.
    """
    entries = [_entry_name(name, rules) for name in names]
    seen: set[str] = set()
    for entry in entries:
        if entry in seen:
            raise _called_twice(entry)
        seen.add(entry)
    return entries


def encode_picture(pixels: Pixels, *, format: str = "JPEG", quality: int = 95) -> bytes:
    """Encode pixels (H, W, 3) uint8 as a file; ``quality`` is JPEG's."""
    buffer = io.BytesIO()
    options = {"quality": quality} if format == "JPEG" else {}
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def _entry_name(name: str, rules: Rules) -> str:
    return Path(name).with_suffix(_SUFFIXES[rules.format]).name


def _called_twice(entry: str) -> InputError:
    return InputError(
        f"two pictures would have the name {entry} in the submission",
        hint="Folders and endings are dropped; give every picture its own file name.",
    )
