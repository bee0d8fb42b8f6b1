"""Pickles that hold data, and no others: a pickle can otherwise run any code when it is read."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifid.errors import InputError

__all__ = ["load_plain_pickle"]

# What NumPy's arrays, scalars and dtypes are pickled as, before and since NumPy 2.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        if (module, name) == ("dnnlib.util", "EasyDict"):  # NVIDIA's dict with attributes
            return dict
        raise InputError(
            f"the pickle asks for {module}.{name}",
            hint="Only NumPy arrays and plain containers are read, as pickles can run any code.",
        )


def load_plain_pickle(path: Path) -> Mapping[str, Any]:
    """Read a pickled dict of arrays, numbers and containers.

    Raises:
        InputError: it asks for anything else, is damaged, or is no dict.
    """
    with path.open("rb") as file:
        try:
            data = _PlainUnpickler(file).load()
        except InputError as error:
            raise InputError(f"{path}: {error.message}", hint=error.hint) from error
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise InputError(f"{path} is not a readable pickle: {error}") from error
    if not isinstance(data, Mapping):
        raise InputError(f"{path} holds a {type(data).__name__}; expected a dict of arrays")
    return data
