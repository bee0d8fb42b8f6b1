"""Runs the network in OpenVINO on a CPU.

Converting needs torch (half a GiB of memory, seconds to import), so a process of its own does it
where this one has not imported torch anyway: what scores stays small.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mifid.cache import NetworkCache
from mifid.errors import InputError, first_line, setting, warn
from mifid.extractors.backends import ReadLayers
from mifid.extractors.base import EXACT, Precision, no_bfloat16
from mifid.extractors.resize import Matrix, Resize, two_taps
from mifid.files import cache_folder, sha256_of_file
from mifid.images import Pixels
from mifid.machine import can_start_python, python_environment
from mifid.statistics import FeatureMatrix

__all__ = [
    "OpenVinoBackend",
    "import_openvino",
    "obtain_core",
    "obtain_model",
]

_LAYOUT = 2  # of the kept files; raise it when the conversion changes


def import_openvino() -> Any:
    """Import openvino without its telemetry, which would report that to its makers.

    Raises:
        InputError: it is not installed.
    """
    if "openvino" not in sys.modules:
        # With its reporter missing OpenVINO uses a stub that sends nothing.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"backend openvino cannot be used: {error}",
            hint=f"Install it (pip install openvino), or give {setting('backend', 'torch')}.",
        ) from error
    return openvino


def obtain_core() -> Any:
    """Return OpenVINO's Core: the one of this process, which is never given up.

    A Core's CPU plugin gives its thread a stack for signal handlers, and unmaps it at its end. Of
    two Cores that overlap, the second puts back the stack of the first, which may be gone by then:
    the next Ctrl-C or SIGTERM ends Python with a segmentation fault, and a training unsaved.

    Raises:
        InputError: openvino is not installed.
    """
    return _core_of(import_openvino())


@lru_cache(maxsize=1)
def _core_of(openvino: Any) -> Any:
    return openvino.Core()


def obtain_model(core: Any, read_layers: ReadLayers, size: int, key: str) -> Any:
    """Return the network from its normalised input to its pooled features.

    Args:
        core: OpenVINO's.
        read_layers: reads the weights; called only where there is nothing on disk.
        size: side of the network's input, in pixels.
        key: SHA-256 of the weights.

    Raises:
        WeightsError: the weights cannot be read, or are another network's.
    """
    return _kept(core, key) or _converted(core, read_layers, size, key)


def _folder(key: str) -> Path:
    version = import_openvino().__version__.partition("-")[0]
    return cache_folder() / "openvino" / f"{key[:32]}-{version}-{_LAYOUT}"


def _kept(core: Any, key: str) -> Any | None:
    """Load a converted network, if it is there and whole."""
    folder = _folder(key)
    try:
        expected: Mapping[str, str] = json.loads((folder / "sha256.json").read_text())
        actual = {name: sha256_of_file(folder / name) for name in ("model.xml", "model.bin")}
        if expected != actual:
            raise ValueError("its contents have changed")
        return core.read_model(folder / "model.xml")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        warn(
            f"the converted network {folder} cannot be read: {error.strerror or error}",
            stacklevel=5,
        )
        return None
    except Exception as error:  # damage can make the reader raise nearly anything
        warn(
            f"the converted network {folder} is damaged and converted again: {first_line(error)}",
            stacklevel=5,
        )
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _converted(core: Any, read_layers: ReadLayers, size: int, key: str) -> Any:
    """Convert the network, and keep it where that is possible."""
    model = None
    folder = _folder(key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        NetworkCache().tidy()
        with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder.parent) as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            if not _converted_apart(read_layers, size, new):
                model = _convert(read_layers, size)
                _save(model, new)
            os.rename(new, folder)
    except (OSError, RuntimeError) as error:
        if not os.path.isdir(folder):  # else another run was quicker
            warn(f"the converted network could not be kept: {first_line(error)}", stacklevel=5)
    # What was kept and what was not must be the same network to the last bit: load it back.
    return _kept(core, key) or model or _convert(read_layers, size)


def _converted_apart(read_layers: ReadLayers, size: int, folder: Path) -> bool:
    """Convert in a process of its own; False: it could not, and this one is to find out why."""
    if "torch" in sys.modules or not can_start_python():
        return False
    code = f"from {__name__} import _be_converter; _be_converter()"
    try:
        task = pickle.dumps((read_layers, size, str(folder), os.getpid()))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            input=task,
            env=python_environment(),
            capture_output=True,
            check=False,
        )
    except (OSError, pickle.PicklingError, AttributeError, TypeError):
        return False  # weights that only this process can read, or no second process to be had
    return done.returncode == 0


def _be_converter() -> None:
    read_layers, size, folder, parent = pickle.load(sys.stdin.buffer)
    model = _convert(read_layers, size)
    if os.getppid() == parent:
        _save(model, Path(folder))
    else:  # it was killed, and nobody will want this, nor remove the folder for it
        shutil.rmtree(Path(folder).parent, ignore_errors=True)


def _save(model: Any, folder: Path) -> None:
    import_openvino().save_model(model, folder / "model.xml", compress_to_fp16=False)
    hashes = {name: sha256_of_file(folder / name) for name in ("model.xml", "model.bin")}
    (folder / "sha256.json").write_text(json.dumps(hashes))


def _convert(read_layers: ReadLayers, size: int) -> Any:
    import torch

    from mifid.extractors.network import Network

    openvino = import_openvino()
    trunk = Network(read_layers()).trunk
    example = torch.zeros(2, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and OpenVINO's about each other's versions
        return openvino.convert_model(trunk, example_input=example, input=[-1, 3, size, size])


class OpenVinoBackend:
    """Resize and network as two OpenVINO models: the first is made again for each size."""

    name = "openvino"
    device = "cpu"
    batch_size = 8  # as fast as larger ones, with a quarter of the memory of 32
    in_flight = 1  # one batch has all cores already

    def __init__(
        self,
        read_layers: ReadLayers,
        *,
        key: str,
        device: str,
        resize: Resize,
        precision: Precision,
    ) -> None:
        if device not in {"auto", "cpu"}:
            raise InputError(
                f"backend openvino runs on the CPU, not on '{device}'",
                hint=f"Give {setting('backend', 'torch')} for other devices.",
            )
        self._core = obtain_core()
        hint = self._hint(precision)
        self._network = self._request(obtain_model(self._core, read_layers, resize.size, key), hint)
        self._resize = lru_cache(maxsize=16)(
            lambda h, w: self._request(_resize_model(h, w, resize), "f32")
        )

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, D)."""
        resize = self._resize(*pixels.shape[1:3])
        resize.infer([np.ascontiguousarray(pixels)])
        self._network.set_input_tensor(resize.get_output_tensor())
        self._network.infer()
        # A copy: the request writes its next result into the same memory.
        found = np.array(self._network.get_output_tensor().data, dtype=np.float32)
        return found.reshape(len(pixels), -1)

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Compute the features at once; see :class:`mifid.extractors.backends.Backend`."""
        features = self(pixels)
        return lambda: features

    def _hint(self, precision: Precision) -> str:
        if precision == EXACT:
            # Said, because the default on processors that have bfloat16 is bfloat16.
            return "f32"
        if "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise no_bfloat16("this processor")
        return "bf16"

    def _request(self, model: Any, hint: str) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        return self._core.compile_model(model, "CPU", settings).create_infer_request()


def _resize_model(height: int, width: int, how: Resize) -> Any:
    """Resize and scaling: uint8 (N, H, W, 3) -> float32 (N, 3, S, S)."""
    openvino = import_openvino()
    ops = openvino.opset13
    pixels = ops.parameter([-1, height, width, 3], np.uint8)
    planes = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    if how.matrix is not None:
        rows, columns = (how.matrix(size, how.size) for size in (height, width))
        planes = _mix_rows(rows, ops.matmul(planes, ops.constant(columns), False, True))
    if how.clipped:
        planes = ops.clamp(planes, 0.0, 255.0)
    centre, scale = (
        np.array(value, np.float32).reshape(-1, 1, 1)
        if isinstance(value, tuple)
        else np.float32(value)
        for value in (how.centre, how.scale)
    )
    scaled = ops.divide(ops.subtract(planes, centre), scale)
    return openvino.Model([scaled], [pixels])


def _mix_rows(matrix: Matrix, planes: Any) -> Any:
    """Return ``matrix @ planes``; if it mixes two rows at most, without the product.

    Rows lie together in memory: picking and adding two takes a quarter of the product's time.
    Columns do not, so for them the product is faster.
    """
    ops = import_openvino().opset13
    taps = two_taps(matrix)
    if taps is None:
        return ops.matmul(ops.constant(matrix), planes, False, False)
    axis = ops.constant(2)
    parts = [
        ops.multiply(ops.gather(planes, ops.constant(rows), axis), ops.constant(weights[:, None]))
        for rows, weights in taps
    ]
    return ops.add(*parts)
