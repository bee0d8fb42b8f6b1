"""Pictures in pickles and files of ``torch.save``, such as samples of a training loop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError
from mifid.formatting import terminal_safe
from mifid.images.arrays import ArraySource, Stacker
from mifid.images.ranges import ValueRange
from mifid.unpickling import load

__all__ = ["accepts", "open_pickled", "pictures_in"]

_TENSORS = (".pt", ".pth")
_ENDINGS = (*_TENSORS, ".pkl", ".pickle")


def accepts(given: object) -> bool:
    """Return whether this is a file that ends in .pt, .pth, .pkl or .pickle."""
    if not isinstance(given, str | os.PathLike):
        return False
    return Path(given).suffix.lower() in _ENDINGS and Path(given).is_file()


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
    return ArraySource(pixels, f"array file {path}", stacker.doubts())


def _keys(data: Any) -> str:
    if not isinstance(data, Mapping):
        return ""
    return f" of {', '.join(terminal_safe(key[:100]) for key in list(data)[:20])}"
