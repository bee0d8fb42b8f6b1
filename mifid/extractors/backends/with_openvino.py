"""The network in OpenVINO: on the CPU faster than torch, and without importing torch.

The network is converted once and kept on disk under the hash of its weights; later runs load that.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mifid.errors import InputError, MifidWarning, first_line
from mifid.extractors.backends import ReadWeights
from mifid.extractors.resize import INPUT_SIZE, Resize
from mifid.featureset import FeatureMatrix
from mifid.files import cache_folder, sha256_of_file
from mifid.images.source import Pixels

__all__ = ["OpenVinoBackend", "import_openvino"]

_LAYOUT = 1  # of the kept files; raise it when the conversion changes
_SETTINGS = {
    # Float32 throughout: its default on processors that have bfloat16 is bfloat16.
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
}


class OpenVinoBackend:
    """Resize and network as two OpenVINO models: the first is made anew for each size."""

    name = "openvino"
    device = "cpu"

    def __init__(self, read_weights: ReadWeights, *, key: str, device: str, resize: Resize) -> None:
        if device not in {"auto", "cpu"}:
            raise InputError(
                f"backend openvino runs on the CPU, not on '{device}'",
                hint="Use --backend torch for other devices.",
            )
        self._core = import_openvino().Core()
        model = _kept_model(self._core, key) or _converted(self._core, read_weights, key)
        self._network = self._request(model)
        self._resize = lru_cache(maxsize=16)(
            lambda h, w: self._request(_resize_model(h, w, resize))
        )

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        resize = self._resize(*pixels.shape[1:3])
        resize.infer([np.ascontiguousarray(pixels)])
        self._network.set_input_tensor(resize.get_output_tensor())
        self._network.infer()
        # A copy: the request writes its next result into the same memory.
        found = np.array(self._network.get_output_tensor().data, dtype=np.float32)
        return found.reshape(len(pixels), -1)

    def _request(self, model: Any) -> Any:
        return self._core.compile_model(model, "CPU", _SETTINGS).create_infer_request()


def _resize_model(height: int, width: int, how: Resize) -> Any:
    """Resize and scaling: uint8 (N, H, W, 3) -> float32 (N, 3, 299, 299)."""
    openvino = import_openvino()
    ops = openvino.opset13
    rows, columns = (how.matrix(size, INPUT_SIZE) for size in (height, width))
    pixels = ops.parameter([-1, height, width, 3], np.uint8)
    planes = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    wide = ops.matmul(planes, ops.constant(columns), False, True)
    resized = ops.matmul(ops.constant(rows), wide, False, False)
    if how.clipped:
        resized = ops.clamp(resized, 0.0, 255.0)
    scaled = ops.divide(ops.subtract(resized, np.float32(how.centre)), np.float32(how.scale))
    return openvino.Model([scaled], [pixels])


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
            hint="Install it (pip install openvino), or use --backend torch.",
        ) from error
    return openvino


def _folder(key: str) -> Path:
    version = import_openvino().__version__.partition("-")[0]
    return cache_folder() / "openvino" / f"{key[:32]}-{version}-{_LAYOUT}"


def _kept_model(core: Any, key: str) -> Any | None:
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
    except Exception as error:  # damage can make the reader raise nearly anything
        warnings.warn(
            f"the converted network {folder} is damaged and is converted anew: {first_line(error)}",
            MifidWarning,
            stacklevel=4,
        )
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _converted(core: Any, read_weights: ReadWeights, key: str) -> Any:
    """Convert the network with torch, and keep it where that is possible."""
    openvino = import_openvino()
    model = _convert(openvino, read_weights)
    folder = _folder(key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            openvino.save_model(model, new / "model.xml", compress_to_fp16=False)
            hashes = {name: sha256_of_file(new / name) for name in ("model.xml", "model.bin")}
            (new / "sha256.json").write_text(json.dumps(hashes))
            os.rename(new, folder)
    except (OSError, RuntimeError) as error:
        if not folder.is_dir():  # else another run was quicker
            warnings.warn(
                f"the converted network could not be kept: {first_line(error)}",
                MifidWarning,
                stacklevel=4,
            )
    # What was kept and what was not must be the same network to the last bit: load it back.
    return _kept_model(core, key) or model


def _convert(openvino: Any, read_weights: ReadWeights) -> Any:
    import torch

    from mifid.extractors.inception_network import InceptionNetwork, build_network

    trunk = InceptionNetwork(build_network(read_weights())).trunk
    example = torch.zeros(2, 3, INPUT_SIZE, INPUT_SIZE)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and OpenVINO's about each other's versions
        exported = torch.export.export(trunk, (example,), dynamic_shapes=({0: batch},))
        return openvino.convert_model(exported)
