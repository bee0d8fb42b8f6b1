"""Arrays of pixels: NumPy arrays, tensors, files of them (.npy, .npz, .pt, .pkl)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, first_line, setting
from mifid.files import DAMAGED_ARRAYS
from mifid.formatting import terminal_safe
from mifid.images.archive import most_bytes
from mifid.images.ranges import Quantizer, ValueRange
from mifid.images.signatures import LENGTH, Kind, advice_on, kind_of
from mifid.images.source import Decoded, Pixels, Source, no_pictures
from mifid.unpickling import load

__all__ = [
    "ArraySource",
    "Stacker",
    "accepts_array",
    "accepts_file",
    "accepts_pickled",
    "as_rgb",
    "feature_rows",
    "is_array",
    "mode_of",
    "open_array",
    "open_file",
    "open_pickled",
    "pictures_in",
    "positions",
]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode of such a file. Grey is repeated, alpha dropped."""

_EXPECTED = "expected (N, H, W, 3)"


class ArraySource(Source):
    """Pixels (N, H, W, C) uint8, C = 1, 3 or 4, possibly memory-mapped. Names are positions."""

    def __init__(self, pixels: Pixels, description: str, stacker: Stacker | None = None) -> None:
        self.description = description
        self.skipped = Counter()
        if stacker is not None:
            self.doubts, self.ranged = stacker.doubts(), stacker.ranged
        self._pixels = pixels
        self.names = positions(len(pixels))
        if not self.names:
            raise no_pictures(description, self.skipped)

    def read(self, index: int) -> Decoded:
        """Return picture ``index`` (H, W, 3)."""
        return Decoded(np.asarray(as_rgb(self._pixels[index])), mode_of(self._pixels))


def positions(n: int) -> list[str]:
    """Return ``["[00]", "[01]", ...]``: names, in sorted order, for pictures that have none."""
    width = len(str(n - 1))
    return [f"[{i:0{width}}]" for i in range(n)]


def mode_of(pixels: Pixels) -> str:
    """Return the mode that a file of pixels (..., C) would have."""
    return _MODES[pixels.shape[-1]]


def as_rgb(pixels: Pixels) -> Pixels:
    """Return pixels (..., C) as (..., 3), as files are read: grey repeated, alpha dropped."""
    return pixels[..., :3] if pixels.shape[-1] > 1 else np.repeat(pixels, 3, axis=-1)


def is_array(given: object) -> bool:
    """Return whether something is a NumPy array, a tensor, or another library's array."""
    if isinstance(given, np.ndarray) or _is_tensor(given):
        return True
    pil = any(base.__module__.startswith("PIL.") for base in type(given).__mro__)
    # The shape must be a tuple: classes, and tables of names, have another kind of `shape`.
    return not pil and hasattr(given, "__array__") and isinstance(_shape(given), tuple)


def feature_rows(given: Any) -> npt.NDArray[Any] | None:
    """Return a copy of a floating-point array or tensor (N, D) of features; else None."""
    shape = _shape(given) if is_array(given) else None
    if not isinstance(shape, tuple) or len(shape) != 2:
        return None
    array = _from_tensor(given, "the tensor") if _is_tensor(given) else np.asarray(given)
    return np.array(array) if array.dtype.kind == "f" else None


def accepts_array(given: object) -> bool:
    """Return whether this is an array or a tensor, except an array of names; imports no torch."""
    return is_array(given) and not (_shape(given)[1:] == () and _kind(given) in "OUST")


def open_array(given: Any, value_range: ValueRange | None = None) -> ArraySource:
    """Open an array (N, H, W, C) or tensor (N, C, H, W); the other order where the shape decides.

    Raises:
        InputError: another shape or type, or values that do not fit their range.
    """
    kind = "tensor" if _is_tensor(given) else "array"
    stacker = Stacker(value_range)
    pixels = stacker(given, "the array")
    stacker.finish("the array")
    return ArraySource(pixels, f"{kind} of shape {_shape(given)}", stacker)


def accepts_file(given: object) -> bool:
    """Return whether this is a file that ends in .npy or .npz."""
    if not isinstance(given, str | os.PathLike):
        return False
    return Path(given).suffix.lower() in {".npy", ".npz"} and Path(given).is_file()


def open_file(given: str | os.PathLike[str], value_range: ValueRange | None = None) -> ArraySource:
    """Open pixels in a .npy file (memory-mapped), or the first such array of a .npz (``arr_0``).

    Raises:
        InputError: the file is damaged, or holds no pictures as uint8 or as floats of a known
            range.
    """
    path = Path(given)
    try:
        array = _from_npz(path) if path.suffix.lower() == ".npz" else _from_npy(path)
    except DAMAGED_ARRAYS as error:
        problem = first_line(error)
        if "bject" in problem:  # NumPy's message about arrays of dtype object
            problem = "its array holds Python objects"
        hint = (
            "It may be cut short or damaged; arrays of Python objects are never loaded. "
            "Save pictures of one size as one uint8 array, and pictures of several sizes as files."
        )
        kind = _kind_of_file(path)
        if kind is not None and kind.words != _HOLD_ARRAYS[path.suffix.lower()]:
            problem, hint = f"it is {kind.words}", advice_on(kind, hint)
        raise InputError(f"cannot read {path} as NumPy arrays: {problem}", hint=hint) from error
    stacker = Stacker(value_range)
    pixels = stacker(array, str(path))
    stacker.finish(str(path))
    return ArraySource(pixels, f"array file {path}", stacker)


_HOLD_ARRAYS = {".npy": "a NumPy array", ".npz": "a zip file"}


def _kind_of_file(path: Path) -> Kind | None:
    try:
        with path.open("rb") as file:
            return kind_of(file.read(LENGTH))
    except OSError:
        return None


def _from_npy(path: Path) -> npt.NDArray[Any]:
    # Not np.load, which would also accept a zip or a pickle under this name.
    mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    return mapped


def _from_npz(path: Path) -> npt.NDArray[Any]:
    grey = None
    # NumPy leaves its own file open when the archive is damaged.
    with path.open("rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as archive:
        entries: Any = archive.zip
        size, unpacked = path.stat().st_size, sum(e.file_size for e in entries.infolist())
        if unpacked > most_bytes(size):
            raise InputError(
                f"{path}: {size:,} bytes unpack to {unpacked:,}",
                hint="It looks like a decompression bomb; save the arrays again with np.savez.",
            )
        for key in archive.files:
            array: npt.NDArray[Any] = archive[key]
            if not isinstance(array, np.ndarray):  # for other entries NumPy returns bytes
                continue
            if array.ndim == 4:
                return array
            if array.ndim == 3 and array.dtype == np.uint8 and grey is None:
                grey = array
        found = ", ".join(archive.files) or "nothing"
    if grey is not None:
        return grey
    raise InputError(
        f"{path} holds no pictures: its arrays are {found}",
        hint="Expected (N, H, W, 3) uint8 pictures, or 'features', or 'mu' and 'sigma'.",
    )


_TENSORS = (".pt", ".pth")
_PICKLED = (*_TENSORS, ".pkl", ".pickle")


def accepts_pickled(given: object) -> bool:
    """Return whether this is a file that ends in .pt, .pth, .pkl or .pickle."""
    if not isinstance(given, str | os.PathLike):
        return False
    return Path(given).suffix.lower() in _PICKLED and Path(given).is_file()


def pictures_in(data: Any) -> npt.NDArray[Any] | None:
    """Return the only array of four dimensions, by itself or in a dict; None if there is none."""
    values = list(data.values()) if isinstance(data, Mapping) else [data]
    found = [value for value in values if isinstance(value, np.ndarray) and value.ndim == 4]
    return found[0] if len(found) == 1 else None


def open_pickled(
    given: str | os.PathLike[str], value_range: ValueRange | None = None
) -> ArraySource:
    """Open a tensor (N, 3, H, W) or an array (N, H, W, 3) of pictures; run no code of the file.

    Raises:
        InputError: the file is damaged, or holds anything else.
    """
    path = Path(given)
    try:
        data = load(path)
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    array: Any = pictures_in(data)
    if array is None:
        raise InputError(
            f"{path} holds no pictures, but a {type(data).__name__}{_keys(data)}",
            hint="Expected one tensor (N, 3, H, W), or one array (N, H, W, 3), by itself or in a "
            "dict.",
        )
    if path.suffix.lower() in _TENSORS:  # of two possible axes, tensors have channels first
        import torch

        array = torch.from_numpy(np.ascontiguousarray(array))
    stacker = Stacker(value_range)
    pixels = stacker(array, str(path))
    stacker.finish(str(path))
    return ArraySource(pixels, f"array file {path}", stacker)


def _keys(data: Any) -> str:
    if not isinstance(data, Mapping):
        return ""
    return f" of {', '.join(terminal_safe(key[:100]) for key in list(data)[:20])}"


class Stacker:
    """Converter of one set's arrays and tensors into stacks of pixels.

    Args:
        value_range: of values that are not uint8; see :class:`mifid.images.ranges.Quantizer`.
    """

    def __init__(self, value_range: ValueRange | None = None) -> None:
        self._quantizer = Quantizer(value_range)
        self._range = value_range
        self._grey = False

    def __call__(self, given: Any, where: str) -> Pixels:
        """Return an array or tensor as (N, H, W, C) uint8, N = 1 for a single picture.

        The shape decides which axis holds the channels. If several axes fit, it is the last one
        in arrays and the first one in tensors.

        Raises:
            InputError: another shape or type, or values that do not fit their range.
        """
        tensor = _is_tensor(given)
        array = _from_tensor(given, where) if tensor else np.asarray(given)
        axes = self._axes(array, channels_first=tensor, where=where)
        stack = {
            "NHWC": lambda: array,
            "NCHW": lambda: array.transpose(0, 2, 3, 1),
            "HWC": lambda: array[None],
            "CHW": lambda: array.transpose(1, 2, 0)[None],
            "NHW": lambda: array[..., None],
            "HW": lambda: array[None, ..., None],
        }[axes]()
        if 0 in stack.shape[1:]:
            raise InputError(
                f"{where} has shape {array.shape}: its pictures have no pixels; {_EXPECTED}"
            )
        return self._quantizer(stack, where)

    def finish(self, where: str) -> None:
        """Check the whole set's values, after its last batch.

        Raises:
            InputError: too many are out of range.
        """
        self._quantizer.finish(where)

    def clearly_off(self) -> bool:
        """Return whether the set can be refused before its last batch."""
        return self._quantizer.clearly_off()

    @property
    def ranged(self) -> bool:
        """Whether there were values for which the range was needed."""
        return self._quantizer.used

    def doubts(self) -> tuple[str, ...]:
        """Return what speaks against the given range."""
        doubt = self._quantizer.doubt()
        return () if doubt is None else (doubt,)

    def _axes(self, array: npt.NDArray[Any], *, channels_first: bool, where: str) -> str:
        shape = array.shape
        flat = array.dtype == np.uint8 or self._range is not None
        if len(shape) == 4:
            orders = {"NCHW": shape[1], "NHWC": shape[3]}
        elif len(shape) == 3 and self._grey and shape[2] not in _MODES:
            return "NHW"  # the last batch of a set may hold three or four
        elif len(shape) == 3:
            orders = {"CHW": shape[0], "HWC": shape[2]}
        elif len(shape) == 2 and flat:
            return "HW"
        else:
            raise _no_pictures_shape(array, where)
        if not channels_first:
            orders = dict(reversed(orders.items()))
        for axes, channels in orders.items():
            if channels not in _MODES:
                continue
            if axes == "CHW" and not channels_first and channels > 1:
                raise InputError(
                    f"{where} has shape {shape}, which can mean {channels} grey pictures or one "
                    "picture whose channels come first",
                    hint="Give grey pictures as x[:, :, :, None], and a single picture as x[None].",
                )
            return axes
        if len(shape) == 3:
            self._grey = True
            return "NHW"
        raise _no_pictures_shape(array, where)


def _no_pictures_shape(array: npt.NDArray[Any], where: str) -> InputError:
    shape = array.shape
    if len(shape) == 4:
        hint = "The second or the last axis must hold the channels: 1, 3 or 4 of them."
        if shape[2] in _MODES:
            hint += " If it is (H, W, channels, N), give np.moveaxis(x, 3, 0)."
    elif len(shape) > 4:
        hint = "If it is a batch of batches, join its first axes: x.reshape(-1, *x.shape[2:])."
    elif len(shape) in (1, 2) and array.dtype.kind == "f":
        hint = "Features (N, D) are not pictures: give them to mifid.score as a side. For grey "
        hint += f"pictures as floats, give their range: {setting('value_range', (0, 1))}."
    else:
        hint = "Tensors may be (N, 3, H, W). One channel (grey) or four (alpha) are accepted, too."
    return InputError(f"{where} has shape {shape}; {_EXPECTED}", hint=hint)


def _from_tensor(tensor: Any, where: str) -> npt.NDArray[Any]:
    """Return a tensor's values as an array; bfloat16, which NumPy does not have, as float32."""
    try:
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()
        values: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:  # sparse, quantized, meta
        raise InputError(
            f"{where} is a tensor that NumPy cannot read: {first_line(error)}",
            hint="Give a dense tensor of uint8 or floats.",
        ) from error
    return values


def _is_tensor(given: object) -> bool:
    """Return whether something is a torch tensor or of a subclass (torchvision's)."""
    return any(
        base.__name__ == "Tensor" and base.__module__.partition(".")[0] == "torch"
        for base in type(given).__mro__
    )


def _shape(given: Any) -> Any:
    shape = getattr(given, "shape", None)
    return tuple(shape) if isinstance(shape, tuple | list) else shape


def _kind(given: Any) -> str:
    return getattr(getattr(given, "dtype", None), "kind", "")
