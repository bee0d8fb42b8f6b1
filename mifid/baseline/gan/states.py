"""Check of a checkpoint's parts against the run that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from mifid.errors import InputError, setting

__all__ = ["check_state"]


def check_state(found: object, like: object, *, name: str) -> None:
    """Refuse a part of a checkpoint that differs from the run's in types, keys, shapes or dtypes.

    Torch gets nothing else: with wrong shapes its optimisers read and write beyond their memory.

    Args:
        found: the checkpoint's part: tensors, numbers, text and containers of these.
        like: the same part of the run that was built; its numbers are 0 or more.
        name: of the part, for messages.

    Raises:
        InputError: the first difference.
    """
    if isinstance(like, Tensor):
        fits = isinstance(found, Tensor) and found.layout == torch.strided
        if fits and isinstance(found, Tensor):
            fits = found.shape == like.shape and found.dtype == like.dtype
    elif isinstance(like, Mapping):
        if isinstance(found, Mapping) and found.keys() == like.keys():
            for key in like:
                check_state(found[key], like[key], name=f"{name}.{key}")
            return
        fits = False
    else:
        fits = type(found) is type(like)
        if fits and isinstance(found, int | float):
            fits = isfinite(found) and found >= 0
    if not fits:
        raise InputError(
            f"the checkpoint does not fit the run: {name} is {_described(found)}; "
            f"expected {_described(like)}",
            hint="Was it written by another version of mifid or torch, or changed by hand? "
            f"Remove it to go on from the one before, or train again in another {setting('out')}.",
        )


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a table of {len(value)}: {', '.join(str(key)[:40] for key in list(value)[:3])}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value:g}" if isinstance(value, float) else "a whole number"
    return "nothing" if value is None else type(value).__name__
