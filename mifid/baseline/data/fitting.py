"""Fit of pictures of any size to the size of training."""

from __future__ import annotations

from collections import Counter

import numpy as np
from PIL import Image, ImageOps

from mifid.errors import InputError, PictureError, setting
from mifid.images import Decoded, Pixels, Source, decode

__all__ = ["FittedSource", "fit_picture"]

_EXAMPLES = 4


def fit_picture(pixels: Pixels, *, size: int, fit: str, name: str) -> Pixels:
    """Bring one picture (H, W, 3) uint8 to (size, size, 3).

    Args:
        pixels: as decoded.
        size: pixels a side.
        fit: ``exact``, ``crop`` or ``stretch``; see :class:`mifid.baseline.config.schema.Data`.
        name: for messages.

    Raises:
        PictureError: another size, with ``exact``; a side of less than a quarter of ``size``.
    """
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    if fit == "exact":
        raise PictureError(
            f"'{name}' is {width} x {height} pixels; expected {size} x {size}",
            hint=f"Bring it to that size: {setting('data.fit', 'crop')} or "
            f"{setting('data.fit', 'stretch')}.",
        )
    if min(height, width) < size / 4:
        raise PictureError(
            f"'{name}' is tiny: {width} x {height} pixels; expected at least {-(-size // 4)} a "
            f"side for a size of {size} x {size}",
            hint="Remove it, give a larger one, or train at a smaller size: "
            f"{setting('data.size', 'N')} (now {size}).",
        )
    image = Image.fromarray(pixels)
    lanczos = Image.Resampling.LANCZOS  # Pillow's filters widen when they shrink: antialiased
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, (size, size), method=lanczos))
    return np.asarray(image.resize((size, size), lanczos))


class FittedSource(Source):
    """A source's pictures, brought to one size in the threads that decode them.

    ``others`` collects (name, (width, height)) of those that ``exact`` refuses. Their pixels are
    not kept, so that a folder of huge photos, given by mistake, does not fill the memory.
    """

    def __init__(self, source: Source, *, size: int, fit: str) -> None:
        self._source, self.size, self._fit = source, size, fit
        self.description, self.skipped = source.description, source.skipped
        self.names = source.names
        self.others: list[tuple[str, tuple[int, int]]] = []

    def read(self, index: int) -> Decoded:
        """Return a picture (size, size, 3), a black one instead of one that ``exact`` refuses.

        Raises:
            PictureError: the picture cannot be decoded, or is tiny.
        """
        content, name = self._source.read(index), self.names[index]
        decoded = decode(content, name) if isinstance(content, bytes) else content
        height, width = decoded.pixels.shape[:2]
        if self._fit == "exact" and (height, width) != (self.size, self.size):
            self.others.append((name, (width, height)))
            return Decoded(np.zeros((self.size, self.size, 3), np.uint8))
        pixels = fit_picture(decoded.pixels, size=self.size, fit=self._fit, name=name)
        return Decoded(pixels, decoded.mode)

    def refusal(self, label: str, *, met: int) -> InputError:
        """Return the error that counts ``others`` among ``met`` pictures, with the remedies."""
        counts = Counter(size for _, size in self.others)
        examples = {size: name for name, size in sorted(self.others, reverse=True)}
        shown = ", ".join(
            f"{count:,} {'is' if count == 1 else 'are'} {size[0]} x {size[1]} ('{examples[size]}')"
            for size, count in counts.most_common(_EXAMPLES)
        )
        more = f" and {len(counts) - _EXAMPLES:,} more sizes" if len(counts) > _EXAMPLES else ""
        crop, stretch = setting("data.fit", "crop"), setting("data.fit", "stretch")
        ways = f"{crop} (scaled, the middle cut out) or {stretch}"
        (width, height), count = counts.most_common(1)[0]
        if count == met and width == height:
            ways += f"; or train at their size: {setting('data.size', width)}"
        return InputError(
            f"{len(self.others):,} of {met:,} {label} in {self.description} are not "
            f"{self.size} x {self.size} pixels: {shown}{more}",
            hint=f"Bring them to one size: {ways}.",
        )
