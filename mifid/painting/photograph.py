"""Photographs: upright pixels, and the EXIF and colour profile of the file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mifid.errors import InputError, PictureError, first_line, setting
from mifid.formatting import listed
from mifid.images import (
    Decoded,
    Pixels,
    Source,
    ValueRange,
    decode,
    open_header,
    open_images,
    quiet_pillow,
    to_rgb,
)

__all__ = [
    "EXIF",
    "FORMATS",
    "Encoding",
    "Photograph",
    "encode",
    "photograph",
    "photograph_in",
]

FORMATS: Mapping[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
}
"""Ending of a painting's file -> Pillow's name of its format."""

EXIF = ("without-place", "all", "none")
"""What of a photo's EXIF a painting keeps."""

_LARGEST_SIDE = {"JPEG": 65_500, "PNG": 1 << 31, "WEBP": 16_383}

_ORIENTATION = 0x0112
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825

# Description, make, model, software, date, artist, copyright. Not those of the file's structure.
_KEPT = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)

# Size of the photo, pointer to further tags, and the maker's own notes, which may hold the place.
_NOT_KEPT = (0xA002, 0xA003, 0xA005, 0x927C)

_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")

_MOST_EXIF = 65_000  # bytes; JPEG has 65,533
_MOST_PROFILE = 4 << 20


@dataclass(frozen=True)
class Photograph:
    """A photo to paint.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, turned upright.
        format: Pillow's name of the file's format; empty: it was no file.
        profile: ICC profile of the RGB values; None: none, or one of other colours.
        exif: groups of tags: those of the picture, ``exif`` and ``gps``.
        notes: what was lost on the way, in words.
    """

    pixels: Pixels
    format: str = ""
    profile: bytes | None = None
    exif: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def photograph(given: Any, *, value_range: ValueRange | None = None) -> Photograph:
    """Read one photo: a path, an encoded file, a PIL image, an array or a tensor.

    ``value_range`` are the values of black and white in an array of floats.

    Raises:
        InputError: something else, or several pictures.
        PictureError: it cannot be decoded, or is too large.
    """
    if isinstance(given, Image.Image):
        with _mended():
            return _described(given, to_rgb(given))
    if isinstance(given, bytes):
        return _in_file(given, "photo")
    source = open_images(given, value_range=value_range)
    if not isinstance(source, Source) or len(source) != 1:
        count = f"{len(source):,}" if isinstance(source, Source) else "a stream of"
        raise InputError(
            f"{source.description} holds {count} pictures; expected one photo",
            hint="Paint one after the other, or paint files with mifid paint.",
        )
    with closing(source):
        return photograph_in(source, 0)


def photograph_in(source: Source, index: int) -> Photograph:
    """Read a photo of a set.

    Raises:
        PictureError: it cannot be decoded, or is too large.
    """
    with _mended():
        content = source.read(index)
    if isinstance(content, Decoded):
        return Photograph(content.pixels, notes=_lost(content.mode))
    return _in_file(content, source.names[index])


def _in_file(content: bytes, name: str) -> Photograph:
    with _mended():
        return _described(open_header(content, name), decode(content, name))


@contextmanager
def _mended() -> Iterator[None]:
    """Give an error the hint for a photo to paint; its own is for sets of pictures to score."""
    try:
        yield
    except PictureError as error:
        raise PictureError(
            error.message, hint="Save it again as JPEG or PNG, smaller if it is too large."
        ) from error


def _described(image: Image.Image, decoded: Decoded) -> Photograph:
    notes = _lost(decoded.mode, opaque=_is_opaque(image))
    if "transparency" in image.info:
        notes += _lost("PA")
    exif: dict[str, dict[int, Any]] = {}
    try:
        with quiet_pillow():
            exif = _exif_of(image)
    except Exception as error:  # hostile EXIF makes Pillow raise nearly any type
        notes += (f"its EXIF is damaged and is dropped: {first_line(error)}",)
    pixels = decoded.pixels
    if image.format != "TIFF":  # Pillow turns those when it decodes them
        pixels = _upright(pixels, exif.get("", {}).get(_ORIENTATION))
    profile = image.info.get("icc_profile")
    if profile and not _is_rgb(profile):
        notes += ("its colour profile is dropped: it is not for RGB",)
        profile = None
    return Photograph(pixels, image.format or "", profile or None, exif, notes)


def _exif_of(image: Image.Image) -> dict[str, dict[int, Any]]:
    found = image.getexif()
    groups = {"exif": found.get_ifd(_EXIF_POINTER), "gps": found.get_ifd(_GPS_POINTER)}
    return {"": dict(found), **{name: dict(tags) for name, tags in groups.items()}}


def _upright(pixels: Pixels, orientation: Any) -> Pixels:
    """Return pixels as EXIF's orientation, 1 to 8, says that they are to be seen."""
    turned = {
        2: lambda: pixels[:, ::-1],
        3: lambda: pixels[::-1, ::-1],
        4: lambda: pixels[::-1],
        5: lambda: pixels.transpose(1, 0, 2),
        6: lambda: pixels[::-1].transpose(1, 0, 2),
        7: lambda: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: lambda: pixels[:, ::-1].transpose(1, 0, 2),
    }
    if not isinstance(orientation, int) or orientation not in turned:
        return pixels
    return np.ascontiguousarray(turned[orientation]())


def _is_rgb(profile: Any) -> bool:
    if not isinstance(profile, bytes):  # a damaged TIFF may have a number there
        return False
    return 128 < len(profile) <= _MOST_PROFILE and profile[16:20] == b"RGB "


def _is_opaque(image: Image.Image) -> bool:
    """Return whether a picture has an alpha channel that hides nothing, as browsers write it."""
    if image.mode not in ("RGBA", "LA", "PA"):
        return False
    try:
        with quiet_pillow():
            return image.getchannel("A").getextrema() == (255, 255)
    except Exception:  # of a damaged file, which is described all the same
        return False


def _lost(mode: str, *, opaque: bool = False) -> tuple[str, ...]:
    """Return what a photo of this mode loses as 8-bit RGB."""
    kind, _, several = mode.partition(" ")
    notes: tuple[str, ...] = ("only its first frame is painted",) if several else ()
    if kind in _TRANSPARENT and not opaque:
        notes += ("its transparency is dropped",)
    if kind.startswith("I"):
        notes += ("its 16 bits are painted as 8",)
    if kind == "CMYK":
        notes += ("it is converted from CMYK without its profile; colours may differ",)
    return notes


@dataclass(frozen=True)
class Encoding:
    """How a painting is encoded, and what it keeps of its photo.

    Attributes:
        quality: of JPEG and WebP, 1 to 100.
        exif: a word of :data:`EXIF`. A thumbnail, XMP and the maker's notes are never kept.
        profile: keep the ICC profile.

    Raises:
        InputError: a value out of its range.
    """

    quality: int = 95
    exif: str = "without-place"
    profile: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise InputError(f"{setting('quality')} is {self.quality}; expected 1 to 100")
        if self.exif not in EXIF:
            raise InputError(f"{setting('exif')} is '{self.exif}'; expected {listed(EXIF, 'or')}")


def encode(
    pixels: Pixels, photo: Photograph, *, format: str, encoding: Encoding
) -> tuple[bytes, tuple[str, ...]]:
    """Encode a painting, with what it keeps of its photo.

    Args:
        pixels: (H, W, 3) uint8.
        photo: that was painted.
        format: a value of :data:`FORMATS`.
        encoding: the rest.

    Returns:
        The file, and notes of what could not be kept.

    Raises:
        InputError: the format has no pictures of that size.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > (most := _LARGEST_SIDE[format]):
        raise InputError(
            f"a painting of {width} x {height} is too large for {format}; it takes {most:,} pixels "
            "a side",
            hint="Write it as PNG, or paint it smaller.",
        )
    options: dict[str, Any] = {} if format == "PNG" else {"quality": encoding.quality}
    notes: tuple[str, ...] = ()
    if encoding.profile and photo.profile:
        options["icc_profile"] = photo.profile
    try:
        with quiet_pillow():
            tags = _exif_bytes(photo.exif, encoding.exif)
    except Exception as error:  # as when it was read
        tags, notes = b"", (f"its EXIF cannot be written and is dropped: {first_line(error)}",)
    if len(tags) > _MOST_EXIF:
        tags, notes = b"", (f"its EXIF of {len(tags):,} bytes is too long and is dropped",)
    if tags:
        options["exif"] = tags
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue(), notes


def _exif_bytes(groups: Mapping[str, Mapping[int, Any]], keep: str) -> bytes:
    if keep == "none":
        return b""
    made = Image.Exif()
    picture = groups.get("", {})
    made.update({tag: picture[tag] for tag in _KEPT if tag in picture})
    shot = {tag: value for tag, value in groups.get("exif", {}).items() if tag not in _NOT_KEPT}
    if shot:
        made[_EXIF_POINTER] = shot
    if keep == "all" and groups.get("gps"):
        made[_GPS_POINTER] = dict(groups["gps"])
    return made.tobytes() if len(made) else b""
