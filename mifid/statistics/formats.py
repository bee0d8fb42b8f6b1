"""Files of features and statistics: mifid's own format, and those of other tools.

| From | Container and keys |
|---|---|
| mifid | npz ``mu, sigma, n, ddof, resize, provenance`` and, unless streamed, ``features, names`` |
| TTUR, pytorch-fid, EDM | npz ``mu, sigma`` |
| clean-fid | npz ``mu, sigma``; ``..._kid.npz`` with ``feats`` |
| torch-fidelity | ``.pt`` dict ``mu, sigma``; ``.pt`` tensor of features |
| EDM2 | pkl ``{num_images, fid: {mu, sigma}}`` |
| StyleGAN3 | pkl ``num_items, raw_mean, raw_cov, all_features`` (sums; ddof 0) |
| rosinality's StyleGAN2 | pkl ``mean, cov`` |
| torchmetrics | ``.pt`` state dict ``real_features_sum, ..._cov_sum, ..._num_samples`` (sums) |
| ADM | npz ``mu, sigma, mu_s, sigma_s``, beside pictures ``arr_0`` |
| Kaggle | npz ``m, s, features`` |
| dgm-eval | npz ``model, reps, hparams`` (``hparams`` is pickled and never loaded) |
| anybody | (N, D) in ``.npy``, npz ``arr_0, act``; (N, D), rows or (mu, sigma) in ``.pt, .pkl`` |

mifid's also holds ``available`` if a limit drew its n pictures: the number it drew from;
``colours``, the pictures' colours as JSON; and ``spatial_features`` if they were asked for.
Other tools' files do not record what made them: their provenance is "unknown", as the report says.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, InputError, MifidError, first_line, warn
from mifid.files import atomic_write
from mifid.formatting import terminal_safe
from mifid.images import BROKEN, Colours, pictures_in
from mifid.statistics.provenance import Provenance
from mifid.unpickling import array_of, count_of, dtype_of, load, most_bytes

__all__ = [
    "DAMAGED",
    "Contents",
    "holds_statistics",
    "naming",
    "opened",
    "parts_in",
    "read",
    "write",
]

Array = npt.NDArray[Any]

_FEATURE_KEYS = ("features", "reps", "feats", "act")
_MOMENT_KEYS = (("mu", "sigma"), ("m", "s"), ("mean", "cov"))
_PICKLED = (".pkl", ".pickle", ".pt", ".pth")
_ENDINGS = (".npy", ".npz", *_PICKLED)
DAMAGED = (*BROKEN, MemoryError, OverflowError, KeyError)
_MOST_HEADER = 10_000  # bytes, as NumPy has it
_MAGIC = b"\x93NUMPY"
_EXPECTED = "Expected 'features', or 'mu' and 'sigma'."
_AGAIN = "It may be cut short or damaged; make it again: mifid reference build."


@dataclass(frozen=True)
class Contents:
    """Contents of a file: features, or the mean and covariance.

    Attributes:
        features: (N, D) floats or integers.
        names: N names of pictures.
        mu: (D,).
        sigma: (D, D) with ddof 1.
        n: number of pictures of mu and sigma, if known; at least 2.
        provenance: with what they were computed.
        available: number of pictures before a limit drew these; None: there was no limit.
        spatial: mean and covariance of Inception's spatial features, if the file holds them.
        spatial_features: (N, 2023) these features themselves, if the file holds them.
        colours: of the pictures, if the file holds them.
    """

    features: Array | None = None
    names: tuple[str, ...] | None = None
    mu: Array | None = None
    sigma: Array | None = None
    n: int | None = None
    provenance: Provenance = field(default_factory=Provenance)
    available: int | None = None
    spatial: tuple[Array, Array] | None = None
    spatial_features: Array | None = None
    colours: Colours | None = None


def holds_statistics(path: str | os.PathLike[str]) -> bool:
    """Return whether a file holds features or statistics rather than pictures, or a folder parts.

    Arrays (N, D) are features; with more dimensions they are pictures.
    """
    file = Path(path)
    if parts_in(file):
        return True
    if file.suffix.lower() not in _ENDINGS or not file.is_file():
        return False
    pickled = file.suffix.lower() in _PICKLED
    try:
        with opened(file, values=False) as data:
            if isinstance(data, np.ndarray):
                return data.ndim < 3
            if isinstance(data, Mapping):
                return _known(data) or (pickled and pictures_in(data) is None)
            return pictures_in(data) is None
    except (MifidError, *DAMAGED):
        return pickled  # a damaged array file may hold pictures; opening it raises the error


_PART = re.compile(r"part-(\d{5,})-([0-9a-f]{16})\.npz")


def parts_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the parts of a feature store, in the order of shards; none: the folder is no store."""
    try:
        names = [name for name in os.listdir(folder) if name[:5] == "part-"]
    except OSError:  # a file, or nothing
        return []
    found = [match for match in map(_PART.fullmatch, names) if match is not None]
    ordered = sorted(found, key=lambda match: (int(match[1]), match[2]))
    return [Path(folder, match[0]) for match in ordered]


def read(path: str | os.PathLike[str], *, name: str | None = None) -> Contents:
    """Read a file in any of the formats above; never run code of the file.

    Warns if the file also holds pictures, which are not used.

    Args:
        path: of the file.
        name: of the file in messages; None: its path.

    Raises:
        InputError: a damaged file, one with other contents, or a pickle with more than arrays.
        FeatureError: contents that are not numbers.
    """
    file = Path(path)
    name = str(file) if name is None else name
    with naming(name):
        try:
            with opened(file) as data:
                return _contents(data, name)
        except FileNotFoundError as error:
            raise InputError(f"no such file: {name}") from error
        except DAMAGED as error:
            raise InputError(
                f"cannot be read as features or statistics: {first_line(error)}", hint=_AGAIN
            ) from error


@contextmanager
def naming(file: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name in front of the errors within the block."""
    try:
        yield
    except MifidError as error:
        if str(file) in error.message:
            raise
        raise type(error)(f"{file}: {error.message}", hint=error.hint) from error


def write(
    path: str | os.PathLike[str],
    *,
    mu: npt.NDArray[np.float64],
    sigma: npt.NDArray[np.float64],
    n: int | None,
    provenance: Provenance,
    features: npt.NDArray[np.floating[Any]] | None = None,
    names: Sequence[str] | None = None,
    available: int | None = None,
    spatial_features: npt.NDArray[np.floating[Any]] | None = None,
    colours: Colours | None = None,
) -> None:
    """Write mifid's format, atomically; pytorch-fid and clean-fid can read its mu and sigma.

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
    if available is not None:
        arrays["available"] = np.int64(available)
    if spatial_features is not None:
        arrays["spatial_features"] = spatial_features
    if colours is not None:
        arrays["colours"] = np.str_(json.dumps(colours.to_dict()))
    with atomic_write(path) as file:
        np.savez(file, **arrays)


# Containers


@contextmanager
def opened(file: Path, *, values: bool = True) -> Iterator[Any]:
    """Yield an array, a mapping of arrays, or the contents of a pickle.

    Args:
        file: its ending and its first bytes decide which of these.
        values: False: only shapes are needed; numbers may be zeros.
    """
    if file.suffix.lower() in _PICKLED:
        yield load(file, values=values)
        return
    with file.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.read(6) == _MAGIC:
            stream.seek(0)
            yield _read_array(stream, size, values=values)
            return
        with zipfile.ZipFile(stream) as archive:
            if values:
                _check_entries(archive, stream)
            yield _Npz(archive, size, values=values)


class _Npz(Mapping[str, Any]):
    """Arrays of a .npz, read on access: dgm-eval's pickled ``hparams`` is never read."""

    def __init__(self, archive: zipfile.ZipFile, size: int, *, values: bool) -> None:
        self._archive = archive
        self._budget = most_bytes(size)
        self._values = values
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            key = info.filename.removesuffix(".npy")
            if values and key in self._members:
                raise InputError(f"it holds '{terminal_safe(key)}' twice", hint=_AGAIN)
            self._members[key] = info

    def __getitem__(self, key: str) -> Array:
        info = self._members[key]
        if self._values:
            self._budget -= info.file_size
            if self._budget < 0:
                raise InputError(
                    f"'{terminal_safe(key)}' unpacks to {info.file_size:,} bytes, many times the "
                    "file's size",
                    hint="It looks like a decompression bomb; make the file again.",
                )
        with self._archive.open(info) as stream:
            return _read_array(cast(BinaryIO, stream), info.file_size, values=self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def shape(self, key: str) -> tuple[int, ...]:
        """Return an array's shape, or () if it cannot be read."""
        try:
            with self._archive.open(self._members[key]) as stream:
                return _header(cast(BinaryIO, stream))[1]
        except (MifidError, *DAMAGED):
            return ()


def _check_entries(archive: zipfile.ZipFile, stream: BinaryIO) -> None:
    """Refuse a damaged zip that lacks an array: others would be used instead."""
    for info in archive.infolist():
        archive.open(info).close()  # zipfile compares the two copies of its name
    stream.seek(-22, io.SEEK_END)
    end = stream.read(22)
    said = int.from_bytes(end[10:12], "little")
    if end[:4] == b"PK\x05\x06" and said not in (0xFFFF, len(archive.infolist())):
        raise InputError(
            f"it holds {len(archive.infolist())} arrays instead of {said}; it is damaged",
            hint=_AGAIN,
        )


def _read_array(stream: BinaryIO, size: int, *, values: bool) -> Array:
    """Read an array of ``size`` bytes in NumPy's format, to the end: a zip then checks its CRC."""
    descr, shape, order, start = _header(stream)
    if not values:
        return np.broadcast_to(np.float32(0), shape)
    dtype = dtype_of(descr)
    count = count_of(shape) * dtype.itemsize
    if size - start != count:
        raise InputError(
            f"an array has {size - start:,} bytes instead of {count:,}; it is damaged", hint=_AGAIN
        )
    raw = np.empty(count, np.uint8)
    place = memoryview(raw.data)
    while place:
        n = stream.readinto(place[: 1 << 20])  # type: ignore[attr-defined]
        if not n:
            raise InputError("an array is cut short", hint=_AGAIN)
        place = place[n:]
    if stream.read(1):
        raise InputError("an array is followed by other bytes; it is damaged", hint=_AGAIN)
    return array_of(raw, dtype, shape, order)


def _header(stream: BinaryIO) -> tuple[object, tuple[int, ...], str, int]:
    """Return the dtype as text, the shape, the order, and where the numbers begin.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    start = stream.read(8)
    length = 2 if start[6:7] == b"\x01" else 4
    size = int.from_bytes(stream.read(length), "little")
    if start[:6] != _MAGIC or not 1 <= start[6] <= 3 or size > _MOST_HEADER:
        raise InputError("it holds no NumPy array", hint=_AGAIN)
    text = stream.read(size).decode("latin-1")
    try:
        # Python 2 wrote whole numbers as 2048L.
        header = ast.literal_eval(re.sub(r"(?<=\d)L", "", text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        header = None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise InputError("the header of an array is damaged", hint=_AGAIN)
    descr, shape, fortran = (header[key] for key in ("descr", "shape", "fortran_order"))
    count_of(shape)
    if type(fortran) is not bool:
        raise InputError("the header of an array is damaged", hint=_AGAIN)
    return descr, shape, "F" if fortran else "C", len(start) + length + size


# Contents


def _contents(data: Any, file: str) -> Contents:
    if isinstance(data, np.ndarray):
        return Contents(features=_features(data, "the array"))
    if isinstance(data, Mapping):
        return _from_mapping(data, file)
    if isinstance(data, list | tuple):
        return _from_sequence(data)
    raise InputError(f"{file} holds a {_kind(data)}; expected a dict of arrays", hint=_EXPECTED)


def _from_sequence(data: Sequence[Any]) -> Contents:
    """Read features as rows or batches, or a pair (mu, sigma)."""
    if len(data) == 2 and all(isinstance(part, np.ndarray) for part in data):
        mu, sigma = data
        if mu.ndim == 1 and sigma.shape == (len(mu), len(mu)):
            return Contents(mu=_numbers(mu, "mu"), sigma=_numbers(sigma, "sigma"))
    return Contents(features=_features(data, f"the {_kind(data)}"))


def _known(data: Mapping[str, Any]) -> bool:
    """Return whether a mapping's keys are those of features or statistics."""
    if "raw_mean" in data or ("fid" in data and isinstance(data["fid"], Mapping)):
        return True
    if any(key in data for key in _FEATURE_KEYS) or _torchmetrics(data):
        return True
    return any(mu in data and sigma in data for mu, sigma in _MOMENT_KEYS) or (
        len(_shape(data, "arr_0")) == 2
    )


def _from_mapping(data: Mapping[str, Any], file: str) -> Contents:
    found = _of_known_keys(data)
    if found is None:
        keys = ", ".join(_key_and_shape(data, key) for key in list(data)[:20])
        raise InputError(
            f"{file} holds neither features nor statistics: its keys are {keys or 'none'}",
            hint=_EXPECTED,
        )
    if "part" in data:
        warn(f"{file} is one part of a feature store; for all its pictures, give the folder")
    for key in data:
        shape = _shape(data, key)
        if len(shape) == 4:
            what = "mean and covariance" if found.features is None else "features"
            warn(
                f"{file} also holds {shape[0]:,} pictures, in '{terminal_safe(key)}'; FID uses its "
                f"{what} instead. To use them: mifid reference build {file} -o pictures.npz"
            )
    return found


def _of_known_keys(data: Mapping[str, Any]) -> Contents | None:
    if "raw_mean" in data:
        return _from_stylegan3(data)
    if "fid" in data and isinstance(data["fid"], Mapping):
        return _from_edm2(data)
    provenance = _provenance(data)
    for key in _FEATURE_KEYS:
        if key in data:
            names = _names(data["names"]) if "names" in data else None
            rows = _features(data[key], f"'{key}'")
            drawn_from = _count(data["available"], "available") if "available" in data else None
            return Contents(
                rows,
                names,
                provenance=provenance,
                available=drawn_from,
                spatial_features=_spatial_features(data, len(rows)),
                colours=_colours(data),
            )
    for mu, sigma in _MOMENT_KEYS:
        if mu in data and sigma in data:
            return Contents(
                mu=_numbers(data[mu], f"'{mu}'"),
                sigma=_numbers(data[sigma], f"'{sigma}'"),
                n=_count(data["n"], "n") if "n" in data else None,
                provenance=provenance,
                spatial=_spatial(data),
            )
    if _torchmetrics(data):
        return _from_torchmetrics(data)
    plain = len(_shape(data, "arr_0")) == 2
    return Contents(features=_features(data["arr_0"], "'arr_0'")) if plain else None


def _spatial(data: Mapping[str, Any]) -> tuple[Array, Array] | None:
    """Read what OpenAI's evaluator keeps beside mu and sigma."""
    if not ("mu_s" in data and "sigma_s" in data):
        return None
    return _numbers(data["mu_s"], "'mu_s'"), _numbers(data["sigma_s"], "'sigma_s'")


def _spatial_features(data: Mapping[str, Any], n: int) -> Array | None:
    if "spatial_features" not in data:
        return None
    rows = _features(data["spatial_features"], "'spatial_features'")
    if len(rows) != n:
        raise FeatureError(
            f"'spatial_features' has {len(rows):,} rows; expected {n:,}, one for each picture"
        )
    return rows


def _colours(data: Mapping[str, Any]) -> Colours | None:
    if "colours" not in data:
        return None
    try:
        return Colours.from_dict(json.loads(_string(data["colours"], "colours")))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("'colours' is damaged", hint=_AGAIN) from error


def _from_edm2(data: Mapping[str, Any]) -> Contents:
    """Read EDM2's dict, which has one entry per feature space."""
    n, moments = data.get("num_images"), data["fid"]
    return Contents(
        mu=_numbers(_part(moments, "mu"), "mu of 'fid'"),
        sigma=_numbers(_part(moments, "sigma"), "sigma of 'fid'"),
        n=None if n is None else _count(n, "num_images"),
    )


def _from_stylegan3(data: Mapping[str, Any]) -> Contents:
    """Read the sums of x and x x^T over ``num_items`` pictures (metric_utils.py, FeatureStats)."""
    captured = data.get("all_features")
    if captured is not None and not (isinstance(captured, list) and not captured):
        return Contents(features=_features(captured, "'all_features'"))
    return _from_sums(
        _part(data, "raw_mean"),
        _part(data, "raw_cov"),
        _count(_part(data, "num_items"), "num_items"),
    )


def _torchmetrics(data: Mapping[str, Any]) -> list[str]:
    """Return the keys of torchmetrics' sums or features, those of real pictures first."""
    ends = ("real_features_sum", "real_features", "fake_features_sum", "fake_features")
    return [key for end in ends for key in data if isinstance(key, str) and key.endswith(end)]


def _from_torchmetrics(data: Mapping[str, Any]) -> Contents:
    """Read the state dict of FrechetInceptionDistance (sums), or of KID or MiFID (features)."""
    keys = _torchmetrics(data)
    taken = next((key for key in keys if not _is_empty(data, key)), keys[0])
    others = [key for key in keys if key != taken and not _is_empty(data, key)]
    if others:
        warn(
            f"the file holds {', '.join(map(terminal_safe, keys))}; only {terminal_safe(taken)} "
            "is used"
        )
    if not taken.endswith("_sum"):
        return Contents(features=_features(data[taken], f"'{terminal_safe(taken)}'"))
    start = taken.removesuffix("sum")
    number = f"{start}num_samples"
    return _from_sums(
        data[taken], _part(data, f"{start}cov_sum"), _count(_part(data, number), number)
    )


def _is_empty(data: Mapping[str, Any], key: str) -> bool:
    """Return whether torchmetrics has received no picture for a key."""
    if not key.endswith("_sum"):
        return isinstance(data[key], list | tuple) and not data[key]
    number = data.get(f"{key.removesuffix('sum')}num_samples")
    return isinstance(number, np.ndarray) and number.size == 1 and not number.any()


def _from_sums(total: Any, products: Any, n: int) -> Contents:
    """Compute the statistics from the sums of x (D,) and of x x^T (D, D) over n pictures."""
    mu = _numbers(total, "the sum of the features").astype(np.float64) / n
    sums = _numbers(products, "the sum of their products").astype(np.float64)
    if mu.ndim != 1 or sums.shape != (len(mu), len(mu)):
        raise FeatureError(
            f"the sums have shapes {mu.shape} and {sums.shape}; expected (D,) and (D, D)"
        )
    sigma = (sums / n - np.outer(mu, mu)) * (n / (n - 1))
    return Contents(mu=mu, sigma=sigma, n=n)


def _provenance(data: Mapping[str, Any]) -> Provenance:
    if "provenance" in data:
        return Provenance.from_json(_string(data["provenance"], "provenance"))
    if "model" in data:  # dgm-eval; its Inception resizes in another way, so it has its own name
        name = f"dgm-eval {terminal_safe(_string(data['model'], 'model'))}"
        return Provenance(extractor=name, not_comparable=f"{name} made the file")
    return Provenance()


# Values, which may have any type


def _part(data: Mapping[str, Any], key: str) -> Any:
    if key not in data:
        raise InputError(
            f"it holds no '{key}'; its keys are {', '.join(map(_key, list(data)[:20]))}"
        )
    return data[key]


def _features(value: Any, name: str) -> Array:
    array = _numbers(value, name)
    if array.ndim != 2:
        raise FeatureError(
            f"{name} has shape {array.shape}; expected features (pictures, width)",
            hint="Pictures are (N, H, W, 3) uint8." if array.ndim > 2 else "",
        )
    return array


def _numbers(value: Any, name: str) -> Array:
    array = _joined(value, name) if isinstance(value, list | tuple) else value
    if not isinstance(array, np.ndarray):
        raise FeatureError(f"{name} is a {_kind(array)}; expected an array of numbers")
    if array.dtype.kind not in "fiu":
        raise FeatureError(f"{name} is of type {array.dtype}; expected floating-point numbers")
    return array


def _joined(parts: Sequence[Any], name: str) -> Array:
    """Join batches (B, D), rows (D,), or lists of numbers, all of one width."""
    arrays = [_row(part) for part in parts]
    shapes = {array.shape[-1:] if array.ndim else None for array in arrays}
    if len(shapes) != 1 or {array.ndim for array in arrays} not in ({1}, {2}):
        raise FeatureError(
            f"{name} is a {_kind(parts)} of {len(parts):,} parts with different shapes",
            hint="Expected rows (D,), or batches (B, D), of one width. Save pictures as one array "
            "(N, H, W, 3) or tensor (N, 3, H, W) of uint8.",
        )
    # A list may hold one array many times.
    distinct = sum({id(array): array.nbytes for array in arrays}.values())
    if sum(array.nbytes for array in arrays) > most_bytes(distinct):
        raise InputError(
            f"{name} unpacks to many times its size",
            hint="It looks like a decompression bomb; make the file again.",
        )
    return np.concatenate(arrays) if arrays[0].ndim == 2 else np.stack(arrays)


def _row(part: Any) -> Array:
    if isinstance(part, np.ndarray) and part.dtype.kind in "fiu":
        return part
    if isinstance(part, list | tuple) and all(type(number) in (int, float) for number in part):
        return np.array(part, dtype=np.float64)
    return np.empty(())


def _count(value: Any, name: str) -> int:
    """Return a number of pictures."""
    number = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    whole = type(number) is int or (type(number) is float and number.is_integer())
    if not whole or not 2 <= number < 1 << 53:
        shown = f"{number:g}" if type(number) in (int, float) else f"a {_kind(number)}"
        raise FeatureError(
            f"{terminal_safe(name)} is {shown}; expected a whole number of pictures, at least 2 "
            "for a covariance"
        )
    return int(number)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "US":
        value = value.tolist()
    parts: Sequence[Any] = value if isinstance(value, list | tuple) else [None]
    if not all(type(part) in (str, bytes) for part in parts):
        raise InputError(f"'names' is a {_kind(value)}; expected a list of text")
    return tuple(part if type(part) is str else part.decode("utf-8", "replace") for part in parts)


def _string(value: Any, name: str) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if not isinstance(value, str):
        raise InputError(f"'{name}' is a {_kind(value)}; expected text")
    return value


def _shape(data: Mapping[str, Any], key: str) -> tuple[int, ...]:
    if isinstance(data, _Npz):
        return data.shape(key) if key in data else ()
    value = data.get(key)
    return value.shape if isinstance(value, np.ndarray) else ()


def _key_and_shape(data: Mapping[str, Any], key: Any) -> str:
    shape = _shape(data, key)
    return f"{_key(key)} {shape}" if shape else _key(key)


def _key(key: str) -> str:
    return terminal_safe(key[:100])


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    return type(value).__name__.lstrip("_").lower()
