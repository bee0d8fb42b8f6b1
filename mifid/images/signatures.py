"""Kinds of files by their first bytes, and advice on those that are not read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LENGTH", "Kind", "advice_on", "kind_of"]

LENGTH = 512
"""Number of first bytes that are enough for every kind (a tar's whole first header)."""


class Kind(NamedTuple):
    """A kind of file: ``words`` such as ``"a 7-Zip archive"``, and what to do; empty: nothing."""

    words: str
    advice: str = ""


_UNPACK = "Unpack it, and give the folder."
_WRITE_OUT = (
    "Write its pictures to a folder or a zip; in Python, give them as they are read: "
    "mifid.score((row['image'] for row in table), ...)."
)

_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", Kind("a PNG picture")),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture")),
    (0, b"GIF8", Kind("a GIF picture")),
    (8, b"WEBP", Kind("a WebP picture")),
    (4, b"ftypavi", Kind("an AVIF picture", "Save it as PNG.")),
    (4, b"ftyphei", Kind("a HEIC picture", "Save it as PNG.")),
    (4, b"ftypmif1", Kind("a HEIC picture", "Save it as PNG.")),
    (4, b"ftyp", Kind("a video", "Write its frames to a folder.")),
    (0, b"PK\x03\x04", Kind("a zip file", "Give it the ending .zip.")),
    (0, b"PK\x05\x06", Kind("an empty zip file")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("compressed by Zstandard", f"Decompress it: unzstd. {_UNPACK}")),
    (0, b"\x04\x22\x4d\x18", Kind("compressed by LZ4", f"Decompress it: unlz4. {_UNPACK}")),
    (0, b"\x1f\x9d", Kind("compressed by compress", f"Decompress it: uncompress. {_UNPACK}")),
    (0, b"\x5d\x00\x00", Kind("compressed by LZMA", f"Decompress it: unlzma. {_UNPACK}")),
    (0, b"\x1f\x8b", Kind("compressed by gzip", "A compressed tar ends in .tar.gz; else gunzip.")),
    (0, b"BZh", Kind("compressed by bzip2", "A compressed tar ends in .tar.bz2; else bunzip2.")),
    (0, b"\xfd7zXZ\x00", Kind("compressed by xz", "A compressed tar ends in .tar.xz; else unxz.")),
    (257, b"ustar", Kind("a tar file", "Give it the ending .tar.")),
    (0, b"PAR1", Kind("a Parquet table", "Give it the ending .parquet.")),
    (0, b"ARROW1", Kind("an Arrow table", _WRITE_OUT)),
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file", _WRITE_OUT)),
    (16, b"\xde\xc0\xef\xbe", Kind("an LMDB database", _WRITE_OUT)),
    (0, b"SQLite format 3\0", Kind("an SQLite database", _WRITE_OUT)),
    (0, b"\x93NUMPY", Kind("a NumPy array", "Give it the ending .npy.")),
    (0, b"\x80\x02", Kind("a Python pickle")),
    (0, b"\x80\x03", Kind("a Python pickle")),
    (0, b"\x80\x04", Kind("a Python pickle")),
    (0, b"\x80\x05", Kind("a Python pickle")),
    (0, b"%PDF", Kind("a PDF")),
    (0, b"%!PS", Kind("PostScript")),
    (
        0,
        b"version https://git-lfs",
        Kind("a pointer of Git LFS instead of the file", "Fetch the file: git lfs pull."),
    ),
)


def kind_of(start: bytes) -> Kind | None:
    """Return the kind of a file that begins with these bytes; None if it is not known."""
    if not start:
        return Kind("empty", "Was it written completely? Write or download it again.")
    if not start.strip(b"\0"):
        return Kind("nothing but zeros", "Download or write it again.")
    for offset, magic, kind in _SIGNATURES:
        if start.startswith(magic, offset):
            return kind
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return Kind(
            "a web page or XML",
            "Was a login page saved instead of the file? Download it again.",
        )
    return Kind("a text") if _is_text(start) else None


def advice_on(kind: Kind, otherwise: str) -> str:
    """Return what to do with a file whose ending is another kind's."""
    if kind.advice:
        return kind.advice
    if kind.words.endswith("picture"):
        return "Rename it with the ending of its kind, such as .jpg."
    return otherwise


def _is_text(start: bytes) -> bool:
    start = start.removeprefix(b"\xef\xbb\xbf")  # the mark of UTF-8 that Windows writes
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # the last character may be cut
            return False
        text = start[: error.start].decode()
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
