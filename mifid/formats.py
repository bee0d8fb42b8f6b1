"""Features and statistics on disk: our own file, and those that other tools have left behind.

| From | Container and keys |
|---|---|
| mifid | npz ``mu, sigma, n, ddof, resize, provenance`` and, unless streamed, ``features, names`` |
| TTUR, pytorch-fid, EDM | npz ``mu, sigma`` |
| clean-fid | npz ``mu, sigma``; ``..._kid.npz`` with ``feats`` |
| torch-fidelity | ``.pt`` dict ``mu, sigma``; ``.pt`` tensor of features |
| EDM2 | pkl ``{num_images, fid: {mu, sigma}}`` |
| StyleGAN3 | pkl ``num_items, raw_mean, raw_cov, all_features`` (sums; ddof 0) |
| ADM | npz ``mu, sigma, mu_s, sigma_s`` |
| Kaggle | npz ``m, s, features`` |
| dgm-eval | npz ``model, reps, hparams`` (``hparams`` is pickled and never loaded) |

None of the others records what made it: their provenance is "unknown", and the report says so.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, InputError, first_line
from mifid.files import DAMAGED_ARRAYS, atomic_write
from mifid.provenance import Provenance
from mifid.unpickling import load_plain_pickle

__all__ = ["Contents", "holds_statistics", "read", "write"]

_FEATURE_KEYS = ("features", "reps", "feats")
_MOMENT_KEYS = (("mu", "sigma"), ("m", "s"))


@dataclass(frozen=True)
class Contents:
    """What a file holds: features, or the mean and covariance, or both.

    Attributes:
        features: (N, D).
        names: N names of pictures.
        mu: (D,).
        sigma: (D, D) with ddof 1.
        n: number of pictures behind mu and sigma, where known.
        provenance: what computed them.
    """

    features: npt.NDArray[Any] | None = None
    names: tuple[str, ...] | None = None
    mu: npt.NDArray[Any] | None = None
    sigma: npt.NDArray[Any] | None = None
    n: int | None = None
    provenance: Provenance = field(default_factory=Provenance)


def holds_statistics(path: str | os.PathLike[str]) -> bool:
    """Say whether a file holds features or statistics rather than pictures."""
    file = Path(path)
    if not file.is_file():
        return False
    if file.suffix.lower() != ".npz":
        return file.suffix.lower() in _READERS
    try:
        with zipfile.ZipFile(file) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist()}
    except DAMAGED_ARRAYS:
        return False  # whoever opens it as pictures tells what is wrong with it
    return any(k in keys for k in _FEATURE_KEYS) or any(set(k) <= keys for k in _MOMENT_KEYS)


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a file in any of the formats above.

    Raises:
        InputError: a damaged file, one with other contents, or a pickle that holds code.
        FeatureError: contents that are no numbers.
    """
    file = Path(path)
    try:
        return _READERS.get(file.suffix.lower(), _read_npz)(file)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {file}") from error
    except (*DAMAGED_ARRAYS, KeyError) as error:
        raise InputError(
            f"cannot read {file} as features or statistics: {error}",
            hint="It may be cut short or damaged; make it anew: mifid reference build.",
        ) from error


def write(
    path: str | os.PathLike[str],
    *,
    mu: npt.NDArray[np.float64],
    sigma: npt.NDArray[np.float64],
    n: int | None,
    provenance: Provenance,
    features: npt.NDArray[np.float32] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write our own file, whole or not at all; pytorch-fid and clean-fid read its mu and sigma.

    Raises:
        OutputError: it cannot be written there.
    """
    arrays: dict[str, Any] = {
        "mu": mu,
        "sigma": sigma,
        "ddof": np.int64(1),
        "resize": np.str_(provenance.resize),
        "provenance": np.str_(provenance.to_json()),
    }
    if n is not None:
        arrays["n"] = np.int64(n)
    if features is not None:
        arrays["features"] = features
    if names is not None:
        arrays["names"] = np.array(names, dtype=np.str_)
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def _read_npz(file: Path) -> Contents:
    # NumPy leaves its own file open when the archive is damaged.
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        # Arrays are read when asked for, so dgm-eval's pickled `hparams` stays unread.
        return _from_mapping(archive, file)


def _read_pickle(file: Path) -> Contents:
    return _from_mapping(load_plain_pickle(file), file)


def _read_torch(file: Path) -> Contents:
    import pickle

    import torch

    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            data = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise InputError(
            f"cannot read {file} as tensors: {first_line(error)}",
            hint="Files that hold more than tensors and plain containers are never loaded.",
        ) from error
    if isinstance(data, torch.Tensor):
        return Contents(features=_numbers(data.numpy()))
    if not isinstance(data, dict):
        raise InputError(f"{file} holds a {type(data).__name__}; expected 'mu' and 'sigma'")
    arrays = {key: v.numpy() if isinstance(v, torch.Tensor) else v for key, v in data.items()}
    return _from_mapping(arrays, file)


def _numpy_globals() -> list[Any]:
    """What NumPy arrays are pickled as: torch-fidelity's cache holds them inside torch files."""
    array = np.zeros(1)
    reconstruct = array.__reduce__()[0]
    # NumPy 1 and 2 name the same function differently; files may come from either.
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8")]
    return [*((reconstruct, name) for name in names), np.ndarray, np.dtype, *dtypes]


_READERS: dict[str, Callable[[Path], Contents]] = {
    ".npz": _read_npz,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
    ".pt": _read_torch,
    ".pth": _read_torch,
}


def _from_mapping(data: Mapping[str, Any], file: Path) -> Contents:
    if "raw_mean" in data:
        return _from_stylegan3(data)
    if isinstance(data.get("fid"), Mapping):  # EDM2 keeps one entry a feature space
        n = data.get("num_images")
        return Contents(
            mu=_numbers(data["fid"]["mu"]),
            sigma=_numbers(data["fid"]["sigma"]),
            n=None if n is None else int(n),
        )
    provenance = _provenance(data)
    for key in _FEATURE_KEYS:
        if key in data:
            names = tuple(map(str, np.asarray(data["names"]))) if "names" in data else None
            return Contents(features=_numbers(data[key]), names=names, provenance=provenance)
    for mu, sigma in _MOMENT_KEYS:
        if mu in data and sigma in data:
            return Contents(
                mu=_numbers(data[mu]),
                sigma=_numbers(data[sigma]),
                n=int(data["n"]) if "n" in data else None,
                provenance=provenance,
            )
    raise InputError(
        f"{file} holds neither features nor statistics: its keys are {', '.join(map(str, data))}",
        hint="Expected 'features', or 'mu' and 'sigma'.",
    )


def _from_stylegan3(data: Mapping[str, Any]) -> Contents:
    """Sums of x and x x^T over ``num_items`` pictures (metrics/metric_utils.py, FeatureStats)."""
    captured = data.get("all_features")
    if captured is not None and len(captured):
        rows = captured if isinstance(captured, np.ndarray) else np.concatenate(list(captured))
        return Contents(features=_numbers(rows))
    n = int(data["num_items"])
    if n < 2:
        raise FeatureError(f"a covariance needs at least two pictures, got {n}")
    mu = _numbers(data["raw_mean"]).astype(np.float64) / n
    sigma = _numbers(data["raw_cov"]).astype(np.float64) / n - np.outer(mu, mu)
    return Contents(mu=mu, sigma=sigma * (n / (n - 1)), n=n)


def _provenance(data: Mapping[str, Any]) -> Provenance:
    if "provenance" in data:
        return Provenance.from_json(str(data["provenance"]))
    if "model" in data:  # dgm-eval; its Inception resizes otherwise, so it is named apart
        name = f"dgm-eval {np.asarray(data['model']).reshape(-1)[0]}"
        return Provenance(extractor=name, not_comparable=f"{name} made the file")
    return Provenance()


def _numbers(values: Any) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.number):
        raise FeatureError(f"features of type {array.dtype}; expected floating point")
    return array
