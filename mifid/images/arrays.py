"""Pictures that are pixels already: arrays, tensors, PIL images, .npy and .npz files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, first_line
from mifid.files import DAMAGED_ARRAYS
from mifid.images.decode import to_rgb
from mifid.images.source import Decoded, Pixels, Source, no_pictures

__all__ = [
    "ArraySource",
    "PilSource",
    "accepts_array",
    "accepts_file",
    "accepts_pil",
    "open_array",
    "open_file",
    "open_pil",
    "to_pixels",
]

ValueRange = tuple[float, float]


class ArraySource(Source):
    """Pixels (N, H, W, 3) uint8, which may be memory-mapped. Names are the positions."""

    def __init__(self, pixels: Pixels, description: str) -> None:
        self.description = description
        self.skipped = Counter()
        self._pixels = pixels
        width = len(str(len(pixels) - 1))
        self.names = [f"[{i:0{width}}]" for i in range(len(pixels))]
        if not self.names:
            raise no_pictures(description, self.skipped)

    def read(self, index: int) -> Decoded:
        """Return picture ``index`` (H, W, 3)."""
        return Decoded(np.asarray(self._pixels[index]))


class PilSource(Source):
    """A sequence of Pillow images, of any modes and sizes."""

    def __init__(self, images: Sequence[Any]) -> None:
        self.description = f"{len(images)} PIL images"
        self.skipped = Counter()
        self._images = images
        width = len(str(len(images) - 1))
        self.names = [f"[{i:0{width}}]" for i in range(len(images))]

    def read(self, index: int) -> Decoded:
        """Return picture ``index`` (H, W, 3)."""
        return to_rgb(self._images[index], self.names[index])


def accepts_pil(given: object) -> bool:
    """A PIL image, or a list or tuple of them."""
    first = given[0] if isinstance(given, list | tuple) and given else given
    return any(base.__module__.startswith("PIL.") for base in type(first).__mro__)


def open_pil(given: Any) -> PilSource:
    """Open Pillow images."""
    return PilSource(given if isinstance(given, list | tuple) else [given])


def accepts_array(given: object) -> bool:
    """NumPy arrays and torch tensors (recognised without importing torch)."""
    return isinstance(given, np.ndarray) or _is_tensor(given)


def open_array(given: Any, value_range: ValueRange | None = None) -> ArraySource:
    """Open an array (N, H, W, 3), or a tensor (N, 3, H, W)."""
    kind = "tensor" if _is_tensor(given) else "array"
    description = f"{kind} of shape {tuple(given.shape)}"
    return ArraySource(to_pixels(given, value_range=value_range), description)


def accepts_file(given: object) -> bool:
    """Files that end in .npy or .npz."""
    if not isinstance(given, str | os.PathLike):
        return False
    return Path(given).suffix.lower() in {".npy", ".npz"} and Path(given).is_file()


def open_file(given: str | os.PathLike[str], value_range: ValueRange | None = None) -> ArraySource:
    """Open pixels in a .npy file (memory-mapped), or the first such array of a .npz (``arr_0``).

    Raises:
        InputError: the file is damaged, or holds no (N, H, W, 3) uint8 or floats with their range.
    """
    path = Path(given)
    try:
        array = _from_npz(path) if path.suffix.lower() == ".npz" else _from_npy(path)
    except DAMAGED_ARRAYS as error:
        raise InputError(
            f"cannot read {path} as NumPy arrays: {first_line(error)}",
            hint="It may be cut short or damaged; arrays of Python objects are never loaded.",
        ) from error
    pixels = to_pixels(array, value_range=value_range, where=str(path))
    return ArraySource(pixels, f"array file {path}")


def _from_npy(path: Path) -> npt.NDArray[Any]:
    # Not np.load, which would take a zip or a pickle under this name too.
    mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    return mapped


def _from_npz(path: Path) -> npt.NDArray[Any]:
    # NumPy leaves its own file open when the archive is damaged.
    with path.open("rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as archive:
        for key in archive.files:
            array: npt.NDArray[Any] = archive[key]
            if array.ndim == 4:
                return array
        found = ", ".join(archive.files) or "nothing"
    raise InputError(
        f"{path} holds neither pictures nor statistics: its arrays are {found}",
        hint="Expected (N, H, W, 3) uint8 pictures, or 'features', or 'mu' and 'sigma'.",
    )


def to_pixels(
    given: Any, *, value_range: ValueRange | None = None, where: str = "the array"
) -> Pixels:
    """Turn a NumPy array (N, H, W, 3) or a torch tensor (N, 3, H, W) into uint8 pixels.

    Args:
        given: uint8; or floating point, with its range.
        value_range: ``(0, 1)`` or ``(-1, 1)``; needed for floats, as guessing is how wrong scores
            are made. Values are rounded to the nearest of 256 levels and clipped.
        where: for messages.

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        InputError: another shape or type, or floats without a range.
    """
    channels_first = _is_tensor(given)
    array = _from_tensor(given) if channels_first else _from_anything(given, where)
    if array.ndim == 3:
        array = array[None]
    layout = "(N, 3, H, W)" if channels_first else "(N, H, W, 3)"
    if array.ndim != 4 or array.shape[1 if channels_first else 3] != 3:
        raise InputError(
            f"{where} has shape {tuple(array.shape)}; expected {layout}",
            hint="Tensors are channels first, NumPy arrays channels last; transpose it.",
        )
    if channels_first:
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8:
        return np.asarray(array)
    return _quantize(array, value_range, where)


def _quantize(array: npt.NDArray[Any], value_range: ValueRange | None, where: str) -> Pixels:
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"{where} is {array.dtype}; expected uint8 in 0..255, or floats with their range"
        )
    if value_range is None:
        raise InputError(
            f"{where} is {array.dtype}, and its range is not known",
            hint="Say value_range=(0, 1) or value_range=(-1, 1).",
        )
    low, high = value_range
    if not low < high:
        raise InputError(f"value_range is {value_range}; expected (0, 1) or (-1, 1)")
    if not np.isfinite(array).all():
        raise InputError(f"{where} holds NaN or infinite pixels")
    scaled = (array - low) * (255.0 / (high - low))
    return np.rint(scaled).clip(0, 255).astype(np.uint8)


def _from_tensor(tensor: Any) -> npt.NDArray[Any]:
    """Return a tensor's values; bfloat16, which NumPy does not know, as float32."""
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    values: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return values


def _from_anything(given: Any, where: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:  # such as [pictures, labels] of a data loader
        raise InputError(
            f"{where} is a {type(given).__name__} that is no array: {first_line(error)}",
            hint="Expected arrays (N, H, W, 3) or tensors (N, 3, H, W), without labels.",
        ) from error


def _is_tensor(given: object) -> bool:
    return type(given).__module__.partition(".")[0] == "torch" and hasattr(given, "detach")
