"""Pictures in a zip file, read entry by entry and never unpacked to disk."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from mifid.errors import InputError, PictureError
from mifid.images.archive import Entry, select
from mifid.images.source import Source

__all__ = ["ZipSource", "accepts", "open_zip", "open_zip_file"]

_ENCRYPTED = 0x1  # general purpose bit flag, APPNOTE 4.4.4


class ZipSource(Source):
    """A zip file's pictures, at any depth. ZipFile locks its file, so threads may read."""

    def __init__(self, path: Path) -> None:
        self.description = f"zip {path}"
        self.skipped = Counter()
        self._zip = open_zip_file(path)
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        entries = select(
            (Entry(info.filename, info.file_size, info) for info in infos),
            description=self.description,
            archive_bytes=path.stat().st_size,
            skipped=self.skipped,
        )
        self._infos = [entry.where for entry in entries]
        self.names = [entry.name for entry in entries]
        self._refuse_encrypted()

    def read(self, index: int) -> bytes:
        """Return the entry's bytes; its CRC is checked on the way.

        Raises:
            PictureError: the entry is damaged.
        """
        info = self._infos[index]
        assert isinstance(info, zipfile.ZipInfo)
        try:
            return self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise PictureError(
                f"{self.description}: entry '{info.filename}' is damaged: {error}",
                hint="Make the archive anew, or leave such pictures out with --skip-bad.",
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _refuse_encrypted(self) -> None:
        for info in self._infos:
            assert isinstance(info, zipfile.ZipInfo)
            if info.flag_bits & _ENCRYPTED:
                raise InputError(
                    f"{self.description}: entry '{info.filename}' is encrypted",
                    hint="Kaggle cannot read it either; make the zip without a password.",
                )


def accepts(given: object) -> bool:
    """Files that end in .zip or begin as a zip does (npz files do too, and are not meant)."""
    if not isinstance(given, str | os.PathLike) or not Path(given).is_file():
        return False
    suffix = Path(given).suffix.lower()
    return suffix == ".zip" or (suffix not in {".npz", ".pt", ".pth"} and zipfile.is_zipfile(given))


def open_zip(given: str | os.PathLike[str]) -> ZipSource:
    """Open a zip of pictures."""
    return ZipSource(Path(given))


def open_zip_file(path: Path) -> zipfile.ZipFile:
    """Open a zip file, or say what the file is instead.

    Raises:
        InputError: not a zip, or a damaged one.
    """
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with path.open("rb") as file:
            start = file.read(16)
        hint = "Make it anew; a broken upload or download is shorter than the original."
        if start.lstrip()[:1] == b"<":
            hint = "It begins like a web page: was a login page saved instead of the file?"
        raise InputError(
            f"{path} is not a zip file: it begins with {start!r}", hint=hint
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
