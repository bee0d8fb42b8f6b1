"""In which arithmetic the network runs."""

from __future__ import annotations

from mifid.errors import InputError, setting
from mifid.registry import suggest

__all__ = [
    "EXACT",
    "FAST",
    "PRECISIONS",
    "Precision",
    "choose_precision",
    "no_bfloat16",
    "why_not_exact",
]

Precision = str

EXACT = "exact"
FAST = "fast"

PRECISIONS = {EXACT: "float32", FAST: "bfloat16"}
"""Name -> type of the network's weights, inputs and products. Sums, the resize before it and the
last average after it are float32 in both."""


def choose_precision(name: str) -> Precision:
    """Return ``name``.

    Raises:
        InputError: there is no such precision; with the nearest known name.
    """
    if name not in PRECISIONS:
        raise InputError(f"unknown precision '{name}'", hint=suggest(name, PRECISIONS))
    return name


def no_bfloat16(device: str) -> InputError:
    """Return the error for a device that would have to emulate it."""
    return InputError(
        f"{device} has no bfloat16 arithmetic: {setting('precision', 'fast')} would not be faster",
        hint=f"Leave out {setting('precision')}.",
    )


def why_not_exact(precision: Precision) -> str | None:
    """Return why scores at this precision cannot be compared with Kaggle's; None if they can."""
    if precision == EXACT:
        return None
    return f"the network ran in {PRECISIONS[precision]}, not in float32"
