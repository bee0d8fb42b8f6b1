"""Decoder of picture files to pixels, exactly as in Kaggle's code.

Rotation tags and colour profiles are ignored; nothing is resized.
"""

from __future__ import annotations

import ctypes
import io
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError, features

from mifid.errors import MifidError, PictureError, first_line, setting
from mifid.images.jpeg import plain_pixels
from mifid.images.signatures import LENGTH, kind_of
from mifid.images.source import Decoded, Pixels, Source

__all__ = [
    "NoRoomError",
    "Outcome",
    "chunks",
    "decode",
    "decode_chunk",
    "decoder_version",
    "load",
    "mending",
    "open_header",
    "quiet_pillow",
    "to_rgb",
    "webp_size",
]

MAX_PIXELS = 1 << 26
"""8192 x 8192. Larger pictures are refused by their header, before they are decoded."""

MAX_SIDE = 1 << 15

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM")
"""Pillow can open more formats, but runs other programs for some of them (EPS)."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class NoRoomError(Exception):
    """A picture that was not decoded: its pixels need ``needed`` bytes, more than there are."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def decode(content: bytes, name: str, *, room: int | None = None) -> Decoded:
    """Decode a picture file.

    Of a file with several frames or pages the first is decoded, and the mode says so:
    ``"P (first of several frames)"``.

    Raises:
        PictureError: not a picture, or one that is damaged, truncated or too large.
        NoRoomError: its pixels need more than ``room`` bytes; its header alone was read.
    """
    with _quiet(content):
        image = _open(content, name)
        _refuse_absurd(image.size, name)
        if room is not None and (needed := image.width * image.height * 3) > room:
            raise NoRoomError(needed)
        pixels = plain_pixels(content, image)
        if pixels is not None:
            return Decoded(pixels)
        several = _has_more_frames(image)
        decoded = to_rgb(image, name)
    mode = f"{decoded.mode} (first of several frames)"
    return Decoded(decoded.pixels, mode) if several else decoded


def open_header(content: bytes, name: str) -> Image.Image:
    """Open a picture file and read its header only.

    Raises:
        PictureError: not a picture, or one that is too large.
    """
    with _quiet(content):
        image = _open(content, name)
    _refuse_absurd(image.size, name)
    return image


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a WebP file from its first bytes; None for other files.

    Pillow allocates 8 bytes a pixel when it opens a WebP file: a file of 200 bytes can cost
    gigabytes.
    Format: https://developers.google.com/speed/webp/docs/riff_container
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        return _little(content[24:27]) + 1, _little(content[27:30]) + 1
    if kind == b"VP8L":
        bits = _little(content[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _little(content[26:28]) & 0x3FFF, _little(content[28:30]) & 0x3FFF
    return None


def _little(digits: bytes) -> int:
    return int.from_bytes(digits, "little")


def to_rgb(image: Image.Image, name: str = "a PIL image") -> Decoded:
    """Convert a Pillow image of any mode: grey is repeated, alpha dropped, CMYK converted.

    Raises:
        PictureError: damaged, or of a mode that has no agreed meaning as 8 bits (float TIFF).
    """
    mode = image.mode
    if mode == "F":
        raise PictureError(
            f"'{name}' holds floating-point pixels; expected 8 or 16 bits", hint=mending()
        )
    try:
        image.load()
        if mode.startswith("I"):
            return Decoded(_high_byte(np.asarray(image).astype(np.int64), name), mode)
        if "transparency" in image.info:  # dropped like alpha, without Pillow's warning
            image = image.copy()  # the original may be the caller's
            del image.info["transparency"]
        rgb = image if mode == "RGB" else image.convert("RGB")
        return Decoded(np.asarray(rgb, dtype=np.uint8), mode)
    except (MifidError, MemoryError):  # a lack of memory says nothing about the picture
        raise
    except Exception as error:  # Pillow's plugins raise nearly any type on damaged files
        raise _damaged(name, error) from error


def decoder_version() -> str:
    """Return the decoders and their versions: versions of libjpeg may differ by a grey level.

    simplejpeg is not in it, since it is only used where its pixels are Pillow's.
    """
    import PIL

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"pillow {PIL.__version__}, libjpeg-turbo {jpeg}"


Outcome: TypeAlias = Decoded | BaseException
"""One picture's pixels, or the error that reading or decoding it raised."""


def chunks(n: int, size: int) -> Iterator[range]:
    """Yield ``range(n)`` in parts of ``size``; the last may be shorter."""
    for start in range(0, n, size):
        yield range(start, min(start + size, n))


def load(source: Source, index: int, *, room: int | None = None) -> Decoded:
    """Read and decode a source's picture.

    Raises:
        PictureError: it cannot be read or decoded.
        NoRoomError: its pixels need more than ``room`` bytes.
    """
    content = source.read(index)
    if isinstance(content, bytes):
        return decode(content, source.names[index], room=room)
    return content


def decode_chunk(source: Source, indices: range, room: int) -> Iterator[Outcome]:
    """Yield the outcome of each picture, in order, until ``room`` bytes of pixels are used up.

    If the next picture's header shows that it does not fit, the last outcome is a NoRoomError.
    An error that is not about one picture (a bug, Ctrl-C) ends the chunk, too: it is yielded, not
    raised, so that the pictures before it are not lost.
    """
    for index in indices:
        outcome = _outcome(source, index, room)
        size = outcome.pixels.nbytes if isinstance(outcome, Decoded) else 0
        room -= size
        ends = isinstance(outcome, BaseException) and not isinstance(outcome, PictureError)
        yield outcome
        if ends or (size and room <= 0):
            return
        del outcome  # otherwise its pixels stay in memory while the next picture is decoded


def _outcome(source: Source, index: int, room: int) -> Outcome:
    try:
        return load(source, index, room=room)
    except BaseException as error:
        return error


def _open(content: bytes, name: str) -> Image.Image:
    size = webp_size(content)
    if size is not None:
        _refuse_absurd(size, name)
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(
            f"'{name}' is not a picture: {_what_it_is(content)}", hint=mending()
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"'{name}' is too large: {error}", hint=mending()) from error
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged(name, error) from error


def _what_it_is(content: bytes) -> str:
    """Describe a file that is no picture. Quote none of its bytes: a link may lead to a secret."""
    kind = kind_of(content[:LENGTH])
    if kind is None:
        return f"{len(content):,} bytes of an unknown kind"
    if kind.words.endswith("picture"):
        return f"it begins like {kind.words}, but the rest cannot be read as one"
    return f"it is {kind.words}"


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except MemoryError:
        raise
    except Exception:  # decoding the first frame raises the same error, with the name
        return True


def _high_byte(grey: npt.NDArray[np.int64], name: str) -> Pixels:
    """Convert 16-bit grey (H, W) to uint8 (H, W, 3) as TensorFlow's PNG decoder does."""
    if grey.min() < 0 or grey.max() > 0xFFFF:
        raise PictureError(f"'{name}' holds 32-bit pixels; expected 8 or 16 bits", hint=mending())
    return np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def mending() -> str:
    """Return the hint for errors about a single picture."""
    return f"Repair or remove it, or leave such pictures out with {setting('skip_bad', True)}."


def _damaged(name: str, error: Exception) -> PictureError:
    return PictureError(f"'{name}' is damaged: {first_line(error)}", hint=mending())


def _refuse_absurd(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE or min(size) < 1:
        raise PictureError(
            f"'{name}' is {width} x {height} pixels; expected at most {MAX_PIXELS:,} pixels "
            f"and {MAX_SIDE:,} a side",
            hint=mending(),
        )


class _Shared:
    """A state of the process that begins when the first thread enters and ends with the last."""

    def __init__(self, begin: Callable[[], Any], end: Callable[[Any], None]) -> None:
        self._begin, self._end = begin, end
        self._lock = threading.Lock()
        self._inside = 0
        self._before: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._begin()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._end(self._before)


def _quiet(content: bytes) -> Any:
    """Silence Pillow's and libtiff's own messages about a file's faults within a block.

    They do not name the file; the error that is raised does.
    """
    return _TIFF_QUIET if content.startswith(_TIFF) else _PILLOW_QUIET


_OF_PILLOW: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

# Without a handler, logging would print to stderr; a program's own handlers still get all records.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def _begin_ignoring() -> None:
    # Not catch_warnings: leaving it in one thread would undo what another thread has set.
    warnings.filters.insert(0, _OF_PILLOW)  # type: ignore[attr-defined]


def _end_ignoring(_before: None) -> None:
    with suppress(ValueError):
        warnings.filters.remove(_OF_PILLOW)  # type: ignore[attr-defined]


_PILLOW_QUIET = _Shared(_begin_ignoring, _end_ignoring)


def quiet_pillow() -> AbstractContextManager[None]:
    """Silence Pillow's own warnings within a block, whatever other threads do."""
    return _PILLOW_QUIET


@lru_cache(maxsize=1)
def _libtiff() -> ctypes.CDLL | None:
    """Return the libtiff that Pillow has loaded; None where it cannot be found."""
    with suppress(OSError, AttributeError):
        maps = Path("/proc/self/maps")
        if maps.exists():
            found = re.findall(r"(/.*/libtiff[^/\n]*)$", maps.read_text(), re.MULTILINE)
        else:
            found = [str(p) for p in Path(Image.__file__).parent.glob(".dylibs/libtiff*")]
        if found:
            library = ctypes.CDLL(found[0])
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                getattr(library, name).argtypes = [ctypes.c_void_p]
                getattr(library, name).restype = ctypes.c_void_p
            return library
    return None


def _begin_quiet_tiff() -> tuple[Any, Any] | None:
    _PILLOW_QUIET.__enter__()
    library = _libtiff()
    if library is None:
        return None
    return library.TIFFSetErrorHandler(None), library.TIFFSetWarningHandler(None)


def _end_quiet_tiff(before: tuple[Any, Any] | None) -> None:
    library = _libtiff()
    if library is not None and before is not None:
        library.TIFFSetErrorHandler(before[0])
        library.TIFFSetWarningHandler(before[1])
    _PILLOW_QUIET.__exit__()


_TIFF_QUIET = _Shared(_begin_quiet_tiff, _end_quiet_tiff)
